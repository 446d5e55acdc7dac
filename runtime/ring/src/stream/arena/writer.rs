//! The writing end. spec: CHN-7.1, CHN-7.2

use std::{collections::VecDeque, ops::Deref};

use super::{BadArena, DESCRIPTOR_SIZE, UNIT, check_size, ends::Writing, is_block};
use crate::{
    Misbehaved,
    park::Park,
    stream::{Producer, PushError, StreamMemory, Word, copy},
};

/// The writing end of an arena. It belongs to one producer, of a [stream](crate::stream::Producer) or of a
/// [broadcast](crate::broadcast::Producer), which each call is given.
///
/// In a broadcast the *reader* is the slowest one: what its head has passed, all have read. In one that is overwritten
/// it is whoever reads what was not given up: a block is given up with its descriptor, and there is always room.
#[derive(Debug)]
pub struct ArenaWriter<A> {
    words: A,
    size: u64,
    /// Position behind the last block: never masked, as in the ring.
    tail: u64,
    /// Bytes of all messages that were committed.
    sent: u64,
    /// Of those the bytes that the reader is known to have read.
    read: u64,
    /// Blocks that the reader is not known to have read, oldest first.
    unread: VecDeque<Unread>,
}

/// A block that may not have been read.
#[derive(Clone, Copy, Debug)]
struct Unread {
    /// Where it begins; `tail - start <= size`.
    start: u64,
    /// The ring's position behind its descriptor: a head that is there has passed it.
    head: u64,
    /// Bytes of the messages up to this one.
    sent: u64,
}

impl<A: Deref<Target = [Word]>> ArenaWriter<A> {
    /// The writing end of an arena that nothing was written to yet.
    ///
    /// # Errors
    /// [`BadArena`].
    pub fn new(words: A) -> Result<Self, BadArena> {
        let size = check_size(words.len())?;
        Ok(Self { words, size, tail: 0, sent: 0, read: 0, unread: VecDeque::new() })
    }

    /// Goes on where a former writer stood, beside a ring that was [resumed](Producer::resume): what the reader has not
    /// passed stays as it is.
    ///
    /// spec: SEG-2.6
    ///
    /// # Errors
    /// [`Misbehaved`]: what stands in the ring describes nothing that can be in this arena.
    pub fn resume<M: StreamMemory>(mut self, producer: &Producer<M>) -> Result<Self, Misbehaved> {
        let size = self.size;
        producer.unread_descriptors(|position, offset, length| {
            let wrong = Misbehaved::Descriptor { position, offset, length };
            if !is_block(offset, length, size) {
                return Err(wrong);
            }
            let start = match self.unread.back() {
                // Of the blocks before it nothing is known, and nothing needs to be.
                None => offset,
                Some(_) if self.tail % size == offset => self.tail,
                Some(_) if offset == 0 => self.tail.next_multiple_of(size),
                Some(_) => return Err(wrong),
            };
            let end = start + length.next_multiple_of(UNIT);
            if self.unread.front().is_some_and(|oldest| end - oldest.start > size) {
                return Err(wrong);
            }
            self.sent += length;
            self.unread.push_back(Unread { start, head: position + DESCRIPTOR_SIZE, sent: self.sent });
            self.tail = end;
            Ok(())
        })?;
        Ok(self)
    }

