//! spec: CHN-7.1, CHN-7.2
//!
//! One operation list against an oracle.

use std::{collections::VecDeque, sync::atomic::Ordering};

use proptest::prelude::*;

use super::{ArenaReader, ArenaWriter, BadArena, MAX_SIZE, UNIT};
use crate::{
    Misbehaved,
    stream::{
        Consumer, Producer, PushError, Word,
        tests::{Memory, Parts, numbered},
    },
};

/// Of the ring; descriptors take 24 bytes of it.
const RING: usize = 256;

/// Messages up to this length go through the ring.
const SHORT: usize = 40;

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Commit(usize, usize),
    Abort(usize),
    Read,
    Keep,
    Left(u64),
    PublishEvery(u64),
    /// Another writer goes on where this one stands, or another reader.
    NewWriter,
    NewReader,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let length =
        || prop_oneof![1 => 0..=SHORT, 4 => SHORT + 1..700, 1 => Just(1024_usize), 1 => 900..1100_usize];
    let operation = prop_oneof![
        6 => length().prop_map(Operation::Push),
        4 => (length(), 0..100usize).prop_map(|(len, part)| Operation::Commit(len, len * part / 99)),
        2 => length().prop_map(Operation::Abort),
        8 => Just(Operation::Read),
        1 => Just(Operation::Keep),
        3 => (0..1500u64).prop_map(Operation::Left),
        1 => (0..100u64).prop_map(Operation::PublishEvery),
        1 => Just(Operation::NewWriter),
        1 => Just(Operation::NewReader),
    ];
    prop::collection::vec(operation, 0..300)
}

/// What the channel should be, and the channel.
struct Trial<'a> {
    producer: Producer<Parts<'a>>,
    consumer: Consumer<Parts<'a>>,
    writer: ArenaWriter<&'a [Word]>,
    reader: ArenaReader<&'a [Word]>,
    size: usize,
    /// Number and length of each message that was committed and not consumed, oldest first.
    oracle: VecDeque<(u64, usize)>,
    /// Of each block that was committed the position behind its descriptor, and the length.
    blocks: Vec<(u64, u64)>,
    next: u64,
    memory: &'a Memory,
    slab: &'a [Word],
}

