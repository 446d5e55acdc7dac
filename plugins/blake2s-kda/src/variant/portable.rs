//! Sixteen nonces side by side in plain code, which the compiler makes vectors of as it can.

use adit_plugin::lanes::Plain;
use adit_plugin::search::{Promising, Scan};

use crate::job::{Job, Stretch};
use crate::kernel::last_word;

/// Nonces hashed side by side: one vector of 512 bits, or several shorter ones.
const LANES: usize = 16;

/// Needs nothing.
pub(crate) struct Portable;

impl Scan for Portable {
    type Job = Job;

    const GROUP: u64 = LANES as u64;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        job.by_stretches(Self::GROUP, first, last, scan)
    }
}

/// As the kernel of [`Job::by_stretches`].
fn scan(stretch: &Stretch, m5: u32, groups: u32) -> Option<(u32, u64)> {
    let mut m5 = m5;
    for group in 0..groups {
        let words = last_words(stretch, m5);
        // One test for all lanes: nearly always none passes.
        if words.iter().fold(false, |any, word| any | (word & stretch.mask == 0)) {
            let bit = |(lane, word): (usize, &u32)| u64::from(word & stretch.mask == 0) << lane;
            return Some((group, words.iter().enumerate().map(bit).sum()));
        }
        m5 = m5.wrapping_add((LANES as u32) << 16);
    }
    None
}

/// The digests' last words of the nonce in `m5` and those after it.
// Not inlined: alone, the loop over nonces is what the compiler vectorises.
#[inline(never)]
fn last_words(stretch: &Stretch, m5: u32) -> [u32; LANES] {
    let mut words = [0; LANES];
    for (lane, word) in words.iter_mut().enumerate() {
        *word = last_word(Plain, stretch, m5.wrapping_add((lane as u32) << 16));
    }
    words
}
