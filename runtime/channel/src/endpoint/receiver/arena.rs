//! Messages that the ring's reader has refused, because they lie in an arena. spec: CHN-7.3

use crate::{
    endpoint::{
        RecvError,
        open_receiver::{Found, OtherFound},
    },
    lane::Refused,
};

#[cold]
pub(super) fn find_far(refused: Refused<'_>) -> Result<Found<'_>, RecvError> {
    Ok(Found::Other(OtherFound::Far(refused.far()?)))
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
