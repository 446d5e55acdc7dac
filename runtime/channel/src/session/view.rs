//! A region seen as atomic words: the one place that turns mapped bytes into references.
//!
//! Invariant of every function here: the region stays mapped as long as the `Arc` in the view lives, its
//! length never changes (the memory is sealed against it), and everybody accesses it by atomics alone.

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering, fence},
    },
};

use adit_memory::Region;
use adit_ring::slot::{ReaderCell, SlotCell, SlotMemory};

/// A mapped region.
#[derive(Clone, Debug)]
pub(super) struct View {
    region: Arc<Region>,
}

impl View {
    pub fn new(region: Arc<Region>) -> Self {
        Self { region }
    }

    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// `count` words from `offset`.
    ///
    /// # Panics
    /// Out of bounds or misaligned: offsets are this side's own, checked once in [`super::layout::Layout`].
    pub fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        let at = self.at(offset, count * size_of::<AtomicU64>());
        // SAFETY: `at` is in bounds and 8-aligned; the region lives as long as `self`; atomics only.
        unsafe { std::slice::from_raw_parts(at.as_ptr().cast(), count) }
    }

    pub fn word(&self, offset: usize) -> &AtomicU64 {
        &self.words(offset, 1)[0]
    }

    pub fn half(&self, offset: usize) -> &AtomicU32 {
        let at = self.at(offset & !7, 8);
        assert!(offset.is_multiple_of(4));
        // SAFETY: in bounds and 4-aligned; the region lives as long as `self`; atomics only.
        unsafe { &*at.as_ptr().add(offset & 7).cast() }
    }

    /// Loads with acquire order from memory that may be mapped read-only.
    pub fn load(&self, offset: usize) -> u64 {
        let value = self.word(offset).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        value
    }

    /// Copies bytes out, word by word.
    pub fn copy<const WORDS: usize>(&self, offset: usize) -> [u64; WORDS] {
        let words = self.words(offset, WORDS);
        std::array::from_fn(|at| words[at].load(Ordering::Relaxed))
    }

    fn at(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        assert!(offset.is_multiple_of(8), "offset {offset} is misaligned");
        assert!(
            offset.checked_add(bytes).is_some_and(|end| end <= self.len()),
            "{offset} + {bytes} is out of bounds"
        );
        // SAFETY: in bounds, by the line above.
        unsafe { self.region.as_ptr().add(offset) }
    }
}

/// A slot ring whose slots are in one region and whose reader's cursor is in the other.
#[derive(Debug)]
pub(super) struct MappedRing {
    slots: NonNull<u8>,
    count: usize,
    reader: NonNull<u8>,
    _regions: [View; 2],
}

// SAFETY: the pointers are into regions that the views keep mapped, and are used as atomics alone.
unsafe impl Send for MappedRing {}

impl MappedRing {
    /// # Panics
    /// As [`View::words`].
    pub fn new(slots_in: &View, slots: usize, count: usize, reader_in: &View, reader: usize) -> Self {
        assert!(slots.is_multiple_of(64) && reader.is_multiple_of(64));
        Self {
            slots: slots_in.at(slots, count * size_of::<SlotCell>()),
            count,
            reader: reader_in.at(reader, size_of::<ReaderCell>()),
            _regions: [slots_in.clone(), reader_in.clone()],
        }
    }
}

impl SlotMemory for MappedRing {
    #[inline(always)]
    fn slots(&self) -> &[SlotCell] {
        // SAFETY: aligned and in bounds since `new`; the views keep the region mapped while `self` lives.
        unsafe { SlotCell::from_raw(self.slots, self.count) }
    }

    #[inline(always)]
    fn reader(&self) -> &ReaderCell {
        // SAFETY: as above.
        unsafe { ReaderCell::from_raw(self.reader) }
    }
}
