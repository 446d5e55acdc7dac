//! The writer of a stream ring whose reader's cursor says anything: nothing unread is ever written over.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Memory};
use adit_ring::stream::{CursorCell, Framing, Producer, Word};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (ring, writer, reader) = (Memory::new(CAPACITY), Memory::new(64), Memory::new(64));
    let framing = match input.below(48) {
        size @ 1..=32 => Framing::Fixed(size),
        _ => Framing::Records,
    };
    let start = input.near(1 << 20);
    writer.word(0).store(start, Relaxed);
    reader.word(0).store(start, Relaxed);
    // SAFETY: aligned, of these lengths, alive until the end, and accessed by atomics alone.
    let parts = unsafe {
        (
            Word::from_raw(ring.at(0), CAPACITY / 8),
            CursorCell::from_raw(writer.at(0)),
            CursorCell::from_raw(reader.at(0)),
        )
    };
    let Ok(mut producer) = Producer::resume_framed(parts, framing) else { return };
    // The highest head that was ever possible.
    let mut highest = start;
    let bytes = [7; 4 * CAPACITY];
    while !input.is_empty() {
        let head = input.near(producer.position());
        reader.word(0).store(head, Relaxed);
        reader.word(1).store(input.near(producer.position()), Relaxed);
        if head <= writer.word(0).load(Relaxed) {
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
        if head <= writer.word(0).load(Relaxed) {
            highest = highest.max(head);
        }
        assert!(producer.position() - highest <= CAPACITY as u64);
    }
});
