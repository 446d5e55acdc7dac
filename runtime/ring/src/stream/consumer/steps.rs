//! Messages of a turn, stepped past by somebody who has all that this takes at hand.
//!
//! A reading end stands behind others (a channel's lane, one of many), and on the way to it more is loaded than a step
//! itself needs. So it lends the messages of its turn: what they are stepped past with is a small thing of its own, which
//! belongs where the messages are used.

use super::Consumer;
use crate::{
    fetch,
    stream::{Bytes, StreamMemory, framing::Grid},
};

/// The messages of a turn that a [`Consumer`] has [lent](Consumer::lend).
#[derive(Debug)]
pub struct Steps<M: StreamMemory> {
    memory: M,
    grid: Grid,
    head: u64,
    /// Up to where messages are lent; 0: none are.
    run: u64,
    ahead: u64,
}

impl<M: StreamMemory> Steps<M> {
    /// Steps past the next message, if it was lent and is of `len` bytes, as all of the ring's must be, and returns it, and
    /// the position behind it. The shortest way to a message: two comparisons.
    #[inline(always)]
    pub fn next(&mut self, len: usize) -> Option<(Bytes<'_>, u64)> {
        if self.head >= self.run || !self.grid.is_fixed_at(len) {
            return None;
        }
        let (stride, position) = (len.next_multiple_of(8) as u64, self.head);
        fetch::each_line(position + self.ahead, stride, |position| {
            fetch::to_read(self.memory.words(), self.grid.index(position));
        });
        self.head = self.grid.after(position, stride);
        // SAFETY: the size was checked; what was lent begins at a possible position, and so does each message after it.
        let words = unsafe { self.grid.message(self.memory.words(), position, len) };
        Some((Bytes::new(words, len), self.head))
    }

    /// Whether messages are lent, be they stepped past or not.
    #[inline(always)]
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.run != 0
    }

    /// Position of the next message.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }
}

impl<M: StreamMemory> Consumer<M> {
    /// What lends messages of this ring; none are lent yet.
    #[must_use]
    pub fn steps(&self) -> Steps<M>
    where
        M: Clone,
    {
        Steps { memory: self.memory.clone(), grid: self.grid, head: self.head, run: 0, ahead: 0 }
    }

    /// Lends the messages of the turn that was [begun](Self::begin_turn); returns whether there are any. There are none if
    /// the ring is so small that the writer must hear of each message at once ([`pop_in_turn`](Self::pop_in_turn) takes
    /// them).
    ///
    /// Until they are [taken back](Self::take_back) nothing else is to be asked of this end. The writer hears of those
    /// that were stepped past when the next turn begins, or with the next message that is read in another way.
    ///
    /// # Panics
    /// The steps are through a ring with another size, or with messages of another.
    #[inline]
    pub fn lend(&mut self, steps: &mut Steps<M>) -> bool {
        assert!(steps.grid == self.grid, "steps through another ring");
        let any = self.head < self.run;
        if any {
            (steps.head, steps.run, steps.ahead) = (self.head, self.run, self.ahead);
        }
        any
    }

    /// Takes back what was lent: this end goes on behind the last message that was stepped past.
    #[inline]
    pub fn take_back(&mut self, steps: &mut Steps<M>) {
        // Steps that were lent by another end come from somewhere else, and change nothing.
        if steps.is_lent() && (self.head..=self.cached_tail).contains(&steps.head) {
            self.head = steps.head;
        }
        steps.run = 0;
    }
}
