//! The SHA instructions: two rounds of one nonce in an instruction, several nonces in turns.
//!
//! `sha256rnds2` takes four cycles and another may begin after three (Intel; others begin sooner), so one nonce leaves its
//! unit idle. Two keep it at work but for what comes between the two hashes, and four nearly always, though their words
//! no longer fit into registers. The state is two vectors, named by their words from the highest lane down:
//! `abef` and `cdgh`; after two rounds the old `abef` is the new `cdgh`.
//!
//! These instructions know 128-bit registers in the old encoding only. Mixed with the new encoding
//! they cost dearly, so the function is compiled for nothing beyond SSE4.1.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::hint::black_box;
use std::mem::transmute;

use adit_plugin::search::{Promising, Scan};

use crate::compress::{INITIAL, K, sigma0};
use crate::job::{DIGEST_BITS, HEADER_BITS, Job, PADDING};

/// The rounds' constants, four to a vector.
const KEYS: [[u32; 4]; 16] = {
    let mut keys = [[0; 4]; 16];
    let mut round = 0;
    while round < 64 {
        keys[round / 4][round % 4] = K[round];
        round += 1;
    }
    keys
};

/// `WAYS` nonces in turns; exists only where the CPU has SHA, SSSE3 and SSE4.1.
///
/// With `PLAIN`, every other nonce makes half of its schedule's sigmas without the instruction for them.
#[derive(Clone, Copy)]
pub(crate) struct ShaNi<const WAYS: usize, const PLAIN: bool, const AVX: bool>(());

impl<const WAYS: usize, const PLAIN: bool, const AVX: bool> ShaNi<WAYS, PLAIN, AVX> {
    pub(crate) fn detect() -> Option<Self> {
        let avx = !AVX || is_x86_feature_detected!("avx");
        let all = avx
            && is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse4.1");
        all.then_some(Self(()))
    }
}

/// One vector of each nonce.
type Ways<const WAYS: usize> = [__m128i; WAYS];

impl<const WAYS: usize, const PLAIN: bool, const AVX: bool> Scan for ShaNi<WAYS, PLAIN, AVX> {
    type Job = Job;

    const GROUP: u64 = WAYS as u64;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `self` exists, so `detect` has found the features.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            match AVX {
                true => scan_avx::<WAYS, PLAIN>(job, first as u32, groups),
                false => scan::<WAYS, PLAIN, false>(job, first as u32, groups),
            }
        })
    }
}

