//! Room for a message, wherever it is.

use adit_ring::stream::Word;

#[cfg(doc)]
use super::OnFull;
use crate::{
    broadcast::{BroadcastClaim, FarToAll, RoomForAll},
    lane,
};

/// Room for one message, to be filled in place; dropping it gives the room back, and nobody has seen it.
///
/// The bytes hold whatever was there before.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub struct Claim<'a>(Room<'a>);

#[derive(Debug)]
pub(super) enum Room<'a> {
    /// In a lane's ring.
    Lane(lane::Claim<'a>),
    /// Elsewhere: one kind more, so that a claim in a ring costs one comparison.
    Other(OtherRoom<'a>),
}

#[derive(Debug)]
pub(super) enum OtherRoom<'a> {
    /// In a broadcast's ring.
    Broadcast(BroadcastClaim<'a>),
    /// In a lane's arena.
    Far(lane::FarClaim<'a>),
    /// In a broadcast's arena.
    FarToAll(FarToAll<'a>),
}

impl<'a> From<RoomForAll<'a>> for Room<'a> {
    fn from(room: RoomForAll<'a>) -> Self {
        Self::Other(match room {
            RoomForAll::Ring(claim) => OtherRoom::Broadcast(claim),
            RoomForAll::Arena(claim) => OtherRoom::FarToAll(claim),
        })
    }
}

/// Calls the same on whatever the claim is.
macro_rules! every {
    ($room:expr, $claim:ident => $call:expr) => {
        match $room {
            Room::Lane($claim) => $call,
            Room::Other(OtherRoom::Broadcast($claim)) => $call,
            Room::Other(OtherRoom::Far($claim)) => $call,
            Room::Other(OtherRoom::FarToAll($claim)) => $call,
        }
    };
}

impl<'a> Claim<'a> {
    pub(super) fn new(room: Room<'a>) -> Self {
        Self(room)
    }

    /// Length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        every!(&self.0, claim => claim.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The words to fill; bytes of the last one beyond the length are read by nobody.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        every!(&self.0, claim => claim.words())
    }

    /// Writes `bytes` from byte `at` on.
    ///
    /// # Panics
    /// The claim is too short for them.
    #[inline(always)]
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        every!(&mut self.0, claim => claim.write(at, bytes));
    }

    /// The bytes as a slice, to be filled by whatever wants one (a socket, a decoder); a long one best in
    /// [pieces](super::pieces_mut).
    ///
    /// # Safety
    /// Nobody else accesses the memory where this claim stands while the slice lives: no other process can write
    /// to it, and a correct reader never looks at what is not published.
    ///
    /// # Panics
    /// The channel is a broadcast that overwrites ([`OnFull::OverwriteOldest`], [`OnFull::Latest`]): there
    /// receivers may look at any time, and throw away what they saw.
    #[inline(always)]
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            // SAFETY: the caller promises it.
            Room::Lane(claim) => unsafe { claim.as_mut_slice() },
            // SAFETY: the caller promises it.
            Room::Other(OtherRoom::Broadcast(claim)) => unsafe { claim.as_mut_slice() }
                .expect("a claim of a broadcast that overwrites is filled with `write`"),
            // SAFETY: the caller promises it.
            Room::Other(OtherRoom::Far(claim)) => unsafe { claim.as_mut_slice() },
            // SAFETY: the caller promises it.
            Room::Other(OtherRoom::FarToAll(claim)) => unsafe { claim.as_mut_slice() },
        }
    }

    /// Sends the message.
    #[inline(always)]
    pub fn commit(self) {
        match self.0 {
            Room::Lane(claim) => claim.commit(),
            Room::Other(_) => {
                let len = self.len();
                self.commit_first(len);
            }
        }
    }

    /// Sends the first `len` bytes; the rest is given back.
    ///
    /// # Panics
    /// The claim is shorter, or the channel's messages have a fixed size and this is not it.
    #[inline(always)]
    pub fn commit_first(self, len: usize) {
        every!(self.0, claim => claim.commit_first(len));
    }

    /// Gives the room back, as dropping does.
    pub fn abort(self) {}
}
