//! Every interleaving of a writer and a reader on a small ring.

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{Consumer, Producer, ReaderCell, SlotCell};
use crate::park::model::ModelFutex;

type Memory = (Arc<Vec<SlotCell>>, Arc<ReaderCell>);

/// `(Arc<[SlotCell]>, ...)` is not to be had from loom's `Arc`.
#[derive(Clone)]
struct Shared(Memory);

impl super::SlotMemory for Shared {
    fn slots(&self) -> &[SlotCell] {
        &self.0.0
    }

    fn reader(&self) -> &ReaderCell {
        &self.0.1
    }
}

fn ring(slots: usize) -> (Producer<Shared>, Consumer<Shared>) {
    let slots = Arc::new((0..slots).map(|_| SlotCell::default()).collect::<Vec<_>>());
    let memory = Shared((slots, Arc::new(ReaderCell::default())));
    (Producer::new(memory.clone()).unwrap(), Consumer::new(memory).unwrap())
}

fn message(value: u64) -> [u64; 7] {
    [value, value, 0, 0, 0, 0, value]
}

#[test]
fn messages_arrive_whole_once_and_in_order_over_the_wrap() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(2);
        let writer = thread::spawn(move || {
            for value in 0..3 {
                while producer.try_push(&message(value)).is_err() {
                    thread::yield_now();
                }
            }
        });
        for value in 0..3 {
            let got = loop {
                match consumer.try_pop().unwrap() {
                    Some(got) => break got,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(got, message(value));
        }
        writer.join().unwrap();
    });
}

/// Without a timeout: a lost wake would be a deadlock, which loom reports.
fn sleep_for(messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (mut producer, mut consumer) = ring(2);
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                for value in 0..messages {
                    producer.try_push(&message(value)).unwrap();
                    producer.wake(1, &*futex);
                }
            })
        };
        for value in 0..messages {
            while !consumer.wait(&*futex, Duration::MAX) {}
            assert_eq!(consumer.try_pop().unwrap(), Some(message(value)));
        }
        writer.join().unwrap();
    }
}

#[test]
fn a_sleeping_reader_is_always_woken() {
    loom::model(sleep_for(1));
}

/// Two sleeps in a row: every interleaving with at most three preemptions (all of them take minutes).
#[test]
fn a_reader_that_sleeps_again_is_always_woken() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(sleep_for(2));
}

#[test]
fn one_wake_for_a_batch_is_enough() {
    loom::model(|| {
        let (mut producer, mut consumer) = ring(4);
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                assert_eq!(producer.push_batch(&[message(0), message(1)]), 2);
                producer.wake(2, &*futex);
            })
        };
        for value in 0..2 {
            while !consumer.wait(&*futex, Duration::MAX) {}
            assert_eq!(consumer.try_pop().unwrap(), Some(message(value)));
        }
        writer.join().unwrap();
    });
}
