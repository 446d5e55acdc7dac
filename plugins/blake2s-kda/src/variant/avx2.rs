//! AVX2: eight nonces in a vector; rotations by whole bytes are shuffles.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::hint::black_box;

use adit_plugin::lanes::align_frame;
use adit_plugin::search::{Promising, Scan};

use crate::job::{Job, Stretch};
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
        job.by_stretches(Self::GROUP, first, last, |stretch, m5, groups| {
            // SAFETY: `self` exists, so `detect` has found AVX2.
            unsafe { scan(*self, stretch, m5, groups) }
        })
    }
}

#[target_feature(enable = "avx2")]
fn scan(avx2: Avx2, stretch: &Stretch, m5: u32, groups: u32) -> Option<(u32, u64)> {
    align_frame();
    let lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    let kernel = Kernel::new(avx2);
    let mask = _mm256_set1_epi32(stretch.mask as i32);
    let mut m5 = _mm256_add_epi32(_mm256_set1_epi32(m5 as i32), _mm256_slli_epi32::<16>(lanes));
    for group in 0..groups {
        let word = last_word(kernel, stretch, m5);
        let zero = _mm256_cmpeq_epi32(_mm256_and_si256(word, mask), _mm256_setzero_si256());
        let promising = _mm256_movemask_ps(_mm256_castsi256_ps(zero));
        if promising != 0 {
            return Some((group, promising as u64));
        }
        m5 = _mm256_add_epi32(m5, _mm256_set1_epi32(8 << 16));
    }
    None
}

/// The instructions, and what they want at hand.
#[derive(Clone, Copy)]
struct Kernel {
    _avx2: Avx2,
    /// The shuffles that rotate words right by one byte and by two.
    bytes: [__m256i; 2],
}

impl Kernel {
    #[target_feature(enable = "avx2")]
    fn new(avx2: Avx2) -> Self {
        // Byte `i` of a word comes from byte `i + by`.
        let word = |by: i32, at: i32| (0..4).fold(0, |word, i| word | (at + (i + by) % 4) << (8 * i));
        let shuffle = |by| {
            _mm256_broadcastsi128_si256(_mm_set_epi32(word(by, 12), word(by, 8), word(by, 4), word(by, 0)))
        };
        // Hidden from the compiler: of a shuffle that it knows it makes two that want no register.
        Self { _avx2: avx2, bytes: black_box([shuffle(1), shuffle(2)]) }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn rotate(self, a: __m256i, by: u32) -> __m256i {
        match by {
            8 => _mm256_shuffle_epi8(a, self.bytes[0]),
            16 => _mm256_shuffle_epi8(a, self.bytes[1]),
            _ => {
                let right = _mm256_srlv_epi32(a, _mm256_set1_epi32(by as i32));
                _mm256_or_si256(right, _mm256_sllv_epi32(a, _mm256_set1_epi32(32 - by as i32)))
            }
        }
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

impl Lanes for Kernel {
    type Vector = __m256i;

    methods! {
        splat(word: u32) = _mm256_set1_epi32(word as i32);
        add(a: __m256i, b: __m256i) = _mm256_add_epi32(a, b);
        xor(a: __m256i, b: __m256i) = _mm256_xor_si256(a, b);
    }

    #[inline(always)]
    fn rotate_right(self, a: __m256i, by: u32) -> __m256i {
        // SAFETY: `self` exists, so `detect` has found AVX2, which is all this needs.
        unsafe { self.rotate(a, by) }
    }
}
