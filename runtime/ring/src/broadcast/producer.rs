//! The writing end. spec: CHN-6.4

mod descriptor;

use std::{ops::Deref, time::Duration};

use super::{
    BadCapacity, Claim, JoinError, MAX_READERS, PushError, ReaderCell, Word, WriterMemory, is_aligned,
    longest, record,
};
use crate::{
    park::{Park, SleepOn},
    primitive::{AtomicU64, Ordering, fence, load_acquire},
    stream::{check_capacity, copy},
};

/// What happens when the ring is full of what somebody has not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The writer waits; readers are [`Consumer`](super::Consumer)s.
    Lossless,
    /// The oldest is overwritten; readers are [`Follower`](super::Follower)s.
    Overwrite,
}

/// The writing end of a broadcast ring.
#[derive(Debug)]
pub struct Producer<M: WriterMemory, R: Deref<Target = ReaderCell>> {
    memory: M,
    policy: Policy,
    /// A power of two.
    capacity: u64,
    /// Position of the next record; `tail - freed <= capacity`.
    tail: u64,
    /// What was last stored to the shared tail; `freed <= published <= tail`.
    published: u64,
    /// What `published` was when [`wake`](Self::wake) last looked.
    woken: u64,
    /// Lossless: the slowest head when last looked at. Overwrite: what is stored in `oldest`.
    freed: u64,
    /// Position of the newest committed record.
    newest: u64,
    /// Number of the next message.
    sequence: u64,
    /// Publish once so many bytes are committed.
    batch: u64,
    /// The longest payload.
    longest: usize,
    readers: [Option<Joined<R>>; MAX_READERS],
    /// Slots from this one on are free.
    slots: usize,
}

/// A reader, as the writer sees it.
#[derive(Debug)]
struct Joined<R> {
    cell: R,
    /// Its head when last looked at, its start before; at most `published`.
    head: u64,
}

/// Where a record will stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Position of its header: the tail, or the start of the buffer after a skip.
    start: u64,
}

