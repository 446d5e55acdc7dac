//! Two threads on a small ring.

use std::{
    sync::{
        Condvar, Mutex,
        atomic::{Ordering, fence},
    },
    time::Duration,
};

use super::tests::{Memory, numbered};
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

/// A small ring, so that both ends sleep often; a minute's timeout, so that a lost wake is noticed.
#[test]
fn two_threads_that_sleep_lose_nothing() {
    const MESSAGES: u64 = 30_000;
    let (memory, bed) = (Memory::new(4096), Bed::default());
    let (mut producer, mut consumer) = memory.ends(0);
    let length = |number: u64| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize % 1017;
    let sleep = Duration::from_secs(60);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            producer.publish_every(500);
            for number in 0..MESSAGES {
                let len = length(number);
                while producer.try_push(&numbered(number, len)).is_err() {
                    assert!(producer.wait(len, &bed, sleep).is_ok());
                }
                producer.wake(&bed);
            }
            producer.flush();
            producer.wake(&bed);
        });
        let mut number = 0;
        while number < MESSAGES {
            while !consumer.wait(&bed, sleep).unwrap() {}
            let most = number as usize % 5 + 1;
            let count = consumer.read_batch(most, |bytes| {
                let mut copy = vec![0; bytes.len()];
                bytes.copy_to(0, &mut copy);
                assert_eq!(copy, numbered(number, length(number)));
                number += 1;
            });
            assert!(count.unwrap() > 0);
            consumer.wake(&bed);
        }
    });
}

#[test]
fn two_threads_that_spin_lose_nothing() {
    const MESSAGES: u64 = 100_000;
    let memory = Memory::new(1024);
    let (mut producer, mut consumer) = memory.ends(1 << 33);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..MESSAGES {
                let message = [number, !number, number ^ 7].map(u64::to_ne_bytes);
                while producer.try_push(&message.as_flattened()[..number as usize % 25]).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        for number in 0..MESSAGES {
            while !consumer.is_ready().unwrap() {
                std::thread::yield_now();
            }
            let record = consumer.read().unwrap().unwrap();
            let message = [number, !number, number ^ 7].map(u64::to_ne_bytes);
            let (mut copy, len) = ([0; 24], number as usize % 25);
            record.bytes().copy_to(0, &mut copy[..len]);
            assert_eq!(record.bytes().len(), len);
            assert_eq!(copy[..len], message.as_flattened()[..len]);
        }
    });
}
