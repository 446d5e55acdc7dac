//! A reading end of a lossless ring: nothing is lost, and records are read where they are.

mod descriptor;

use std::time::Duration;

use super::{
    Bytes, MAX_POSITION, PopError, ReaderMemory, ResumeError, is_aligned,
    record::{self, Header, Place, WORD},
};
use crate::{
    Misbehaved,
    park::{Park, SleepOn},
    primitive::{Ordering, load_acquire},
    stream::{FramingError, check_capacity},
};

/// A reading end of a lossless broadcast ring.
#[derive(Debug)]
pub struct Consumer<M: ReaderMemory> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next record to read.
    head: u64,
    /// Number of the next message.
    sequence: u64,
    /// What was last stored to the shared head; `head - published < capacity / 4` between calls.
    published: u64,
    /// What `published` was when [`wake`](Self::wake) last looked.
    woken: u64,
    /// What the writer's tail was when last looked at; `head <= cached_tail <= head + capacity`.
    cached_tail: u64,
}

/// A record, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a record that is dropped is consumed"]
pub struct Record<'a, M: ReaderMemory> {
    consumer: &'a mut Consumer<M>,
    len: usize,
}

/// Where a reader begins; `None` while the writer has not said it.
pub(super) fn start(memory: &impl ReaderMemory) -> Result<Option<(u64, u64)>, Misbehaved> {
    let start = memory.start();
    // SYNC with the producer's release at joining.
    let Some(position) = load_acquire(&start.position).checked_sub(1) else { return Ok(None) };
    if position > MAX_POSITION || !is_aligned(position) {
        return Err(Misbehaved::Value { name: "start", value: position, lowest: 0, highest: MAX_POSITION });
    }
    Ok(Some((position, start.sequence.load(Ordering::Relaxed))))
}

/// As [`Consumer::arm_beyond`].
pub(super) fn arm_beyond(memory: &impl ReaderMemory, more: u64) {
    let tail = load_acquire(&memory.writer().tail);
    let called = tail.saturating_add(more).saturating_add(WORD);
    memory.reader().waiting.store(called, Ordering::Relaxed);
}

/// As [`Consumer::is_called`].
pub(super) fn is_called(memory: &impl ReaderMemory) -> bool {
    load_acquire(&memory.writer().tail) >= memory.reader().waiting.load(Ordering::Relaxed)
}

impl<M: ReaderMemory> Consumer<M> {
    /// A reading end that begins where the writer says; `None`: it has not said it yet.
    ///
    /// # Errors
    /// [`ResumeError`]: no ring has this size, or the writer names a start that cannot be.
    pub fn join(memory: M) -> Result<Option<Self>, ResumeError> {
        let capacity = check_capacity(memory.words().len()).map_err(FramingError::from)?;
        let Some((head, sequence)) = start(&memory)? else { return Ok(None) };
        let mut consumer =
            Self { memory, capacity, head, sequence, published: head, woken: head, cached_tail: head };
        consumer.memory.reader().head.store(head, Ordering::Release);
        consumer.refresh()?;
        Ok(Some(consumer))
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Copies the next message to the start of `into`, if there is one, and says how long it is.
    ///
    /// # Errors
    /// [`PopError`]: nothing was taken.
    #[inline]
    pub fn try_pop(&mut self, into: &mut [u8]) -> Result<Option<usize>, PopError> {
        let Some(len) = self.next()? else { return Ok(None) };
        let Some(into) = into.get_mut(..len) else { return Err(PopError::TooLong { len }) };
        self.bytes(len).copy_to(0, into);
        self.consume(len);
        self.release();
        Ok(Some(len))
    }

    /// The next message, if there is one, to be read in place.
    ///
    /// # Errors
    /// [`Misbehaved`]: there is what no correct writer leaves; nothing was taken.
    #[inline]
    pub fn read(&mut self) -> Result<Option<Record<'_, M>>, Misbehaved> {
        Ok(self.next()?.map(|len| Record { consumer: self, len }))
    }

