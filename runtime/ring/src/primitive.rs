//! The only place that knows whether loom or the processor runs the atomics.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Loads with acquire order.
///
/// A relaxed load and a fence, because the word may stand in a read-only mapping, where Rust promises
/// relaxed loads alone (`core::sync::atomic`, "Atomic accesses to read-only memory"). On x86-64 it is one
/// plain load either way.
#[inline(always)]
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}