/// [`scan`] in the encoding with three operands.
#[target_feature(enable = "sha,ssse3,sse4.1,avx")]
fn scan_avx<const WAYS: usize, const PLAIN: bool>(job: &Job, first: u32, groups: u64) -> Option<(u64, u64)> {
    scan::<WAYS, PLAIN, true>(job, first, groups)
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn scan<const WAYS: usize, const PLAIN: bool, const AVX: bool>(
    job: &Job,
    first: u32,
    groups: u64,
) -> Option<(u64, u64)> {
    let constants = Constants::new(job);
    let mut first = first;
    for group in 0..groups {
        let words: [u32; WAYS] = last_words::<_, PLAIN, AVX>(&constants, first);
        if words.iter().fold(false, |any, word| any | (word & job.mask == 0)) {
            let bit = |(way, word): (usize, &u32)| u64::from(word & job.mask == 0) << way;
            return Some((group, words.iter().enumerate().map(bit).sum()));
        }
        first = first.wrapping_add(WAYS as u32);
    }
    None
}

/// A job as these instructions want it.
struct Constants {
    /// The state after four rounds of the header's second block, were the nonce zero.
    early: State,
    midstate: State,
    /// Message words 16 to 19, were the nonce zero and its sigma too.
    words16: __m128i,
    /// What is added to `s1` of words 18 to 21 for words 20 to 23.
    words20: __m128i,
    /// What the nonce does not reach of words 28 to 31.
    words28: __m128i,
}

/// Eight state words of a nonce.
#[derive(Clone, Copy)]
struct State {
    abef: __m128i,
    cdgh: __m128i,
}

impl Constants {
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn new(job: &Job) -> Self {
        let [e, f, g, h, a, b, c, d] = job.early;
        let [w16, w17, w18, w19] = job.schedule;
        Self {
            early: State::new([a, b, c, d, e, f, g, h]),
            midstate: State::new(job.midstate),
            words16: vector([w16, w17, w18, w19]),
            words20: vector([PADDING, 0, HEADER_BITS, w16]),
            words28: vector([0, 0, sigma0(HEADER_BITS), job.late[0]]),
        }
    }
}

impl State {
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn new([a, b, c, d, e, f, g, h]: [u32; 8]) -> Self {
        Self { abef: vector([f, e, b, a]), cdgh: vector([h, g, d, c]) }
    }

    /// Four rounds.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn rounds(&mut self, keyed: __m128i) {
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, keyed);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, _mm_shuffle_epi32::<0x0e>(keyed));
    }

    /// What round 60 makes of `e`, with the message word in the lowest lane, and three rounds later
    /// is the digest's last word.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn last_word(&self, words: __m128i) -> u32 {
        // SAFETY: both types are 48 bytes for which any value is good.
        let all: [[u32; 4]; 3] = unsafe { transmute([self.abef, self.cdgh, words]) };
        // Through memory: to take lanes from vectors needs the units that the rounds need.
        let [[f, e, ..], [h, g, d, _], [word, ..]] = black_box(all);
        let keyed = word.wrapping_add(const { K[60].wrapping_add(INITIAL[7]) });
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sum = h.wrapping_add(d).wrapping_add(keyed).wrapping_add(g ^ (e & (f ^ g)));
        sum.wrapping_add(big1)
    }
}

/// The digests' last words of nonce `first` and those after it.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn last_words<const WAYS: usize, const PLAIN: bool, const AVX: bool>(
    constants: &Constants,
    first: u32,
) -> [u32; WAYS] {
    let mut s = [constants.early; WAYS];
    let mut w = [[_mm_setzero_si128(); WAYS]; 4];
    first_hash::<_, PLAIN, AVX>(constants, first, &mut s, &mut w);
    second_hash::<_, PLAIN, AVX>(&mut s, &mut w);
    std::array::from_fn(|way| s[way].last_word(w[3][way]))
}

/// Does the same for every nonce, in turns.
macro_rules! each {
    ($way:ident => $step:expr) => {
        let mut $way = 0;
        while $way < WAYS {
            $step;
            $way += 1;
        }
    };
}

/// Four rounds with the words at hand.
macro_rules! rounds {
    ($s:ident, $w:ident: $($i:literal)*) => {$(
        each!(way => $s[way].rounds(_mm_add_epi32($w[$i % 4][way], vector(KEYS[$i]))));
    )*};
}

/// The next four words, then four rounds with them.
macro_rules! full_rounds {
    ($s:ident, $w:ident: $($i:literal)*) => {$(
        each!(way => $w[$i % 4][way] = next_words(
            sigma_sum(PLAIN && way % 2 == 1, $w[$i % 4][way], $w[($i + 1) % 4][way]),
            $w[($i + 2) % 4][way],
            $w[($i + 3) % 4][way],
        ));
        rounds!($s, $w: $i);
    )*};
}

