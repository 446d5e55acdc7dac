//! Messages in slots, written; see [`crate::stream::SLOT`].

use super::Producer;
use crate::{
    fetch,
    stream::{
        SLOT, SLOT_WORDS, StreamMemory,
        slot::{SEQUENCE, WORDS},
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
            let index = self.grid.index(self.tail);
            fetch::to_write(self.memory.words(), index.wrapping_add(self.ahead));
            let slot = &self.memory.words()[index as usize / 8..][..WORDS];
            for (word, value) in slot.iter().zip(message) {
                word.store(*value);
            }
            // A slot divides the capacity, so nothing is skipped.
            self.tail += SLOT as u64;
            self.show(self.tail);
            // SYNC with the consumer's acquire of the sequence: message and tail are seen with it.
            slot[SEQUENCE].release(self.tail);
        }
        is_mine
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
