//! Sixteen nonces side by side in plain code, which the compiler makes vectors of as it can.

use adit_plugin::lanes::Plain;
use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;

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
fn scan(job: &Job, first: u32, groups: u64) -> Option<(u64, u64)> {
    let mut first = first;
    for group in 0..groups {
        let words = last_words(job, first);
        // One test for all lanes: nearly always none passes.
        if words.iter().fold(false, |any, word| any | (word & job.mask == 0)) {
            let bit = |(lane, word): (usize, &u32)| u64::from(word & job.mask == 0) << lane;
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
