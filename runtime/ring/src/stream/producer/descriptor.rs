//! What the writer of an arena needs of the ring beside it. spec: CHN-7.1

use super::{Producer, PushError, Room, StreamMemory, record};
use crate::{
    Misbehaved,
    park::Park,
    stream::{
        Claim,
        arena::ends::Writing,
        record::{Header, Place, WORD},
    },
};

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

    /// Finds the descriptors that the reader is not known to have passed, which a former writer may have written: calls
    /// `each` with the position of each, and its offset and length.
    ///
    /// # Errors
    /// [`Misbehaved`]: something stands there that no writer writes, or `each` found so.
    pub(crate) fn unread_descriptors(
        &self,
        mut each: impl FnMut(u64, u64, u64) -> Result<(), Misbehaved>,
    ) -> Result<(), Misbehaved> {
        let size = record::size(record::DESCRIPTOR_BYTES);
        let mut at = self.cached_head;
        while at < self.tail {
            let words = &self.memory.words()[(self.grid.index(at) / WORD) as usize..];
            let header = words[0].load();
            let place = Place {
                published: self.tail - at,
                to_end: self.grid.room_at(at),
                largest: self.grid.capacity / 4,
            };
            at += match place.judge(header) {
                Some(Header::Message(len)) => record::size(len),
                Some(Header::Skip(bytes)) => bytes,
                None if header == record::DESCRIPTOR
                    && size <= place.published.min(place.to_end).min(place.largest) =>
                {
                    each(at, words[1].load(), words[2].load())?;
                    size
                }
                None => return Err(Misbehaved::Record { position: at, header }),
            };
        }
        Ok(())
    }
}

impl<M: StreamMemory> Writing for Producer<M> {
    fn tail(&self) -> u64 {
        self.tail
    }

    fn known_head(&self) -> u64 {
        self.cached_head
    }

    fn look(&mut self) {
        self.refresh();
    }

    fn make_free(&mut self, _: u64) {
        self.flush();
        self.refresh();
    }

    fn is_overwritten(&self) -> bool {
        false
    }

    fn reserve_descriptor(&mut self) -> Result<u64, PushError> {
        Ok(self.reserve(record::DESCRIPTOR_BYTES as usize)?.start)
    }

    fn enough_for_descriptor(&self) -> u64 {
        // Every ring beside an arena takes one.
        self.place(record::DESCRIPTOR_BYTES as usize)
            .map_or(0, |(_, end)| end.saturating_sub(self.grid.capacity))
    }

    fn commit_descriptor(&mut self, start: u64, offset: u64, length: u64) -> u64 {
        if start != self.tail {
            self.header(self.tail, record::skip(start - self.tail));
        }
        self.header(start, record::DESCRIPTOR);
        let payload = self.payload(Room { start }, record::DESCRIPTOR_BYTES as usize);
        payload[0].store(offset);
        payload[1].store(length);
        self.tail = start + record::size(record::DESCRIPTOR_BYTES);
        // A long message is worth a store of its own, and is read while the next one is written.
        self.publish(self.tail);
        self.tail
    }

    fn wake_readers(&mut self, park: &impl Park) -> bool {
        self.wake(park)
    }
}
