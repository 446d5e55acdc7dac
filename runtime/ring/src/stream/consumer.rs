//! The reading end.

use std::time::Duration;

use super::{
    BadCapacity, Bytes, MAX_POSITION, PopError, ResumeError, StreamMemory, check_capacity, is_aligned,
    record::{self, Header, Place, WORD},
};
use crate::{
    Misbehaved,
    park::{Park, SleepOn},
    primitive::{Ordering, load_acquire},
};

/// The reading end of a stream ring.
#[derive(Debug)]
pub struct Consumer<M: StreamMemory> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next record to read.
    head: u64,
    /// What was last stored to the shared head; `head - published < capacity / 4` between calls.
    published: u64,
    /// What `published` was when [`wake`](Self::wake) last looked.
    woken: u64,
    /// Publish once so many bytes were read.
    batch: u64,
    /// What the writer's tail was when last looked at; `head <= cached_tail <= head + capacity`.
    cached_tail: u64,
}

/// A record, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a record that is dropped is consumed"]
pub struct Record<'a, M: StreamMemory> {
    consumer: &'a mut Consumer<M>,
    len: usize,
}

impl<M: StreamMemory> Consumer<M> {
    /// The reading end of a ring that nothing was read from yet.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M) -> Result<Self, BadCapacity> {
        let capacity = check_capacity(memory.words().len())?;
        let batch = capacity / 4;
        Ok(Self { memory, capacity, head: 0, published: 0, woken: 0, batch, cached_tail: 0 })
    }

    /// The reading end of a ring whose former reader is gone: goes on after what that one said it had read.
    ///
    /// A reader that was killed may have read up to a quarter of the ring more. Call [`wake`](Self::wake)
    /// next: it may also have left its writer asleep.
    ///
    /// # Errors
    /// [`BadCapacity`]; [`Misbehaved`]: the cursors do not fit each other.
    pub fn resume(memory: M) -> Result<Self, ResumeError> {
        let mut consumer = Self::new(memory)?;
        let head = load_acquire(&consumer.memory.reader().position);
        if head > MAX_POSITION || !is_aligned(head) {
            return Err(Misbehaved::Head { head, lowest: 0, highest: MAX_POSITION }.into());
        }
        (consumer.head, consumer.published, consumer.cached_tail) = (head, head, head);
        consumer.refresh()?;
        consumer.disarm();
        Ok(consumer)
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next record: how many bytes were consumed, headers and skips included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Publishes the head by itself once `bytes` were read (a quarter of the ring at most, as in the
    /// beginning); 0 publishes it after each record, for who resumes.
    pub fn publish_every(&mut self, bytes: u64) {
        self.batch = bytes.min(self.capacity / 4);
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
            Header::Message(len) => Ok(Some(len as usize)),
            Header::Skip(bytes) => self.skip(bytes),
        }
    }

    #[cold]
    fn skip(&mut self, bytes: u64) -> Result<Option<usize>, Misbehaved> {
        self.head += bytes;
        // The record behind may be kept for long, and the writer must not hear of the skip only then.
        self.release();
        match self.judge()? {
            Header::Message(len) => Ok(Some(len as usize)),
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
        place.judge(header).ok_or(Misbehaved::Record { position: self.head, header })
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
    }

    /// Publishes the head if it is late.
    #[inline(always)]
    fn release(&mut self) {
        if self.head - self.published >= self.batch {
            self.publish_head();
        }
    }

    fn refresh(&mut self) -> Result<(), Misbehaved> {
        // SYNC with the producer's release of the tail.
        let tail = load_acquire(&self.memory.writer().position);
        let (lowest, highest) = (self.cached_tail, self.head + self.capacity);
        if !(lowest..=highest).contains(&tail) || !is_aligned(tail) {
            return Err(Misbehaved::Tail { tail, lowest, highest });
        }
        self.cached_tail = tail;
        Ok(())
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
            self.memory.reader().position.store(self.head, Ordering::Release);
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
        park.wake(&self.memory.reader().position);
        true
    }

    /// Announces that this end is about to sleep. Then: [`wake`](Self::wake), [`Park::heavy_fence`], sleep
    /// on [`sleep_on`](Self::sleep_on) if there is anything to sleep for, and [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.publish_head();
        // No record is smaller than a word.
        self.memory.reader().waiting.store(self.head + WORD, Ordering::Relaxed);
    }

    /// What to sleep on until the next message is there; `None`: it is there already.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let word = &self.memory.writer().position;
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

impl<M: StreamMemory> Record<'_, M> {
    /// The payload.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        self.consumer.bytes(self.len)
    }

    /// Position of the record in the ring.
    #[inline(always)]
    #[must_use]
    pub fn position(&self) -> u64 {
        self.consumer.head
    }

    /// Leaves the record in the ring, to be read again.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl<M: StreamMemory> Drop for Record<'_, M> {
    #[inline(always)]
    fn drop(&mut self) {
        self.consumer.consume(self.len);
        self.consumer.release();
    }
}

impl<M: StreamMemory> Drop for Consumer<M> {
    /// What was read is not read again by who resumes.
    fn drop(&mut self) {
        self.publish_head();
    }
}
