//! AVX-512: two vectors of sixteen lanes in turns, in the order in which it is written.
//!
//! Each is one instruction a vector, given to the compiler as assembly: it chooses the registers, but neither moves
//! nor merges them. Left to itself it puts a whole round of the one vector before that of the other, farther apart than
//! a processor looks.

#![allow(unsafe_code)]

use std::arch::{asm, x86_64::*};

use super::Avx512;

/// Two vectors.
pub type Pair = [__m512i; 2];

/// Sixteen message words of two vectors: in memory, as there are no registers for them.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Words([Pair; 16]);

/// What is done to each of two vectors, one instruction each; exists only where the CPU has AVX-512F and AVX-512BW.
///
/// Who uses it is compiled for AVX-512F, and the results of all methods are inlined there.
#[derive(Clone, Copy, Debug)]
pub struct Pairs(Avx512);

/// Defines functions by the one instruction that each is.
macro_rules! instructions {
    ($(
        $name:ident<$(const $number:ident: $of:ty),*>($($operand:ident: $class:ident $type:ty),*)
            = $text:literal $(, $constant:ident = $value:expr)*;
    )*) => {$(
        #[target_feature(enable = "avx512f")]
        #[inline]
        unsafe fn $name<$(const $number: $of),*>($($operand: $type),*) -> __m512i {
            let result;
            // SAFETY: the caller's pointer is good for what is read, if anything is.
            unsafe {
                asm!(
                    $text,
                    result = lateout(zmm_reg) result,
                    $($operand = in($class) $operand,)*
                    $($constant = const $value,)*
                    options(readonly, nostack, preserves_flags)
                );
            }
            result
        }
    )*};
}

instructions! {
    add<>(a: zmm_reg __m512i, b: zmm_reg __m512i) = "vpaddd {result}, {a}, {b}";
    xor<>(a: zmm_reg __m512i, b: zmm_reg __m512i) = "vpxord {result}, {a}, {b}";
    subtract<>(a: zmm_reg __m512i, b: zmm_reg __m512i) = "vpsubd {result}, {a}, {b}";
    rotate<const BY: u32>(a: zmm_reg __m512i) = "vprord {result}, {a}, {by}", by = BY;
    add_key<const AT: usize, const PLUS: usize>(a: zmm_reg __m512i, keys: reg *const u32) =
        "vpaddd {result}, {a}, dword ptr [{keys} + {at}]{{1to16}}", at = size_of::<u32>() * (AT + PLUS);
    load_word<const AT: usize, const PLUS: usize, const WAY: usize>(words: reg *const Pair) =
        "vmovdqa32 {result}, zmmword ptr [{words} + {at}]", at = offset(AT + PLUS, WAY);
    add_word<const AT: usize, const PLUS: usize, const WAY: usize>(a: zmm_reg __m512i, words: reg *const Pair) =
        "vpaddd {result}, {a}, zmmword ptr [{words} + {at}]", at = offset(AT + PLUS, WAY);
    rotate_word<const AT: usize, const PLUS: usize, const WAY: usize, const BY: u32>(words: reg *const Pair) =
        "vprord {result}, zmmword ptr [{words} + {at}], {by}", at = offset(AT + PLUS, WAY), by = BY;
    shift_word<const AT: usize, const PLUS: usize, const WAY: usize, const BY: u32>(words: reg *const Pair) =
        "vpsrld {result}, zmmword ptr [{words} + {at}], {by}", at = offset(AT + PLUS, WAY), by = BY;
}

/// Where a word of one of the two vectors stands, in bytes.
const fn offset(word: usize, way: usize) -> usize {
    size_of::<Pair>() * (word % 16) + size_of::<__m512i>() * way
}

#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn store_word<const AT: usize, const PLUS: usize, const WAY: usize>(words: *mut Pair, a: __m512i) {
    // SAFETY: the caller's pointer is that to all sixteen words.
    unsafe {
        asm!(
            "vmovdqa32 zmmword ptr [{words} + {at}], {a}",
            words = in(reg) words,
            a = in(zmm_reg) a,
            at = const offset(AT + PLUS, WAY),
            options(nostack, preserves_flags)
        );
    }
}

