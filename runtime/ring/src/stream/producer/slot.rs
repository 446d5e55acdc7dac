//! Messages in slots, written; see [`crate::stream::SLOT`].

use super::Producer;
use crate::{
    fetch,
    stream::{
        FULL_SLOT_WORDS, PushError, SLOT, SLOT_WORDS, StreamMemory, Word,
        slot::{SEQUENCE, masked},
    },
};

impl<M: StreamMemory> Producer<M> {
    /// As [`push_in_turn`](Self::push_in_turn), in a ring of messages of [`SLOT`] bytes, and says in the slot that the
    /// message is published.
    ///
    /// Word by word: what is put together from words and stored in wider pieces would wait for the store buffer.
    #[inline(always)]
    pub fn push_in_slot(&mut self, message: &[u64; SLOT_WORDS]) -> bool {
        let is_mine = self.tail + SLOT as u64 <= self.turn && self.grid.is_fixed_at(SLOT);
        if is_mine {
            self.ask_in_turn();
            let slot = self.next_slot();
            for (word, value) in slot.iter().zip(message) {
                word.store(*value);
            }
            // A slot divides the capacity, so nothing is skipped.
            let tail = self.tail + SLOT as u64;
            self.show(tail);
            // SYNC with the consumer's acquire of the sequence: message and tail are seen with it.
            slot[SEQUENCE].release(tail);
            self.tail = tail;
        }
        is_mine
    }

    /// As [`push_in_slot`](Self::push_in_slot), a message that fills its slot. In a ring of such messages all are pushed so.
    #[inline(always)]
    pub fn push_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> bool {
        let is_mine = self.tail + SLOT as u64 <= self.turn && self.grid.is_fixed_at(SLOT);
        if is_mine {
            self.ask_in_turn();
            self.fill_slot(message);
        }
        is_mine
    }

    /// As [`push_in_full_slot`](Self::push_in_full_slot), whether there is a turn or not; publishes the message.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened; there is no room, or the ring's messages are not of [`SLOT`] bytes.
    pub fn try_push_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> Result<(), PushError> {
        if !self.grid.is_fixed_at(SLOT) {
            return Err(self.wrong_size(SLOT));
        }
        if self.tail + SLOT as u64 > self.limit {
            self.make_room(self.tail + SLOT as u64)?;
        }
        self.ask_ahead(self.tail, SLOT as u64);
        self.fill_slot(message);
        Ok(())
    }

    /// Writes and publishes a message where there is room.
    #[inline(always)]
    fn fill_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) {
        let tail = self.tail + SLOT as u64;
        let (slot, message) = (self.next_slot(), masked(*message, tail));
        for at in 0..SEQUENCE {
            slot[at].store(message[at]);
        }
        // SYNC with the consumer's acquire of this word: the others are seen with it.
        slot[SEQUENCE].release(message[SEQUENCE]);
        self.tail = tail;
        self.publish(tail);
    }

    /// Asks for the slot that is so much further on than the turn's next.
    #[inline(always)]
    fn ask_in_turn(&self) {
        fetch::to_write(self.memory.words(), self.grid.index(self.tail).wrapping_add(self.ahead));
    }

    /// The slot at the tail.
    #[inline(always)]
    fn next_slot(&self) -> &[Word] {
        &self.memory.words()[self.grid.index(self.tail) as usize / 8..][..FULL_SLOT_WORDS]
    }

    /// Says in its slot that the message that was pushed last is published, if it is. Does nothing in a ring of other
    /// messages than of [`SLOT`] bytes.
    pub fn show_in_slot(&mut self) {
        if self.grid.is_fixed_at(SLOT) && self.tail != 0 && self.published() == self.tail {
            let slot = self.grid.index(self.tail - SLOT as u64) as usize / 8;
            // SYNC as in `push_in_slot`.
            self.memory.words()[slot + SEQUENCE].release(self.tail);
        }
    }
}
