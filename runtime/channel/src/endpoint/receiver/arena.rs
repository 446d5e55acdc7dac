//! Messages that the ring's reader has refused, because they lie in an arena. spec: CHN-7.3
//!
//! They are long, so what leads to one may take a branch more: that of a message in a ring takes none.

use crate::{
    broadcast::FarFromAll,
    endpoint::{
        Bytes, RecvError,
        open_receiver::{Found, OtherFound},
    },
    lane::{FarMessage, Refused},
};

/// A message in an arena, read where it is.
#[derive(Debug)]
pub(crate) enum FarFound<'a> {
    /// In a lane's.
    InLane(FarMessage<'a>),
    /// In a broadcast's.
    FromAll(FarFromAll<'a>),
}

impl FarFound<'_> {
    #[cold]
    pub fn bytes(&self) -> Bytes<'_> {
        match self {
            Self::InLane(message) => message.bytes(),
            Self::FromAll(message) => message.bytes(),
        }
    }

    #[cold]
    pub fn position(&self) -> u64 {
        match self {
            Self::InLane(message) => message.position(),
            Self::FromAll(message) => message.position(),
        }
    }

    #[cold]
    pub fn keep(self) {
        match self {
            Self::InLane(message) => message.keep(),
            Self::FromAll(message) => message.keep(),
        }
    }
}

#[cold]
pub(super) fn find_far(refused: Refused<'_>) -> Result<Found<'_>, RecvError> {
    Ok(Found::Other(OtherFound::Far(FarFound::InLane(refused.far()?))))
}

#[cold]
pub(super) fn copy_far(refused: Refused<'_>, into: &mut [u8]) -> Result<usize, RecvError> {
    let message = refused.far()?;
    let len = message.bytes().len();
    let Some(into) = into.get_mut(..len) else {
        message.keep();
        return Err(RecvError::TooLong { len });
    };
    message.bytes().copy_to(0, into);
    Ok(len)
}
