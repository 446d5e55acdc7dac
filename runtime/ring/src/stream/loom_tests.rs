//! Every interleaving of a writer and a reader on a small ring.
//!
//! Words are checked cells here, so each model also shows that no two accesses to one race: an order that is
//! too weak on the tail or on the head fails, even where the values would happen to be right.

mod full_slots;

use std::time::Duration;

use loom::{sync::Arc, thread};

use super::{Consumer, CursorCell, Framing, Producer, SLOT, StreamMemory, Word};
use crate::{park::model::ModelFutex, primitive::Ordering};

#[derive(Clone, Debug)]
struct Shared(Arc<(Vec<Word>, CursorCell, CursorCell)>);

// SAFETY: what the `Arc` holds stays what it is.
unsafe impl StreamMemory for Shared {
    fn words(&self) -> &[Word] {
        &self.0.0
    }

    fn writer(&self) -> &CursorCell {
        &self.0.1
    }

    fn reader(&self) -> &CursorCell {
        &self.0.2
    }
}

/// The smallest ring: records of two words at most, each of which is published by itself.
const SMALLEST: usize = 8;

/// Large enough for batches of two records.
const BATCHES: usize = 16;

/// Large enough for messages of two words to be stepped past.
const STEPPED: usize = 64;

/// A ring that has carried `position` bytes.
fn ring(words: usize, position: u64) -> (Producer<Shared>, Consumer<Shared>) {
    framed_ring(words, position, Framing::Records)
}

fn framed_ring(words: usize, position: u64, framing: Framing) -> (Producer<Shared>, Consumer<Shared>) {
    let words = (0..words).map(|_| Word::default()).collect();
    let memory = Shared(Arc::new((words, CursorCell::default(), CursorCell::default())));
    memory.writer().position.store(position, Ordering::Relaxed);
    memory.reader().position.store(position, Ordering::Relaxed);
    let producer = Producer::resume_framed(memory.clone(), framing).unwrap();
    (producer, Consumer::resume_framed(memory, framing).unwrap())
}

fn model(preemptions: Option<usize>, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(check);
}

/// Three words before the end of either ring: there are a record of two, a skip of one, then index 0.
const AT_THE_WRAP: u64 = 1024 - 24;

fn pop(consumer: &mut Consumer<Shared>) -> Option<u64> {
    let record = consumer.read().unwrap()?;
    Some(record.bytes().to_words::<1>().expect("eight bytes were written")[0])
}

fn pop_all(consumer: &mut Consumer<Shared>, messages: u64) {
    for value in 0..messages {
        let got = loop {
            match pop(consumer) {
                Some(got) => break got,
                None => thread::yield_now(),
            }
        };
        assert_eq!(got, value);
    }
}

/// Some messages are there before the second thread begins: what one thread does costs loom nothing.
fn messages_over_the_wrap(words: usize, before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (mut producer, mut consumer) = ring(words, AT_THE_WRAP);
        for value in 0..before {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        producer.publish_every(32);
        let writer = thread::spawn(move || {
            for value in before..messages {
                while producer.try_push(&value.to_ne_bytes()).is_err() {
                    thread::yield_now();
                }
            }
        });
        pop_all(&mut consumer, messages);
        writer.join().unwrap();
    }
}

#[test]
fn messages_arrive_whole_once_and_in_order_over_the_wrap() {
    model(None, messages_over_the_wrap(SMALLEST, 0, 2));
}

/// Everything at once, in every interleaving with at most three preemptions.
#[test]
fn a_lap_of_messages_arrives() {
    model(Some(3), messages_over_the_wrap(SMALLEST, 0, 5));
}

#[test]
fn room_is_used_again_only_after_it_was_read() {
    model(None, messages_over_the_wrap(SMALLEST, 3, 4));
}

/// The third message is half a batch, and waits for the end of its writer.
#[test]
fn a_batch_is_published_when_it_is_complete_or_the_writer_gone() {
    model(None, messages_over_the_wrap(BATCHES, 0, 3));
}

