//! What can go wrong at joining.

use std::fmt;

use super::MAX_READERS;

/// A reader was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// There is no such slot.
    NoSlot {
        /// What was asked for; 0 to [`MAX_READERS`] - 1 exist.
        slot: usize,
    },
    /// Another reader has it.
    Taken {
        /// The slot.
        slot: usize,
    },
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlot { slot } => {
                write!(f, "there is no slot {slot}: a broadcast ring has {MAX_READERS}, counted from 0")
            }
            Self::Taken { slot } => write!(f, "slot {slot} belongs to another reader"),
        }
    }
}

impl std::error::Error for JoinError {}
