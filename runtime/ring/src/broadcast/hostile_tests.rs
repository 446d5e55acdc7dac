//! Peers that lie: whatever they write and whenever, this side names it or goes on, and stays within bounds.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    Consumer, Follower, Policy, longest,
    record::{message, skip},
    tests::{Memory, numbered, words},
};
use crate::{park::Park, primitive::AtomicU64};

struct Deaf;

impl Park for Deaf {
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn wait(&self, _: &AtomicU64, _: u32, _: Duration) {}
    fn wake(&self, _: &AtomicU64) {}
}

const CAPACITY: usize = 128;

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
        6 => (0..40u64, 0..12u64).prop_map(|(len, sequence)| message(len, sequence)),
        3 => (1..6u64).prop_map(|words| skip(words * 8)),
        1 => any::<u64>(),
        1 => Just(0),
    ]
}

#[derive(Clone, Debug)]
struct Lie {
    start: u64,
    tail: u64,
    newest: u64,
    oldest: u64,
    count: u64,
    words: Vec<u64>,
    way: usize,
}

fn lies() -> impl Strategy<Value = Vec<Lie>> {
    let cursors = (near(1 << 20), near(1 << 20), near(1 << 20), near(1 << 20), near(4));
    let lie =
        (cursors, prop::collection::vec(header(), 16), 0..6usize).prop_map(|(cursors, words, way)| Lie {
            start: cursors.0,
            tail: cursors.1,
            newest: cursors.2,
            oldest: cursors.3,
            count: cursors.4,
            words,
            way,
        });
    prop::collection::vec(lie, 1..12)
}

fn tell(memory: &Memory, lie: &Lie) {
    for (word, value) in memory.words.iter().zip(&lie.words) {
        word.store(*value);
    }
    memory.starts[0].position.store(lie.start, Ordering::Relaxed);
    memory.starts[0].sequence.store(lie.count, Ordering::Relaxed);
    memory.writer.tail.store(lie.tail, Ordering::Relaxed);
    memory.writer.waiting.store(lie.tail, Ordering::Relaxed);
    memory.writer.newest.store(lie.newest, Ordering::Relaxed);
    memory.writer.oldest.store(lie.oldest, Ordering::Relaxed);
    memory.writer.count.store(lie.count, Ordering::Relaxed);
}

proptest! {
    #[test]
    fn a_lying_writer_is_named_or_read_within_bounds(start in 0..16u64, lies in lies()) {
        let memory = Memory::new(CAPACITY);
        let start = (1 << 20) + start * 8;
        memory.starts[0].position.store(start + 1, Ordering::Relaxed);
        memory.writer.tail.store(start, Ordering::Relaxed);
        let mut consumer = Consumer::join(memory.reader(0)).unwrap().unwrap();
        let mut follower = Follower::join(memory.reader(0)).unwrap().unwrap();
        for lie in lies {
            tell(&memory, &lie);
            let before = consumer.position();
            let mut buffer = [0; CAPACITY];
            let scratch = words(CAPACITY / 32);
            match lie.way {
                0 => { let _ = consumer.try_pop(&mut buffer[..8]); }
                1 => { let _ = consumer.try_pop(&mut buffer); }
                2 => {
                    let read = consumer.read_batch(usize::MAX, |bytes| assert!(bytes.len() <= longest(CAPACITY)));
                    prop_assert!(read.unwrap_or(0) <= CAPACITY / 8);
                }
                3 => { let _ = (consumer.wait(&Deaf, Duration::ZERO), follower.wait(&Deaf, Duration::ZERO)); }
                4 => {
                    if let Ok(Some(len)) = follower.copy_next(&scratch) {
                        prop_assert!(len <= longest(CAPACITY));
                    }
                }
                _ => {
                    if let Ok(Some(len)) = follower.copy_newest(&scratch) {
                        prop_assert!(len <= longest(CAPACITY));
                    }
                }
            }
            consumer.wake(&Deaf);
            prop_assert!(consumer.position() - before <= CAPACITY as u64);
            let _ = (Consumer::join(memory.reader(0)).map(drop), Follower::join(memory.reader(0)).map(drop));
        }
    }

    /// Whatever one reader writes into its cell, an honest one beside it loses nothing.
    #[test]
    fn a_lying_reader_frees_only_what_it_may(
        steps in prop::collection::vec((near(64), any::<u64>(), 0..28usize, 0..3usize), 1..60),
    ) {
        let memory = Memory::new(CAPACITY);
        let mut producer = memory.producer(Policy::Lossless);
        for slot in 0..2 {
            producer.join(slot, &memory.readers[slot]).unwrap();
        }
        let mut honest = Consumer::join(memory.reader(1)).unwrap().unwrap();
        let (mut sent, mut got) = (Vec::new(), 0);
        for (number, (head, waiting, len, way)) in steps.into_iter().enumerate() {
            memory.readers[0].head.store(head, Ordering::Relaxed);
            memory.readers[0].waiting.store(waiting, Ordering::Relaxed);
            let text = numbered(number as u64, len);
            if producer.try_push(&text).is_ok() {
                sent.push(text);
            }
            let _ = producer.wait(len, &Deaf, Duration::ZERO);
            producer.wake(&Deaf);
            let _ = producer.behind(0);
            let mut buffer = [0; CAPACITY];
            if way == 0 && let Some(len) = honest.try_pop(&mut buffer).unwrap() {
                prop_assert_eq!(&buffer[..len], &sent[got][..]);
                got += 1;
            }
        }
    }
}

