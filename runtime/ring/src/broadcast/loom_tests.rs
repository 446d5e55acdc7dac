//! Every interleaving of a writer and readers on a small ring.
//!
//! Lossless rings have checked words, so that each model also shows that no two accesses race. Rings that are
//! overwritten have words that race by design; there the values show whether a torn message is ever taken.

use std::{ops::Deref, time::Duration};

use loom::{sync::Arc, thread};

use super::{
    Consumer, Follower, Policy, Producer, ReaderCell, ReaderMemory, StartCell, Word, WriterCell, WriterMemory,
};
use crate::park::model::ModelFutex;

#[derive(Debug)]
pub(super) struct Ring {
    words: Vec<Word>,
    /// Of an arena, if there is one.
    pub slab: Vec<Word>,
    writer: WriterCell,
    starts: [StartCell; 2],
    readers: [ReaderCell; 2],
}

#[derive(Clone, Debug)]
pub(super) struct Shared(pub Arc<Ring>);

/// A reader's view, or its cell as the writer sees it.
#[derive(Clone, Debug)]
pub(super) struct One(pub Shared, pub usize);

impl Deref for One {
    type Target = ReaderCell;

    fn deref(&self) -> &ReaderCell {
        &self.0.0.readers[self.1]
    }
}

impl WriterMemory for Shared {
    fn words(&self) -> &[Word] {
        &self.0.words
    }

    fn writer(&self) -> &WriterCell {
        &self.0.writer
    }

    fn start(&self, slot: usize) -> &StartCell {
        &self.0.starts[slot]
    }
}

impl ReaderMemory for One {
    fn words(&self) -> &[Word] {
        &self.0.0.words
    }

    fn writer(&self) -> &WriterCell {
        &self.0.0.writer
    }

    fn start(&self) -> &StartCell {
        &self.0.0.starts[self.1]
    }

    fn reader(&self) -> &ReaderCell {
        &self.0.0.readers[self.1]
    }
}

/// A ring of eight words: records of two words at most.
fn ring(policy: Policy) -> (Shared, Producer<Shared, One>) {
    ring_beside(policy, 8, 0)
}

/// A ring of so many words, and an arena.
pub(super) fn ring_beside(policy: Policy, words: usize, slab: usize) -> (Shared, Producer<Shared, One>) {
    let word = match policy {
        Policy::Lossless => Word::default,
        Policy::Overwrite => Word::racy,
    };
    let of = |count| (0..count).map(|_| word()).collect();
    let shared = Shared(Arc::new(Ring {
        words: of(words),
        slab: of(slab),
        writer: WriterCell::default(),
        starts: Default::default(),
        readers: Default::default(),
    }));
    (shared.clone(), Producer::new(shared, policy).unwrap())
}

pub(super) fn model(preemptions: Option<usize>, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.check(check);
}

fn pop(consumer: &mut Consumer<One>) -> Option<u64> {
    let record = consumer.read().unwrap()?;
    Some(record.bytes().to_words::<1>().expect("eight bytes were written")[0])
}

