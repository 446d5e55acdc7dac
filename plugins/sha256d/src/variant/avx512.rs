//! AVX-512: sixteen nonces in a vector, rotations and any function of three bits in one instruction.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::search::{Promising, Scan};

use crate::job::Job;
use crate::kernel::last_word;
use crate::lanes::Lanes;

/// Exists only where the CPU has AVX-512F and AVX-512BW.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }
}

impl Scan for Avx512 {
    type Job = Job;

    const GROUP: u64 = 16;

    fn scan(&mut self, job: &Job, first: u64, last: u64) -> Option<Promising> {
        // SAFETY: `self` exists, so `detect` has found both features.
        Promising::by_groups(Self::GROUP, first, last, |first, groups| unsafe {
            scan(*self, job, first as u32, groups)
        })
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn scan(avx512: Avx512, job: &Job, first: u32, groups: u64) -> Option<(u64, u32)> {
    // To the byte's place that it has in the header, in each word.
    let swap = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    let mask = _mm512_set1_epi32(job.mask as i32);
    let mut nonces = _mm512_add_epi32(_mm512_set1_epi32(first as i32), lanes);
    for group in 0..groups {
        let word = last_word(avx512, job, _mm512_shuffle_epi8(nonces, swap));
        let promising = _mm512_testn_epi32_mask(word, mask);
        if promising != 0 {
            return Some((group, u32::from(promising)));
        }
        nonces = _mm512_add_epi32(nonces, _mm512_set1_epi32(16));
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
        xor3(a: __m512i, b: __m512i, c: __m512i) = _mm512_ternarylogic_epi32::<0x96>(a, b, c);
        choose(e: __m512i, f: __m512i, g: __m512i) = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
        majority(a: __m512i, b: __m512i, c: __m512i) = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
        rotate_right(a: __m512i, by: u32) = _mm512_rorv_epi32(a, _mm512_set1_epi32(by as i32));
        shift_right(a: __m512i, by: u32) = _mm512_srlv_epi32(a, _mm512_set1_epi32(by as i32));
    }
}
