//! Threads on a small ring.

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering, fence},
    },
    time::Duration,
};

use super::{
    Consumer, Follower, Policy,
    tests::{Memory, bytes_of, numbered, words},
};
use crate::{park::Park, primitive::AtomicU64};

/// Sleeps in a condition variable; what a futex is to a kernel.
#[derive(Default)]
struct Bed {
    lock: Mutex<()>,
    sleepers: Condvar,
}

impl Park for Bed {
    fn light_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn heavy_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn wait(&self, word: &AtomicU64, expected: u32, timeout: Duration) {
        let lock = self.lock.lock().unwrap();
        if word.load(Ordering::SeqCst) as u32 == expected {
            drop(self.sleepers.wait_timeout(lock, timeout).unwrap());
        }
    }

    fn wake(&self, _: &AtomicU64) {
        drop(self.lock.lock().unwrap());
        self.sleepers.notify_all();
    }
}

fn length(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % 1017
}

/// A minute's timeout, so that a lost wake is noticed.
#[test]
fn sleeping_readers_and_a_sleeping_writer_lose_nothing() {
    const MESSAGES: u64 = 20_000;
    let (memory, bed, sleep) = (Memory::new(4096), Bed::default(), Duration::from_secs(60));
    let mut producer = memory.producer(Policy::Lossless);
    for slot in 0..2 {
        producer.join(slot, &memory.readers[slot]).unwrap();
    }
    std::thread::scope(|scope| {
        for slot in 0..2 {
            let (memory, bed) = (&memory, &bed);
            scope.spawn(move || {
                let mut consumer = Consumer::join(memory.reader(slot)).unwrap().unwrap();
                let mut number = 0;
                while number < MESSAGES {
                    while !consumer.wait(bed, sleep).unwrap() {}
                    let count = consumer.read_batch(number as usize % 5 + 1, |bytes| {
                        let mut copy = vec![0; bytes.len()];
                        bytes.copy_to(0, &mut copy);
                        assert_eq!(copy, numbered(number, length(number)));
                        number += 1;
                    });
                    assert!(count.unwrap() > 0);
                    consumer.wake(bed);
                }
            });
        }
        producer.publish_every(500);
        for number in 0..MESSAGES {
            let message = numbered(number, length(number));
            while producer.try_push(&message).is_err() {
                assert!(producer.wait(message.len(), &bed, sleep).is_ok());
            }
            producer.wake(&bed);
        }
        producer.flush();
        producer.wake(&bed);
    });
}

/// One follower takes what comes, the other the newest, while the writer never waits.
#[test]
fn no_torn_message_is_taken_however_fast_the_writer_is() {
    const MESSAGES: u64 = 300_000;
    let (memory, done) = (Memory::new(8192), AtomicBool::new(false));
    let mut producer = memory.producer(Policy::Overwrite);
    for slot in 0..2 {
        producer.join(slot, &memory.readers[slot]).unwrap();
    }
    std::thread::scope(|scope| {
        for slot in 0..2 {
            let (memory, done) = (&memory, &done);
            scope.spawn(move || {
                let mut follower = Follower::join(memory.reader(slot)).unwrap().unwrap();
                let scratch = words(8192 / 32);
                let mut got = 0;
                loop {
                    let over = done.load(Ordering::Acquire);
                    let copied = match slot {
                        0 => follower.copy_next(&scratch),
                        _ => follower.copy_newest(&scratch),
                    };
                    match copied.unwrap() {
                        Some(len) => {
                            let message = bytes_of(&scratch, len);
                            let number = follower.lost() + got;
                            assert_eq!(message, numbered(number, length(number)));
                            got += 1;
                        }
                        None if over => break,
                        None => std::thread::yield_now(),
                    }
                }
                assert_eq!(follower.lost() + got, MESSAGES);
            });
        }
        for number in 0..MESSAGES {
            producer.try_push(&numbered(number, length(number))).unwrap();
        }
        done.store(true, Ordering::Release);
    });
}
