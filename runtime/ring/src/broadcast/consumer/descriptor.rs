//! What the reader of an arena needs of the ring beside it. spec: CHN-7.4

use super::{Consumer, Record};
use crate::{
    Misbehaved,
    broadcast::{ReaderMemory, record},
    park::Park,
    stream::arena::ends::Reading,
};

impl<M: ReaderMemory> Consumer<M> {
    /// As [`read`](Self::read); gives the ring back with the error, for who has an
    /// [arena](crate::stream::arena::ArenaReader) in which the message may lie.
    ///
    /// # Errors
    /// [`Misbehaved`]: nothing was taken.
    #[inline]
    pub fn read_or_back(&mut self) -> Result<Option<Record<'_, M>>, (&mut Self, Misbehaved)> {
        match self.next() {
            Ok(Some(len)) => Ok(Some(Record { consumer: self, len })),
            Ok(None) => Ok(None),
            Err(misbehaved) => Err((self, misbehaved)),
        }
    }
}

impl<M: ReaderMemory> Reading for Consumer<M> {
    fn head(&self) -> u64 {
        self.head
    }

    fn descriptor(&self, refused: Misbehaved) -> Result<(u64, u64), Misbehaved> {
        let due = record::descriptor(self.sequence);
        let is_one = matches!(refused, Misbehaved::Record { position, header } if position == self.head && header == due);
        let index = self.head & (self.capacity - 1);
        let room = (self.cached_tail - self.head).min(self.capacity - index).min(self.capacity / 4);
        if !is_one || record::size(record::DESCRIPTOR_BYTES) > room {
            return Err(refused);
        }
        let payload = &self.memory.words()[index as usize / 8 + 1..][..2];
        Ok((payload[0].load(), payload[1].load()))
    }

    fn consume_descriptor(&mut self) {
        self.consume(record::DESCRIPTOR_BYTES as usize);
        self.publish_head();
    }

    fn wake_writer(&mut self, park: &impl Park) -> bool {
        self.wake(park)
    }
}