/// Bit `4 a + 2 b + c` of `TABLE` for each three bits. The result takes the place of `a`, which costs an instruction
/// where `a` is needed later.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn ternary<const TABLE: u8>(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    let mut result = a;
    // SAFETY: registers only.
    unsafe {
        asm!(
            "vpternlogd {result}, {b}, {c}, {table}",
            result = inlateout(zmm_reg) result,
            b = in(zmm_reg) b,
            c = in(zmm_reg) c,
            table = const TABLE,
            options(nomem, nostack, preserves_flags)
        );
    }
    result
}

/// Does the same to both vectors.
macro_rules! both {
    ($way:ident => $value:expr) => {{
        // SAFETY: whoever calls holds the proof that the CPU has AVX-512F; pointers are those of references to all
        // words or to all keys, and the offsets within them.
        unsafe {
            [
                {
                    const $way: usize = 0;
                    $value
                },
                {
                    const $way: usize = 1;
                    $value
                },
            ]
        }
    }};
}

impl Pairs {
    /// With the proof that one vector needs, too.
    #[must_use]
    pub fn new(proof: Avx512) -> Self {
        Self(proof)
    }

    /// The same word in each lane.
    #[inline(always)]
    #[must_use]
    pub fn splat(self, word: u32) -> Pair {
        both!(_WAY => _mm512_set1_epi32(word as i32))
    }

    /// Words that are zero.
    #[inline(always)]
    #[must_use]
    pub fn zeros(self) -> Words {
        Words([self.splat(0); 16])
    }

    /// Sums modulo 2^32.
    #[inline(always)]
    #[must_use]
    pub fn add(self, a: Pair, b: Pair) -> Pair {
        both!(WAY => add(a[WAY], b[WAY]))
    }

    /// Bits that one of the two has.
    #[inline(always)]
    #[must_use]
    pub fn xor(self, a: Pair, b: Pair) -> Pair {
        both!(WAY => xor(a[WAY], b[WAY]))
    }

    /// Differences modulo 2^32.
    #[inline(always)]
    #[must_use]
    pub fn subtract(self, a: Pair, b: Pair) -> Pair {
        both!(WAY => subtract(a[WAY], b[WAY]))
    }

    /// Bits that one or all of the three have.
    #[inline(always)]
    #[must_use]
    pub fn xor3(self, a: Pair, b: Pair, c: Pair) -> Pair {
        both!(WAY => ternary::<0x96>(a[WAY], b[WAY], c[WAY]))
    }

    /// Bits of `f` where `e` has ones, of `g` where it has zeros, in the place of `g`.
    #[inline(always)]
    #[must_use]
    pub fn choose(self, e: Pair, f: Pair, g: Pair) -> Pair {
        both!(WAY => ternary::<0xb8>(g[WAY], e[WAY], f[WAY]))
    }

    /// The bit that two of the three have.
    #[inline(always)]
    #[must_use]
    pub fn majority(self, a: Pair, b: Pair, c: Pair) -> Pair {
        both!(WAY => ternary::<0xe8>(a[WAY], b[WAY], c[WAY]))
    }

    /// Rotated to the right.
    #[inline(always)]
    #[must_use]
    pub fn rotate<const BY: u32>(self, a: Pair) -> Pair {
        both!(WAY => rotate::<BY>(a[WAY]))
    }

    /// Adds key `AT + PLUS` to each lane.
    #[inline(always)]
    #[must_use]
    pub fn add_key<const AT: usize, const PLUS: usize, const LEN: usize>(
        self,
        a: Pair,
        keys: &[u32; LEN],
    ) -> Pair {
        const { assert!(AT + PLUS < LEN) };
        both!(WAY => add_key::<AT, PLUS>(a[WAY], keys.as_ptr()))
    }

    /// Word `AT + PLUS`, modulo 16 like all numbers of words.
    #[inline(always)]
    #[must_use]
    pub fn load<const AT: usize, const PLUS: usize>(self, words: &Words) -> Pair {
        both!(WAY => load_word::<AT, PLUS, WAY>(words.0.as_ptr()))
    }

    /// Adds word `AT + PLUS`.
    #[inline(always)]
    #[must_use]
    pub fn add_word<const AT: usize, const PLUS: usize>(self, a: Pair, words: &Words) -> Pair {
        both!(WAY => add_word::<AT, PLUS, WAY>(a[WAY], words.0.as_ptr()))
    }

