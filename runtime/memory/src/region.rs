//! A mapping and what is known of it.

use std::{fmt, ptr::NonNull};

use memmap2::{MmapMut, MmapRaw};
use rustix::{
    io::Errno,
    mm::{Advice, madvise},
};

use crate::{
    budget,
    error::{MemoryError, failed},
    numa,
    pages::{Pages, Report},
};

/// What the holder of a [`Region`] may do with its bytes; the kernel enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read; a write is a SIGSEGV.
    ReadOnly,
}

/// A mapped piece of memory, at least one page long; unmapped when dropped.
///
/// It is `Send` and `Sync` because it only gives out a raw pointer: whoever follows that has to order the
/// accesses.
pub struct Region {
    map: MmapRaw,
    access: Access,
    report: Report,
}

impl Region {
    /// Private zeroed memory of at least `len` bytes, page-aligned, with all pages present.
    ///
    /// # Errors
    ///
    /// [`MemoryError::ZeroLength`], [`MemoryError::TooLarge`], or the kernel's refusal.
    pub fn heap(len: usize) -> Result<Region, MemoryError> {
        let len = budget::round_up(len, rustix::param::page_size())?;
        let map = MmapMut::map_anon(len).map_err(failed("map private memory", len))?;
        let region = Region::new(MmapRaw::from(map), Access::ReadWrite, Report::new(Pages::Normal));
        region.populate()?;
        Ok(region.locate(None))
    }

    /// The length in bytes: whole pages, so maybe more than was asked for.
    #[expect(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// The first byte; page-aligned, valid for [`len`](Region::len) bytes for as long as the region lives.
    ///
    /// The bytes are shared with other threads and processes that may write them at any time. Access them
    /// with atomics, or copy them out with volatile reads; never make a `&T` or `&[u8]` of plain data over
    /// them. With [`Access::ReadOnly`] they must not be written, not even by an atomic read-modify-write.
    pub fn as_ptr(&self) -> NonNull<u8> {
        NonNull::new(self.map.as_mut_ptr()).expect("mmap never maps at address 0 unless asked to")
    }

    /// What may be done with the bytes.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Which pages and which NUMA node came out, and why not others.
    pub fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn new(map: MmapRaw, access: Access, report: Report) -> Region {
        Region { map, access, report }
    }

    pub(crate) fn map(&self) -> &MmapRaw {
        &self.map
    }

    pub(crate) fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Makes every page present, so that the first access can neither fail nor take long.
    pub(crate) fn populate(&self) -> Result<(), MemoryError> {
        let advice = match self.access {
            Access::ReadWrite => Advice::LinuxPopulateWrite,
            Access::ReadOnly => Advice::LinuxPopulateRead,
        };
        // SAFETY: the range is exactly this live mapping; populating changes no byte of it and fails with an
        // error where an access would fail with a signal.
        let result = unsafe { madvise(self.map.as_mut_ptr().cast(), self.len(), advice) };
        match result {
            // Linux before 5.14 does not know the advice. Every page of a memfd was reserved by fallocate,
            // and private pages come from the machine's memory, so presence is only a matter of speed.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(failed("make the pages present", self.len())(error)),
        }
    }

    /// Notes on which NUMA node the (present) pages are, and whether that is the one `asked` for.
    pub(crate) fn locate(mut self, asked: Option<u32>) -> Region {
        self.report.node = numa::node_of(&self.map);
        self.report.notes.extend(numa::difference(asked, self.report.node));
        self
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("start", &self.map.as_ptr())
            .field("len", &self.len())
            .field("access", &self.access)
            .field("report", &self.report)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_memory_is_zero_aligned_and_writable() {
        let page = rustix::param::page_size();
        let region = Region::heap(page + 1).unwrap();
        assert_eq!(region.len(), 2 * page);
        assert_eq!(region.as_ptr().as_ptr().addr() % page, 0);
        assert_eq!(region.access(), Access::ReadWrite);
        assert_eq!(region.report().got, Pages::Normal);
        for offset in [0, page, region.len() - 1] {
            // SAFETY: the offset is inside the region, which is writable, and nobody else has its pointer.
            unsafe {
                let byte = region.as_ptr().add(offset);
                assert_eq!(byte.read_volatile(), 0);
                byte.write_volatile(7);
                assert_eq!(byte.read_volatile(), 7);
            }
        }
    }

    #[test]
    fn impossible_lengths_are_errors() {
        assert!(matches!(Region::heap(0), Err(MemoryError::ZeroLength)));
        let error = Region::heap(1 << 50).unwrap_err().to_string();
        assert!(error.contains("1125899906842624 bytes") && error.contains("ask for less"), "{error}");
        assert!(Region::heap(usize::MAX).is_err());
    }

    #[test]
    fn regions_can_go_to_other_threads() {
        fn check<T: Send + Sync + fmt::Debug>() {}
        check::<Region>();
    }
}
