//! A mapping and what is known of it.

use std::{fmt, ptr::NonNull, sync::Arc};

use memmap2::{MmapMut, MmapRaw};
use rustix::{
    io::Errno,
    mm::{Advice, madvise},
};

use crate::{
    budget,
    error::{MemoryError, failed},
    numa,
    pages::{HUGE, Options, Pages, Report},
    shared::Shared,
    transparent,
};

/// What the holder of a [`Region`] may do with its bytes; the kernel enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read; a write is a SIGSEGV.
    ReadOnly,
}

/// A mapped piece of memory, at least one page long; unmapped when dropped. One of 2 MiB or more begins at a multiple
/// of that, unless it is a part of a file.
///
/// It is `Send` and `Sync` because it only gives out a raw pointer: whoever follows that has to order the
/// accesses.
pub struct Region {
    start: NonNull<u8>,
    len: usize,
    access: Access,
    report: Report,
    _backing: Backing,
}

/// What keeps a region's bytes mapped.
enum Backing {
    /// A mapping of its own.
    Whole { _map: MmapRaw },
    /// A part of a mapping that other regions have parts of.
    Part { _of: Arc<Shared> },
}

// SAFETY: the pointer is into a mapping that `_backing` owns a share of and that does not move; both kinds of
// mapping may be unmapped by any thread.
unsafe impl Send for Region {}
// SAFETY: as above; a shared region gives out nothing but the pointer, its length and its report.
unsafe impl Sync for Region {}

impl Region {
    /// Private zeroed memory of at least `len` bytes, page-aligned, with all pages present.
    ///
    /// # Errors
    ///
    /// [`MemoryError::ZeroLength`], [`MemoryError::TooLarge`], or the kernel's refusal.
    pub fn heap(len: usize) -> Result<Region, MemoryError> {
        Region::heap_with(len, &Options::default())
    }

    /// As [`heap`](Region::heap), with wishes for the pages and their NUMA node.
    ///
    /// Private memory has transparent huge pages only: [`Pages::Huge2M`] is met by those, aligned to 2 MiB, and
    /// the [`Report`] says so. `len` is rounded up to the pages that came out, with [`Pages::Auto`] to ordinary ones.
    ///
    /// # Errors
    ///
    /// As [`heap`](Region::heap). Pages and node are wishes: that they were not met is in the report.
    pub fn heap_with(len: usize, options: &Options) -> Result<Region, MemoryError> {
        let mut notes = Vec::new();
        let page = rustix::param::page_size();
        if options.pages == Pages::Auto && len >= HUGE && transparent::off().is_none() {
            return Region::private(len, options, page, true);
        }
        if matches!(options.pages, Pages::Huge2M | Pages::Transparent) {
            if options.pages == Pages::Huge2M {
                notes.push(
                    "private memory takes no 2 MiB pages from the pool; transparent ones are tried".into(),
                );
            }
            match transparent::off() {
                Some(reason) => notes.push(reason),
                None => {
                    let region = Region::private(len, options, HUGE, true)?;
                    if region.report.got == Pages::Transparent {
                        return Ok(region.with_notes(notes));
                    }
                    notes.push("the kernel found no transparent huge page for this region".into());
                }
            }
        }
        Ok(Region::private(len, options, page, false)?.with_notes(notes))
    }

    /// One attempt, with a length of whole pages of `page` bytes.
    fn private(len: usize, options: &Options, page: usize, huge: bool) -> Result<Region, MemoryError> {
        let len = budget::round_up(len, page)?;
        // Mappings begin anywhere, so that one which shall begin at a huge page needs one more.
        let align = if len >= HUGE { HUGE } else { page };
        let slack = if align == HUGE { HUGE } else { 0 };
        let map = MmapMut::map_anon(len + slack).map_err(failed("map private memory", len))?;
        let mut region = Region::new(MmapRaw::from(map), Access::ReadWrite, Report::new(options.pages));
        let skipped = region.start.as_ptr().align_offset(align);
        // SAFETY: less than `slack` bytes are skipped, so that `len` bytes follow within the mapping.
        region.start = unsafe { region.start.add(skipped) };
        region.len = len;
        if let Some(node) = options.node
            && let Err(note) = numa::prefer(&region, node)
        {
            region.report.notes.push(note);
        }
        let made = huge.then(|| transparent::make(&region));
        region.populate()?;
        if let Some(made) = made {
            region.report.got = transparent::verify(&mut region, made);
        }
        Ok(region.locate(options.node))
    }