    /// Word `AT + PLUS`, rotated to the right.
    #[inline(always)]
    #[must_use]
    pub fn rotate_word<const AT: usize, const PLUS: usize, const BY: u32>(self, words: &Words) -> Pair {
        both!(WAY => rotate_word::<AT, PLUS, WAY, BY>(words.0.as_ptr()))
    }

    /// Word `AT + PLUS`, shifted to the right.
    #[inline(always)]
    #[must_use]
    pub fn shift_word<const AT: usize, const PLUS: usize, const BY: u32>(self, words: &Words) -> Pair {
        both!(WAY => shift_word::<AT, PLUS, WAY, BY>(words.0.as_ptr()))
    }

    /// Makes `a` word `AT + PLUS`.
    #[inline(always)]
    pub fn store<const AT: usize, const PLUS: usize>(self, a: Pair, words: &mut Words) {
        // SAFETY: as in `both`.
        unsafe {
            store_word::<AT, PLUS, 0>(words.0.as_mut_ptr(), a[0]);
            store_word::<AT, PLUS, 1>(words.0.as_mut_ptr(), a[1]);
        }
    }

    /// Goes to the next instruction.
    ///
    /// A processor of the Zen 5 generation that once fetched code which it had not kept decoded goes on so, at half the
    /// pace, to the next jump, and code without jumps stays so for many rounds.
    #[inline(always)]
    pub fn jump(self) {
        // SAFETY: no more than that.
        unsafe { asm!("jmp 2f", "2:", options(nomem, nostack, preserves_flags)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Lanes, Plain};

    #[target_feature(enable = "avx512f,avx512bw")]
    fn as_plain(avx512: Avx512) {
        let l = Pairs::new(avx512);
        let words = |seed: u32| -> [u32; 32] {
            std::array::from_fn(|lane| {
                (seed + lane as u32).wrapping_mul(0x9e37_79b9).rotate_left(lane as u32)
            })
        };
        let (a, b, c) = (words(1), words(50), words(99));
        let load = |words: &[u32; 32]| [avx512.load(&words[..16]), avx512.load(&words[16..])];
        let (va, vb, vc) = (load(&a), load(&b), load(&c));
        let same = |pair: Pair, plain: &dyn Fn(u32, u32, u32) -> u32| {
            let mut out = [0; 32];
            avx512.store(pair[0], &mut out[..16]);
            avx512.store(pair[1], &mut out[16..]);
            for lane in 0..32 {
                assert_eq!(out[lane], plain(a[lane], b[lane], c[lane]), "lane {lane}");
            }
        };
        same(l.splat(7), &|_, _, _| 7);
        same(l.add(va, vb), &|a, b, _| a.wrapping_add(b));
        same(l.subtract(va, vb), &|a, b, _| a.wrapping_sub(b));
        same(l.xor(va, vb), &|a, b, _| a ^ b);
        same(l.xor3(va, vb, vc), &|a, b, c| a ^ b ^ c);
        same(l.choose(va, vb, vc), &|a, b, c| Plain.choose(a, b, c));
        same(l.majority(va, vb, vc), &|a, b, c| Plain.majority(a, b, c));
        same(l.rotate::<11>(va), &|a, _, _| a.rotate_right(11));
        same(l.add_key::<1, 2, 4>(va, &[1, 2, 3, 0xffff_fff0]), &|a, _, _| a.wrapping_add(0xffff_fff0));

        let mut w = l.zeros();
        l.store::<15, 0>(va, &mut w);
        l.store::<15, 1>(vb, &mut w);
        l.jump();
        same(l.load::<31, 0>(&w), &|a, _, _| a);
        same(l.load::<7, 9>(&w), &|_, b, _| b);
        same(l.load::<14, 0>(&w), &|_, _, _| 0);
        same(l.add_word::<14, 1>(vc, &w), &|a, _, c| a.wrapping_add(c));
        same(l.rotate_word::<0, 0, 7>(&w), &|_, b, _| b.rotate_right(7));
        same(l.shift_word::<15, 1, 3>(&w), &|_, b, _| b >> 3);
    }

    #[test]
    fn each_does_what_it_says() {
        // SAFETY: the proof exists where the CPU has both features.
        Avx512::detect().map_or_else(|| println!("no AVX-512 here"), |avx512| unsafe { as_plain(avx512) });
    }
}
