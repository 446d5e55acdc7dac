//! What became of an end's options.

use std::fmt;

use crate::codec::Compression;

/// Through what an end sends or receives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DriverUsed {
    /// Plain calls, and io_uring for what is better left to it, as long as it can be had.
    IoUring,
    /// Plain sockets, for this reason.
    Sockets(String),
}

impl From<Result<(), String>> for DriverUsed {
    fn from(chosen: Result<(), String>) -> Self {
        chosen.map_or_else(Self::Sockets, |()| Self::IoUring)
    }
}

impl fmt::Display for DriverUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IoUring => f.write_str("plain calls and io_uring"),
            Self::Sockets(why) => write!(f, "plain sockets ({why})"),
        }
    }
}

/// What an end on a network found when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkReport {
    /// Through what it sends or receives.
    pub driver: DriverUsed,
    /// A receiver's: where it listens, as a URI, with the port that the system chose if 0 was asked for. A
    /// sender's: the other side.
    pub address: String,
    /// How this sender compresses.
    pub compression: Compression,
    /// Options that this system does not have, each with its answer.
    pub notes: Vec<String>,
}

impl NetworkReport {
    pub(crate) fn new(driver: DriverUsed, address: String, compression: Compression) -> Self {
        Self { driver, address, compression, notes: Vec::new() }
    }
}

impl fmt::Display for NetworkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} through {}, compression {}", self.address, self.driver, self.compression)?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}
