//! How many messages a second pass between two pinned threads.
//!
//! Every payload of 64 bytes is written word by word and summed by the reader; a wrong sum stops the program.
//! Rounds of all contestants are interleaved; the median of each is shown, and its best round.
//!
//! An end that finds nothing to do looks again after PAUSES pauses of the processor. With 0 the faster end looks
//! all the time, and the line with the other's cursor moves for each message (the starved regime); with 64,
//! some microseconds, work gathers meanwhile (the saturated one).
//!
//! `cargo run --release -p adit-ring --features peers --example throughput [ROUNDS [PAUSES [RING_KIB]]]`

use std::{
    hint::{black_box, spin_loop},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use adit_ring::{slot, stream};

/// Bytes of each ring in the contests of 64-byte messages.
static RING: AtomicUsize = AtomicUsize::new(1 << 20);
const MESSAGES: u64 = 8_000_000;
/// Bytes of the ring that carries large messages, and how many bytes of them pass in a round.
const LARGE_RING: usize = 8 << 20;
const VOLUME: usize = 512 << 20;

static PAUSES: AtomicUsize = AtomicUsize::new(64);

#[cold]
fn rest() {
    for _ in 0..PAUSES.load(Ordering::Relaxed) {
        spin_loop();
    }
}

/// A message of 64 bytes.
type Line = [u64; 8];

fn line(number: u64) -> Line {
    std::array::from_fn(|at| number + at as u64)
}

fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// Runs both ends pinned. The time is the reader's, from when both are ready; what it read must add up.
fn race(messages: u64, writer: impl FnOnce() + Send, reader: impl FnOnce() -> u64 + Send) -> Duration {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = |at: usize| cores.get(at).is_some_and(|core| core_affinity::set_for_current(*core));
    let ready = Barrier::new(2);
    let (time, total) = std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(0);
            ready.wait();
            writer();
        });
        let reader = scope.spawn(|| {
            pin(1);
            ready.wait();
            let begin = Instant::now();
            let total = reader();
            (begin.elapsed(), total)
        });
        reader.join().expect("a reader does not panic")
    });
    let expected = (0..messages).fold(0u64, |total, number| total.wrapping_add(sum(&line(number))));
    assert!(messages == 0 || total == expected, "what was read is not what was written");
    time
}

/// Memory of a stream ring.
struct Heap {
    words: Vec<stream::Word>,
    writer: stream::CursorCell,
    reader: stream::CursorCell,
}

type Parts<'a> = (&'a [stream::Word], &'a stream::CursorCell, &'a stream::CursorCell);

impl Heap {
    fn new(bytes: usize) -> Self {
        let words = (0..bytes / 8).map(|_| stream::Word::default()).collect();
        Self { words, writer: stream::CursorCell::default(), reader: stream::CursorCell::default() }
    }

    fn ends(&self) -> (stream::Producer<Parts<'_>>, stream::Consumer<Parts<'_>>) {
        let parts = || (&self.words[..], &self.writer, &self.reader);
        let producer = stream::Producer::new(parts()).expect("a power of two");
        (producer, stream::Consumer::new(parts()).expect("a power of two"))
    }
}

fn sum_bytes(bytes: stream::Bytes<'_>) -> u64 {
    sum(&bytes.to_words::<8>().expect("all messages have 64 bytes"))
}

/// Publishes every `batch` messages and fills them in place.
fn write_claims(mut producer: stream::Producer<Parts<'_>>, batch: u64) {
    producer.publish_every(batch * 72);
    for number in 0..MESSAGES {
        let claim = loop {
            match producer.claim(64) {
                Ok(claim) => break claim,
                Err(_) => rest(),
            }
        };
        claim.words().iter().zip(line(number)).for_each(|(word, value)| word.store(value));
        claim.commit();
    }
}

/// As [`write_claims`], but copies.
fn write_pushes(mut producer: stream::Producer<Parts<'_>>, batch: u64) {
    producer.publish_every(batch * 72);
    for number in 0..MESSAGES {
        let message = line(number).map(u64::to_ne_bytes);
        while producer.try_push(message.as_flattened()).is_err() {
            rest();
        }
    }
}