    /// Reads messages in place, at most `most` of those that are published now, and says how many.
    ///
    /// The writer hears of it afterwards, so that a batch costs one store.
    ///
    /// # Errors
    /// [`Misbehaved`]: as [`read`](Self::read), if it is so of the first; later ones end the batch, and the
    /// next call says it.
    #[inline]
    pub fn read_batch(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, Misbehaved> {
        let mut count = 0;
        while count < most {
            let len = match if count == 0 { self.next() } else { self.next_published() } {
                Ok(Some(len)) => len,
                Ok(None) => break,
                Err(misbehaved) if count == 0 => return Err(misbehaved),
                Err(_) => break,
            };
            each(self.bytes(len));
            self.consume(len);
            self.release();
            count += 1;
        }
        self.release();
        Ok(count)
    }

    /// Length of the record at the head, which is then past a skip.
    #[inline(always)]
    fn next(&mut self) -> Result<Option<usize>, Misbehaved> {
        if self.head == self.cached_tail {
            self.refresh()?;
        }
        self.next_published()
    }

    #[inline(always)]
    fn next_published(&mut self) -> Result<Option<usize>, Misbehaved> {
        if self.head == self.cached_tail {
            return Ok(None);
        }
        match self.judge()? {
            Header::Message { len, .. } => Ok(Some(len as usize)),
            Header::Skip(bytes) => self.skip(bytes),
        }
    }

    #[cold]
    fn skip(&mut self, bytes: u64) -> Result<Option<usize>, Misbehaved> {
        self.head += bytes;
        // The record behind may be kept for long, and the writer must not hear of the skip only then.
        self.release();
        match self.judge()? {
            Header::Message { len, .. } => Ok(Some(len as usize)),
            // A skip is shorter than a quarter of the ring, so none starts at index 0.
            Header::Skip(_) => Err(Misbehaved::Record { position: self.head, header: record::skip(bytes) }),
        }
    }

    /// Judges the header at the head, which is read once.
    #[inline(always)]
    fn judge(&self) -> Result<Header, Misbehaved> {
        let index = self.head & (self.capacity - 1);
        let header = self.memory.words()[index as usize / 8].load();
        let place = Place {
            published: self.cached_tail - self.head,
            to_end: self.capacity - index,
            largest: self.capacity / 4,
        };
        match place.judge(header) {
            Some(Header::Message { sequence, .. }) if sequence != record::low(self.sequence) => None,
            judged => judged,
        }
        .ok_or(Misbehaved::Record { position: self.head, header })
    }

    /// The payload of the record at the head, whose length was checked.
    #[inline(always)]
    fn bytes(&self, len: usize) -> Bytes<'_> {
        let index = (self.head & (self.capacity - 1)) as usize / 8;
        Bytes::new(&self.memory.words()[index + 1..][..len.div_ceil(8)], len)
    }

    #[inline(always)]
    fn consume(&mut self, len: usize) {
        self.head += record::size(len as u64);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Publishes the head if it is a quarter of the ring late.
    #[inline(always)]
    fn release(&mut self) {
        if self.head - self.published >= self.capacity / 4 {
            self.publish_head();
        }
    }

    fn refresh(&mut self) -> Result<(), Misbehaved> {
        // SYNC with the producer's release of the tail.
        let tail = load_acquire(&self.memory.writer().tail);
        let (lowest, highest) = (self.cached_tail, self.head + self.capacity);
        if !(lowest..=highest).contains(&tail) || !is_aligned(tail) {
            return Err(Misbehaved::Tail { tail, lowest, highest });
        }
        self.cached_tail = tail;
        Ok(())
    }

    /// Whether a message is there that was seen before: without a look at the writer.
    #[inline(always)]
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.head != self.cached_tail
    }

