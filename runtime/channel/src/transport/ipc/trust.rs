//! Who may be at the other end: this user, and whom the program names.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, AsRawFd as _},
};

use rustix::process::geteuid;

use crate::{endpoint::OpenFailure, transport::Credentials};

/// A process has at most so many groups (`NGROUPS_MAX`).
const MAX_GROUPS: usize = 65_536;

/// Users and a group besides this user itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    pub users: BTreeSet<u32>,
    pub group: Option<u32>,
}

/// A process at the other end of a socket, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub pid: u32,
    pub uid: u32,
}

impl Peer {
    pub fn of(socket: impl AsFd) -> Result<(Self, u32), OpenFailure> {
        let found = Credentials::of(socket).map_err(OpenFailure::system("ask who is at the other end"))?;
        let Credentials { pid, uid, gid } = found;
        Ok((Self { pid, uid }, gid))
    }

    /// Whether it is this process' own user.
    pub fn is_own(&self) -> bool {
        self.uid == geteuid().as_raw()
    }
}

impl Trust {
    /// Nobody but this user.
    pub fn is_private(&self) -> bool {
        self.users.is_empty() && self.group.is_none()
    }

    /// Who is at the other end, if it may be.
    pub fn check(&self, socket: impl AsFd) -> Result<Peer, OpenFailure> {
        let (peer, gid) = Peer::of(&socket)?;
        let permitted = peer.is_own()
            || self.users.contains(&peer.uid)
            || self.group.is_some_and(|group| gid == group || groups(&socket).contains(&group));
        if permitted {
            Ok(peer)
        } else {
            Err(OpenFailure::NotPermitted { uid: peer.uid, permitted: self.to_string() })
        }
    }
}

impl std::fmt::Display for Trust {
    /// `user 1000, user 1001 and group 44`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = geteuid().as_raw();
        write!(f, "user {own}")?;
        for user in self.users.iter().filter(|user| **user != own) {
            write!(f, ", user {user}")?;
        }
        self.group.map_or(Ok(()), |group| write!(f, ", group {group}"))
    }
}

/// The groups of the process at the other end, besides its first; none where the kernel does not tell.
fn groups(socket: impl AsFd) -> Vec<u32> {
    let mut groups = vec![0_u32; 64];
    loop {
        let mut len = libc::socklen_t::try_from(groups.len() * size_of::<u32>()).unwrap_or(0);
        // SAFETY: the pointer and the length are those of a live buffer of plain integers, which the kernel
        // fills and does not keep.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        let count = len as usize / size_of::<u32>();
        if result == 0 {
            groups.truncate(count);
            return groups;
        }
        let too_short = std::io::Error::last_os_error().raw_os_error() == Some(libc::ERANGE);
        if !too_short || count <= groups.len() || count > MAX_GROUPS {
            return Vec::new();
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn this_user_is_always_trusted_and_the_list_is_said() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let own = geteuid().as_raw();
        let trust = Trust { users: [own, 70_001].into(), group: Some(70_002) };
        let peer = trust.check(&socket).unwrap();
        assert_eq!((peer.pid, peer.uid), (std::process::id(), own));
        assert!(Trust::default().check(&socket).is_ok() && Trust::default().is_private());
        assert_eq!(trust.to_string(), format!("user {own}, user 70001, group 70002"));
        let own_groups: Vec<u32> =
            rustix::process::getgroups().unwrap().into_iter().map(rustix::process::Gid::as_raw).collect();
        assert_eq!(groups(&socket), own_groups);
    }
}
