//! AVX2: eight lanes.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Lanes, sha256};

/// Exists only where the CPU has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof, if the CPU has it.
    #[must_use]
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
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

    const LANES: usize = 8;

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m256i {
        let words = &words[..8];
        // SAFETY: `self` exists, so the CPU has AVX2; 8 words are 32 bytes, at any alignment.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(self, vector: __m256i, words: &mut [u32]) {
        let words = &mut words[..8];
        // SAFETY: as in `load`.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) }
    }

    methods! {
        splat(word: u32) = _mm256_set1_epi32(word as i32);
        add(a: __m256i, b: __m256i) = _mm256_add_epi32(a, b);
        xor(a: __m256i, b: __m256i) = _mm256_xor_si256(a, b);
        xor3(a: __m256i, b: __m256i, c: __m256i) = _mm256_xor_si256(_mm256_xor_si256(a, b), c);
        choose(e: __m256i, f: __m256i, g: __m256i) =
            _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
        majority(a: __m256i, b: __m256i, c: __m256i) =
            // In SHA-256 the second of the differences is the next round's first.
            _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)));
        rotate_right(a: __m256i, by: u32) = _mm256_or_si256(
            _mm256_srl_epi32(a, _mm_cvtsi32_si128(by as i32)),
            _mm256_sll_epi32(a, _mm_cvtsi32_si128(32 - by as i32))
        );
        shift_right(a: __m256i, by: u32) = _mm256_srl_epi32(a, _mm_cvtsi32_si128(by as i32));
        swap_bytes(a: __m256i) = _mm256_shuffle_epi8(
            a,
            _mm256_broadcastsi128_si256(_mm_set_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
        );
    }

    #[inline(always)]
    fn hold(self, a: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has the registers.
        unsafe { hold(a) }
    }

    #[inline(always)]
    fn sha256(self, state: &mut [__m256i; 8], block: &[__m256i; 16]) {
        // SAFETY: `self` exists, so `detect` has found AVX2.
        unsafe { compress(self, state, block) }
    }
}

#[target_feature(enable = "avx2")]
#[inline(never)]
fn compress(avx2: Avx2, state: &mut [__m256i; 8], block: &[__m256i; 16]) {
    super::align_frame();
    sha256::compress(avx2, state, block);
}

#[target_feature(enable = "avx2")]
#[inline]
fn hold(a: __m256i) -> __m256i {
    let mut a = a;
    // SAFETY: no instruction.
    unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) a, options(nomem, nostack, preserves_flags)) };
    a
}
