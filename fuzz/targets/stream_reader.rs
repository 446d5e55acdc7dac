//! The reader of a stream ring whose writer's memory holds anything.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Ring};
use adit_ring::stream::{Consumer, Framing, StreamMemory, longest};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 512;

/// A function of messages of so many bytes.
macro_rules! of_size {
    ($of:expr, $function:ident) => {
        of_size!($of, $function, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
    };
    ($of:expr, $function:ident, $($size:literal)*) => {
        match $of {
            $($size => $function::<[u8; $size]>,)*
            size => unreachable!("no message has {size} bytes"),
        }
    };
}

/// Steps past all of a turn, some together and the others one by one.
fn step<T>(consumer: &mut Consumer<impl StreamMemory + Clone>, into: &mut [u8]) {
    let mut steps = consumer.steps::<T>();
    consumer.lend(&mut steps);
    assert!(steps.each(3, |bytes| bytes.copy_to(0, into)) <= 3);
    while let Some((bytes, _)) = steps.step() {
        bytes.copy_to(0, into);
    }
    consumer.take_back(&mut steps);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let framing = match input.below(48) {
        size @ 1..=32 => Framing::Fixed(size),
        _ => Framing::Records,
    };
    let start = input.near(1 << 20);
    let ring = Ring::new(CAPACITY, start);
    let Ok(mut consumer) = Consumer::resume_framed(ring.parts(), framing) else { return };
    let most = if let Framing::Fixed(size) = framing { size } else { longest(CAPACITY) };
    while !input.is_empty() {
        for _ in 0..input.below(9) {
            let at = input.below(16);
            ring.words.word(at).store(input.header(), Relaxed);
        }
        ring.writer.word(0).store(input.near(consumer.position()), Relaxed);
        ring.writer.word(1).store(input.near(consumer.position()), Relaxed);
        let before = consumer.position();
        let mut buffer = [0; CAPACITY];
        match input.below(9) {
            0 => drop(consumer.try_pop(&mut buffer[..8])),
            1 => drop(consumer.try_pop(&mut buffer)),
            2 => {
                if let Ok(Some(record)) = consumer.read() {
                    assert!(record.bytes().len() <= most);
                    record.bytes().copy_to(0, &mut buffer[..record.bytes().len()]);
                }
            }
            3 => {
                let read = consumer.read_batch(usize::MAX, |bytes| {
                    assert!(bytes.len() <= most);
                    bytes.copy_to(0, &mut buffer[..bytes.len()]);
                });
                assert!(read.unwrap_or(0) <= CAPACITY / 8);
            }
            4 => drop(consumer.wait(&Deaf, Duration::ZERO)),
            5 => {
                if let Framing::Fixed(size) = framing {
                    let _ = consumer.try_pop_run(size, &mut [0; 4 * CAPACITY]);
                }
            }
            6 => {
                if let Framing::Fixed(size) = framing {
                    let _ = consumer.begin_turn(u64::from(input.byte()));
                    of_size!(size, step)(&mut consumer, &mut buffer[..size]);
                    while consumer.pop_in_turn(&mut buffer[..size]) {}
                    if let Some(place) = consumer.step_past_only(size) {
                        consumer.bytes_at(place, size).copy_to(0, &mut buffer[..size]);
                    }
                }
            }
            7 => {
                consumer.arm();
                let _ = consumer.sleep_on();
                consumer.disarm();
            }
            _ => consumer.publish_every(u64::from(input.byte())),
        }
        consumer.wake(&Deaf);
        assert!(consumer.position() - before <= CAPACITY as u64);
        assert!(ring.reader.word(0).load(Relaxed) <= consumer.position());
    }
});
