//! AVX2: eight nonces in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;
use crate::lanes::Lanes;

/// Exists only where the CPU has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Scan for Avx2 {
    type Job = Job;

    const GROUP: u64 = 8;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `self` exists, so `detect` has found AVX2.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            scan(*self, job, first as u32, groups)
        })
    }
}

#[target_feature(enable = "avx2")]
fn scan(avx2: Avx2, job: &Job, first: u32, groups: u64) -> Option<(u64, u32)> {
    // To the byte's place that it has in the header, in each word.
    let swap = _mm256_broadcastsi128_si256(_mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203));
    let mask = _mm256_set1_epi32(job.mask as i32);
    let lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    let mut nonces = _mm256_add_epi32(_mm256_set1_epi32(first as i32), lanes);
    for group in 0..groups {
        let word = last_word(avx2, job, _mm256_shuffle_epi8(nonces, swap));
        let zero = _mm256_cmpeq_epi32(_mm256_and_si256(word, mask), _mm256_setzero_si256());
        let promising = _mm256_movemask_ps(_mm256_castsi256_ps(zero));
        if promising != 0 {
            return Some((group, promising as u32));
        }
        nonces = _mm256_add_epi32(nonces, _mm256_set1_epi32(8));
    }
    None
}

/// Defines methods by the intrinsics they come to.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> __m256i {
            // SAFETY: `self` exists, so `detect` has found AVX2, which is all these need.
            unsafe { $value }
        }
    )*};
}

impl Lanes for Avx2 {
    type Vector = __m256i;

    methods! {
        splat(word: u32) = _mm256_set1_epi32(word as i32);
        add(a: __m256i, b: __m256i) = _mm256_add_epi32(a, b);
        xor3(a: __m256i, b: __m256i, c: __m256i) = _mm256_xor_si256(_mm256_xor_si256(a, b), c);
        choose(e: __m256i, f: __m256i, g: __m256i) =
            _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
        majority(a: __m256i, b: __m256i, c: __m256i) =
            _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)));
        rotate_right(a: __m256i, by: u32) = _mm256_or_si256(
            _mm256_srlv_epi32(a, _mm256_set1_epi32(by as i32)),
            _mm256_sllv_epi32(a, _mm256_set1_epi32(32 - by as i32)),
        );
        shift_right(a: __m256i, by: u32) = _mm256_srlv_epi32(a, _mm256_set1_epi32(by as i32));
    }
}
