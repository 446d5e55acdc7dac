//! A message in a lane.

use std::mem::ManuallyDrop;

use adit_ring::stream::{Bytes, Framing, Record};

use super::super::{end::End, memory::LaneMemory};

/// A message, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub struct Message<'a> {
    pub(super) record: ManuallyDrop<Record<'a, LaneMemory>>,
    pub(super) end: &'a mut End,
}

impl<'a> Message<'a> {
    /// The payload, in memory that the sender can write: what is judged must first be copied.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        self.record.bytes()
    }

    /// Where the message stands in its sender's lane: more than that of any message before it, and the same
    /// when it is read again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.record.position()
    }

    /// Leaves the message in the channel, to be read again.
    pub fn keep(self) {
        // The record's own destructor consumes it, and so does this guard's: neither runs. They hold nothing
        // but borrows.
        std::mem::forget(self);
    }
}

impl Drop for Message<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        let len = self.record.bytes().len();
        // SAFETY: here and nowhere else, and the record is not touched after.
        let record = unsafe { ManuallyDrop::take(&mut self.record) };
        if record.framing() == Framing::Records {
            self.end.count(1, len as u64);
        }
        let finished = record.finish(&self.end.futex);
        self.end.show_position(finished.position);
        if finished.woke {
            self.end.woke();
        }
    }
}