    /// The longest message: the whole arena.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.size as usize
    }

    /// The whole arena.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Copies a message into the arena and publishes it; wakes nobody (the producer's `wake` does).
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    pub fn try_push<P: Writing>(&mut self, producer: &mut P, message: &[u8]) -> Result<(), PushError> {
        let claim = self.claim(producer, message.len())?;
        copy::fill(claim.words(), message);
        claim.commit();
        Ok(())
    }

    /// Claims a block for a message of `len` bytes, to be filled in place.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    pub fn claim<'a, P: Writing>(
        &'a mut self,
        producer: &'a mut P,
        len: usize,
    ) -> Result<ArenaClaim<'a, P, A>, PushError> {
        if !self.unread.is_empty() {
            // One that keeps up has read everything, and finds the message in memory that is still cached.
            producer.look();
            self.reclaim(producer.known_head());
        }
        let mut place = self.place(len)?;
        if !self.has_room(place) {
            producer.make_free(self.in_the_way_of(place.1));
            self.reclaim(producer.known_head());
            place = self.place(len)?;
            if !self.has_room(place) {
                return Err(PushError::Full);
            }
        }
        let descriptor = producer.reserve_descriptor()?;
        Ok(ArenaClaim { arena: self, producer, descriptor, start: place.0, len })
    }

    /// The lowest head of the reader with which a message of `len` bytes has room; 0: it has room now. What to
    /// wait for (the producer's `arm_for`).
    ///
    /// # Errors
    /// [`PushError::TooLong`]: there will never be room.
    pub fn enough<P: Writing>(&self, producer: &P, len: usize) -> Result<u64, PushError> {
        let (_, end) = self.place(len)?;
        Ok(self.in_the_way_of(end).max(producer.enough_for_descriptor()))
    }

    /// The head that has passed all blocks which are in the way of one that ends at this position; 0: none is.
    fn in_the_way_of(&self, end: u64) -> u64 {
        let in_the_way = self.unread.iter().take_while(|block| end - block.start > self.size);
        in_the_way.last().map_or(0, |block| block.head)
    }

    /// Bytes of all messages that were committed.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes of messages that the reader is not known to have read; look at its head before (the producer's
    /// `refresh`).
    pub fn outstanding<P: Writing>(&mut self, producer: &P) -> u64 {
        self.reclaim(producer.known_head());
        self.sent - self.read
    }

    /// The lowest head of the reader with which it has at most `ahead` bytes left to read, those of the ring and those of
    /// messages in the arena together: what to wait for (the producer's `arm_for`), if it is above 0.
    #[must_use]
    pub fn enough_read<P: Writing>(&self, producer: &P, ahead: u64) -> u64 {
        // What is left to a head from the newest block's descriptor on is in the ring alone.
        let (mut end, mut left) = (producer.tail(), 0);
        for (at, block) in self.unread.iter().enumerate().rev() {
            let enough = (producer.tail() + left).saturating_sub(ahead);
            if enough >= block.head {
                return enough.min(end);
            }
            let before = at.checked_sub(1).map_or(self.read, |at| self.unread[at].sent);
            (end, left) = (block.head, left + block.sent - before);
        }
        (producer.tail() + left).saturating_sub(ahead).min(end)
    }

    /// Where a message would begin, and the position behind it.
    fn place(&self, len: usize) -> Result<(u64, u64), PushError> {
        if len as u64 > self.size {
            return Err(PushError::TooLong { len, most: self.longest() });
        }
        let size = (len as u64).next_multiple_of(UNIT);
        let begins_anew = self.unread.is_empty() || size > self.size - self.tail % self.size;
        let start = if begins_anew { self.tail.next_multiple_of(self.size) } else { self.tail };
        Ok((start, start + size))
    }

    fn has_room(&self, (_, end): (u64, u64)) -> bool {
        self.unread.front().is_none_or(|oldest| end - oldest.start <= self.size)
    }

    /// Forgets the blocks that the reader, whose head is `head`, has read.
    fn reclaim(&mut self, head: u64) {
        while let Some(oldest) = self.unread.front().filter(|oldest| oldest.head <= head) {
            self.read = oldest.sent;
            self.unread.pop_front();
        }
    }
}

/// A block for one message; dropping it gives it back, and nobody has seen it.
///
/// The bytes hold whatever was there before.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub struct ArenaClaim<'a, P: Writing, A: Deref<Target = [Word]>> {
    arena: &'a mut ArenaWriter<A>,
    producer: &'a mut P,
    /// Where in the ring its descriptor has room.
    descriptor: u64,
    start: u64,
    len: usize,
}

impl<P: Writing, A: Deref<Target = [Word]>> ArenaClaim<'_, P, A> {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words to fill; bytes of the last one beyond the length are read by nobody.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.arena.words[(self.offset() / 8) as usize..][..self.len.div_ceil(8)]
    }

    /// Writes `bytes` from byte `at` on.
    ///
    /// # Panics
    /// The claim is too short for them.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(
            at.checked_add(bytes.len()).is_some_and(|end| end <= self.len),
            "{at} + {} is out of a claim of {} bytes",
            bytes.len(),
            self.len
        );
        copy::write(self.words(), at, bytes);
    }

    /// The bytes as a slice, to be filled by whatever wants one (a socket, a decoder, a device).
    ///
    /// # Safety
    /// Nobody else accesses the arena where this claim lies while the slice lives: there is one writer for the
    /// memory, and no other process can write to it. A correct reader never looks at what is not published.
    ///
    /// # Panics
    /// The ring is overwritten: followers may still be copying what stood here before, to throw it away.
    #[cfg(not(loom))]
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        assert!(
            !self.producer.is_overwritten(),
            "a claim of a broadcast that overwrites is filled with `write`"
        );
        let len = self.len;
        // SAFETY: `len` bytes are within the words, which are atomics and so may be written through a
        // shared reference; the caller promises that nobody else accesses them.
        unsafe { std::slice::from_raw_parts_mut(self.words().as_ptr().cast_mut().cast(), len) }
    }

    /// Makes the message part of the stream and publishes it; wakes nobody (the producer's `wake` does).
    pub fn commit(self) {
        let len = self.len;
        self.commit_first(len);
    }

    /// As [`commit`](Self::commit), for the first `len` bytes; the rest is given back.
    ///
    /// # Panics
    /// The claim is shorter.
    pub fn commit_first(mut self, len: usize) {
        self.publish(len);
    }

    /// As [`commit_first`](Self::commit_first), and wakes who sleeps for it, as the producer's `wake` does; returns
    /// whether it did.
    ///
    /// # Panics
    /// As [`commit_first`](Self::commit_first).
    pub fn finish(mut self, len: usize, park: &impl Park) -> bool {
        self.publish(len);
        self.producer.wake_readers(park)
    }

    /// Gives the block back, as dropping does.
    pub fn abort(self) {}

    fn publish(&mut self, len: usize) {
        assert!(len <= self.len, "{len} bytes of a claim of {}", self.len);
        let head = self.producer.commit_descriptor(self.descriptor, self.offset(), len as u64);
        self.arena.sent += len as u64;
        self.arena.unread.push_back(Unread { start: self.start, head, sent: self.arena.sent });
        self.arena.tail = self.start + (len as u64).next_multiple_of(UNIT);
    }

    fn offset(&self) -> u64 {
        self.start % self.arena.size
    }
}
