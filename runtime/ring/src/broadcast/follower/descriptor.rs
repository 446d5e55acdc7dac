//! Messages in an arena whose blocks are overwritten: copied first, and believed afterwards. spec: CHN-7.5

use super::{Follower, ReaderMemory, Word};
use crate::{
    Misbehaved,
    broadcast::record,
    stream::{ReadWord, arena::is_block, copy},
};

impl<M: ReaderMemory> Follower<M> {
    /// Copies the message in `arena` that the descriptor describes which [`copy_next`](Self::copy_next) or
    /// [`copy_newest`](Self::copy_newest) has `refused`, to the start of `into`, which grows if it is too short, and
    /// says how long it is.
    ///
    /// `None`: the writer was faster. Look again.
    ///
    /// # Errors
    /// [`Misbehaved`]: what was refused, if it is no descriptor, or what is wrong with the descriptor.
    pub fn copy_far(
        &mut self,
        refused: Misbehaved,
        arena: &[ReadWord],
        into: &mut Vec<Word>,
    ) -> Result<Option<usize>, Misbehaved> {
        let Misbehaved::Record { position, header } = refused else { return Err(refused) };
        let index = position & (self.capacity - 1);
        let published = self.cached_tail.saturating_sub(position);
        let room = published.min(self.capacity - index).min(self.capacity / 4);
        if !record::is_descriptor(header)
            || position < self.head
            || record::size(record::DESCRIPTOR_BYTES) > room
        {
            return Err(refused);
        }
        let payload = &self.memory.words()[index as usize / 8 + 1..][..2];
        let (offset, length) = (payload[0].load(), payload[1].load());
        // What is not of this record describes nothing.
        if self.is_given_up(position) {
            return self.lapped().map(|()| None);
        }
        if !is_block(offset, length, arena.len() as u64 * 8) {
            return Err(Misbehaved::Descriptor { position, offset, length });
        }
        let count = (length as usize).div_ceil(8);
        if into.len() < count {
            into.resize_with(count, Word::default);
        }
        copy::between(&ReadWord::raw(arena)[offset as usize / 8..][..count], &into[..count]);
        if self.is_given_up(position) {
            return self.lapped().map(|()| None);
        }
        self.gap |= position != self.head;
        self.accept(position, record::DESCRIPTOR_BYTES, record::sequence(header)).map_err(|_| refused)?;
        Ok(Some(length as usize))
    }
}