/// Two words each; of the second only a half is the message's.
const FIXED: [Framing; 2] = [Framing::Fixed(16), Framing::Fixed(12)];

fn pair(value: u64, framing: Framing) -> Vec<u8> {
    let Framing::Fixed(size) = framing else { unreachable!() };
    let mut bytes = [value, !value].map(u64::to_le_bytes).concat();
    bytes.truncate(size);
    bytes
}

/// As [`messages_over_the_wrap`], without headers: `way` takes what is there and says how many it took.
fn fixed_messages(
    words: usize,
    framing: Framing,
    before: u64,
    messages: u64,
    push: fn(&mut Producer<Shared>, Framing, u64, u64) -> u64,
    way: fn(&mut Consumer<Shared>, &mut [u8]) -> usize,
) -> impl Fn() + Sync + Send + 'static {
    move || {
        let Framing::Fixed(size) = framing else { unreachable!() };
        let (mut producer, mut consumer) = framed_ring(words, 1024 - 16, framing);
        for value in 0..before {
            producer.try_push(&pair(value, framing)).unwrap();
        }
        let writer = thread::spawn(move || {
            let mut value = before;
            while value < messages {
                let count = push(&mut producer, framing, value, messages);
                if count == 0 {
                    thread::yield_now();
                }
                value += count;
            }
        });
        let mut value = 0;
        while value < messages {
            let mut into = vec![0; 2 * size];
            let count = way(&mut consumer, &mut into);
            if count == 0 {
                thread::yield_now();
            }
            for message in into.chunks_exact(size).take(count) {
                assert_eq!(message, pair(value, framing));
                value += 1;
            }
        }
        writer.join().unwrap();
    }
}

fn push_run(producer: &mut Producer<Shared>, framing: Framing, from: u64, messages: u64) -> u64 {
    let run: Vec<u8> = (from..messages).flat_map(|value| pair(value, framing)).collect();
    producer.try_push_run(run.len() / (messages - from) as usize, &run).unwrap_or(0) as u64
}

fn push_turn(producer: &mut Producer<Shared>, framing: Framing, from: u64, messages: u64) -> u64 {
    producer.refresh();
    producer.begin_turn(48);
    (from..messages).take_while(|value| producer.push_in_turn(&pair(*value, framing))).count() as u64
}

fn push_each(producer: &mut Producer<Shared>, framing: Framing, from: u64, messages: u64) -> u64 {
    let mut values = from..messages;
    let size = pair(0, framing).len();
    let pushed = producer.try_push_each(size, usize::MAX, |slot| {
        values.next().map(|value| slot.fill(&pair(value, framing))).is_some()
    });
    pushed.unwrap_or(0) as u64
}

fn pop_one(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    let size = into.len() / 2;
    consumer.try_pop(&mut into[..size]).unwrap().map_or(0, |_| 1)
}

fn pop_turn(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    let (mut count, size) = (0, into.len() / 2);
    consumer.begin_turn(32).unwrap();
    while count < 2 && consumer.pop_in_turn(&mut into[count * size..][..size]) {
        count += 1;
    }
    count
}

fn step_turn(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    if into.len() == 32 { step::<[u8; 16]>(consumer, into) } else { step::<[u8; 12]>(consumer, into) }
}

fn step<T>(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    let mut pieces = into.chunks_exact_mut(size_of::<T>());
    consumer.begin_turn(16).unwrap();
    let mut steps = consumer.steps::<T>();
    consumer.lend(&mut steps);
    let mut count = 0;
    // One alone, the others together.
    if let Some((bytes, _)) = steps.step() {
        bytes.copy_to(0, pieces.next().expect("two at most"));
        count = 1;
    }
    count += steps.each(1, |bytes| bytes.copy_to(0, pieces.next().expect("two at most")));
    consumer.take_back(&mut steps);
    count
}

