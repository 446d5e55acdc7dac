//! spec: CHN-7.2, CHN-7.4
//!
//! Every interleaving of a writer and readers of a broadcast with an arena of two blocks. Words are checked cells,
//! those of the arena too: a block that is written before all have read it, or read before it was written, fails the
//! model.

use std::{ops::Deref, time::Duration};

use loom::{sync::Arc, thread};

use super::{
    Consumer, Follower, Policy, Producer, PushError, ReadWord, Word,
    loom_tests::{One, Shared, model, ring_beside},
};
use crate::{
    park::{Park as _, model::ModelFutex},
    primitive::{AtomicU64, Ordering, load_acquire},
    stream::arena::{ArenaReader, ArenaWriter},
};

/// In words: the smallest ring that takes descriptors, and two blocks.
const RING: usize = 16;
const ARENA: usize = 16;

struct Slab(Shared);

impl Deref for Slab {
    type Target = [Word];

    fn deref(&self) -> &[Word] {
        &self.0.0.slab
    }
}

struct Writer(Producer<Shared, One>, ArenaWriter<Slab>);

struct Reader(Consumer<One>, ArenaReader<Slab>);

/// What a follower copies is whole and in order, and what was lost is counted.
fn no_torn_block_is_taken(newest: bool, before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (shared, producer) = ring_beside(Policy::Overwrite, RING, ARENA);
        let mut writer = Writer(producer, ArenaWriter::new(Slab(shared.clone())).unwrap());
        writer.0.join(0, One(shared.clone(), 0)).unwrap();
        let mut follower = Follower::join(One(shared.clone(), 0)).unwrap().unwrap();
        for value in 0..before {
            writer.push(value).unwrap();
        }
        let writer = thread::spawn(move || (before..messages).for_each(|value| writer.push(value).unwrap()));
        let slab = Slab(shared);
        let mut scratch: Vec<_> = (0..4).map(|_| Word::default()).collect();
        let mut got = 0;
        let mut look = |newest| {
            let copied = if newest { follower.copy_newest(&scratch) } else { follower.copy_next(&scratch) };
            let refused = match copied {
                Ok(None) => return false,
                Ok(Some(_)) => panic!("there are blocks alone"),
                Err(refused) => refused,
            };
            if let Some(len) = follower.copy_far(refused, ReadWord::of(&slab), &mut scratch).unwrap() {
                assert_eq!((len, scratch[0].load()), (8, follower.lost() + got));
                got += 1;
            }
            true
        };
        look(newest);
        look(newest);
        writer.join().unwrap();
        while look(false) {}
        assert_eq!(follower.lost() + got, messages);
    }
}

/// At most three preemptions.
#[test]
fn a_block_that_is_overwritten_while_it_is_copied_is_thrown_away() {
    model(Some(3), no_torn_block_is_taken(false, 2, 4));
}

/// At most two preemptions.
#[test]
fn the_newest_block_is_whole() {
    model(Some(2), no_torn_block_is_taken(true, 2, 4));
}

/// A writer with so many readers.
fn ends(readers: usize) -> (Shared, Writer, Vec<Reader>) {
    let (shared, producer) = ring_beside(Policy::Lossless, RING, ARENA);
    let mut writer = Writer(producer, ArenaWriter::new(Slab(shared.clone())).unwrap());
    let readers = (0..readers).map(|slot| {
        writer.0.join(slot, One(shared.clone(), slot)).unwrap();
        join(&shared, slot).unwrap()
    });
    let readers = readers.collect();
    (shared, writer, readers)
}

fn join(shared: &Shared, slot: usize) -> Option<Reader> {
    let consumer = Consumer::join(One(shared.clone(), slot)).unwrap()?;
    Some(Reader(consumer, ArenaReader::late(Slab(shared.clone())).unwrap()))
}

impl Writer {
    fn push(&mut self, value: u64) -> Result<(), PushError> {
        // Only the first word of a block is touched: loom counts each.
        let mut claim = self.1.claim(&mut self.0, 64)?;
        claim.write(0, &value.to_ne_bytes());
        claim.commit_first(8);
        Ok(())
    }

