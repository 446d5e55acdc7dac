//! Messages that are written and read as plain memory, in place: for the thread sanitizer (`cargo xtask tsan`), which
//! then sees whether the cursors alone order what the two threads do.

use std::{ptr::NonNull, sync::atomic::AtomicU64};

use adit_ring::{
    broadcast::{self, Policy, ReaderCell, StartCell, WriterCell},
    stream::{self, CursorCell, Framing, Word},
};

const CAPACITY: usize = 1024;
const MESSAGES: u64 = 20_000;

/// Lines of words, as rings want them.
#[repr(C, align(64))]
struct Line([AtomicU64; 8]);

/// A ring's words. They stay for ever, as the cursors do: the sanitizer sees threads that are joined, but not those
/// of a scope, which the standard library joins in a way of its own.
fn words() -> &'static [Word] {
    let lines: Vec<Line> = (0..CAPACITY / 64).map(|_| Line([const { AtomicU64::new(0) }; 8])).collect();
    let lines = Box::leak(lines.into_boxed_slice());
    // SAFETY: aligned, of this length, alive for ever, and accessed by the ring alone.
    unsafe { Word::from_raw(NonNull::from(&mut lines[0]).cast(), CAPACITY / 8) }
}

fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn length(number: u64) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize + 1
}

/// Every byte says the number.
fn fill(bytes: &mut [u8], number: u64) {
    bytes.iter_mut().zip(number..).for_each(|(byte, value)| *byte = value as u8);
}

fn check(bytes: &[u8], number: u64) {
    assert!(bytes.iter().zip(number..).all(|(byte, value)| *byte == value as u8), "message {number}");
}

#[test]
fn the_cursors_of_a_stream_ring_order_plain_memory() {
    for framing in [Framing::Records, Framing::Fixed(40)] {
        let memory = (words(), forever(CursorCell::default()), forever(CursorCell::default()));
        let mut producer = stream::Producer::framed(memory, framing).unwrap();
        let mut consumer = stream::Consumer::framed(memory, framing).unwrap();
        let size = move |number| if framing == Framing::Records { length(number) } else { 40 };
        let writer = std::thread::spawn(move || {
            for number in 0..MESSAGES {
                while producer.claim(size(number)).is_err() {
                    std::thread::yield_now();
                }
                let mut claim = producer.claim(size(number)).unwrap();
                // SAFETY: the reader does not look at what is not published.
                fill(unsafe { claim.as_mut_slice() }, number);
                claim.commit();
            }
        });
        for number in 0..MESSAGES {
            while !consumer.is_ready().unwrap() {
                std::thread::yield_now();
            }
            let record = consumer.read().unwrap().unwrap();
            assert_eq!(record.bytes().len(), size(number));
            // SAFETY: the writer keeps off until the record is consumed.
            check(unsafe { record.bytes().as_slice() }, number);
        }
        writer.join().unwrap();
    }
}

#[test]
fn the_cursors_of_a_broadcast_order_plain_memory() {
    let (words, writer) = (words(), forever(WriterCell::default()));
    let starts = forever([const { StartCell::new() }; broadcast::MAX_READERS]);
    let readers = forever([ReaderCell::default(), ReaderCell::default()]);
    let mut producer = broadcast::Producer::new((words, writer, starts), Policy::Lossless).unwrap();
    for (slot, reader) in readers.iter().enumerate() {
        producer.join(slot, reader).unwrap();
    }
    let threads: Vec<_> = readers
        .iter()
        .zip(starts)
        .map(|(reader, start)| {
            let mut consumer = broadcast::Consumer::join((words, writer, start, reader)).unwrap().unwrap();
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    while !consumer.is_ready().unwrap() {
                        std::thread::yield_now();
                    }
                    let record = consumer.read().unwrap().unwrap();
                    // SAFETY: the writer keeps off until the record is consumed.
                    check(unsafe { record.bytes().as_slice() }, number);
                }
            })
        })
        .collect();
    for number in 0..MESSAGES {
        while producer.claim(length(number)).is_err() {
            std::thread::yield_now();
        }
        let mut claim = producer.claim(length(number)).unwrap();
        // SAFETY: no reader looks at what is not published.
        fill(unsafe { claim.as_mut_slice() }.expect("nothing overwrites"), number);
        claim.commit();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
