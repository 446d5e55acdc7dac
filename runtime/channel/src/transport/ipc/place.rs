//! Where the sockets of channels live: a directory of this user alone.

use std::{
    env,
    fs::{self, DirBuilder, File},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::{fs::FlockOperation, net::SocketAddrUnix, process::geteuid};

use crate::endpoint::OpenError;

/// How the names of socket files end.
pub(crate) const ENDING: &str = ".channel";

/// A channel's socket file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    directory: PathBuf,
    path: PathBuf,
}

impl Place {
    /// The place of a channel whose name has been checked; makes the directory if there is none.
    pub fn new(name: &str, directory: Option<&Path>) -> Result<Self, OpenError> {
        let directory = directory.map_or_else(default_directory, Path::to_owned);
        let step = || format!("make the directory {}", directory.display());
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(OpenError::system(step())(error));
            }
            _ => {}
        }
        // In /tmp anybody could have made it before.
        let found = fs::symlink_metadata(&directory).map_err(OpenError::system(step()))?;
        if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o077 != 0 {
            let wrong = std::io::Error::other("it is not a directory that this user alone may enter (0700)");
            return Err(OpenError::system(format!("use {}", directory.display()))(wrong));
        }
        // The ending keeps `.` and `..`, which are names of channels, from being those of directories.
        Ok(Self { path: directory.join(format!("{name}{ENDING}")), directory })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn address(&self) -> Result<SocketAddrUnix, OpenError> {
        let step = || format!("name a socket {}, which has too many bytes", self.path.display());
        SocketAddrUnix::new(&self.path).map_err(|error| OpenError::system(step())(error))
    }

    /// Keeps other processes from taking over names, or giving them up, while the file is open.
    pub fn lock(&self) -> Result<File, OpenError> {
        let step = || format!("lock the directory {}", self.directory.display());
        let directory = File::open(&self.directory).map_err(OpenError::system(step()))?;
        rustix::fs::flock(&directory, FlockOperation::LockExclusive).map_err(OpenError::system(step()))?;
        Ok(directory)
    }
}

pub(crate) fn default_directory() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(runtime) if runtime.is_absolute() => runtime.join("adit"),
        _ => PathBuf::from(format!("/tmp/adit-{}", geteuid().as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

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
        assert!(matches!(Place::new("a", Some(&missing)), Err(OpenError::System { .. })));
    }
}