    /// The length in bytes: whole pages, so maybe more than was asked for.
    #[expect(clippy::len_without_is_empty, reason = "a region is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The first byte; page-aligned, valid for [`len`](Region::len) bytes for as long as the region lives.
    ///
    /// The bytes are shared with other threads and processes that may write them at any time. Access them
    /// with atomics, or copy them out with volatile reads; never make a `&T` or `&[u8]` of plain data over
    /// them. With [`Access::ReadOnly`] they must not be written, not even by an atomic read-modify-write.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.start
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
        let start = NonNull::new(map.as_mut_ptr()).expect("mmap never maps at address 0 unless asked to");
        Region { start, len: map.len(), access, report, _backing: Backing::Whole { _map: map } }
    }

    /// The same, for its `len` bytes from byte `skipped` on.
    pub(crate) fn cut(mut self, skipped: usize, len: usize) -> Region {
        assert!(skipped.checked_add(len).is_some_and(|end| end <= self.len));
        // SAFETY: in bounds, by the line above.
        self.start = unsafe { self.start.add(skipped) };
        self.len = len;
        self
    }

    /// `len` bytes of `of` from `start` on, which are within it.
    pub(crate) fn part(of: Arc<Shared>, start: NonNull<u8>, len: usize, access: Access) -> Region {
        let report = Report::new(Pages::Normal);
        Region { start, len, access, report, _backing: Backing::Part { _of: of } }
    }

    /// Puts the notes of former attempts before its own.
    pub(crate) fn with_notes(mut self, mut notes: Vec<String>) -> Region {
        notes.append(&mut self.report.notes);
        self.report.notes = notes;
        self
    }

    pub(crate) fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// Makes every page present, so that the first access can neither fail nor take long.
    pub(crate) fn populate(&self) -> Result<(), MemoryError> {
        match self.populate_part(0, self.len) {
            // Linux before 5.14 does not know the advice. Every page of a memfd was reserved by fallocate,
            // and private pages come from the machine's memory, so presence is only a matter of speed.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(error) => Err(failed("make the pages present", self.len())(error)),
        }
    }

    /// The same of `len` bytes from byte `start` on.
    pub(crate) fn populate_part(&self, start: usize, len: usize) -> Result<(), Errno> {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len));
        let advice = match self.access {
            Access::ReadWrite => Advice::LinuxPopulateWrite,
            Access::ReadOnly => Advice::LinuxPopulateRead,
        };
        // SAFETY: the range is within this live mapping; populating changes no byte of it and fails with an error where
        // an access would fail with a signal.
        unsafe { madvise(self.start.as_ptr().add(start).cast(), len, advice) }
    }

    /// Notes on which NUMA node the (present) pages are, and whether that is the one `asked` for.
    pub(crate) fn locate(mut self, asked: Option<u32>) -> Region {
        self.report.node = numa::node_of(&self);
        self.report.notes.extend(numa::difference(asked, self.report.node));
        self
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("start", &self.start)
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
    fn heap_memory_with_wishes_says_what_came_of_them() {
        for pages in [Pages::Auto, Pages::Normal, Pages::Transparent, Pages::Huge2M] {
            let region = Region::heap_with(3 << 20, &Options { pages, node: Some(0) }).unwrap();
            let report = region.report();
            assert_eq!(report.asked, pages);
            assert!(region.as_ptr().as_ptr().addr().is_multiple_of(HUGE));
            if pages == Pages::Auto || report.got == Pages::Normal {
                assert_eq!(region.len(), 3 << 20);
                assert_ne!(report.got, Pages::Auto);
                let wished = matches!(pages, Pages::Transparent | Pages::Huge2M);
                assert!(!wished || !report.notes.is_empty(), "{report:?}");
            } else {
                assert_eq!((report.got, region.len()), (Pages::Transparent, 4 << 20));
            }
            // SAFETY: inside the region, which is writable and this test's alone.
            unsafe { region.as_ptr().add(region.len() - 1).write_volatile(1) };
        }
        let nowhere = Region::heap_with(4096, &Options { node: Some(900), ..Options::default() }).unwrap();
        assert!(nowhere.report().notes[0].contains("node 900"), "{:?}", nowhere.report());
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