impl Trial<'_> {
    /// A refusal is right if the message is too long, or while something is in the way.
    fn refusal(&mut self, len: usize, error: PushError) -> Result<(), TestCaseError> {
        if len > SHORT && len > self.size {
            prop_assert_eq!(error, PushError::TooLong { len, most: self.size });
            return Ok(());
        }
        prop_assert_eq!(error, PushError::Full);
        if len <= SHORT {
            return Ok(());
        }
        let unread: usize = self.oracle.iter().map(|(_, len)| len.next_multiple_of(64)).sum();
        let ring = RING as u64 - self.producer.refresh();
        // A gap is shorter than the message that did not fit into it, and there is one at most beside what the
        // message itself leaves.
        let longest = self.oracle.iter().map(|(_, len)| *len).max().unwrap_or(0).max(len);
        let full = unread + len + 2 * longest + 2 * 64 > self.size;
        prop_assert!(full || ring + 2 * 24 + 64 > RING as u64, "refused without need");
        prop_assert!(!self.oracle.is_empty(), "refused though all was read");
        let enough = self.writer.enough(&self.producer, len).unwrap();
        // The reader may be further, and not have said so yet.
        let told = self.producer.position() - ring;
        prop_assert!(enough > told && enough <= self.producer.position());
        Ok(())
    }

    fn write(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        let (next, sent) = (self.next, self.writer.sent());
        let mut committed = None;
        match *operation {
            Operation::Push(len) => {
                let message = numbered(next, len);
                let result = match len > SHORT {
                    true => self.writer.try_push(&mut self.producer, &message),
                    false => self.producer.try_push(&message),
                };
                match result {
                    Ok(()) => committed = Some(len),
                    Err(error) => self.refusal(len, error)?,
                }
            }
            Operation::Commit(len, part) if len > SHORT => match self.writer.claim(&mut self.producer, len) {
                Ok(mut claim) => {
                    prop_assert_eq!(claim.len(), len);
                    let (message, cut) = (numbered(next, part), part / 3);
                    claim.write(cut, &message[cut..]);
                    claim.write(0, &message[..cut]);
                    if part == len {
                        claim.commit()
                    } else {
                        claim.commit_first(part)
                    }
                    committed = Some(part);
                }
                Err(error) => self.refusal(len, error)?,
            },
            Operation::Abort(len) if len > SHORT => {
                let before = self.producer.position();
                if let Ok(mut claim) = self.writer.claim(&mut self.producer, len) {
                    claim.write(0, &numbered(!next, len));
                    claim.abort();
                }
                prop_assert_eq!(self.producer.position(), before);
            }
            Operation::PublishEvery(bytes) => self.producer.publish_every(bytes),
            _ => {}
        }
        if let Some(len) = committed {
            if self.writer.sent() > sent {
                self.blocks.push((self.producer.position(), len as u64));
            }
            self.oracle.push_back((next, len));
            self.next += 1;
        }
        Ok(())
    }

    /// What the reader has left, by what it said, and what it must say so that it has less.
    fn left(&mut self, ahead: u64) -> Result<(), TestCaseError> {
        let unread = RING as u64 - self.producer.refresh();
        let (position, told) = (self.producer.position(), self.producer.position() - unread);
        let left = |head| {
            let unread = self.blocks.iter().filter(|(behind, _)| *behind > head);
            position - head + unread.map(|(_, len)| len).sum::<u64>()
        };
        prop_assert_eq!(unread + self.writer.outstanding(&self.producer), left(told));
        prop_assert_eq!(self.writer.sent(), self.blocks.iter().map(|(_, len)| len).sum::<u64>());
        let enough = self.writer.enough_read(&self.producer, ahead);
        let least = (told..=position).find(|head| left(*head) <= ahead).expect("nothing is left at the end");
        prop_assert!(enough == least || enough <= told && least == told, "{} is {}", enough, least);
        Ok(())
    }

    /// What was published is there, also of the arena; what the reader did not say that it has read comes again.
    fn new_end(&mut self, writes: bool) {
        if writes {
            self.producer.flush();
            self.producer = Producer::resume(self.memory.parts()).unwrap();
            self.writer = ArenaWriter::new(self.slab).unwrap().resume(&self.producer).unwrap();
            let head = self.producer.position() - (RING as u64 - self.producer.refresh());
            self.blocks.retain(|(behind, _)| *behind > head);
        } else {
            self.consumer.publish_head();
            self.consumer = Consumer::resume(self.memory.parts()).unwrap();
            self.reader = ArenaReader::late(self.slab).unwrap();
        }
    }

    /// The next message, in the ring or in the arena.
    fn read(&mut self, keep: bool) -> Result<(), TestCaseError> {
        self.producer.flush();
        let got = match self.consumer.read_or_back() {
            Ok(None) => None,
            Ok(Some(record)) => {
                let mut copy = vec![0; record.bytes().len()];
                record.bytes().copy_to(0, &mut copy);
                if keep {
                    record.keep()
                } else {
                    drop(record)
                }
                Some(copy)
            }
            Err((consumer, refused)) => {
                let block = self.reader.read(consumer, refused).unwrap();
                let mut copy = vec![0; block.bytes().len()];
                block.bytes().copy_to(0, &mut copy);
                if keep {
                    block.keep()
                } else {
                    drop(block)
                }
                Some(copy)
            }
        };
        match got {
            Some(got) => {
                let (number, len) = *self.oracle.front().expect("nothing was committed");
                prop_assert_eq!(got, numbered(number, len));
                if !keep {
                    self.oracle.pop_front();
                }
            }
            None => prop_assert!(self.oracle.is_empty()),
        }
        Ok(())
    }
}

proptest! {
    /// Messages of both kinds come out as they went in and in order; none is refused without need.
    #[test]
    fn messages_of_any_length_come_out_as_they_went_in(
        units in 1..20usize,
        operations in operations(),
    ) {
        let (memory, size) = (Memory::new(RING), units * UNIT as usize);
        let slab: Vec<Word> = (0..size / 8).map(|_| Word::default()).collect();
        let (producer, consumer) = memory.ends(0);
        let mut trial = Trial {
            producer,
            consumer,
            writer: ArenaWriter::new(&slab[..]).unwrap(),
            reader: ArenaReader::new(&slab[..]).unwrap(),
            size,
            oracle: VecDeque::new(),
            blocks: Vec::new(),
            next: 0,
            memory: &memory,
            slab: &slab,
        };
        prop_assert_eq!(trial.writer.longest(), size);
        for operation in &operations {
            match operation {
                Operation::Read => trial.read(false)?,
                Operation::Keep => trial.read(true)?,
                Operation::Left(ahead) => trial.left(*ahead)?,
                Operation::NewWriter => trial.new_end(true),
                Operation::NewReader => trial.new_end(false),
                _ => trial.write(operation)?,
            }
        }
        while !trial.oracle.is_empty() {
            trial.read(false)?;
        }
        trial.read(false)?;
    }
}

