//! Memory that survives its processes: files, and named segments of the system's shared memory.
//!
//! A kept segment has a [`Home`], where any process of the same user finds it again: a path, or a name that the
//! `shared_memory` crate maps (on Linux a file of `/dev/shm`, which lasts until the machine is restarted). It is
//! for peers that cannot receive a descriptor, and for what must still be there when every process that used it
//! is dead.
//!
//! ```text
//! create:  a file without a name ─ reserve every byte ─ fill ─ give it its name, unless that is taken
//! open:    no symbolic link, a regular file, this user's, nobody else may write it, a length that is taken
//!          ─ reserve holes ─ lock a part ─ still the file of that name? ─ map
//! ```
//!
//! So a segment that can be found is whole, and a full disk is an error before anything is seen. A process
//! holds the segment's *locks*, which the kernel takes back when it dies: who lives is known without a socket.
//!
//! A memfd is sealed against shrinking; a file cannot be. Who may write the file may also truncate it, and then
//! every process that touches the missing part gets SIGBUS. What is done against accidents: only the same user
//! may write it, the length is compared before and after the segment is locked and again when it is mapped, and
//! Adit's own programs truncate nothing and remove only what nobody has locked. What remains possible: another
//! program of this user truncates the file while it is mapped; and on file systems that write each block to a
//! new place (btrfs, ZFS), a disk that is full although every byte was reserved.
//!
//! The bytes survive the death of processes, not of the machine: the kernel writes pages of a file to the disk
//! when it likes and in any order. [`Kept::sync`] waits until all that was written is there.

mod error;
mod file;
mod lock;

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use memmap2::MmapOptions;

pub use self::{
    error::KeptError,
    lock::{KeptLock, MAX_PARTS},
};
use crate::{
    pages::{Pages, Report},
    region::{Access, Region},
    shared::Shared,
};

/// Parts of a segment that are mapped begin at multiples of this, the largest page that processors have.
pub const PART: usize = 1 << 16;

/// Where Linux keeps named segments.
const SHARED: &str = "/dev/shm";

/// The longest name of a named segment, in bytes.
pub const MAX_SHARED_NAME: usize = 200;

/// Where a kept segment is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Home {
    path: PathBuf,
    /// The name, where it is one.
    shared: Option<String>,
}

