//! What the writer of an arena needs of the ring beside it. spec: CHN-7.1

use super::{Producer, PushError, Room, StreamMemory, record};
use crate::stream::Claim;

impl<M: StreamMemory> Producer<M> {
    /// As [`claim`](Self::claim); gives the ring back with the error, for who has somewhere else to put the message.
    ///
    /// # Errors
    /// [`PushError`]: nothing happened.
    #[inline(always)]
    pub fn claim_or_back(&mut self, len: usize) -> Result<Claim<'_, M>, (&mut Self, PushError)> {
        match self.reserve(len) {
            Ok(room) => Ok(Claim::new(self, room, len)),
            Err(error) => Err((self, error)),
        }
    }

    /// What the reader's head was when last looked at.
    pub(in crate::stream) fn known_head(&self) -> u64 {
        self.cached_head
    }

    /// Room for a descriptor.
    pub(in crate::stream) fn reserve_descriptor(&mut self) -> Result<Room, PushError> {
        self.reserve(record::DESCRIPTOR_BYTES as usize)
    }

    /// The lowest head with which there is room for a descriptor.
    pub(in crate::stream) fn enough_for_descriptor(&self) -> Result<u64, PushError> {
        let (_, end) = self.place(record::DESCRIPTOR_BYTES as usize)?;
        Ok(end.saturating_sub(self.grid.capacity))
    }

    /// Makes a descriptor part of the stream and publishes it; returns the position after it.
    pub(in crate::stream) fn commit_descriptor(&mut self, room: Room, offset: u64, length: u64) -> u64 {
        if room.start != self.tail {
            self.header(self.tail, record::skip(room.start - self.tail));
        }
        self.header(room.start, record::DESCRIPTOR);
        let payload = self.payload(room, record::DESCRIPTOR_BYTES as usize);
        payload[0].store(offset);
        payload[1].store(length);
        self.tail = room.start + record::size(record::DESCRIPTOR_BYTES);
        // A long message is worth a store of its own, and is read while the next one is written.
        self.publish(self.tail);
        self.tail
    }
}
