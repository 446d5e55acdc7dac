//! What can go wrong with messages, one enum for an operation.

use std::fmt;

use adit_ring::Misbehaved;

use crate::{lane::DisconnectCause, transport::net::BadFrame};

/// A message was not sent; nothing of it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There is no room now: the receiver is behind.
    Full,
    /// There was no room in the time given.
    TimedOut,
    /// There will never be room: send less, or make the channel larger.
    TooLong {
        /// The message's length.
        len: usize,
        /// The longest that the channel takes.
        most: usize,
    },
    /// The channel's messages have another size.
    WrongSize {
        /// The message's length.
        len: usize,
        /// What each has.
        size: usize,
    },
    /// Nobody will receive it.
    Disconnected {
        /// Why.
        cause: DisconnectCause,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the channel is full: its receiver is behind"),
            Self::TimedOut => f.write_str("the channel stayed full for the time given"),
            Self::TooLong { len, most } => {
                write!(f, "a message of {len} bytes is too long for this channel, which takes {most}")
            }
            Self::WrongSize { len, size } => {
                write!(f, "a message of {len} bytes for a channel of messages of {size}")
            }
            Self::Disconnected { cause } => write!(f, "disconnected: {cause}"),
        }
    }
}

impl std::error::Error for SendError {}

/// A batch was not sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// So many were sent before.
    pub sent: usize,
    /// Why the next one was not.
    pub error: SendError,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} messages of a batch: {}", self.sent, self.error)
    }
}

impl std::error::Error for BatchError {}

/// No message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// The next message is longer than the buffer for it; it is still there.
    TooLong {
        /// The message's length.
        len: usize,
    },
    /// Every sender that ever joined is gone, and all that they sent was received. A later sender makes the
    /// channel work again.
    Disconnected {
        /// Why the last of them is gone.
        cause: DisconnectCause,
    },
    /// A sender sent a message of a size that the channel does not have. Its lane is retired.
    WrongSize {
        /// The message's length.
        len: usize,
        /// What each has.
        size: usize,
    },
    /// A sender wrote what no correct one writes. Its lane is retired.
    Misbehaved(Misbehaved),
    /// A sender on a network sent what no correct one sends. Its connection is closed.
    BadFrame(BadFrame),
}

impl RecvError {
    /// Whether this is the good end: all senders closed.
    pub(super) fn is_closed(&self) -> bool {
        *self == Self::Disconnected { cause: DisconnectCause::Closed }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => {
                write!(f, "the next message has {len} bytes, more than the buffer for it")
            }
            Self::Disconnected { cause } => write!(f, "disconnected: {cause}"),
            Self::WrongSize { len, size } => {
                write!(f, "a sender sent {len} bytes on a channel of messages of {size}")
            }
            Self::Misbehaved(misbehaved) => write!(f, "a sender broke the rules: {misbehaved}"),
            Self::BadFrame(bad) => write!(f, "a sender broke the rules: {bad}"),
        }
    }
}

impl std::error::Error for RecvError {}

impl From<Misbehaved> for RecvError {
    fn from(misbehaved: Misbehaved) -> Self {
        Self::Misbehaved(misbehaved)
    }
}