/// The header's second block, from the fourth round on.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn first_hash<const WAYS: usize, const PLAIN: bool, const AVX: bool>(
    constants: &Constants,
    first: u32,
    s: &mut [State; WAYS],
    w: &mut [Ways<WAYS>; 4],
) {
    let zero = _mm_setzero_si128();
    let constant =
        |words: [u32; 4], i: usize| vector(std::array::from_fn(|at| words[at].wrapping_add(KEYS[i][at])));
    // A message word is only added, so the fourth round lets the nonce in at two places.
    each!(way => {
        let nonce = _mm_cvtsi32_si128(first.wrapping_add(way as u32).swap_bytes() as i32);
        s[way].abef = _mm_add_epi32(s[way].abef, _mm_shuffle_epi32::<0x11>(nonce));
        // Its sigma belongs to word 18, itself to word 19.
        let reached = _mm_sha256msg1_epu32(_mm_slli_si128::<12>(nonce), zero);
        w[0][way] = _mm_add_epi32(constants.words16, reached);
    });
    each!(way => s[way].rounds(constant([PADDING, 0, 0, 0], 1)));
    each!(way => s[way].rounds(constant([0; 4], 2)));
    each!(way => s[way].rounds(constant([0, 0, 0, HEADER_BITS], 3)));
    rounds!(s, w: 4);
    each!(way => w[1][way] = _mm_sha256msg2_epu32(constants.words20, w[0][way]));
    rounds!(s, w: 5);
    each!(way => w[2][way] = next_words(zero, w[0][way], w[1][way]));
    rounds!(s, w: 6);
    each!(way => w[3][way] = next_words(constants.words28, w[1][way], w[2][way]));
    rounds!(s, w: 7);
    full_rounds!(s, w: 8 9 10 11 12 13 14 15);
    each!(way => {
        s[way].abef = _mm_add_epi32(s[way].abef, constants.midstate.abef);
        s[way].cdgh = _mm_add_epi32(s[way].cdgh, constants.midstate.cdgh);
    });
}

/// The block of the second hash: eight words, a one bit, its length. Stops before round 60.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn second_hash<const WAYS: usize, const PLAIN: bool, const AVX: bool>(
    s: &mut [State; WAYS],
    w: &mut [Ways<WAYS>; 4],
) {
    each!(way => {
        let abef = _mm_shuffle_epi32::<0x1b>(s[way].abef);
        let ghcd = _mm_shuffle_epi32::<0xb1>(s[way].cdgh);
        w[0][way] = _mm_blend_epi16::<0xf0>(abef, ghcd);
        w[1][way] = _mm_alignr_epi8::<8>(ghcd, abef);
        w[2][way] = vector([PADDING, 0, 0, 0]);
        w[3][way] = vector([0, 0, 0, DIGEST_BITS]);
        s[way] = State::new(INITIAL);
    });
    rounds!(s, w: 0 1 2 3);
    full_rounds!(s, w: 4 5 6 7 8 9 10 11 12 13 14);
    each!(way => w[3][way] = next_words(sigma_sum(PLAIN && way % 2 == 1, w[3][way], w[0][way]), w[1][way], w[2][way]));
}

/// Four words plus the small sigma of each next one.
///
/// `sha256msg1` is made for this, but keeps its unit for four cycles: with it alone the nonces'
/// schedules take nearly as long as their rounds, and the two get in each other's way. With plain
/// instructions alone it is those that do. So every other nonce has the one, the rest the others.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn sigma_sum(plain: bool, words: __m128i, after: __m128i) -> __m128i {
    if !plain {
        return _mm_sha256msg1_epu32(words, after);
    }
    let next = _mm_alignr_epi8::<4>(after, words);
    let by7 = _mm_or_si128(_mm_srli_epi32::<7>(next), _mm_slli_epi32::<25>(next));
    let by18 = _mm_or_si128(_mm_srli_epi32::<18>(next), _mm_slli_epi32::<14>(next));
    let sigma = _mm_xor_si128(_mm_xor_si128(by7, by18), _mm_srli_epi32::<3>(next));
    _mm_add_epi32(words, sigma)
}

/// Four words, of what [`sigma_sum`] made of the four that stand 16 and 12 before them, and of those
/// that stand 8 and 4 before them.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn next_words(sum: __m128i, before8: __m128i, before4: __m128i) -> __m128i {
    let seven_back = _mm_alignr_epi8::<4>(before4, before8);
    _mm_sha256msg2_epu32(_mm_add_epi32(sum, seven_back), before4)
}

/// The first word in the lowest lane.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn vector([a, b, c, d]: [u32; 4]) -> __m128i {
    _mm_set_epi32(d as i32, c as i32, b as i32, a as i32)
}
