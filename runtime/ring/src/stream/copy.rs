//! Copying bytes into and out of words that a peer may touch meanwhile.
//!
//! A relaxed load and store for each word is right everywhere, but compilers do not combine atomic accesses
//! into wider ones, so on x86-64 there is assembly for what is longer ([`wide`]).

use super::{Word, wide};

/// Writes `bytes` from byte `at` of `words` on.
#[inline(always)]
pub(crate) fn write(words: &[Word], at: usize, bytes: &[u8]) {
    let (mut word, skew) = (at / 8, at % 8);
    let mut rest = bytes;
    if skew != 0 {
        let (head, tail) = rest.split_at(rest.len().min(8 - skew));
        patch(&words[word], skew, head);
        (word, rest) = (word + 1, tail);
    }
    let whole = rest.len() / 8;
    let (body, last) = rest.split_at(whole * 8);
    if !body.is_empty() {
        write_whole(&words[word..][..whole], body);
    }
    if !last.is_empty() {
        patch(&words[word + whole], 0, last);
    }
}

/// Reads `into.len()` bytes from byte `at` of `words` on.
#[inline(always)]
pub(crate) fn read(words: &[Word], at: usize, into: &mut [u8]) {
    let (mut word, skew) = (at / 8, at % 8);
    let mut rest = into;
    if skew != 0 {
        let (head, tail) = rest.split_at_mut((8 - skew).min(rest.len()));
        head.copy_from_slice(&words[word].load().to_ne_bytes()[skew..][..head.len()]);
        (word, rest) = (word + 1, tail);
    }
    let whole = rest.len() / 8;
    let (body, last) = rest.split_at_mut(whole * 8);
    if !body.is_empty() {
        read_whole(&words[word..][..whole], body);
    }
    if !last.is_empty() {
        last.copy_from_slice(&words[word + whole].load().to_ne_bytes()[..last.len()]);
    }
}

/// Writes a whole payload to just as many words as it needs. What the last word has beyond it becomes zero.
#[inline(always)]
pub(super) fn fill(words: &[Word], bytes: &[u8]) {
    let whole = bytes.len() / 8;
    let (body, last) = bytes.split_at(whole * 8);
    let (words, end) = words.split_at(whole);
    write_whole(words, body);
    if !last.is_empty() {
        let mut value = [0; 8];
        value[..last.len()].copy_from_slice(last);
        end[0].store(u64::from_ne_bytes(value));
    }
}

/// Reads a whole payload from just as many words as it needs.
#[inline(always)]
pub(super) fn take(words: &[Word], into: &mut [u8]) {
    let whole = into.len() / 8;
    let (body, last) = into.split_at_mut(whole * 8);
    let (words, end) = words.split_at(whole);
    read_whole(words, body);
    if !last.is_empty() {
        last.copy_from_slice(&end[0].load().to_ne_bytes()[..last.len()]);
    }
}

/// As [`fill`], for payloads of `size` bytes that stand one behind the other.
#[inline(always)]
pub(super) fn fill_each(words: &[Word], size: usize, bytes: &[u8]) {
    if size.is_multiple_of(8) {
        return fill(words, bytes);
    }
    for (words, bytes) in words.chunks_exact(size.div_ceil(8)).zip(bytes.chunks_exact(size)) {
        fill(words, bytes);
    }
}

/// As [`take`], for payloads of `size` bytes that are to stand one behind the other.
#[inline(always)]
pub(super) fn take_each(words: &[Word], size: usize, into: &mut [u8]) {
    if size.is_multiple_of(8) {
        return take(words, into);
    }
    for (words, into) in words.chunks_exact(size.div_ceil(8)).zip(into.chunks_exact_mut(size)) {
        take(words, into);
    }
}

/// Copies words that a peer may touch meanwhile to as many of this side's own.
#[inline(always)]
pub(crate) fn between(from: &[Word], to: &[Word]) {
    debug_assert_eq!(from.len(), to.len());
    if from.len() * 8 >= wide::BULK {
        let len = from.len().min(to.len()) * 8;
        // SAFETY: both are at least `len` long, are atomics, and lie in different buffers.
        unsafe { wide::move_bytes(to.as_ptr().cast_mut().cast(), from.as_ptr().cast(), len) };
        return;
    }
    for (from, to) in from.iter().zip(to) {
        to.store(from.load());
    }
}

/// Replaces some bytes of a word that this side owns.
#[inline(always)]
fn patch(word: &Word, skew: usize, bytes: &[u8]) {
    let mut value = word.load().to_ne_bytes();
    value[skew..][..bytes.len()].copy_from_slice(bytes);
    word.store(u64::from_ne_bytes(value));
}

#[inline(always)]
fn write_whole(words: &[Word], bytes: &[u8]) {
    debug_assert_eq!(words.len() * 8, bytes.len());
    if bytes.len() >= wide::BULK {
        // SAFETY: both are `bytes.len()` long. The words are atomics and may be written through a shared
        // reference; `bytes` is an ordinary slice, so the two do not overlap.
        unsafe { wide::move_bytes(words.as_ptr().cast_mut().cast(), bytes.as_ptr(), bytes.len()) };
        return;
    }
    let (words, bytes) = wide::write_blocks(words, bytes);
    for (word, bytes) in words.iter().zip(bytes.as_chunks().0) {
        word.store(u64::from_ne_bytes(*bytes));
    }
}

#[inline(always)]
fn read_whole(words: &[Word], into: &mut [u8]) {
    debug_assert_eq!(words.len() * 8, into.len());
    if into.len() >= wide::BULK {
        // SAFETY: both are `into.len()` long, and `into` is ours alone, so the two do not overlap.
        unsafe { wide::move_bytes(into.as_mut_ptr(), words.as_ptr().cast(), into.len()) };
        return;
    }
    let (words, into) = wide::read_blocks(words, into);
    for (word, bytes) in words.iter().zip(into.as_chunks_mut().0) {
        *bytes = word.load().to_ne_bytes();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Around every boundary of words and around the length where the way of copying changes.
        #[test]
        fn reads_what_was_written_and_nothing_beside_it(
            at in 0..40usize,
            len in prop_oneof![0..200usize, 2000..2100usize],
        ) {
            let words: Vec<Word> = (0..320).map(|_| Word::default()).collect();
            words.iter().for_each(|word| word.store(u64::MAX));
            let bytes: Vec<u8> = (0..len).map(|at| at as u8 & 0x7f).collect();
            write(&words, at, &bytes);
            let mut whole = vec![0; 320 * 8];
            read(&words, 0, &mut whole);
            prop_assert_eq!(&whole[at..at + len], &bytes[..]);
            prop_assert!(whole[..at].iter().chain(&whole[at + len..]).all(|byte| *byte == 0xff));
            let mut part = vec![0; len];
            read(&words, at, &mut part);
            prop_assert_eq!(part, bytes);
        }
    }
}
