//! The two regions seen as atomics: the only unsafe code of broadcast.
//!
//! Invariant of everything here: a region stays mapped as long as the `Arc` lives, its length never changes
//! (the memory is private, or sealed), and everybody accesses it by atomics alone.

use std::{
    ops::Deref,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use adit_memory::Region;
use adit_ring::broadcast::{
    self, MAX_READERS, ReaderCell, ReaderMemory, StartCell, Word, WriterCell, WriterMemory,
};

use crate::lane::{READER_SIZE, writer_size};

const CELL: usize = 64;
const STARTS: usize = CELL + size_of::<WriterCell>();
const POLICY: usize = STARTS + MAX_READERS * size_of::<StartCell>();
const RING: usize = 4096;

const _: () = assert!(STARTS == 320 && POLICY == 1344 && RING + 64 == writer_size(64));
const _: () = assert!(CELL + size_of::<ReaderCell>() <= READER_SIZE);

/// What the sender does when the ring is full, and what receivers make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// It waits for the slowest.
    Lossless = 1,
    /// It overwrites the oldest.
    Overwrite = 2,
    /// It overwrites, and receivers take the newest alone.
    Latest = 3,
}

impl Policy {
    pub fn of_ring(self) -> broadcast::Policy {
        match self {
            Self::Lossless => broadcast::Policy::Lossless,
            Self::Overwrite | Self::Latest => broadcast::Policy::Overwrite,
        }
    }

    /// Says it in the sender's region, before a receiver sees that.
    ///
    /// # Panics
    /// The region is too short: it was made for this.
    pub fn write(self, own: &Region) {
        policy_word(own).store(self as u64, Ordering::Release);
    }

    /// What the sender's region says; `None`: nothing that can be.
    ///
    /// # Panics
    /// The region is too short: it was measured before.
    pub fn read(peer: &Region) -> Option<Self> {
        Self::from_number(policy_word(peer).load(Ordering::Relaxed))
    }

    /// `None`: there is none of this number.
    pub fn from_number(number: u64) -> Option<Self> {
        [Self::Lossless, Self::Overwrite, Self::Latest].into_iter().find(|policy| *policy as u64 == number)
    }
}

fn policy_word(region: &Region) -> &AtomicU64 {
    assert!(region.len() >= RING);
    // SAFETY: in bounds, by the line above, and aligned, since regions begin with a page; atomics only.
    unsafe { region.as_ptr().add(POLICY).cast::<AtomicU64>().as_ref() }
}

/// The writer's region and the ring in it.
#[derive(Debug)]
pub(crate) struct WriterRegion {
    at: NonNull<u8>,
    count: usize,
    _region: Arc<Region>,
}

// SAFETY: the pointer is into a region that the `Arc` keeps mapped, and is used as atomics alone.
unsafe impl Send for WriterRegion {}

impl WriterRegion {
    /// # Panics
    /// The region is too short; a peer's is measured before.
    pub fn new(capacity: usize, region: Arc<Region>) -> Self {
        assert!(region.len() >= writer_size(capacity));
        Self { at: region.as_ptr(), count: capacity / 8, _region: region }
    }

    #[inline(always)]
    fn ring(&self) -> &[Word] {
        // SAFETY: aligned and in bounds since `new`; the region stays mapped while `self` lives.
        unsafe { Word::from_raw(self.at.add(RING), self.count) }
    }

    #[inline(always)]
    fn cell(&self) -> &WriterCell {
        // SAFETY: as above.
        unsafe { WriterCell::from_raw(self.at.add(CELL)) }
    }

    fn slot(&self, slot: usize) -> &StartCell {
        assert!(slot < MAX_READERS);
        // SAFETY: as above, and the slot is one of those that there are.
        unsafe { StartCell::from_raw(self.at.add(STARTS + slot * size_of::<StartCell>())) }
    }
}

impl WriterMemory for WriterRegion {
    #[inline(always)]
    fn words(&self) -> &[Word] {
        self.ring()
    }

    #[inline(always)]
    fn writer(&self) -> &WriterCell {
        self.cell()
    }

    fn start(&self, slot: usize) -> &StartCell {
        self.slot(slot)
    }
}

/// A reader's cell, in its region.
#[derive(Debug)]
pub(crate) struct ReaderRegion {
    at: NonNull<u8>,
    _region: Arc<Region>,
}

// SAFETY: the pointer is into a region that the `Arc` keeps mapped, and is used as atomics alone.
unsafe impl Send for ReaderRegion {}

impl ReaderRegion {
    /// # Panics
    /// The region is too short; a peer's is measured before.
    pub fn new(region: Arc<Region>) -> Self {
        assert!(region.len() >= READER_SIZE);
        Self { at: region.as_ptr(), _region: region }
    }
}

impl Deref for ReaderRegion {
    type Target = ReaderCell;

    #[inline(always)]
    fn deref(&self) -> &ReaderCell {
        // SAFETY: aligned and in bounds since `new`; the region stays mapped while `self` lives.
        unsafe { ReaderCell::from_raw(self.at.add(CELL)) }
    }
}

/// What a reader works on: both regions.
#[derive(Debug)]
pub(crate) struct ReaderRegions {
    writer: WriterRegion,
    reader: ReaderRegion,
    slot: usize,
}

impl ReaderRegions {
    /// # Panics
    /// A region is too short, or there is no such slot; what a peer says is checked before.
    pub fn new(capacity: usize, slot: usize, writer: Arc<Region>, reader: Arc<Region>) -> Self {
        assert!(slot < MAX_READERS);
        Self { writer: WriterRegion::new(capacity, writer), reader: ReaderRegion::new(reader), slot }
    }

    /// Whether the writer has not said yet where this reader begins.
    pub fn has_no_start(&self) -> bool {
        self.start().sleep_on().is_some()
    }
}

impl ReaderMemory for ReaderRegions {
    #[inline(always)]
    fn words(&self) -> &[Word] {
        self.writer.ring()
    }

    #[inline(always)]
    fn writer(&self) -> &WriterCell {
        self.writer.cell()
    }

    fn start(&self) -> &StartCell {
        self.writer.slot(self.slot)
    }

    #[inline(always)]
    fn reader(&self) -> &ReaderCell {
        &self.reader
    }
}
