//! The writing end of messages of one size: alone in turns, many at a time, or made in place.

use super::{Producer, Room};
use crate::{
    fetch,
    stream::{PushError, StreamMemory, Word, copy},
};

/// The most bytes of a run that wait to be published while more of it is copied.
const RUN: u64 = 4096;

/// Where a message of the one size that all have is to be written.
#[derive(Debug)]
pub struct Slot<'a>(&'a [Word]);

impl Slot<'_> {
    /// Writes it.
    ///
    /// # Panics
    /// It is not as long as the message is to be.
    #[inline(always)]
    pub fn fill(self, message: &[u8]) {
        assert_eq!(message.len().div_ceil(8), self.0.len(), "a message of another size");
        copy::fill(self.0, message);
    }
}

impl<M: StreamMemory> Producer<M> {
    /// Begins a turn: messages of the one size that all have, up to `most` bytes together and as far as there is
    /// room, may be pushed [without another look](Self::push_in_turn). None may where messages are [published in
    /// batches](Self::publish_every).
    pub fn begin_turn(&mut self, most: u64) {
        (self.turn, self.ahead) = (0, 0);
        if self.batch > 0 || self.grid.fixed().is_none() {
            return;
        }
        self.turn = self.limit.min(self.tail.saturating_add(most));
        // As far as what is asked for ahead is known to be read, if that is anywhere, and stands in one piece.
        let ahead = self.tail + fetch::AHEAD;
        let asked = self.limit.min(ahead + self.grid.room_at(ahead)).saturating_sub(fetch::AHEAD);
        let whole = asked.min(self.tail + self.grid.room_at(self.tail));
        if self.tail + self.grid.stride <= whole {
            self.turn = self.turn.min(whole);
            self.ahead = self.grid.index(ahead).wrapping_sub(self.grid.index(self.tail));
        }
    }

    /// Ends the turn.
    pub fn end_turn(&mut self) {
        self.turn = 0;
    }

    /// Pushes and publishes a message if it belongs to the turn that was [begun](Self::begin_turn) and is of this
    /// size, as all of the ring's must be; returns whether it did. The shortest way of a message: two comparisons.
    /// Wakes nobody.
    #[inline(always)]
    pub fn push_in_turn(&mut self, message: &[u8]) -> bool {
        let stride = message.len().next_multiple_of(8) as u64;
        let is_mine = self.tail + stride <= self.turn && self.grid.is_fixed_at(message.len());
        if is_mine {
            // Before the message: what is known of the ring need not be read again then.
            let index = self.grid.index(self.tail);
            fetch::each_line(self.tail, stride, |position| {
                let line = position - self.tail;
                fetch::to_write(self.memory.words(), index.wrapping_add(self.ahead).wrapping_add(line));
            });
            let tail = self.grid.after(self.tail, stride);
            self.write(message);
            self.tail = tail;
            // Nothing is published in batches, so this is all that publishing takes.
            self.show(tail);
        }
        is_mine
    }

    /// Writes a message of the one size that all have to the tail, where there is room.
    #[inline(always)]
    fn write(&mut self, message: &[u8]) {
        // SAFETY: the size was checked, and the tail is always a possible position.
        let words = unsafe { self.grid.message(self.memory.words(), self.tail, message.len()) };
        copy::fill(words, message);
    }

    /// As [`try_push`](Self::try_push), for rings of [`Framing::Fixed`](crate::stream::Framing::Fixed) alone.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline(always)]
    pub fn try_push_fixed(&mut self, message: &[u8]) -> Result<(), PushError> {
        // As `reserve` and `commit`, with a length that the compiler may know.
        let stride = message.len().next_multiple_of(8) as u64;
        if !self.grid.is_fixed_at(message.len()) {
            return Err(self.wrong_size(message.len()));
        }
        if self.tail + stride > self.limit {
            self.make_room(self.tail + stride)?;
        }
        self.write(message);
        self.ask_ahead(self.tail, stride);
        self.advance(self.grid.after(self.tail, stride));
        Ok(())
    }

