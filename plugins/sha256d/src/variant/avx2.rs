//! AVX2: eight nonces in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::lanes::{self, Lanes};
use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;

/// The proof that this CPU has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(lanes::Avx2);

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        lanes::Avx2::detect().map(Self)
    }
}

impl Scan for Avx2 {
    type Job = Job;

    const GROUP: u64 = 8;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `lanes::Avx2` exists where the CPU has AVX2.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            scan(self.0, job, first as u32, groups)
        })
    }
}

#[target_feature(enable = "avx2")]
fn scan(l: lanes::Avx2, job: &Job, first: u32, groups: u64) -> Option<(u64, u64)> {
    lanes::align_frame();
    let mask = _mm256_set1_epi32(job.mask as i32);
    let mut nonces = l.count_from(first);
    for group in 0..groups {
        let word = last_word(l, job, l.swap_bytes(nonces));
        let zero = _mm256_cmpeq_epi32(_mm256_and_si256(word, mask), _mm256_setzero_si256());
        let promising = _mm256_movemask_ps(_mm256_castsi256_ps(zero));
        if promising != 0 {
            return Some((group, promising as u64));
        }
        nonces = l.add(nonces, l.splat(8));
    }
    None
}
