//! The double hash of many nonces at once, with all that a job or a constant settles left out.
//!
//! Rounds are generic in their number, so that every index is a constant: once inlined, state and
//! message words are plain values. Of the second hash only its last word is computed, which round 60
//! settles: it holds the digest's highest 32 bits.

use adit_plugin::lanes::Lanes;

use crate::compress::{INITIAL, K, role, sigma0 as plain_sigma0, sigma1 as plain_sigma1};
use crate::job::{DIGEST_BITS, HEADER_BITS, Job, PADDING};

/// Calls a function that is generic in lanes and the round's number once for each number listed.
macro_rules! rounds {
    ($step:ident $arguments:tt: $($round:literal)*) => {
        $($step::<_, $round> $arguments;)*
    };
}

/// The digest's last word for each lane, whose nonce `nonce` has in the bytes' order of a header read
/// as a big-endian word.
#[inline(always)]
pub(crate) fn last_word<L: Lanes>(lanes: L, job: &Job, nonce: L::Vector) -> L::Vector {
    let first = first_hash(lanes, job, nonce);
    second_hash(lanes, &first)
}

/// The header's second block, from the fourth round on.
#[inline(always)]
fn first_hash<L: Lanes>(l: L, job: &Job, nonce: L::Vector) -> [L::Vector; 8] {
    let splat = |word| l.splat(word);
    // A message word is only added, so the fourth round lets the nonce in at two places.
    let s = &mut splat_all(l, &job.early);
    s[0] = l.add(s[0], nonce);
    s[4] = l.add(s[4], nonce);
    round::<_, 4>(l, s, splat(job.keyed[0]));
    round::<_, 5>(l, s, splat(job.keyed[1]));
    round::<_, 6>(l, s, splat(job.keyed[2]));
    rounds!(fixed_round(l, s, 0): 7 8 9 10 11 12 13 14);
    fixed_round::<_, 15>(l, s, HEADER_BITS);
    keyed_round::<_, 16>(l, s, splat(job.keyed_schedule[0]));
    keyed_round::<_, 17>(l, s, splat(job.keyed_schedule[1]));

    // Words 16 and 17 are in the job; word 4 is the padding, words 5 to 14 are zero.
    let w = &mut [nonce; 16];
    w[2] = l.add(small0(l, nonce), splat(job.schedule[2]));
    word_round::<_, 18>(l, s, w);
    w[3] = l.add(nonce, splat(job.schedule[3]));
    word_round::<_, 19>(l, s, w);
    w[4] = l.add(small1(l, w[2]), splat(PADDING));
    word_round::<_, 20>(l, s, w);
    w[5] = small1(l, w[3]);
    word_round::<_, 21>(l, s, w);
    w[6] = l.add(small1(l, w[4]), splat(HEADER_BITS));
    word_round::<_, 22>(l, s, w);
    w[7] = l.add(small1(l, w[5]), splat(job.schedule[0]));
    word_round::<_, 23>(l, s, w);
    w[8] = l.add(small1(l, w[6]), splat(job.schedule[1]));
    word_round::<_, 24>(l, s, w);
    rounds!(short_round(l, s, w): 25 26 27 28 29);
    short_word::<_, 30>(l, w);
    w[14] = l.add(w[14], splat(const { plain_sigma0(HEADER_BITS) }));
    word_round::<_, 30>(l, s, w);
    short_word::<_, 31>(l, w);
    w[15] = l.add(w[15], splat(job.late[0]));
    word_round::<_, 31>(l, s, w);
    short_word::<_, 32>(l, w);
    w[0] = l.add(w[0], splat(job.late[1]));
    word_round::<_, 32>(l, s, w);
    short_word::<_, 33>(l, w);
    w[1] = l.add(l.add(w[1], small0(l, w[2])), splat(job.schedule[1]));
    word_round::<_, 33>(l, s, w);
    rounds!(full_round(l, s, w): 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48);
    rounds!(full_round(l, s, w): 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
    for (s, &word) in s.iter_mut().zip(&job.midstate) {
        *s = l.add(*s, splat(word));
    }
    *s
}

/// The block of the second hash: eight words, a one bit, its length. Gives the last word alone.
#[inline(always)]
fn second_hash<L: Lanes>(l: L, first: &[L::Vector; 8]) -> L::Vector {
    let splat = |word| l.splat(word);
    let zero = splat(0);
    let [a, b, c, d, e, f, g, h] = *first;
    let w = &mut [a, b, c, d, e, f, g, h, zero, zero, zero, zero, zero, zero, zero, zero];

    // The first round begins with constants: all it does is to add the first word at two places.
    let s = &mut splat_all(l, &FIRST_ROUND);
    s[3] = l.add(s[3], w[0]);
    s[7] = l.add(s[7], w[0]);
    round::<_, 1>(l, s, l.add(w[1], splat(const { K[1].wrapping_add(INITIAL[6]) })));
    round::<_, 2>(l, s, l.add(w[2], splat(const { K[2].wrapping_add(INITIAL[5]) })));
    round::<_, 3>(l, s, l.add(w[3], splat(const { K[3].wrapping_add(INITIAL[4]) })));
    rounds!(word_round(l, s, w): 4 5 6 7);
    fixed_round::<_, 8>(l, s, PADDING);
    rounds!(fixed_round(l, s, 0): 9 10 11 12 13 14);
    fixed_round::<_, 15>(l, s, DIGEST_BITS);

    w[0] = l.add(w[0], small0(l, w[1]));
    word_round::<_, 16>(l, s, w);
    w[1] = l.add(l.add(w[1], small0(l, w[2])), splat(const { plain_sigma1(DIGEST_BITS) }));
    word_round::<_, 17>(l, s, w);
    rounds!(early_round(l, s, w): 18 19 20 21);
    early_word::<_, 22>(l, w);
    w[6] = l.add(w[6], splat(DIGEST_BITS));
    word_round::<_, 22>(l, s, w);
    w[7] = l.add(l.add(w[7], splat(const { plain_sigma0(PADDING) })), l.add(w[0], small1(l, w[5])));
    word_round::<_, 23>(l, s, w);
    short_word::<_, 24>(l, w);
    w[8] = l.add(w[8], splat(PADDING));
    word_round::<_, 24>(l, s, w);
    rounds!(short_round(l, s, w): 25 26 27 28 29);
    short_word::<_, 30>(l, w);
    w[14] = l.add(w[14], splat(const { plain_sigma0(DIGEST_BITS) }));
    word_round::<_, 30>(l, s, w);
    short_word::<_, 31>(l, w);
    w[15] = l.add(l.add(w[15], splat(DIGEST_BITS)), small0(l, w[0]));
    word_round::<_, 31>(l, s, w);
    rounds!(full_round(l, s, w): 32 33 34 35 36 37 38 39 40 41 42 43 44 45);
    rounds!(full_round(l, s, w): 46 47 48 49 50 51 52 53 54 55 56 57 58 59);

    // After round 60 this is e, and three rounds later h.
    full_word::<_, 60>(l, w);
    let keyed = l.add(w[12], splat(const { K[60].wrapping_add(INITIAL[7]) }));
    round::<_, 60>(l, s, l.add(s[const { role(60, 7) }], keyed));
    s[const { role(60, 3) }]
}

/// A loop: of `map` on arrays the compiler may make a call, with all vectors through memory.
#[inline(always)]
fn splat_all<L: Lanes>(l: L, words: &[u32; 8]) -> [L::Vector; 8] {
    let mut vectors = [l.splat(0); 8];
    for (vector, &word) in vectors.iter_mut().zip(words) {
        *vector = l.splat(word);
    }
    vectors
}

/// Round `R`; `keyed` is the sum of `h`, the round's constant and its message word.
#[inline(always)]
fn round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], keyed: L::Vector) {
    let [a, b, c] = [s[const { role(R, 0) }], s[const { role(R, 1) }], s[const { role(R, 2) }]];
    let [e, f, g] = [s[const { role(R, 4) }], s[const { role(R, 5) }], s[const { role(R, 6) }]];
    let big0 = l.xor3(l.rotate_right(a, 2), l.rotate_right(a, 13), l.rotate_right(a, 22));
    let big1 = l.xor3(l.rotate_right(e, 6), l.rotate_right(e, 11), l.rotate_right(e, 25));
    let sum = l.add(l.hold(l.add(keyed, l.choose(e, f, g))), big1);
    s[const { role(R, 3) }] = l.add(s[const { role(R, 3) }], sum);
    s[const { role(R, 7) }] = l.add(l.add(l.majority(a, b, c), big0), sum);
}