/// A writer that scribbles over everything while this side reads: outcomes of both kinds, and no hang.
#[test]
fn noise_from_another_thread_is_survived() {
    let memory = Memory::new(1024);
    memory.starts[0].position.store(1, Ordering::Relaxed);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = 1u64;
            while !done.load(Ordering::Relaxed) {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                let at = (state >> 40) as usize % memory.words.len();
                memory.words[at].store(message(state >> 58, state >> 61));
                let head = memory.readers[0].head.load(Ordering::Relaxed);
                memory.writer.tail.store(head + (state >> 53) / 8 * 8, Ordering::Relaxed);
                memory.writer.newest.store(head + (state >> 54) / 8 * 8, Ordering::Relaxed);
                memory.writer.oldest.store(head + (state >> 55) / 8 * 8, Ordering::Relaxed);
            }
        });
        let mut outcomes = [0_u32; 3];
        let scratch = words(1024 / 32);
        for turn in 0..2_000_000 {
            if turn > 100_000 && outcomes[1] > 1000 && outcomes[2] > 1000 {
                break;
            }
            let Ok(Some(mut follower)) = Follower::join(memory.reader(0)) else {
                outcomes[2] += 1;
                continue;
            };
            for _ in 0..4 {
                let outcome = match turn % 2 {
                    0 => follower.copy_next(&scratch),
                    _ => follower.copy_newest(&scratch),
                };
                follower.publish_head();
                outcomes[outcome.map_or(2, |copied| usize::from(copied.is_some()))] += 1;
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(outcomes[1] > 0 && outcomes[2] > 0, "{outcomes:?}");
    });
}

/// A head that cannot be frees nothing and is slept on, and whoever shows it is known.
#[test]
fn a_head_that_cannot_be_is_slept_on_and_known() {
    let memory = Memory::new(CAPACITY);
    let mut producer = memory.producer(Policy::Lossless);
    producer.join(0, &memory.readers[0]).unwrap();
    while producer.try_push(&[1; 8]).is_ok() {}
    for head in [4, 17, 1 << 40] {
        memory.readers[0].head.store(head, Ordering::Relaxed);
        assert!(producer.has_lied(0) && producer.sleep_on(8).is_some(), "{head}");
        assert_eq!(producer.try_push(&[1; 8]), Err(super::PushError::Full));
    }
    assert!(!producer.has_lied(1));
    memory.readers[0].head.store(16, Ordering::Relaxed);
    assert!(!producer.has_lied(0) && producer.sleep_on(8).is_none());
    assert_eq!(producer.try_push(&[1; 8]), Ok(()));
}
