//! spec: CHN-7.2, CHN-7.4
//!
//! An arena beside a broadcast ring: one operation list against a log of all messages, and peers that lie.

use std::{ops::Range, sync::atomic::Ordering};

use proptest::prelude::*;

use super::{
    Consumer, Follower, Policy, Producer, PushError, ReadWord, ReaderCell, Word, record,
    tests::{Memory, ReaderParts, WriterParts, bytes_of, numbered, words},
};
use crate::{
    Misbehaved,
    stream::arena::{ArenaReader, ArenaWriter},
};

/// Of the ring; descriptors take 24 bytes of it.
const RING: usize = 256;

/// Messages up to this length go through the ring.
const SHORT: usize = 40;

const READERS: usize = 3;

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Commit(usize, usize),
    Abort(usize),
    Join(usize),
    Leave(usize),
    Read(usize),
    Keep(usize),
    Batch(usize),
    PublishEvery(u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let length =
        || prop_oneof![2 => 0..=SHORT, 4 => SHORT + 1..700, 1 => Just(1024_usize), 1 => 900..1100_usize];
    let slot = || 0..READERS;
    let operation = prop_oneof![
        8 => length().prop_map(Operation::Push),
        4 => (SHORT + 1..700, 0..100usize).prop_map(|(len, part)| Operation::Commit(len, len * part / 99)),
        1 => length().prop_map(Operation::Abort),
        3 => slot().prop_map(Operation::Join),
        1 => slot().prop_map(Operation::Leave),
        12 => slot().prop_map(Operation::Read),
        1 => slot().prop_map(Operation::Keep),
        4 => slot().prop_map(Operation::Batch),
        1 => (0..100u64).prop_map(Operation::PublishEvery),
    ];
    prop::collection::vec(operation, 0..300)
}

struct Reader<'a> {
    consumer: Consumer<ReaderParts<'a>>,
    arena: ArenaReader<&'a [Word]>,
    /// Number of the message that is due.
    next: usize,
}

struct Trial<'a> {
    memory: &'a Memory,
    slab: &'a [Word],
    producer: Producer<WriterParts<'a>, &'a ReaderCell>,
    writer: ArenaWriter<&'a [Word]>,
    readers: [Option<Reader<'a>>; READERS],
    log: Vec<Vec<u8>>,
}

