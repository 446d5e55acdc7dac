//! The writer of a broadcast ring with a reader that lies, beside one that must get everything.
#![no_main]

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use adit_fuzz::{Deaf, Input, Memory};
use adit_ring::broadcast::{Consumer, MAX_READERS, Policy, Producer, ReaderCell, StartCell, WriterCell};
use adit_ring::stream::Word;
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 128;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (ring, writer) = (Memory::new(CAPACITY), Memory::new(256));
    let cells = [Memory::new(64), Memory::new(64)];
    let starts: [StartCell; MAX_READERS] = [const { StartCell::new() }; MAX_READERS];
    // SAFETY: aligned, of these lengths, alive until the end, and accessed by atomics alone.
    let (words, cell, readers) = unsafe {
        let readers = cells.each_ref().map(|cell| ReaderCell::from_raw(cell.at(0)));
        (Word::from_raw(ring.at(0), CAPACITY / 8), WriterCell::from_raw(writer.at(0)), readers)
    };
    let mut producer =
        Producer::new((words, cell, &starts), Policy::Lossless).expect("a capacity that is one");
    producer.join(0, readers[0]).expect("a free slot");
    producer.join(1, readers[1]).expect("a free slot");
    let honest = Consumer::join((words, cell, &starts[1], readers[1]));
    let mut honest = honest.expect("an honest writer").expect("it has joined");
    let mut sent = std::collections::VecDeque::new();
    while !input.is_empty() {
        cells[0].word(0).store(input.near(producer.position()), Relaxed);
        cells[0].word(1).store(input.near(producer.position()), Relaxed);
        let message = vec![input.byte(); input.below(28)];
        match input.below(6) {
            0..3 => {
                if producer.try_push(&message).is_ok() {
                    sent.push_back(message);
                }
            }
            3 => drop(producer.wait(message.len(), &Deaf, Duration::ZERO)),
            4 => {
                let _ = (producer.behind(0), producer.refresh());
                if producer.leave(0).is_some() {
                    let _ = producer.join(0, readers[0]);
                }
            }
            _ => {
                let mut buffer = [0; CAPACITY];
                if let Some(len) = honest.try_pop(&mut buffer).expect("the writer is honest") {
                    assert_eq!(sent.pop_front().as_deref(), Some(&buffer[..len]));
                }
            }
        }
        producer.wake(&Deaf);
    }
});
