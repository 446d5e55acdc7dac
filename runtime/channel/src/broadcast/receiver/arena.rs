//! Long messages, which lie in the sender's arena and are read there by everybody. spec: CHN-7.4

use std::sync::Arc;

use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    broadcast::Consumer,
    stream::arena::{ArenaReader, Block},
};

use super::{super::ReaderRegions, BroadcastMessage};
use crate::lane::{End, Slab, Spec};

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
