//! AVX-512: sixteen nonces in a vector, and rotations in one instruction.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::search::{Promising, Scan};

use crate::job::{Job, Stretch};
use crate::kernel::last_word;
use crate::lanes::Lanes;

/// Exists only where the CPU has AVX-512F.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Scan for Avx512 {
    type Job = Job;

    const GROUP: u64 = 16;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        job.by_stretches(Self::GROUP, first, last, |stretch, m5, groups| {
            // SAFETY: `self` exists, so `detect` has found AVX-512F.
            unsafe { scan(*self, stretch, m5, groups) }
        })
    }
}

#[target_feature(enable = "avx512f")]
fn scan(avx512: Avx512, stretch: &Stretch, m5: u32, groups: u32) -> Option<(u32, u32)> {
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let mask = _mm512_set1_epi32(stretch.mask as i32);
    let mut m5 = _mm512_add_epi32(_mm512_set1_epi32(m5 as i32), _mm512_slli_epi32::<16>(lanes));
    for group in 0..groups {
        let word = last_word(avx512, stretch, m5);
        let promising = _mm512_testn_epi32_mask(word, mask);
        if promising != 0 {
            return Some((group, u32::from(promising)));
        }
        m5 = _mm512_add_epi32(m5, _mm512_set1_epi32(16 << 16));
    }
    None
}

/// Defines methods by the intrinsics they come to.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> __m512i {
            // SAFETY: `self` exists, so `detect` has found AVX-512F, which is all these need.
            unsafe { $value }
        }
    )*};
}

impl Lanes for Avx512 {
    type Vector = __m512i;

    methods! {
        splat(word: u32) = _mm512_set1_epi32(word as i32);
        add(a: __m512i, b: __m512i) = _mm512_add_epi32(a, b);
        xor(a: __m512i, b: __m512i) = _mm512_xor_si512(a, b);
        rotate_right(a: __m512i, by: u32) = _mm512_rorv_epi32(a, _mm512_set1_epi32(by as i32));
    }
}
