//! Messages that fill their slots, beside a queue; and slots that lie.

use std::{collections::VecDeque, sync::atomic::Ordering};

use proptest::prelude::*;

use super::{
    Consumer, FULL_SLOT_WORDS, Framing, Producer, SLOT, SlotSteps, masked, tests::Memory, tests::Parts,
};
use crate::Misbehaved;

/// The smallest ring whose slots are looked at.
const CAPACITY: usize = 2048;

type Message = [u64; FULL_SLOT_WORDS];

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push(Last),
    PushTurn(u64, Last),
    /// By the slots, at most so many, which are lent before or were.
    Step(usize),
    /// Gives back what is lent.
    TakeBack,
    Pop,
    PopRun(usize),
}

/// What a message ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Same,
    Counted,
    /// What looks in the slot as what stood there before.
    Unseen,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let last = prop_oneof![Just(Last::Same), Just(Last::Counted), Just(Last::Unseen)];
    let operation = prop_oneof![
        5 => last.clone().prop_map(Operation::Push),
        2 => (0..9u64, last).prop_map(|(count, last)| Operation::PushTurn(count, last)),
        6 => (0..12usize).prop_map(Operation::Step),
        1 => Just(Operation::TakeBack),
        2 => Just(Operation::Pop),
        1 => (0..9usize).prop_map(Operation::PopRun),
    ];
    prop::collection::vec(operation, 0..400)
}

/// The slot at a position.
fn place(position: u64) -> usize {
    position as usize % CAPACITY / 8
}

/// The message that is to stand in front of `end`.
fn message(memory: &Memory, end: u64, last: Last) -> Message {
    let mut message = std::array::from_fn(|at| end ^ at as u64);
    message[7] = match last {
        Last::Same => 7,
        Last::Counted => end,
        Last::Unseen => {
            let mut before = [0; FULL_SLOT_WORDS];
            before[7] = memory.words[place(end - SLOT as u64) + 7].load();
            masked(before, end)[7]
        }
    };
    message
}

fn lent<'a>(consumer: &mut Consumer<Parts<'a>>, steps: &mut SlotSteps<Parts<'a>>) -> bool {
    steps.is_lent() || consumer.lend_slots(steps)
}

/// What stands there as a message.
fn message_in(bytes: &[u8], end: u64) -> Message {
    masked(std::array::from_fn(|at| u64::from_ne_bytes(bytes[at * 8..][..8].try_into().unwrap())), end)
}

