//! What payloads are made of.

#[cfg(not(loom))]
use std::ptr::NonNull;

use crate::primitive::{Ordering, load_acquire};

#[cfg(not(loom))]
use crate::primitive::AtomicU64;

/// Eight bytes of a payload or of a ring's buffer.
///
/// An atomic with relaxed order, so that a peer which writes where it must not changes values and nothing
/// else. Two correct ends never touch a word at the same time, but where a ring is overwritten: loom, where a
/// word is a checked cell, holds them to it.
#[derive(Debug, Default)]
#[cfg_attr(not(loom), repr(transparent))]
pub struct Word(#[cfg(not(loom))] AtomicU64, #[cfg(loom)] Cell);

/// A [`Word`] that is read alone: it may be mapped so that nobody here can write to it.
#[derive(Debug)]
#[repr(transparent)]
pub struct ReadWord(Word);

impl ReadWord {
    /// The value now; the next look may show another.
    #[inline(always)]
    #[must_use]
    pub fn load(&self) -> u64 {
        self.0.load()
    }

    /// As the ring or the arena has them.
    #[inline(always)]
    pub(crate) fn raw(words: &[Self]) -> &[Word] {
        // SAFETY: a `ReadWord` is a `Word`; this crate writes to none that a reader was given.
        unsafe { &*(std::ptr::from_ref(words) as *const [Word]) }
    }

    /// The same words, for who does not write.
    #[inline(always)]
    #[must_use]
    pub fn of(words: &[Word]) -> &[Self] {
        // SAFETY: a `ReadWord` is a `Word`, and does less.
        unsafe { &*(std::ptr::from_ref(words) as *const [Self]) }
    }
}

/// What loom checks of a word.
#[cfg(loom)]
#[derive(Debug)]
enum Cell {
    /// No two accesses race.
    Exclusive(loom::cell::UnsafeCell<u64>),
    /// They may, and a load then gives any value that the order of the model allows: for rings that are
    /// overwritten while somebody reads.
    #[cfg_attr(not(test), expect(dead_code, reason = "models alone make some"))]
    Racy(loom::sync::atomic::AtomicU64),
}

#[cfg(loom)]
impl Default for Cell {
    fn default() -> Self {
        Self::Exclusive(loom::cell::UnsafeCell::new(0))
    }
}

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

    /// As [`load`](Self::load), with acquire order; see [`load_acquire`].
    #[inline(always)]
    pub(crate) fn acquire(&self) -> u64 {
        load_acquire(&self.0)
    }

    /// As [`store`](Self::store), with release order.
    #[inline(always)]
    pub(crate) fn release(&self, value: u64) {
        self.0.store(value, Ordering::Release);
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
        match &self.0 {
            // SAFETY: loom checks what the dereference needs.
            Cell::Exclusive(cell) => cell.with(|value| unsafe { *value }),
            Cell::Racy(atomic) => atomic.load(loom::sync::atomic::Ordering::Relaxed),
        }
    }

    /// Replaces the value; loom fails the model if another access is not ordered before or after this.
    pub fn store(&self, value: u64) {
        match &self.0 {
            // SAFETY: as above.
            Cell::Exclusive(cell) => cell.with_mut(|at| unsafe { *at = value }),
            Cell::Racy(atomic) => atomic.store(value, loom::sync::atomic::Ordering::Relaxed),
        }
    }

    pub(crate) fn acquire(&self) -> u64 {
        match &self.0 {
            Cell::Exclusive(_) => self.load(),
            Cell::Racy(atomic) => load_acquire(atomic),
        }
    }

    pub(crate) fn release(&self, value: u64) {
        match &self.0 {
            Cell::Exclusive(_) => self.store(value),
            Cell::Racy(atomic) => atomic.store(value, Ordering::Release),
        }
    }

    /// A word that both ends may touch at a time.
    #[cfg(test)]
    pub(crate) fn racy() -> Self {
        Self(Cell::Racy(loom::sync::atomic::AtomicU64::new(0)))
    }
}

#[cfg(loom)]
// SAFETY: loom checks each access and fails the model before a race happens.
unsafe impl Sync for Word {}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Word>() == 8 && align_of::<Word>() == 8);