impl Home {
    /// A file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Home {
        Home { path: path.into(), shared: None }
    }

    /// A named segment of the system's shared memory.
    ///
    /// # Errors
    ///
    /// [`KeptError::Name`]: it must have 1 to [`MAX_SHARED_NAME`] bytes, none of which is `/` or zero, and not
    /// begin with a dot.
    pub fn shared(name: &str) -> Result<Home, KeptError> {
        let fits = (1..=MAX_SHARED_NAME).contains(&name.len());
        if !fits || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(KeptError::Name { name: name.chars().take(MAX_SHARED_NAME).collect() });
        }
        Ok(Home { path: Path::new(SHARED).join(name), shared: Some(name.to_owned()) })
    }

    /// Where the kernel shows it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a named segment, which does not survive the machine.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// The homes in the same place whose last name `is_one` accepts: the files of a directory, or the named
    /// segments.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`]: the directory cannot be read.
    pub fn list(directory: Option<&Path>, is_one: impl Fn(&str) -> bool) -> Result<Vec<Home>, KeptError> {
        let place = directory.unwrap_or(Path::new(SHARED));
        let mut homes = Vec::new();
        for entry in place.read_dir().map_err(KeptError::system("read the directory", place))? {
            let name = entry.map_err(KeptError::system("read the directory", place))?.file_name();
            let Some(name) = name.to_str().filter(|name| is_one(name)) else { continue };
            match directory {
                Some(directory) => homes.push(Home::file(directory.join(name))),
                // Anybody may put files there, of names that no segment can have.
                None => homes.extend(Home::shared(name)),
            }
        }
        homes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(homes)
    }

    /// Makes a segment of `len` bytes, fills it by `fill` and gives it its name: whoever finds it finds it
    /// whole. Its bytes are zero but for what `fill` writes; only this user may read and write it.
    ///
    /// # Errors
    ///
    /// [`KeptError::Exists`], [`KeptError::Full`], [`KeptError::Length`] or the system's refusal; nothing is
    /// left behind.
    pub fn create(
        &self,
        len: usize,
        fill: impl FnOnce(&Kept) -> Result<(), KeptError>,
    ) -> Result<Kept, KeptError> {
        if len == 0 || !len.is_multiple_of(PART) {
            let (len, most) = (len as u64, u64::MAX);
            return Err(KeptError::Length { path: self.path.clone(), len, least: PART as u64, most });
        }
        let draft = file::Draft::new(&self.path)?;
        file::reserve_new(draft.file(), &self.path, len as u64)?;
        let file = draft.file().try_clone().map_err(KeptError::system("duplicate", &self.path))?;
        let kept = Kept { home: self.clone(), file, len, shared: OnceLock::new() };
        fill(&kept)?;
        draft.publish()?;
        Ok(kept)
    }

    /// Opens the segment, if it is one of `least` to `most` bytes that is this user's alone.
    ///
    /// # Errors
    ///
    /// [`KeptError`]: all but [`KeptError::Exists`], and what a segment must be to be opened.
    pub fn open(&self, least: usize, most: usize) -> Result<Kept, KeptError> {
        let file = file::open(&self.path)?;
        let len = file::check(&file, &self.path, least as u64, most as u64)?;
        Ok(Kept { home: self.clone(), file, len: len as usize, shared: OnceLock::new() })
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// An open kept segment.
///
/// ```
/// use adit_memory::{Access, Home, PART};
///
/// # let folder = tempfile::tempdir()?;
/// let home = Home::file(folder.path().join("kept"));
/// let made = home.create(2 * PART, |made| made.write_at(b"hello", 0))?;
/// let region = made.map(PART, PART, Access::ReadWrite)?;
/// // SAFETY: the region is writable and longer than one byte, and nobody else has it.
/// unsafe { region.as_ptr().write_volatile(7) };
/// drop((region, made));
///
/// let again = home.open(PART, 1 << 20)?;
/// let mut start = [0; 5];
/// again.read_at(&mut start, 0)?;
/// assert_eq!(&start, b"hello");
/// let region = again.map(PART, PART, Access::ReadOnly)?;
/// // SAFETY: as above.
/// assert_eq!(unsafe { region.as_ptr().read_volatile() }, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Kept {
    home: Home,
    file: File,
    len: usize,
    /// The one mapping of a named segment, made when first needed.
    shared: OnceLock<Arc<Shared>>,
}

impl Kept {
    /// Where it is found.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes the lock of a part, if no living process has it; `None`: one has. Every part has one lock, of which
    /// the segment's user says what it means; [`MAX_PARTS`] there are.
    ///
    /// The kernel gives it back when the last process that holds it is dead. A process that was forked without
    /// a new program holds it too.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`]: the file system has no locks.
    pub fn lock(self: &Arc<Kept>, part: u32) -> Result<Option<KeptLock>, KeptError> {
        KeptLock::take(self, part)
    }

    /// Whether a living process has the lock of a part; also this one, by another opening.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`]: the file system has no locks.
    pub fn is_locked(&self, part: u32) -> Result<bool, KeptError> {
        lock::is_locked(&self.file, part).map_err(KeptError::system("ask for a lock of", self.home.path()))
    }

