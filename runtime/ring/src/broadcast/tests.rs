//! One operation list against an oracle: a log of all messages, and where each reader stands in it.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{
    Consumer, Follower, JoinError, MAX_READERS, Policy, PopError, Producer, PushError, ReaderCell, StartCell,
    Word, WriterCell, longest,
};

/// A ring's memory on the heap, and cells for three readers.
pub(super) struct Memory {
    pub words: Vec<Word>,
    pub writer: WriterCell,
    pub starts: [StartCell; MAX_READERS],
    pub readers: [ReaderCell; 3],
}

pub(super) type WriterParts<'a> = (&'a [Word], &'a WriterCell, &'a [StartCell; MAX_READERS]);
pub(super) type ReaderParts<'a> = (&'a [Word], &'a WriterCell, &'a StartCell, &'a ReaderCell);

impl Memory {
    pub fn new(bytes: usize) -> Self {
        Self {
            words: words(bytes / 8),
            writer: WriterCell::default(),
            starts: [const { StartCell::new() }; MAX_READERS],
            readers: Default::default(),
        }
    }

    pub fn producer(&self, policy: Policy) -> Producer<WriterParts<'_>, &ReaderCell> {
        Producer::new((&self.words[..], &self.writer, &self.starts), policy).unwrap()
    }

    pub fn reader(&self, slot: usize) -> ReaderParts<'_> {
        (&self.words, &self.writer, &self.starts[slot], &self.readers[slot])
    }
}

pub(super) fn words(count: usize) -> Vec<Word> {
    (0..count).map(|_| Word::default()).collect()
}

pub(super) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

pub(super) fn bytes_of(words: &[Word], len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.load().to_ne_bytes()).collect();
    bytes.truncate(len);
    bytes
}

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    Claim(usize, usize),
    Abort(usize),
    Flush,
    PublishEvery(u64),
    Join(usize),
    Leave(usize),
    Read(usize),
    ReadOther(usize),
    Batch(usize, usize),
    Arm(usize),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        8 => (0..80usize).prop_map(Operation::Push),
        4 => (0..80usize, 0..100usize).prop_map(|(len, part)| Operation::Claim(len, len * part / 99)),
        1 => (0..80usize).prop_map(Operation::Abort),
        2 => Just(Operation::Flush),
        1 => (0..100u64).prop_map(Operation::PublishEvery),
        2 => (0..3usize).prop_map(Operation::Join),
        1 => (0..3usize).prop_map(Operation::Leave),
        8 => (0..3usize).prop_map(Operation::Read),
        3 => (0..3usize).prop_map(Operation::ReadOther),
        3 => (0..3usize, 0..6usize).prop_map(|(slot, most)| Operation::Batch(slot, most)),
        1 => (0..3usize).prop_map(Operation::Arm),
    ];
    prop::collection::vec(operation, 0..400)
}