impl<M: WriterMemory, R: Deref<Target = ReaderCell>> Producer<M, R> {
    /// The writing end of a ring that nothing was written to yet: all of its memory is zero.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M, policy: Policy) -> Result<Self, BadCapacity> {
        let capacity = check_capacity(memory.words().len())?;
        Ok(Self {
            memory,
            policy,
            capacity,
            tail: 0,
            published: 0,
            woken: 0,
            freed: 0,
            newest: 0,
            sequence: 0,
            batch: 0,
            longest: longest(capacity as usize),
            readers: [const { None }; MAX_READERS],
            slots: 0,
        })
    }

    /// What happens when the ring is full.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The longest payload that this ring takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Takes no longer payload than `most` from now on.
    pub fn limit(&mut self, most: usize) {
        self.longest = self.longest.min(most);
    }

    /// Position of the next record: how many bytes were committed, headers and skips included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// How many readers there are.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.readers[..self.slots].iter().flatten().count()
    }

    /// As [`stream::Producer::publish_every`](crate::stream::Producer::publish_every).
    pub fn publish_every(&mut self, bytes: u64) {
        self.batch = bytes.min(self.capacity / 4);
    }

    /// Adds a reader, which gets all that is pushed from now on.
    ///
    /// Wake who sleeps on its start: it may have come before.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&mut self, slot: usize, reader: R) -> Result<(), JoinError> {
        let place = self.readers.get_mut(slot).ok_or(JoinError::NoSlot { slot })?;
        if place.is_some() {
            return Err(JoinError::Taken { slot });
        }
        *place = Some(Joined { cell: reader, head: self.tail });
        self.slots = self.slots.max(slot + 1);
        self.flush();
        let start = self.memory.start(slot);
        start.sequence.store(self.sequence, Ordering::Relaxed);
        // SYNC with the reader's acquire of its start: it sees the number, and a tail that is not lower.
        start.position.store(self.tail + 1, Ordering::Release);
        Ok(())
    }

    /// Takes a reader out, whether it left or died; returns it. Nobody waits for it any more.
    pub fn leave(&mut self, slot: usize) -> Option<R> {
        let gone = self.readers.get_mut(slot)?.take()?;
        self.memory.start(slot).position.store(0, Ordering::Release);
        while self.slots > 0 && self.readers[self.slots - 1].is_none() {
            self.slots -= 1;
        }
        Some(gone.cell)
    }

    /// What a reader in this slot that has not begun sleeps on, to be woken after [`join`](Self::join).
    ///
    /// # Panics
    /// There is no such slot.
    #[must_use]
    pub fn start_word(&self, slot: usize) -> &AtomicU64 {
        &self.memory.start(slot).position
    }

    /// Bytes that a reader has not read, by what it last said; `None`: there is no such reader, or what it says
    /// cannot be.
    #[must_use]
    pub fn behind(&self, slot: usize) -> Option<u64> {
        let reader = self.readers.get(slot)?.as_ref()?;
        let head = load_acquire(&reader.cell.head);
        (is_aligned(head) && head <= self.tail).then(|| self.tail - head.max(reader.head))
    }

    /// Pushes a message; wakes nobody ([`wake`](Self::wake) does). Where nobody reads, it is gone at once.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened. [`PushError::Full`] only if the ring is lossless.
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
    /// As [`try_push`](Self::try_push).
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_, M, R>, PushError> {
        let room = self.reserve(len)?;
        Ok(Claim::new(self, room, len))
    }

    /// Publishes what is committed.
    #[inline]
    pub fn flush(&mut self) {
        if self.published != self.tail {
            let cell = self.memory.writer();
            if self.policy == Policy::Overwrite {
                // Both are seen with the tail below, beyond which nothing is believed.
                cell.count.store(self.sequence, Ordering::Relaxed);
                cell.newest.store(self.newest, Ordering::Relaxed);
            }
            // SYNC with a reader's acquire of the tail: the records below it are seen with it.
            cell.tail.store(self.tail, Ordering::Release);
            self.published = self.tail;
        }
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
        if end - self.freed > self.capacity {
            self.make_room(end)?;
        }
        Ok(Room { start })
    }

    #[cold]
    fn make_room(&mut self, end: u64) -> Result<(), PushError> {
        // Readers free nothing that they cannot see, and `oldest` never passes the tail.
        self.flush();
        match self.policy {
            Policy::Lossless => {
                self.refresh();
                if end - self.freed > self.capacity { Err(PushError::Full) } else { Ok(()) }
            }
            Policy::Overwrite => {
                self.give_up(end);
                Ok(())
            }
        }
    }

    /// Gives up the oldest records, an eighth of the ring more than is needed: one store for many.
    fn give_up(&mut self, end: u64) {
        self.give_up_to((end + self.capacity / 8 - self.capacity).min(self.tail));
    }

    /// Gives up the records before `enough`, which is published.
    fn give_up_to(&mut self, enough: u64) {
        while self.freed < enough {
            let index = self.freed & (self.capacity - 1);
            self.freed += record::whole(self.memory.words()[index as usize / 8].load());
        }
        // SYNC with a lapped follower's acquire of it: it sees a tail that is not lower.
        self.memory.writer().oldest.store(self.freed, Ordering::Release);
        // SYNC with a follower's acquire fence: who sees a word that is written from now on sees the store above.
        fence(Ordering::Release);
    }

    /// Whether a correct reader of this ring may ever have a head there.
    fn can_be(&self, head: u64) -> bool {
        head <= self.published && is_aligned(head)
    }

    /// Whether the reader in a slot says that it has read what was never published, or half a record. spec: CHN-1.4
    #[must_use]
    pub fn has_lied(&self, slot: usize) -> bool {
        let reader = self.readers.get(slot).and_then(Option::as_ref);
        reader.is_some_and(|reader| !self.can_be(load_acquire(&reader.cell.head)))
    }

    /// Free bytes, after a look at the readers' heads; one that makes no sense frees nothing.
    pub fn refresh(&mut self) -> u64 {
        if self.policy == Policy::Lossless {
            let published = self.published;
            let mut slowest = published;
            for reader in self.readers[..self.slots].iter_mut().flatten() {
                // SYNC with a consumer's release of its head: it has read what is overwritten next.
                let head = load_acquire(&reader.cell.head);
                if (reader.head..=published).contains(&head) && is_aligned(head) {
                    reader.head = head;
                }
                slowest = slowest.min(reader.head);
            }
            self.freed = slowest;
        }
        self.capacity - (self.tail - self.freed)
    }

    #[inline(always)]
    pub(super) fn payload(&self, room: Room, len: usize) -> &[Word] {
        let index = (room.start & (self.capacity - 1)) as usize / 8;
        &self.memory.words()[index + 1..][..len.div_ceil(8)]
    }

    #[inline(always)]
    pub(super) fn commit(&mut self, room: Room, len: usize) {
        self.commit_as(room, len as u64, record::message(len as u64, self.sequence));
        if self.tail - self.published >= self.batch {
            self.flush();
        }
    }

    /// Makes a record with this header part of the stream.
    #[inline(always)]
    fn commit_as(&mut self, room: Room, len: u64, header: u64) {
        if room.start != self.tail {
            self.header(self.tail, record::skip(room.start - self.tail));
        }
        self.header(room.start, header);
        self.sequence += 1;
        self.newest = room.start;
        self.tail = room.start + record::size(len);
    }

    #[inline(always)]
    fn header(&self, position: u64, header: u64) {
        self.memory.words()[(position & (self.capacity - 1)) as usize / 8].store(header);
    }

    /// Wakes the readers if one sleeps for something published since the last call; returns whether it did.
    ///
    /// Call it after pushing: once for each message or once for a batch.
    #[inline]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        if self.woken == self.published {
            return false;
        }
        let before = std::mem::replace(&mut self.woken, self.published);
        park.light_fence();
        let mut sleeping = false;
        for reader in self.readers[..self.slots].iter().flatten() {
            let waiting = reader.cell.waiting.load(Ordering::Relaxed);
            sleeping |= waiting > before && waiting <= self.published;
        }
        if sleeping {
            park.wake(&self.memory.writer().tail);
        }
        sleeping
    }

    /// Announces that this end is about to sleep until there is room for a message of `len` bytes.
    /// Then: [`wake`](Self::wake), [`Park::heavy_fence`], sleep on [`sleep_on`](Self::sleep_on) if there is
    /// anything to sleep for, and [`disarm`](Self::disarm).
    ///
    /// # Errors
    /// [`PushError::TooLong`]: there will never be room.
    pub fn arm(&mut self, len: usize) -> Result<(), PushError> {
        let (_, end) = self.place(len)?;
        self.arm_for(end.saturating_sub(self.capacity));
        Ok(())
    }

    /// As [`arm`](Self::arm), until every reader's head is at least `enough`.
    pub fn arm_for(&mut self, enough: u64) {
        self.flush();
        self.memory.writer().waiting.store(enough, Ordering::Relaxed);
    }

    /// What to sleep on, the slowest reader's head, until there is room for a message of `len` bytes; `None`:
    /// there is, or never will be.
    #[must_use]
    pub fn sleep_on(&self, len: usize) -> Option<SleepOn<'_>> {
        if self.policy == Policy::Overwrite {
            return None;
        }
        let (_, end) = self.place(len).ok()?;
        self.sleep_for(end.saturating_sub(self.capacity))
    }

    /// What to sleep on, the slowest reader's head, until every head is at least `enough`; `None`: each is.
    #[must_use]
    pub fn sleep_for(&self, enough: u64) -> Option<SleepOn<'_>> {
        let mut slowest: Option<(u64, SleepOn<'_>)> = None;
        for reader in self.readers[..self.slots].iter().flatten() {
            let word = &reader.cell.head;
            let head = load_acquire(word);
            // A head that makes no sense frees nothing, so it is slept on as well.
            let known = if self.can_be(head) { head.max(reader.head) } else { reader.head };
            if known < enough && slowest.is_none_or(|(lowest, _)| known < lowest) {
                slowest = Some((known, SleepOn { word, expected: head as u32 }));
            }
        }
        slowest.map(|(_, on)| on)
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.memory.writer().waiting.store(0, Ordering::Relaxed);
    }

    /// Sleeps until there may be room for a message of `len` bytes or `timeout` is over; returns whether there
    /// is: several readers may be slow, and this waits for one of them. What is committed is published before,
    /// and the readers woken.
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

    /// Whether a message of `len` bytes has room now.
    ///
    /// # Errors
    /// [`PushError::TooLong`]: there will never be room.
    pub fn has_room(&mut self, len: usize) -> Result<bool, PushError> {
        match self.reserve(len) {
            Ok(_) => Ok(true),
            Err(PushError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl<M: WriterMemory, R: Deref<Target = ReaderCell>> Drop for Producer<M, R> {
    /// What is committed arrives.
    fn drop(&mut self) {
        self.flush();
    }
}
