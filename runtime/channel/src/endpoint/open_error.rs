//! Why a channel was not opened: which one, what is wrong, on which side, and what to do.

use std::{fmt, io, path::PathBuf, time::Duration};

use adit_memory::{KeptError, MemoryError};
use adit_ring::stream::BadCapacity;

use crate::uri::Uri;

/// An end of a channel was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenError {
    /// The channel; for a sender that is told several addresses ([`Builder::also_at`](super::Builder::also_at)) the one at
    /// which this was met.
    pub channel: Uri,
    /// Sender or receiver.
    end: &'static str,
    /// Why.
    pub failure: OpenFailure,
}

impl OpenError {
    /// For `map_err`: that end of that channel.
    pub(super) fn at<F: Into<Failed>>(channel: &Uri, end: &'static str) -> impl FnOnce(F) -> Self {
        move |failed| {
            let Failed { at, failure } = failed.into();
            Self { channel: at.unwrap_or_else(|| channel.clone()), end, failure }
        }
    }
}

/// Why an end was not opened, and at which address, if it was told several.
#[derive(Debug)]
pub(crate) struct Failed {
    pub at: Option<Uri>,
    pub failure: OpenFailure,
}

impl From<OpenFailure> for Failed {
    fn from(failure: OpenFailure) -> Self {
        Self { at: None, failure }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, end, failure } = self;
        write!(f, "cannot open the {end} of {channel}: {failure}")
    }
}

/// The message says the cause, so there is no [`source`](std::error::Error::source) that would say it again.
impl std::error::Error for OpenError {}

/// Why a channel was not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenFailure {
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
    /// No process has the end that listens.
    NobodyListens {
        /// Where one was looked for.
        place: String,
    },
    /// The other side listened, and closed or died before this one had joined.
    Left {
        /// Where it listened.
        place: String,
    },
    /// Whoever listens did not answer.
    NoAnswer {
        /// Where it listens.
        place: String,
        /// So long it was waited for.
        within: Duration,
    },
    /// What listens is no end of a channel.
    NoChannel {
        /// Where it listens.
        place: String,
        /// What it did.
        what: String,
    },
    /// The other side could not make its part of the channel.
    OtherFailed,
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

impl OpenFailure {
    /// For `map_err`: the step that failed.
    pub(crate) fn system<E: Into<io::Error>>(step: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::System { step: step.into(), source: source.into() }
    }

    /// For `map_err`: a region that the other side handed over is not taken.
    pub(crate) fn of_theirs(error: MemoryError) -> Self {
        match error {
            // This side's own trouble.
            MemoryError::ZeroLength | MemoryError::TooLarge { .. } | MemoryError::System { .. } => {
                Self::Memory(error)
            }
            _ => Self::Peer(format!("what it handed over is not taken: {error}")),
        }
    }

    /// Whether this process lacks what it may have later: descriptors, memory.
    pub(crate) fn is_want(&self) -> bool {
        let source = match self {
            Self::Memory(MemoryError::System { source, .. })
            | Self::Kept(
                KeptError::System { source, .. }
                | KeptError::Memory { source: MemoryError::System { source, .. }, .. },
            )
            | Self::System { source, .. } => source,
            _ => return false,
        };
        matches!(source.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
    }

    /// Whether the other end is not there now, and may come.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::NobodyListens { .. } | Self::Left { .. })
    }
}

impl fmt::Display for OpenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity(bad) => write!(f, "{bad}; set Builder::capacity to one of these"),
            Self::Kind(what) => write!(f, "a message kind that cannot be: {what}"),
            Self::Mismatch { what, ours, theirs } => {
                write!(f, "the {what} differs: this side asks for {ours}, the other side has {theirs}; ")?;
                f.write_str(what_to_do(what))
            }
            Self::ReceiverTaken => f.write_str(
                "the channel has a receiver already, and takes one; or, on a network address, something else listens \
                 there, as a sender to many receivers does; close that, or use another name",
            ),
            Self::SendersTaken { most } => {
                write!(
                    f,
                    "the channel has no place for another sender: it takes {most}; or, on a network address where senders \
                     listen, something else does; close one, or use another name"
                )
            }
            Self::ReceiversTaken { most } => {
                write!(
                    f,
                    "the channel has no place for another receiver: it takes {most}; close one, or use another name"
                )
            }
            Self::Unsupported(what) => write!(f, "there is no such channel: {what}"),
            Self::NobodyListens { place } => write!(
                f,
                "nobody listens at {place}: open the other end first, or wait for it with Builder::join_within"
            ),
            Self::Left { place } => write!(
                f,
                "who listened at {place} closed, or died, before this end had joined: open it again, or wait for the \
                 next one with Builder::join_within"
            ),
            Self::NoAnswer { place, within } => write!(
                f,
                "who listens at {place} did not answer within {within:?}: it is stopped, or has no time, or is no end of a \
                 channel; look at that process, or use another name"
            ),
            Self::NoChannel { place, what } => write!(
                f,
                "what listens at {place} is no end of such a channel: {what}; use another name, or end that process"
            ),
            Self::OtherFailed => f.write_str(
                "the other side could not make its part of the channel: it has no memory or no descriptors left, or takes \
                 what this side handed over for wrong; look at that process",
            ),
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
            Self::Peer(what) => {
                write!(f, "the other side breaks the rules: {what}; it is faulty, or not what it says it is")
            }
            Self::Memory(error) => write!(f, "no memory for a channel: {error}"),
            Self::Kept(error) => error.fmt(f),
            Self::Corrupt { path, what } => write!(
                f,
                "{} is no channel, or was damaged: {what}; it was left as it is, remove it or use another name",
                path.display()
            ),
            Self::System { step, source } => write!(f, "cannot {step}: {source}{}", advice(source)),
        }
    }
}

/// What to do about ends that differ in this.
fn what_to_do(what: &str) -> &'static str {
    match what {
        "mode" | "message type" | "capacity" => {
            "give both ends the same mode, message type, arena and capacity, or this one another name"
        }
        "compression" => "choose one that both builds have",
        // Of layouts, segments and wires.
        _ => "build both sides from the same version of Adit",
    }
}

/// What to do about the commonest answers of the system.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => "; close descriptors, or raise the limit (ulimit -n)",
        Some(libc::EACCES | libc::EPERM) => "; check who may do that there",
        Some(libc::EADDRINUSE) => "; something else has that address: use another",
        Some(libc::EADDRNOTAVAIL) => "; no interface of this machine has that address",
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => "; no way leads there from this machine",
        Some(libc::ETIMEDOUT) => "; nothing answers at that address, or something on the way drops it",
        Some(libc::ENOENT | libc::ENOTDIR) => "; make the directory first",
        Some(libc::ENOMEM) => "; free some memory",
        Some(libc::ENODEV) => {
            "; no interface for it is up, or none is at the address that NetworkOptions::interface names"
        }
        _ => "",
    }
}

/// As [`OpenError`].
impl std::error::Error for OpenFailure {}

impl From<MemoryError> for OpenFailure {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

impl From<KeptError> for OpenFailure {
    fn from(error: KeptError) -> Self {
        Self::Kept(error)
    }
}
