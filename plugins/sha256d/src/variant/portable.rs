//! Sixteen nonces side by side in plain code, which the compiler makes vectors of as it can.

use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;
use crate::lanes::Lanes;

/// Nonces hashed side by side: one vector of 512 bits, or several shorter ones.
const LANES: usize = 16;

/// Needs nothing.
pub(crate) struct Portable;

impl Scan for Portable {
    type Job = Job;

    const GROUP: u64 = LANES as u64;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        Promising::by_groups(Self::GROUP, first, last, |first, groups| scan(job, first as u32, groups))
    }
}

/// As the kernel of [`Promising::by_groups`].
fn scan(job: &Job, first: u32, groups: u64) -> Option<(u64, u32)> {
    let mut first = first;
    for group in 0..groups {
        let words = last_words(job, first);
        // One test for all lanes: nearly always none passes.
        if words.iter().fold(false, |any, word| any | (word & job.mask == 0)) {
            let bit = |(lane, word): (usize, &u32)| u32::from(word & job.mask == 0) << lane;
            return Some((group, words.iter().enumerate().map(bit).sum()));
        }
        first = first.wrapping_add(LANES as u32);
    }
    None
}

/// The digests' last words of `first` and the nonces after it.
// Not inlined: alone, the loop over nonces is what the compiler vectorises.
#[inline(never)]
fn last_words(job: &Job, first: u32) -> [u32; LANES] {
    let mut words = [0; LANES];
    for (lane, word) in words.iter_mut().enumerate() {
        *word = last_word(Plain, job, first.wrapping_add(lane as u32).swap_bytes());
    }
    words
}

/// Vectors of one word.
#[derive(Clone, Copy)]
struct Plain;

impl Lanes for Plain {
    type Vector = u32;

    #[inline(always)]
    fn splat(self, word: u32) -> u32 {
        word
    }

    #[inline(always)]
    fn add(self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn xor3(self, a: u32, b: u32, c: u32) -> u32 {
        a ^ b ^ c
    }

    #[inline(always)]
    fn choose(self, e: u32, f: u32, g: u32) -> u32 {
        g ^ (e & (f ^ g))
    }

    #[inline(always)]
    fn majority(self, a: u32, b: u32, c: u32) -> u32 {
        (a & b) ^ (c & (a ^ b))
    }

    #[inline(always)]
    fn rotate_right(self, a: u32, by: u32) -> u32 {
        a.rotate_right(by)
    }

    #[inline(always)]
    fn shift_right(self, a: u32, by: u32) -> u32 {
        a >> by
    }
}
