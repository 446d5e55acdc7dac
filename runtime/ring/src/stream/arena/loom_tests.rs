//! spec: CHN-7.2
//!
//! Every interleaving of a writer and a reader with an arena of two blocks. Words are checked cells, those of the
//! arena too: a block that is written before it was read, or read before it was written, fails the model.

use std::{ops::Deref, time::Duration};

use loom::{sync::Arc, thread};

use super::{ArenaReader, ArenaWriter};
use crate::{
    park::{Park as _, model::ModelFutex},
    primitive::Ordering,
    stream::{Consumer, CursorCell, Producer, PushError, StreamMemory, Word},
};

/// Ring, arena, cursors.
#[derive(Clone, Debug)]
struct Shared(Arc<(Vec<Word>, Vec<Word>, CursorCell, CursorCell)>);

// SAFETY: what the `Arc` holds stays what it is.
unsafe impl StreamMemory for Shared {
    fn words(&self) -> &[Word] {
        &self.0.0
    }

    fn writer(&self) -> &CursorCell {
        &self.0.2
    }

    fn reader(&self) -> &CursorCell {
        &self.0.3
    }
}

#[derive(Debug)]
struct Slab(Shared);

impl Deref for Slab {
    type Target = [Word];

    fn deref(&self) -> &[Word] {
        &self.0.0.1
    }
}

/// In words: the smallest ring that takes descriptors, and two blocks.
const RING: usize = 16;
const ARENA: usize = 16;

struct Writer(Producer<Shared>, ArenaWriter<Slab>);

struct Reader(Consumer<Shared>, ArenaReader<Slab>);

fn shared() -> Shared {
    let words = |count| (0..count).map(|_| Word::default()).collect();
    let shared = Shared(Arc::new((words(RING), words(ARENA), CursorCell::default(), CursorCell::default())));
    // Room for one descriptor before the end, so that a skip comes after it.
    for cursor in [shared.writer(), shared.reader()] {
        cursor.position.store(1024 - 40, Ordering::Relaxed);
    }
    shared
}

fn ends() -> (Writer, Reader) {
    ends_of(shared())
}

fn ends_of(shared: Shared) -> (Writer, Reader) {
    let writer =
        Writer(Producer::resume(shared.clone()).unwrap(), ArenaWriter::new(Slab(shared.clone())).unwrap());
    let reader = Reader(Consumer::resume(shared.clone()).unwrap(), ArenaReader::new(Slab(shared)).unwrap());
    (writer, reader)
}

impl Writer {
    fn push(&mut self, value: u64) -> Result<(), PushError> {
        // Only the first word of a block is touched: loom counts each.
        let mut claim = self.1.claim(&mut self.0, 64)?;
        claim.write(0, &value.to_ne_bytes());
        claim.commit();
        Ok(())
    }
}

impl Reader {
    fn pop(&mut self) -> Option<u64> {
        match self.0.read_or_back() {
            Ok(None) => None,
            Ok(Some(record)) => Some(record.bytes().words()[0].load()),
            Err((consumer, refused)) => {
                Some(self.1.read(consumer, refused).unwrap().bytes().words()[0].load())
            }
        }
    }

    fn pop_all(&mut self, values: std::ops::Range<u64>) {
        for value in values {
            let got = loop {
                match self.pop() {
                    Some(got) => break got,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(got, value);
        }
    }
}

fn model(preemptions: Option<usize>, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(check);
}

/// Some messages are there before the second thread begins.
fn blocks_arrive(before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (mut writer, mut reader) = ends();
        for value in 0..before {
            writer.push(value).unwrap();
        }
        let writer = thread::spawn(move || {
            for value in before..messages {
                while writer.push(value).is_err() {
                    thread::yield_now();
                }
            }
        });
        reader.pop_all(0..messages);
        writer.join().unwrap();
    }
}

#[test]
fn blocks_arrive_whole_once_and_in_order() {
    model(None, blocks_arrive(0, 2));
}

#[test]
fn a_block_is_used_again_only_after_it_was_read() {
    model(None, blocks_arrive(2, 3));
}

/// In every interleaving with at most three preemptions.
#[test]
fn a_lap_of_blocks_arrives() {
    model(Some(3), blocks_arrive(1, 5));
}

/// Short messages between blocks, which share the cursors and nothing else.
#[test]
fn messages_of_both_kinds_stay_in_order() {
    model(Some(3), || {
        let (mut writer, mut reader) = ends();
        writer.push(0).unwrap();
        let writer = thread::spawn(move || {
            writer.0.try_push(&1_u64.to_ne_bytes()).unwrap();
            writer.push(2).unwrap();
            while writer.push(3).is_err() {
                thread::yield_now();
            }
        });
        reader.pop_all(0..4);
        writer.join().unwrap();
    });
}

/// The models above have teeth: a reader that gives a block back while it still reads is found out.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_reader_that_gives_back_too_early_is_found() {
    model(None, || {
        let shared = shared();
        let block = Slab(shared.clone());
        let (mut writer, mut reader) = ends_of(shared);
        writer.push(0).unwrap();
        writer.push(1).unwrap();
        let writer = thread::spawn(move || {
            while writer.push(2).is_err() {
                thread::yield_now();
            }
        });
        assert_eq!(reader.pop(), Some(0));
        assert!([0, 2].contains(&block[0].load()));
        writer.join().unwrap();
    });
}

/// Without a timeout: a lost wake would be a deadlock, which loom reports.
#[test]
fn a_writer_that_sleeps_for_a_block_is_always_woken() {
    model(None, || {
        let (mut writer, mut reader) = ends();
        writer.push(0).unwrap();
        writer.push(1).unwrap();
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                while writer.push(2) == Err(PushError::Full) {
                    let head = writer.1.enough(&writer.0, 64).unwrap();
                    writer.0.arm_for(head);
                    writer.0.wake(&*futex);
                    futex.heavy_fence();
                    if let Some(sleep) = writer.0.sleep_for(head) {
                        futex.wait(sleep.word, sleep.expected, Duration::MAX);
                    }
                    writer.0.disarm();
                }
            })
        };
        assert_eq!(reader.pop(), Some(0));
        reader.0.wake(&*futex);
        writer.join().unwrap();
    });
}
