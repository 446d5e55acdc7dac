//! One operation list against an oracle.

use std::{collections::VecDeque, sync::atomic::Ordering};

use proptest::prelude::*;

use super::{
    BadCapacity, Consumer, CursorCell, Framing, MAX_CAPACITY, PopError, Producer, PushError, ResumeError,
    Word, framing::Grid, longest, record,
};
use crate::Misbehaved;

/// A ring's memory on the heap.
pub(super) struct Memory {
    pub words: Vec<Word>,
    pub writer: CursorCell,
    pub reader: CursorCell,
}

pub(super) type Parts<'a> = (&'a [Word], &'a CursorCell, &'a CursorCell);

impl Memory {
    pub fn new(bytes: usize) -> Self {
        let words = (0..bytes / 8).map(|_| Word::default()).collect();
        Self { words, writer: CursorCell::default(), reader: CursorCell::default() }
    }

    pub fn parts(&self) -> Parts<'_> {
        (&self.words, &self.writer, &self.reader)
    }

    /// Both ends of a ring that has already carried `position` bytes.
    pub fn ends(&self, position: u64) -> (Producer<Parts<'_>>, Consumer<Parts<'_>>) {
        self.framed_ends(position, Framing::Records)
    }

    /// The same, with any framing.
    pub fn framed_ends(&self, position: u64, framing: Framing) -> (Producer<Parts<'_>>, Consumer<Parts<'_>>) {
        self.writer.position.store(position, Ordering::Relaxed);
        self.reader.position.store(position, Ordering::Relaxed);
        let producer = Producer::resume_framed(self.parts(), framing).unwrap();
        (producer, Consumer::resume_framed(self.parts(), framing).unwrap())
    }
}

pub(super) fn numbered(number: u64, len: usize) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[derive(Clone, Debug)]
enum Operation {
    Push(usize),
    PushRun(usize),
    Commit(usize, usize),
    Abort(usize),
    Flush,
    PublishEvery(u64),
    Pop,
    PopShort,
    Read,
    Keep,
    Batch(usize),
    PopRun(usize),
    Turn(u64),
    PublishHead,
    ArmAndDisarm,
    ReplaceWriter,
    ReplaceReader,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        6 => (0..80usize).prop_map(Operation::Push),
        2 => (0..6usize).prop_map(Operation::PushRun),
        4 => (0..80usize, 0..100usize).prop_map(|(len, part)| Operation::Commit(len, len * part / 99)),
        2 => (0..80usize).prop_map(Operation::Abort),
        2 => Just(Operation::Flush),
        1 => (0..100u64).prop_map(Operation::PublishEvery),
        5 => Just(Operation::Pop),
        1 => Just(Operation::PopShort),
        3 => Just(Operation::Read),
        1 => Just(Operation::Keep),
        3 => (0..6usize).prop_map(Operation::Batch),
        2 => (0..6usize).prop_map(Operation::PopRun),
        2 => (0..100u64).prop_map(Operation::Turn),
        1 => Just(Operation::PublishHead),
        1 => Just(Operation::ArmAndDisarm),
        1 => Just(Operation::ReplaceWriter),
        1 => Just(Operation::ReplaceReader),
    ];
    prop::collection::vec(operation, 0..400)
}

/// What the ring should be, and the ring.
struct Trial<'a> {
    memory: &'a Memory,
    producer: Option<Producer<Parts<'a>>>,
    consumer: Option<Consumer<Parts<'a>>>,
    /// Number and length of each message that was committed and not consumed, oldest first.
    oracle: VecDeque<(u64, usize)>,
    /// How many of them are published, at least.
    published: usize,
    next: u64,
    capacity: u64,
    framing: Framing,
}

