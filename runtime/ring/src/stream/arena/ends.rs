//! What an arena needs of the ring beside it, be that a stream's or a broadcast's. Nobody else has such ends: the
//! traits are not to be named from outside.

use crate::{Misbehaved, park::Park, stream::PushError};

/// A ring's writing end.
pub trait Writing {
    /// Position of the next record.
    fn tail(&self) -> u64;

    /// What all readers have read, by the last look at their heads.
    fn known_head(&self) -> u64;

    /// Looks at the readers' heads.
    fn look(&mut self);

    /// Makes what stands before `head` free, if that can be had: publishes what is committed, since readers free nothing
    /// that they cannot see, and looks at their heads; or takes it from them, where the ring is overwritten.
    fn make_free(&mut self, head: u64);

    /// Whether readers may look at what is free, and throw away what they saw.
    fn is_overwritten(&self) -> bool;

    /// Where a descriptor has room.
    ///
    /// # Errors
    /// [`PushError::Full`].
    fn reserve_descriptor(&mut self) -> Result<u64, PushError>;

    /// The lowest head with which there is room for a descriptor.
    fn enough_for_descriptor(&self) -> u64;

    /// Makes a descriptor part of the stream, where it was found to have room, and publishes it; returns the position
    /// after it.
    fn commit_descriptor(&mut self, start: u64, offset: u64, length: u64) -> u64;

    /// Wakes who sleeps for what was published; returns whether it did.
    fn wake_readers(&mut self, park: &impl Park) -> bool;
}

/// A ring's reading end.
pub trait Reading {
    /// Position of the next record.
    fn head(&self) -> u64;

    /// Offset and length that the descriptor at the head has, which was `refused` as a message; each is read once
    /// and nothing of them is checked.
    ///
    /// # Errors
    /// [`Misbehaved`]: it is none.
    fn descriptor(&self, refused: Misbehaved) -> Result<(u64, u64), Misbehaved>;

    /// Consumes the descriptor at the head. The writer hears of it at once: what it describes is large.
    fn consume_descriptor(&mut self);

    /// Wakes the writer if it sleeps for room that was given back; returns whether it did.
    fn wake_writer(&mut self, park: &impl Park) -> bool;
}