impl Trial<'_> {
    fn unread(&self) -> usize {
        let next = self.readers.iter().flatten().map(|reader| reader.next).min();
        let next = next.unwrap_or(self.log.len());
        self.log[next..].iter().map(|message| message.len().next_multiple_of(64)).sum()
    }

    /// A refusal is right if the message is too long, or while something is in the way of somebody.
    fn refused(&self, len: usize, error: PushError) -> Result<(), TestCaseError> {
        let size = self.slab.len() * 8;
        if len > SHORT && len > size {
            prop_assert_eq!(error, PushError::TooLong { len, most: size });
            return Ok(());
        }
        prop_assert_eq!(error, PushError::Full);
        prop_assert!(self.readers.iter().flatten().count() > 0, "refused where nobody reads");
        if len > SHORT {
            let longest = self.log.iter().map(Vec::len).max().unwrap_or(0).max(len);
            let full = self.unread() + len + 2 * longest + 128 > size;
            let in_ring = self.readers.iter().flatten().map(|reader| reader.consumer.position()).min();
            let in_ring = self.producer.position() - in_ring.unwrap_or(0);
            prop_assert!(full || in_ring + RING as u64 / 4 + 72 > RING as u64, "refused without need");
            let enough = self.writer.enough(&self.producer, len).unwrap();
            prop_assert!(enough > 0 && enough <= self.producer.position());
            prop_assert!(self.producer.sleep_for(enough).is_some());
        }
        Ok(())
    }

    fn push(&mut self, len: usize) -> Result<(), TestCaseError> {
        let message = numbered(self.log.len() as u64, len);
        let pushed = match len > SHORT {
            true => self.writer.try_push(&mut self.producer, &message),
            false => self.producer.try_push(&message),
        };
        match pushed {
            Ok(()) => self.log.push(message),
            Err(error) => self.refused(len, error)?,
        }
        Ok(())
    }

    fn commit(&mut self, len: usize, part: usize) -> Result<(), TestCaseError> {
        let message = numbered(self.log.len() as u64, part);
        match self.writer.claim(&mut self.producer, len) {
            Ok(mut claim) => {
                claim.write(0, &message);
                claim.commit_first(part);
                self.log.push(message);
            }
            Err(error) => self.refused(len, error)?,
        }
        Ok(())
    }

    fn join(&mut self, slot: usize) {
        let (memory, slab) = (self.memory, self.slab);
        if self.readers[slot].is_none() {
            self.producer.join(slot, &memory.readers[slot]).unwrap();
            let consumer = Consumer::join(memory.reader(slot)).unwrap().expect("it was told where to begin");
            let arena = ArenaReader::late(slab).unwrap();
            self.readers[slot] = Some(Reader { consumer, arena, next: self.log.len() });
        }
    }

    fn leave(&mut self, slot: usize) {
        if self.readers[slot].take().is_some() {
            self.producer.leave(slot);
        }
    }

    /// The next message, in the ring or in the arena.
    fn read(&mut self, slot: usize, keep: bool) -> Result<bool, TestCaseError> {
        self.producer.flush();
        let Some(Reader { consumer, arena, next }) = &mut self.readers[slot] else { return Ok(false) };
        let got = match consumer.read_or_back() {
            Ok(None) => None,
            Ok(Some(record)) => {
                let got = bytes_of(record.bytes().raw(), record.bytes().len());
                if keep {
                    record.keep()
                } else {
                    drop(record)
                }
                Some(got)
            }
            Err((consumer, refused)) => {
                let block = arena.read(consumer, refused).unwrap();
                let got = bytes_of(block.bytes().raw(), block.bytes().len());
                if keep {
                    block.keep()
                } else {
                    drop(block)
                }
                Some(got)
            }
        };
        prop_assert_eq!(got.as_ref(), self.log.get(*next));
        *next += usize::from(got.is_some() && !keep);
        Ok(got.is_some())
    }

    /// Short ones that stand one behind the other.
    fn batch(&mut self, slot: usize) -> Result<(), TestCaseError> {
        let Some(Reader { consumer, next, .. }) = &mut self.readers[slot] else { return Ok(()) };
        let mut got = Vec::new();
        if consumer.read_batch(9, |bytes| got.push(bytes_of(bytes.raw(), bytes.len()))).is_ok() {
            prop_assert_eq!(&got[..], &self.log[*next..*next + got.len()]);
            *next += got.len();
        }
        Ok(())
    }

    fn step(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        match *operation {
            Operation::Push(len) => self.push(len)?,
            Operation::Commit(len, part) => self.commit(len, part)?,
            Operation::Abort(len) => {
                let before = self.producer.position();
                if let Ok(mut claim) = self.writer.claim(&mut self.producer, len) {
                    claim.write(0, &numbered(!0, len));
                    claim.abort();
                }
                prop_assert_eq!(self.producer.position(), before);
            }
            Operation::Join(slot) => self.join(slot),
            Operation::Leave(slot) => self.leave(slot),
            Operation::Read(slot) => drop(self.read(slot, false)?),
            Operation::Keep(slot) => drop(self.read(slot, true)?),
            Operation::Batch(slot) => self.batch(slot)?,
            Operation::PublishEvery(bytes) => self.producer.publish_every(bytes),
        }
        Ok(())
    }
}

proptest! {
    /// Everybody gets all that was sent since it joined, as it was sent and in order; nothing is refused without need.
    #[test]
    fn everybody_gets_messages_of_any_length(units in 1..20usize, operations in operations()) {
        let (memory, slab) = (Memory::new(RING), words(units * 8));
        let mut trial = Trial {
            memory: &memory,
            slab: &slab,
            producer: memory.producer(Policy::Lossless),
            writer: ArenaWriter::new(&slab[..]).unwrap(),
            readers: [const { None }; READERS],
            log: Vec::new(),
        };
        for operation in &operations {
            trial.step(operation)?;
        }
        for slot in 0..READERS {
            while trial.read(slot, false)? {}
        }
        // What all have read is free, whatever stood there.
        trial.push(units * 64)?;
        prop_assert_eq!(trial.log.last().map(Vec::len), Some(units * 64));
        for slot in 0..READERS {
            let reads = trial.readers[slot].is_some();
            prop_assert_eq!(trial.read(slot, false)?, reads);
        }
    }
}

/// Offsets and lengths that are nearly right more often than not.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..10u64).prop_map(|units| units * 64),
        2 => 0..600u64,
        1 => any::<u64>(),
        1 => (0..600u64).prop_map(|less| u64::MAX - less),
    ]
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0..8u64).prop_map(record::descriptor),
        2 => (0..40u64, 0..8u64).prop_map(|(len, sequence)| record::message(len, sequence)),
        1 => (1..40u64).prop_map(|words| record::skip(words * 8)),
        6 => number(),
    ]
}

/// Whether memory lies in these words.
fn is_within(range: &Range<*const Word>, words: &[Word]) -> bool {
    let (begin, end) = (words.as_ptr(), words.as_ptr_range().end);
    range.start <= begin && end <= range.end
}

