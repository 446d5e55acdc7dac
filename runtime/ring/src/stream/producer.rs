//! The writing end.

use std::time::Duration;

use super::{
    BadCapacity, Claim, MAX_POSITION, PushError, ResumeError, StreamMemory, Word, check_capacity, copy,
    is_aligned, record,
};
use crate::{
    Misbehaved,
    park::{Park, SleepOn},
    primitive::{Ordering, load_acquire},
};

/// The writing end of a stream ring.
#[derive(Debug)]
pub struct Producer<M: StreamMemory> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next record; `tail - cached_head <= capacity`.
    tail: u64,
    /// What was last stored to the shared tail; `cached_head <= published <= tail`.
    published: u64,
    /// What `published` was when [`wake`](Self::wake) last looked.
    woken: u64,
    /// What the reader's head was when last looked at.
    cached_head: u64,
    /// Publish once so many bytes are committed.
    batch: u64,
}

/// Where a record will stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Position of its header: the tail, or the start of the buffer after a skip.
    start: u64,
}

impl<M: StreamMemory> Producer<M> {
    /// The writing end of a ring that nothing was written to yet: all of its memory is zero.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M) -> Result<Self, BadCapacity> {
        let capacity = check_capacity(memory.words().len())?;
        Ok(Self { memory, capacity, tail: 0, published: 0, woken: 0, cached_head: 0, batch: 0 })
    }

    /// The writing end of a ring whose former writer is gone: goes on after what that one published.
    ///
    /// Call [`wake`](Self::wake) next: a writer that died may have left its reader asleep.
    ///
    /// # Errors
    /// [`BadCapacity`]; [`Misbehaved`]: the cursors do not fit each other.
    pub fn resume(memory: M) -> Result<Self, ResumeError> {
        let mut producer = Self::new(memory)?;
        let tail = load_acquire(&producer.memory.writer().position);
        if tail > MAX_POSITION || !is_aligned(tail) {
            return Err(Misbehaved::Tail { tail, lowest: 0, highest: MAX_POSITION }.into());
        }
        producer.cached_head = tail.saturating_sub(producer.capacity);
        (producer.tail, producer.published) = (tail, tail);
        producer.cached_head = producer.look()?;
        producer.disarm();
        Ok(producer)
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The longest payload that this ring takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        super::longest(self.capacity as usize)
    }

    /// Position of the next record: how many bytes were committed, headers and skips included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Publishes by itself only once `bytes` are committed (a quarter of the ring at most); what is less
    /// waits for [`flush`](Self::flush), or for the ring to be full. 0, as in the beginning, publishes each
    /// record.
    pub fn publish_every(&mut self, bytes: u64) {
        self.batch = bytes.min(self.capacity / 4);
    }

    /// Pushes a message; wakes nobody ([`wake`](Self::wake) does).
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline]
    pub fn try_push(&mut self, message: &[u8]) -> Result<(), PushError> {
        let room = self.reserve(message.len())?;
        copy::write(self.payload(room, message.len()), 0, message);
        self.commit(room, message.len());
        Ok(())
    }

    /// Claims room for a message of `len` bytes, to be filled in place.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M>, PushError> {
        let room = self.reserve(len)?;
        Ok(Claim::new(self, room, len))
    }

    /// Publishes what is committed.
    #[inline]
    pub fn flush(&mut self) {
        if self.published != self.tail {
            // SYNC with the consumer's acquire of the tail: the records below it are seen with it.
            self.memory.writer().position.store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
    }

    /// Free bytes, after a look at the reader's head; a head that makes no sense frees nothing.
    pub fn refresh(&mut self) -> u64 {
        if let Ok(head) = self.look() {
            self.cached_head = head;
        }
        self.capacity - (self.tail - self.cached_head)
    }

    /// Whether the reader's head makes sense.
    ///
    /// # Errors
    /// [`Misbehaved::Head`]: the reader moved backwards or reads what was not published.
    pub fn check_peer(&self) -> Result<(), Misbehaved> {
        self.look().map(drop)
    }

    fn look(&self) -> Result<u64, Misbehaved> {
        // SYNC with the consumer's release of the head: it has read what is overwritten next.
        let head = load_acquire(&self.memory.reader().position);
        let (lowest, highest) = (self.cached_head, self.published);
        if (lowest..=highest).contains(&head) && is_aligned(head) {
            return Ok(head);
        }
        Err(Misbehaved::Head { head, lowest, highest })
    }

    /// Where a record would start, and the position after it.
    #[inline(always)]
    fn place(&self, len: usize) -> Result<(u64, u64), PushError> {
        let most = self.longest();
        if len > most {
            return Err(PushError::TooLong { len, most });
        }
        let size = record::size(len as u64);
        let to_end = self.capacity - (self.tail & (self.capacity - 1));
        let start = if size <= to_end { self.tail } else { self.tail + to_end };
        Ok((start, start + size))
    }

    #[inline(always)]
    fn reserve(&mut self, len: usize) -> Result<Room, PushError> {
        let (start, end) = self.place(len)?;
        if end - self.cached_head > self.capacity {
            self.make_room(end)?;
        }
        Ok(Room { start })
    }

    #[cold]
    fn make_room(&mut self, end: u64) -> Result<(), PushError> {
        // A reader frees nothing that it cannot see.
        self.flush();
        self.refresh();
        if end - self.cached_head > self.capacity { Err(PushError::Full) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn payload(&self, room: Room, len: usize) -> &[Word] {
        let index = (room.start & (self.capacity - 1)) as usize / 8;
        &self.memory.words()[index + 1..][..len.div_ceil(8)]
    }

    #[inline(always)]
    pub(super) fn commit(&mut self, room: Room, len: usize) {
        if room.start != self.tail {
            self.header(self.tail, record::skip(room.start - self.tail));
        }
        self.header(room.start, record::message(len as u64));
        self.tail = room.start + record::size(len as u64);
        if self.tail - self.published >= self.batch {
            self.flush();
        }
    }

    #[inline(always)]
    fn header(&self, position: u64, header: u64) {
        self.memory.words()[(position & (self.capacity - 1)) as usize / 8].store(header);
    }

    /// Wakes the reader if it sleeps for something published since the last call; returns whether it did.
    ///
    /// Call it after pushing: once for each message or once for a batch.
    #[inline]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        if self.woken == self.published {
            return false;
        }
        let before = std::mem::replace(&mut self.woken, self.published);
        park.light_fence();
        let waiting = self.memory.reader().waiting.load(Ordering::Relaxed);
        if waiting <= before || waiting > self.published {
            return false;
        }
        park.wake(&self.memory.writer().position);
        true
    }

    /// Announces that this end is about to sleep until there is room for a message of `len` bytes.
    /// Then: [`wake`](Self::wake), [`Park::heavy_fence`], sleep on [`sleep_on`](Self::sleep_on) if there is
    /// anything to sleep for, and [`disarm`](Self::disarm).
    ///
    /// # Errors
    /// [`PushError::TooLong`]: there will never be room.
    pub fn arm(&mut self, len: usize) -> Result<(), PushError> {
        let (_, end) = self.place(len)?;
        self.flush();
        let enough = end.saturating_sub(self.capacity);
        self.memory.writer().waiting.store(enough, Ordering::Relaxed);
        Ok(())
    }

    /// What to sleep on until there is room for a message of `len` bytes; `None`: there is, or never will be.
    #[must_use]
    pub fn sleep_on(&self, len: usize) -> Option<SleepOn<'_>> {
        let (_, end) = self.place(len).ok()?;
        let word = &self.memory.reader().position;
        let head = load_acquire(word);
        // A head that makes no sense frees nothing, so it is slept on as well.
        let enough = end.saturating_sub(self.capacity)..=self.published;
        (!enough.contains(&head)).then_some(SleepOn { word, expected: head as u32 })
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.memory.writer().waiting.store(0, Ordering::Relaxed);
    }

    /// Sleeps until there is room for a message of `len` bytes or `timeout` is over; returns whether there
    /// is. What is committed is published before, and the reader woken.
    ///
    /// # Errors
    /// [`PushError::TooLong`]: there will never be room.
    pub fn wait(&mut self, len: usize, park: &impl Park, timeout: Duration) -> Result<bool, PushError> {
        if self.has_room(len)? {
            return Ok(true);
        }
        self.arm(len)?;
        self.wake(park);
        park.heavy_fence();
        if let Some(sleep) = self.sleep_on(len) {
            park.wait(sleep.word, sleep.expected, timeout);
        }
        self.disarm();
        self.has_room(len)
    }

    fn has_room(&mut self, len: usize) -> Result<bool, PushError> {
        match self.reserve(len) {
            Ok(_) => Ok(true),
            Err(PushError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<M: StreamMemory> Drop for Producer<M> {
    /// What is committed arrives.
    fn drop(&mut self) {
        self.flush();
    }
}
