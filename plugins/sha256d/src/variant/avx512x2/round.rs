//! Rounds of two vectors, which take turns instruction by instruction.
//!
//! A word of the state that is called `h` elsewhere has its round's key added here a round earlier, as `k`: then
//! nobody needs it when the choice between it and another takes its place, which saves an instruction.

use adit_plugin::lanes::{Pair, Pairs, Words};

use crate::compress::role;
use crate::schedule::{PARTS, Terms, is_fresh, is_open};

/// The value where there is one to be had.
macro_rules! when {
    ($condition:expr, $value:expr) => {
        if $condition { Some($value) } else { None }
    };
}

/// The eight words of a round's state, in the order of their roles.
#[inline(always)]
fn roles<const R: usize>(s: &[Pair; 8]) -> [Pair; 8] {
    [
        s[const { role(R, 0) }],
        s[const { role(R, 1) }],
        s[const { role(R, 2) }],
        s[const { role(R, 3) }],
        s[const { role(R, 4) }],
        s[const { role(R, 5) }],
        s[const { role(R, 6) }],
        s[const { role(R, 7) }],
    ]
}

/// Round `R`, for which there is nothing to do but itself: it takes one addition more than it must and so two cycles
/// less from one state to the next, which is what such rounds wait for.
#[inline(always)]
pub(super) fn round<const HASH: usize, const R: usize, const LEN: usize>(
    l: Pairs,
    s: &mut [Pair; 8],
    w: &Words,
    keys: &[u32; LEN],
) {
    l.jump();
    let [a, b, c, d, e, f, g, k] = roles::<R>(s);
    let mut k = l.add(d, k);
    let e6 = l.rotate::<6>(e);
    let e11 = l.rotate::<11>(e);
    let e25 = l.rotate::<25>(e);
    if const { is_open(HASH, R) } {
        k = l.add_word::<R, 0>(k, w);
    }
    s[const { role(R, 6) }] = next_key::<HASH, R, LEN>(l, g, keys);
    let choice = l.choose(e, f, g);
    let big1 = l.xor3(e6, e11, e25);
    let next_e = l.add(l.add(k, choice), big1);
    s[const { role(R, 3) }] = next_e;
    let a2 = l.rotate::<2>(a);
    let a13 = l.rotate::<13>(a);
    let a22 = l.rotate::<22>(a);
    // What was added to `d` is in `e` now.
    let without_d = l.subtract(l.majority(a, b, c), d);
    let big0 = l.xor3(a2, a13, a22);
    s[const { role(R, 7) }] = l.add(l.add(next_e, without_d), big0);
}

/// What round `R` makes of `e`.
#[inline(always)]
pub(super) fn last_round<const R: usize>(l: Pairs, s: &[Pair; 8], w: &Words) -> Pair {
    let [.., d, e, f, g, k] = roles::<R>(s);
    let k = l.add_word::<R, 0>(l.add(d, k), w);
    let (e6, e11, e25) = (l.rotate::<6>(e), l.rotate::<11>(e), l.rotate::<25>(e));
    let choice = l.choose(e, f, g);
    l.add(l.add(k, choice), l.xor3(e6, e11, e25))
}

/// Round `R`, and meanwhile word `R + 2` in the place of that of `R - 14`.
///
/// The order is one of the best of some hundred that were tried: rotations, which half of the units can do, do not
/// follow each other.
#[inline(always)]
pub(super) fn word_round<const HASH: usize, const R: usize, const LEN: usize>(
    l: Pairs,
    s: &mut [Pair; 8],
    w: &mut Words,
    keys: &[u32; LEN],
    parts: &[u32; PARTS],
) {
    l.jump();
    let terms = const { Terms::of(HASH, R + 2) };
    let [a, b, c, d, e, f, g, mut k] = roles::<R>(s);
    let mut word = None;

    let e6 = l.rotate::<6>(e);
    let late17 = when!(terms.late, l.rotate_word::<R, 0, 17>(w));
    if const { is_open(HASH, R) } {
        k = l.add_word::<R, 0>(k, w);
    }
    let e11 = l.rotate::<11>(e);
    let late19 = when!(terms.late, l.rotate_word::<R, 0, 19>(w));
    s[const { role(R, 6) }] = next_key::<HASH, R, LEN>(l, g, keys);
    let e25 = l.rotate::<25>(e);
    let late10 = when!(terms.late, l.shift_word::<R, 0, 10>(w));
    let choice = l.choose(e, f, g);
    let early7 = when!(terms.early, l.rotate_word::<R, 3, 7>(w));
    k = l.add(k, choice);
    word = add_sigma(l, word, late17, late19, late10);
    let big1 = l.xor3(e6, e11, e25);
    let early18 = when!(terms.early, l.rotate_word::<R, 3, 18>(w));
    if terms.old {
        word = Some(add_word::<R, 2>(l, word, w));
    }
    let sum = l.add(k, big1);
    let early3 = when!(terms.early, l.shift_word::<R, 3, 3>(w));
    l.jump();
    if terms.middle {
        word = Some(add_word::<R, 11>(l, word, w));
    }
    s[const { role(R, 3) }] = l.add(d, sum);
    let a2 = l.rotate::<2>(a);
    word = add_sigma(l, word, early7, early18, early3);
    let a13 = l.rotate::<13>(a);
    let a22 = l.rotate::<22>(a);
    let majority = l.majority(a, b, c);
    if let Some(mut word) = word {
        if terms.part {
            word = l.add_key::<R, 2, _>(word, parts);
        }
        l.store::<R, 2>(word, w);
    }
    let rest = l.add(majority, l.xor3(a2, a13, a22));
    s[const { role(R, 7) }] = l.add(sum, rest);
}

/// The `h` of round `R + 1`, which is `g` before, with its key.
#[inline(always)]
fn next_key<const HASH: usize, const R: usize, const LEN: usize>(
    l: Pairs,
    g: Pair,
    keys: &[u32; LEN],
) -> Pair {
    if const { is_fresh(HASH, R + 1) } { l.splat(keys[R + 1]) } else { l.add_key::<R, 1, LEN>(g, keys) }
}

/// The sum so far, if there is one, and word `R + PLUS`.
#[inline(always)]
fn add_word<const R: usize, const PLUS: usize>(l: Pairs, sum: Option<Pair>, w: &Words) -> Pair {
    match sum {
        Some(sum) => l.add_word::<R, PLUS>(sum, w),
        None => l.load::<R, PLUS>(w),
    }
}

/// The sum so far, if there is one, and a small sigma, if there is one.
#[inline(always)]
fn add_sigma(l: Pairs, sum: Option<Pair>, a: Option<Pair>, b: Option<Pair>, c: Option<Pair>) -> Option<Pair> {
    let (Some(a), Some(b), Some(c)) = (a, b, c) else { return sum };
    let sigma = l.xor3(a, b, c);
    Some(match sum {
        Some(sum) => l.add(sum, sigma),
        None => sigma,
    })
}
