//! The reading end. spec: CHN-2.3, CHN-3.1

mod descriptor;
mod fixed;
pub(super) mod run;
pub(super) mod slot;
pub(super) mod steps;
mod turn;

use std::{mem::ManuallyDrop, time::Duration};

use super::{
    BadCapacity, Bytes, Framing, FramingError, MAX_POSITION, PopError, ResumeError, StreamMemory,
    check_capacity, copy,
    framing::Grid,
    record::{self, Header, Place, WORD},
};
use crate::{
    Misbehaved, fetch,
    park::{Park, SleepOn},
    primitive::{Ordering, load_acquire},
};

/// The reading end of a stream ring.
#[derive(Debug)]
pub struct Consumer<M: StreamMemory> {
    memory: M,
    grid: Grid,
    /// Position of the next message to read, past a skip if messages have one size.
    head: u64,
    /// What was last stored to the shared head; `head - published < capacity / 4` between calls.
    published: u64,
    /// What `published` was when [`wake`](Self::wake) last looked.
    woken: u64,
    /// Publish once so many bytes were read.
    batch: u64,
    /// What the writer's tail was when last looked at; `head <= cached_tail <= head + capacity`.
    cached_tail: u64,
    /// Where the turn ends; `turn <= cached_tail`.
    turn: u64,
    /// Somebody [ended](Self::end_turn) it.
    ended: bool,
    /// Up to where messages of the turn may be [lent](Self::lend); `run <= turn`.
    run: u64,
    /// How far ahead of a message of the run a line is asked for; 0: the writer may still have what is there.
    ahead: u64,
    /// The most bytes that were ever found to wait.
    deepest: u64,
    /// The writer hears of a message in an arena as late as of others.
    is_late: bool,
    /// Up to where messages were read that full slots showed; [`u64::MAX`]: nowhere.
    shown: u64,
}

/// A record, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a record that is dropped is consumed"]
pub struct Record<'a, M: StreamMemory> {
    consumer: &'a mut Consumer<M>,
    len: usize,
}

/// What became of a record that was [finished](Record::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Position of the next one, as [`Consumer::position`].
    pub position: u64,
    /// Whether the writer slept for the room and was woken.
    pub woke: bool,
}

