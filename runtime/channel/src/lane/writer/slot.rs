//! Messages in slots: a reader finds each by itself and need not look at the tail.

use adit_ring::stream::{FULL_SLOT_WORDS, PushError, SLOT, SLOT_WORDS};

use super::{InTurn, TURN, WriterLane};

impl WriterLane {
    /// As [`push_in_turn`](Self::push_in_turn), and says so in the message's slot.
    #[inline(always)]
    pub fn push_in_slot(&mut self, message: &[u64; SLOT_WORDS]) -> InTurn {
        let pushed = self.producer.push_in_slot(message);
        self.pushed_in_turn(pushed)
    }

    /// As [`push_in_slot`](Self::push_in_slot), a message that fills its slot.
    #[inline(always)]
    pub fn push_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> InTurn {
        let pushed = self.producer.push_in_full_slot(message);
        self.pushed_in_turn(pushed)
    }

    #[inline(always)]
    fn pushed_in_turn(&mut self, pushed: bool) -> InTurn {
        if !pushed {
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

    /// As [`push_first_in_slot`](Self::push_first_in_slot), a message that fills its slot.
    pub fn push_first_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> Result<(), PushError> {
        self.stamp_if_due(SLOT);
        self.producer.try_push_in_full_slot(message).inspect_err(|error| self.doubt(*error))?;
        self.wake();
        self.begin_turn(TURN);
        Ok(())
    }
}
