//! A few cache lines that two processes map writable: what the floors are measured on.
//!
//! No session has such memory, where each side writes only what it owns. Here nothing is to be protected.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

/// One cache line: seven words that are moved, and one that says so.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Line {
    payload: [AtomicU64; 7],
    sequence: AtomicU64,
}

impl Line {
    /// Writes the payload, then the sequence.
    #[inline(always)]
    pub fn write(&self, sequence: u64, payload: &[u64; 7]) {
        for (word, value) in self.payload.iter().zip(payload) {
            word.store(*value, Ordering::Relaxed);
        }
        // SYNC with the acquire of `sequence` in `read`: the payload is whole.
        self.sequence.store(sequence, Ordering::Release);
    }

    /// The payload, if the sequence is there.
    #[inline(always)]
    pub fn read(&self, sequence: u64) -> Option<[u64; 7]> {
        // SYNC with the release of `sequence` in `write`.
        let there = self.sequence.load(Ordering::Acquire) == sequence;
        there.then(|| std::array::from_fn(|at| self.payload[at].load(Ordering::Relaxed)))
    }

    /// The word to sleep on.
    #[must_use]
    pub fn doorbell(&self) -> &AtomicU64 {
        &self.sequence
    }
}

/// Lines, each far from the next, so that no prefetcher moves two at once.
#[derive(Debug)]
pub struct Lines {
    map: MmapRaw,
    file: File,
}

/// How many there are.
pub const COUNT: usize = 257;

/// Bytes from one line to the next.
const APART: usize = 448;

impl Lines {
    /// New ones, all zero.
    ///
    /// # Errors
    /// The kernel's, when there is no memory.
    pub fn create() -> io::Result<Self> {
        let file = File::from(memfd_create("adit-bench", MemfdFlags::CLOEXEC)?);
        ftruncate(&file, (COUNT * APART) as u64)?;
        Self::map(file)
    }

    /// Those of another process, by their [`path`](Self::path).
    ///
    /// # Errors
    /// The kernel's, when the process is gone.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::map(OpenOptions::new().read(true).write(true).open(path)?)
    }

    /// As [`open`](Self::open), mapped so that they can be read and not written, as an end of a channel has its peer's.
    ///
    /// # Errors
    /// The kernel's, when the process is gone.
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let map = MmapOptions::new().len(COUNT * APART).map_raw_read_only(&file)?;
        Ok(Self { map, file })
    }

    /// Where a child of this process finds them.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd()).into()
    }

    /// One of them; of those that were [opened to be read](Self::open_to_read) none is to be written, which ends the process.
    ///
    /// # Panics
    /// There are [`COUNT`].
    #[must_use]
    pub fn line(&self, at: usize) -> &Line {
        assert!(at < COUNT);
        // SAFETY: in bounds and aligned, because mappings begin at a page; mapped as long as `self` lives;
        // everybody accesses the bytes by atomics alone, for which all values are valid.
        unsafe { &*self.map.as_mut_ptr().add(at * APART).cast::<Line>() }
    }

    fn map(file: File) -> io::Result<Self> {
        let map = MmapOptions::new().len(COUNT * APART).map_raw(&file)?;
        Ok(Self { map, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_are_the_same_lines() {
        let ours = Lines::create().unwrap();
        let theirs = Lines::open(&ours.path()).unwrap();
        let read = Lines::open_to_read(&ours.path()).unwrap();
        ours.line(3).write(7, &[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(theirs.line(3).read(7), Some([1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(read.line(3).read(7), theirs.line(3).read(7));
        assert_eq!(theirs.line(3).read(8), None);
        assert_eq!(theirs.line(2).read(7), None);
    }
}
