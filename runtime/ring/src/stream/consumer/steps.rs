//! Messages of a turn, stepped past by somebody who has all that this takes at hand.
//!
//! A reading end stands behind others (a channel's lane, one of many), and on the way to it more is loaded than a step
//! itself needs. So it lends the messages of its turn: what they are stepped past with is a small thing of its own, which
//! belongs where the messages are used.

use std::{fmt, marker::PhantomData};

use super::Consumer;
use crate::{
    fetch,
    stream::{Bytes, StreamMemory, Word, framing::Grid},
};

/// The messages of a turn, each the bytes of a `T`, that a [`Consumer`] has [lent](Consumer::lend).
///
/// All that is lent at one time stands in one piece, so a step needs no more than where in the buffer the next message is.
pub struct Steps<M: StreamMemory, T> {
    memory: M,
    grid: Grid,
    /// Where in the buffer the next message stands, in bytes: a multiple of 8. If it is below `end`, the message is
    /// published, and whole before the end of the buffer.
    index: u64,
    /// Up to where messages are lent; 0: none are.
    end: u64,
    /// How many bytes further a line is asked for with each message, around the end of the buffer if need be.
    ahead: u64,
    /// From an index to the position.
    offset: u64,
    of: PhantomData<fn() -> T>,
}

impl<M: StreamMemory, T> Steps<M, T> {
    /// From one message to the next.
    const STRIDE: u64 = size_of::<T>().next_multiple_of(8) as u64;

    /// Steps past the next message, if it was lent, and returns it, and the position behind it, be that where the next one
    /// is or not. The shortest way to a message: one comparison.
    #[inline(always)]
    pub fn step(&mut self) -> Option<(Bytes<'_>, u64)> {
        let index = self.index;
        if index >= self.end {
            return None;
        }
        self.index = index + Self::STRIDE;
        let position = self.index.wrapping_add(self.offset);
        Some((Self::message(self.memory.words(), index, self.ahead), position))
    }

    /// Steps past messages that were lent, at most `most`, and hands them to `each`; says how many. Between them nothing
    /// is loaded or stored but the messages.
    #[inline(always)]
    pub fn each(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> usize {
        // In locals, so that they stay in registers while `each` runs.
        let (words, end, ahead) = (self.memory.words(), self.end, self.ahead);
        let mut reached = Reached { index: self.index, told: &mut self.index };
        let mut done = 0;
        while done < most && reached.index < end {
            let index = reached.index;
            // What is handed over is taken, even if `each` panics.
            reached.index = index + Self::STRIDE;
            each(Self::message(words, index, ahead));
            done += 1;
        }
        done
    }

    /// The message at `index`, which was lent; asks for what is so much further.
    #[inline(always)]
    fn message(words: &[Word], index: u64, ahead: u64) -> Bytes<'_> {
        fetch::each_line(index, Self::STRIDE, |line| fetch::to_read(words, line.wrapping_add(ahead)));
        let (index, count) = (index as usize, size_of::<T>().div_ceil(8));
        // SAFETY: the index is below `end`, so the message is whole before the end of the buffer, by the invariant of
        // `index`; both that and `Self::STRIDE` are multiples of 8.
        let words = unsafe {
            std::hint::assert_unchecked(index.is_multiple_of(8));
            words.get_unchecked(index / 8..index / 8 + count)
        };
        Bytes::new(words, size_of::<T>())
    }

    /// Whether messages are lent that were not stepped past.
    #[inline(always)]
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.index < self.end
    }

    /// Whether messages are lent, be they stepped past or not.
    #[inline(always)]
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.end != 0
    }

    /// Position of the next message.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.grid.place(self.index.wrapping_add(self.offset), Self::STRIDE)
    }
}

/// How far somebody has stepped, told when that ends, in whichever way.
struct Reached<'a> {
    index: u64,
    told: &'a mut u64,
}

impl Drop for Reached<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.told = self.index;
    }
}

impl<M: StreamMemory, T> fmt::Debug for Steps<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps")
            .field("index", &self.index)
            .field("end", &self.end)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl<M: StreamMemory> Consumer<M> {
    /// What lends messages of this ring; none are lent yet.
    #[must_use]
    pub fn steps<T>(&self) -> Steps<M, T>
    where
        M: Clone,
    {
        Steps {
            memory: self.memory.clone(),
            grid: self.grid,
            index: 0,
            end: 0,
            ahead: 0,
            offset: self.head,
            of: PhantomData,
        }
    }

    /// Lends the messages of the turn that was [begun](Self::begin_turn), up to the end of the buffer; returns whether
    /// there are any. There are none if the ring's are not of the size of a `T`, or if the ring is so small that the
    /// writer must hear of each message at once ([`pop_in_turn`](Self::pop_in_turn) takes them).
    ///
    /// Until they are [taken back](Self::take_back) nothing else is to be asked of this end. The writer hears of those
    /// that were stepped past when the next turn begins, or with the next message that is read in another way.
    ///
    /// # Panics
    /// The steps are through another ring.
    #[inline]
    pub fn lend<T>(&mut self, steps: &mut Steps<M, T>) -> bool {
        assert!(
            steps.grid == self.grid && std::ptr::eq(steps.memory.words(), self.memory.words()),
            "steps through another ring"
        );
        if self.head >= self.run || !self.grid.is_fixed_at(size_of::<T>()) {
            return false;
        }
        let (stride, index) = (Steps::<M, T>::STRIDE, self.grid.index(self.head));
        let room = self.grid.room_at(self.head);
        let mut lent = (self.run - self.head).min(room - room % stride);
        steps.ahead = 0;
        if self.ahead != 0 {
            // As long as what is asked for stands in one piece.
            let ahead = self.head + self.ahead;
            lent = lent.min(self.grid.room_at(ahead));
            steps.ahead = self.grid.index(ahead).wrapping_sub(index);
        }
        (steps.index, steps.end, steps.offset) = (index, index + lent, self.head - index);
        true
    }

    /// Takes back what was lent: this end goes on behind the last message that was stepped past.
    #[inline]
    pub fn take_back<T>(&mut self, steps: &mut Steps<M, T>) {
        let position = steps.position();
        // Steps that were lent by another end come from somewhere else, and change nothing.
        if steps.is_lent() && (self.head..=self.cached_tail).contains(&position) && self.grid.has(position) {
            self.head = position;
        }
        steps.end = 0;
    }
}