fn pop_only(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    let size = into.len() / 2;
    let Some(place) = consumer.step_past_only(size) else { return pop_one(consumer, into) };
    consumer.bytes_at(place, size).copy_to(0, &mut into[..size]);
    1
}

fn pop_run(consumer: &mut Consumer<Shared>, into: &mut [u8]) -> usize {
    consumer.try_pop_run(into.len() / 2, into).unwrap()
}

#[test]
fn messages_of_one_size_arrive_whole_once_and_in_order() {
    for framing in FIXED {
        for push in [push_run, push_turn, push_each] {
            for way in [pop_one, pop_turn, pop_run] {
                model(None, fixed_messages(SMALLEST, framing, 0, 2, push, way));
            }
            for way in [step_turn, pop_only] {
                model(None, fixed_messages(STEPPED, framing, 0, 2, push, way));
            }
        }
    }
}

/// At most three preemptions.
#[test]
fn room_for_messages_of_one_size_is_used_again_only_after_it_was_read() {
    for way in [pop_one, pop_turn, pop_run] {
        model(Some(3), fixed_messages(SMALLEST, FIXED[0], 3, 6, push_run, way));
    }
    for push in [push_turn, push_each] {
        model(Some(3), fixed_messages(SMALLEST, FIXED[0], 3, 6, push, pop_run));
    }
    // Of a full ring all is stepped past, and room used again, in turns that are shorter than a quarter.
    for push in [push_turn, push_each] {
        model(Some(2), fixed_messages(STEPPED, FIXED[0], 31, 34, push, step_turn));
    }
}

/// A ring of slots, the first of which are the last of a lap.
fn slots() -> (Producer<Shared>, Consumer<Shared>) {
    // The smallest in which they are looked at.
    const SLOTS: usize = 32;
    // Both ends may be at a sequence at a time, and at nothing else.
    let word = |at: usize| if at % 8 == 7 { Word::racy() } else { Word::default() };
    let words = (0..SLOTS * 8).map(word).collect();
    let memory = Shared(Arc::new((words, CursorCell::default(), CursorCell::default())));
    let position = (SLOTS - 1) as u64 * SLOT as u64;
    memory.writer().position.store(position, Ordering::Relaxed);
    memory.reader().position.store(position, Ordering::Relaxed);
    let producer = Producer::resume_framed(memory.clone(), Framing::Fixed(SLOT)).unwrap();
    (producer, Consumer::resume_framed(memory, Framing::Fixed(SLOT)).unwrap())
}

fn slot(value: u64) -> Vec<u8> {
    [value, !value, 0, 0, 0, 0, value, 0].map(u64::to_le_bytes).concat()
}

/// The sequence alone orders them: the tail is not looked at, and when it is, it is past what was read.
#[test]
fn messages_in_slots_arrive_whole_once_and_in_order() {
    for by_tail in [false, true] {
        model(Some(3), move || {
            let (mut producer, mut consumer) = slots();
            let writer = thread::spawn(move || {
                for value in 1..3 {
                    producer.try_push(&slot(value)).unwrap();
                    producer.show_in_slot();
                }
            });
            let mut steps = consumer.slot_steps();
            for value in 1..3 {
                let mut into = [0; SLOT];
                loop {
                    if steps.is_lent() || consumer.lend_slots(&mut steps) {
                        if let Some((bytes, _)) = steps.step() {
                            bytes.copy_to(0, &mut into);
                            break;
                        }
                        if by_tail {
                            consumer.take_slots_back(&mut steps);
                        }
                    }
                    if by_tail && consumer.try_pop(&mut into).unwrap().is_some() {
                        break;
                    }
                    thread::yield_now();
                }
                assert_eq!(into[..SLOT - 8], slot(value)[..SLOT - 8]);
            }
            consumer.take_slots_back(&mut steps);
            assert_eq!(consumer.is_ready(), Ok(false));
            writer.join().unwrap();
        });
    }
}

