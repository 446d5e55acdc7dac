//! AVX-512: sixteen nonces in a vector, rotations and any function of three bits in one instruction.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::lanes::{self, Lanes};
use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;

/// The proof that this CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(lanes::Avx512);

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        lanes::Avx512::detect().map(Self)
    }
}

impl Scan for Avx512 {
    type Job = Job;

    const GROUP: u64 = 16;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `lanes::Avx512` exists where the CPU has both features.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            scan(self.0, job, first as u32, groups)
        })
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn scan(l: lanes::Avx512, job: &Job, first: u32, groups: u64) -> Option<(u64, u64)> {
    lanes::align_frame();
    let mask = _mm512_set1_epi32(job.mask as i32);
    let mut nonces = l.count_from(first);
    for group in 0..groups {
        let word = last_word(l, job, l.swap_bytes(nonces));
        let promising = _mm512_testn_epi32_mask(word, mask);
        if promising != 0 {
            return Some((group, promising.into()));
        }
        nonces = l.add(nonces, l.splat(16));
    }
    None
}
