//! Long messages, which go to the arena, once for all receivers. spec: CHN-7.1, CHN-7.4
//!
//! As in a lane, the ring takes short messages alone then, and what is here begins where it has refused one.

use std::{ptr::NonNull, sync::Arc};

use adit_memory::Region;
use adit_ring::{
    broadcast::{Producer, PushError, Word},
    park::SleepOn,
    stream::arena::{ArenaClaim, ArenaWriter},
};

use super::{
    super::memory::{ReaderRegion, WriterRegion},
    BroadcastSender,
};
use crate::{
    endpoint::SendError,
    lane::{End, SHORT, Slab, Spec, arena_memory},
};

type Ring = Producer<WriterRegion, ReaderRegion>;

/// The arena that a broadcast has; its ring takes short messages alone then.
pub(super) fn of(spec: &Spec, own: &Arc<Region>, producer: &mut Ring) -> Option<Box<ArenaWriter<Slab>>> {
    let arena =
        ArenaWriter::new(Slab::of(spec, own)?).expect("the size was checked when the channel was built");
    producer.limit(SHORT);
    Some(Box::new(arena))
}

impl BroadcastSender {
    /// Where the arena is.
    pub fn arena_memory(&self) -> Option<NonNull<[u8]>> {
        self.arena.as_deref().map(arena_memory)
    }

    /// Whether a message of `len` bytes goes to the arena.
    pub(super) fn is_far(&self, len: usize) -> bool {
        self.arena.is_some() && len > self.producer.longest()
    }

    /// Pushes a message that the ring has refused, if there is an arena and the message too long for the ring.
    pub(super) fn push_far(&mut self, message: &[u8], error: PushError) -> Result<(), PushError> {
        let (Some(arena), PushError::TooLong { .. }) = (&mut self.arena, error) else { return Err(error) };
        match arena.try_push(&mut self.producer, message) {
            Err(PushError::Full) if self.retire() => {}
            other => return other,
        }
        // What those held who are gone is free.
        match &mut self.arena {
            Some(arena) => arena.try_push(&mut self.producer, message),
            None => Err(error),
        }
    }

    /// Whether a message that goes to the arena has room now.
    pub(super) fn room_far(&mut self, len: usize) -> Result<(), SendError> {
        let claim = |this: &mut Self| match &mut this.arena {
            Some(arena) => arena.claim(&mut this.producer, len).map(drop),
            None => Ok(()),
        };
        match claim(self) {
            Err(PushError::Full) if self.retire() => Ok(claim(self)?),
            other => Ok(other?),
        }
    }

    /// Announces a sleep until such a message has room; returns whether it ever can have.
    pub(super) fn arm_far(&mut self, len: usize) -> bool {
        let enough = self.arena.as_ref().and_then(|arena| arena.enough(&self.producer, len).ok());
        if let Some(head) = enough {
            self.producer.arm_for(head);
        }
        enough.is_some()
    }

    /// What to sleep on until then, the slowest receiver's head; `None`: there is something to see.
    pub(super) fn sleep_far(&self, len: usize) -> Option<SleepOn<'_>> {
        self.producer.sleep_for(self.arena.as_ref()?.enough(&self.producer, len).ok()?)
    }
}

/// A block for one message to all; as [`BroadcastClaim`](super::BroadcastClaim).
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub(crate) struct FarToAll<'a> {
    claim: ArenaClaim<'a, Ring, Slab>,
    tally: &'a mut End,
}

impl<'a> FarToAll<'a> {
    /// Claims a block for what the ring has refused, if it was too long for that.
    #[cold]
    pub(super) fn claim(
        arena: Option<&'a mut ArenaWriter<Slab>>,
        producer: &'a mut Ring,
        tally: &'a mut End,
        len: usize,
        error: PushError,
    ) -> Result<Self, SendError> {
        let (Some(arena), PushError::TooLong { .. }) = (arena, error) else { return Err(error.into()) };
        Ok(Self { claim: arena.claim(producer, len)?, tally })
    }

    pub(crate) fn len(&self) -> usize {
        self.claim.len()
    }

    pub(crate) fn words(&self) -> &[Word] {
        self.claim.words()
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.claim.write(at, bytes);
    }

    /// # Safety
    /// As [`ArenaClaim::as_mut_slice`].
    pub(crate) unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the caller promises it.
        unsafe { self.claim.as_mut_slice() }
    }

    pub(crate) fn commit_first(self, len: usize) {
        self.tally.count(1, len as u64);
        if self.claim.finish(len, &self.tally.futex) {
            self.tally.woke();
        }
    }
}
