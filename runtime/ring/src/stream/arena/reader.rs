//! The reading end. spec: CHN-7.1, CHN-7.3

use std::{mem::ManuallyDrop, ops::Deref};

use super::{BadArena, UNIT, check_size, ends::Reading, is_block};
use crate::{
    Misbehaved,
    park::Park,
    stream::{Bytes, Finished, ReadWord, Word},
};

/// The reading end of an arena. It belongs to one consumer, of a [stream](crate::stream::Consumer) or of a
/// [broadcast](crate::broadcast::Consumer), which each call is given.
#[derive(Debug)]
pub struct ArenaReader<A> {
    words: A,
    size: u64,
    /// Offset behind the last block that was consumed, below `size`; `None`: the next block is the first that this end
    /// sees, and not the first that there was.
    pub(super) next: Option<u64>,
}

impl<A: Deref<Target = [Word]>> ArenaReader<A> {
    /// The reading end of an arena that nothing was read from yet.
    ///
    /// # Errors
    /// [`BadArena`].
    pub fn new(words: A) -> Result<Self, BadArena> {
        let size = check_size(words.len())?;
        Ok(Self { words, size, next: Some(0) })
    }

    /// The same of an arena that was written to before this end came, as a broadcast's may be, and that of a ring that is
    /// resumed.
    ///
    /// # Errors
    /// [`BadArena`].
    pub fn late(words: A) -> Result<Self, BadArena> {
        Ok(Self { next: None, ..Self::new(words)? })
    }

    /// The whole arena.
    #[must_use]
    pub fn words(&self) -> &[ReadWord] {
        ReadWord::of(&self.words)
    }

    /// The message that the descriptor at the head of the ring describes, which the ring's own end has `refused`
    /// (its `read_or_back`).
    ///
    /// # Errors
    /// [`Misbehaved`]: what was refused, if it is no descriptor, or what is wrong with the descriptor; nothing was
    /// taken.
    pub fn read<'a, C: Reading>(
        &'a mut self,
        consumer: &'a mut C,
        refused: Misbehaved,
    ) -> Result<Block<'a, C, A>, Misbehaved> {
        let (offset, length) = consumer.descriptor(refused)?;
        let is_due = self.next.is_none_or(|next| offset == next || offset == 0);
        if !is_due || !is_block(offset, length, self.size) {
            return Err(Misbehaved::Descriptor { position: consumer.head(), offset, length });
        }
        Ok(Block { consumer, arena: self, offset, len: length as usize })
    }
}

/// A message in an arena, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a block that is dropped is consumed"]
pub struct Block<'a, C: Reading, A: Deref<Target = [Word]>> {
    consumer: &'a mut C,
    arena: &'a mut ArenaReader<A>,
    /// A multiple of [`UNIT`].
    pub(super) offset: u64,
    /// `offset + len <= size`.
    len: usize,
}

impl<C: Reading, A: Deref<Target = [Word]>> Block<'_, C, A> {
    /// The payload.
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        Bytes::new(&self.arena.words[(self.offset / 8) as usize..][..self.len.div_ceil(8)], self.len)
    }

    /// Position of the descriptor in the ring.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.consumer.head()
    }

    /// Position behind the descriptor.
    #[must_use]
    pub fn next_position(&self) -> u64 {
        self.consumer.head() + super::DESCRIPTOR_SIZE
    }

    /// Consumes the message, as dropping it does, and wakes the writer if it sleeps for the room.
    pub fn finish(self, park: &impl Park) -> Finished {
        let mut this = ManuallyDrop::new(self);
        this.consume();
        Finished { position: this.consumer.head(), woke: this.consumer.wake_writer(park) }
    }

    /// Leaves the message where it is, to be read again.
    pub fn keep(self) {
        std::mem::forget(self);
    }

    fn consume(&mut self) {
        let end = self.offset + (self.len as u64).next_multiple_of(UNIT);
        self.arena.next = Some(end % self.arena.size);
        self.consumer.consume_descriptor();
    }
}

impl<C: Reading, A: Deref<Target = [Word]>> Drop for Block<'_, C, A> {
    fn drop(&mut self) {
        self.consume();
    }
}
