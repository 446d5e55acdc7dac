//! Messages that fill their slots.

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{Consumer, SLOT, Shared, model, slots};
use crate::{
    park::model::ModelFutex,
    stream::{SlotSteps, masked},
};

const FULL: [[u64; 8]; 2] = [[1, 2, 3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14, 15, 8]];

/// Of a reader that has seen the lap before.
fn steps(consumer: &Consumer<Shared>) -> SlotSteps<Shared> {
    let mut steps = consumer.full_slot_steps();
    (SLOT as u64..=consumer.position()).step_by(SLOT).for_each(|end| steps.saw(end, 0));
    steps
}

/// The eighth word alone orders them, in turns and not; the tail may be behind what was read, and is never before what is whole.
#[test]
fn messages_in_full_slots_arrive_whole_once_and_in_order() {
    for by_tail in [false, true] {
        model(Some(3), move || {
            let (mut producer, mut consumer) = slots();
            let mut steps = steps(&consumer);
            let writer = thread::spawn(move || {
                producer.try_push_in_full_slot(&FULL[0]).unwrap();
                producer.begin_turn(SLOT as u64);
                assert!(producer.push_in_full_slot(&FULL[1]));
            });
            for expected in FULL {
                let message = loop {
                    if steps.is_lent() || consumer.lend_slots(&mut steps) {
                        if let Some((message, _)) = steps.step_full() {
                            break message;
                        }
                        if by_tail {
                            consumer.take_slots_back(&mut steps);
                        }
                    }
                    let mut into = [0; SLOT];
                    if by_tail && consumer.try_pop(&mut into).unwrap().is_some() {
                        let word = |at: usize| u64::from_le_bytes(into[at * 8..][..8].try_into().unwrap());
                        break masked(std::array::from_fn(word), consumer.position());
                    }
                    thread::yield_now();
                };
                assert_eq!(message, expected);
            }
            consumer.take_slots_back(&mut steps);
            assert_eq!(consumer.is_ready(), Ok(false));
            writer.join().unwrap();
            assert_eq!(consumer.is_ready(), Ok(false));
        });
    }
}

/// Who read what its slot shows, and finds that the tail is not there yet, sleeps for the next message and not for the tail.
#[test]
fn a_reader_of_full_slots_that_sleeps_is_woken() {
    model(Some(3), || {
        let (mut producer, mut consumer) = slots();
        let mut steps = steps(&consumer);
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                for message in &FULL {
                    producer.try_push_in_full_slot(message).unwrap();
                    producer.wake(&*futex);
                }
            })
        };
        assert!(consumer.lend_slots(&mut steps));
        while steps.step_full().is_none() {
            thread::yield_now();
        }
        consumer.take_slots_back(&mut steps);
        while !consumer.wait(&*futex, Duration::MAX).unwrap() {}
        assert_eq!(consumer.try_pop(&mut [0; SLOT]), Ok(Some(SLOT)));
        writer.join().unwrap();
    });
}