fn read_batches(mut consumer: stream::Consumer<Parts<'_>>) -> u64 {
    let (mut total, mut count) = (0u64, 0);
    while count < MESSAGES {
        let read = consumer.read_batch(usize::MAX, |bytes| total = total.wrapping_add(sum_bytes(bytes)));
        match read.expect("the writer is correct") {
            0 => rest(),
            read => count += read as u64,
        }
    }
    total
}

fn read_guards(mut consumer: stream::Consumer<Parts<'_>>) -> u64 {
    let (mut total, mut count) = (0u64, 0);
    while count < MESSAGES {
        if let Some(record) = consumer.read().expect("the writer is correct") {
            total = total.wrapping_add(sum_bytes(record.bytes()));
            count += 1;
        } else {
            rest();
        }
    }
    total
}

fn read_pops(mut consumer: stream::Consumer<Parts<'_>>) -> u64 {
    let (mut total, mut count, mut copy) = (0u64, 0, Line::default().map(u64::to_ne_bytes));
    while count < MESSAGES {
        if consumer.try_pop(copy.as_flattened_mut()).expect("the writer is correct").is_some() {
            total = total.wrapping_add(sum(&copy.map(u64::from_ne_bytes)));
            count += 1;
        } else {
            rest();
        }
    }
    total
}

