//! The writing end. spec: CHN-2.3, CHN-3.2

mod descriptor;
mod fixed;
mod slot;

pub use fixed::Slot;

use std::time::Duration;

use super::{
    BadCapacity, Claim, Framing, FramingError, MAX_POSITION, PushError, ResumeError, StreamMemory, Word,
    check_capacity, copy, framing::Grid, record,
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
    grid: Grid,
    /// Position of the next message, past a skip if messages have one size; `tail <= limit`.
    tail: u64,
    /// `cached_head + capacity`: what is written ends here at the latest.
    limit: u64,
    /// Where the turn ends, 0 if each message is not to be published by itself; `turn <= limit`.
    turn: u64,
    /// From a message of the turn to the line that is asked for with it, in the buffer; 0: the reader may still have what is
    /// there. Neither passes the buffer's end within a turn. Wraps, as the line may be near the buffer's begin.
    ahead: u64,
    /// What was last stored to the shared tail, if messages are published in batches; see [`published`](Self::published).
    stored: u64,
    /// What was published when [`wake`](Self::wake) last woke somebody.
    woken: u64,
    /// What the reader's head was when last looked at.
    cached_head: u64,
    /// Publish once so many bytes are committed.
    batch: u64,
    /// The longest payload.
    longest: usize,
}

/// Where a message will stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Its position: the tail, or the start of the buffer after a skip.
    start: u64,
}

