//! Readers of a broadcast ring whose writer's memory holds anything.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Memory};
use adit_ring::broadcast::{Consumer, Follower, ReaderCell, StartCell, WriterCell, longest};
use adit_ring::stream::Word;
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (ring, writer, start) = (Memory::new(CAPACITY), Memory::new(256), Memory::new(64));
    let cells = [Memory::new(64), Memory::new(64)];
    let scratch_memory = Memory::new(64);
    // SAFETY: aligned, of these lengths, alive until the end, and accessed by atomics alone.
    let parts = |cell: usize| unsafe {
        (
            Word::from_raw(ring.at(0), CAPACITY / 8),
            WriterCell::from_raw(writer.at(0)),
            StartCell::from_raw(start.at(0)),
            ReaderCell::from_raw(cells[cell].at(0)),
        )
    };
    // SAFETY: as above. A message of this ring is shorter than a quarter of it.
    let scratch = unsafe { Word::from_raw(scratch_memory.at(0), CAPACITY / 32) };
    let lie = |input: &mut Input<'_>, around: u64| {
        for _ in 0..input.below(9) {
            let at = input.below(16);
            ring.word(at).store(input.header(), Relaxed);
        }
        for _ in 0..1 + input.below(4) {
            // A cursor of each line, or the word behind it.
            let at = input.below(4) * 8 + input.below(2);
            writer.word(at).store(input.near(around), Relaxed);
        }
        if input.below(8) == 0 {
            start.word(0).store(input.near(around) | u64::from(input.byte() > 9), Relaxed);
            start.word(1).store(input.near(around), Relaxed);
        }
    };
    let position = input.near(1 << 20);
    start.word(0).store(position | 1, Relaxed);
    writer.word(0).store(position, Relaxed);
    if input.below(4) == 0 {
        lie(&mut input, position);
    }
    let mut consumer = Consumer::join(parts(0)).ok().flatten();
    let mut follower = Follower::join(parts(1)).ok().flatten();
    while !input.is_empty() {
        let around = consumer.as_ref().map_or(position, |one| one.position());
        lie(&mut input, around);
        let mut buffer = [0; CAPACITY];
        let way = input.below(8);
        if let Some(consumer) = &mut consumer {
            let before = consumer.position();
            match way {
                0 => drop(consumer.try_pop(&mut buffer[..8])),
                1 => drop(consumer.try_pop(&mut buffer)),
                2 => {
                    let read = consumer.read_batch(usize::MAX, |bytes| {
                        assert!(bytes.len() <= longest(CAPACITY));
                        bytes.copy_to(0, &mut buffer[..bytes.len()]);
                    });
                    assert!(read.unwrap_or(0) <= CAPACITY / 8);
                }
                3 => drop(consumer.wait(&Deaf, Duration::ZERO)),
                _ => {}
            }
            consumer.wake(&Deaf);
            assert!(consumer.position() - before <= CAPACITY as u64);
        }
        if let Some(follower) = &mut follower {
            let copied = match way {
                4 => follower.copy_next(scratch),
                5 => follower.copy_newest(scratch),
                6 => follower.wait(&Deaf, Duration::ZERO).map(|_| None),
                _ => Ok(None),
            };
            follower.publish_head();
            assert!(copied.ok().flatten().unwrap_or(0) <= longest(CAPACITY));
        }
        if way == 7 {
            consumer = Consumer::join(parts(0)).ok().flatten();
            follower = Follower::join(parts(1)).ok().flatten();
        }
    }
});
