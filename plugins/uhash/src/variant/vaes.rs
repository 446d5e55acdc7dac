//! AVX-512 with VAES: four nonces in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::mem::transmute;

use adit_plugin::lanes;

use crate::blake3_rounds;
use crate::chains::{Block, Machine};

super::kernel!(Vaes, 4, #[target_feature(enable = "avx512f,avx512bw,vaes")]);

/// Exists only where the CPU has AVX-512F, AVX-512BW and VAES.
#[derive(Clone, Copy)]
pub(super) struct Vaes(lanes::Avx512);

impl Vaes {
    pub(super) fn detect() -> Option<Self> {
        lanes::Avx512::detect().filter(|_| is_x86_feature_detected!("vaes")).map(Self)
    }
}

impl Machine for Vaes {
    type Lanes = lanes::Avx512;

    #[inline(always)]
    fn lanes(self) -> lanes::Avx512 {
        self.0
    }

    #[inline(always)]
    fn reflect(self, [a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        unsafe {
            let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
            let (high_ab, high_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
            [
                _mm512_unpacklo_epi64(ab, cd),
                _mm512_unpackhi_epi64(ab, cd),
                _mm512_unpacklo_epi64(high_ab, high_cd),
                _mm512_unpackhi_epi64(high_ab, high_cd),
            ]
        }
    }

    #[inline(always)]
    fn load_blocks<'a>(self, block: impl Fn(usize) -> &'a Block) -> [__m512i; 4] {
        // SAFETY: `self` exists, so the CPU has AVX-512F; a block is 64 aligned bytes.
        unsafe {
            let vector = |nonce| _mm512_load_si512((&raw const block(nonce).0).cast());
            transpose([vector(0), vector(1), vector(2), vector(3)])
        }
    }

    #[inline(always)]
    fn store_blocks(self, parts: [__m512i; 4], mut block: impl FnMut(usize, Block)) {
        // SAFETY: `self` exists, so the CPU has AVX-512F.
        let blocks = unsafe { transpose(parts) };
        for (nonce, vector) in blocks.into_iter().enumerate() {
            // SAFETY: both are sixteen words of any value.
            block(nonce, unsafe { transmute::<__m512i, Block>(vector) });
        }
    }

    #[inline(always)]
    fn store_halves(self, [low, high]: [__m512i; 2], mut half: impl FnMut(usize, [u32; 8])) {
        // SAFETY: `self` exists, so the CPU has AVX-512F; both are eight words of any value.
        unsafe {
            let both = [
                _mm512_permutex2var_epi64(low, _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0), high),
                _mm512_permutex2var_epi64(low, _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4), high),
            ];
            for (at, both) in both.into_iter().enumerate() {
                half(2 * at, transmute::<__m256i, [u32; 8]>(_mm512_castsi512_si256(both)));
                half(2 * at + 1, transmute::<__m256i, [u32; 8]>(_mm512_extracti64x4_epi64::<1>(both)));
            }
        }
    }

    #[inline(always)]
    fn aes(self, block: __m512i, key: __m512i) -> __m512i {
        // SAFETY: `self` exists, so the CPU has VAES and AVX-512F.
        unsafe { _mm512_aesenc_epi128(block, key) }
    }

    #[inline(always)]
    fn blake3(self, state: &mut [__m512i; 8], block: &[__m512i; 16]) {
        // SAFETY: `self` exists, so the CPU has AVX-512F and AVX-512BW.
        unsafe { blake3(self.0, state, block) }
    }

    #[inline(always)]
    fn prefetch(self, block: &Block) {
        // SAFETY: a hint, of memory that is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>((&raw const block.0).cast()) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline(never)]
fn blake3(avx512: lanes::Avx512, state: &mut [__m512i; 8], block: &[__m512i; 16]) {
    lanes::align_frame();
    blake3_rounds::compress(avx512, state, block);
}

/// Four vectors of four parts, as a matrix, reflected.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let low01 = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
    let high01 = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
    let low23 = _mm512_shuffle_i32x4::<0b01_00_01_00>(c, d);
    let high23 = _mm512_shuffle_i32x4::<0b11_10_11_10>(c, d);
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(low01, low23),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(low01, low23),
        _mm512_shuffle_i32x4::<0b10_00_10_00>(high01, high23),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(high01, high23),
    ]
}
