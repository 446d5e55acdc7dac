//! What processes left behind that died, and its removal.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::sockets;
use crate::transport::ipc::{
    self,
    inspect::{Knock, knock},
};

/// A kind of thing that may be left behind.
struct Kind {
    /// What it is called.
    what: &'static str,
    /// Finds those in a directory that nobody uses any more.
    find: fn(&Path) -> io::Result<Vec<PathBuf>>,
}

/// Every kind there is. A new kind of memory that outlives its processes is one line here.
const KINDS: &[Kind] = &[Kind { what: "socket", find: dead_sockets }];

/// Something that a process left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is: `socket`.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
}

/// What processes that died left in `directory`.
///
/// # Errors
/// The directory cannot be read.
pub fn leftovers(directory: &Path) -> io::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for kind in KINDS {
        found.extend((kind.find)(directory)?.into_iter().map(|path| Leftover { what: kind.what, path }));
    }
    Ok(found)
}

/// Removes what processes that died left in `directory`, and says what it was.
///
/// Nothing that lives is touched: names are taken and given up under the directory's lock, and so is this.
///
/// # Errors
/// The directory cannot be read or locked, or something in it cannot be removed.
pub fn clean(directory: &Path) -> io::Result<Vec<Leftover>> {
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let _lock = ipc::lock(directory)?;
    let (mut removed, mut failed) = (Vec::new(), None);
    for leftover in leftovers(directory)? {
        match fs::remove_file(&leftover.path) {
            // The others all the same.
            Err(error) if error.kind() != io::ErrorKind::NotFound => failed = failed.or(Some(error)),
            _ => removed.push(leftover),
        }
    }
    failed.filter(|_| removed.is_empty()).map_or(Ok(removed), Err)
}

/// Sockets on which nobody listens.
fn dead_sockets(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let found = sockets(directory)?.into_iter().map(|(_, path)| path);
    Ok(found.filter(|path| matches!(knock(path), Ok(Knock::Dead))).collect())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, time::Duration};

    use super::*;
    use crate::{Channel, inspect::look};

    const PATIENCE: Duration = Duration::from_secs(5);

    #[test]
    fn only_what_nobody_uses_is_removed() {
        let outer = tempfile::tempdir().unwrap();
        let directory = outer.path().join("adit");
        assert_eq!(clean(&directory).unwrap(), []);
        let receiver = Channel::builder("ipc://alive").unwrap().directory(&directory).receiver().unwrap();
        // As a killed receiver leaves it.
        drop(UnixListener::bind(directory.join("dead.channel")).unwrap());
        fs::write(directory.join("notes.txt"), "mine").unwrap();
        fs::write(directory.join("file.channel"), "no socket").unwrap();
        let dead = Leftover { what: "socket", path: directory.join("dead.channel") };
        let dead = [dead];
        assert_eq!(leftovers(&directory).unwrap(), dead);
        assert_eq!(clean(&directory).unwrap(), dead);
        assert_eq!(clean(&directory).unwrap(), []);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        assert!(look(&directory, PATIENCE).unwrap()[0].state.is_ok());
        drop(receiver);
        assert!(look(&directory, PATIENCE).unwrap().is_empty());
    }

    #[test]
    fn a_lock_that_is_kept_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let _kept = ipc::lock(directory.path()).unwrap();
        assert_eq!(clean(directory.path()).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
