//! The writer of a stream ring whose reader's cursor says anything: nothing unread is ever written over.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Ring};
use adit_ring::stream::{Framing, Producer};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let framing = match input.below(48) {
        size @ 1..=32 => Framing::Fixed(size),
        _ => Framing::Records,
    };
    let start = input.near(1 << 20);
    let ring = Ring::new(CAPACITY, start);
    let Ok(mut producer) = Producer::resume_framed(ring.parts(), framing) else { return };
    // The highest head that was ever possible.
    let mut highest = start;
    let bytes = [7; 4 * CAPACITY];
    while !input.is_empty() {
        let head = input.near(producer.position());
        ring.reader.word(0).store(head, Relaxed);
        ring.reader.word(1).store(input.near(producer.position()), Relaxed);
        if head <= ring.writer.word(0).load(Relaxed) {
            highest = highest.max(head);
        }
        let len = if let Framing::Fixed(size) = framing { size } else { input.below(64) };
        match input.below(7) {
            0 => drop(producer.try_push(&bytes[..len])),
            1 => {
                if let Ok(mut claim) = producer.claim(len) {
                    claim.write(0, &bytes[..len]);
                    claim.commit();
                }
            }
            2 => drop(producer.claim(len).map(|claim| claim.abort())),
            3 => drop(producer.wait(len, &Deaf, Duration::ZERO)),
            4 => drop(producer.try_push_run(len.max(1), &bytes[..len.max(1) * 5 % bytes.len()])),
            5 => producer.publish_every(len as u64),
            _ => {
                let _ = (producer.check_peer(), producer.refresh());
                let _ = producer.arm(len);
                let _ = producer.sleep_on(len);
                producer.disarm();
            }
        }
        producer.wake(&Deaf);
        // What was published meanwhile makes the same head possible.
        if head <= ring.writer.word(0).load(Relaxed) {
            highest = highest.max(head);
        }
        assert!(producer.position() - highest <= CAPACITY as u64);
    }
});