    /// Whether a message is there.
    ///
    /// # Errors
    /// [`Misbehaved::Tail`]: the writer moved backwards or writes over what was not read.
    #[inline]
    pub fn is_ready(&mut self) -> Result<bool, Misbehaved> {
        if self.head == self.cached_tail {
            self.refresh()?;
        }
        Ok(self.head != self.cached_tail)
    }

    /// Tells the writer how far this end has read; otherwise it hears a quarter of the ring late.
    pub fn publish_head(&mut self) {
        if self.published != self.head {
            // SYNC with the producer's acquire of the head: the records below it have been read.
            self.memory.reader().head.store(self.head, Ordering::Release);
            self.published = self.head;
        }
    }

    /// Wakes the writer if it sleeps for room that was given back since the last call; returns whether it
    /// did.
    ///
    /// Call it after reading: once for each message or once for a batch.
    #[inline]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        if self.woken == self.published {
            return false;
        }
        let before = std::mem::replace(&mut self.woken, self.published);
        park.light_fence();
        let waiting = self.memory.writer().waiting.load(Ordering::Relaxed);
        if waiting <= before || waiting > self.published {
            return false;
        }
        park.wake(&self.memory.reader().head);
        true
    }

    /// Announces that this end is about to sleep. Then: [`wake`](Self::wake), [`Park::heavy_fence`], sleep
    /// on [`sleep_on`](Self::sleep_on) if there is anything to sleep for, and [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.publish_head();
        // No record is smaller than a word.
        self.memory.reader().waiting.store(self.head + WORD, Ordering::Relaxed);
    }

    /// Announces that the writer is to [wake](super::Producer::wake) this end once it has published more than `more`
    /// bytes beyond what is published now. For an end that does not sleep, but is called by its writer.
    pub fn arm_beyond(&self, more: u64) {
        arm_beyond(&self.memory, more);
    }

    /// Whether the writer has published as much as this end was last armed for; if it never was, it is called as well.
    #[must_use]
    pub fn is_called(&self) -> bool {
        is_called(&self.memory)
    }

    /// What to sleep on until the next message is there; `None`: it is there already.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let word = &self.memory.writer().tail;
        let tail = load_acquire(word);
        (tail == self.head).then_some(SleepOn { word, expected: tail as u32 })
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.memory.reader().waiting.store(0, Ordering::Relaxed);
    }

    /// Sleeps until a message is there or `timeout` is over; returns whether one is there. The writer hears
    /// before how far this end has read, and is woken.
    ///
    /// # Errors
    /// As [`is_ready`](Self::is_ready).
    pub fn wait(&mut self, park: &impl Park, timeout: Duration) -> Result<bool, Misbehaved> {
        if self.is_ready()? {
            return Ok(true);
        }
        self.arm();
        self.wake(park);
        park.heavy_fence();
        if let Some(sleep) = self.sleep_on() {
            park.wait(sleep.word, sleep.expected, timeout);
        }
        self.disarm();
        self.is_ready()
    }
}

impl<M: ReaderMemory> Record<'_, M> {
    /// Bytes of the payload.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a record is a message, whatever its length")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The payload.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        self.consumer.bytes(self.len)
    }

    /// Position behind it.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.consumer.head + record::size(self.len as u64)
    }

    /// As [`Consumer::wake`]: for the room of a skip that was before it.
    #[inline(always)]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        self.consumer.wake(park)
    }

    /// Consumes it, and wakes the writer as [`Consumer::wake`] does; returns whether it did.
    #[inline]
    pub fn finish(self, park: &impl Park) -> bool {
        let mut this = std::mem::ManuallyDrop::new(self);
        let len = this.len;
        this.consumer.consume(len);
        this.consumer.release();
        this.consumer.wake(park)
    }

    /// Leaves the record in the ring, to be read again.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl<M: ReaderMemory> Drop for Record<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer.consume(self.len);
        self.consumer.release();
    }
}

impl<M: ReaderMemory> Drop for Consumer<M> {
    /// The writer need not wait for what was read.
    fn drop(&mut self) {
        self.publish_head();
    }
}
