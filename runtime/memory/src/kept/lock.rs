//! Locks that the kernel takes back when their holder dies.
//!
//! One byte for each part, locked by the open file (`F_OFD_SETLK`): unlike `flock` a file has many of them, and
//! unlike the older byte locks they belong to an opening and not to a process, so that two ends in one process
//! exclude each other too. The byte need not exist. Nothing ever waits for a lock.

use std::{fs::File, io, os::fd::AsRawFd as _, sync::Arc};

use super::{Kept, KeptError};

/// How many locks a segment has.
pub const MAX_PARTS: u32 = 1024;

/// A lock of a [`Kept`] segment; given back when dropped, or when the process dies.
#[derive(Debug)]
#[must_use = "a lock that is dropped is given back"]
pub struct KeptLock {
    kept: Arc<Kept>,
    part: u32,
}

impl KeptLock {
    pub(super) fn take(kept: &Arc<Kept>, part: u32) -> Result<Option<KeptLock>, KeptError> {
        match set(kept.file(), part, libc::F_WRLCK) {
            Ok(()) => Ok(Some(KeptLock { kept: Arc::clone(kept), part })),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(None),
            Err(error) => Err(KeptError::system("lock", kept.home().path())(error)),
        }
    }

    /// The segment that it is of.
    #[must_use]
    pub fn kept(&self) -> &Arc<Kept> {
        &self.kept
    }
}

impl Drop for KeptLock {
    fn drop(&mut self) {
        // It can only fail for locks that cannot be; and then the kernel takes it back with the last descriptor.
        let _ = set(self.kept.file(), self.part, libc::F_UNLCK);
    }
}

/// Whether another opening of the file has the lock.
pub(super) fn is_locked(file: &File, part: u32) -> io::Result<bool> {
    let mut wanted = description(part, libc::F_WRLCK);
    // SAFETY: the descriptor is open, and the kernel reads and writes one `flock` through a pointer that is
    // valid for the whole call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut wanted) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(i32::from(wanted.l_type) != libc::F_UNLCK)
}

fn set(file: &File, part: u32, kind: i32) -> io::Result<()> {
    let wanted = description(part, kind);
    // SAFETY: the descriptor is open, and the kernel reads one `flock` through a pointer that is valid for the
    // whole call.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const wanted) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// # Panics
/// There is no such part.
fn description(part: u32, kind: i32) -> libc::flock {
    assert!(part < MAX_PARTS, "part {part} of {MAX_PARTS}");
    // SAFETY: a plain C struct of integers, for which all zeros is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = libc::off_t::from(part);
    lock.l_len = 1;
    lock
}
