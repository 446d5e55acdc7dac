//! Finds and maps the two regions of a helper process. spec: SES-1.4

use std::{
    env,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    sync::Arc,
};

use adit_abi::{ENV_DEVICE_FD, ENV_HOST_FD, MAX_REGION_SIZE};
use adit_memory::{Access, Region, attach};

use super::{AttachError, DeviceSession};

impl DeviceSession {
    /// Attaches to the regions that a host handed to this process; to be called once.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing or wrong.
    pub fn from_environment() -> Result<Self, AttachError> {
        let (host, device) = regions()?;
        Self::attach(host, device)
    }
}

/// The host's region and the device's own.
fn regions() -> Result<(Arc<Region>, Arc<Region>), AttachError> {
    let (host, device) = (descriptor(ENV_HOST_FD)?, descriptor(ENV_DEVICE_FD)?);
    if host == device {
        let what = format!("{ENV_HOST_FD} and {ENV_DEVICE_FD} are both {host}");
        return Err(AttachError::Environment(what));
    }
    let map = |descriptor, access| {
        Ok::<_, AttachError>(Arc::new(attach(take(descriptor)?, access, MAX_REGION_SIZE as usize)?))
    };
    Ok((map(host, Access::ReadOnly)?, map(device, Access::ReadWrite)?))
}

fn descriptor(variable: &str) -> Result<RawFd, AttachError> {
    let value = env::var(variable).map_err(|_| {
        AttachError::Environment(format!("{variable} is not set; an Adit host starts helpers"))
    })?;
    match value.parse::<RawFd>() {
        Ok(number) if number > 2 => Ok(number),
        _ => Err(AttachError::Environment(format!("{variable} is {value:?}, not a descriptor above 2"))),
    }
}

fn take(descriptor: RawFd) -> Result<OwnedFd, AttachError> {
    // SAFETY: the number is only looked at, not kept: an unused one is an error here.
    let open = unsafe { rustix::fd::BorrowedFd::borrow_raw(descriptor) };
    if rustix::io::fcntl_getfd(open).is_err() {
        return Err(AttachError::Environment(format!("descriptor {descriptor} is not open")));
    }
    // SAFETY: it is open, above the standard streams, and the environment says that it is ours alone;
    // `regions` takes each number once.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