    /// Pushes messages of `size` bytes that stand one behind the other, as many as there is room for, and says
    /// how many; wakes nobody. What remains of `messages` behind the last whole one is left alone.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened; there is room for not even one, or the ring's messages are not of
    /// `size` bytes each.
    #[inline]
    pub fn try_push_run(&mut self, size: usize, messages: &[u8]) -> Result<usize, PushError> {
        if !self.grid.is_fixed_at(size) {
            return Err(self.wrong_size(size));
        }
        let stride = size.next_multiple_of(8) as u64;
        let most = messages.len() / size;
        if most > 0 && self.tail + most as u64 * stride > self.limit {
            self.make_room(self.tail + stride)?;
        }
        let mut done = 0;
        while done < most {
            let free = self.limit - self.tail;
            let count = (free.min(self.grid.room_at(self.tail)).min(RUN.max(stride)) / stride) as usize;
            let count = count.min(most - done);
            if count == 0 {
                break;
            }
            let words = self.payload(Room { start: self.tail }, count * stride as usize);
            copy::fill_each(words, size, &messages[done * size..][..count * size]);
            done += count;
            self.advance(self.grid.place(self.tail + count as u64 * stride, stride));
        }
        Ok(done)
    }

    /// Pushes messages of `size` bytes that `fill` writes in place, until there is no room, `most` are pushed, or `fill`
    /// says that there is none; says how many. They are published together, but for long runs; wakes nobody.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened and `fill` was not called; there is room for not even one, or the ring's
    /// messages are not of `size` bytes each.
    #[inline(always)]
    pub fn try_push_each(
        &mut self,
        size: usize,
        most: usize,
        mut fill: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<usize, PushError> {
        if !self.grid.is_fixed_at(size) {
            return Err(self.wrong_size(size));
        }
        let stride = size.next_multiple_of(8) as u64;
        if self.tail + stride > self.limit {
            self.make_room(self.tail + stride)?;
        }
        let (mut done, mut more) = (0, true);
        while more && done < most && self.tail + stride <= self.limit {
            let count = (RUN / stride).max(1).min((most - done) as u64) as usize;
            // In locals, so that they stay in registers while `fill` runs.
            let (grid, limit, words) = (self.grid, self.limit, self.memory.words());
            let (begun, mut tail) = (done, self.tail);
            while done - begun < count && tail + stride <= limit {
                let ahead = tail + fetch::AHEAD;
                if ahead + stride <= limit {
                    fetch::each_line(ahead, stride, |position| fetch::to_write(words, grid.index(position)));
                }
                // SAFETY: the size was checked, and the tail is always a possible position.
                let slot = Slot(unsafe { grid.message(words, tail, size) });
                more = fill(slot);
                if !more {
                    break;
                }
                tail = grid.after(tail, stride);
                done += 1;
            }
            self.advance(tail);
        }
        Ok(done)
    }

    #[cold]
    pub(super) fn wrong_size(&self, len: usize) -> PushError {
        PushError::WrongSize { len, size: self.grid.fixed().unwrap_or(0) }
    }

    /// Asks for the lines that will be written [`AHEAD`](fetch::AHEAD) bytes from now, if the reader is known to be
    /// done with them, after a message of `stride` bytes.
    #[inline(always)]
    pub(super) fn ask_ahead(&self, tail: u64, stride: u64) {
        let ahead = tail + fetch::AHEAD;
        if ahead + stride <= self.limit {
            self.ask(ahead, stride);
        }
    }

    /// Asks for the lines of a message of `stride` bytes at `position`.
    #[inline(always)]
    fn ask(&self, position: u64, stride: u64) {
        fetch::each_line(position, stride, |position| {
            fetch::to_write(self.memory.words(), self.grid.index(position));
        });
    }
}
