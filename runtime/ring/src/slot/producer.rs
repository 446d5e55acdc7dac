//! The writing end.

use std::fmt;

use super::{BadCapacity, Payload, SlotMemory, check_capacity};
use crate::{
    Misbehaved,
    park::Park,
    primitive::{Ordering, load_acquire},
};

/// The writing end of a slot ring.
#[derive(Debug)]
pub struct Producer<M> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next message; `tail - cached_head <= capacity`.
    tail: u64,
    /// What the reader's head was when last looked at; `<= tail`.
    cached_head: u64,
}

/// There is no free slot: the reader is a whole ring behind, or lies about where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the ring is full: its reader is a whole ring behind")
    }
}

impl std::error::Error for Full {}

impl<M: SlotMemory> Producer<M> {
    /// The writing end of a ring that nothing was written to yet: all of its memory is zero.
    ///
    /// # Errors
    /// [`BadCapacity`].
    pub fn new(memory: M) -> Result<Self, BadCapacity> {
        let capacity = check_capacity(memory.slots().len())?;
        Ok(Self { memory, capacity, tail: 0, cached_head: 0 })
    }

    /// Slots of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Position of the next message: how many were pushed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Pushes a message; wakes nobody ([`wake`](Self::wake) does).
    ///
    /// # Errors
    /// [`Full`]: nothing happened.
    #[inline]
    pub fn try_push(&mut self, message: &Payload) -> Result<(), Full> {
        if self.tail - self.cached_head == self.capacity && self.refresh() == 0 {
            return Err(Full);
        }
        let index = (self.tail & (self.capacity - 1)) as usize;
        self.memory.slots()[index].publish(self.tail, message);
        self.tail += 1;
        Ok(())
    }

    /// Pushes as many messages as there is room for and says how many.
    pub fn push_batch(&mut self, messages: &[Payload]) -> usize {
        let mut free = self.capacity - (self.tail - self.cached_head);
        if free < messages.len() as u64 {
            free = self.refresh();
        }
        let count = free.min(messages.len() as u64) as usize;
        for message in &messages[..count] {
            let index = (self.tail & (self.capacity - 1)) as usize;
            self.memory.slots()[index].publish(self.tail, message);
            self.tail += 1;
        }
        count
    }

    /// Free slots, after a look at the reader's head; a head that makes no sense frees nothing.
    pub fn refresh(&mut self) -> u64 {
        // SYNC with the consumer's release of `head`: it has read what is overwritten next.
        let head = load_acquire(&self.memory.reader().head);
        if (self.cached_head..=self.tail).contains(&head) {
            self.cached_head = head;
        }
        self.capacity - (self.tail - self.cached_head)
    }

    /// Whether the reader's head makes sense.
    ///
    /// # Errors
    /// [`Misbehaved::Head`]: the reader moved backwards or reads what was not written.
    pub fn check_peer(&self) -> Result<(), Misbehaved> {
        let head = load_acquire(&self.memory.reader().head);
        if (self.cached_head..=self.tail).contains(&head) {
            return Ok(());
        }
        Err(Misbehaved::Head { head, lowest: self.cached_head, highest: self.tail })
    }

    /// Wakes the reader if it sleeps for one of the last `count` messages; returns whether it did.
    ///
    /// Call it after pushing: once for each message or once for a batch.
    #[inline]
    pub fn wake(&self, count: u64, park: &impl Park) -> bool {
        park.light_fence();
        let waiting = self.memory.reader().waiting.load(Ordering::Relaxed);
        // `waiting` is a position + 1, and positions tail - count .. tail were just published.
        if waiting == 0 || waiting > self.tail || self.tail - (waiting - 1) > count.min(self.capacity) {
            return false;
        }
        let index = ((waiting - 1) & (self.capacity - 1)) as usize;
        park.wake(self.memory.slots()[index].doorbell());
        true
    }
}
