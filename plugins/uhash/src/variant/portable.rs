//! The four chains of a nonce in plain code, which the compiler makes vectors of as it can.

use adit_plugin::lanes::{Lanes, sha256};

use crate::aes;
use crate::blake3_rounds;
use crate::chains::{Block, Machine};

super::kernel!(Plain, 1,);

/// Needs nothing.
#[derive(Clone, Copy)]
pub(super) struct Plain;

/// A word of each chain.
type Words = [u32; 4];

/// Defines methods by what they do to the words of a chain.
macro_rules! methods {
    ($($name:ident($($argument:ident: $type:ty),*; $($word:ident),*) = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($argument: $type),*) -> Words {
            let chain = |at: usize| {
                let ($($word,)*) = ($($word[at],)*);
                $value
            };
            [chain(0), chain(1), chain(2), chain(3)]
        }
    )*};
}

impl Lanes for Plain {
    type Vector = Words;

    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, word: u32) -> Words {
        [word; 4]
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> Words {
        [words[0], words[1], words[2], words[3]]
    }

    #[inline(always)]
    fn store(self, vector: Words, words: &mut [u32]) {
        words[..4].copy_from_slice(&vector);
    }

    methods! {
        add(a: Words, b: Words; a, b) = a.wrapping_add(b);
        xor(a: Words, b: Words; a, b) = a ^ b;
        xor3(a: Words, b: Words, c: Words; a, b, c) = a ^ b ^ c;
        choose(e: Words, f: Words, g: Words; e, f, g) = g ^ (e & (f ^ g));
        majority(a: Words, b: Words, c: Words; a, b, c) = (a & b) ^ (c & (a ^ b));
        rotate_right(a: Words, by: u32; a) = a.rotate_right(by);
        shift_right(a: Words, by: u32; a) = a >> by;
        swap_bytes(a: Words; a) = a.swap_bytes();
    }

    #[inline(never)]
    fn sha256(self, state: &mut [Words; 8], block: &[Words; 16]) {
        sha256::compress(self, state, block);
    }
}

impl Machine for Plain {
    type Lanes = Self;

    #[inline(always)]
    fn lanes(self) -> Self {
        self
    }

    #[inline(always)]
    fn reflect(self, rows: [Words; 4]) -> [Words; 4] {
        std::array::from_fn(|row| std::array::from_fn(|column| rows[column][row]))
    }

    #[inline(always)]
    fn load_blocks<'a>(self, block: impl Fn(usize) -> &'a Block) -> [Words; 4] {
        let words = &block(0).0;
        std::array::from_fn(|part| std::array::from_fn(|at| words[4 * part + at]))
    }

    #[inline(always)]
    fn store_blocks(self, parts: [Words; 4], mut block: impl FnMut(usize, Block)) {
        block(0, Block(std::array::from_fn(|at| parts[at / 4][at % 4])));
    }

    #[inline(always)]
    fn store_halves(self, parts: [Words; 2], mut half: impl FnMut(usize, [u32; 8])) {
        half(0, std::array::from_fn(|at| parts[at / 4][at % 4]));
    }

    #[inline(always)]
    fn aes(self, block: Words, key: Words) -> Words {
        aes::round(block, key)
    }

    #[inline(never)]
    fn blake3(self, state: &mut [Words; 8], block: &[Words; 16]) {
        blake3_rounds::compress(self, state, block);
    }

    #[inline(always)]
    fn prefetch(self, _: &Block) {}
}
