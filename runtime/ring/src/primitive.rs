//! The only place that knows whether loom or the processor runs the atomics, and where bugs are planted.

#[cfg(loom)]
use loom::sync::atomic as real;
#[cfg(not(loom))]
use std::sync::atomic as real;

pub(crate) use real::AtomicU64;
#[cfg(not(planted))]
pub(crate) use real::{Ordering, fence};

#[cfg(planted)]
pub(crate) use planted::{Ordering, fence};

/// Loads with acquire order.
///
/// A relaxed load and a fence, because the word may stand in a read-only mapping, where Rust promises
/// relaxed loads alone (`core::sync::atomic`, "Atomic accesses to read-only memory"). On x86-64 it is one
/// plain load either way.
///
/// The thread sanitizer knows no fences: for it, and for it alone, the load itself has the order.
#[inline(always)]
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    if cfg!(tsan) {
        return word.load(Ordering::Acquire);
    }
    let value = word.load(Ordering::Relaxed);
    fence(Ordering::Acquire);
    value
}

/// Bugs that loom and the thread sanitizer must find (`cargo xtask planted`): one order is weaker than it is written,
/// everywhere in this crate.
#[cfg(planted)]
mod planted {
    use super::real;

    /// What [`real::Ordering`] is, but for the one that the build names.
    pub(crate) struct Ordering;

    #[allow(non_upper_case_globals, dead_code, reason = "named as the orders are, of which not all are used")]
    impl Ordering {
        pub const Relaxed: real::Ordering = real::Ordering::Relaxed;
        pub const Acquire: real::Ordering =
            if cfg!(planted = "acquire") { Self::Relaxed } else { real::Ordering::Acquire };
        pub const Release: real::Ordering =
            if cfg!(planted = "release") { Self::Relaxed } else { real::Ordering::Release };
        pub const AcqRel: real::Ordering = real::Ordering::AcqRel;
        pub const SeqCst: real::Ordering =
            if cfg!(planted = "fence") { Self::Relaxed } else { real::Ordering::SeqCst };
    }

    /// A fence of the order that is left; of none, nothing.
    #[inline(always)]
    pub(crate) fn fence(order: real::Ordering) {
        if order != Ordering::Relaxed {
            real::fence(order);
        }
    }
}