impl<M: StreamMemory> Consumer<M> {
    /// The reading end of a ring of [`Framing::Records`] that nothing was read from yet.
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
        let batch = grid.capacity / 4;
        Ok(Self {
            memory,
            grid,
            head: 0,
            published: 0,
            woken: 0,
            batch,
            cached_tail: 0,
            turn: 0,
            ended: false,
            run: 0,
            ahead: 0,
            deepest: 0,
            is_late: false,
            shown: u64::MAX,
        })
    }

    /// The reading end of a ring of [`Framing::Records`] whose former reader is gone: goes on after what that
    /// one said it had read.
    ///
    /// A reader that was killed may have read up to a quarter of the ring more. Call [`wake`](Self::wake)
    /// next: it may also have left its writer asleep.
    ///
    /// # Errors
    /// [`ResumeError`]: no ring has this capacity; [`Misbehaved`]: the cursors do not fit each other.
    pub fn resume(memory: M) -> Result<Self, ResumeError> {
        Self::resume_framed(memory, Framing::Records)
    }

    /// As [`resume`](Self::resume), with the framing that the ring has.
    ///
    /// # Errors
    /// [`ResumeError`].
    pub fn resume_framed(memory: M, framing: Framing) -> Result<Self, ResumeError> {
        let mut consumer = Self::framed(memory, framing)?;
        let head = load_acquire(&consumer.memory.reader().position);
        if head > MAX_POSITION || !consumer.grid.has(head) {
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
        self.grid.capacity
    }

    /// How its messages lie in it.
    #[inline(always)]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.grid.framing()
    }

    /// Position of the next message: how many bytes were consumed, headers and skips included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Whether all that the last look found is read: the next one looks at the writer's tail again.
    #[inline(always)]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.head == self.cached_tail
    }

    /// Whether all is read that the last look found, and the writer's tail is still what it was. Asks for the line where
    /// the next message will stand, so that it comes together with the tail's and not after it.
    #[inline(always)]
    #[must_use]
    pub fn is_still(&self) -> bool {
        fetch::to_read(self.memory.words(), self.grid.index(self.head));
        self.is_drained() && load_acquire(&self.memory.writer().position) == self.cached_tail
    }

    /// Publishes the head by itself once `bytes` were read (a quarter of the ring at most, as in the
    /// beginning); 0 publishes it after each record, for who resumes.
    pub fn publish_every(&mut self, bytes: u64) {
        self.batch = bytes.min(self.grid.capacity / 4);
    }

    /// From now on the writer hears of a message in an arena when this end [comes](Self::come_again) for another, where it
    /// would hear at once: for one whose writer gives more to whoever has read everything.
    pub fn publish_far_late(&mut self) {
        self.is_late = true;
    }

    /// Somebody who [publishes late](Self::publish_far_late) comes for another message in an arena: the writer hears of
    /// those before; returns whether it slept for that and was woken.
    pub fn come_again(&mut self, park: &impl Park) -> bool {
        if !self.is_late {
            return false;
        }
        self.publish_head();
        self.wake(park)
    }

    /// The most bytes (headers and skips included) that were found to wait at any look. A look comes when what
    /// the last one found is read, so at no time did more wait than this and the depth found before it.
    #[must_use]
    pub fn deepest(&self) -> u64 {
        self.deepest
    }

    /// Copies the next message to the start of `into`, if there is one, and says how long it is.
    ///
    /// # Errors
    /// [`PopError`]: nothing was taken.
    #[inline(always)]
    pub fn try_pop(&mut self, into: &mut [u8]) -> Result<Option<usize>, PopError> {
        if self.grid.is_fixed_at(into.len()) {
            if !self.is_ready()? {
                return Ok(None);
            }
            self.take(into);
            self.release();
            return Ok(Some(into.len()));
        }
        let Some(len) = self.next()? else { return Ok(None) };
        let Some(into) = into.get_mut(..len) else { return Err(PopError::TooLong { len }) };
        copy::take(self.bytes(len).raw(), into);
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
    /// The writer hears of it afterwards, so that a batch costs one store; of a long one as of single messages, so that it goes
    /// on meanwhile.
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
        if let Some(size) = self.grid.fixed() {
            return Ok(Some(size));
        }
        match self.judge() {
            Ok(Header::Message(len)) => Ok(Some(len as usize)),
            Ok(Header::Skip(bytes)) => self.skip(bytes),
            Err(misbehaved) => {
                self.end_turn();
                Err(misbehaved)
            }
        }
    }

    #[cold]
    fn skip(&mut self, bytes: u64) -> Result<Option<usize>, Misbehaved> {
        self.head += bytes;
        // The record behind may be kept for long, and the writer must not hear of the skip only then.
        self.release();
        let error = match self.judge() {
            Ok(Header::Message(len)) => return Ok(Some(len as usize)),
            // A skip is shorter than a quarter of the ring, so none starts at index 0.
            Ok(Header::Skip(_)) => Misbehaved::Record { position: self.head, header: record::skip(bytes) },
            Err(misbehaved) => misbehaved,
        };
        self.end_turn();
        Err(error)
    }

    /// Judges the header at the head, which is read once.
    #[inline(always)]
    fn judge(&self) -> Result<Header, Misbehaved> {
        let header = self.memory.words()[self.grid.index(self.head) as usize / 8].load();
        let place = Place {
            published: self.cached_tail - self.head,
            to_end: self.grid.room_at(self.head),
            largest: self.grid.capacity / 4,
        };
        place.judge(header).ok_or(Misbehaved::Record { position: self.head, header })
    }

    /// The payload of the message at the head, whose length was checked.
    #[inline(always)]
    fn bytes(&self, len: usize) -> Bytes<'_> {
        let index = self.grid.index(self.head) as usize / 8;
        Bytes::new(&self.memory.words()[index + self.grid.header_words()..][..len.div_ceil(8)], len)
    }

    #[inline(always)]
    fn consume(&mut self, len: usize) {
        let (before, fixed) = (self.head, self.grid.fixed());
        self.head = match fixed {
            Some(size) => self.grid.after(before, (size as u64).next_multiple_of(WORD)),
            None => before + record::size(len as u64),
        };
        self.ask_ahead(before, self.head - before);
    }

    /// Publishes the head if it is late.
    #[inline(always)]
    fn release(&mut self) {
        if self.head - self.published >= self.batch {
            self.publish_head();
        }
    }

    #[inline(never)]
    fn refresh(&mut self) -> Result<(), Misbehaved> {
        // SYNC with the producer's release of the tail.
        let tail = load_acquire(&self.memory.writer().position);
        let (lowest, highest) = (self.cached_tail, self.head + self.grid.capacity);
        if self.is_shown_alone(tail) {
            return Ok(());
        }
        if !(lowest..=highest).contains(&tail) || !self.grid.has(tail) {
            return Err(Misbehaved::Tail { tail, lowest, highest });
        }
        self.cached_tail = tail;
        self.deepest = self.deepest.max(tail - self.head);
        Ok(())
    }

    /// Whether a message is there.
    ///
    /// # Errors
    /// [`Misbehaved::Tail`]: the writer moved backwards, writes over what was not read, or is between messages.
    #[inline]
    pub fn is_ready(&mut self) -> Result<bool, Misbehaved> {
        if self.is_drained() {
            self.refresh()?;
        }
        Ok(!self.is_drained())
    }

    /// Tells the writer how far this end has read; otherwise it hears a quarter of the ring late.
    pub fn publish_head(&mut self) {
        if self.published != self.head {
            // SYNC with the producer's acquire of the head: the messages below it have been read.
            self.memory.reader().position.store(self.head, Ordering::Release);
            self.published = self.head;
        }
    }

    /// Wakes the writer if it sleeps for room that was given back since the last call; returns whether it
    /// did.
    ///
    /// Call it after reading: once for each message or once for a batch.
    #[inline(always)]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        if self.woken == self.published {
            return false;
        }
        self.look_who_waits(park)
    }

    /// Runs once for each time that the head was published.
    #[cold]
    fn look_who_waits(&mut self, park: &impl Park) -> bool {
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
        let is_last = tail == self.head || self.is_shown_alone(tail);
        is_last.then_some(SleepOn { word, expected: tail as u32 })
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

    /// How the ring's messages lie in it.
    #[inline(always)]
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.consumer.framing()
    }

    /// As [`Consumer::wake`]: for the room of a skip that was before it.
    #[inline(always)]
    pub fn wake(&mut self, park: &impl Park) -> bool {
        self.consumer.wake(park)
    }

    /// Consumes the record, as dropping it does, and wakes the writer if it sleeps for the room.
    #[inline(always)]
    pub fn finish(self, park: &impl Park) -> Finished {
        let mut this = ManuallyDrop::new(self);
        let len = this.len;
        this.consumer.consume(len);
        this.consumer.release();
        Finished { position: this.consumer.head, woke: this.consumer.wake(park) }
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
