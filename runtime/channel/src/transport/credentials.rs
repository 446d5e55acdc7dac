//! Who is at the other end of a Unix socket, as the kernel says.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd as _},
};

/// A process at the other end of a socket, when it connected or listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// 0: it is in another namespace, where this process cannot name it. (rustix takes a pid for one that is never 0.)
    pub pid: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Credentials {
    /// Asks the kernel (`SO_PEERCRED`).
    pub fn of(socket: impl AsFd) -> io::Result<Self> {
        let mut found = MaybeUninit::<libc::ucred>::zeroed();
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the pointer and the length are those of a live struct of plain integers, which the kernel fills and does
        // not keep.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                found.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: three integers, of which any bits are values; what the kernel did not write is 0.
        let libc::ucred { pid, uid, gid } = unsafe { found.assume_init() };
        Ok(Self { pid: pid.unsigned_abs(), uid, gid })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_to_this_process_names_it() {
        let (one, _other) = UnixStream::pair().unwrap();
        let found = Credentials::of(&one).unwrap();
        let user = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert_eq!((found.pid, found.uid, found.gid), (std::process::id(), user.0, user.1));
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Credentials::of(&file).unwrap_err().raw_os_error(), Some(libc::ENOTSOCK));
    }
}
