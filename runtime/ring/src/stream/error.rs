//! What can go wrong, besides a peer that misbehaves.

use std::fmt;

use super::{MAX_CAPACITY, MIN_CAPACITY};
use crate::Misbehaved;

/// A number of bytes that is no power of two, below [`MIN_CAPACITY`] or above [`MAX_CAPACITY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCapacity(pub usize);

impl fmt::Display for BadCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a stream ring of {} bytes: it must be a power of two from {MIN_CAPACITY} to {MAX_CAPACITY}",
            self.0
        )
    }
}

impl std::error::Error for BadCapacity {}

/// A size that the messages of no ring of this capacity have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSize {
    /// The size asked for.
    pub size: usize,
    /// The largest: a quarter of the ring.
    pub most: usize,
}

impl fmt::Display for BadSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages of {} bytes each: this ring takes 1 to {}", self.size, self.most)
    }
}

impl std::error::Error for BadSize {}

/// No ring is like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FramingError {
    /// Of this capacity.
    Capacity(BadCapacity),
    /// With messages of this size.
    Size(BadSize),
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(bad) => bad.fmt(f),
            Self::Size(bad) => bad.fmt(f),
        }
    }
}

impl std::error::Error for FramingError {}

impl From<BadCapacity> for FramingError {
    fn from(bad: BadCapacity) -> Self {
        Self::Capacity(bad)
    }
}

impl From<BadSize> for FramingError {
    fn from(bad: BadSize) -> Self {
        Self::Size(bad)
    }
}

/// A ring cannot be taken up where it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError {
    /// No ring is like this.
    Framing(FramingError),
    /// The cursors in its memory fit no ring of this size.
    Misbehaved(Misbehaved),
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Framing(error) => error.fmt(f),
            Self::Misbehaved(misbehaved) => misbehaved.fmt(f),
        }
    }
}

impl std::error::Error for ResumeError {}

impl From<FramingError> for ResumeError {
    fn from(error: FramingError) -> Self {
        Self::Framing(error)
    }
}

impl From<Misbehaved> for ResumeError {
    fn from(misbehaved: Misbehaved) -> Self {
        Self::Misbehaved(misbehaved)
    }
}

/// A record was not written; nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushError {
    /// There is no room now: the reader is behind, or lies about where it is.
    Full,
    /// There will never be room.
    TooLong {
        /// The length asked for.
        len: usize,
        /// The longest that this ring takes.
        most: usize,
    },
    /// The ring's messages have another size.
    WrongSize {
        /// The length asked for.
        len: usize,
        /// What each has.
        size: usize,
    },
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full: its reader is behind"),
            Self::TooLong { len, most } => {
                write!(f, "a message of {len} bytes is too long for this ring, which takes {most}")
            }
            Self::WrongSize { len, size } => {
                write!(f, "a message of {len} bytes for a ring of messages of {size}")
            }
        }
    }
}

impl std::error::Error for PushError {}

/// A record was not taken; it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// The record is longer than the buffer for it.
    TooLong {
        /// The record's length.
        len: usize,
    },
    /// There is no record, but what no correct writer leaves.
    Misbehaved(Misbehaved),
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => {
                write!(f, "the next message has {len} bytes, more than the buffer for it")
            }
            Self::Misbehaved(misbehaved) => misbehaved.fmt(f),
        }
    }
}

impl std::error::Error for PopError {}

impl From<Misbehaved> for PopError {
    fn from(misbehaved: Misbehaved) -> Self {
        Self::Misbehaved(misbehaved)
    }
}