proptest! {
    /// Whatever stands in the ring, each look ends in a message within the arena, in nothing, or in a name for it.
    #[test]
    fn a_lying_writer_is_named_or_read_within_the_arena(
        steps in prop::collection::vec((0..8u64, prop::collection::vec(word(), 32), any::<bool>()), 1..30),
        late in any::<bool>(),
    ) {
        let (memory, slab) = (Memory::new(RING), words(64));
        memory.starts[0].position.store(1, Ordering::Relaxed);
        let mut consumer = Consumer::join(memory.reader(0)).unwrap().unwrap();
        let new = if late { ArenaReader::late } else { ArenaReader::new };
        let mut arena = new(&slab[..]).unwrap();
        for (more, values, keep) in steps {
            for (word, value) in memory.words.iter().zip(values) {
                word.store(value);
            }
            let tail = memory.writer.tail.load(Ordering::Relaxed).max(consumer.position() + more * 8);
            memory.writer.tail.store(tail, Ordering::Relaxed);
            let before = consumer.position();
            if let Err((consumer, refused)) = consumer.read_or_back() {
                match arena.read(consumer, refused) {
                    Ok(block) => {
                        prop_assert!(is_within(&slab[..].as_ptr_range(), block.bytes().raw()));
                        prop_assert!(block.bytes().words().len() * 8 >= block.bytes().len());
                        if keep { block.keep() } else { drop(block) }
                    }
                    Err(Misbehaved::Descriptor { offset, length, .. }) => {
                        let fits = offset.is_multiple_of(64) && length <= 512 && offset <= 512 - length;
                        prop_assert!(!fits || offset != 0, "a block at the begin is always due");
                    }
                    Err(misbehaved) => prop_assert_eq!(misbehaved, refused),
                }
            }
            prop_assert!(consumer.position() - before <= RING as u64);
        }
    }

    /// Whatever one reader writes into its cell, an honest one beside it reads what was sent.
    #[test]
    fn a_lying_reader_frees_only_what_it_may(
        steps in prop::collection::vec((number(), 41..300usize, any::<bool>()), 1..60),
    ) {
        let (memory, slab) = (Memory::new(RING), words(64));
        let mut producer = memory.producer(Policy::Lossless);
        for slot in 0..2 {
            producer.join(slot, &memory.readers[slot]).unwrap();
        }
        let mut writer = ArenaWriter::new(&slab[..]).unwrap();
        let mut honest = Consumer::join(memory.reader(1)).unwrap().unwrap();
        let mut arena = ArenaReader::new(&slab[..]).unwrap();
        let (mut sent, mut got) = (Vec::new(), 0);
        for (number, (head, len, reads)) in steps.into_iter().enumerate() {
            memory.readers[0].head.store(head, Ordering::Relaxed);
            let text = numbered(number as u64, len);
            if writer.try_push(&mut producer, &text).is_ok() {
                sent.push(text);
            }
            if reads && let Err((consumer, refused)) = honest.read_or_back() {
                let block = arena.read(consumer, refused).unwrap();
                prop_assert_eq!(&bytes_of(block.bytes().raw(), block.bytes().len()), &sent[got]);
                got += 1;
            }
        }
    }
}

/// What a follower finds, in the ring or in the arena.
fn copy(
    follower: &mut Follower<ReaderParts<'_>>,
    newest: bool,
    arena: &[Word],
    scratch: &mut Vec<Word>,
) -> Result<Option<usize>, Misbehaved> {
    let copied = if newest { follower.copy_newest(scratch) } else { follower.copy_next(scratch) };
    copied.or_else(|refused| follower.copy_far(refused, ReadWord::of(arena), scratch))
}

