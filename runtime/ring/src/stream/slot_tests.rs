//! Messages that are shown in their slots and others, beside a queue; and slots that lie.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{Consumer, Framing, SLOT, SLOT_PAYLOAD, SLOT_WORDS, SlotSteps, tests::Memory, tests::Parts};
use crate::Misbehaved;

/// The smallest ring whose slots are looked at.
const CAPACITY: usize = 2048;

const PAYLOAD: usize = SLOT_PAYLOAD;

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// Of a writer that shows it, or of one that died before it did.
    Push {
        shown: bool,
    },
    PushTurn(u64),
    PublishEvery(u64),
    Show,
    Flush,
    /// By the slots, at most so many, which are lent before or were.
    Step(usize),
    /// Gives back what is lent.
    TakeBack,
    Pop,
    PopRun(usize),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        5 => any::<bool>().prop_map(|shown| Operation::Push { shown }),
        2 => (0..9u64).prop_map(Operation::PushTurn),
        1 => (0..300u64).prop_map(Operation::PublishEvery),
        1 => Just(Operation::Show),
        1 => Just(Operation::Flush),
        6 => (0..12usize).prop_map(Operation::Step),
        1 => Just(Operation::TakeBack),
        2 => Just(Operation::Pop),
        1 => (0..9usize).prop_map(Operation::PopRun),
    ];
    prop::collection::vec(operation, 0..400)
}

fn slot(number: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    for (at, byte) in slot[..PAYLOAD].iter_mut().enumerate() {
        *byte = (number.wrapping_mul(31) as usize + at * 7) as u8;
    }
    slot
}

fn words(number: u64) -> [u64; SLOT_WORDS] {
    let slot = slot(number);
    std::array::from_fn(|at| u64::from_ne_bytes(slot[at * 8..][..8].try_into().unwrap()))
}

/// Steps past at most `most` messages, which are lent where nothing is.
fn step<'a>(
    consumer: &mut Consumer<Parts<'a>>,
    steps: &mut SlotSteps<Parts<'a>>,
    most: usize,
) -> Vec<Vec<u8>> {
    if !steps.is_lent() && !consumer.lend_slots(steps) {
        assert!(steps.step().is_none(), "nothing is lent");
        return Vec::new();
    }
    let mut got = Vec::new();
    while got.len() < most
        && let Some((bytes, position)) = steps.step()
    {
        let mut copy = vec![0; bytes.len()];
        bytes.copy_to(0, &mut copy);
        got.push(copy);
        assert_eq!(position, steps.position());
    }
    got
}

