//! AVX-512: sixteen nonces in a vector, and rotations in one instruction.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::lanes::{self, Lanes as _};
use adit_plugin::search::{Promising, Scan};

use crate::job::{Job, Stretch};
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
        job.by_stretches(Self::GROUP, first, last, |stretch, m5, groups| {
            // SAFETY: `lanes::Avx512` exists where the CPU has both features.
            unsafe { scan(self.0, stretch, m5, groups) }
        })
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn scan(l: lanes::Avx512, stretch: &Stretch, m5: u32, groups: u32) -> Option<(u32, u64)> {
    lanes::align_frame();
    let mask = _mm512_set1_epi32(stretch.mask as i32);
    // The number is in the upper half.
    let mut m5 = l.add(l.splat(m5), l.rotate_right(l.count_from(0), 16));
    for group in 0..groups {
        let promising = _mm512_testn_epi32_mask(last_word(l, stretch, m5), mask);
        if promising != 0 {
            return Some((group, promising.into()));
        }
        m5 = l.add(m5, l.splat(16 << 16));
    }
    None
}
