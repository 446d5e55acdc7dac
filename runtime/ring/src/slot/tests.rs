//! One operation list against an oracle, and peers that lie.

use std::{collections::VecDeque, sync::atomic::Ordering};

use proptest::prelude::*;

use super::{BadCapacity, Consumer, Full, Producer, ReaderCell, SlotCell};
use crate::Misbehaved;

#[derive(Clone, Debug)]
enum Operation {
    Push,
    PushBatch(usize),
    Pop,
    PublishHead,
    ArmAndDisarm,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => Just(Operation::Push),
        2 => (0..12usize).prop_map(Operation::PushBatch),
        6 => Just(Operation::Pop),
        1 => Just(Operation::PublishHead),
        1 => Just(Operation::ArmAndDisarm),
    ];
    prop::collection::vec(operation, 0..400)
}

fn memory(slots: usize) -> (Vec<SlotCell>, ReaderCell) {
    ((0..slots).map(|_| SlotCell::default()).collect(), ReaderCell::default())
}

fn numbered(number: u64) -> [u64; 7] {
    std::array::from_fn(|at| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at as u64)
}

proptest! {
    #[test]
    fn behaves_as_a_bounded_queue(bits in 1..5u32, operations in operations()) {
        let (slots, reader) = memory(1 << bits);
        let mut producer = Producer::new((&slots[..], &reader)).unwrap();
        let mut consumer = Consumer::new((&slots[..], &reader)).unwrap();
        let (mut oracle, mut next) = (VecDeque::new(), 0);
        // The shared head lags by less than this, so a push may be refused that much early.
        let lag = (slots.len() / 4).max(1);
        for operation in operations {
            match operation {
                Operation::Push => match producer.try_push(&numbered(next)) {
                    Ok(()) => { oracle.push_back(next); next += 1; }
                    Err(Full) => prop_assert!(oracle.len() + lag > slots.len()),
                },
                Operation::PushBatch(count) => {
                    let batch: Vec<_> = (next..next + count as u64).map(numbered).collect();
                    let pushed = producer.push_batch(&batch);
                    prop_assert!(pushed == count || oracle.len() + pushed + lag > slots.len());
                    oracle.extend(next..next + pushed as u64);
                    next += pushed as u64;
                }
                Operation::Pop => {
                    prop_assert_eq!(consumer.is_ready(), !oracle.is_empty());
                    prop_assert_eq!(consumer.try_pop().unwrap(), oracle.pop_front().map(numbered));
                }
                Operation::PublishHead => {
                    consumer.publish_head();
                    prop_assert_eq!(producer.refresh(), (slots.len() - oracle.len()) as u64);
                }
                Operation::ArmAndDisarm => {
                    let position = consumer.position();
                    consumer.arm();
                    prop_assert_eq!(reader.waiting.load(Ordering::Relaxed), position + 1);
                    consumer.disarm();
                }
            }
            prop_assert!(oracle.len() <= slots.len());
        }
    }

    /// Rule 4: whatever the reader writes into its cursor, the writer loses nothing and panics never.
    #[test]
    fn a_lying_reader_frees_nothing(heads in prop::collection::vec(any::<u64>(), 1..20), waiting: u64) {
        let (slots, reader) = memory(4);
        let mut producer = Producer::new((&slots[..], &reader)).unwrap();
        for number in 0..4 {
            producer.try_push(&numbered(number)).unwrap();
        }
        for head in heads {
            let head = head | 8;
            reader.head.store(head, Ordering::Relaxed);
            reader.waiting.store(waiting, Ordering::Relaxed);
            prop_assert_eq!(producer.try_push(&numbered(9)), Err(Full));
            let misbehaved = Misbehaved::Head { head, lowest: 0, highest: 4 };
            prop_assert_eq!(producer.check_peer(), Err(misbehaved));
            producer.wake(1, &Deaf);
        }
    }

    /// A writer that publishes nonsense is named; nothing is taken.
    #[test]
    fn a_lying_writer_is_named(sequence: u64) {
        let (slots, reader) = memory(4);
        slots[0].doorbell().store(sequence, Ordering::Relaxed);
        let mut consumer = Consumer::new((&slots[..], &reader)).unwrap();
        match (sequence, consumer.try_pop()) {
            (0, got) => prop_assert_eq!(got, Ok(None)),
            (1, got) => prop_assert!(matches!(got, Ok(Some(_)))),
            (_, got) => prop_assert_eq!(got, Err(Misbehaved::Sequence { position: 0, sequence })),
        }
    }
}

struct Deaf;

impl crate::park::Park for Deaf {
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn wait(&self, _: &crate::primitive::AtomicU64, _: u32, _: std::time::Duration) {}
    fn wake(&self, _: &crate::primitive::AtomicU64) {}
}

#[test]
fn capacities_are_powers_of_two() {
    for slots in [0, 1, 3, 6, 131_072] {
        let (cells, reader) = memory(slots);
        assert_eq!(Producer::new((&cells[..], &reader)).err(), Some(BadCapacity(slots)));
        assert_eq!(Consumer::new((&cells[..], &reader)).err(), Some(BadCapacity(slots)));
    }
}

#[test]
fn two_threads_lose_nothing() {
    const MESSAGES: u64 = 200_000;
    let (slots, reader) = memory(64);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = Producer::new((&slots[..], &reader)).unwrap();
            for number in 0..MESSAGES {
                while producer.try_push(&numbered(number)).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut consumer = Consumer::new((&slots[..], &reader)).unwrap();
        for number in 0..MESSAGES {
            let got = loop {
                match consumer.try_pop().unwrap() {
                    Some(got) => break got,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(got, numbered(number));
        }
    });
}