proptest! {
    #[test]
    fn slots_change_nothing_but_how_soon_a_message_is_found(
        laps in 0..3u64,
        operations in operations(),
    ) {
        let memory = Memory::new(CAPACITY);
        let (mut producer, mut consumer) =
            memory.framed_ends(laps * CAPACITY as u64, Framing::Fixed(SLOT));
        let mut steps = consumer.slot_steps();
        let (mut written, mut taken, mut all_shown) = (0, 0, true);
        for operation in operations {
            let mut got: Vec<Vec<u8>> = Vec::new();
            if matches!(operation, Operation::TakeBack | Operation::Pop | Operation::PopRun(_)) {
                let position = if steps.is_lent() { steps.position() } else { consumer.position() };
                consumer.take_slots_back(&mut steps);
                prop_assert!(!steps.is_lent() && consumer.position() == position);
            }
            match operation {
                Operation::Push { shown } => {
                    if producer.try_push(&slot(written)).is_ok() {
                        written += 1;
                        if shown {
                            producer.show_in_slot();
                        }
                        all_shown &= shown && memory.writer.position.load(Ordering::Relaxed) == producer.position();
                    }
                }
                Operation::PushTurn(count) => {
                    producer.refresh();
                    producer.begin_turn(count * SLOT as u64);
                    while producer.push_in_slot(&words(written)) {
                        written += 1;
                    }
                }
                Operation::PublishEvery(bytes) => producer.publish_every(bytes),
                Operation::Show => producer.show_in_slot(),
                Operation::Flush => producer.flush(),
                Operation::Step(most) => {
                    got = step(&mut consumer, &mut steps, most);
                    let is_found = all_shown && steps.is_lent() && !steps.is_over() && got.len() < most;
                    prop_assert!(!is_found || taken + got.len() as u64 == written, "all were shown");
                }
                Operation::TakeBack => {}
                Operation::Pop => {
                    let mut into = vec![0; SLOT];
                    got.extend(consumer.try_pop(&mut into).unwrap().map(|_| into));
                }
                Operation::PopRun(most) => {
                    let mut into = vec![0; most * SLOT];
                    let count = consumer.try_pop_run(SLOT, &mut into).unwrap();
                    got.extend(into.chunks_exact(SLOT).take(count).map(<[u8]>::to_vec));
                }
            }
            for got in got {
                prop_assert!(taken < written);
                prop_assert_eq!(&got[..PAYLOAD], &slot(taken)[..PAYLOAD]);
                taken += 1;
            }
            // What is not shown is read some time.
            all_shown |= taken == written;
            // The writer sees all but what may be held back.
            let unread = (written - taken) * SLOT as u64;
            prop_assert!(producer.refresh() + unread + CAPACITY as u64 / 4 >= CAPACITY as u64);
        }
        consumer.take_slots_back(&mut steps);
        producer.flush();
        let mut into = [0; SLOT];
        while consumer.try_pop(&mut into).unwrap().is_some() {
            prop_assert_eq!(&into[..PAYLOAD], &slot(taken)[..PAYLOAD]);
            taken += 1;
        }
        prop_assert_eq!(taken, written);
    }

    /// Rule 4: a writer that shows what it has not published is found out by its tail, and read within bounds before.
    #[test]
    fn slots_that_lie_are_read_within_bounds(
        steps in prop::collection::vec((0..40u64, any::<u64>(), 0..50u64, 0..5u8), 1..60),
    ) {
        let memory = Memory::new(CAPACITY);
        let (_producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(SLOT));
        let mut lent = consumer.slot_steps();
        for (slot, noise, tail, way) in steps {
            let word = (slot as usize * 8 + 7) % memory.words.len();
            let near = (consumer.position() / CAPACITY as u64 * 32 + slot + 1) * SLOT as u64;
            memory.words[word].store(if noise % 3 == 0 { noise } else { near });
            memory.writer.position.store(tail * SLOT as u64 + noise % 2 * noise, Ordering::Relaxed);
            let before = consumer.position();
            let tail = memory.writer.position.load(Ordering::Relaxed);
            match way {
                0 => match consumer.is_ready() {
                    Ok(ready) => prop_assert_eq!(ready, !consumer.is_drained()),
                    Err(Misbehaved::Tail { tail: named, .. }) => prop_assert_eq!(named, tail),
                    Err(other) => prop_assert!(false, "{}", other),
                },
                1 => {
                    consumer.arm();
                    prop_assert_eq!(consumer.sleep_on().is_some(), tail == consumer.position());
                    consumer.disarm();
                }
                _ => {
                    let got = step(&mut consumer, &mut lent, 50);
                    consumer.take_slots_back(&mut lent);
                    prop_assert!(got.len() < 8, "the writer hears of a quarter of the ring");
                    prop_assert_eq!(consumer.position(), before + (got.len() * SLOT) as u64);
                },
            }
            prop_assert!(memory.reader.position.load(Ordering::Relaxed) <= consumer.position());
        }
    }
}

#[test]
fn slots_are_not_lent_in_a_ring_of_few_or_of_other_messages() {
    for (capacity, size) in [(CAPACITY / 2, SLOT), (CAPACITY, SLOT - 8), (CAPACITY, 2 * SLOT)] {
        let memory = Memory::new(capacity);
        let (mut producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(size));
        let mut steps = consumer.slot_steps();
        producer.try_push(&vec![0; size]).unwrap();
        producer.show_in_slot();
        assert!(!consumer.lend_slots(&mut steps) && steps.step().is_none());
        assert_eq!(consumer.try_pop(&mut vec![0; size]), Ok(Some(size)));
    }
}

/// What is known of by the tail comes first.
#[test]
fn slots_are_lent_once_all_that_is_known_of_is_read() {
    let memory = Memory::new(CAPACITY);
    let (mut producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(SLOT));
    let mut steps = consumer.slot_steps();
    for number in 0..2 {
        producer.try_push(&slot(number)).unwrap();
        producer.show_in_slot();
    }
    assert!(consumer.is_ready().unwrap() && !consumer.lend_slots(&mut steps));
    for _ in 0..2 {
        consumer.try_pop(&mut [0; SLOT]).unwrap();
    }
    assert!(consumer.lend_slots(&mut steps) && steps.step().is_none());
    producer.try_push(&slot(2)).unwrap();
    assert!(steps.step().is_none(), "it is not shown yet");
    producer.show_in_slot();
    assert_eq!(steps.step().map(|(_, position)| position), Some(3 * SLOT as u64));
}
