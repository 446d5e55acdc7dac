//! What can be wrong with a session, and whose fault it is.

use std::fmt;

use adit_abi::LAYOUT_VERSION;
use adit_memory::MemoryError;
use adit_ring::Misbehaved;

/// The host could not make or use a session as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// A size out of its range; says which.
    Sizes(String),
    /// No memory for the regions.
    Memory(MemoryError),
    /// A board entry that no device could read; says what is wrong.
    Board(String),
}

/// The device side cannot work with the regions it was given.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// The host region does not begin with the magic: it is something else, or not finished.
    NotASession {
        /// What stands there.
        magic: u64,
    },
    /// The host speaks another version.
    Version {
        /// What the host says it speaks.
        host: u32,
    },
    /// The host header contradicts itself or the memory it stands in; says how.
    Header(String),
    /// The memory cannot be mapped.
    Memory(MemoryError),
    /// The environment does not say where the regions are; says what is missing or wrong.
    Environment(String),
}

/// The device broke the rules of the session: its answers are worth nothing from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// A ring's words make no sense.
    Ring(Misbehaved),
    /// A message of a kind or with a field that no device may send; says what.
    Message(String),
    /// The device's header is wrong; says how.
    Header(String),
    /// The device speaks another version of the layout.
    Version {
        /// What the device says it speaks.
        device: u32,
    },
    /// The device says that it cannot work.
    Refused {
        /// Its state word.
        state: u32,
    },
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sizes(what) => write!(f, "session sizes: {what}"),
            Self::Memory(error) => write!(f, "no memory for a session: {error}"),
            Self::Board(what) => write!(f, "job board entry: {what}"),
        }
    }
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASession { magic } => {
                write!(
                    f,
                    "the host region begins with {magic:#018x}, not with ADITHOST: it is no Adit session"
                )
            }
            Self::Version { host } => write!(
                f,
                "the host speaks session layout {host}, this device {LAYOUT_VERSION}: use a helper built for that version"
            ),
            Self::Header(what) => write!(f, "the host header makes no sense: {what}"),
            Self::Memory(error) => write!(f, "the session's memory: {error}"),
            Self::Environment(what) => write!(f, "not started by an Adit host: {what}"),
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ring(misbehaved) => write!(f, "the device broke its ring: {misbehaved}"),
            Self::Message(what) => write!(f, "the device sent a message that makes no sense: {what}"),
            Self::Header(what) => write!(f, "the device's header makes no sense: {what}"),
            Self::Version { device } => write!(
                f,
                "the device speaks session layout {device}, this host {LAYOUT_VERSION}: use a helper built for this version"
            ),
            Self::Refused { state } => write!(f, "the device refuses to work ({})", refusal(*state)),
        }
    }
}

fn refusal(state: u32) -> String {
    match state {
        adit_abi::DEVICE_VERSION_MISMATCH => "it does not speak the host's layout version".into(),
        adit_abi::DEVICE_BAD_REGION => "the host region makes no sense to it".into(),
        adit_abi::DEVICE_FAILED => "it failed its own test".into(),
        other => format!("state {other}"),
    }
}

impl std::error::Error for SessionError {}
impl std::error::Error for AttachError {}
impl std::error::Error for PeerError {}

impl From<Misbehaved> for PeerError {
    fn from(misbehaved: Misbehaved) -> Self {
        Self::Ring(misbehaved)
    }
}

impl From<MemoryError> for SessionError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}

impl From<MemoryError> for AttachError {
    fn from(error: MemoryError) -> Self {
        Self::Memory(error)
    }
}
