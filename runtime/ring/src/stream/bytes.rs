//! A record's payload, read where it is.

use super::{ReadWord, Word, copy, wide};
use crate::fetch;

/// The bytes of a record, in memory that the peer can write.
///
/// The length is checked and stays what it is. The bytes are as good as the peer: one that breaks the rules
/// can change them between two looks, so what is judged must first be copied, or loaded once.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a> {
    words: &'a [Word],
    len: usize,
}

impl<'a> Bytes<'a> {
    /// `len` bytes at the start of `words`, which are just enough.
    #[inline(always)]
    pub(crate) fn new(words: &'a [Word], len: usize) -> Self {
        debug_assert_eq!(words.len(), len.div_ceil(8));
        Self { words, len }
    }

    /// The first `len` bytes of words that are not a ring's: a copy.
    ///
    /// # Panics
    /// There are fewer.
    #[must_use]
    pub fn of(words: &'a [Word], len: usize) -> Self {
        Self::new(&words[..len.div_ceil(8)], len)
    }

    /// A copy of `bytes`, which is made in words that are not a ring's.
    ///
    /// # Panics
    /// There are more or fewer words than they need.
    #[must_use]
    pub fn filled(words: &'a [Word], bytes: &[u8]) -> Self {
        assert_eq!(words.len(), bytes.len().div_ceil(8), "words for a message of another length");
        copy::fill(words, bytes);
        Self::new(words, bytes.len())
    }

    /// Length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[inline(always)]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words that hold the bytes; the last may end with some that belong to nothing.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> &'a [ReadWord] {
        ReadWord::of(self.words)
    }

    /// As the ring has them.
    #[inline(always)]
    pub(crate) fn raw(&self) -> &'a [Word] {
        self.words
    }

    /// The words in blocks of eight, each loaded at once, and those behind the last whole block: the fastest way
    /// through a long message that is not copied. The last word may end with bytes that belong to nothing.
    #[inline(always)]
    pub fn blocks(&self) -> (impl Iterator<Item = [u64; 8]> + 'a, &'a [ReadWord]) {
        let (words, (blocks, rest)) = (self.words, self.words.as_chunks::<8>());
        let blocks = blocks.iter().enumerate().map(move |(at, block)| {
            let ahead = at as u64 * 64 + fetch::AHEAD;
            // Beyond the message is what the writer is about to write.
            if ahead < words.len() as u64 * 8 {
                fetch::to_read(words, ahead);
            }
            wide::load_words(block)
        });
        (blocks, ReadWord::of(rest))
    }

    /// Copies all of them, if they are `COUNT` words exactly.
    #[inline(always)]
    #[must_use]
    pub fn to_words<const COUNT: usize>(&self) -> Option<[u64; COUNT]> {
        if self.len != COUNT * 8 {
            return None;
        }
        let words: &[Word; COUNT] = self.words.try_into().ok()?;
        Some(std::array::from_fn(|at| words[at].load()))
    }

    /// Copies `into.len()` bytes from byte `at` on.
    ///
    /// # Panics
    /// There are fewer.
    #[inline(always)]
    pub fn copy_to(&self, at: usize, into: &mut [u8]) {
        assert!(
            at.checked_add(into.len()).is_some_and(|end| end <= self.len),
            "{at} + {} is out of a record of {} bytes",
            into.len(),
            self.len
        );
        if at == 0 && into.len() == self.len {
            return copy::take(self.words, into);
        }
        copy::read(self.words, at, into);
    }

    /// The bytes as a slice, for a reader that trusts its writer: nothing is copied.
    ///
    /// # Safety
    /// Nobody writes to the ring's buffer where this record stands while the slice lives. A
    /// [`Producer`](super::Producer) does not before the record is consumed; a process that may break the
    /// rules can at any time.
    #[cfg(not(loom))]
    #[inline(always)]
    #[must_use]
    pub unsafe fn as_slice(&self) -> &'a [u8] {
        // SAFETY: `len` bytes are within the words; the caller promises that nobody writes to them.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.len) }
    }
}