fn stream_ring(
    write: impl FnOnce(stream::Producer<Parts<'_>>) + Send,
    read: impl FnOnce(stream::Consumer<Parts<'_>>) -> u64 + Send,
) -> f64 {
    let heap = Heap::new(RING.load(Ordering::Relaxed));
    let (producer, consumer) = heap.ends();
    per_second(MESSAGES, race(MESSAGES, || write(producer), || read(consumer)))
}

/// 32 messages in one record, as a program does that has many at once.
fn stream_ring_packed() -> f64 {
    const PACK: u64 = 32;
    let heap = Heap::new(RING.load(Ordering::Relaxed));
    let (mut producer, mut consumer) = heap.ends();
    let writer = move || {
        for first in (0..MESSAGES).step_by(PACK as usize) {
            let claim = loop {
                match producer.claim(PACK as usize * 64) {
                    Ok(claim) => break claim,
                    Err(_) => rest(),
                }
            };
            for (words, number) in claim.words().chunks_exact(8).zip(first..) {
                words.iter().zip(line(number)).for_each(|(word, value)| word.store(value));
            }
            claim.commit();
        }
    };
    let reader = move || {
        let (mut total, mut count) = (0u64, 0);
        while count < MESSAGES {
            if let Some(record) = consumer.read().expect("the writer is correct") {
                let words = record.bytes().words().iter();
                total = words.fold(total, |total, word| total.wrapping_add(word.load()));
                count += PACK;
            } else {
                rest();
            }
        }
        total
    };
    per_second(MESSAGES, race(MESSAGES, writer, reader))
}

/// Messages of 56 bytes, summed as if the eighth word had come along.
fn slot_ring() -> f64 {
    let slots: Vec<slot::SlotCell> =
        (0..RING.load(Ordering::Relaxed) / 64).map(|_| slot::SlotCell::default()).collect();
    let cursor = slot::ReaderCell::default();
    let mut producer = slot::Producer::new((&slots[..], &cursor)).expect("a power of two");
    let mut consumer = slot::Consumer::new((&slots[..], &cursor)).expect("a power of two");
    let writer = move || {
        for number in 0..MESSAGES {
            let message = *line(number).first_chunk().expect("seven of eight");
            while producer.try_push(&message).is_err() {
                rest();
            }
        }
    };
    let reader = move || {
        let (mut total, mut count) = (0u64, 0);
        while count < MESSAGES {
            if let Some(message) = consumer.try_pop().expect("the writer is correct") {
                total = total.wrapping_add(sum(&message)).wrapping_add(message[0] + 7);
                count += 1;
            } else {
                rest();
            }
        }
        total
    };
    per_second(MESSAGES, race(MESSAGES, writer, reader))
}

#[cfg(feature = "peers")]
fn rtrb_ring() -> f64 {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Line>::new(RING.load(Ordering::Relaxed) / 64);
    let writer = move || {
        for number in 0..MESSAGES {
            while producer.push(line(number)).is_err() {
                rest();
            }
        }
    };
    let reader = move || {
        let (mut total, mut count) = (0u64, 0);
        while count < MESSAGES {
            if let Ok(line) = consumer.pop() {
                total = total.wrapping_add(sum(&line));
                count += 1;
            } else {
                rest();
            }
        }
        total
    };
    per_second(MESSAGES, race(MESSAGES, writer, reader))
}

/// Copied in and copied out, in GB/s.
fn large(bytes: usize) -> f64 {
    let heap = Heap::new(LARGE_RING);
    let (mut producer, mut consumer) = heap.ends();
    let count = VOLUME / bytes;
    let (mut from, mut into) = (vec![1u8; bytes], vec![0u8; bytes]);
    let writer = move || {
        for number in 0..count {
            from[..8].copy_from_slice(&number.to_ne_bytes());
            while producer.try_push(&from).is_err() {
                rest();
            }
        }
    };
    let reader = move || {
        for number in 0..count {
            while consumer.try_pop(&mut into).expect("the writer is correct").is_none() {
                rest();
            }
            assert_eq!(into[..8], number.to_ne_bytes());
            assert_eq!(into[bytes - 1], 1);
        }
        0
    };
    per_second((count * bytes) as u64, race(0, writer, reader)) / 1e9
}

/// What one thread copies, from one place to another of the same size.
fn memcpy(bytes: usize) -> f64 {
    let (from, mut into) = (vec![1u8; bytes], vec![0u8; bytes]);
    let begin = Instant::now();
    for _ in 0..VOLUME / bytes {
        black_box(&mut into[..]).copy_from_slice(black_box(&from));
    }
    per_second(VOLUME as u64, begin.elapsed()) / 1e9
}

fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

type Round = fn() -> f64;

/// A name, a unit and a round.
type Contestant = (String, &'static str, Box<dyn Fn() -> f64>);

fn contestants() -> Vec<Contestant> {
    let million = |round: Round| Box::new(move || round() / 1e6) as Box<dyn Fn() -> f64>;
    let small: Vec<(&str, Round)> = vec![
        #[cfg(feature = "peers")]
        ("rtrb, push and pop", rtrb_ring),
        ("slot ring, push and pop (56 bytes)", slot_ring),
        ("stream, push 1, pop", || stream_ring(|producer| write_pushes(producer, 1), read_pops)),
        ("stream, claim 1, guard", || stream_ring(|producer| write_claims(producer, 1), read_guards)),
        ("stream, claim 1, read batch", || stream_ring(|producer| write_claims(producer, 1), read_batches)),
        ("stream, push 16, pop", || stream_ring(|producer| write_pushes(producer, 16), read_pops)),
        ("stream, claim 16, guard", || stream_ring(|producer| write_claims(producer, 16), read_guards)),
        ("stream, claim 16, read batch", || stream_ring(|producer| write_claims(producer, 16), read_batches)),
        ("stream, claim 64, read batch", || stream_ring(|producer| write_claims(producer, 64), read_batches)),
        ("stream, 32 in one record", stream_ring_packed),
    ];
    let mut all: Vec<Contestant> =
        small.into_iter().map(|(name, round)| (format!("64 B: {name}"), "M/s", million(round))).collect();
    for bytes in [256, 4 << 10, 64 << 10, 1 << 20] {
        all.push((format!("{bytes} B: stream, push, pop"), "GB/s", Box::new(move || large(bytes))));
        all.push((format!("{bytes} B: memcpy, one thread"), "GB/s", Box::new(move || memcpy(bytes))));
    }
    all
}

fn main() {
    let argument = |at| std::env::args().nth(at).and_then(|text| text.parse::<usize>().ok());
    let rounds = argument(1).unwrap_or(9).max(1);
    PAUSES.store(argument(2).unwrap_or(64), Ordering::Relaxed);
    RING.store(argument(3).unwrap_or(1024) << 10, Ordering::Relaxed);
    let all = contestants();
    let mut results = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for ((_, _, round), results) in all.iter().zip(&mut results) {
            results.push(round());
        }
    }
    println!("{:<46} {:>8} {:>8}", format!("median of {rounds} rounds"), "median", "best");
    for ((name, unit, _), results) in all.iter().zip(&mut results) {
        results.sort_by(f64::total_cmp);
        println!("{name:<46} {:>8.1} {:>8.1} {unit}", results[rounds / 2], results[rounds - 1]);
    }
}
