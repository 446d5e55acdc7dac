//! Both ends of a slot ring whose other end's memory holds anything.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Memory};
use adit_ring::slot::{Consumer, Producer, ReaderCell, SlotCell};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let slots = 2 << input.below(4);
    let (ring, reader) = (Memory::new(slots * 64), Memory::new(64));
    // SAFETY: aligned, of these lengths, alive until the end, and accessed by atomics alone.
    let parts = unsafe { (SlotCell::from_raw(ring.at(0), slots), ReaderCell::from_raw(reader.at(0))) };
    let mut consumer = Consumer::new(parts).expect("a capacity that is one");
    let mut producer = Producer::new(parts).expect("a capacity that is one");
    while !input.is_empty() {
        let slot = input.below(slots);
        ring.word(slot * 8 + 7).store(input.near(consumer.position()), Relaxed);
        reader.word(0).store(input.near(producer.position()), Relaxed);
        reader.word(1).store(input.near(producer.position()), Relaxed);
        match input.below(6) {
            0 => drop(consumer.try_pop()),
            1 => drop(consumer.wait(&Deaf, Duration::ZERO)),
            2 => drop(producer.try_push(&[1; 7])),
            3 => drop(producer.push_batch(&[[2; 7]; 20])),
            4 => drop((producer.check_peer(), producer.refresh())),
            _ => {
                consumer.arm();
                let _ = consumer.sleep_on();
                consumer.disarm();
            }
        }
        producer.wake(1, &Deaf);
        assert!(consumer.position() <= u64::MAX / 2 && producer.refresh() <= slots as u64);
    }
});
