//! Messages in slots, read; see [`crate::stream::SLOT`].

use std::fmt;

use super::Consumer;
use crate::stream::{
    Bytes, SLOT, StreamMemory,
    slot::{SEQUENCE, WORDS},
};

/// The slots of a ring that a [`Consumer`] has [lent](Consumer::lend_slots), to somebody who has all that a step takes at
/// hand: nothing but the messages themselves is looked at.
pub struct SlotSteps<M: StreamMemory> {
    memory: M,
    /// `capacity - 1`.
    mask: u64,
    /// Position of the next message, a multiple of a slot.
    head: u64,
    /// What is behind it is not lent, since the writer is to hear of what was read before; 0: nothing is lent.
    stop: u64,
}

impl<M: StreamMemory> SlotSteps<M> {
    /// Steps past the next message, if its slot says that it is published and it was lent, and returns it with its sequence,
    /// and the position behind it. `None`: only a look at the tail can tell whether there is one.
    #[inline(always)]
    pub fn step(&mut self) -> Option<(Bytes<'_>, u64)> {
        let (place, end) = ((self.head & self.mask) as usize / 8, self.head + SLOT as u64);
        let slot = self.memory.words().get(place..place + WORDS)?;
        // SYNC with the producer's release of the sequence.
        if slot[SEQUENCE].acquire() != end || end > self.stop {
            return None;
        }
        self.head = end;
        Some((Bytes::new(slot, SLOT), end))
    }

    /// Whether slots are lent, be they stepped past or not.
    #[inline(always)]
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.stop != 0
    }

    /// Whether all that was lent is stepped past.
    #[inline(always)]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.head >= self.stop
    }

    /// Position of the next message.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }
}

impl<M: StreamMemory> fmt::Debug for SlotSteps<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotSteps")
            .field("head", &self.head)
            .field("stop", &self.stop)
            .finish_non_exhaustive()
    }
}

impl<M: StreamMemory> Consumer<M> {
    /// What lends slots of this ring; none are lent yet.
    #[must_use]
    pub fn slot_steps(&self) -> SlotSteps<M>
    where
        M: Clone,
    {
        SlotSteps { memory: self.memory.clone(), mask: self.grid.capacity - 1, head: 0, stop: 0 }
    }

    /// Lends the slots behind what was read, as many as may be read before the writer is to hear of it; returns whether
    /// there are any. There are none in a ring of other messages than of [`SLOT`] bytes, while messages are known of
    /// by the tail, and in a ring of less than 2 KiB.
    ///
    /// Until they are [taken back](Self::take_slots_back) nothing else is to be asked of this end.
    ///
    /// # Panics
    /// The steps are through another ring.
    pub fn lend_slots(&mut self, steps: &mut SlotSteps<M>) -> bool {
        assert!(std::ptr::eq(steps.memory.words(), self.memory.words()), "steps through another ring");
        if !self.is_drained() || !self.grid.is_fixed_at(SLOT) || self.has_few() {
            return false;
        }
        // The writer has heard of all before the first: what may be held back is a quarter of the ring.
        self.publish_head();
        (steps.head, steps.stop) = (self.head, self.head + self.batch - SLOT as u64);
        true
    }

    /// Takes back what was lent: this end goes on behind the last message that was stepped past.
    pub fn take_slots_back(&mut self, steps: &mut SlotSteps<M>) {
        let (lent, ours) = (self.published..=self.published + self.batch, self.memory.words());
        // Steps that were lent by another end change nothing.
        let is_ours = std::ptr::eq(steps.memory.words(), ours) && steps.is_lent() && self.is_drained();
        if is_ours && steps.head > self.head && lent.contains(&steps.head) && self.grid.has(steps.head) {
            (self.cached_tail, self.head) = (steps.head, steps.head);
            self.deepest = self.deepest.max(SLOT as u64);
        }
        steps.stop = 0;
    }
}
