//! Messages in slots, read; see [`crate::stream::SLOT`].

use std::{fmt, ops::Range};

use super::Consumer;
use crate::stream::{
    Bytes, FULL_SLOT_WORDS, SLOT, StreamMemory, Word,
    slot::{SEQUENCE, masked},
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
    /// Of full slots: the low half of what stood last in the eighth word of each, where that was seen. Empty for others.
    seen: Box<[u32]>,
    /// Up to which position it was.
    seen_to: u64,
    /// Where messages will stand in slots of which it was not, a lap before.
    unknown: Range<u64>,
}

impl<M: StreamMemory> SlotSteps<M> {
    /// Steps past the next message, if its slot says that it is published and it was lent, and returns it with its sequence,
    /// and the position behind it. `None`: only a look at the tail can tell whether there is one.
    #[inline(always)]
    pub fn step(&mut self) -> Option<(Bytes<'_>, u64)> {
        let end = self.head + SLOT as u64;
        let slot = slot_at(self.memory.words(), self.head & self.mask)?;
        // SYNC with the producer's release of the sequence.
        if slot[SEQUENCE].acquire() != end || end > self.stop {
            return None;
        }
        self.head = end;
        Some((Bytes::new(slot, SLOT), end))
    }

    /// Steps past the next message, if its slot is [full](Consumer::full_slot_steps) and lent and has another eighth word than
    /// before, and returns it with the position behind it. `None`: only a look at the tail can tell whether there is one.
    #[inline(always)]
    pub fn step_full(&mut self) -> Option<([u64; FULL_SLOT_WORDS], u64)> {
        let (index, end) = (self.head & self.mask, self.head + SLOT as u64);
        let slot = slot_at(self.memory.words(), index)?;
        let seen = self.seen.get_mut(index as usize / SLOT)?;
        // SYNC with the producer's release of this word.
        let last = slot[SEQUENCE].acquire();
        if last as u32 == *seen || end > self.stop {
            return None;
        }
        *seen = last as u32;
        self.head = end;
        let message = std::array::from_fn(|at| if at == SEQUENCE { last } else { slot[at].load() });
        Some((masked(message, end), end))
    }

    /// A message was read by the tail up to `end`, and its slot, which is full, had this eighth word. What nobody says so of is
    /// not lent a lap later.
    #[inline]
    pub fn saw(&mut self, end: u64, last: u64) {
        if end != self.seen_to.wrapping_add(SLOT as u64) {
            return;
        }
        if let Some(seen) = self.seen.get_mut((self.seen_to & self.mask) as usize / SLOT) {
            (*seen, self.seen_to) = (last as u32, end);
        }
    }

    /// Up to where full slots may be lent from `head` on: to where it is not known what stands in them now; `head` itself if
    /// none may.
    fn known_from(&mut self, head: u64) -> u64 {
        let lap = self.mask + 1;
        if self.seen_to < head {
            let unseen = self.seen_to + lap..head + lap;
            self.unknown = if self.unknown.end > head {
                self.unknown.start.min(unseen.start)..unseen.end
            } else {
                unseen
            };
            self.seen_to = head;
        }
        if self.unknown.end <= head { u64::MAX } else { self.unknown.start.max(head) }
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

/// The slot at an index.
#[inline(always)]
fn slot_at(words: &[Word], index: u64) -> Option<&[Word]> {
    let place = index as usize / 8;
    words.get(place..place + FULL_SLOT_WORDS)
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
        SlotSteps {
            memory: self.memory.clone(),
            mask: self.grid.capacity - 1,
            head: 0,
            stop: 0,
            seen: Box::default(),
            seen_to: 0,
            unknown: 0..0,
        }
    }

    /// As [`slot_steps`](Self::slot_steps), for messages that [fill](super::super::Producer::push_in_full_slot) their slots; takes a
    /// sixteenth of the ring's memory. The ring's words were zero in the beginning.
    #[must_use]
    pub fn full_slot_steps(&self) -> SlotSteps<M>
    where
        M: Clone,
    {
        let slots = self.grid.capacity as usize / SLOT;
        SlotSteps { seen: vec![0; slots].into(), ..self.slot_steps() }
    }

    /// Lends the slots behind what was read, as many as may be read before the writer is to hear of it; returns whether
    /// there are any. There are none in a ring of other messages than of [`SLOT`] bytes, while messages are known of
    /// by the tail, in a ring of less than 2 KiB, and where full slots were [not seen](SlotSteps::saw) a lap before.
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
        let known = if steps.seen.is_empty() { u64::MAX } else { steps.known_from(self.head) };
        if known == self.head {
            return false;
        }
        // The writer has heard of all before the first: what may be held back is a quarter of the ring.
        self.publish_head();
        (steps.head, steps.stop) = (self.head, known.min(self.head + self.batch - SLOT as u64));
        true
    }

    /// Takes back what was lent: this end goes on behind the last message that was stepped past.
    pub fn take_slots_back(&mut self, steps: &mut SlotSteps<M>) {
        let (lent, ours) = (self.published..=self.published + self.batch, self.memory.words());
        // Steps that were lent by another end change nothing.
        let is_ours = std::ptr::eq(steps.memory.words(), ours) && steps.is_lent() && self.is_drained();
        if is_ours && steps.head > self.head && lent.contains(&steps.head) && self.grid.has(steps.head) {
            (self.cached_tail, self.head) = (steps.head, steps.head);
            if !steps.seen.is_empty() {
                // The writer stores the tail after it.
                (steps.seen_to, self.shown) = (steps.head, steps.head);
            }
            self.deepest = self.deepest.max(SLOT as u64);
        }
        steps.stop = 0;
    }

    /// Whether the tail is one behind the last message that was read, which a full slot showed: it soon is not, unless the
    /// writer died between the two.
    #[inline(always)]
    pub(super) fn is_shown_alone(&self, tail: u64) -> bool {
        self.shown == self.head && tail.wrapping_add(SLOT as u64) == self.head
    }
}