/// `before` messages fill the ring before the threads begin.
fn everybody_gets_everything(
    readers: usize,
    before: u64,
    messages: u64,
) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (shared, mut producer) = ring(Policy::Lossless);
        let consumers: Vec<_> = (0..readers)
            .map(|slot| {
                producer.join(slot, One(shared.clone(), slot)).unwrap();
                Consumer::join(One(shared.clone(), slot)).unwrap().unwrap()
            })
            .collect();
        for value in 0..before {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        let threads: Vec<_> = consumers
            .into_iter()
            .map(|mut consumer| {
                thread::spawn(move || {
                    for value in 0..messages {
                        let got = loop {
                            match pop(&mut consumer) {
                                Some(got) => break got,
                                None => thread::yield_now(),
                            }
                        };
                        assert_eq!(got, value);
                    }
                })
            })
            .collect();
        for value in before..messages {
            while producer.try_push(&value.to_ne_bytes()).is_err() {
                thread::yield_now();
            }
        }
        drop(producer);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn messages_arrive_whole_once_and_in_order() {
    model(None, everybody_gets_everything(1, 0, 2));
}

#[test]
fn room_is_used_again_only_after_it_was_read() {
    model(None, everybody_gets_everything(1, 4, 5));
}

/// A few looks of each, not until all is done: three threads that spin are too much for a model.
#[test]
fn room_is_used_again_only_after_all_have_read_it() {
    model(Some(2), || {
        let (shared, mut producer) = ring(Policy::Lossless);
        for slot in 0..2 {
            producer.join(slot, One(shared.clone(), slot)).unwrap();
        }
        for value in 0..4_u64 {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        let threads: Vec<_> = (0..2)
            .map(|slot| {
                let memory = One(shared.clone(), slot);
                thread::spawn(move || {
                    let mut consumer = Consumer::join(memory).unwrap().unwrap();
                    for value in 0..2 {
                        assert_eq!(pop(&mut consumer), Some(value));
                    }
                })
            })
            .collect();
        for value in 4..6_u64 {
            let _ = producer.try_push(&value.to_ne_bytes());
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A reader that joins while the writer writes gets a whole tail of what is written.
#[test]
fn who_joins_late_begins_at_a_record() {
    model(Some(3), || {
        let (shared, mut producer) = ring(Policy::Lossless);
        producer.try_push(&0_u64.to_ne_bytes()).unwrap();
        let reader = {
            let shared = shared.clone();
            thread::spawn(move || {
                let mut consumer = loop {
                    match Consumer::join(One(shared.clone(), 0)).unwrap() {
                        Some(consumer) => break consumer,
                        None => thread::yield_now(),
                    }
                };
                let got = loop {
                    match pop(&mut consumer) {
                        Some(got) => break got,
                        None => thread::yield_now(),
                    }
                };
                assert_eq!(got, 1);
            })
        };
        producer.join(0, One(shared, 0)).unwrap();
        producer.try_push(&1_u64.to_ne_bytes()).unwrap();
        reader.join().unwrap();
    });
}

/// What is copied is whole, in order, and what was lost is counted; with `newest` as with the next.
fn no_torn_message_is_taken(newest: bool, before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (shared, mut producer) = ring(Policy::Overwrite);
        producer.join(0, One(shared.clone(), 0)).unwrap();
        let mut follower = Follower::join(One(shared, 0)).unwrap().unwrap();
        for value in 0..before {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        let writer = thread::spawn(move || {
            for value in before..messages {
                producer.try_push(&value.to_ne_bytes()).unwrap();
            }
        });
        let scratch: Vec<_> = (0..2).map(|_| Word::default()).collect();
        let mut got = 0;
        for _ in 0..2 {
            let copied = if newest { follower.copy_newest(&scratch) } else { follower.copy_next(&scratch) };
            if let Some(len) = copied.unwrap() {
                assert_eq!((len, scratch[0].load()), (8, follower.lost() + got));
                got += 1;
            }
        }
        writer.join().unwrap();
        while follower.copy_next(&scratch).unwrap().is_some() {
            assert_eq!(scratch[0].load(), follower.lost() + got);
            got += 1;
        }
        assert_eq!(follower.lost() + got, messages);
    }
}

/// At most three preemptions.
#[test]
fn what_is_overwritten_while_it_is_copied_is_thrown_away() {
    model(Some(3), no_torn_message_is_taken(false, 4, 7));
}

/// At most three preemptions.
#[test]
fn the_first_messages_arrive_whole() {
    model(Some(3), no_torn_message_is_taken(false, 0, 3));
}

/// At most two preemptions.
#[test]
fn the_newest_message_is_whole() {
    model(Some(2), no_torn_message_is_taken(true, 4, 6));
}

/// Without a timeout: a lost wake would be a deadlock, which loom reports.
fn nobody_sleeps_for_ever(policy: Policy, before: u64, messages: u64) -> impl Fn() + Sync + Send + 'static {
    move || {
        let (shared, mut producer) = ring(policy);
        producer.join(0, One(shared.clone(), 0)).unwrap();
        let memory = One(shared, 0);
        for value in 0..before {
            producer.try_push(&value.to_ne_bytes()).unwrap();
        }
        let futex = Arc::new(ModelFutex::default());
        let writer = {
            let futex = Arc::clone(&futex);
            thread::spawn(move || {
                for value in before..messages {
                    while !producer.wait(8, &*futex, Duration::MAX).unwrap() {}
                    producer.try_push(&value.to_ne_bytes()).unwrap();
                    producer.wake(&*futex);
                }
            })
        };
        match policy {
            Policy::Lossless => {
                let mut consumer = Consumer::join(memory).unwrap().unwrap();
                for value in 0..messages {
                    while !consumer.wait(&*futex, Duration::MAX).unwrap() {}
                    assert_eq!(pop(&mut consumer), Some(value));
                    consumer.wake(&*futex);
                }
            }
            Policy::Overwrite => {
                let mut follower = Follower::join(memory).unwrap().unwrap();
                let scratch: Vec<_> = (0..2).map(|_| Word::default()).collect();
                let mut got = 0;
                while follower.lost() + got < messages {
                    while !follower.wait(&*futex, Duration::MAX).unwrap() {}
                    got += u64::from(follower.copy_next(&scratch).unwrap().is_some());
                }
            }
        }
        writer.join().unwrap();
    }
}

#[test]
fn a_sleeping_reader_is_always_woken() {
    model(None, nobody_sleeps_for_ever(Policy::Lossless, 0, 1));
}

/// At most four preemptions.
#[test]
fn a_sleeping_follower_is_always_woken() {
    model(Some(4), nobody_sleeps_for_ever(Policy::Overwrite, 0, 2));
}

/// The ring is full when the second thread begins; at most four preemptions.
#[test]
fn a_sleeping_writer_is_always_woken() {
    model(Some(4), nobody_sleeps_for_ever(Policy::Lossless, 4, 5));
}