/// Round `R`; `keyed` is the sum of the round's constant and its message word.
#[inline(always)]
fn keyed_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], keyed: L::Vector) {
    let keyed = l.add(s[const { role(R, 7) }], keyed);
    round::<_, R>(l, s, keyed);
}

/// Round `R`, whose message word is a constant.
#[inline(always)]
fn fixed_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], word: u32) {
    keyed_round::<_, R>(l, s, l.splat(K[R].wrapping_add(word)));
}

/// Round `R` with the message word that `w` holds for it.
#[inline(always)]
fn word_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &[L::Vector; 16]) {
    keyed_round::<_, R>(l, s, l.add(w[const { R % 16 }], l.splat(const { K[R] })));
}

/// Message word `R`, then round `R`.
#[inline(always)]
fn full_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &mut [L::Vector; 16]) {
    full_word::<_, R>(l, w);
    word_round::<_, R>(l, s, w);
}

/// As [`full_round`], where words `R - 16` and `R - 15` are zero.
#[inline(always)]
fn short_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &mut [L::Vector; 16]) {
    short_word::<_, R>(l, w);
    word_round::<_, R>(l, s, w);
}

/// As [`full_round`], where word `R - 7` is zero.
#[inline(always)]
fn early_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &mut [L::Vector; 16]) {
    early_word::<_, R>(l, w);
    word_round::<_, R>(l, s, w);
}

