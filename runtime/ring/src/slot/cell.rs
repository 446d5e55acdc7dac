//! A ring's memory, seen as atomics.

use std::ops::Deref;
#[cfg(not(loom))]
use std::ptr::NonNull;

use super::Payload;
use crate::{
    primitive::{AtomicU64, Ordering, load_acquire},
    word::Word,
};

/// One slot: [`adit_abi::Slot`] as atomics.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct SlotCell {
    payload: [Word; 7],
    sequence: AtomicU64,
}

impl SlotCell {
    /// Writes a message and publishes it as message `position`.
    #[inline(always)]
    pub(super) fn publish(&self, position: u64, message: &Payload) {
        for (word, value) in self.payload.iter().zip(message) {
            word.store(*value);
        }
        // SYNC with `sequence` in the consumer: the payload before it is seen with it.
        self.sequence.store(position.wrapping_add(1), Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn sequence(&self) -> u64 {
        load_acquire(&self.sequence)
    }

    #[inline(always)]
    pub(super) fn copy(&self) -> Payload {
        std::array::from_fn(|at| self.payload[at].load())
    }

    /// The word to sleep on.
    pub(super) fn doorbell(&self) -> &AtomicU64 {
        &self.sequence
    }
}

/// The reader's cursor: [`adit_abi::ReaderCursor`] as atomics.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(C, align(64)))]
pub struct ReaderCell {
    pub(super) head: AtomicU64,
    pub(super) waiting: AtomicU64,
    _reserved: [AtomicU64; 6],
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<SlotCell>() == size_of::<adit_abi::Slot>());
    assert!(std::mem::offset_of!(SlotCell, sequence) == std::mem::offset_of!(adit_abi::Slot, sequence));
    assert!(size_of::<ReaderCell>() == size_of::<adit_abi::ReaderCursor>());
    assert!(
        std::mem::offset_of!(ReaderCell, waiting) == std::mem::offset_of!(adit_abi::ReaderCursor, waiting)
    );
};

/// Where a ring lives: a number of slots that never changes, and the reader's cursor.
pub trait SlotMemory {
    /// All slots; the same ones in each call.
    fn slots(&self) -> &[SlotCell];

    /// The reader's cursor; the same one in each call.
    fn reader(&self) -> &ReaderCell;
}

impl<S: Deref<Target = [SlotCell]>, R: Deref<Target = ReaderCell>> SlotMemory for (S, R) {
    #[inline(always)]
    fn slots(&self) -> &[SlotCell] {
        &self.0
    }

    #[inline(always)]
    fn reader(&self) -> &ReaderCell {
        &self.1
    }
}

#[cfg(not(loom))]
impl SlotCell {
    /// Sees `count` slots in memory that may be shared with another process.
    ///
    /// # Safety
    /// `at` is aligned to 64, `count * 64` bytes from it stay mapped and readable for `'a`, writable too
    /// if the slots are given to a producer, and are accessed by atomics alone (another process' writes
    /// count as such).
    #[must_use]
    pub unsafe fn from_raw<'a>(at: NonNull<u8>, count: usize) -> &'a [Self] {
        debug_assert!(at.as_ptr().addr().is_multiple_of(64));
        // SAFETY: the caller promises alignment, length and lifetime; atomics allow foreign writes.
        unsafe { std::slice::from_raw_parts(at.as_ptr().cast(), count) }
    }
}

#[cfg(not(loom))]
impl ReaderCell {
    /// Sees a reader's cursor in memory that may be shared with another process.
    ///
    /// # Safety
    /// As [`SlotCell::from_raw`], for 64 bytes; writable if it is given to a consumer.
    #[must_use]
    pub unsafe fn from_raw<'a>(at: NonNull<u8>) -> &'a Self {
        debug_assert!(at.as_ptr().addr().is_multiple_of(64));
        // SAFETY: the caller promises alignment, length and lifetime; atomics allow foreign writes.
        unsafe { &*at.as_ptr().cast() }
    }
}
