//! Mapped regions seen as atomics: the only unsafe code of lanes.
//!
//! Invariant of everything here: a region stays mapped as long as the `Arc` lives, its length never changes
//! (the memory is private, or sealed), and everybody accesses it by atomics alone.

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering, fence},
    },
};

use adit_memory::{Region, Report};
use adit_ring::stream::{CursorCell, StreamMemory, Word};

use super::{
    Spec,
    header::{CURSOR, READER_SIZE, RING, arena_offset, writer_size},
};

/// The start of a region.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    at: NonNull<u8>,
    region: Arc<Region>,
}

// SAFETY: the pointer is into a region that the `Arc` keeps mapped, and is used as atomics alone.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// # Panics
    /// The region is too short; a peer's is measured before.
    pub fn new(region: Arc<Region>) -> Self {
        assert!(region.len() >= READER_SIZE);
        Self { at: region.as_ptr(), region }
    }

    /// Whether both are the start of the same region.
    #[inline(always)]
    pub fn is(&self, other: &Self) -> bool {
        self.at == other.at
    }

    pub fn report(&self) -> &Report {
        self.region.report()
    }

    /// The word at `offset`, which this side knows by itself.
    #[inline(always)]
    pub fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < READER_SIZE);
        // SAFETY: in bounds, since regions are at least `READER_SIZE` long, and aligned, since they begin with
        // a page; the region lives as long as `self`; atomics only.
        unsafe { self.at.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Loads with acquire order from memory that may be mapped read-only.
    #[inline(always)]
    pub fn load(&self, offset: usize) -> u64 {
        let value = self.word(offset).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }
}

/// Some words of a region.
#[derive(Debug)]
pub(super) struct Words {
    at: NonNull<u8>,
    count: usize,
    _region: Arc<Region>,
}

// SAFETY: the pointer is into a region that the `Arc` keeps mapped, and is used as atomics alone.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// # Panics
    /// The region has no such words; every region is a page at least.
    pub fn new(region: Arc<Region>, offset: usize, count: usize) -> Self {
        assert!(offset.is_multiple_of(8) && offset + count * 8 <= region.len());
        // SAFETY: in bounds, by the line above.
        Self { at: unsafe { region.as_ptr().add(offset) }, count, _region: region }
    }
}

impl std::ops::Deref for Words {
    type Target = [AtomicU64];

    #[inline(always)]
    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: in bounds and aligned since `new`; the region stays mapped while `self` lives; atomics only.
        unsafe { std::slice::from_raw_parts(self.at.cast().as_ptr(), self.count) }
    }
}

/// The arena in a writer's region.
#[derive(Debug)]
pub(crate) struct Slab {
    at: NonNull<u8>,
    count: usize,
    _region: Arc<Region>,
}

// SAFETY: the pointer is into a region that the `Arc` keeps mapped, and is used as atomics alone.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    /// The arena that a lane has, if it has one.
    ///
    /// # Panics
    /// The region is too short; a peer's is measured before.
    pub fn of(spec: &Spec, writer: &Arc<Region>) -> Option<Self> {
        let (offset, size) = (arena_offset(spec.capacity), spec.kind.arena());
        if size == 0 {
            return None;
        }
        assert!(offset + size <= writer.len());
        // SAFETY: in bounds, by the line above.
        let at = unsafe { writer.as_ptr().add(offset) };
        Some(Self { at, count: size / 8, _region: Arc::clone(writer) })
    }
}

impl std::ops::Deref for Slab {
    type Target = [Word];

    fn deref(&self) -> &[Word] {
        // SAFETY: aligned and in bounds since `of`; the region stays mapped while `self` lives.
        unsafe { Word::from_raw(self.at, self.count) }
    }
}

/// A stream ring's memory in a lane's two regions.
#[derive(Clone, Debug)]
pub(crate) struct LaneMemory {
    words: NonNull<u8>,
    count: usize,
    writer: NonNull<u8>,
    reader: NonNull<u8>,
    _regions: [Arc<Region>; 2],
}

// SAFETY: the pointers are into regions that the `Arc`s keep mapped, and are used as atomics alone.
unsafe impl Send for LaneMemory {}

impl LaneMemory {
    /// # Panics
    /// A region is too short; a peer's is measured before.
    pub fn new(capacity: usize, writer: Arc<Region>, reader: Arc<Region>) -> Self {
        assert!(writer.len() >= writer_size(capacity) && reader.len() >= READER_SIZE);
        // SAFETY: all three are in bounds, by the line above.
        let at =
            unsafe { (writer.as_ptr().add(RING), writer.as_ptr().add(CURSOR), reader.as_ptr().add(CURSOR)) };
        Self { words: at.0, count: capacity / 8, writer: at.1, reader: at.2, _regions: [writer, reader] }
    }
}

// SAFETY: pointers and count never change after `new`.
unsafe impl StreamMemory for LaneMemory {
    #[inline(always)]
    fn words(&self) -> &[Word] {
        // SAFETY: aligned and in bounds since `new`; the regions stay mapped while `self` lives.
        unsafe { Word::from_raw(self.words, self.count) }
    }

    #[inline(always)]
    fn writer(&self) -> &CursorCell {
        // SAFETY: as above.
        unsafe { CursorCell::from_raw(self.writer) }
    }

    #[inline(always)]
    fn reader(&self) -> &CursorCell {
        // SAFETY: as above.
        unsafe { CursorCell::from_raw(self.reader) }
    }
}
