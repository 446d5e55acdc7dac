//! Long messages, which go to the arena. spec: CHN-7.1
//!
//! With an arena the ring takes short messages alone and refuses others, as a ring takes no message that is longer
//! than it can hold. What is here begins where it has refused one, so that sending short messages is as it is
//! without an arena.

use std::{ptr::NonNull, sync::Arc};

use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    park::SleepOn,
    stream::{
        Framing, Producer, PushError, Word,
        arena::{ArenaClaim, ArenaWriter},
    },
};

use super::{
    super::{
        Spec,
        end::End,
        memory::{LaneMemory, Slab},
    },
    WriterLane,
};

/// The longest message that is copied through the ring where there is an arena: below it, a block's line or two,
/// and a descriptor to read, cost more than a copy.
pub(crate) const SHORT: usize = 4096;

/// The arena that a lane has; its ring takes short messages alone then.
pub(super) fn of(
    spec: &Spec,
    own: &Arc<Region>,
    producer: &mut Producer<LaneMemory>,
) -> Option<Box<ArenaWriter<Slab>>> {
    let arena = unused(Slab::of(spec, own)?);
    producer.limit(SHORT);
    Some(Box::new(arena))
}

/// The same of a lane that a former writer may have written to. spec: SEG-2.6
pub(super) fn resumed(
    spec: &Spec,
    own: &Arc<Region>,
    producer: &mut Producer<LaneMemory>,
) -> Result<Option<Box<ArenaWriter<Slab>>>, Misbehaved> {
    let Some(slab) = Slab::of(spec, own) else { return Ok(None) };
    let arena = unused(slab).resume(producer)?;
    producer.limit(SHORT);
    Ok(Some(Box::new(arena)))
}

fn unused(slab: Slab) -> ArenaWriter<Slab> {
    ArenaWriter::new(slab).expect("the size was checked when the channel was built")
}

/// Where an arena is.
pub(crate) fn arena_memory(arena: &ArenaWriter<Slab>) -> NonNull<[u8]> {
    let words: &[Word] = arena.words();
    NonNull::slice_from_raw_parts(NonNull::from(words).cast(), size_of_val(words))
}

impl WriterLane {
    /// Where the arena is.
    pub fn arena_memory(&self) -> Option<NonNull<[u8]>> {
        self.arena.as_deref().map(arena_memory)
    }

    /// Whether a message of `len` bytes goes to the arena.
    pub fn is_far(&self, len: usize) -> bool {
        self.arena.is_some() && len > self.producer.longest()
    }

    /// Pushes a message that the ring has refused, if there is an arena and the message too long for the ring.
    #[cold]
    #[inline(never)]
    pub(super) fn push_far(&mut self, message: &[u8], error: PushError) -> Result<(), PushError> {
        if error == PushError::Full && self.push_out() {
            // What was gathered is out: that was all that there was, or the network is full as well.
            return self.push_once_more(message);
        }
        let (Some(arena), PushError::TooLong { .. }) = (&mut self.arena, error) else {
            self.doubt(error);
            return Err(error);
        };
        arena.try_push(&mut self.producer, message).inspect_err(|error| self.doubt(*error))?;
        self.end.count(1, message.len() as u64);
        Ok(())
    }

    fn push_once_more(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.producer.try_push(message).inspect_err(|error| self.doubt(*error))?;
        if self.producer.framing() == Framing::Records {
            self.end.count(1, message.len() as u64);
        }
        Ok(())
    }

    /// Whether a message that goes to the arena has room now.
    pub(super) fn room_far(&mut self, len: usize) -> Result<(), PushError> {
        match &mut self.arena {
            Some(arena) => arena.claim(&mut self.producer, len).map(drop),
            None => Ok(()),
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

    /// The lowest head with which at most `ahead` bytes are left to the reader, and a message of `len` bytes has room.
    pub(super) fn enough_beside(&self, arena: &ArenaWriter<Slab>, len: usize, ahead: u64) -> u64 {
        let room = match self.is_far(len) {
            true => arena.enough(&self.producer, len).unwrap_or(0),
            // A record and the skip before it take at most this.
            false => {
                (self.producer.position() + 2 * (len as u64 + 16)).saturating_sub(self.producer.capacity())
            }
        };
        // Nobody has read what is not written.
        room.max(arena.enough_read(&self.producer, ahead)).clamp(1, self.producer.position().max(1))
    }

    /// What to sleep on until then; `None`: there is something to see.
    pub(super) fn sleep_far(&self, len: usize) -> Option<SleepOn<'_>> {
        self.producer.sleep_for(self.arena.as_ref()?.enough(&self.producer, len).ok()?)
    }
}

/// The ring has refused a message.
#[derive(Debug)]
pub(crate) struct NoRoom<'a> {
    pub(super) producer: &'a mut Producer<LaneMemory>,
    pub(super) arena: Option<&'a mut ArenaWriter<Slab>>,
    pub(super) end: &'a mut End,
    pub(super) position: u64,
    pub(super) len: usize,
    pub(super) error: PushError,
}

impl<'a> NoRoom<'a> {
    /// Why.
    pub fn error(&self) -> PushError {
        self.error
    }

    /// Claims room for it in the arena, if it was too long for the ring.
    pub fn far(self) -> Result<FarClaim<'a>, PushError> {
        let Self { producer, arena, end, position, len, error } = self;
        let (Some(arena), PushError::TooLong { .. }) = (arena, error) else { return Err(error) };
        Ok(FarClaim { claim: arena.claim(producer, len)?, end, position })
    }
}

/// A block for one message; as [`Claim`](super::Claim).
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub(crate) struct FarClaim<'a> {
    claim: ArenaClaim<'a, Producer<LaneMemory>, Slab>,
    end: &'a mut End,
    position: u64,
}

impl FarClaim<'_> {
    pub fn len(&self) -> usize {
        self.claim.len()
    }

    pub fn words(&self) -> &[Word] {
        self.claim.words()
    }

    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.claim.write(at, bytes);
    }

    /// # Safety
    /// As [`Claim::as_mut_slice`](super::Claim::as_mut_slice).
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the caller promises it.
        unsafe { self.claim.as_mut_slice() }
    }

    pub fn commit_first(self, len: usize) {
        let Self { claim, end, position } = self;
        if position >= end.stamp_at {
            end.stamp(position);
        }
        end.count(1, len as u64);
        if claim.finish(len, &end.futex) {
            end.woke();
        }
    }
}
