//! Where the sockets of channels live: a directory of this user alone, or one that others may enter who were
//! named.

use std::{
    env,
    fs::{self, DirBuilder, File},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{fs::FlockOperation, io::Errno, net::SocketAddrUnix, process::geteuid};

use super::trust::Trust;
use crate::endpoint::OpenFailure;

/// How the names of socket files end.
pub(crate) const ENDING: &str = ".channel";

/// How long another process may keep a directory's lock, which it holds for moments only.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A channel's socket file, and who may be at the other end.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    path: PathBuf,
    trust: Trust,
}

/// What an end does at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It waits there for the other.
    Listen,
    /// It looks there for the other.
    Join,
}

impl Place {
    /// The place of a channel whose name has been checked; makes the directory if there is none.
    pub fn new(name: &str, directory: Option<&Path>) -> Result<Self, OpenFailure> {
        let directory = directory.map_or_else(default_directory, Path::to_owned);
        let step = || format!("make the directory {}", directory.display());
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(OpenFailure::system(step())(error));
            }
            _ => {}
        }
        // In /tmp anybody could have made it before.
        let found = fs::symlink_metadata(&directory).map_err(OpenFailure::system(step()))?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
            let wrong = std::io::Error::other(
                "it is not a directory that this user alone may enter; name one with Builder::directory that is there for \
                 channels alone (chmod 0700), or that is not there yet",
            );
            return Err(OpenFailure::system(format!("use {}", directory.display()))(wrong));
        }
        Ok(Self::at(name, directory, Trust::default()))
    }

    /// As [`new`](Self::new), where others may be at the other end, too. The directory must be named. Who listens
    /// makes it, if it is not there; then its owner, or root, is who decides about the names in it.
    pub fn with_trust(
        name: &str,
        directory: Option<&Path>,
        trust: Trust,
        role: Role,
    ) -> Result<Self, OpenFailure> {
        if trust.is_private() {
            return Self::new(name, directory);
        }
        let Some(directory) = directory else {
            let wrong = std::io::Error::other("name one with directory(..) that they may enter");
            return Err(OpenFailure::system("let other users into this user's own directory")(wrong));
        };
        let step = || format!("use {}", directory.display());
        if role == Role::Listen {
            make_shared(directory, &trust)?;
        }
        let found = match fs::metadata(directory) {
            // Nobody listens there yet.
            Err(error) if error.kind() == ErrorKind::NotFound && role == Role::Join => {
                return Ok(Self::at(name, directory.to_owned(), trust));
            }
            other => other.map_err(OpenFailure::system(step()))?,
        };
        let (owner, own) = (found.uid(), geteuid().as_raw());
        let trusted = owner == own || owner == 0 || role == Role::Join && trust.users.contains(&owner);
        // Whoever is in a trusted group may own the directory in which it listens.
        let trusted = trusted || role == Role::Join && trust.group.is_some();
        let open = found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0;
        if !found.is_dir() || !trusted || open {
            let wrong = std::io::Error::other(format!(
                "it must be a directory of this user, of root or of one who is permitted, in which nobody else \
                 may rename (its owner is user {owner}, its mode {:o}); name such a one with Builder::directory",
                found.mode() & 0o7777
            ));
            return Err(OpenFailure::system(step())(wrong));
        }
        Ok(Self::at(name, directory.to_owned(), trust))
    }

    fn at(name: &str, directory: PathBuf, trust: Trust) -> Self {
        // The ending keeps `.` and `..`, which are names of channels, from being those of directories.
        Self { path: directory.join(format!("{name}{ENDING}")), directory, trust }
    }

    /// Lets those connect to the socket who may join; who they are is asked again then.
    pub fn open_to_trusted(&self) -> Result<(), OpenFailure> {
        let Trust { users, group } = &self.trust;
        let step = || format!("open {} to those who are permitted", self.path.display());
        if self.trust.is_private() {
            return Ok(());
        }
        if let Some(group) = group {
            std::os::unix::fs::lchown(&self.path, None, Some(*group)).map_err(OpenFailure::system(step()))?;
        }
        let mode = if users.is_empty() { 0o660 } else { 0o666 };
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode)).map_err(OpenFailure::system(step()))
    }

    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The place of one of many receivers; the first is the channel's own. No channel's name has a `+`.
    pub fn numbered(&self, number: usize) -> Self {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match (number, name.strip_suffix(ENDING)) {
            (1.., Some(name)) => {
                let path = self.directory.join(format!("{name}+{number}{ENDING}"));
                Self { path, directory: self.directory.clone(), trust: self.trust.clone() }
            }
            _ => self.clone(),
        }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn address(&self) -> Result<SocketAddrUnix, OpenFailure> {
        let step = || format!("name a socket {}, which has too many bytes", self.path.display());
        SocketAddrUnix::new(&self.path).map_err(|error| OpenFailure::system(step())(error))
    }

    /// Keeps other processes from taking over names, or giving them up, while the file is open.
    pub fn lock(&self) -> Result<File, OpenFailure> {
        let step = || format!("lock the directory {}", self.directory.display());
        lock(&self.directory).map_err(OpenFailure::system(step()))
    }
}

/// A directory's lock, or an error after a while: who holds it may be stopped.
pub(crate) fn lock(directory: &Path) -> std::io::Result<File> {
    let file = File::open(directory)?;
    let began = Instant::now();
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Errno::WOULDBLOCK) => {
                let what = format!("another process has kept it locked for {} s", LOCK_PATIENCE.as_secs());
                return Err(std::io::Error::new(ErrorKind::TimedOut, what));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes a directory that those may enter who are permitted, if there is none.
fn make_shared(directory: &Path, trust: &Trust) -> Result<(), OpenFailure> {
    let step = || format!("make the directory {}", directory.display());
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        other => other.map_err(OpenFailure::system(step()))?,
    }
    share(directory, trust).map_err(|error| {
        // Left as it is, it would keep those out who are permitted, and nobody would change that.
        let _ = fs::remove_dir(directory);
        OpenFailure::system(step())(error)
    })
}

fn share(directory: &Path, trust: &Trust) -> std::io::Result<()> {
    if let Some(group) = trust.group {
        std::os::unix::fs::chown(directory, None, Some(group))?;
    }
    // They may go through it; who is in it is seen by its owner alone.
    let mode = if trust.users.is_empty() { 0o710 } else { 0o711 };
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}

pub(crate) fn default_directory() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(runtime) if runtime.is_absolute() => runtime.join("adit"),
        _ => PathBuf::from(format!("/tmp/adit-{}", geteuid().as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_for_this_user_alone() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        let place = Place::new("..", Some(&inner)).unwrap();
        assert_eq!(place.path(), inner.join("...channel"));
        assert_eq!(fs::metadata(&inner).unwrap().mode() & 0o777, 0o700);
        drop(place.lock().unwrap());
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(Place::new("a", Some(&inner)).unwrap_err().to_string().contains("0700"));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_an_error() {
        let outer = tempfile::tempdir().unwrap();
        let place = Place::new(&"x".repeat(64), Some(&outer.path().join("y".repeat(60)))).unwrap();
        assert!(place.address().unwrap_err().to_string().contains("too many bytes"));
        let missing = outer.path().join("missing/inner");
        assert!(matches!(Place::new("a", Some(&missing)), Err(OpenFailure::System { .. })));
    }
}
