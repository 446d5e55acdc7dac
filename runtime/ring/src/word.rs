//! What payloads are made of.

#[cfg(not(loom))]
use std::ptr::NonNull;

#[cfg(not(loom))]
use crate::primitive::{AtomicU64, Ordering};

/// Eight bytes of a payload or of a ring's buffer.
///
/// An atomic with relaxed order, so that a peer which writes where it must not changes values and nothing
/// else. Two correct ends never touch a word at the same time: loom, where a word is a checked cell, holds
/// them to it.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(transparent))]
pub struct Word(#[cfg(not(loom))] AtomicU64, #[cfg(loom)] loom::cell::UnsafeCell<u64>);

#[cfg(not(loom))]
impl Word {
    /// The value now; the next look may show another.
    #[inline(always)]
    #[must_use]
    pub fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Replaces the value.
    #[inline(always)]
    pub fn store(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sees `count` words in memory that may be shared with another process.
    ///
    /// # Safety
    /// `at` is aligned to 8, `count * 8` bytes from it stay mapped and readable for `'a`, writable too if
    /// the words are given to a producer, and are accessed by atomics alone (another process' writes count
    /// as such).
    #[must_use]
    pub unsafe fn from_raw<'a>(at: NonNull<u8>, count: usize) -> &'a [Self] {
        debug_assert!(at.as_ptr().addr().is_multiple_of(8));
        // SAFETY: the caller promises alignment, length and lifetime; atomics allow foreign writes.
        unsafe { std::slice::from_raw_parts(at.as_ptr().cast(), count) }
    }
}

#[cfg(loom)]
impl Word {
    /// The value; loom fails the model if a store is not ordered before or after this.
    #[must_use]
    pub fn load(&self) -> u64 {
        // SAFETY: loom checks what the dereference needs.
        self.0.with(|value| unsafe { *value })
    }

    /// Replaces the value; loom fails the model if another access is not ordered before or after this.
    pub fn store(&self, value: u64) {
        // SAFETY: as above.
        self.0.with_mut(|at| unsafe { *at = value });
    }
}

#[cfg(loom)]
// SAFETY: loom checks each access and fails the model before a race happens.
unsafe impl Sync for Word {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Word>() == 8 && align_of::<Word>() == 8);