/// A reader of one of the two kinds, and the number of the message that is due to it.
enum Reader<'a> {
    Lossless(Consumer<ReaderParts<'a>>, usize),
    Lossy(Follower<ReaderParts<'a>>, usize),
}

struct Trial<'a> {
    memory: &'a Memory,
    producer: Producer<WriterParts<'a>, &'a ReaderCell>,
    readers: [Option<Reader<'a>>; 3],
    /// All committed messages.
    log: Vec<Vec<u8>>,
    /// Where the record of each ends.
    ends: Vec<u64>,
    /// How many of them are published.
    published: usize,
    /// Of the last ones, so many bytes are whole in a ring that overwrites.
    capacity: usize,
}

impl<'a> Trial<'a> {
    fn pushed(&mut self, len: usize, result: Result<(), PushError>) -> Result<(), TestCaseError> {
        let most = longest(self.capacity);
        match result {
            Ok(()) => {
                self.log.push(numbered(self.log.len() as u64, len));
                self.ends.push(self.producer.position());
            }
            Err(error) if len > most => prop_assert_eq!(error, PushError::TooLong { len, most }),
            Err(error) => {
                prop_assert_eq!(error, PushError::Full);
                prop_assert_eq!(self.producer.policy(), Policy::Lossless);
                let slowest = self.readers.iter().flatten().map(|reader| match reader {
                    Reader::Lossless(consumer, _) => self.producer.position() - consumer.position(),
                    Reader::Lossy(..) => 0,
                });
                // A skip, the record, and what a reader may hold back: three quarters at most.
                prop_assert!(slowest.max().unwrap_or(0) as usize > self.capacity / 4, "full without need");
            }
        }
        Ok(())
    }

    fn write(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        let number = self.log.len() as u64;
        match *operation {
            Operation::Push(len) => {
                let result = self.producer.try_push(&numbered(number, len));
                self.pushed(len, result)?;
            }
            Operation::Claim(len, part) => match self.producer.claim(len) {
                Ok(mut claim) => {
                    claim.write(part / 3, &numbered(number, part)[part / 3..]);
                    claim.write(0, &numbered(number, part)[..part / 3]);
                    claim.commit_first(part);
                    self.pushed(part, Ok(()))?;
                }
                Err(error) => self.pushed(len, Err(error))?,
            },
            Operation::Abort(len) => {
                if let Ok(mut claim) = self.producer.claim(len) {
                    claim.write(0, &numbered(!number, len));
                }
            }
            Operation::Flush => self.producer.flush(),
            Operation::PublishEvery(bytes) => self.producer.publish_every(bytes),
            _ => unreachable!(),
        }
        let tail = self.memory.writer.tail.load(Ordering::Relaxed);
        self.published = self.ends.partition_point(|end| *end <= tail);
        Ok(())
    }

    fn join(&mut self, slot: usize) -> Result<(), TestCaseError> {
        let memory: &'a Memory = self.memory;
        if self.readers[slot].is_some() {
            prop_assert_eq!(self.producer.join(slot, &memory.readers[slot]), Err(JoinError::Taken { slot }));
            return Ok(());
        }
        prop_assert!(Consumer::join(memory.reader(slot)).unwrap().is_none());
        self.producer.join(slot, &memory.readers[slot]).unwrap();
        self.published = self.log.len();
        self.readers[slot] = Some(match self.producer.policy() {
            Policy::Lossless => {
                Reader::Lossless(Consumer::join(memory.reader(slot)).unwrap().unwrap(), self.published)
            }
            Policy::Overwrite => {
                Reader::Lossy(Follower::join(memory.reader(slot)).unwrap().unwrap(), self.published)
            }
        });
        Ok(())
    }

    fn read(&mut self, slot: usize, operation: &Operation) -> Result<(), TestCaseError> {
        let (log, published) = (&self.log, self.published);
        match self.readers[slot].as_mut() {
            None => Ok(()),
            Some(Reader::Lossless(consumer, due)) => read_all(consumer, due, operation, log, published),
            Some(Reader::Lossy(follower, due)) => {
                read_some(follower, due, operation, log, published, self.capacity)
            }
        }
    }
}

/// A lossless reader gets each message, once and in order.
fn read_all(
    consumer: &mut Consumer<ReaderParts<'_>>,
    due: &mut usize,
    operation: &Operation,
    log: &[Vec<u8>],
    published: usize,
) -> Result<(), TestCaseError> {
    let mut buffer = [0; 128];
    let expected = (*due < published).then(|| &log[*due]);
    match *operation {
        Operation::Read(_) => {
            let len = consumer.try_pop(&mut buffer).unwrap();
            prop_assert_eq!(len.map(|len| &buffer[..len]), expected.map(|message| &message[..]));
            *due += usize::from(len.is_some());
        }
        Operation::ReadOther(_) => {
            if let Some(expected) = expected.filter(|message| !message.is_empty()) {
                prop_assert_eq!(consumer.try_pop(&mut []), Err(PopError::TooLong { len: expected.len() }));
            }
            let record = consumer.read().unwrap();
            prop_assert_eq!(record.as_ref().map(|record| record.bytes().len()), expected.map(Vec::len));
            if let Some(record) = record {
                record.keep();
            }
        }
        Operation::Batch(_, most) => {
            let before = *due;
            let count = consumer.read_batch(most, |bytes| {
                bytes.copy_to(0, &mut buffer[..bytes.len()]);
                assert_eq!(buffer[..bytes.len()], log[*due]);
                *due += 1;
            });
            prop_assert_eq!(count.unwrap(), *due - before);
            prop_assert!(*due <= published && (*due > before || most == 0 || before == published));
        }
        _ => {
            consumer.arm();
            prop_assert_eq!(consumer.sleep_on().is_some(), *due == published);
            consumer.disarm();
        }
    }
    Ok(())
}

/// A follower gets whole messages in order, knows how many it lost, and loses none that is still there.
fn read_some(
    follower: &mut Follower<ReaderParts<'_>>,
    due: &mut usize,
    operation: &Operation,
    log: &[Vec<u8>],
    published: usize,
    capacity: usize,
) -> Result<(), TestCaseError> {
    let scratch = words(capacity / 32);
    let before = follower.lost();
    let newest = matches!(operation, Operation::ReadOther(_));
    let copied = match operation {
        Operation::Arm(_) => {
            follower.arm();
            prop_assert_eq!(follower.sleep_on().is_some(), *due == published);
            follower.disarm();
            return Ok(());
        }
        _ if newest => follower.copy_newest(&scratch).unwrap(),
        _ => follower.copy_next(&scratch).unwrap(),
    };
    let Some(len) = copied else {
        prop_assert_eq!(*due, published);
        return Ok(());
    };
    let missed = (follower.lost() - before) as usize;
    *due += missed;
    prop_assert!(*due < published);
    prop_assert_eq!(bytes_of(&scratch, len), &log[*due][..]);
    *due += 1;
    if newest {
        prop_assert_eq!(*due, published);
    } else if missed > 0 {
        // Beside what was committed, at most an eighth, a skip, a record and a claim were given up.
        let kept: usize = log[*due - 1..].iter().map(|message| 8 + message.len().next_multiple_of(8)).sum();
        prop_assert!(kept + capacity * 7 / 8 > capacity, "{kept} of {capacity} are kept");
    }
    Ok(())
}

proptest! {
    #[test]
    fn each_reader_gets_the_log_from_where_it_joined(
        bits in 6..10u32,
        lossless in any::<bool>(),
        operations in operations(),
    ) {
        let capacity = 1 << bits;
        let memory = Memory::new(capacity);
        let policy = if lossless { Policy::Lossless } else { Policy::Overwrite };
        let producer = memory.producer(policy);
        let readers = [const { None }; 3];
        let mut trial = Trial { memory: &memory, producer, readers, log: Vec::new(), ends: Vec::new(), published: 0, capacity };
        for operation in &operations {
            match *operation {
                Operation::Join(slot) => trial.join(slot)?,
                Operation::Leave(slot) => {
                    let left = trial.readers[slot].take().is_some();
                    prop_assert_eq!(trial.producer.leave(slot).is_some(), left);
                }
                Operation::Read(slot) | Operation::ReadOther(slot) | Operation::Batch(slot, _)
                | Operation::Arm(slot) => trial.read(slot, operation)?,
                _ => trial.write(operation)?,
            }
        }
        trial.write(&Operation::Flush)?;
        for slot in 0..3 {
            for _ in 0..=trial.log.len() {
                trial.read(slot, &Operation::Read(slot))?;
            }
        }
    }
}

#[test]
fn nobody_is_waited_for_who_is_not_there() {
    let memory = Memory::new(64);
    let mut producer = memory.producer(Policy::Lossless);
    for _ in 0..20 {
        producer.try_push(b"nobody").unwrap();
    }
    producer.join(2, &memory.readers[2]).unwrap();
    while producer.try_push(b"somebody").is_ok() {}
    assert_eq!(producer.behind(2), Some(64));
    assert_eq!((producer.readers(), producer.leave(2).is_some(), producer.readers()), (1, true, 0));
    producer.try_push(b"nobody").unwrap();
    assert_eq!(producer.join(64, &memory.readers[0]), Err(JoinError::NoSlot { slot: 64 }));
}

#[test]
fn a_follower_that_slept_through_a_lap_says_how_much_it_lost() {
    let memory = Memory::new(256);
    let mut producer = memory.producer(Policy::Overwrite);
    producer.join(0, &memory.readers[0]).unwrap();
    let mut follower = Follower::join(memory.reader(0)).unwrap().unwrap();
    let scratch = words(8);
    for number in 0..1000_u64 {
        producer.try_push(&number.to_ne_bytes()).unwrap();
    }
    let mut next = follower.copy_next(&scratch).unwrap().map(|_| scratch[0].load()).unwrap();
    assert_eq!(follower.lost(), next);
    assert!(next > 980, "{next}");
    while follower.copy_next(&scratch).unwrap().is_some() {
        next += 1;
        assert_eq!(scratch[0].load(), next);
    }
    assert_eq!(next, 999);
}
