//! Files: made whole or not at all, and checked before they are trusted.

use std::{
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::{
    fs::{
        AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags, flock, linkat, openat,
        renameat_with,
    },
    io::Errno,
    process::geteuid,
};

use super::{KeptError, directory_of};
use crate::reserve::reserve;

/// Of a new file: its user's alone.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// What the names of drafts end with.
const ENDING: &str = ".new";

/// What `st_blocks` counts in.
const BLOCK: u64 = 512;

/// A file that nobody can find yet; gone when it is dropped unpublished, or when its maker dies.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    /// The name that it has for now, on file systems that know no files without one.
    passing: Option<PathBuf>,
}

impl Draft {
    pub fn new(path: &Path) -> Result<Draft, KeptError> {
        let directory = directory_of(path);
        // Asked before the bytes are reserved; decided when the name is given.
        if path.symlink_metadata().is_ok() {
            return Err(KeptError::Exists { path: path.to_owned() });
        }
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match openat(CWD, directory, flags | OFlags::TMPFILE, MODE) {
            Ok(fd) => return Ok(Draft { file: fd.into(), path: path.to_owned(), passing: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(error) => return Err(KeptError::system("make a file in", directory)(error)),
        }
        Draft::named(path, directory)
    }

    /// One that has a name of its own until it is published, and is locked for as long as its maker lives.
    fn named(path: &Path, directory: &Path) -> Result<Draft, KeptError> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let beginning = format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy());
        remove_left_behind(directory, &beginning);
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        loop {
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let passing = directory.join(format!("{beginning}{}.{number}{ENDING}", std::process::id()));
            let fd: OwnedFd = match openat(CWD, &passing, flags, MODE) {
                Ok(fd) => fd,
                // Somebody's who has the same number in a namespace of its own.
                Err(Errno::EXIST) => continue,
                // The directory is there: it takes no files, as those of /proc.
                Err(error @ Errno::NOENT) if directory.is_dir() => {
                    return Err(KeptError::System {
                        step: "make a file in",
                        path: directory.to_owned(),
                        source: error.into(),
                    });
                }
                Err(error) => return Err(KeptError::system("make", &passing)(error)),
            };
            let file = File::from(fd);
            // Who held it for one that was left behind has it for a moment, and removes it.
            let taken = flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK);
            if !taken && file.metadata().is_ok_and(|found| found.nlink() > 0) {
                return Ok(Draft { file, path: path.to_owned(), passing: Some(passing) });
            }
        }
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, if nothing else has it: one of several makers wins.
    pub fn publish(mut self) -> Result<(), KeptError> {
        match &self.passing {
            None => {
                let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                linkat(CWD, unnamed, CWD, &self.path, AtFlags::SYMLINK_FOLLOW)
            }
            Some(passing) => renameat_with(CWD, passing, CWD, &self.path, RenameFlags::NOREPLACE),
        }
        .map_err(KeptError::system("give a new file the name", &self.path))?;
        self.passing = None;
        Ok(())
    }
}

/// Whether it is named as a draft is: with two numbers.
fn is_draft(name: &str, beginning: &str) -> bool {
    let numbers = name.strip_prefix(beginning).and_then(|rest| rest.strip_suffix(ENDING)?.split_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.is_some_and(|(pid, number)| is_number(pid) && is_number(number))
}

/// Removes drafts whose makers have died.
fn remove_left_behind(directory: &Path, beginning: &str) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| is_draft(name, beginning));
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if let Some(Ok(fd)) = is_draft.then(|| openat(CWD, entry.path(), flags, MODE))
            && flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // What cannot be removed now is there for the next one.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(passing) = &self.passing {
            // What fails here is cleaned up by the next process that makes a file of this name.
            let _ = std::fs::remove_file(passing);
        }
    }
}