/// Makes message word `R` in the place of word `R - 16`.
#[inline(always)]
fn full_word<L: Lanes, const R: usize>(l: L, w: &mut [L::Vector; 16]) {
    let old = l.add(w[const { R % 16 }], small0(l, w[const { (R + 1) % 16 }]));
    w[const { R % 16 }] = l.add(l.add(old, w[const { (R + 9) % 16 }]), small1(l, w[const { (R + 14) % 16 }]));
}

/// As [`full_word`], where words `R - 16` and `R - 15` are zero or added by the caller.
#[inline(always)]
fn short_word<L: Lanes, const R: usize>(l: L, w: &mut [L::Vector; 16]) {
    w[const { R % 16 }] = l.add(w[const { (R + 9) % 16 }], small1(l, w[const { (R + 14) % 16 }]));
}

/// As [`full_word`], where word `R - 7` is zero or added by the caller.
#[inline(always)]
fn early_word<L: Lanes, const R: usize>(l: L, w: &mut [L::Vector; 16]) {
    let old = l.add(w[const { R % 16 }], small0(l, w[const { (R + 1) % 16 }]));
    w[const { R % 16 }] = l.add(old, small1(l, w[const { (R + 14) % 16 }]));
}

#[inline(always)]
fn small0<L: Lanes>(l: L, word: L::Vector) -> L::Vector {
    l.xor3(l.rotate_right(word, 7), l.rotate_right(word, 18), l.shift_right(word, 3))
}

#[inline(always)]
fn small1<L: Lanes>(l: L, word: L::Vector) -> L::Vector {
    l.xor3(l.rotate_right(word, 17), l.rotate_right(word, 19), l.shift_right(word, 10))
}

/// The state after the first round of the second hash, were its message word zero.
pub(crate) const FIRST_ROUND: [u32; 8] = {
    let [a, b, c, d, e, f, g, h] = INITIAL;
    let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let sum = h.wrapping_add(K[0]).wrapping_add(big1).wrapping_add(g ^ (e & (f ^ g)));
    let rest = big0.wrapping_add((a & b) ^ (c & (a ^ b)));
    [a, b, c, d.wrapping_add(sum), e, f, g, sum.wrapping_add(rest)]
};