/// As the writer does that is in a turn, over the end of the buffer.
#[test]
fn messages_of_a_turn_are_shown_in_their_slots() {
    model(Some(3), || {
        let (mut producer, mut consumer) = slots();
        let writer = thread::spawn(move || {
            producer.begin_turn(SLOT as u64);
            assert!(producer.push_in_slot(&[1, 2, 3, 4, 5, 6, 7]));
        });
        let mut steps = consumer.slot_steps();
        assert!(consumer.lend_slots(&mut steps));
        let words = loop {
            match steps.step() {
                Some((bytes, _)) => break bytes.to_words::<8>().unwrap(),
                None => thread::yield_now(),
            }
        };
        assert_eq!(words[..7], [1, 2, 3, 4, 5, 6, 7]);
        writer.join().unwrap();
    });
}

/// Three words in a ring of sixteen: five to the lap, and a word that both sides skip.
#[test]
fn both_sides_skip_what_holds_no_message() {
    model(Some(3), || {
        let (mut producer, mut consumer) = framed_ring(BATCHES, 1024 - 32, Framing::Fixed(24));
        let words = |value: u64| [value, value + 1, value + 2].map(u64::to_le_bytes).concat();
        let writer = thread::spawn(move || {
            for value in 0..3 {
                producer.try_push(&words(value)).unwrap();
            }
        });
        for value in 0..3 {
            let mut into = [0; 24];
            while consumer.try_pop(&mut into).unwrap().is_none() {
                thread::yield_now();
            }
            assert_eq!(into[..], words(value));
        }
        assert_eq!(consumer.position(), 1024 + 48);
        writer.join().unwrap();
    });
}

/// Without a timeout: a lost wake would be a deadlock, which loom reports.
fn reader_sleeps_for(words: usize, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (mut producer, mut consumer) = ring(words, AT_THE_WRAP);
        producer.publish_every(32);
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                for value in 0..messages {
                    producer.try_push(&value.to_ne_bytes()).unwrap();
                    producer.wake(&*futex);
                }
                producer.flush();
                producer.wake(&*futex);
            })
        };
        for value in 0..messages {
            while !consumer.wait(&*futex, Duration::MAX).unwrap() {}
            assert_eq!(pop(&mut consumer), Some(value));
        }
        writer.join().unwrap();
    }
}

#[test]
fn a_sleeping_reader_is_always_woken() {
    model(None, reader_sleeps_for(SMALLEST, 1));
}

/// Two sleeps in a row: every interleaving with at most four preemptions (all of them take minutes).
#[test]
fn a_reader_that_sleeps_again_is_always_woken() {
    model(Some(4), reader_sleeps_for(SMALLEST, 2));
}

#[test]
fn one_wake_for_a_batch_is_enough() {
    model(None, reader_sleeps_for(BATCHES, 2));
}

/// The ring is full when the second thread begins.
fn writer_sleeps_for(messages: u64, both: bool) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (mut producer, mut consumer) = ring(SMALLEST, 0);
        for value in 0..4u64 {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                for value in 4..4 + messages {
                    while !producer.wait(8, &*futex, Duration::MAX).unwrap() {}
                    producer.try_push(&value.to_ne_bytes()).unwrap();
                    producer.wake(&*futex);
                }
            })
        };
        for value in 0..4 + if both { messages } else { 0 } {
            while both && !consumer.wait(&*futex, Duration::MAX).unwrap() {}
            assert_eq!(pop(&mut consumer), Some(value));
            consumer.wake(&*futex);
        }
        writer.join().unwrap();
    }
}

#[test]
fn a_writer_that_sleeps_for_room_is_always_woken() {
    model(None, writer_sleeps_for(1, false));
}

/// At most four preemptions.
#[test]
fn a_writer_that_sleeps_again_is_always_woken() {
    model(Some(4), writer_sleeps_for(2, false));
}

/// The writer for room, then the reader for what is written to it; at most four preemptions.
#[test]
fn both_ends_may_sleep_in_turn() {
    model(Some(4), writer_sleeps_for(1, true));
}
