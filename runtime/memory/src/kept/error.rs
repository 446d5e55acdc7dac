//! What can go wrong with memory that survives its processes.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use crate::error::MemoryError;

/// A kept segment cannot be made, opened or used. Nothing that was in it is lost.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeptError {
    /// No named segment can have this name.
    Name {
        /// It, or its beginning.
        name: String,
    },
    /// There is nothing of that name.
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// The name is taken.
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// What has that name is no regular file, or a symbolic link, which is not followed.
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// It is another user's.
    Owner {
        /// Where.
        path: PathBuf,
        /// That user.
        uid: u32,
    },
    /// Others may write it, and so truncate it.
    Writable {
        /// Where.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Its length is not one that is taken; or it was cut off.
    Length {
        /// Where.
        path: PathBuf,
        /// Its length.
        len: u64,
        /// The least that is taken.
        least: u64,
        /// The most that is taken.
        most: u64,
    },
    /// There is no room for it on the disk, or in memory.
    Full {
        /// Where.
        path: PathBuf,
        /// The bytes that it needs.
        len: u64,
        /// The system's answer.
        source: io::Error,
    },
    /// It was removed, or another took its name.
    Replaced {
        /// Where.
        path: PathBuf,
    },
    /// Its mapping failed.
    Memory {
        /// Where.
        path: PathBuf,
        /// How.
        source: MemoryError,
    },
    /// The system refused one step.
    System {
        /// The step, as "cannot ... PATH" goes on.
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl KeptError {
    /// For `map_err`: the step that failed, and where.
    pub(super) fn system<E: Into<io::Error>>(step: &'static str, path: &Path) -> impl FnOnce(E) -> KeptError {
        move |source| {
            let (source, path) = (source.into(), path.to_owned());
            match source.raw_os_error() {
                Some(libc::ENOENT) => KeptError::Missing { path },
                Some(libc::EEXIST) => KeptError::Exists { path },
                Some(libc::ELOOP) => KeptError::NotAFile { path, what: "a symbolic link" },
                _ => KeptError::System { step, path, source },
            }
        }
    }

    pub(super) fn memory(path: &Path, source: MemoryError) -> KeptError {
        KeptError::Memory { path: path.to_owned(), source }
    }
}

impl fmt::Display for KeptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "no named segment can be called {name:?}: use 1 to {} bytes without '/', not beginning with a dot",
                super::MAX_SHARED_NAME
            ),
            Self::Missing { path } => {
                write!(f, "there is no {}; check the path and that its directory exists", path.display())
            }
            Self::Exists { path } => write!(f, "{} exists already; open it or remove it", path.display()),
            Self::NotAFile { path, what } => {
                write!(f, "{} is {what} and no regular file; remove it or use another path", path.display())
            }
            Self::Owner { path, uid } => write!(
                f,
                "{} belongs to user {uid}, and only this user's own is used; remove it or use another path",
                path.display()
            ),
            Self::Writable { path, mode } => write!(
                f,
                "{} may be written, and so cut off, by others (mode {mode:o}); chmod go-w it",
                path.display()
            ),
            Self::Length { path, len, least, most } if least == most => write!(
                f,
                "{} has {len} bytes and should have {least}: it was cut off or is no segment of this kind; \
                 it was left as it is",
                path.display()
            ),
            Self::Length { path, len, least, most } => write!(
                f,
                "{} has {len} bytes, but {least} to {most} are taken: it was cut off or is no segment of this \
                 kind; it was left as it is",
                path.display()
            ),
            Self::Full { path, len, source } => {
                write!(f, "there is no room for {len} bytes of {}: {source}; free some", path.display())
            }
            Self::Replaced { path } => {
                write!(f, "{} was removed or replaced meanwhile; open it again", path.display())
            }
            Self::Memory { path, source } => write!(f, "{}: {source}", path.display()),
            Self::System { step, path, source } => {
                write!(f, "cannot {step} {}: {source}; {}", path.display(), advice(source))
            }
        }
    }
}

/// What to do about the commonest answers.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => "check who may read and write it and its directory",
        Some(libc::EROFS) => "the file system is read-only; use another",
        Some(libc::ENOTDIR) => "a part of the path is no directory",
        Some(libc::EMFILE | libc::ENFILE) => "close descriptors, or raise the limit (ulimit -n)",
        Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOLCK) => {
            "this file system lacks what is needed; use a local one"
        }
        Some(libc::EIO) => "the disk failed; look at the kernel's log",
        _ => "check the path and the kernel's log",
    }
}

/// The message says the cause, so there is no [`source`](Error::source) that would say it again.
impl Error for KeptError {}
