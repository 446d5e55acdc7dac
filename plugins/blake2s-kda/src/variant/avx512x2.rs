//! AVX-512, two vectors of sixteen nonces in turns: eight mixes that do not wait for each other, where one vector has
//! four.
//!
//! All registers hold the state. Within a step each mix is one operation behind the one before it, so that rotations,
//! which half of the units can do, are not all wanted at once.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::lanes::{self, Lanes as _, Pair, Pairs, Words};
use adit_plugin::search::{Promising, Scan};

use crate::compress::SIGMA;
use crate::job::{Job, Stretch};
use crate::kernel::first_round;

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
        job.by_stretches(Self::GROUP, first, last, |stretch, m5, groups| {
            // SAFETY: `lanes::Avx512` exists where the CPU has both features.
            unsafe { scan(self.0, stretch, m5, groups) }
        })
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn scan(avx512: lanes::Avx512, stretch: &Stretch, m5: u32, groups: u32) -> Option<(u32, u64)> {
    lanes::align_frame();
    let l = Pairs::new(avx512);
    let mask = _mm512_set1_epi32(stretch.mask as i32);
    // The number is in the upper half.
    let numbers = |first| avx512.rotate_right(avx512.count_from(first), 16);
    let mut m5 = l.add(l.splat(m5), [numbers(0), numbers(16)]);
    let mut words = l.zeros();
    for group in 0..groups {
        let [low, high] = last_word(l, stretch, m5, &mut words);
        let (low, high) = (_mm512_testn_epi32_mask(low, mask), _mm512_testn_epi32_mask(high, mask));
        if low | high != 0 {
            return Some((group, u64::from(low) | u64::from(high) << 16));
        }
        m5 = l.add(m5, l.splat(32 << 16));
    }
    None
}

/// As [`crate::kernel::last_word`].
#[inline(always)]
fn last_word(l: Pairs, stretch: &Stretch, m5: Pair, w: &mut Words) -> Pair {
    l.store::<5, 0>(m5, w);
    let mut v = [m5; 16];
    for (v, &word) in v.iter_mut().zip(&stretch.early) {
        *v = l.splat(word);
    }
    first_round(FirstRound(l), &mut v, m5);
    let m = &Message { others: &stretch.words, fifth: w };
    round::<1>(l, &mut v, m);
    round::<2>(l, &mut v, m);
    round::<3>(l, &mut v, m);
    round::<4>(l, &mut v, m);
    round::<5>(l, &mut v, m);
    round::<6>(l, &mut v, m);
    round::<7>(l, &mut v, m);
    round::<8>(l, &mut v, m);
    round::<9>(l, &mut v, m);
    l.xor(l.xor(v[7], l.splat(stretch.midstate_top)), v[15])
}

/// The message: one word of its own for each nonce, which stands at 5, and others.
struct Message<'a> {
    others: &'a [u32; 8],
    fifth: &'a Words,
}

/// Round `R`: columns, then diagonals.
#[inline(always)]
fn round<const R: usize>(l: Pairs, v: &mut [Pair; 16], m: &Message<'_>) {
    step::<R, 0>(l, v, m);
    step::<R, 1>(l, v, m);
}

/// Operations of a mix.
const OPERATIONS: usize = 14;

/// Calls a turn for each number listed.
macro_rules! turns {
    ($l:ident, $v:ident, $m:ident: $($turn:literal)*) => {
        $(turn::<R, DIAGONAL, $turn>($l, $v, $m);)*
    };
}

