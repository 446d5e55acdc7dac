//! The seven rounds of BLAKE3's compression over lanes, without counter, length and flags.

use adit_plugin::lanes::{Lanes, sha256::INITIAL};

/// Where the message words of a round come from, in the words of the round before.
const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];

/// Which message words each round takes.
const SCHEDULE: [[usize; 16]; 7] = {
    let mut schedule = [[0; 16]; 7];
    let (mut round, mut at) = (0, 0);
    while round < 7 {
        while at < 16 {
            schedule[round][at] = if round == 0 { at } else { schedule[round - 1][PERMUTATION[at]] };
            at += 1;
        }
        (round, at) = (round + 1, 0);
    }
    schedule
};

/// The state that a block makes of one, in each lane. The upper half of the working state begins as the eight words
/// that SHA-256 begins with.
#[inline(always)]
pub(crate) fn compress<L: Lanes>(l: L, state: &mut [L::Vector; 8], block: &[L::Vector; 16]) {
    let [a, b, c, d, e, f, g, h] = *state;
    let [i, j, k, m, n, o, p, q] = INITIAL.map(|word| l.splat(word));
    let v = &mut [a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q];
    round::<L, 0>(l, v, block);
    round::<L, 1>(l, v, block);
    round::<L, 2>(l, v, block);
    round::<L, 3>(l, v, block);
    round::<L, 4>(l, v, block);
    round::<L, 5>(l, v, block);
    round::<L, 6>(l, v, block);
    for (at, word) in state.iter_mut().enumerate() {
        *word = l.xor(v[at], v[at + 8]);
    }
}

/// Round `R`: columns, then diagonals.
#[inline(always)]
fn round<L: Lanes, const R: usize>(l: L, v: &mut [L::Vector; 16], m: &[L::Vector; 16]) {
    let word = |at: usize| m[SCHEDULE[R][at]];
    mix::<L, 0, 4, 8, 12>(l, v, word(0), word(1));
    mix::<L, 1, 5, 9, 13>(l, v, word(2), word(3));
    mix::<L, 2, 6, 10, 14>(l, v, word(4), word(5));
    mix::<L, 3, 7, 11, 15>(l, v, word(6), word(7));
    mix::<L, 0, 5, 10, 15>(l, v, word(8), word(9));
    mix::<L, 1, 6, 11, 12>(l, v, word(10), word(11));
    mix::<L, 2, 7, 8, 13>(l, v, word(12), word(13));
    mix::<L, 3, 4, 9, 14>(l, v, word(14), word(15));
}

#[inline(always)]
fn mix<L: Lanes, const A: usize, const B: usize, const C: usize, const D: usize>(
    l: L,
    v: &mut [L::Vector; 16],
    x: L::Vector,
    y: L::Vector,
) {
    v[A] = l.add(l.add(v[A], x), v[B]);
    v[D] = l.rotate_right(l.xor(v[D], v[A]), 16);
    v[C] = l.add(v[C], v[D]);
    v[B] = l.rotate_right(l.xor(v[B], v[C]), 12);
    v[A] = l.add(l.add(v[A], y), v[B]);
    v[D] = l.rotate_right(l.xor(v[D], v[A]), 8);
    v[C] = l.add(v[C], v[D]);
    v[B] = l.rotate_right(l.xor(v[B], v[C]), 7);
}
