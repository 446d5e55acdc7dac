//! Long messages, which lie in the arena. spec: CHN-7.3
//!
//! The ring's own reader refuses the record that stands for one, as it refuses all that it does not know. What is
//! here begins there, so that reading short messages is as it is without an arena.

use std::sync::Arc;

use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    stream::{
        Bytes, Consumer,
        arena::{ArenaReader, Block},
    },
};

use super::{
    super::{
        Spec,
        end::End,
        memory::{LaneMemory, Slab},
    },
    ReaderLane,
};

/// The arena that a lane has.
pub(super) fn of(spec: &Spec, peer: &Arc<Region>) -> Option<Box<ArenaReader<Slab>>> {
    let arena =
        ArenaReader::new(Slab::of(spec, peer)?).expect("the size was checked when the channel was built");
    Some(Box::new(arena))
}

/// The same of a lane that a former reader may have read from. spec: SEG-2.6
pub(super) fn resumed(spec: &Spec, peer: &Arc<Region>) -> Option<Box<ArenaReader<Slab>>> {
    let arena =
        ArenaReader::late(Slab::of(spec, peer)?).expect("the size was checked when the channel was built");
    Some(Box::new(arena))
}

impl ReaderLane {
    /// Reads the message that a batch could not begin with, if it lies in the arena.
    pub(super) fn read_far(
        &mut self,
        misbehaved: Misbehaved,
        mut each: impl FnMut(Bytes<'_>),
    ) -> Result<usize, Misbehaved> {
        let Self { consumer, arena, end, broken, .. } = self;
        let message = Refused { consumer, arena: arena.as_deref_mut(), end, broken, misbehaved }.far()?;
        each(message.bytes());
        Ok(1)
    }
}

/// The ring's reader has refused what is next.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(super) consumer: &'a mut Consumer<LaneMemory>,
    pub(super) arena: Option<&'a mut ArenaReader<Slab>>,
    pub(super) end: &'a mut End,
    pub(super) broken: &'a mut bool,
    pub(super) misbehaved: Misbehaved,
}

impl<'a> Refused<'a> {
    /// The message that lies in the arena, if that is why; what is wrong else.
    #[cold]
    pub fn far(self) -> Result<FarMessage<'a>, Misbehaved> {
        let Self { consumer, arena, end, broken, misbehaved } = self;
        *broken = true;
        // A skip before it was given back, too, and the message may be kept for long.
        if consumer.come_again(&end.futex) | consumer.wake(&end.futex) {
            end.woke();
        }
        let block = arena.ok_or(misbehaved)?.read(consumer, misbehaved)?;
        *broken = false;
        Ok(FarMessage { block: Some(block), end })
    }
}

/// A message in an arena, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub(crate) struct FarMessage<'a> {
    /// There until it is consumed or kept.
    block: Option<Block<'a, Consumer<LaneMemory>, Slab>>,
    end: &'a mut End,
}

impl FarMessage<'_> {
    pub fn bytes(&self) -> Bytes<'_> {
        self.block.as_ref().map_or(Bytes::of(&[], 0), Block::bytes)
    }

    pub fn position(&self) -> u64 {
        self.block.as_ref().map_or(0, Block::position)
    }

    pub fn keep(mut self) {
        if let Some(block) = self.block.take() {
            block.keep();
        }
    }
}

impl Drop for FarMessage<'_> {
    fn drop(&mut self) {
        let Some(block) = self.block.take() else { return };
        self.end.count(1, block.bytes().len() as u64);
        let finished = block.finish(&self.end.futex);
        self.end.show_position(finished.position);
        if finished.woke {
            self.end.woke();
        }
    }
}
