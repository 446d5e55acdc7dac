//! What the reader of an arena needs of the ring beside it. spec: CHN-7.1

use super::{Consumer, Record, StreamMemory, WORD};
use crate::{
    Misbehaved,
    park::Park,
    stream::{arena::ends::Reading, record},
};

impl<M: StreamMemory> Consumer<M> {
    /// As [`read`](Self::read); gives the ring back with the error, for who has an
    /// [arena](crate::stream::arena::ArenaReader) in which the message may lie.
    ///
    /// # Errors
    /// [`Misbehaved`]: nothing was taken.
    #[inline(always)]
    pub fn read_or_back(&mut self) -> Result<Option<Record<'_, M>>, (&mut Self, Misbehaved)> {
        match self.next() {
            Ok(Some(len)) => Ok(Some(Record { consumer: self, len })),
            Ok(None) => Ok(None),
            Err(misbehaved) => Err((self, misbehaved)),
        }
    }
}

impl<M: StreamMemory> Reading for Consumer<M> {
    fn head(&self) -> u64 {
        self.head
    }

    fn descriptor(&self, refused: Misbehaved) -> Result<(u64, u64), Misbehaved> {
        let is_one = matches!(refused, Misbehaved::Record { position, header: record::DESCRIPTOR } if position == self.head);
        let index = self.grid.index(self.head);
        let size = record::size(record::DESCRIPTOR_BYTES);
        let room =
            (self.cached_tail - self.head).min(self.grid.room_at(self.head)).min(self.grid.capacity / 4);
        if !is_one || size > room {
            return Err(refused);
        }
        let payload = &self.memory.words()[((index + WORD) / WORD) as usize..][..2];
        Ok((payload[0].load(), payload[1].load()))
    }

    fn consume_descriptor(&mut self) {
        self.head += record::size(record::DESCRIPTOR_BYTES);
        if self.is_late {
            self.release();
        } else {
            self.publish_head();
        }
    }

    fn wake_writer(&mut self, park: &impl Park) -> bool {
        self.wake(park)
    }
}