impl Trial<'_> {
    /// A refusal is right if the message is too long, or if there is no room beside what the reader has
    /// not read and may hold back.
    fn refusal(&self, len: usize, error: PushError) -> Result<(), TestCaseError> {
        let unread = self.producer.as_ref().unwrap().position() - self.consumer.as_ref().unwrap().position();
        if let Framing::Fixed(size) = self.framing {
            if len != size {
                prop_assert_eq!(error, PushError::WrongSize { len, size });
                return Ok(());
            }
            prop_assert_eq!(error, PushError::Full);
            let stride = (size as u64).next_multiple_of(8);
            prop_assert!(unread + stride + self.capacity / 4 > self.capacity, "refused without need");
            return Ok(());
        }
        let most = longest(self.capacity as usize);
        if len > most {
            prop_assert_eq!(error, PushError::TooLong { len, most });
            return Ok(());
        }
        prop_assert_eq!(error, PushError::Full);
        let producer = self.producer.as_ref().unwrap();
        let skip = self.capacity - producer.position() % self.capacity;
        let size = record::size(len as u64);
        let skip = if skip < size { skip } else { 0 };
        prop_assert!(unread + skip + size + self.capacity / 4 > self.capacity, "refused without need");
        Ok(())
    }

    fn committed(&mut self, len: usize) {
        self.oracle.push_back((self.next, len));
        self.next += 1;
    }

    /// Mostly the length that is possible.
    fn length(&self, len: usize) -> usize {
        match self.framing {
            Framing::Fixed(size) if len.is_multiple_of(8) => size,
            _ => len,
        }
    }

    fn write(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        let next = self.next;
        let (framing, is_fixed) = (self.framing, self.framing != Framing::Records);
        let operation = match *operation {
            Operation::Push(len) => Operation::Push(self.length(len)),
            Operation::Commit(len, _) if is_fixed => Operation::Commit(self.length(len), self.length(len)),
            Operation::Abort(len) => Operation::Abort(self.length(len)),
            ref other => other.clone(),
        };
        let producer = self.producer.as_mut().unwrap();
        match operation {
            Operation::PushRun(count) => {
                let Framing::Fixed(size) = framing else {
                    prop_assert!(producer.try_push_run(8, &[0; 8]).is_err());
                    return Ok(());
                };
                let run: Vec<u8> =
                    (next..next + count as u64).flat_map(|number| numbered(number, size)).collect();
                match producer.try_push_run(size, &run) {
                    Ok(pushed) => {
                        prop_assert!(pushed <= count && (pushed > 0 || count == 0));
                        (0..pushed).for_each(|_| self.committed(size));
                        if pushed < count {
                            self.refusal(size, PushError::Full)?;
                        }
                    }
                    Err(error) => self.refusal(size, error)?,
                }
            }
            Operation::Push(len) => match producer.try_push(&numbered(next, len)) {
                Ok(()) => self.committed(len),
                Err(error) => self.refusal(len, error)?,
            },
            Operation::Commit(len, part) => match producer.claim(len) {
                Ok(mut claim) => {
                    prop_assert_eq!(claim.len(), len);
                    // In two pieces, the second first, so that pieces begin and end within words.
                    let (message, cut) = (numbered(next, part), part / 3);
                    claim.write(cut, &message[cut..]);
                    claim.write(0, &message[..cut]);
                    if part == len {
                        claim.commit()
                    } else {
                        claim.commit_first(part)
                    }
                    self.committed(part);
                }
                Err(error) => self.refusal(len, error)?,
            },
            Operation::Abort(len) => {
                let before = producer.position();
                if let Ok(mut claim) = producer.claim(len) {
                    claim.write(0, &numbered(!next, len));
                    claim.abort();
                }
                prop_assert_eq!(producer.position(), before);
            }
            Operation::Flush => producer.flush(),
            Operation::PublishEvery(bytes) => producer.publish_every(bytes),
            Operation::ReplaceWriter => {
                self.producer = None;
                self.producer = Some(Producer::resume_framed(self.memory.parts(), framing).unwrap());
            }
            _ => unreachable!(),
        }
        Ok(())
    }

    /// How many messages the shared tail covers.
    fn count_published(&mut self) {
        let tail = self.memory.writer.position.load(Ordering::Relaxed);
        if tail == self.producer.as_ref().unwrap().position() {
            self.published = self.oracle.len();
        }
    }

    fn expect(&mut self, got: Option<Vec<u8>>) -> Result<(), TestCaseError> {
        match got {
            Some(got) => {
                let (number, len) = self.oracle.pop_front().expect("nothing was committed");
                prop_assert_eq!(got, numbered(number, len));
                self.published = self.published.saturating_sub(1);
            }
            None => prop_assert_eq!(self.published, 0),
        }
        Ok(())
    }

    fn read(&mut self, operation: &Operation) -> Result<(), TestCaseError> {
        let mut buffer = [0; 128];
        let consumer = self.consumer.as_mut().unwrap();
        match *operation {
            Operation::Pop => {
                let got = consumer.try_pop(&mut buffer).unwrap().map(|len| buffer[..len].to_vec());
                self.expect(got)?;
            }
            Operation::PopShort => {
                let position = consumer.position();
                match (consumer.try_pop(&mut []), self.oracle.front()) {
                    (Ok(Some(0)), _) => self.expect(Some(Vec::new()))?,
                    (Ok(_), _) => prop_assert_eq!(self.published, 0),
                    (Err(error), front) => {
                        prop_assert_eq!(error, PopError::TooLong { len: front.unwrap().1 });
                        prop_assert!(consumer.position() - position < self.capacity / 4);
                    }
                }
            }
            Operation::Read | Operation::Keep => {
                let record = consumer.read().unwrap();
                let got = record.as_ref().map(|record| {
                    let bytes = record.bytes();
                    bytes.copy_to(0, &mut buffer[..bytes.len()]);
                    buffer[..bytes.len()].to_vec()
                });
                if matches!(operation, Operation::Keep) {
                    if let Some(record) = record {
                        record.keep();
                        let (number, len) = self.oracle[0];
                        prop_assert_eq!(got.unwrap(), numbered(number, len));
                    }
                } else {
                    drop(record);
                    self.expect(got)?;
                }
            }
            Operation::Batch(most) => {
                let mut got = Vec::new();
                let count = consumer
                    .read_batch(most, |bytes| {
                        bytes.copy_to(0, &mut buffer[..bytes.len()]);
                        got.push(buffer[..bytes.len()].to_vec());
                    })
                    .unwrap();
                prop_assert_eq!(count, got.len());
                for message in got {
                    self.expect(Some(message))?;
                }
            }
            Operation::PopRun(most) => {
                let Framing::Fixed(size) = self.framing else { return Ok(()) };
                // Half a message more: it stays as it is.
                let mut into = vec![7; most * size + size / 2];
                let count = consumer.try_pop_run(size, &mut into).unwrap();
                prop_assert!(into[count * size..].iter().all(|byte| *byte == 7));
                for message in into.chunks_exact(size).take(count) {
                    self.expect(Some(message.to_vec()))?;
                }
                if count < most {
                    self.expect(None)?;
                }
            }
            Operation::Turn(most) => {
                let (begin, ready) = (consumer.position(), consumer.begin_turn(most).unwrap());
                prop_assert_eq!(consumer.is_in_turn(), ready && most > 0);
                let Framing::Fixed(size) = self.framing else { return Ok(()) };
                let mut got = Vec::new();
                while consumer.pop_in_turn(&mut buffer[..size]) {
                    prop_assert!(consumer.position() > begin);
                    got.push(buffer[..size].to_vec());
                }
                // A stride and a skip beyond at most.
                prop_assert!(consumer.position() - begin <= most + 2 * 128);
                for message in got {
                    self.expect(Some(message))?;
                }
            }
            Operation::PublishHead => {
                consumer.publish_head();
                let unread = self.producer.as_ref().unwrap().position() - consumer.position();
                prop_assert_eq!(self.producer.as_mut().unwrap().refresh(), self.capacity - unread);
            }
            Operation::ArmAndDisarm => {
                consumer.arm();
                let waiting = self.memory.reader.waiting.load(Ordering::Relaxed);
                prop_assert_eq!(waiting, consumer.position() + 8);
                prop_assert!(consumer.sleep_on().is_none() || self.published == 0);
                consumer.disarm();
            }
            Operation::ReplaceReader => {
                self.consumer = None;
                self.consumer = Some(Consumer::resume_framed(self.memory.parts(), self.framing).unwrap());
            }
            _ => unreachable!(),
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn behaves_as_a_bounded_queue(
        bits in 6..10u32,
        start in 0..64u64,
        size in prop_oneof![Just(0), 1..128usize],
        operations in operations(),
    ) {
        let capacity = 1 << bits;
        let memory = Memory::new(capacity);
        let size = size.min(capacity / 4);
        let framing = if size == 0 { Framing::Records } else { Framing::Fixed(size) };
        let grid = Grid::new(capacity / 8, framing).unwrap();
        let start = (start * 8..).find(|at| grid.has(*at)).unwrap();
        let (producer, consumer) = memory.framed_ends(start, framing);
        let messages = |position| framing.messages(capacity as u64, position);
        let before = messages(start);
        let mut trial = Trial {
            memory: &memory,
            producer: Some(producer),
            consumer: Some(consumer),
            oracle: VecDeque::new(),
            published: 0,
            next: 0,
            capacity: capacity as u64,
            framing,
        };
        for operation in &operations {
            match operation {
                Operation::Push(_) | Operation::PushRun(_) | Operation::Commit(..) | Operation::Abort(_) | Operation::Flush
                | Operation::PublishEvery(_) | Operation::ReplaceWriter => trial.write(operation)?,
                _ => trial.read(operation)?,
            }
            trial.count_published();
            prop_assert!(trial.consumer.as_ref().unwrap().deepest() <= capacity as u64);
            if let Some(before) = before {
                let written = messages(trial.producer.as_ref().unwrap().position());
                let read = messages(trial.consumer.as_ref().unwrap().position());
                prop_assert_eq!(written, Some(before + trial.next));
                prop_assert_eq!(read, Some(before + trial.next - trial.oracle.len() as u64));
            }
            prop_assert!(trial.producer.as_ref().unwrap().check_peer().is_ok());
        }
        trial.producer = None;
        trial.published = trial.oracle.len();
        while !trial.oracle.is_empty() {
            trial.read(&Operation::Pop)?;
        }
        trial.read(&Operation::Pop)?;
    }
}

#[test]
fn capacities_are_powers_of_two() {
    for bytes in [0, 8, 32, 72, 1000, 3 << 20] {
        let memory = Memory::new(bytes);
        assert_eq!(Producer::new(memory.parts()).err(), Some(BadCapacity(bytes)));
        assert_eq!(Consumer::new(memory.parts()).err(), Some(BadCapacity(bytes)));
    }
    assert_eq!(super::check_capacity(MAX_CAPACITY / 8), Ok(MAX_CAPACITY as u64));
    assert_eq!(super::check_capacity(MAX_CAPACITY / 4), Err(BadCapacity(MAX_CAPACITY * 2)));
    assert_eq!(super::check_capacity(usize::MAX), Err(BadCapacity(usize::MAX)));
}

#[test]
fn the_longest_message_fits_wherever_the_ring_stands() {
    for position in (0..64).map(|word| word * 8) {
        let memory = Memory::new(256);
        let (mut producer, mut consumer) = memory.ends(position);
        let message = numbered(position, longest(256));
        for _ in 0..2 {
            producer.try_push(&message).unwrap();
        }
        for _ in 0..8 {
            consumer.try_pop(&mut [0; 64]).unwrap();
            producer.try_push(&message).unwrap();
        }
        assert_eq!(producer.try_push(&[0; 57]), Err(PushError::TooLong { len: 57, most: 56 }));
    }
}

/// A record that is kept behind a skip holds back no more than any other.
#[test]
fn a_skip_is_given_back_before_the_record_behind_it() {
    let memory = Memory::new(256);
    let (mut producer, mut consumer) = memory.ends(256 - 80);
    for len in [48, 40] {
        producer.try_push(&numbered(1, len)).unwrap();
    }
    assert_eq!(consumer.try_pop(&mut [0; 64]), Ok(Some(48)));
    assert_eq!(producer.refresh(), 256 - 56 - 24 - 48);
    consumer.read().unwrap().unwrap().keep();
    assert_eq!(producer.refresh(), 256 - 48);
}

#[test]
fn what_is_committed_is_seen_when_it_is_flushed_or_the_writer_goes() {
    let memory = Memory::new(256);
    let (mut producer, mut consumer) = memory.ends(0);
    producer.publish_every(64);
    producer.try_push(b"one").unwrap();
    assert!(!consumer.is_ready().unwrap());
    producer.flush();
    assert_eq!(consumer.try_pop(&mut [0; 8]), Ok(Some(3)));
    producer.try_push(b"four").unwrap();
    assert!(!consumer.is_ready().unwrap());
    drop(producer);
    assert_eq!(consumer.try_pop(&mut [0; 8]), Ok(Some(4)));
}

#[test]
fn cursors_that_fit_no_ring_are_not_resumed() {
    let memory = Memory::new(64);
    let try_both = |tail: u64, head: u64| {
        memory.writer.position.store(tail, Ordering::Relaxed);
        memory.reader.position.store(head, Ordering::Relaxed);
        let consumer = Consumer::resume(memory.parts());
        // What an end that is dropped publishes must not repair the other's trial.
        let consumer = consumer.map(std::mem::forget);
        (Producer::resume(memory.parts()).map(std::mem::forget), consumer)
    };
    assert_eq!(try_both(128, 64), (Ok(()), Ok(())));
    for (tail, head) in [(136, 64), (64, 72), (12, 8), (16, 12), (u64::MAX - 7, u64::MAX - 7), (1 << 62, 8)] {
        let (producer, consumer) = try_both(tail, head);
        assert!(matches!(producer, Err(ResumeError::Misbehaved(_))), "{tail} {head}: {producer:?}");
        assert!(matches!(consumer, Err(ResumeError::Misbehaved(_))), "{tail} {head}: {consumer:?}");
    }
    let misbehaved = Misbehaved::Tail { tail: 136, lowest: 64, highest: 128 };
    assert_eq!(try_both(136, 64).1, Err(ResumeError::Misbehaved(misbehaved)));
}
