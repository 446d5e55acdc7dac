//! AVX-512: sixteen lanes, rotations and any function of three bits in one instruction.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Lanes, sha256};

/// Exists only where the CPU has AVX-512F and AVX-512BW.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, if the CPU has them.
    #[must_use]
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }
}

/// Defines methods by the intrinsics they come to.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> __m512i {
            // SAFETY: `self` exists, so `detect` has found AVX-512F and AVX-512BW, which is all these need.
            unsafe { $value }
        }
    )*};
}

impl Lanes for Avx512 {
    type Vector = __m512i;

    const LANES: usize = 16;

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m512i {
        let words = &words[..16];
        // SAFETY: `self` exists, so the CPU has AVX-512F; 16 words are 64 bytes, at any alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m512i, words: &mut [u32]) {
        let words = &mut words[..16];
        // SAFETY: as in `load`.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
    }

    methods! {
        splat(word: u32) = _mm512_set1_epi32(word as i32);
        add(a: __m512i, b: __m512i) = _mm512_add_epi32(a, b);
        xor(a: __m512i, b: __m512i) = _mm512_xor_si512(a, b);
        xor3(a: __m512i, b: __m512i, c: __m512i) = _mm512_ternarylogic_epi32::<0x96>(a, b, c);
        choose(e: __m512i, f: __m512i, g: __m512i) = _mm512_ternarylogic_epi32::<0xca>(e, f, g);
        majority(a: __m512i, b: __m512i, c: __m512i) = _mm512_ternarylogic_epi32::<0xe8>(a, b, c);
        rotate_right(a: __m512i, by: u32) = _mm512_rorv_epi32(a, _mm512_set1_epi32(by as i32));
        shift_right(a: __m512i, by: u32) = _mm512_srlv_epi32(a, _mm512_set1_epi32(by as i32));
        swap_bytes(a: __m512i) = _mm512_shuffle_epi8(
            a,
            _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203)
        );
    }

    #[inline(always)]
    fn hold(self, a: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has the registers.
        unsafe { hold(a) }
    }

    #[inline(always)]
    fn sha256(self, state: &mut [__m512i; 8], block: &[__m512i; 16]) {
        // SAFETY: `self` exists, so `detect` has found both features.
        unsafe { compress(self, state, block) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline(never)]
fn compress(avx512: Avx512, state: &mut [__m512i; 8], block: &[__m512i; 16]) {
    super::align_frame();
    sha256::compress(avx512, state, block);
}

#[target_feature(enable = "avx512f")]
#[inline]
fn hold(a: __m512i) -> __m512i {
    let mut a = a;
    // SAFETY: no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) a, options(nomem, nostack, preserves_flags)) };
    a
}