impl<M: StreamMemory> Producer<M> {
    /// The writing end of a ring of [`Framing::Records`] that nothing was written to yet: all of its memory is
    /// zero.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M) -> Result<Self, BadCapacity> {
        check_capacity(memory.words().len())?;
        Ok(Self::framed(memory, Framing::Records).expect("nothing but the capacity can be wrong"))
    }

    /// As [`new`](Self::new), with any framing.
    ///
    /// # Errors
    /// [`FramingError`].
    pub fn framed(memory: M, framing: Framing) -> Result<Self, FramingError> {
        let grid = Grid::new(memory.words().len(), framing)?;
        let longest = grid.fixed().unwrap_or(super::longest(grid.capacity as usize));
        let limit = grid.capacity;
        Ok(Self {
            memory,
            grid,
            tail: 0,
            limit,
            turn: 0,
            ahead: 0,
            stored: 0,
            woken: 0,
            cached_head: 0,
            batch: 0,
            longest,
        })
    }

    /// The writing end of a ring of [`Framing::Records`] whose former writer is gone: goes on after what that
    /// one published.
    ///
    /// Call [`wake`](Self::wake) next: a writer that died may have left its reader asleep.
    ///
    /// # Errors
    /// [`ResumeError`]: no ring has this capacity; [`Misbehaved`]: the cursors do not fit each other.
    pub fn resume(memory: M) -> Result<Self, ResumeError> {
        Self::resume_framed(memory, Framing::Records)
    }

    /// As [`resume`](Self::resume), with the framing that the former writer had.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn resume_framed(memory: M, framing: Framing) -> Result<Self, ResumeError> {
        let producer = Self::resume_unchanged(memory, framing)?;
        producer.disarm();
        Ok(producer)
    }

    /// As [`resume_framed`](Self::resume_framed), and changes nothing: what the former writer announced stays until
    /// [`disarm`](Self::disarm), for who has more to look at first.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn resume_unchanged(memory: M, framing: Framing) -> Result<Self, ResumeError> {
        let mut producer = Self::framed(memory, framing)?;
        let tail = load_acquire(&producer.memory.writer().position);
        if tail > MAX_POSITION || !producer.grid.has(tail) {
            return Err(Misbehaved::Tail { tail, lowest: 0, highest: MAX_POSITION }.into());
        }
        producer.cached_head = tail.saturating_sub(producer.grid.capacity);
        (producer.tail, producer.stored) = (tail, tail);
        let head = producer.look()?;
        producer.learn(head);
        Ok(producer)
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.grid.capacity
    }

    /// How its messages lie in it.
    #[inline(always)]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.grid.framing()
    }

    /// The longest payload that this ring takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Takes no longer payload than `most` from now on, if messages have any length: for a reader that passes
    /// them on to something smaller than the ring.
    pub fn limit(&mut self, most: usize) {
        if self.grid.fixed().is_none() {
            self.longest = self.longest.min(most);
        }
    }

    /// Position of the next message: how many bytes were committed, headers and skips included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Publishes by itself only once `bytes` are committed (a quarter of the ring at most); what is less
    /// waits for [`flush`](Self::flush), or for the ring to be full. 0, as in the beginning, publishes each
    /// message, and at once what waits.
    pub fn publish_every(&mut self, bytes: u64) {
        self.stored = self.published();
        self.batch = bytes.min(self.grid.capacity / 4);
        self.turn = 0;
        if self.stored != self.tail {
            self.advance(self.tail);
        }
    }

    /// Pushes a message; wakes nobody ([`wake`](Self::wake) does).
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline(always)]
    pub fn try_push(&mut self, message: &[u8]) -> Result<(), PushError> {
        if self.grid.is_fixed_at(message.len()) {
            return self.try_push_fixed(message);
        }
        let room = self.reserve(message.len())?;
        copy::fill(self.payload(room, message.len()), message);
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
        if self.published() != self.tail {
            self.publish(self.tail);
        }
    }

    /// What was last stored to the shared tail; `cached_head <= published <= tail`.
    #[inline(always)]
    fn published(&self) -> u64 {
        if self.batch == 0 { self.tail } else { self.stored }
    }

    #[inline(always)]
    fn publish(&mut self, tail: u64) {
        self.stored = tail;
        self.show(tail);
    }

    #[inline(always)]
    fn show(&self, tail: u64) {
        // SYNC with the consumer's acquire of the tail: the messages below it are seen with it.
        self.memory.writer().position.store(tail, Ordering::Release);
    }

    /// Free bytes, after a look at the reader's head; a head that makes no sense frees nothing.
    pub fn refresh(&mut self) -> u64 {
        if let Ok(head) = self.look() {
            self.learn(head);
        }
        self.limit - self.tail
    }

    fn learn(&mut self, head: u64) {
        self.cached_head = head;
        self.limit = head + self.grid.capacity;
    }

    /// Whether the reader's head makes sense.
    ///
    /// # Errors
    /// [`Misbehaved::Head`]: the reader moved backwards, reads what was not published, or is between messages.
    pub fn check_peer(&self) -> Result<(), Misbehaved> {
        self.look().map(drop)
    }

    fn look(&self) -> Result<u64, Misbehaved> {
        // SYNC with the consumer's release of the head: it has read what is overwritten next.
        let head = load_acquire(&self.memory.reader().position);
        let (lowest, highest) = (self.cached_head, self.published());
        if (lowest..=highest).contains(&head) && self.grid.has(head) {
            return Ok(head);
        }
        Err(Misbehaved::Head { head, lowest, highest })
    }

    /// Where a message would start, and the position after it.
    #[inline(always)]
    fn place(&self, len: usize) -> Result<(u64, u64), PushError> {
        if let Some(size) = self.grid.fixed() {
            // The tail is past a skip already.
            let end = self.tail + (size as u64).next_multiple_of(8);
            return if len == size { Ok((self.tail, end)) } else { Err(PushError::WrongSize { len, size }) };
        }
        let most = self.longest();
        if len > most {
            return Err(PushError::TooLong { len, most });
        }
        let size = record::size(len as u64);
        let to_end = self.grid.room_at(self.tail);
        let start = if size <= to_end { self.tail } else { self.tail + to_end };
        Ok((start, start + size))
    }

    #[inline(always)]
    fn reserve(&mut self, len: usize) -> Result<Room, PushError> {
        let (start, end) = self.place(len)?;
        if end > self.limit {
            self.make_room(end)?;
        }
        Ok(Room { start })
    }

    #[cold]
    fn make_room(&mut self, end: u64) -> Result<(), PushError> {
        // A reader frees nothing that it cannot see.
        self.flush();
        self.refresh();
        if end > self.limit { Err(PushError::Full) } else { Ok(()) }
    }

    #[inline(always)]
    pub(super) fn payload(&self, room: Room, len: usize) -> &[Word] {
        let index = self.grid.index(room.start) as usize / 8;
        &self.memory.words()[index + self.grid.header_words()..][..len.div_ceil(8)]
    }

    /// Makes the message part of the stream.
    ///
    /// # Panics
    /// The ring's messages have another size.
    #[inline(always)]
    pub(super) fn commit(&mut self, room: Room, len: usize) {
        if let Some(size) = self.grid.fixed() {
            assert!(len == size, "{len} bytes in a ring of messages of {size}");
            return self.advance(self.grid.after(room.start, (size as u64).next_multiple_of(8)));
        }
        if room.start != self.tail {
            self.header(self.tail, record::skip(room.start - self.tail));
        }
        self.header(room.start, record::message(len as u64));
        self.ask_ahead(room.start, record::size(len as u64));
        self.advance(room.start + record::size(len as u64));
    }

    #[inline(always)]
    fn advance(&mut self, tail: u64) {
        self.tail = tail;
        if tail - self.stored >= self.batch {
            self.publish(tail);
        }
    }

    #[inline(always)]
    fn header(&self, position: u64, header: u64) {
        self.memory.words()[self.grid.index(position) as usize / 8].store(header);
    }

    /// Wakes the reader if it sleeps for something published since it was last woken; returns whether it did.
    ///
    /// Call it after pushing: once for each message or once for a batch.
    #[inline(always)]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        self.is_reader_waiting(park) && self.wake_from(park)
    }

    /// Whether the reader may be asleep: then [`wake`](Self::wake) is due.
    #[inline(always)]
    #[must_use]
    pub fn is_reader_waiting(&self, park: &impl Park) -> bool {
        park.light_fence();
        self.has_waiting_reader()
    }

    /// As [`is_reader_waiting`](Self::is_reader_waiting), for who has made the fence.
    #[inline(always)]
    #[must_use]
    pub fn has_waiting_reader(&self) -> bool {
        self.memory.reader().waiting.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn wake_from(&mut self, park: &impl Park) -> bool {
        let waiting = self.memory.reader().waiting.load(Ordering::Relaxed);
        // What it announced before the last wake was met by that.
        if waiting <= self.woken || waiting > self.published() {
            return false;
        }
        self.woken = self.published();
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
        let enough = end.saturating_sub(self.grid.capacity);
        self.memory.writer().waiting.store(enough, Ordering::Relaxed);
        Ok(())
    }

    /// As [`arm`](Self::arm), until the reader's head is at least `head`, which is above 0 and was published.
    pub fn arm_for(&mut self, head: u64) {
        self.flush();
        self.memory.writer().waiting.store(head, Ordering::Relaxed);
    }

    /// What to sleep on until the reader's head is at least `head`; `None`: it is.
    #[must_use]
    pub fn sleep_for(&self, head: u64) -> Option<SleepOn<'_>> {
        let word = &self.memory.reader().position;
        let found = load_acquire(word);
        // A head that makes no sense frees nothing, so it is slept on as well.
        let enough = (head..=self.published()).contains(&found) && self.grid.has(found);
        (!enough).then_some(SleepOn { word, expected: found as u32 })
    }

    /// What to sleep on until there is room for a message of `len` bytes; `None`: there is, or never will be.
    #[must_use]
    pub fn sleep_on(&self, len: usize) -> Option<SleepOn<'_>> {
        let (_, end) = self.place(len).ok()?;
        let word = &self.memory.reader().position;
        let head = load_acquire(word);
        // A head that makes no sense frees nothing, so it is slept on as well.
        let enough = end.saturating_sub(self.grid.capacity)..=self.published();
        let enough = enough.contains(&head) && self.grid.has(head);
        (!enough).then_some(SleepOn { word, expected: head as u32 })
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
