//! Sleeping and waking, without saying how.
//!
//! A reader that finds its ring empty announces the position it waits for, then looks once more; a writer
//! publishes, then looks whether somebody waits. One of the two must see the other's store (Dekker's
//! algorithm), which takes a full fence on both sides. The writer runs a million times more often, so it
//! pays the *light* half, and the rare sleeper pays the *heavy* one:
//!
//! | | writer | reader |
//! |---|---|---|
//! | 1 | `sequence` = p + 1 (release) | `waiting` = p + 1 |
//! | 2 | [`Park::light_fence`] | [`Park::heavy_fence`] |
//! | 3 | load `waiting` | load `sequence` |
//! | 4 | if it is p + 1: [`Park::wake`] | if it is old: [`Park::wait`] |
//!
//! With `membarrier(2)` the heavy fence interrupts every processor that runs the writer, and the light one
//! only stops the compiler. See also rayon-core's `sleep/README.md` for the same pattern.

use std::time::Duration;

use crate::primitive::AtomicU64;

/// What a ring asks of the system to sleep and wake.
pub trait Park {
    /// The writer's half of the fence pair.
    fn light_fence(&self);

    /// The sleeper's half.
    fn heavy_fence(&self);

    /// Sleeps while the low 32 bits of `word` are `expected`, at most `timeout`; may return early.
    fn wait(&self, word: &AtomicU64, expected: u32, timeout: Duration);

    /// Wakes whoever sleeps on `word`.
    fn wake(&self, word: &AtomicU64);
}
