//! spec: CHN-1.4
//!
//! Peers that lie: whatever they write and whenever, this side names it or goes on, and stays within bounds.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    Consumer, Framing, PushError, StreamMemory,
    fixed_tests::of_size,
    framing::Grid,
    longest,
    record::{message, skip},
    tests::{Memory, numbered},
};
use crate::{Misbehaved, park::Park, primitive::AtomicU64};

struct Deaf;

impl Park for Deaf {
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn wait(&self, _: &AtomicU64, _: u32, _: Duration) {}
    fn wake(&self, _: &AtomicU64) {}
}

const CAPACITY: usize = 512;

/// Values that are nearly right more often than not.
fn near(around: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..40u64).prop_map(move |words| around.wrapping_add(words * 8).wrapping_sub(96)),
        1 => (0..300u64).prop_map(move |bytes| around.wrapping_add(bytes)),
        1 => any::<u64>(),
    ]
}

fn header() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..40u64).prop_map(message),
        3 => (1..6u64).prop_map(|words| skip(words * 8)),
        1 => any::<u64>(),
        1 => any::<u32>().prop_map(|len| message(u64::from(len))),
        1 => Just(0),
    ]
}

/// Both framings, and sizes with and without a skip at the wrap.
fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![3 => Just(Framing::Records), 2 => (1..=32usize).prop_map(Framing::Fixed)]
}

/// The first possible position from `position` on.
fn from(position: u64, framing: Framing) -> u64 {
    let grid = Grid::new(CAPACITY / 8, framing).unwrap();
    (position..).find(|at| grid.has(*at)).unwrap()
}

/// Steps past all of a turn.
fn step<T>(consumer: &mut Consumer<impl StreamMemory + Clone>, into: &mut [u8]) {
    let mut steps = consumer.steps::<T>();
    consumer.lend(&mut steps);
    steps.each(3, |bytes| bytes.copy_to(0, into));
    while let Some((bytes, _)) = steps.step() {
        bytes.copy_to(0, into);
    }
    consumer.take_back(&mut steps);
}