/// Pushes a message, which the queue then has, and says whether there was room.
fn push(
    memory: &Memory,
    producer: &mut Producer<Parts<'_>>,
    queue: &mut VecDeque<(Message, bool)>,
    last: Last,
    push: impl FnOnce(&mut Producer<Parts<'_>>, &Message) -> bool,
) -> bool {
    let message = message(memory, producer.position() + SLOT as u64, last);
    let pushed = push(producer, &message);
    if pushed {
        queue.push_back((message, last != Last::Unseen));
    }
    pushed
}

proptest! {
    #[test]
    fn full_slots_change_nothing_but_how_soon_a_message_is_found(
        laps in 0..3u64,
        says: bool,
        operations in operations(),
    ) {
        let memory = Memory::new(CAPACITY);
        let (mut producer, mut consumer) =
            memory.framed_ends(laps * CAPACITY as u64, Framing::Fixed(SLOT));
        let mut steps = consumer.full_slot_steps();
        // As of one that has read what was before.
        (0..consumer.position()).step_by(SLOT).for_each(|position| steps.saw(position + SLOT as u64, 0));
        let mut queue = VecDeque::new();
        for operation in operations {
            let mut got: Vec<Message> = Vec::new();
            if matches!(operation, Operation::TakeBack | Operation::Pop | Operation::PopRun(_)) {
                let position = if steps.is_lent() { steps.position() } else { consumer.position() };
                consumer.take_slots_back(&mut steps);
                prop_assert!(!steps.is_lent() && consumer.position() == position);
            }
            let begun = consumer.position();
            match operation {
                Operation::Push(last) => {
                    push(&memory, &mut producer, &mut queue, last, |producer, message| {
                        producer.try_push_in_full_slot(message).is_ok()
                    });
                }
                Operation::PushTurn(count, last) => {
                    producer.refresh();
                    producer.begin_turn(count * SLOT as u64);
                    while push(&memory, &mut producer, &mut queue, last, |producer, message| {
                        producer.push_in_full_slot(message)
                    }) {}
                }
                Operation::Step(most) => {
                    if lent(&mut consumer, &mut steps) {
                        while got.len() < most && let Some((message, position)) = steps.step_full() {
                            got.push(message);
                            prop_assert_eq!(position, steps.position());
                        }
                        let is_found = got.len() == most || steps.is_over();
                        let next = queue.get(got.len());
                        prop_assert!(is_found || next.is_none_or(|(_, shown)| !shown));
                    }
                }
                Operation::TakeBack => {}
                Operation::Pop => {
                    let mut into = [0; SLOT];
                    if consumer.try_pop(&mut into).unwrap().is_some() {
                        got.push(message_in(&into, consumer.position()));
                    }
                }
                Operation::PopRun(most) => {
                    let mut into = vec![0; most * SLOT];
                    let count = consumer.try_pop_run(SLOT, &mut into).unwrap();
                    let ends = (begun + SLOT as u64..).step_by(SLOT);
                    got.extend(into.chunks_exact(SLOT).take(count).zip(ends).map(|(slot, end)| message_in(slot, end)));
                }
            }
            for (got, end) in got.into_iter().zip((begun + SLOT as u64..).step_by(SLOT)) {
                if says && matches!(operation, Operation::Pop | Operation::PopRun(_)) {
                    steps.saw(end, masked(got, end)[7]);
                }
                prop_assert_eq!(Some(got), queue.pop_front().map(|(message, _)| message));
            }
        }
        consumer.take_slots_back(&mut steps);
        let mut into = [0; SLOT];
        while consumer.try_pop(&mut into).unwrap().is_some() {
            let got = message_in(&into, consumer.position());
            prop_assert_eq!(Some(got), queue.pop_front().map(|(message, _)| message));
        }
        prop_assert!(queue.is_empty());
    }

    /// Rule 4: whatever a writer leaves there is read within bounds, and its tail finds it out.
    #[test]
    fn full_slots_that_lie_are_read_within_bounds(
        operations in prop::collection::vec((0..40u64, any::<u64>(), 0..50u64, 0..5u8), 1..60),
    ) {
        let memory = Memory::new(CAPACITY);
        let (_producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(SLOT));
        let mut steps = consumer.full_slot_steps();
        // What the last read was: of what a slot showed, whose tail may be missing.
        let mut stepped = false;
        for (slot, noise, tail, way) in operations {
            memory.words[(slot as usize * 8 + 7) % memory.words.len()].store(noise);
            // Mostly near what was read: nothing, one message less, or some more.
            let position = consumer.position();
            let tail = match noise % 4 {
                0 => tail.wrapping_mul(noise),
                1 => position,
                2 => position.wrapping_sub(SLOT as u64),
                _ => position + tail % 34 * SLOT as u64,
            };
            memory.writer.position.store(tail, Ordering::Relaxed);
            let ahead = tail.wrapping_sub(position);
            let is_right = ahead <= CAPACITY as u64 && tail.is_multiple_of(SLOT as u64);
            let is_missing = stepped && ahead == 0u64.wrapping_sub(SLOT as u64);
            match way {
                0 => match consumer.is_ready() {
                    Ok(ready) => {
                        prop_assert!(is_right || is_missing);
                        prop_assert_eq!(ready, is_right && ahead > 0);
                        // All of it, so that slots are lent again.
                        while consumer.try_pop(&mut [0; SLOT]) == Ok(Some(SLOT)) {
                            stepped = false;
                            steps.saw(consumer.position(), noise);
                        }
                    }
                    Err(misbehaved) => {
                        prop_assert!(!is_right && !is_missing);
                        let is_named = matches!(misbehaved, Misbehaved::Tail { tail: named, .. } if named == tail);
                        prop_assert!(is_named);
                    }
                },
                1 => {
                    consumer.arm();
                    prop_assert_eq!(consumer.sleep_on().is_some(), tail == position || is_missing);
                    consumer.disarm();
                }
                _ => {
                    let mut count = 0;
                    while lent(&mut consumer, &mut steps) && steps.step_full().is_some() {
                        count += 1;
                    }
                    consumer.take_slots_back(&mut steps);
                    prop_assert!(count < 8, "the writer hears of a quarter of the ring");
                    prop_assert_eq!(consumer.position(), position + count * SLOT as u64);
                    stepped |= count > 0;
                }
            }
            prop_assert!(memory.reader.position.load(Ordering::Relaxed) <= consumer.position());
        }
    }
}

/// A writer that died, or was stopped, between the message and its tail.
#[test]
fn a_message_whose_tail_is_missing_is_read_once_and_ends_nothing() {
    let memory = Memory::new(CAPACITY);
    let (_producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(SLOT));
    let mut steps = consumer.full_slot_steps();
    assert!(consumer.lend_slots(&mut steps));
    let message = [1, 2, 3, 4, 5, 6, 7, 8];
    memory.words.iter().zip(masked(message, SLOT as u64)).for_each(|(word, value)| word.store(value));
    assert_eq!(steps.step_full(), Some((message, SLOT as u64)));
    consumer.take_slots_back(&mut steps);
    assert_eq!((consumer.is_ready(), consumer.sleep_on().map(|on| on.expected)), (Ok(false), Some(0)));
    memory.writer.position.store(SLOT as u64, Ordering::Relaxed);
    assert_eq!((consumer.is_ready(), consumer.sleep_on().map(|on| on.expected)), (Ok(false), Some(64)));
    // Later such a tail is none that a correct writer has.
    memory.writer.position.store(2 * SLOT as u64, Ordering::Relaxed);
    assert_eq!(consumer.try_pop(&mut [0; SLOT]), Ok(Some(SLOT)));
    memory.writer.position.store(SLOT as u64, Ordering::Relaxed);
    assert!(matches!(consumer.is_ready(), Err(Misbehaved::Tail { tail: 64, .. })));
}

/// The same message again and again is another one in each lap.
#[test]
fn what_repeats_itself_is_shown() {
    let memory = Memory::new(CAPACITY);
    let (mut producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(SLOT));
    let mut steps = consumer.full_slot_steps();
    for number in 1..=200u64 {
        producer.try_push_in_full_slot(&[0; FULL_SLOT_WORDS]).unwrap();
        if steps.is_over() {
            consumer.take_slots_back(&mut steps);
            if consumer.is_ready() == Ok(true) {
                consumer.try_pop(&mut [0; SLOT]).unwrap();
                continue;
            }
        }
        assert!(lent(&mut consumer, &mut steps));
        assert_eq!(steps.step_full(), Some(([0; FULL_SLOT_WORDS], number * SLOT as u64)));
    }
}
