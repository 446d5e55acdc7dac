//! AVX2 with AES-NI: two nonces in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::mem::transmute;

use adit_plugin::lanes;

use crate::blake3_rounds;
use crate::chains::{Block, Machine};

super::kernel!(AesNi, 2, #[target_feature(enable = "avx2,aes")]);

/// Exists only where the CPU has AVX2 and AES-NI.
#[derive(Clone, Copy)]
pub(super) struct AesNi(lanes::Avx2);

impl AesNi {
    pub(super) fn detect() -> Option<Self> {
        lanes::Avx2::detect().filter(|_| is_x86_feature_detected!("aes")).map(Self)
    }
}

impl Machine for AesNi {
    type Lanes = lanes::Avx2;

    #[inline(always)]
    fn lanes(self) -> lanes::Avx2 {
        self.0
    }

    #[inline(always)]
    fn reflect(self, [a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe {
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (high_ab, high_cd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(high_ab, high_cd),
                _mm256_unpackhi_epi64(high_ab, high_cd),
            ]
        }
    }

    #[inline(always)]
    fn load_blocks<'a>(self, block: impl Fn(usize) -> &'a Block) -> [__m256i; 4] {
        let [first, second] = [block(0), block(1)];
        // SAFETY: `self` exists, so the CPU has AVX2; a block is 64 aligned bytes.
        unsafe {
            let half = |block: &Block, at| _mm256_load_si256((&raw const block.0).cast::<__m256i>().add(at));
            let [a, b] = swap_halves(half(first, 0), half(second, 0));
            let [c, d] = swap_halves(half(first, 1), half(second, 1));
            [a, b, c, d]
        }
    }

    #[inline(always)]
    fn store_blocks(self, [a, b, c, d]: [__m256i; 4], mut block: impl FnMut(usize, Block)) {
        // SAFETY: `self` exists, so the CPU has AVX2; both are sixteen words of any value.
        unsafe {
            let (low, high) = (swap_halves(a, b), swap_halves(c, d));
            for nonce in 0..2 {
                block(nonce, transmute::<[__m256i; 2], Block>([low[nonce], high[nonce]]));
            }
        }
    }

    #[inline(always)]
    fn store_halves(self, [low, high]: [__m256i; 2], mut half: impl FnMut(usize, [u32; 8])) {
        // SAFETY: `self` exists, so the CPU has AVX2; both are eight words of any value.
        unsafe {
            for (nonce, vector) in swap_halves(low, high).into_iter().enumerate() {
                half(nonce, transmute::<__m256i, [u32; 8]>(vector));
            }
        }
    }

    #[inline(always)]
    fn aes(self, block: __m256i, key: __m256i) -> __m256i {
        // SAFETY: `self` exists, so the CPU has AVX2 and AES-NI.
        unsafe {
            let low = _mm_aesenc_si128(_mm256_castsi256_si128(block), _mm256_castsi256_si128(key));
            let high =
                _mm_aesenc_si128(_mm256_extracti128_si256::<1>(block), _mm256_extracti128_si256::<1>(key));
            _mm256_set_m128i(high, low)
        }
    }

    #[inline(always)]
    fn blake3(self, state: &mut [__m256i; 8], block: &[__m256i; 16]) {
        // SAFETY: `self` exists, so the CPU has AVX2.
        unsafe { blake3(self.0, state, block) }
    }

    #[inline(always)]
    fn prefetch(self, block: &Block) {
        // SAFETY: a hint, of memory that is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const block.0).cast()) }
    }
}

#[target_feature(enable = "avx2")]
#[inline(never)]
fn blake3(avx2: lanes::Avx2, state: &mut [__m256i; 8], block: &[__m256i; 16]) {
    lanes::align_frame();
    blake3_rounds::compress(avx2, state, block);
}

/// The first halves of both, then the second halves.
#[target_feature(enable = "avx2")]
#[inline]
fn swap_halves(a: __m256i, b: __m256i) -> [__m256i; 2] {
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}
