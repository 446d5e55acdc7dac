//! The last compression of many nonces at once, with all that a stretch settles left out.
//!
//! Rounds and the words of a mix are generic in their numbers, so that every index is a constant:
//! once inlined, state and message words are plain values. The second half of the message is zero
//! and not added. Of the digest only the word with its highest 32 bits is computed, so that the
//! compiler drops what does not lead there: two of the last round's diagonals and the ends of more.

use crate::compress::SIGMA;
use crate::job::Stretch;
use crate::lanes::Lanes;

/// The digest's last word for each lane, whose lowest nonce bits `m5` has in its upper half.
#[inline(always)]
pub(crate) fn last_word<L: Lanes>(l: L, stretch: &Stretch, m5: L::Vector) -> L::Vector {
    let mut m = [m5; 8];
    let mut v = [m5; 16];
    // Loops: of `map` on arrays the compiler makes a call, with all vectors through memory.
    for at in [0, 1, 2, 3, 4, 6, 7] {
        m[at] = l.splat(stretch.words[at]);
    }
    for (v, &word) in v.iter_mut().zip(&stretch.early) {
        *v = l.splat(word);
    }
    first_round(l, &mut v, m5);
    round::<_, 1>(l, &mut v, &m);
    round::<_, 2>(l, &mut v, &m);
    round::<_, 3>(l, &mut v, &m);
    round::<_, 4>(l, &mut v, &m);
    round::<_, 5>(l, &mut v, &m);
    round::<_, 6>(l, &mut v, &m);
    round::<_, 7>(l, &mut v, &m);
    round::<_, 8>(l, &mut v, &m);
    round::<_, 9>(l, &mut v, &m);
    l.xor(l.xor(v[7], l.splat(stretch.midstate_top)), v[15])
}

/// What [`Stretch::early`] leaves of the first round.
#[inline(always)]
pub(crate) fn first_round<L: Lanes>(l: L, v: &mut [L::Vector; 16], m5: L::Vector) {
    v[2] = l.add(v[2], m5);
    v[14] = l.rotate_right(l.xor(v[14], v[2]), 8);
    v[10] = l.add(v[10], v[14]);
    v[6] = l.rotate_right(l.xor(v[6], v[10]), 7);

    v[10] = l.add(v[10], v[15]);
    v[5] = l.rotate_right(l.xor(v[5], v[10]), 12);
    v[1] = l.add(v[1], v[6]);
    spread::<_, 1, 6, 11, 12>(l, v, 16, 12);
    v[2] = l.add(v[2], v[7]);
    spread::<_, 2, 7, 8, 13>(l, v, 16, 12);
    spread::<_, 3, 4, 9, 14>(l, v, 16, 12);

    v[0] = l.add(v[0], v[5]);
    spread::<_, 0, 5, 10, 15>(l, v, 8, 7);
    v[1] = l.add(v[1], v[6]);
    spread::<_, 1, 6, 11, 12>(l, v, 8, 7);
    v[2] = l.add(v[2], v[7]);
    spread::<_, 2, 7, 8, 13>(l, v, 8, 7);
    v[3] = l.add(v[3], v[4]);
    spread::<_, 3, 4, 9, 14>(l, v, 8, 7);
}

/// Round `R`: columns, then diagonals; the four mixes of each do not wait for each other.
#[inline(always)]
fn round<L: Lanes, const R: usize>(l: L, v: &mut [L::Vector; 16], m: &[L::Vector; 8]) {
    half::<_, R, 0, 0, 4, 8, 12>(l, v, m, 16, 12);
    half::<_, R, 2, 1, 5, 9, 13>(l, v, m, 16, 12);
    half::<_, R, 4, 2, 6, 10, 14>(l, v, m, 16, 12);
    half::<_, R, 6, 3, 7, 11, 15>(l, v, m, 16, 12);
    half::<_, R, 1, 0, 4, 8, 12>(l, v, m, 8, 7);
    half::<_, R, 3, 1, 5, 9, 13>(l, v, m, 8, 7);
    half::<_, R, 5, 2, 6, 10, 14>(l, v, m, 8, 7);
    half::<_, R, 7, 3, 7, 11, 15>(l, v, m, 8, 7);

    half::<_, R, 8, 0, 5, 10, 15>(l, v, m, 16, 12);
    half::<_, R, 10, 1, 6, 11, 12>(l, v, m, 16, 12);
    half::<_, R, 12, 2, 7, 8, 13>(l, v, m, 16, 12);
    half::<_, R, 14, 3, 4, 9, 14>(l, v, m, 16, 12);
    half::<_, R, 9, 0, 5, 10, 15>(l, v, m, 8, 7);
    half::<_, R, 11, 1, 6, 11, 12>(l, v, m, 8, 7);
    half::<_, R, 13, 2, 7, 8, 13>(l, v, m, 8, 7);
    half::<_, R, 15, 3, 4, 9, 14>(l, v, m, 8, 7);
}

/// Half a mix in round `R`, with the message word that stands `I`th there.
#[inline(always)]
fn half<
    L: Lanes,
    const R: usize,
    const I: usize,
    const A: usize,
    const B: usize,
    const C: usize,
    const D: usize,
>(
    l: L,
    v: &mut [L::Vector; 16],
    m: &[L::Vector; 8],
    rotate_d: u32,
    rotate_b: u32,
) {
    if const { SIGMA[R][I] < 8 } {
        v[A] = l.add(v[A], m[const { SIGMA[R][I] % 8 }]);
    }
    v[A] = l.add(v[A], v[B]);
    spread::<_, A, B, C, D>(l, v, rotate_d, rotate_b);
}

/// What half a mix does once the message word is in `v[A]`.
#[inline(always)]
fn spread<L: Lanes, const A: usize, const B: usize, const C: usize, const D: usize>(
    l: L,
    v: &mut [L::Vector; 16],
    rotate_d: u32,
    rotate_b: u32,
) {
    v[D] = l.rotate_right(l.xor(v[D], v[A]), rotate_d);
    v[C] = l.add(v[C], v[D]);
    v[B] = l.rotate_right(l.xor(v[B], v[C]), rotate_b);
}
