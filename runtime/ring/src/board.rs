//! A sequence lock: one writer replaces a value of a few words, readers copy it whole.
//!
//! After Boehm, "Can seqlocks get along with programming language memory models?" (2012), figure 6: data
//! are relaxed atomics, the reader's second look at the sequence stands behind an acquire fence.
//!
//! | writer | reader |
//! |---|---|
//! | sequence = odd, fence(release) | acquire sequence; odd: come back later |
//! | words, relaxed | words, relaxed |
//! | sequence = even, release | fence(acquire); sequence again: changed means torn |

use crate::primitive::{AtomicU64, Ordering, fence, load_acquire};

/// The writing end; there is one for each sequence.
#[derive(Debug)]
pub struct BoardWriter<'a> {
    sequence: &'a AtomicU64,
    words: &'a [AtomicU64],
}

/// A reading end.
#[derive(Clone, Copy, Debug)]
pub struct BoardReader<'a> {
    sequence: &'a AtomicU64,
    words: &'a [AtomicU64],
}

impl<'a> BoardWriter<'a> {
    /// Writes `words`, guarded by `sequence`.
    #[must_use]
    pub fn new(sequence: &'a AtomicU64, words: &'a [AtomicU64]) -> Self {
        Self { sequence, words }
    }

    /// Replaces the value; words beyond `value` keep what they hold.
    pub fn write(&mut self, value: &[u64]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        // SYNC with the reader's acquire fence: who sees a word below sees the odd sequence too.
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(value) {
            word.store(*value, Ordering::Relaxed);
        }
        // SYNC with the reader's acquire of `sequence`: who sees this sees all words.
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }
}

impl<'a> BoardReader<'a> {
    /// Reads `words`, guarded by `sequence`.
    #[must_use]
    pub fn new(sequence: &'a AtomicU64, words: &'a [AtomicU64]) -> Self {
        Self { sequence, words }
    }

    /// Copies the first `into.len()` words; `false` means that the writer was at work and `into` is torn.
    #[must_use]
    pub fn try_read(&self, into: &mut [u64]) -> bool {
        let before = load_acquire(self.sequence);
        if !before.is_multiple_of(2) {
            return false;
        }
        for (word, value) in self.words.iter().zip(into) {
            *value = word.load(Ordering::Relaxed);
        }
        // SYNC with the writer's release fence.
        fence(Ordering::Acquire);
        self.sequence.load(Ordering::Relaxed) == before
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    #[test]
    fn a_torn_value_is_never_taken() {
        loom::model(|| {
            let cells = Arc::new((AtomicU64::new(0), [AtomicU64::new(0), AtomicU64::new(0)]));
            let writer = {
                let cells = Arc::clone(&cells);
                thread::spawn(move || {
                    let mut writer = BoardWriter::new(&cells.0, &cells.1);
                    writer.write(&[1, 1]);
                    writer.write(&[2, 2]);
                })
            };
            let mut value = [9, 9];
            if BoardReader::new(&cells.0, &cells.1).try_read(&mut value) {
                assert_eq!(value[0], value[1]);
            }
            writer.join().unwrap();
            assert!(BoardReader::new(&cells.0, &cells.1).try_read(&mut value));
            assert_eq!(value, [2, 2]);
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_odd_sequence_is_not_read() {
        let sequence = AtomicU64::new(1);
        let words = [AtomicU64::new(7)];
        let mut value = [0];
        assert!(!BoardReader::new(&sequence, &words).try_read(&mut value));
        sequence.store(2, Ordering::Relaxed);
        assert!(BoardReader::new(&sequence, &words).try_read(&mut value));
        assert_eq!(value, [7]);
    }
}
