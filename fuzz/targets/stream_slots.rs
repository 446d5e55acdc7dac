//! The reader of a stream ring with slots whose writer's memory holds anything.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Ring};
use adit_ring::stream::{Consumer, Framing, SLOT, masked};
use libfuzzer_sys::fuzz_target;

/// The smallest ring whose slots are lent, of 32.
const CAPACITY: usize = 2048;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let are_full = input.below(2) == 1;
    // What stands in full slots must have been seen.
    let lap = if are_full { 0 } else { 1 << 20 };
    let start = lap + input.below(64) as u64 * SLOT as u64;
    let ring = Ring::new(CAPACITY, start);
    let Ok(mut consumer) = Consumer::resume_framed(ring.parts(), Framing::Fixed(SLOT)) else { return };
    let mut lent = if are_full { consumer.full_slot_steps() } else { consumer.slot_steps() };
    if are_full {
        (0..start).step_by(SLOT).for_each(|position| lent.saw(position + SLOT as u64, 0));
    }
    while !input.is_empty() {
        let before = consumer.position();
        // Sequences, most of them of the slots that are next; to full slots they are as good as any word.
        for _ in 0..input.below(9) {
            let slot = before / SLOT as u64 + input.below(40) as u64;
            let sequence = input.near((slot + 1) * SLOT as u64);
            ring.words.word(slot as usize % (CAPACITY / SLOT) * 8 + 7).store(sequence, Relaxed);
        }
        ring.writer.word(0).store(input.near(before), Relaxed);
        ring.writer.word(1).store(input.near(before), Relaxed);
        let mut buffer = [0; SLOT];
        match input.below(7) {
            0 => {
                if let Ok(Some(_)) = consumer.try_pop(&mut buffer) {
                    let words = std::array::from_fn(|at| {
                        u64::from_ne_bytes(buffer[at * 8..][..8].try_into().unwrap())
                    });
                    lent.saw(consumer.position(), words[7]);
                    assert_eq!(masked(masked(words, before), before), words);
                }
            }
            1 => {
                let _ = consumer.try_pop_run(SLOT, &mut [0; 2 * CAPACITY]);
            }
            2 => drop(consumer.wait(&Deaf, Duration::ZERO)),
            3 => {
                consumer.arm();
                let _ = consumer.sleep_on();
                consumer.disarm();
            }
            4 => consumer.publish_every(u64::from(input.byte()) * 4),
            _ => {
                let is_lent = consumer.lend_slots(&mut lent);
                assert!(is_lent == lent.is_lent());
                let mut count = 0;
                while count < input.below(12) {
                    let position = if are_full {
                        let Some((_, position)) = lent.step_full() else { break };
                        position
                    } else {
                        let Some((bytes, position)) = lent.step() else { break };
                        bytes.copy_to(0, &mut buffer);
                        position
                    };
                    count += 1;
                    assert_eq!(position, before + (count * SLOT) as u64);
                }
                assert!(is_lent || count == 0);
                consumer.take_slots_back(&mut lent);
                assert_eq!(consumer.position(), before + (count * SLOT) as u64);
            }
        }
        consumer.wake(&Deaf);
        assert!(consumer.position() - before <= CAPACITY as u64);
        assert!(ring.reader.word(0).load(Relaxed) <= consumer.position());
    }
});
