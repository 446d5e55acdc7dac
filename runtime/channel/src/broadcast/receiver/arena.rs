//! Long messages, which lie in the sender's arena, are read there by everybody, or copied from there where they are
//! overwritten. spec: CHN-7.4, CHN-7.5

use std::sync::Arc;

use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    broadcast::{Bytes, Consumer, Follower, Word},
    stream::arena::{ArenaReader, Block},
};

use super::super::{Policy, ReaderRegions};
use crate::lane::{End, Slab, Spec};

/// So often in a row a block may be overwritten while it is copied; then there is nothing for now.
const TRIES: u32 = 8;

/// A message in a broadcast's arena, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub(crate) struct FarFromAll<'a> {
    /// There until it is consumed or kept.
    block: Option<Block<'a, Consumer<ReaderRegions>, Slab>>,
    end: &'a mut End,
}

impl FarFromAll<'_> {
    pub(crate) fn bytes(&self) -> Bytes<'_> {
        self.block.as_ref().map_or(Bytes::of(&[], 0), Block::bytes)
    }

    /// Where the next one will stand.
    pub(crate) fn position(&self) -> u64 {
        self.block.as_ref().map_or(0, Block::next_position)
    }

    pub(crate) fn keep(mut self) {
        if let Some(block) = self.block.take() {
            block.keep();
        }
    }
}

impl Drop for FarFromAll<'_> {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        self.end.count(1, block.bytes().len() as u64);
        if block.finish(&self.end.futex).woke {
            self.end.woke();
        }
    }
}

/// The arena that a broadcast has; others may have read from it for long.
pub(super) fn of(spec: &Spec, peer: &Arc<Region>) -> Option<Box<ArenaReader<Slab>>> {
    let arena =
        ArenaReader::late(Slab::of(spec, peer)?).expect("the size was checked when the channel was built");
    Some(Box::new(arena))
}

/// The message that the ring's reader has refused, if it lies in the arena; what is wrong else.
#[cold]
#[inline(never)]
pub(super) fn far<'a>(
    arena: Option<&'a mut ArenaReader<Slab>>,
    consumer: &'a mut Consumer<ReaderRegions>,
    refused: Misbehaved,
    end: &'a mut End,
) -> Result<FarFromAll<'a>, Misbehaved> {
    // A skip before it was given back, and the message may be kept for long.
    if consumer.wake(&end.futex) {
        end.woke();
    }
    let block = arena.ok_or(refused)?.read(consumer, refused)?;
    Ok(FarFromAll { block: Some(block), end })
}

/// Copies the next message, or the newest, of a broadcast that overwrites to `into`, and says how long it is; `None`:
/// nothing is there, or for now the sender is too fast.
pub(super) fn copy(
    follower: &mut Follower<ReaderRegions>,
    policy: Policy,
    arena: Option<&ArenaReader<Slab>>,
    into: &mut Vec<Word>,
) -> Result<Option<usize>, Misbehaved> {
    for _ in 0..TRIES {
        let copied = match policy {
            Policy::Latest => follower.copy_newest(into),
            _ => follower.copy_next(into),
        };
        let (refused, arena) = match (copied, arena) {
            (Err(refused), Some(arena)) => (refused, arena),
            (copied, _) => return copied,
        };
        if let Some(len) = follower.copy_far(refused, arena.words(), into)? {
            return Ok(Some(len));
        }
    }
    Ok(None)
}
