//! Whole hashes: PBKDF2 in lanes, ROMix in rows, PBKDF2 again.

use adit_plugin::Digest;
use adit_plugin::lanes::Lanes;

use crate::job::Job;
use crate::pbkdf2::Keyed;
use crate::romix::{Line, Rows, Table, WORD_AT, romix};

/// The digests of the nonces `first ..`, `HASHES` of them; a multiple of the lanes. [`romix`] says what the numbers
/// are.
#[inline(always)]
pub(crate) fn hash<L: Lanes, R: Rows, const WAYS: usize, const GROUPS: usize, const HASHES: usize>(
    (l, r): (L, R),
    job: &Job,
    first: u32,
    table: &mut Table<HASHES>,
) -> [Digest; HASHES] {
    const { assert!(HASHES.is_multiple_of(L::LANES) && L::LANES <= MOST_LANES) };
    let mut lines = [[Line([0; 16]); 2]; HASHES];
    let mut digests = [Digest([0; 32]); HASHES];
    for (at, lines) in lines.chunks_exact_mut(L::LANES).enumerate() {
        let nonces = numbered(l, first, at);
        let words = Keyed::new(l, job, nonces).expand(l, job, nonces);
        to_lines(l, &words, lines);
    }
    romix::<R, WAYS, GROUPS, HASHES>(r, &mut lines, table);
    for (at, (lines, digests)) in
        lines.chunks_exact(L::LANES).zip(digests.chunks_exact_mut(L::LANES)).enumerate()
    {
        let words = Keyed::new(l, job, numbered(l, first, at)).extract(l, &from_lines(l, lines));
        for (at, word) in words.into_iter().enumerate() {
            let mut lanes = [0; MOST_LANES];
            l.store(word, &mut lanes);
            for (digest, word) in digests.iter_mut().zip(lanes) {
                digest.0[4 * at..][..4].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
    digests
}

/// Lanes of the widest vector there is.
const MOST_LANES: usize = 16;

/// The numbers of the vector that is `at` in a row of vectors that count up from `first`.
#[inline(always)]
fn numbered<L: Lanes>(l: L, first: u32, at: usize) -> L::Vector {
    let mut lanes = [0; MOST_LANES];
    for (lane, number) in lanes.iter_mut().enumerate() {
        *number = first.wrapping_add((at * L::LANES + lane) as u32);
    }
    l.load(&lanes)
}

#[inline(always)]
fn to_lines<L: Lanes>(l: L, words: &[L::Vector; 32], lines: &mut [[Line; 2]]) {
    for block in 0..2 {
        for (place, word) in WORD_AT.into_iter().enumerate() {
            let mut lanes = [0; MOST_LANES];
            l.store(words[16 * block + word], &mut lanes);
            for (line, word) in lines.iter_mut().zip(lanes) {
                line[block].0[place] = word;
            }
        }
    }
}

#[inline(always)]
fn from_lines<L: Lanes>(l: L, lines: &[[Line; 2]]) -> [L::Vector; 32] {
    let mut words = [l.splat(0); 32];
    for block in 0..2 {
        for (place, word) in WORD_AT.into_iter().enumerate() {
            let mut lanes = [0; MOST_LANES];
            for (lane, line) in lanes.iter_mut().zip(lines) {
                *lane = line[block].0[place];
            }
            words[16 * block + word] = l.load(&lanes);
        }
    }
    words
}