/// Columns, or diagonals.
#[inline(always)]
fn step<const R: usize, const DIAGONAL: usize>(l: Pairs, v: &mut [Pair; 16], m: &Message<'_>) {
    const { assert!(OPERATIONS + 3 == 17) };
    l.jump();
    turns!(l, v, m: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
}

/// An operation of each mix: `TURN` of the first, the one before it of the next.
#[inline(always)]
fn turn<const R: usize, const DIAGONAL: usize, const TURN: usize>(
    l: Pairs,
    v: &mut [Pair; 16],
    m: &Message<'_>,
) {
    operation::<R, DIAGONAL, TURN, 0>(l, v, m);
    operation::<R, DIAGONAL, TURN, 1>(l, v, m);
    operation::<R, DIAGONAL, TURN, 2>(l, v, m);
    operation::<R, DIAGONAL, TURN, 3>(l, v, m);
}

/// Operation `TURN - MIX` of a mix, if it has one.
#[inline(always)]
fn operation<const R: usize, const DIAGONAL: usize, const TURN: usize, const MIX: usize>(
    l: Pairs,
    v: &mut [Pair; 16],
    m: &Message<'_>,
) {
    if const { TURN < MIX || TURN - MIX >= OPERATIONS || !is_needed(R, DIAGONAL, MIX, TURN - MIX) } {
        return;
    }
    let second = const { TURN.wrapping_sub(MIX) / 7 == 1 };
    let a = MIX;
    let b = const { 4 + (MIX + DIAGONAL) % 4 };
    let c = const { 8 + (MIX + 2 * DIAGONAL) % 4 };
    let d = const { 12 + (MIX + 3 * DIAGONAL) % 4 };
    match const { TURN.wrapping_sub(MIX) % 7 } {
        0 => {
            v[a] = add_word(
                l,
                v[a],
                m,
                const { SIGMA[R][8 * DIAGONAL + 2 * MIX + TURN.wrapping_sub(MIX) / 7 % 2] },
            )
        }
        1 => v[a] = l.add(v[a], v[b]),
        2 => v[d] = l.xor(v[d], v[a]),
        3 => v[d] = if second { l.rotate::<8>(v[d]) } else { l.rotate::<16>(v[d]) },
        4 => v[c] = l.add(v[c], v[d]),
        5 => v[b] = l.xor(v[b], v[c]),
        _ => v[b] = if second { l.rotate::<7>(v[b]) } else { l.rotate::<12>(v[b]) },
    }
}

/// Whether the digest's last word depends on an operation: it is made of `v[7]` and `v[15]`.
const fn is_needed(round: usize, diagonal: usize, mix: usize, operation: usize) -> bool {
    match (round, diagonal, mix) {
        // Of the last columns the first and the third have a `b` that goes into the second and the fourth diagonal.
        (9, 0, 0 | 2) => operation < 12,
        // The first diagonal has `v[15]`, the third `v[7]`.
        (9, 1, 0) => operation < 11,
        (9, 1, 1 | 3) => false,
        _ => true,
    }
}

/// Adds a message word; those from 8 on are zero.
#[inline(always)]
fn add_word(l: Pairs, a: Pair, m: &Message<'_>, word: usize) -> Pair {
    match word {
        0 => l.add_key::<0, 0, 8>(a, m.others),
        1 => l.add_key::<1, 0, 8>(a, m.others),
        2 => l.add_key::<2, 0, 8>(a, m.others),
        3 => l.add_key::<3, 0, 8>(a, m.others),
        4 => l.add_key::<4, 0, 8>(a, m.others),
        5 => l.add_word::<5, 0>(a, m.fifth),
        6 => l.add_key::<6, 0, 8>(a, m.others),
        7 => l.add_key::<7, 0, 8>(a, m.others),
        _ => a,
    }
}

/// Pairs as what is left of the first round takes them.
#[derive(Clone, Copy)]
struct FirstRound(Pairs);

impl crate::lanes::Lanes for FirstRound {
    type Vector = Pair;

    #[inline(always)]
    fn splat(self, word: u32) -> Pair {
        self.0.splat(word)
    }

    #[inline(always)]
    fn add(self, a: Pair, b: Pair) -> Pair {
        self.0.add(a, b)
    }

    #[inline(always)]
    fn xor(self, a: Pair, b: Pair) -> Pair {
        self.0.xor(a, b)
    }

    #[inline(always)]
    fn rotate_right(self, a: Pair, by: u32) -> Pair {
        match by {
            7 => self.0.rotate::<7>(a),
            8 => self.0.rotate::<8>(a),
            12 => self.0.rotate::<12>(a),
            16 => self.0.rotate::<16>(a),
            _ => unreachable!("blake2s does not rotate by {by}"),
        }
    }
}
