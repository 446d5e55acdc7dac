//! Long messages, filled and read piece by piece.
//!
//! A core that fills memory which another one read last, or reads what another one wrote, gets it line by line, and has
//! only as many lines under way as its stores and loads in waiting reach. Asked for some kilobytes ahead, more of them come
//! at once: a mebibyte between two cores without a cache in common goes over about twice as fast (`docs/measurements.md`).
//! What is asked for is a hint, and what comes next anyway; nothing is asked for beyond the end.

use std::slice;

use crate::fetch::{self, LINE};

/// How far ahead of what is filled lines are asked for, in bytes: farther than for reading, since to take a line away from
/// a reader takes longer than to share it.
const FILL_AHEAD: usize = 8192;

/// As [`as_chunks`](slice::as_chunks): `long`, for instance [the bytes of a message](super::Bytes::as_slice), in pieces of
/// `COUNT` elements, best of a cache line or a few, and what is left. Each piece is asked for 4 KiB ahead: the fastest way to
/// read a message of many kilobytes. [`Bytes::blocks`](super::Bytes::blocks) asks likewise.
///
/// ```
/// let long = vec![1u64; 4100];
/// let (lines, rest) = adit_ring::stream::pieces::<_, 8>(&long);
/// let sum: u64 = lines.flatten().chain(rest).sum();
/// assert_eq!(sum, 4100);
/// ```
#[inline(always)]
pub fn pieces<T, const COUNT: usize>(long: &[T]) -> (Pieces<'_, T, COUNT>, &[T]) {
    let (pieces, rest) = long.as_chunks();
    (Pieces { end: pieces.as_ptr_range().end.addr(), pieces: pieces.iter() }, rest)
}

/// As [`as_chunks_mut`](slice::as_chunks_mut): `long`, for instance [the bytes of a claim](super::Claim::as_mut_slice), in
/// pieces of `COUNT` elements, best of a cache line or a few, and what is left. Each piece is asked for 8 KiB ahead: the
/// fastest way to fill a message of many kilobytes.
///
/// ```
/// let mut long = vec![0; 4100];
/// let (lines, rest) = adit_ring::stream::pieces_mut::<_, 8>(&mut long);
/// lines.flatten().chain(rest).zip(7..).for_each(|(word, value)| *word = value);
/// assert_eq!(long[4099], 4106);
/// ```
#[inline(always)]
pub fn pieces_mut<T, const COUNT: usize>(long: &mut [T]) -> (PiecesMut<'_, T, COUNT>, &mut [T]) {
    let (pieces, rest) = long.as_chunks_mut();
    (PiecesMut { end: pieces.as_ptr_range().end.addr(), pieces: pieces.iter_mut() }, rest)
}

/// What [`pieces`] gives.
#[derive(Clone, Debug)]
pub struct Pieces<'a, T, const COUNT: usize> {
    pieces: slice::Iter<'a, [T; COUNT]>,
    /// Where the last one ends: what is behind it is not asked for.
    end: usize,
}

/// What [`pieces_mut`] gives.
#[derive(Debug)]
pub struct PiecesMut<'a, T, const COUNT: usize> {
    pieces: slice::IterMut<'a, [T; COUNT]>,
    /// As in [`Pieces`].
    end: usize,
}

/// Calls `ask` with an address in each line that lies so far behind the piece's, if that is before the `end`.
#[inline(always)]
fn each_line_ahead<T>(piece: &T, ahead: usize, end: usize, ask: impl Fn(*const u8)) {
    let ahead = std::ptr::from_ref(piece).cast::<u8>().wrapping_add(ahead);
    if ahead.addr() < end {
        for line in (0..size_of::<T>()).step_by(LINE) {
            ask(ahead.wrapping_add(line));
        }
    }
}

impl<'a, T, const COUNT: usize> Iterator for Pieces<'a, T, COUNT> {
    type Item = &'a [T; COUNT];

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.pieces.next()?;
        each_line_ahead(piece, fetch::AHEAD as usize, self.end, fetch::read_at);
        Some(piece)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pieces.size_hint()
    }
}

impl<T, const COUNT: usize> ExactSizeIterator for Pieces<'_, T, COUNT> {}

impl<'a, T, const COUNT: usize> Iterator for PiecesMut<'a, T, COUNT> {
    type Item = &'a mut [T; COUNT];

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.pieces.next()?;
        each_line_ahead(piece, FILL_AHEAD, self.end, fetch::write_at);
        Some(piece)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pieces.size_hint()
    }
}

impl<T, const COUNT: usize> ExactSizeIterator for PiecesMut<'_, T, COUNT> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_and_what_is_left_are_the_whole_in_order(len in 0..20_000usize) {
            let mut long = vec![0u8; len];
            let (filled, rest) = pieces_mut::<_, 192>(&mut long);
            prop_assert_eq!(filled.len(), len / 192);
            let mut next = 0..;
            filled.flatten().chain(rest).for_each(|byte| *byte = next.next().unwrap() as u8);
            prop_assert!(long.iter().enumerate().all(|(at, byte)| *byte == at as u8));
            let (read, rest) = pieces::<_, 100>(&long);
            prop_assert_eq!(read.len(), len / 100);
            prop_assert_eq!(read.flatten().chain(rest).copied().collect::<Vec<_>>(), long);
        }
    }
}
