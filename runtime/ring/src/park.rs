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
//!
//! That is the slot ring. In the stream ring either end may sleep, on the other's cursor, and `waiting` is the
//! lowest value of it that will do; who raises a cursor past it wakes.

use std::time::Duration;

use crate::primitive::AtomicU64;

/// What an end that announced its sleep sleeps on.
#[derive(Clone, Copy, Debug)]
pub struct SleepOn<'a> {
    /// Sleep while the low 32 bits of this word ...
    pub word: &'a AtomicU64,
    /// ... are these.
    pub expected: u32,
}

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

/// A futex as the kernel makes one: the comparison and the sleep are one step for whoever wakes.
#[cfg(all(test, loom))]
pub(crate) mod model {
    use loom::sync::{Condvar, Mutex};

    use super::{AtomicU64, Duration, Park};
    use crate::primitive::{Ordering, fence};

    /// Sleepers on two words at most, so that a wake of one word never hides that one of the other is lost.
    #[derive(Default)]
    pub(crate) struct ModelFutex {
        words: Mutex<Vec<usize>>,
        sleepers: [Condvar; 2],
    }

    fn bucket(words: &mut Vec<usize>, word: &AtomicU64) -> usize {
        let address = std::ptr::from_ref(word).addr();
        words.iter().position(|known| *known == address).unwrap_or_else(|| {
            words.push(address);
            words.len() - 1
        })
    }

    impl Park for ModelFutex {
        fn light_fence(&self) {
            fence(Ordering::SeqCst);
        }

        fn heavy_fence(&self) {
            fence(Ordering::SeqCst);
        }

        fn wait(&self, word: &AtomicU64, expected: u32, _timeout: Duration) {
            let mut words = self.words.lock().unwrap();
            let bucket = bucket(&mut words, word);
            if word.load(Ordering::SeqCst) as u32 == expected {
                drop(self.sleepers[bucket].wait(words).unwrap());
            }
        }

        fn wake(&self, word: &AtomicU64) {
            let bucket = bucket(&mut self.words.lock().unwrap(), word);
            self.sleepers[bucket].notify_all();
        }
    }
}
