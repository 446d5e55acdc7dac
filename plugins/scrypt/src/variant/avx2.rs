//! AVX2: rows of two hashes in a vector.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use adit_plugin::Digest;
use adit_plugin::lanes;
use adit_plugin::scratch::{Pages, Scratch};
use adit_plugin::search::Batch;

use crate::job::Job;
use crate::kernel::hash;
use crate::romix::{Line, Rows, Table};

/// See [`romix`](crate::romix::romix).
const WAYS: usize = 4;
const GROUPS: usize = 1;
const HASHES: usize = 2 * WAYS * GROUPS;

/// The instructions, where the CPU has them.
pub(crate) fn supported() -> Option<lanes::Avx2> {
    lanes::Avx2::detect()
}

/// AVX2 and memory for the tables.
pub(crate) struct Avx2 {
    avx2: lanes::Avx2,
    scratch: Scratch,
}

impl Avx2 {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { avx2: supported()?, scratch: super::scratch::<HASHES>() })
    }
}

impl Batch for Avx2 {
    type Job = Job;
    type Digests = [Digest; HASHES];

    const GROUP: u64 = HASHES as u64;

    fn hash(&mut self, job: &Job, first: u64, _: &mut dyn FnMut() -> bool) -> Option<Self::Digests> {
        // SAFETY: `lanes::Avx2` exists where the CPU has AVX2.
        Some(unsafe { hash_avx2(self.avx2, job, first as u32, super::table(&mut self.scratch)) })
    }

    fn scratch(&self) -> Option<Pages> {
        Some(self.scratch.pages())
    }
}

#[target_feature(enable = "avx2")]
fn hash_avx2(avx2: lanes::Avx2, job: &Job, first: u32, table: &mut Table<HASHES>) -> [Digest; HASHES] {
    lanes::align_frame();
    hash::<_, _, WAYS, GROUPS, HASHES>((avx2, Pairs(avx2)), job, first, table)
}

/// Rows of two hashes.
#[derive(Clone, Copy)]
struct Pairs(#[allow(dead_code)] lanes::Avx2);

/// Defines methods by the intrinsics they come to.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> __m256i {
            // SAFETY: the proof that `self` holds says that the CPU has AVX2, which is all these need.
            unsafe { $value }
        }
    )*};
}

impl Rows for Pairs {
    type Vector = __m256i;

    const HASHES: usize = 2;

    methods! {
        add(a: __m256i, b: __m256i) = _mm256_add_epi32(a, b);
        xor(a: __m256i, b: __m256i) = _mm256_xor_si256(a, b);
        rotate_left(a: __m256i, by: u32) = _mm256_or_si256(
            _mm256_sll_epi32(a, _mm_cvtsi32_si128(by as i32)),
            _mm256_srl_epi32(a, _mm_cvtsi32_si128(32 - by as i32))
        );
        turn1(a: __m256i) = _mm256_shuffle_epi32::<0b00_11_10_01>(a);
        turn2(a: __m256i) = _mm256_shuffle_epi32::<0b01_00_11_10>(a);
        turn3(a: __m256i) = _mm256_shuffle_epi32::<0b10_01_00_11>(a);
    }

    #[inline(always)]
    fn load<'a>(self, line: impl Fn(usize) -> &'a Line) -> [__m256i; 4] {
        let [first, second] = [line(0), line(1)];
        // SAFETY: the proof that `self` holds says that the CPU has AVX2; a line is 64 aligned bytes.
        unsafe {
            let half = |line: &Line, at| _mm256_load_si256((&raw const line.0).cast::<__m256i>().add(at));
            let [ab, cd] = [0, 1].map(|at| rows(half(first, at), half(second, at)));
            [ab[0], ab[1], cd[0], cd[1]]
        }
    }

    #[inline(always)]
    fn store(self, [a, b, c, d]: [__m256i; 4], mut line: impl FnMut(usize, Line)) {
        // SAFETY: the proof that `self` holds says that the CPU has AVX2; a line is 64 aligned bytes.
        unsafe {
            let (ab, cd) = (rows(a, b), rows(c, d));
            for hash in 0..2 {
                let mut value = Line([0; 16]);
                let half = (&raw mut value.0).cast::<__m256i>();
                _mm256_store_si256(half, ab[hash]);
                _mm256_store_si256(half.add(1), cd[hash]);
                line(hash, value);
            }
        }
    }

    #[inline(always)]
    fn first_words(self, row: __m256i) -> [u32; 4] {
        // SAFETY: both are eight words of any value.
        let words = unsafe { std::mem::transmute::<__m256i, [u32; 8]>(row) };
        [words[0], words[4], 0, 0]
    }
}

/// Two vectors of two parts, as a matrix, reflected.
#[target_feature(enable = "avx2")]
#[inline]
fn rows(a: __m256i, b: __m256i) -> [__m256i; 2] {
    [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)]
}
