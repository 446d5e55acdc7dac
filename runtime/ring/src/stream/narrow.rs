//! What stands in for [`wide`](super::wide) where there is no such copy, or where each access is to be seen (loom,
//! Miri, the thread sanitizer): word by word.

use super::Word;

/// Nothing is so long.
pub(super) const BULK: usize = usize::MAX;

/// Leaves everything.
#[inline(always)]
pub(super) fn read_blocks<'w, 'i>(words: &'w [Word], into: &'i mut [u8]) -> (&'w [Word], &'i mut [u8]) {
    (words, into)
}

/// Leaves everything.
#[inline(always)]
pub(super) fn write_blocks<'w, 'b>(words: &'w [Word], bytes: &'b [u8]) -> (&'w [Word], &'b [u8]) {
    (words, bytes)
}

/// Loads a block of words.
#[inline(always)]
pub(super) fn load_words(words: &[Word; 8]) -> [u64; 8] {
    std::array::from_fn(|at| words[at].load())
}

/// Nothing calls it: nothing is long enough.
///
/// # Safety
/// Any.
pub(super) unsafe fn move_bytes(_: *mut u8, _: *const u8, _: usize) {
    unreachable!("nothing is longer than memory");
}
