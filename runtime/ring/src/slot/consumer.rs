//! The reading end.

use std::time::Duration;

use super::{BadCapacity, Payload, SlotCell, SlotMemory, check_capacity};
use crate::{
    Misbehaved,
    park::{Park, SleepOn},
    primitive::Ordering,
};

/// In a ring of fewer slots the head is published after each message.
const SMALL: u64 = 8;

/// The reading end of a slot ring.
#[derive(Debug)]
pub struct Consumer<M> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next message to read.
    head: u64,
    /// What was last stored to the shared head; `head - published < capacity / 4`, or 0 in a small ring.
    published: u64,
}

impl<M: SlotMemory> Consumer<M> {
    /// The reading end of a ring that nothing was read from yet.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M) -> Result<Self, BadCapacity> {
        let capacity = check_capacity(memory.slots().len())?;
        Ok(Self { memory, capacity, head: 0, published: 0 })
    }

    /// Slots of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next message: how many were popped.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Takes the next message, if there is one.
    ///
    /// # Errors
    /// [`Misbehaved::Sequence`]: the slot holds what no correct writer leaves there.
    #[inline]
    pub fn try_pop(&mut self) -> Result<Option<Payload>, Misbehaved> {
        // SYNC with the producer's release of `sequence`.
        let sequence = self.slot().sequence();
        if sequence != self.head + 1 {
            return self.nothing(sequence);
        }
        // One message early, so that what answers this message does not wait behind the store, which has to fetch
        // its line from the writer.
        if self.head - self.published >= (self.capacity / 4).max(2) - 1 {
            self.publish_head();
        }
        let message = self.slot().copy();
        self.head += 1;
        if self.capacity < SMALL {
            self.publish_head();
        }
        Ok(Some(message))
    }

    /// The slot of the next message.
    #[inline(always)]
    fn slot(&self) -> &SlotCell {
        &self.memory.slots()[(self.head & (self.capacity - 1)) as usize]
    }

    #[cold]
    fn nothing(&self, sequence: u64) -> Result<Option<Payload>, Misbehaved> {
        // Not yet written in this lap: the slot still has the lap before, or was never written.
        if sequence == 0 || sequence.wrapping_add(self.capacity) == self.head + 1 {
            return Ok(None);
        }
        Err(Misbehaved::Sequence { position: self.head, sequence })
    }

    /// Whether a message is there.
    #[inline]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.slot().sequence() == self.head + 1
    }

    /// Tells the writer how far this end has read; otherwise it hears at most a quarter of the ring late.
    pub fn publish_head(&mut self) {
        // SYNC with the producer's acquire of `head`: the payloads below it have been copied.
        self.memory.reader().head.store(self.head, Ordering::Release);
        self.published = self.head;
    }

    /// The same, if the writer has not heard it yet: before this end does something else for a while.
    #[inline]
    pub fn catch_up(&mut self) {
        if self.published != self.head {
            self.publish_head();
        }
    }

    /// Announces that this end is about to sleep. Then: [`Park::heavy_fence`], sleep on
    /// [`sleep_on`](Self::sleep_on) if there is anything to sleep for, and [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.catch_up();
        self.memory.reader().waiting.store(self.head + 1, Ordering::Relaxed);
    }

    /// What to sleep on until the next message is there; `None`: it is there already.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let slot = self.slot();
        let sequence = slot.sequence();
        (sequence != self.head + 1).then(|| SleepOn { word: slot.doorbell(), expected: sequence as u32 })
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.memory.reader().waiting.store(0, Ordering::Relaxed);
    }

    /// Sleeps until a message is there or `timeout` is over; returns whether one is there.
    pub fn wait(&mut self, park: &impl Park, timeout: Duration) -> bool {
        if self.is_ready() {
            return true;
        }
        self.arm();
        park.heavy_fence();
        if let Some(sleep) = self.sleep_on() {
            park.wait(sleep.word, sleep.expected, timeout);
        }
        self.disarm();
        self.is_ready()
    }
}