#[test]
fn sizes_are_whole_units() {
    for words in [0, 1, 7, 9] {
        let slab: Vec<Word> = (0..words).map(|_| Word::default()).collect();
        assert_eq!(ArenaWriter::new(&slab[..]).err(), Some(BadArena(words as u64 * 8)));
        assert_eq!(ArenaReader::new(&slab[..]).err(), Some(BadArena(words as u64 * 8)));
    }
    assert_eq!(super::check_size(MAX_SIZE as usize / 8), Ok(MAX_SIZE));
    assert_eq!(super::check_size(MAX_SIZE as usize / 8 + 8), Err(BadArena(MAX_SIZE + 64)));
}

/// What was read at once is written to the same memory again, and the whole arena is to be had then.
#[test]
fn an_arena_that_was_read_begins_anew() {
    let memory = Memory::new(RING);
    let slab: Vec<Word> = (0..128).map(|_| Word::default()).collect();
    let (mut producer, mut consumer) = memory.ends(0);
    let mut writer = ArenaWriter::new(&slab[..]).unwrap();
    let mut reader = ArenaReader::new(&slab[..]).unwrap();
    for len in [100, 1024, 300, 1024] {
        let claim = writer.claim(&mut producer, len).unwrap();
        assert!(std::ptr::eq(&raw const claim.words()[0], &raw const slab[0]));
        claim.commit();
        let (consumer, refused) = consumer.read_or_back().unwrap_err();
        assert_eq!(reader.read(consumer, refused).unwrap().bytes().len(), len);
    }
}

/// Also while there is room behind: a reader that keeps up finds its messages in the same memory.
#[test]
fn messages_to_one_that_keeps_up_lie_in_the_same_memory() {
    let memory = Memory::new(RING);
    let slab: Vec<Word> = (0..1280).map(|_| Word::default()).collect();
    let (mut producer, mut consumer) = memory.ends(0);
    let mut writer = ArenaWriter::new(&slab[..]).unwrap();
    let mut reader = ArenaReader::new(&slab[..]).unwrap();
    for len in [100, 1024, 300, 1024] {
        let claim = writer.claim(&mut producer, len).unwrap();
        assert!(std::ptr::eq(&raw const claim.words()[0], &raw const slab[0]));
        claim.commit();
        let (consumer, refused) = consumer.read_or_back().unwrap_err();
        drop(reader.read(consumer, refused).unwrap());
    }
}

/// A reader is not a quarter of the ring late with what it read from an arena.
#[test]
fn a_block_is_given_back_at_once() {
    let memory = Memory::new(1 << 16);
    let slab: Vec<Word> = (0..128).map(|_| Word::default()).collect();
    let (mut producer, mut consumer) = memory.ends(0);
    let mut writer = ArenaWriter::new(&slab[..]).unwrap();
    let mut reader = ArenaReader::new(&slab[..]).unwrap();
    for _ in 0..3 {
        writer.try_push(&mut producer, &[1; 300]).unwrap();
    }
    assert_eq!(writer.try_push(&mut producer, &[1; 300]), Err(PushError::Full));
    assert_eq!(writer.enough(&producer, 300), Ok(24));
    let (consumer, refused) = consumer.read_or_back().unwrap_err();
    drop(reader.read(consumer, refused).unwrap());
    assert_eq!(memory.reader.position.load(Ordering::Relaxed), 24);
    assert_eq!(writer.try_push(&mut producer, &[1; 300]), Ok(()));
}

/// spec: SEG-2.6
#[test]
fn a_writer_goes_on_where_nothing_else_can_stand() {
    let memory = Memory::new(RING);
    let slab: Vec<Word> = (0..128).map(|_| Word::default()).collect();
    let (mut producer, _) = memory.ends(0);
    let mut writer = ArenaWriter::new(&slab[..]).unwrap();
    for _ in 0..3 {
        writer.try_push(&mut producer, &[1; 300]).unwrap();
    }
    let resumed = |word: usize, value: u64| {
        let before = memory.words[word].load();
        memory.words[word].store(value);
        let producer = Producer::resume(memory.parts()).unwrap();
        let resumed = ArenaWriter::new(&slab[..]).unwrap().resume(&producer).map(|mut writer| {
            let mut producer = Producer::resume(memory.parts()).unwrap();
            writer.try_push(&mut producer, &[1; 300]).map_err(drop)
        });
        memory.words[word].store(before);
        resumed
    };
    // Nothing is read, so there is no room for more.
    assert_eq!(resumed(2, 300), Ok(Err(())));
    let wrong = |offset, length, position| Err(Misbehaved::Descriptor { position, offset, length });
    // Behind its end, at no block's begin, over another one.
    assert_eq!(resumed(1, 1024), wrong(1024, 300, 0));
    assert_eq!(resumed(2, 1025), wrong(0, 1025, 0));
    assert_eq!(resumed(4, 384), wrong(384, 300, 24));
    assert_eq!(resumed(7, 0), wrong(0, 300, 48));
    assert_eq!(resumed(3, 77), Err(Misbehaved::Record { position: 24, header: 77 }));
}
