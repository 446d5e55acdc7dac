//! Which message words of the two hashes the nonce reaches, and what all the others come to.
//!
//! A word is *open* where the nonce reaches it, *known* where a job or a constant settles it, and often *zero*. A round
//! adds its word to its constant, and a word is the sum of two others and of the small sigmas of two more; so whatever
//! is not open is summed up beforehand ([`Keys`]), and whatever is zero is left out ([`Terms`]).

use crate::compress::{INITIAL, K, sigma0, sigma1};
use crate::job::{DIGEST_BITS, HEADER_BITS, PADDING};

/// The first hash: the header's second block.
pub(crate) const FIRST: usize = 0;

/// The second hash, of the first one's digest.
pub(crate) const SECOND: usize = 1;

/// Rounds so late in either that all words are open.
pub(crate) const LATE: usize = 2;

/// Words beyond these are open in both hashes.
const EARLY: usize = 18;

/// The last word that one which is not open goes into.
const LAST_REACHED: usize = 33;

/// Length of [`Keys::parts`].
pub(crate) const PARTS: usize = LAST_REACHED + 1;

#[derive(Clone, Copy)]
enum Word {
    Zero,
    Known,
    Open,
}

const WORDS: [[Word; EARLY]; 2] = {
    let mut words = [[Word::Known; EARLY]; 2];
    let mut at = 0;
    while at < EARLY {
        words[FIRST][at] = match at {
            3 => Word::Open,
            5..15 => Word::Zero,
            _ => Word::Known,
        };
        words[SECOND][at] = match at {
            8 | 15 => Word::Known,
            9..15 => Word::Zero,
            _ => Word::Open,
        };
        at += 1;
    }
    words
};

/// Whether the nonce reaches word `at` of [`FIRST`], [`SECOND`] or [`LATE`].
pub(crate) const fn is_open(hash: usize, at: usize) -> bool {
    hash == LATE || at >= EARLY || matches!(WORDS[hash][at], Word::Open)
}

const fn is_known(hash: usize, at: usize) -> bool {
    at < EARLY && matches!(WORDS[hash][at], Word::Known)
}

/// Whether the nonce has not reached the `h` of round `round`.
pub(crate) const fn is_fresh(hash: usize, round: usize) -> bool {
    match hash {
        FIRST => round < 7,
        SECOND => round < 4,
        _ => false,
    }
}

/// What there is to add for a message word.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// The word 16 before it.
    pub(crate) old: bool,
    /// The small sigma of the word 15 before it.
    pub(crate) early: bool,
    /// The word 7 before it.
    pub(crate) middle: bool,
    /// The small sigma of the word 2 before it.
    pub(crate) late: bool,
    /// What [`Keys::parts`] has for it.
    pub(crate) part: bool,
}

impl Terms {
    /// Of word `at`, which is 16 or more except in [`LATE`].
    pub(crate) const fn of(hash: usize, at: usize) -> Self {
        if hash == LATE || at > LAST_REACHED {
            return Self { old: true, early: true, middle: true, late: true, part: false };
        }
        Self {
            old: is_open(hash, at - 16),
            early: is_open(hash, at - 15),
            middle: is_open(hash, at - 7),
            late: is_open(hash, at - 2),
            part: is_known(hash, at - 16)
                || is_known(hash, at - 15)
                || is_known(hash, at - 7)
                || is_known(hash, at - 2),
        }
    }
}

/// The sums of what is not open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys {
    /// For each round its constant, its word where that is not open, and its `h` where that is fresh. One more: what
    /// the hash adds to the last word of its state.
    pub(crate) rounds: [u32; 65],
    /// For each message word from 16 to [`LAST_REACHED`] what is not open in it.
    pub(crate) parts: [u32; PARTS],
}

impl Keys {
    /// Those of the first hash: `tail` are the header's words before the nonce, `schedule` words 16 and 17, `fresh` the
    /// `h` of rounds 4 to 6, `top` the last word of the midstate.
    pub(crate) fn of_first(tail: &[u32; 3], schedule: [u32; 2], fresh: &[u32; 3], top: u32) -> Self {
        let mut words = [0; EARLY];
        words[..3].copy_from_slice(tail);
        words[4] = PADDING;
        words[15] = HEADER_BITS;
        words[16..].copy_from_slice(&schedule);
        let mut keys = Self::new(&words);
        for (key, h) in keys.rounds[4..].iter_mut().zip(fresh) {
            *key = key.wrapping_add(*h);
        }
        keys.rounds[64] = top;
        keys
    }

    /// Those of the second hash, which ends with round 60: its `e` is the digest's last word but for what is added to
    /// that, so round 60 adds it.
    pub(crate) const SECOND: Self = {
        let mut words = [0; EARLY];
        words[8] = PADDING;
        words[15] = DIGEST_BITS;
        let mut keys = Self::new(&words);
        let mut round = 0;
        while round < 4 {
            keys.rounds[round] = keys.rounds[round].wrapping_add(INITIAL[7 - round]);
            round += 1;
        }
        keys.rounds[60] = keys.rounds[60].wrapping_add(INITIAL[7]);
        keys
    };

    /// Without what is fresh; open words are zero.
    const fn new(words: &[u32; EARLY]) -> Self {
        let mut keys = Self { rounds: [0; 65], parts: [0; PARTS] };
        let mut at = 0;
        while at < 64 {
            keys.rounds[at] = K[at].wrapping_add(early(words, at));
            at += 1;
        }
        let mut at = 16;
        while at <= LAST_REACHED {
            keys.parts[at] = early(words, at - 16)
                .wrapping_add(sigma0(early(words, at - 15)))
                .wrapping_add(early(words, at - 7))
                .wrapping_add(sigma1(early(words, at - 2)));
            at += 1;
        }
        keys
    }
}

/// Word `at`, or zero for what comes later.
const fn early(words: &[u32; EARLY], at: usize) -> u32 {
    if at < EARLY { words[at] } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_zero_or_always_the_same_is_left_out() {
        let count = |hash| {
            let terms = (16..64).map(|at| Terms::of(hash, at));
            terms
                .map(|t| [t.old, t.middle, t.early, t.late, t.part].into_iter().filter(|&term| term).count())
                .sum()
        };
        let counts: [usize; 3] = [count(FIRST), count(SECOND), count(LATE)];
        // All four terms of each word in the late rounds; a part stands for up to four.
        assert_eq!(counts[LATE], 48 * 4);
        assert!(counts[FIRST] < counts[SECOND] && counts[SECOND] < counts[LATE], "{counts:?}");
        assert_eq!(Keys::SECOND.parts[16..18], [0, sigma1(DIGEST_BITS)]);
        assert_eq!(Keys::SECOND.parts[32..], [0; 2]);
    }
}
