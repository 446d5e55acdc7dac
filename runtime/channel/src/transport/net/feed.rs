//! What a connection carries: the messages of a lane of its own, or all of a broadcast.

use super::frame::{Frame, HEADER};
use crate::{
    broadcast::{Piece, Tap},
    lane::{Drain, Run},
};

/// Bytes before a frame's body at most: that some are missing, and its own header.
pub(super) const HEADS: usize = 2 * HEADER;

/// The reading end of a ring, in a connection's hands.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the larger is the one that every sender to one receiver has")]
pub(super) enum Feed {
    /// What is taken stands in the ring until it is done with.
    Lane(Drain, Option<Run>),
    /// What is taken is a copy.
    Tap(Box<Tap>),
}

impl Feed {
    /// Takes the next messages, of `most` bytes together, or one of any length.
    pub fn take(&mut self, most: u64) -> Option<Piece> {
        match self {
            Self::Lane(drain, taken) => {
                *taken = drain.run(most);
                taken.map(|run| Piece { lost: 0, messages: run.messages() })
            }
            Self::Tap(tap) => tap.take(most),
        }
    }

    /// The records that were taken last; they stay where they are until they are done with.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Lane(drain, taken) => taken.map_or(&[], |run| drain.bytes(run)),
            Self::Tap(tap) => tap.bytes(),
        }
    }

    /// Nobody needs any more what was taken last.
    pub fn done(&mut self) {
        if let Self::Lane(drain, taken) = self
            && let Some(run) = taken.take()
        {
            drain.consume(run);
        }
    }

    /// What is published now is seen to later: [`arm`](Self::arm) counts from there.
    pub fn look(&mut self) {
        if let Self::Lane(drain, _) = self {
            drain.look();
        }
    }

    /// Has the sender call its pump when more than `more` bytes are published beyond what was found last.
    pub fn arm(&self, more: u64) {
        match self {
            Self::Lane(drain, _) => drain.arm(more),
            Self::Tap(tap) => tap.arm(more),
        }
    }

    /// Whether the pump's call, which may be for many, is for this one.
    pub fn is_called(&self) -> bool {
        match self {
            Self::Lane(..) => true,
            Self::Tap(tap) => tap.is_called(),
        }
    }

    /// Whether the sender, if it has published since the last look, will call its pump.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Lane(drain, _) => drain.is_settled(),
            Self::Tap(tap) => tap.is_settled(),
        }
    }

    /// The other side was closed.
    pub fn close(&self) {
        match self {
            Self::Lane(drain, _) => drain.close(),
            Self::Tap(tap) => tap.close(),
        }
    }

    /// The other side is gone; its link says so.
    pub fn gone(&self) {
        if let Self::Tap(tap) = self {
            tap.gone();
        }
    }
}

/// What stands before a frame's body, and how long it is.
///
/// spec: NET-3.5
pub(super) fn heads(lost: u64, frame: Frame) -> ([u8; HEADS], usize) {
    let mut heads = [0; HEADS];
    let mut len = 0;
    let gap = (lost > 0).then_some(Frame::Gap { lost });
    for frame in gap.into_iter().chain([frame]) {
        heads[len..len + HEADER].copy_from_slice(&frame.to_bytes());
        len += HEADER;
    }
    (heads, len)
}
