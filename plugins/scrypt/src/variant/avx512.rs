//! AVX-512: rows of four hashes in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::mem::transmute;

use adit_plugin::Digest;
use adit_plugin::lanes::{self, Lanes as _};
use adit_plugin::scratch::{Pages, Scratch};
use adit_plugin::search::Batch;

use crate::job::Job;
use crate::kernel::hash;
use crate::romix::{Line, Rows, Table};

/// The instructions, where the CPU has them.
pub(crate) fn supported() -> Option<lanes::Avx512> {
    lanes::Avx512::detect()
}

/// AVX-512 and memory for the tables. [`romix`](crate::romix::romix) says what the numbers are.
pub(crate) struct Avx512<const WAYS: usize, const GROUPS: usize, const HASHES: usize> {
    avx512: lanes::Avx512,
    scratch: Scratch,
}

impl<const WAYS: usize, const GROUPS: usize, const HASHES: usize> Avx512<WAYS, GROUPS, HASHES> {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { avx512: supported()?, scratch: super::scratch::<HASHES>() })
    }
}

impl<const WAYS: usize, const GROUPS: usize, const HASHES: usize> Batch for Avx512<WAYS, GROUPS, HASHES> {
    type Job = Job;
    type Digests = [Digest; HASHES];

    const GROUP: u64 = HASHES as u64;

    fn hash(&mut self, job: &Job, first: u64, _: &mut dyn FnMut() -> bool) -> Option<Self::Digests> {
        // SAFETY: `lanes::Avx512` exists where the CPU has both features.
        Some(unsafe {
            hash_avx512::<WAYS, GROUPS, HASHES>(
                self.avx512,
                job,
                first as u32,
                super::table(&mut self.scratch),
            )
        })
    }

    fn scratch(&self) -> Option<Pages> {
        Some(self.scratch.pages())
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn hash_avx512<const WAYS: usize, const GROUPS: usize, const HASHES: usize>(
    avx512: lanes::Avx512,
    job: &Job,
    first: u32,
    table: &mut Table<HASHES>,
) -> [Digest; HASHES] {
    lanes::align_frame();
    if WAYS > 4 {
        hash::<_, _, WAYS, GROUPS, HASHES>((avx512, Quads::<true>(avx512)), job, first, table)
    } else {
        hash::<_, _, WAYS, GROUPS, HASHES>((avx512, Quads::<false>(avx512)), job, first, table)
    }
}

/// Rows of four hashes.
#[derive(Clone, Copy)]
struct Quads<const HELD: bool>(lanes::Avx512);

/// Defines methods by the intrinsics they come to.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> __m512i {
            // SAFETY: the proof that `self` holds says that the CPU has AVX-512F, which is all these need.
            unsafe { $value }
        }
    )*};
}

impl<const HELD: bool> Rows for Quads<HELD> {
    type Vector = __m512i;

    const HASHES: usize = 4;

    methods! {
        add(a: __m512i, b: __m512i) = _mm512_add_epi32(a, b);
        xor(a: __m512i, b: __m512i) = _mm512_xor_si512(a, b);
        turn1(a: __m512i) = _mm512_shuffle_epi32::<0b00_11_10_01>(a);
        turn2(a: __m512i) = _mm512_shuffle_epi32::<0b01_00_11_10>(a);
        turn3(a: __m512i) = _mm512_shuffle_epi32::<0b10_01_00_11>(a);
    }

    #[inline(always)]
    fn rotate_left(self, a: __m512i, by: u32) -> __m512i {
        // SAFETY: the proof that `self` holds says that the CPU has AVX-512F, which is all this needs.
        let rotated = unsafe { _mm512_rolv_epi32(a, _mm512_set1_epi32(by as i32)) };
        if HELD { self.0.hold(rotated) } else { rotated }
    }

    #[inline(always)]
    fn load<'a>(self, line: impl Fn(usize) -> &'a Line) -> [__m512i; 4] {
        // SAFETY: the proof that `self` holds says that the CPU has AVX-512F; a line is 64 aligned bytes.
        unsafe {
            let vector = |hash| _mm512_load_si512((&raw const line(hash).0).cast());
            transpose([vector(0), vector(1), vector(2), vector(3)])
        }
    }

    #[inline(always)]
    fn store(self, rows: [__m512i; 4], mut line: impl FnMut(usize, Line)) {
        // SAFETY: the proof that `self` holds says that the CPU has AVX-512F.
        let lines = unsafe { transpose(rows) };
        for (hash, vector) in lines.into_iter().enumerate() {
            // SAFETY: both are sixteen words of any value.
            line(hash, unsafe { transmute::<__m512i, Line>(vector) });
        }
    }

    #[inline(always)]
    fn first_words(self, row: __m512i) -> [u32; 4] {
        // SAFETY: the proof that `self` holds says that the CPU has AVX-512F, and whatever has that has SSE4.1.
        let (low, high) = unsafe {
            let words = _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, row));
            (_mm_cvtsi128_si64(words) as u64, _mm_extract_epi64::<1>(words) as u64)
        };
        [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
    }
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
