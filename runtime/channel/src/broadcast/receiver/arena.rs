//! Long messages, which lie in the sender's arena, are read there by everybody, or copied from there where they are
//! overwritten. spec: CHN-7.4, CHN-7.5

use std::sync::Arc;

use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    broadcast::{Consumer, Follower, Word},
    stream::arena::{ArenaReader, Block},
};

use super::{
    super::{Policy, ReaderRegions},
    BroadcastMessage,
};
use crate::lane::{End, Slab, Spec};

/// So often in a row a block may be overwritten while it is copied; then there is nothing for now.
const TRIES: u32 = 8;

/// A block of a broadcast's arena.
pub(crate) type FarBlock<'a> = Block<'a, Consumer<ReaderRegions>, Slab>;

/// The arena that a broadcast has; others may have read from it for long.
pub(super) fn of(spec: &Spec, peer: &Arc<Region>) -> Option<Box<ArenaReader<Slab>>> {
    let arena =
        ArenaReader::late(Slab::of(spec, peer)?).expect("the size was checked when the channel was built");
    Some(Box::new(arena))
}

/// The message that the ring's reader has refused, if it lies in the arena; what is wrong else.
#[cold]
pub(super) fn far<'a>(
    arena: Option<&'a mut ArenaReader<Slab>>,
    consumer: &'a mut Consumer<ReaderRegions>,
    refused: Misbehaved,
    end: &'a mut End,
) -> Result<BroadcastMessage<'a>, Misbehaved> {
    let block = arena.ok_or(refused)?.read(consumer, refused)?;
    Ok(BroadcastMessage::Far { block: Some(block), end })
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
