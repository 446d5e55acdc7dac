//! AVX-512, two vectors of sixteen nonces in turns: for processors that begin more instructions in the time that one
//! takes than a single vector has at hand.
//!
//! ```text
//!   first hash    4 .. 7 ─┐                      ┌─ 14 .. 31 ─┐
//!                         ├─ 8 .. 13, the same ──┤            ├─ 32 .. 47, 48 .. 63, the same
//!   second hash   1 .. 7 ─┘                      └─ 14 .. 31 ─┘  second hash: to 60
//! ```
//!
//! A vector unrolled is three thousand instructions; two are more than a processor keeps decoded. So rounds that are
//! alike have the same code: sixteen at the end of each hash, run twice, and six near its beginning.

#![allow(unsafe_code)]

mod round;

use std::{arch::x86_64::*, hint::black_box};

use adit_plugin::lanes::{self, Lanes, Pair, Pairs, Words};
use adit_plugin::search::{Promising, Scan};

use crate::compress::role;
use crate::job::Job;
use crate::kernel::FIRST_ROUND;
use crate::schedule::{FIRST, Keys, LATE, SECOND};
use round::{last_round, round, word_round};

/// The proof that this CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512x2(lanes::Avx512);

impl Avx512x2 {
    pub(crate) fn detect() -> Option<Self> {
        lanes::Avx512::detect().map(Self)
    }
}

impl Scan for Avx512x2 {
    type Job = Job;

    const GROUP: u64 = 32;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `lanes::Avx512` exists where the CPU has both features.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            scan(self.0, job, first as u32, groups)
        })
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn scan(avx512: lanes::Avx512, job: &Job, first: u32, groups: u64) -> Option<(u64, u64)> {
    lanes::align_frame();
    let l = Pairs::new(avx512);
    let mask = _mm512_set1_epi32(job.mask as i32);
    let mut nonces = [avx512.count_from(first), avx512.count_from(first.wrapping_add(16))];
    let mut words = l.zeros();
    for group in 0..groups {
        let [low, high] = last_word(l, job, &mut words, nonces.map(|nonces| avx512.swap_bytes(nonces)));
        let (low, high) = (_mm512_testn_epi32_mask(low, mask), _mm512_testn_epi32_mask(high, mask));
        if low | high != 0 {
            return Some((group, u64::from(low) | u64::from(high) << 16));
        }
        nonces = l.add(nonces, l.splat(32));
    }
    None
}

/// Calls a round's function once for each number listed.
macro_rules! rounds {
    ($step:ident $hash:ident $arguments:tt: $($round:literal)*) => {
        $($step::<$hash, $round, _> $arguments;)*
    };
}

/// The keys of the second hash.
static SECOND_KEYS: Keys = Keys::SECOND;

/// The digest's last word for each nonce, which is in the bytes' order of a header.
#[inline(always)]
fn last_word(l: Pairs, job: &Job, w: &mut Words, nonces: Pair) -> Pair {
    let s = &mut first_state(l, job, w, nonces);
    let mut keys = &job.keys;
    rounds!(round FIRST (l, s, w, &keys.rounds): 4 5 6 7);
    // Blocks of sixteen late rounds so far: two of the first hash, then two of the second. The compiler must not know
    // it, or it makes code for each.
    let mut block = 0;
    'hashes: loop {
        // Of either hash.
        rounds!(round FIRST (l, s, w, &keys.rounds): 8 9 10 11 12 13);
        let (k, parts) = (&keys.rounds, &keys.parts);
        if block == 0 {
            rounds!(round FIRST (l, s, w, k): 14 15);
            rounds!(word_round FIRST (l, s, w, k, parts): 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        } else {
            rounds!(word_round SECOND (l, s, w, k, parts): 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        }
        loop {
            let late = late_keys(keys, block);
            rounds!(word_round LATE (l, s, w, late, parts): 0 1 2 3 4 5 6 7 8 9 10);
            if block == 3 {
                break 'hashes;
            }
            rounds!(word_round LATE (l, s, w, late, parts): 11 12 13 14 15);
            block = black_box(block + 1);
            if block == 2 {
                break;
            }
        }
        *s = second_state(l, job, w, s);
        keys = &SECOND_KEYS;
        rounds!(round SECOND (l, s, w, &keys.rounds): 1 2 3 4 5 6 7);
    }
    // Rounds 59 and 60, which no later message word is made beside.
    round::<LATE, 11, _>(l, s, w, late_keys(&SECOND_KEYS, 3));
    last_round::<12>(l, s, w)
}

/// The keys of a block of late rounds, and of the round after it.
#[inline(always)]
fn late_keys(keys: &Keys, block: usize) -> &[u32; 17] {
    let from = 32 + 16 * (block % 2);
    keys.rounds[from..].first_chunk().expect("65 keys")
}

/// After round 3 of the header's second block.
#[inline(always)]
fn first_state(l: Pairs, job: &Job, w: &mut Words, nonces: Pair) -> [Pair; 8] {
    let mut s = splat_all(l, &job.early);
    // A message word is only added, so the fourth round lets the nonce in at two places.
    s[0] = l.add(s[0], nonces);
    s[4] = l.add(s[4], nonces);
    s[const { role(4, 7) }] = l.splat(job.keys.rounds[4]);
    l.store::<3, 0>(nonces, w);
    s
}

/// Ends the first hash, whose last word has its part of the midstate already, and begins the second: after its first
/// round.
#[inline(always)]
fn second_state(l: Pairs, job: &Job, w: &mut Words, s: &[Pair; 8]) -> [Pair; 8] {
    let digest = |at: usize| l.add(s[at], l.splat(job.midstate[at]));
    let first = digest(0);
    l.store::<0, 0>(first, w);
    l.store::<1, 0>(digest(1), w);
    l.store::<2, 0>(digest(2), w);
    l.store::<3, 0>(digest(3), w);
    l.store::<4, 0>(digest(4), w);
    l.store::<5, 0>(digest(5), w);
    l.store::<6, 0>(digest(6), w);
    l.store::<7, 0>(s[7], w);
    // It begins with constants: all it does is to add the first word at two places.
    let mut s = splat_all(l, &FIRST_ROUND);
    s[3] = l.add(s[3], first);
    s[7] = l.add(s[7], first);
    s[const { role(1, 7) }] = l.splat(SECOND_KEYS.rounds[1]);
    s
}

/// A loop: of `map` on arrays the compiler may make a call, with all vectors through memory.
#[inline(always)]
fn splat_all(l: Pairs, words: &[u32; 8]) -> [Pair; 8] {
    let mut vectors = [l.splat(0); 8];
    for (vector, &word) in vectors.iter_mut().zip(words) {
        *vector = l.splat(word);
    }
    vectors
}
