//! A ring's memory, seen as atomics.

#[cfg(not(loom))]
use std::ptr::NonNull;

use crate::{primitive::AtomicU64, word::Word};

/// One end's cursor: [`adit_abi::ReaderCursor`] as atomics. The reader has one, and so has the writer.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct CursorCell {
    /// Head or tail: the bytes read or published. Only rises, by multiples of 8.
    pub(super) position: AtomicU64,
    /// The lowest value of the other's `position` that wakes this end, 0 while it is awake.
    pub(super) waiting: AtomicU64,
    _reserved: [AtomicU64; 6],
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<CursorCell>() == size_of::<adit_abi::ReaderCursor>());
    assert!(std::mem::offset_of!(CursorCell, position) == std::mem::offset_of!(adit_abi::ReaderCursor, head));
    assert!(
        std::mem::offset_of!(CursorCell, waiting) == std::mem::offset_of!(adit_abi::ReaderCursor, waiting)
    );
};

#[cfg(not(loom))]
impl CursorCell {
    /// Sees a cursor in memory that may be shared with another process.
    ///
    /// # Safety
    /// As [`Word::from_raw`], for 64 bytes aligned to 64; writable if it belongs to this end.
    #[must_use]
    pub unsafe fn from_raw<'a>(at: NonNull<u8>) -> &'a Self {
        debug_assert!(at.as_ptr().addr().is_multiple_of(64));
        // SAFETY: the caller promises alignment, length and lifetime; atomics allow foreign writes.
        unsafe { &*at.as_ptr().cast() }
    }
}

/// Where a ring lives: a buffer whose length never changes, and the two cursors. Three references are one.
///
/// # Safety
/// Each function returns the same memory in each call: the ends check the buffer's length once and then believe it.
pub unsafe trait StreamMemory {
    /// The whole buffer; the same in each call. Written by the producer.
    fn words(&self) -> &[Word];

    /// The writer's cursor; the same one in each call.
    fn writer(&self) -> &CursorCell;

    /// The reader's cursor; the same one in each call.
    fn reader(&self) -> &CursorCell;
}

// SAFETY: what a shared reference refers to does not change.
unsafe impl StreamMemory for (&[Word], &CursorCell, &CursorCell) {
    #[inline(always)]
    fn words(&self) -> &[Word] {
        self.0
    }

    #[inline(always)]
    fn writer(&self) -> &CursorCell {
        self.1
    }

    #[inline(always)]
    fn reader(&self) -> &CursorCell {
        self.2
    }
}