proptest! {
    /// A writer that overwrites is never refused; a follower gets messages whole and in order, and counts the others.
    #[test]
    fn what_is_not_lost_is_whole(
        units in 1..20usize,
        operations in prop::collection::vec(prop_oneof![
            6 => (0..700usize).prop_map(Some),
            4 => Just(None),
        ], 0..300),
        newest in any::<bool>(),
    ) {
        let (memory, slab) = (Memory::new(RING), words(units * 8));
        let mut producer = memory.producer(Policy::Overwrite);
        let mut writer = ArenaWriter::new(&slab[..]).unwrap();
        producer.join(0, &memory.readers[0]).unwrap();
        let mut follower = Follower::join(memory.reader(0)).unwrap().unwrap();
        let mut scratch = words(RING / 32);
        let (mut log, mut got) = (Vec::new(), 0);
        let drained = std::iter::repeat_n(None, 300);
        for (turn, operation) in operations.into_iter().chain(drained).enumerate() {
            if let Some(len) = operation {
                let len = len.min(units * 64);
                let message = numbered(log.len() as u64, len);
                let pushed = match len > SHORT {
                    true => writer.try_push(&mut producer, &message),
                    false => producer.try_push(&message),
                };
                prop_assert_eq!(pushed, Ok(()));
                log.push(message);
                continue;
            }
            let newest = newest && turn % 3 == 0;
            if let Some(len) = copy(&mut follower, newest, &slab, &mut scratch).unwrap() {
                let number = (follower.lost() + got) as usize;
                prop_assert_eq!(bytes_of(&scratch, len), &log[number][..]);
                prop_assert!(!newest || number + 1 == log.len());
                got += 1;
            }
        }
        prop_assert_eq!(follower.lost() + got, log.len() as u64);
    }

    /// Whatever stands in the ring, each copy is within the arena, nothing, or a name for what is wrong.
    #[test]
    fn a_lying_writer_is_named_or_copied_within_the_arena(
        steps in prop::collection::vec((0..8u64, number(), prop::collection::vec(word(), 32), any::<bool>()), 1..30),
    ) {
        let (memory, slab) = (Memory::new(RING), words(64));
        memory.starts[0].position.store(1, Ordering::Relaxed);
        let mut follower = Follower::join(memory.reader(0)).unwrap().unwrap();
        let mut scratch = words(RING / 32);
        for (more, other, values, newest) in steps {
            for (word, value) in memory.words.iter().zip(values) {
                word.store(value);
            }
            let tail = memory.writer.tail.load(Ordering::Relaxed).max(follower.position() + more * 8);
            memory.writer.tail.store(tail, Ordering::Relaxed);
            memory.writer.newest.store(follower.position() + other % 64 * 8, Ordering::Relaxed);
            memory.writer.oldest.store(if other % 5 == 0 { other } else { 0 }, Ordering::Relaxed);
            match copy(&mut follower, newest, &slab, &mut scratch) {
                Ok(len) => prop_assert!(len.unwrap_or(0) <= 512),
                Err(Misbehaved::Descriptor { offset, length, .. }) => {
                    let fits = offset.is_multiple_of(64) && offset < 512 && length <= 512 - offset;
                    prop_assert!(!fits);
                }
                Err(_) => {}
            }
            prop_assert!(scratch.len() <= 64, "it grows as far as there is something to copy");
        }
    }
}

/// One that holds a block up holds up the writer; when it leaves, its blocks are free.
#[test]
fn a_block_is_free_when_the_slowest_has_read_it_or_left() {
    let (memory, slab) = (Memory::new(RING), words(64));
    let mut producer = memory.producer(Policy::Lossless);
    let mut writer = ArenaWriter::new(&slab[..]).unwrap();
    let mut readers: Vec<_> = (0..2)
        .map(|slot| {
            producer.join(slot, &memory.readers[slot]).unwrap();
            let consumer = Consumer::join(memory.reader(slot)).unwrap().unwrap();
            (consumer, ArenaReader::new(&slab[..]).unwrap())
        })
        .collect();
    let read = |(consumer, arena): &mut (Consumer<_>, ArenaReader<_>)| {
        let (consumer, refused) = consumer.read_or_back().unwrap_err();
        let block = arena.read(consumer, refused).unwrap();
        assert_eq!(block.bytes().len(), 512);
    };
    assert_eq!(writer.try_push(&mut producer, &[1; 512]), Ok(()));
    read(&mut readers[0]);
    assert_eq!(writer.try_push(&mut producer, &[2; 512]), Err(PushError::Full));
    assert_eq!(writer.enough(&producer, 512), Ok(24));
    read(&mut readers[1]);
    assert_eq!(writer.try_push(&mut producer, &[3; 512]), Ok(()));
    read(&mut readers[0]);
    assert_eq!(writer.try_push(&mut producer, &[4; 512]), Err(PushError::Full));
    producer.leave(1);
    assert_eq!(writer.try_push(&mut producer, &[5; 512]), Ok(()));
    read(&mut readers[0]);
    assert_eq!(writer.try_push(&mut producer, &[6; 512]), Ok(()));
}

/// A ring's own reader, without an arena, takes no descriptor.
#[test]
fn a_reader_without_an_arena_refuses_descriptors() {
    let (memory, slab) = (Memory::new(RING), words(64));
    let mut producer = memory.producer(Policy::Lossless);
    producer.join(0, &memory.readers[0]).unwrap();
    let mut consumer = Consumer::join(memory.reader(0)).unwrap().unwrap();
    ArenaWriter::new(&slab[..]).unwrap().try_push(&mut producer, &[1; 100]).unwrap();
    let refused = Misbehaved::Record { position: 0, header: record::descriptor(0) };
    assert_eq!(consumer.read().err(), Some(refused));
    assert_eq!(consumer.try_pop(&mut [0; 100]), Err(refused.into()));
    assert_eq!(consumer.read_batch(9, |_| ()), Err(refused));
}