    fn push_patiently(&mut self, value: u64) {
        while self.push(value).is_err() {
            thread::yield_now();
        }
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

    fn pop_patiently(&mut self) -> u64 {
        loop {
            match self.pop() {
                Some(got) => return got,
                None => thread::yield_now(),
            }
        }
    }
}

/// Some messages are there before the second thread begins.
fn blocks_arrive(before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (_, mut writer, mut readers) = ends(1);
        for value in 0..before {
            writer.push(value).unwrap();
        }
        let writer = thread::spawn(move || (before..messages).for_each(|value| writer.push_patiently(value)));
        for value in 0..messages {
            assert_eq!(readers[0].pop_patiently(), value);
        }
        writer.join().unwrap();
    }
}

#[test]
fn blocks_arrive_whole_once_and_in_order() {
    model(None, blocks_arrive(0, 2));
}

/// At most three preemptions.
#[test]
fn a_lap_of_blocks_arrives() {
    model(Some(3), blocks_arrive(1, 4));
}

/// A few looks of each, not until all is done: three threads that spin are too much for a model.
#[test]
fn a_block_is_used_again_only_after_all_have_read_it() {
    model(Some(2), || {
        let (_, mut writer, readers) = ends(2);
        for value in 0..2 {
            writer.push(value).unwrap();
        }
        let threads = readers.into_iter().map(|mut reader| {
            thread::spawn(move || {
                assert_eq!(reader.pop(), Some(0));
                assert_eq!(reader.pop(), Some(1));
            })
        });
        let threads: Vec<_> = threads.collect();
        for value in 2..4 {
            let _ = writer.push(value);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// The model above has teeth: the writer goes by one reader's head and not by the slowest one's.
#[test]
#[should_panic(expected = "Causality violation")]
fn a_writer_that_forgets_a_reader_is_found() {
    model(Some(2), || {
        let (_, mut writer, mut readers) = ends(2);
        for value in 0..2 {
            writer.push(value).unwrap();
        }
        let mut forgotten = readers.pop().unwrap();
        let forgotten = thread::spawn(move || {
            let _ = forgotten.pop();
        });
        writer.0.leave(1);
        assert_eq!(readers[0].pop(), Some(0));
        let _ = writer.push(2);
        forgotten.join().unwrap();
    });
}

/// What one that closed held is free, and it had read before it closed.
#[test]
fn the_blocks_of_one_that_left_are_free() {
    model(Some(3), || {
        let (_, mut writer, mut readers) = ends(2);
        for value in 0..2 {
            writer.push(value).unwrap();
        }
        let closed = Arc::new(AtomicU64::new(0));
        let mut leaves = readers.pop().unwrap();
        let leaver = {
            let closed = Arc::clone(&closed);
            thread::spawn(move || {
                assert_eq!(leaves.pop(), Some(0));
                drop(leaves);
                // As a channel's end does.
                closed.store(1, Ordering::Release);
            })
        };
        assert_eq!((readers[0].pop(), readers[0].pop()), (Some(0), Some(1)));
        while load_acquire(&closed) == 0 {
            thread::yield_now();
        }
        writer.0.leave(1);
        assert_eq!((writer.push(2), writer.push(3)), (Ok(()), Ok(())));
        assert_eq!((readers[0].pop(), readers[0].pop()), (Some(2), Some(3)));
        leaver.join().unwrap();
    });
}

/// One that joins while there are blocks begins with the next, wherever that lies.
#[test]
fn who_joins_late_finds_its_first_block() {
    model(Some(3), || {
        let (shared, mut writer, _) = ends(0);
        writer.push(0).unwrap();
        let late = {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut reader = loop {
                    match join(&shared, 0) {
                        Some(reader) => break reader,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(reader.pop_patiently(), 1);
            })
        };
        writer.0.join(0, One(shared, 0)).unwrap();
        writer.push(1).unwrap();
        late.join().unwrap();
    });
}

/// Without a timeout: a lost wake would be a deadlock, which loom reports.
#[test]
fn a_writer_that_sleeps_for_a_block_is_always_woken() {
    model(Some(4), || {
        let (_, mut writer, mut readers) = ends(1);
        for value in 0..2 {
            writer.push(value).unwrap();
        }
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
        assert_eq!(readers[0].pop(), Some(0));
        readers[0].0.wake(&*futex);
        writer.join().unwrap();
    });
}
