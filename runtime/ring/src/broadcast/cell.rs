//! A ring's memory, seen as atomics.

use std::ops::Deref;
#[cfg(not(loom))]
use std::ptr::NonNull;

use super::MAX_READERS;
use crate::{
    park::SleepOn,
    primitive::{AtomicU64, load_acquire},
    word::Word,
};

/// What the writer says to all readers.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct WriterCell {
    /// The bytes published. Only rises, by multiples of 8.
    pub(super) tail: AtomicU64,
    /// The lowest head that wakes the writer, 0 while it is awake.
    pub(super) waiting: AtomicU64,
    /// Position of the newest record; of use once something is published, and if the ring overwrites.
    pub(super) newest: AtomicU64,
    /// How many messages are published, if the ring overwrites.
    pub(super) count: AtomicU64,
    _reserved: [AtomicU64; 4],
    /// The owner's, for what it likes; channels have here what a lane's region has.
    _between: [[AtomicU64; 8]; 2],
    /// On a line of its own, because it changes rarely and is looked at for each message: the records below
    /// are being overwritten.
    pub(super) oldest: AtomicU64,
    _reserved_too: [AtomicU64; 7],
}

/// Where the reader in a slot begins.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C))]
pub struct StartCell {
    /// The position and 1; 0 while there is none. A reader that joins sleeps on it.
    pub(super) position: AtomicU64,
    /// The number of the first message from there.
    pub(super) sequence: AtomicU64,
}

/// What a reader says to the writer.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct ReaderCell {
    /// The bytes read, or below its start: not begun.
    pub(super) head: AtomicU64,
    /// The lowest tail that wakes this reader, 0 while it is awake.
    pub(super) waiting: AtomicU64,
    _reserved: [AtomicU64; 6],
}

#[cfg(not(loom))]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<WriterCell>() == 256 && offset_of!(WriterCell, oldest) == 192);
    assert!(size_of::<StartCell>() == 16);
    assert!(size_of::<ReaderCell>() == size_of::<adit_abi::ReaderCursor>());
    // As in every cursor, so that a word can be slept on without knowing whose it is.
    assert!(offset_of!(ReaderCell, head) == offset_of!(adit_abi::ReaderCursor, head));
    assert!(offset_of!(ReaderCell, waiting) == offset_of!(adit_abi::ReaderCursor, waiting));
    assert!(offset_of!(WriterCell, tail) == offset_of!(adit_abi::ReaderCursor, head));
    assert!(offset_of!(WriterCell, waiting) == offset_of!(adit_abi::ReaderCursor, waiting));
};

impl StartCell {
    /// A slot without a reader.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self { position: AtomicU64::new(0), sequence: AtomicU64::new(0) }
    }

    /// What to sleep on until the writer has set the start; `None`: it has.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        // Its lowest bit is set as soon as it is.
        (load_acquire(&self.position) == 0).then_some(SleepOn { word: &self.position, expected: 0 })
    }
}

macro_rules! from_raw {
    ($cell:ident, $size:literal, $alignment:literal) => {
        #[cfg(not(loom))]
        impl $cell {
            /// Sees a cell in memory that may be shared with another process.
            ///
            /// # Safety
            #[doc = concat!("As [`Word::from_raw`], for ", $size, " bytes aligned to ", $alignment, ";")]
            /// writable if it belongs to this end.
            #[must_use]
            pub unsafe fn from_raw<'a>(at: NonNull<u8>) -> &'a Self {
                debug_assert!(at.as_ptr().addr().is_multiple_of($alignment));
                // SAFETY: the caller promises alignment, length and lifetime; atomics allow foreign writes.
                unsafe { &*at.as_ptr().cast() }
            }
        }
    };
}

from_raw!(WriterCell, 256, 64);
from_raw!(StartCell, 16, 8);
from_raw!(ReaderCell, 64, 64);

/// What the writer works on.
pub trait WriterMemory {
    /// The whole buffer; the same in each call. Written by the producer.
    fn words(&self) -> &[Word];

    /// The writer's cell; the same one in each call.
    fn writer(&self) -> &WriterCell;

    /// A slot's start, for slots below [`MAX_READERS`].
    fn start(&self, slot: usize) -> &StartCell;
}

/// What a reader works on.
pub trait ReaderMemory {
    /// The whole buffer; the same in each call.
    fn words(&self) -> &[Word];

    /// The writer's cell; the same one in each call.
    fn writer(&self) -> &WriterCell;

    /// This reader's start.
    fn start(&self) -> &StartCell;

    /// This reader's own cell.
    fn reader(&self) -> &ReaderCell;
}

impl<B, W, S> WriterMemory for (B, W, S)
where
    B: Deref<Target = [Word]>,
    W: Deref<Target = WriterCell>,
    S: Deref<Target = [StartCell; MAX_READERS]>,
{
    #[inline(always)]
    fn words(&self) -> &[Word] {
        &self.0
    }

    #[inline(always)]
    fn writer(&self) -> &WriterCell {
        &self.1
    }

    #[inline(always)]
    fn start(&self, slot: usize) -> &StartCell {
        &self.2[slot]
    }
}

impl<B, W, S, R> ReaderMemory for (B, W, S, R)
where
    B: Deref<Target = [Word]>,
    W: Deref<Target = WriterCell>,
    S: Deref<Target = StartCell>,
    R: Deref<Target = ReaderCell>,
{
    #[inline(always)]
    fn words(&self) -> &[Word] {
        &self.0
    }

    #[inline(always)]
    fn writer(&self) -> &WriterCell {
        &self.1
    }

    #[inline(always)]
    fn start(&self) -> &StartCell {
        &self.2
    }

    #[inline(always)]
    fn reader(&self) -> &ReaderCell {
        &self.3
    }
}
