//! What the writer of an arena needs of the ring beside it. spec: CHN-7.4

use std::ops::Deref;

use super::{Policy, Producer, Room};
use crate::{
    broadcast::{Claim, PushError, ReaderCell, WriterMemory, record},
    park::Park,
    stream::arena::ends::Writing,
};

impl<M: WriterMemory, R: Deref<Target = ReaderCell>> Producer<M, R> {
    /// As [`claim`](Self::claim); gives the ring back with the error, for who has somewhere else to put the message.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline]
    pub fn claim_or_back(&mut self, len: usize) -> Result<Claim<'_, M, R>, (&mut Self, PushError)> {
        match self.reserve(len) {
            Ok(room) => Ok(Claim::new(self, room, len)),
            Err(error) => Err((self, error)),
        }
    }
}

impl<M: WriterMemory, R: Deref<Target = ReaderCell>> Writing for Producer<M, R> {
    fn tail(&self) -> u64 {
        self.tail
    }

    fn known_head(&self) -> u64 {
        self.freed
    }

    fn look(&mut self) {
        self.refresh();
    }

    fn make_free(&mut self, head: u64) {
        self.flush();
        match self.policy {
            Policy::Lossless => drop(self.refresh()),
            Policy::Overwrite => self.give_up_to(head),
        }
    }

    fn is_overwritten(&self) -> bool {
        self.policy == Policy::Overwrite
    }

    fn reserve_descriptor(&mut self) -> Result<u64, PushError> {
        Ok(self.reserve(record::DESCRIPTOR_BYTES as usize)?.start)
    }

    fn enough_for_descriptor(&self) -> u64 {
        // Every ring beside an arena takes one.
        self.place(record::DESCRIPTOR_BYTES as usize).map_or(0, |(_, end)| end.saturating_sub(self.capacity))
    }

    fn commit_descriptor(&mut self, start: u64, offset: u64, length: u64) -> u64 {
        let payload = self.payload(Room { start }, record::DESCRIPTOR_BYTES as usize);
        payload[0].store(offset);
        payload[1].store(length);
        self.commit_as(Room { start }, record::DESCRIPTOR_BYTES, record::descriptor(self.sequence));
        // A long message is worth a store of its own, and is read while the next one is written.
        self.flush();
        self.tail
    }

    fn wake_readers(&mut self, park: &impl Park) -> bool {
        self.wake(park)
    }
}
