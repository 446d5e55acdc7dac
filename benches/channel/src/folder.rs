//! Folders of a run: removed with it, and those of runs that were killed by the next.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    process::geteuid,
};
use tempfile::TempDir;

/// What their names begin with.
const PREFIX: &str = "adit-bench-";

/// One that is younger may not be locked yet.
const SETTLED: Duration = Duration::from_secs(60);

/// A file in each of them: what only has such a name is somebody's own.
const MARK: &str = ".adit-bench-run";

/// What the rings of kept channels are named.
const RING: &str = "ring";

/// A folder that is locked for as long as its run lives.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// Where temporary files are.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// Where `shm://` has its files; where that is not there, as [`new`](Self::new).
    ///
    /// # Errors
    /// The system's.
    pub fn in_memory() -> io::Result<Self> {
        Self::within(Path::new("/dev/shm")).or_else(|_| Self::new())
    }

    fn within(parent: &Path) -> io::Result<Self> {
        remove_left_behind(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::open(folder.path())?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        File::create_new(folder.path().join(MARK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Removes the rings of channels that nobody uses any more.
    pub fn remove_rings(&self) {
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            // `NAME.ring`, and `NAME.ring.0` of each lane.
            let path = entry.path();
            let stem = path.file_stem().map(Path::new).and_then(Path::extension);
            if [path.extension(), stem].contains(&Some(OsStr::new(RING))) {
                // What cannot be removed goes with the folder.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// Removes the folders of runs that were killed.
fn remove_left_behind(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let mark = fs::symlink_metadata(entry.path().join(MARK));
        let is_mine = mark.is_ok_and(|mark| mark.is_file() && mark.uid() == geteuid().as_raw());
        let is_ours = is_mine && entry.file_name().to_string_lossy().starts_with(PREFIX);
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        if is_ours
            && age.is_some_and(|age| age > SETTLED)
            && let Ok(folder) = File::open(entry.path())
            && flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn folders_of_runs_that_live_stay_and_others_go() {
        let house = tempfile::tempdir().unwrap();
        let living = Folder::within(house.path()).unwrap();
        let killed = house.path().join(format!("{PREFIX}killed"));
        let young = house.path().join(format!("{PREFIX}young"));
        // Somebody's own.
        let results = house.path().join(format!("{PREFIX}results"));
        for folder in [&killed, &young, &results] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("file"), b"left").unwrap();
        }
        for folder in [&killed, &young] {
            fs::write(folder.join(MARK), b"").unwrap();
        }
        for folder in [&living.path(), &killed, &results] {
            let long_ago = SystemTime::now() - 2 * SETTLED;
            File::open(folder).unwrap().set_modified(long_ago).unwrap();
        }
        drop(Folder::within(house.path()).unwrap());
        assert!(living.path().is_dir() && young.is_dir() && results.is_dir() && !killed.exists());
    }

    #[test]
    fn rings_are_removed_and_nothing_else_is() {
        let house = tempfile::tempdir().unwrap();
        let folder = Folder::within(house.path()).unwrap();
        for name in ["a.ring", "a.ring.0", "a.ring.12", "b.sock"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        folder.remove_rings();
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.len() == 2 && left.iter().any(|name| name == "b.sock"), "{left:?}");
    }
}
