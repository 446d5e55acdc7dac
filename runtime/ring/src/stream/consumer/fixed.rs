//! The reading end of messages of one size: alone in turns, or many at a time.

use super::Consumer;
use crate::{
    Misbehaved, fetch,
    primitive::load_acquire,
    stream::{Bytes, StreamMemory, copy},
};

impl<M: StreamMemory> Consumer<M> {
    /// Copies the next message to `into`, if it belongs to the turn and is of this size, as all of the ring's
    /// must be; returns whether it did.
    #[inline]
    pub fn pop_in_turn(&mut self, into: &mut [u8]) -> bool {
        let is_mine = self.is_in_turn() && self.grid.is_fixed_at(into.len());
        if is_mine {
            self.take(into);
            self.release();
        }
        is_mine
    }

    /// Steps past the next message, of `size` bytes, as all of the ring's must be, if it is the only one that is published,
    /// and says which of the ring's words it begins with; its [bytes](Self::bytes_at) stay until this end is asked for
    /// another message. The shortest way to messages that come one by one, each long after the one before: nothing is
    /// begun for others.
    #[inline(always)]
    pub fn step_past_only(&mut self, size: usize) -> Option<usize> {
        if !self.is_drained() || !self.grid.is_fixed_at(size) || self.has_few() {
            return None;
        }
        let end = self.grid.after(self.head, size.next_multiple_of(8) as u64);
        // SYNC with the producer's release of the tail.
        if load_acquire(&self.memory.writer().position) != end {
            return None;
        }
        // What was read before; the writer must not hear of this one yet.
        if end - self.published >= self.batch {
            self.publish_head();
        }
        let place = self.grid.index(self.head) as usize / 8;
        self.deepest = self.deepest.max(end - self.head);
        (self.cached_tail, self.head) = (end, end);
        Some(place)
    }

    /// The message of `size` bytes that was [stepped past](Self::step_past_only) last.
    ///
    /// # Panics
    /// The ring has no such place.
    #[inline(always)]
    #[must_use]
    pub fn bytes_at(&self, place: usize, size: usize) -> Bytes<'_> {
        Bytes::new(&self.memory.words()[place..][..size.div_ceil(8)], size)
    }

    /// Copies messages of `size` bytes into `into`, one behind the other, as many as are published and as it
    /// has whole room for, and says how many.
    ///
    /// # Errors
    /// [`Misbehaved::Tail`]: as [`is_ready`](Self::is_ready).
    ///
    /// # Panics
    /// The ring's messages are not of `size` bytes each.
    #[inline]
    pub fn try_pop_run(&mut self, size: usize, into: &mut [u8]) -> Result<usize, Misbehaved> {
        assert!(self.grid.is_fixed_at(size), "a run of messages of {size} bytes in another ring");
        let stride = size.next_multiple_of(8) as u64;
        let most = into.len() / size;
        if self.cached_tail - self.head < most as u64 * stride {
            self.refresh()?;
        }
        let mut done = 0;
        while done < most && self.head != self.cached_tail {
            let known = (self.cached_tail - self.head).min(self.grid.room_at(self.head)) / stride;
            // The writer must not wait for all of it: it hears of each quarter of the ring.
            let count = (known.min((self.grid.capacity / 4 / stride).max(1)) as usize).min(most - done);
            let words = self.bytes(count * stride as usize).raw();
            copy::take_each(words, size, &mut into[done * size..][..count * size]);
            done += count;
            self.head = self.grid.place(self.head + count as u64 * stride, stride);
            self.release();
        }
        Ok(done)
    }

    /// Copies the message at the head, which is there and as long as `into`, and steps past it.
    #[inline(always)]
    pub(super) fn take(&mut self, into: &mut [u8]) {
        let stride = into.len().next_multiple_of(8) as u64;
        // SAFETY: the size was checked by the caller, and the head is always a possible position.
        let words = unsafe { self.grid.message(self.memory.words(), self.head, into.len()) };
        copy::take(words, into);
        self.ask_ahead(self.head, stride);
        self.head = self.grid.after(self.head, stride);
    }

    /// Asks for the lines that will be read [`AHEAD`](fetch::AHEAD) bytes from now, if the writer is known to be done
    /// with them, after a message of `stride` bytes.
    #[inline(always)]
    pub(super) fn ask_ahead(&self, head: u64, stride: u64) {
        let ahead = head + fetch::AHEAD;
        if ahead + stride <= self.cached_tail {
            fetch::each_line(ahead, stride, |position| {
                fetch::to_read(self.memory.words(), self.grid.index(position));
            });
        }
    }
}