    /// Whether its name still leads to it, at its full length. To be asked once more when it is locked: it may
    /// have been removed in between.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let Ok(mine) = self.file.metadata() else { return false };
        let Ok(named) = std::fs::symlink_metadata(self.home.path()) else { return false };
        (mine.dev(), mine.ino()) == (named.dev(), named.ino()) && mine.len() == self.len as u64
    }

    /// Maps `len` bytes from `offset` on, both multiples of [`PART`]; all pages are present after, and a file that had holes, as
    /// copies may, has none.
    ///
    /// # Errors
    ///
    /// [`KeptError::Length`]: the segment is shorter than it was; or the system's refusal.
    ///
    /// # Panics
    ///
    /// The part is not within the segment, or not on its grid.
    pub fn map(&self, offset: usize, len: usize, access: Access) -> Result<Region, KeptError> {
        assert!(offset.is_multiple_of(PART) && len.is_multiple_of(PART) && len > 0);
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len));
        let path = self.home.path();
        file::check(&self.file, path, self.len as u64, self.len as u64)?;
        file::fill_holes(&self.file, path, self.len as u64)?;
        let region = match &self.home.shared {
            Some(name) => {
                let shared = self.shared(name)?;
                shared.part(offset, len, access).map_err(|error| KeptError::memory(path, error))?
            }
            None => {
                let mut mapping = MmapOptions::new();
                mapping.offset(offset as u64).len(len);
                let map = match access {
                    Access::ReadWrite => mapping.map_raw(&self.file),
                    Access::ReadOnly => mapping.map_raw_read_only(&self.file),
                };
                let map = map.map_err(KeptError::system("map", path))?;
                Region::new(map, access, Report::new(Pages::Normal))
            }
        };
        region.populate().map_err(|error| KeptError::memory(path, error))?;
        Ok(region.locate(None))
    }

    fn shared(&self, name: &str) -> Result<Arc<Shared>, KeptError> {
        if let Some(shared) = self.shared.get() {
            return Ok(Arc::clone(shared));
        }
        let path = self.home.path();
        let shared = Shared::open(name).map_err(|error| KeptError::memory(path, error))?;
        // It was opened by its name, which must still be this segment's.
        if shared.len() != self.len || !self.is_current() {
            return Err(KeptError::Replaced { path: path.to_owned() });
        }
        Ok(Arc::clone(self.shared.get_or_init(|| shared)))
    }

    /// Copies bytes out, without mapping: for what is judged before the segment is trusted.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`]: there are fewer.
    pub fn read_at(&self, into: &mut [u8], offset: u64) -> Result<(), KeptError> {
        self.file.read_exact_at(into, offset).map_err(KeptError::system("read", self.home.path()))
    }

    /// Copies bytes in; to fill a new segment.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`], also when they would not end within the segment.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), KeptError> {
        let path = self.home.path();
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.len as u64) {
            let beyond = io::Error::new(io::ErrorKind::InvalidInput, "these bytes are beyond its end");
            return Err(KeptError::system("write", path)(beyond));
        }
        self.file.write_all_at(bytes, offset).map_err(KeptError::system("write", path))
    }

    /// Waits until everything that was written, also through mappings, is on the disk; a named segment has
    /// none.
    ///
    /// # Errors
    ///
    /// [`KeptError::System`]: the disk failed.
    pub fn sync(&self) -> Result<(), KeptError> {
        self.file.sync_all().map_err(KeptError::system("write to the disk", self.home.path()))
    }

    /// Removes the name. The bytes are there for whoever has the segment open, and gone after that. Lock every
    /// part before, or somebody may be using it.
    ///
    /// # Errors
    ///
    /// [`KeptError::Replaced`]: the name is another's by now; [`KeptError::System`].
    pub fn remove(&self) -> Result<(), KeptError> {
        let path = self.home.path();
        if !self.is_current() {
            return Err(KeptError::Replaced { path: path.to_owned() });
        }
        std::fs::remove_file(path).map_err(KeptError::system("remove", path))
    }

    fn file(&self) -> &File {
        &self.file
    }
}

/// The directory that a path's last name is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != OsStr::new("")).unwrap_or(Path::new("."))
}