proptest! {
    /// Whatever the writer leaves in its memory, each look ends in a message within bounds, in nothing, or
    /// in a name for what is wrong, and the reader never goes past the tail that it accepted.
    #[test]
    fn a_lying_writer_is_named_or_read_within_bounds(
        framing in framing(),
        start in 0..16u64,
        steps in prop::collection::vec((near(1 << 20), prop::collection::vec(header(), CAPACITY / 8), 0..9usize), 1..12),
    ) {
        let memory = Memory::new(CAPACITY);
        let start = from((1 << 20) + start * 8, framing);
        let (_producer, mut consumer) = memory.framed_ends(start, framing);
        let longest = match framing {
            Framing::Records => longest(CAPACITY),
            Framing::Fixed(size) => size,
        };
        for (tail, words, way) in steps {
            for (word, value) in memory.words.iter().zip(&words) {
                word.store(*value);
            }
            memory.writer.position.store(tail, Ordering::Relaxed);
            memory.writer.waiting.store(tail, Ordering::Relaxed);
            let before = consumer.position();
            let mut buffer = [0; CAPACITY];
            match way {
                0 => { let _ = consumer.try_pop(&mut buffer[..8]); }
                1 => { let _ = consumer.try_pop(&mut buffer); }
                2 => {
                    if let Ok(Some(record)) = consumer.read() {
                        prop_assert!(record.bytes().len() <= longest);
                    }
                }
                3 => {
                    let read = consumer.read_batch(usize::MAX, |bytes| assert!(bytes.len() <= longest));
                    prop_assert!(read.unwrap_or(0) <= CAPACITY / 8);
                }
                4 => { let _ = consumer.wait(&Deaf, Duration::ZERO); }
                5 => if let Framing::Fixed(size) = framing {
                    let _ = consumer.try_pop_run(size, &mut [0; 4 * CAPACITY]);
                }
                6 => if let Framing::Fixed(size) = framing {
                    let _ = consumer.begin_turn(tail % 100);
                    if tail % 2 == 0 {
                        while consumer.pop_in_turn(&mut buffer[..size]) {}
                    }
                    of_size!(size, step)(&mut consumer, &mut buffer[..size]);
                }
                7 => if let Framing::Fixed(size) = framing
                    && let Some(place) = consumer.step_past_only(size)
                {
                    consumer.bytes_at(place, size).copy_to(0, &mut buffer[..size]);
                }
                _ => {
                    consumer.arm();
                    let _ = consumer.sleep_on();
                    consumer.disarm();
                }
            }
            consumer.wake(&Deaf);
            prop_assert!(consumer.position() - before <= CAPACITY as u64);
            prop_assert!(memory.reader.position.load(Ordering::Relaxed) <= consumer.position());
        }
    }

    /// Whatever the reader writes into its cursor, nothing unread is overwritten for an honest third who
    /// reads the same ring: only heads that are possible free anything.
    #[test]
    fn a_lying_reader_frees_only_what_it_may(
        framing in framing(),
        start in 0..16u64,
        steps in prop::collection::vec((near(1 << 20), any::<u64>(), 0..40usize, 0..5usize), 1..40),
    ) {
        let memory = Memory::new(CAPACITY);
        let start = from((1 << 20) + start * 8, framing);
        let grid = Grid::new(CAPACITY / 8, framing).unwrap();
        let (mut producer, _consumer) = memory.framed_ends(start, framing);
        // The highest head that was ever possible; the writer need not have looked when it was.
        let mut highest = start;
        for (number, (head, waiting, len, way)) in steps.into_iter().enumerate() {
            memory.reader.position.store(head, Ordering::Relaxed);
            memory.reader.waiting.store(waiting, Ordering::Relaxed);
            let published = memory.writer.position.load(Ordering::Relaxed);
            let (len, part) = match framing {
                Framing::Records => (len, len / 2),
                Framing::Fixed(size) => (size, size),
            };
            match way {
                0 => { let _ = producer.try_push(&numbered(number as u64, len)); }
                1 => {
                    if let Ok(mut claim) = producer.claim(len) {
                        claim.write(0, &numbered(number as u64, len));
                        claim.commit_first(part);
                    }
                }
                2 => { let _ = producer.wait(len, &Deaf, Duration::ZERO); }
                3 => { let _ = producer.try_push_run(len.max(1), &numbered(number as u64, 5 * len)); }
                _ => {
                    // What waits longer than that is published by it.
                    producer.publish_every(len as u64);
                    let published = memory.writer.position.load(Ordering::Relaxed);
                    match producer.check_peer() {
                        Ok(()) => {
                            let unread = producer.position() - head;
                            prop_assert_eq!(producer.refresh(), CAPACITY as u64 - unread);
                        }
                        Err(Misbehaved::Head { head: named, lowest, highest }) => {
                            prop_assert_eq!((named, highest), (head, published));
                            prop_assert!(!grid.has(head) || !(lowest..=highest).contains(&head));
                        }
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
            }
            producer.wake(&Deaf);
            let shared = memory.writer.position.load(Ordering::Relaxed);
            prop_assert!((published..=producer.position()).contains(&shared));
            if grid.has(head) && head <= shared {
                highest = highest.max(head);
            }
            prop_assert!(producer.position() - highest <= CAPACITY as u64);
        }
    }
}

#[test]
fn a_reader_that_never_moves_is_no_reason_to_write_over_it() {
    let memory = Memory::new(CAPACITY);
    let (mut producer, _consumer) = memory.ends(0);
    while producer.try_push(&[1; 20]).is_ok() {}
    for head in [8 + CAPACITY as u64, 4, u64::MAX, u64::MAX - 7] {
        memory.reader.position.store(head, Ordering::Relaxed);
        assert_eq!(producer.try_push(&[2; 20]), Err(PushError::Full));
        let highest = producer.position();
        assert_eq!(producer.check_peer(), Err(Misbehaved::Head { head, lowest: 0, highest }));
    }
}

/// A writer that scribbles over everything while this side reads.
#[test]
fn noise_from_another_thread_is_survived() {
    let memory = Memory::new(1024);
    let (_producer, mut consumer) = memory.ends(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = 1u64;
            while !done.load(Ordering::Relaxed) {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let at = (state >> 40) as usize % memory.words.len();
                memory.words[at].store(message(state >> 58));
                let head = memory.reader.position.load(Ordering::Relaxed);
                memory.writer.position.store(head + (state >> 53) / 8 * 8, Ordering::Relaxed);
            }
        });
        let mut outcomes = [0; 3];
        let mut buffer = [0; 256];
        let enough = |outcomes: [i32; 3]| outcomes[1] > 1000 && outcomes[2] > 1000;
        for turn in 0.. {
            if turn > 200_000 && enough(outcomes) {
                break;
            }
            let outcome = match turn % 2 {
                0 => consumer.try_pop(&mut buffer).map(|read| read.is_some()).map_err(drop),
                _ => consumer.read_batch(8, |bytes| assert!(bytes.len() <= 248)).map(|n| n > 0).map_err(drop),
            };
            outcomes[outcome.map_or(2, usize::from)] += 1;
            if outcome.is_err() {
                // Go on past what was refused, as a new reader would.
                let head = consumer.position() + 8;
                std::mem::forget(consumer);
                memory.reader.position.store(head, Ordering::Relaxed);
                memory.writer.position.store(head, Ordering::Relaxed);
                consumer = loop {
                    if let Ok(consumer) = super::Consumer::resume(memory.parts()) {
                        break consumer;
                    }
                };
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// To take a head that cannot be for room would be to look again for ever, and never to sleep.
#[test]
fn a_writer_sleeps_on_a_head_that_cannot_be() {
    let memory = Memory::new(256);
    let (mut producer, _consumer) = memory.framed_ends(0, Framing::Fixed(24));
    while producer.try_push(&[1; 24]).is_ok() {}
    for head in [0, 8, 25, 23, 1 << 40] {
        memory.reader.position.store(head, Ordering::Relaxed);
        assert!(producer.sleep_on(24).is_some(), "{head}");
        assert!(producer.sleep_for(8).is_some(), "{head}");
        assert_eq!(producer.try_push(&[1; 24]), Err(PushError::Full));
    }
    memory.reader.position.store(24, Ordering::Relaxed);
    assert!(producer.sleep_on(24).is_none() && producer.sleep_for(8).is_none());
    assert_eq!(producer.try_push(&[1; 24]), Ok(()));
}

/// What one ring gave is nothing to another.
#[test]
#[should_panic = "the run is another ring's"]
fn a_run_of_another_ring_is_not_consumed() {
    let (records, fixed) = (Memory::new(1024), Memory::new(1024));
    let (mut producer, mut consumer) = records.ends(0);
    producer.try_push(&[1; 200]).unwrap();
    let run = consumer.run(1024).unwrap().unwrap();
    let (mut producer, mut consumer) = fixed.framed_ends(0, Framing::Fixed(64));
    producer.try_push(&[1; 64]).unwrap();
    assert!(consumer.run(1024).unwrap().is_some());
    consumer.consume_run(run);
}
