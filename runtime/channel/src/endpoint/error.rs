//! What can go wrong, one enum for an operation.

use std::{fmt, io, path::PathBuf};

use adit_memory::{KeptError, MemoryError};
use adit_ring::{Misbehaved, stream::BadCapacity};

use crate::{lane::DisconnectCause, transport::net::BadFrame};

/// A channel was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// No ring has this capacity.
    Capacity(BadCapacity),
    /// The message kind makes no sense; says why.
    Kind(String),
    /// The other side opened the channel differently.
    Mismatch {
        /// What differs.
        what: &'static str,
        /// What this side asked for.
        ours: String,
        /// What the other side has.
        theirs: String,
    },
    /// There is a receiver already; a channel has one.
    ReceiverTaken,
    /// There are as many senders as the channel takes.
    SendersTaken {
        /// So many.
        most: usize,
    },
    /// There are as many receivers as the channel takes.
    ReceiversTaken {
        /// So many.
        most: usize,
    },
    /// The mode, the transport and what is to be done when the channel is full do not go together; says why.
    Unsupported(&'static str),
    /// No process receives on this channel.
    NobodyListens {
        /// Where one was looked for.
        place: String,
    },
    /// The process at the other end belongs to a user whom this side does not permit.
    NotPermitted {
        /// That user.
        uid: u32,
        /// Whom this side permits.
        permitted: String,
    },
    /// The process that receives does not permit this user, or this user may not enter where it listens.
    Refused {
        /// This user.
        uid: u32,
        /// Who refuses.
        by: String,
    },
    /// The other side did not do what a correct one does; says what.
    Peer(String),
    /// No memory for the lane.
    Memory(MemoryError),
    /// The segment of a channel that survives its processes cannot be had.
    Kept(KeptError),
    /// What should be such a channel is none, or was damaged. It was left as it is.
    Corrupt {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The system refused one step.
    System {
        /// The step, as "cannot ..." goes on.
        step: String,
        /// Its answer.
        source: io::Error,
    },
}

impl OpenError {
    /// For `map_err`: the step that failed.
    pub(crate) fn system<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::System { step: step.into(), source: source.into() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(bad) => bad.fmt(f),
            Self::Kind(what) => write!(f, "a message kind that cannot be: {what}"),
            Self::Mismatch { what, ours, theirs } => {
                write!(f, "the {what} differs: this side asks for {ours}, the other side has {theirs}")
            }
            Self::ReceiverTaken => f.write_str(
                "the channel has a receiver already, and takes one; or, on a network address, something else listens \
                 there, as a sender to many receivers does",
            ),
            Self::SendersTaken { most } => {
                write!(
                    f,
                    "the channel has no place for another sender: it takes {most}; or, on a network address where senders \
                     listen, something else does"
                )
            }
            Self::ReceiversTaken { most } => {
                write!(f, "the channel has no place for another receiver: it takes {most}")
            }
            Self::Unsupported(what) => write!(f, "there is no such channel: {what}"),
            Self::NobodyListens { place } => write!(f, "nobody listens at {place}"),
            Self::NotPermitted { uid, permitted } => write!(
                f,
                "the process at the other end belongs to user {uid}, and this side permits {permitted}: \
                 say allow_users or allow_group here if that is meant"
            ),
            Self::Refused { uid, by } => write!(
                f,
                "{by} does not permit user {uid}, who asks: say allow_users or allow_group there if that is \
                 meant"
            ),
            Self::Peer(what) => write!(f, "the other side breaks the rules: {what}"),
            Self::Memory(error) => write!(f, "no memory for a channel: {error}"),
            Self::Kept(error) => error.fmt(f),
            Self::Corrupt { path, what } => write!(
                f,
                "{} is no channel, or was damaged: {what}; it was left as it is, remove it or use another name",
                path.display()
            ),
            Self::System { step, source } => write!(f, "cannot {step}: {source}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Memory(error) => Some(error),
            Self::Kept(error) => Some(error),
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<MemoryError> for OpenError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

impl From<KeptError> for OpenError {
    fn from(error: KeptError) -> Self {
        Self::Kept(error)
    }
}

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