/// Gives a new file its length, with every byte reserved: no SIGBUS later because the disk is full.
pub(super) fn reserve_new(file: &File, path: &Path, len: u64) -> Result<(), KeptError> {
    match reserve(file, FallocateFlags::empty(), len) {
        Ok(()) => Ok(()),
        // The slow way: what is written is there.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let zeros = vec![0; 1 << 20];
            let mut at = 0;
            while at < len {
                let part = (len - at).min(zeros.len() as u64);
                file.write_all_at(&zeros[..part as usize], at).map_err(no_room(path, len))?;
                at += part;
            }
            Ok(())
        }
        Err(error) => Err(no_room(path, len)(error.into())),
    }
}

/// Opens what has that name, if it may be a segment.
pub(super) fn open(path: &Path) -> Result<File, KeptError> {
    // `NONBLOCK`: a FIFO must not wait for its other end before it is refused.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    match openat(CWD, path, flags, Mode::empty()) {
        Ok(fd) => Ok(fd.into()),
        Err(Errno::ISDIR) => Err(KeptError::NotAFile { path: path.to_owned(), what: "a directory" }),
        Err(Errno::NXIO) => Err(KeptError::NotAFile { path: path.to_owned(), what: "a socket or device" }),
        Err(error) => Err(KeptError::system("open", path)(error)),
    }
}

/// Checks kind, owner, permissions and length, which it returns; changes nothing.
pub(super) fn check(file: &File, path: &Path, least: u64, most: u64) -> Result<u64, KeptError> {
    let found = file.metadata().map_err(KeptError::system("ask about", path))?;
    let owned = path.to_owned();
    if !found.is_file() {
        return Err(KeptError::NotAFile { path: owned, what: kind(&found) });
    }
    if found.uid() != geteuid().as_raw() {
        return Err(KeptError::Owner { path: owned, uid: found.uid() });
    }
    if found.mode() & 0o022 != 0 {
        return Err(KeptError::Writable { path: owned, mode: found.mode() & 0o7777 });
    }
    let len = found.len();
    if !(least..=most).contains(&len) {
        return Err(KeptError::Length { path: owned, len, least, most });
    }
    Ok(len)
}

/// Reserves what a copy left out: a file that was copied may have holes instead of zeros, for which there may be no room
/// later. For files that are known to be segments: what is no more than named like one may be a disk's image.
pub(super) fn fill_holes(file: &File, path: &Path, len: u64) -> Result<(), KeptError> {
    let found = file.metadata().map_err(KeptError::system("ask about", path))?;
    if found.blocks().saturating_mul(BLOCK) >= len {
        return Ok(());
    }
    match reserve(file, FallocateFlags::KEEP_SIZE, len) {
        // A file system that compresses has fewer blocks, and says neither.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(no_room(path, len)(error.into())),
    }
}

fn no_room(path: &Path, len: u64) -> impl FnOnce(io::Error) -> KeptError {
    move |source| match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG | libc::ENOMEM) => {
            KeptError::Full { path: path.to_owned(), len, source }
        }
        _ => KeptError::system("reserve the bytes of", path)(source),
    }
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_with_names_are_each_makers_own_and_what_dead_makers_left_is_removed() {
        let house = tempfile::tempdir().unwrap();
        let path = house.path().join("kept.ring");
        let names = || std::fs::read_dir(house.path()).unwrap().count();
        std::fs::write(house.path().join(".kept.ring.1.0.new"), b"left behind").unwrap();
        std::fs::write(house.path().join(".other.ring.1.0.new"), b"not ours").unwrap();
        std::fs::write(house.path().join(".kept.ring.old.new"), b"nobody's draft").unwrap();
        let make = || Draft::named(&path, house.path()).unwrap();
        let (first, second) = (make(), make());
        assert_eq!(names(), 4, "two drafts, and what is others'");
        first.file().write_all_at(b"whole", 0).unwrap();
        first.publish().unwrap();
        assert!(matches!(second.publish(), Err(KeptError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(), 3);
    }
}
