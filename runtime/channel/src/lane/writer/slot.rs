//! Messages in slots: a reader finds each by itself and need not look at the tail.

use adit_ring::stream::{PushError, SLOT_WORDS};

use super::{InTurn, WriterLane};

impl WriterLane {
    /// As [`push_in_turn`](Self::push_in_turn), and says so in the message's slot.
    #[inline(always)]
    pub fn push_in_slot(&mut self, message: &[u64; SLOT_WORDS]) -> InTurn {
        if !self.producer.push_in_slot(message) {
            InTurn::NoTurn
        } else if !self.has_waiting_reader() || self.wake_or_stop() {
            InTurn::Pushed
        } else {
            InTurn::Gone
        }
    }

    /// As [`push_first`](Self::push_first), and says so in the message's slot.
    pub fn push_first_in_slot(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.push_first(message).inspect(|()| self.producer.show_in_slot())
    }
}
