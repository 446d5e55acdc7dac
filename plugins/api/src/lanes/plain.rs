//! Vectors of one word, on every processor.

use super::{Lanes, sha256};

/// Needs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Lanes for Plain {
    type Vector = u32;

    const LANES: usize = 1;

    #[inline(always)]
    fn splat(self, word: u32) -> u32 {
        word
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> u32 {
        words[0]
    }

    #[inline(always)]
    fn store(self, vector: u32, words: &mut [u32]) {
        words[0] = vector;
    }

    #[inline(always)]
    fn add(self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn xor(self, a: u32, b: u32) -> u32 {
        a ^ b
    }

    #[inline(always)]
    fn xor3(self, a: u32, b: u32, c: u32) -> u32 {
        a ^ b ^ c
    }

    #[inline(always)]
    fn choose(self, e: u32, f: u32, g: u32) -> u32 {
        g ^ (e & (f ^ g))
    }

    #[inline(always)]
    fn majority(self, a: u32, b: u32, c: u32) -> u32 {
        (a & b) ^ (c & (a ^ b))
    }

    #[inline(always)]
    fn rotate_right(self, a: u32, by: u32) -> u32 {
        a.rotate_right(by)
    }

    #[inline(always)]
    fn shift_right(self, a: u32, by: u32) -> u32 {
        a >> by
    }

    #[inline(always)]
    fn swap_bytes(self, a: u32) -> u32 {
        a.swap_bytes()
    }

    #[inline(never)]
    fn sha256(self, state: &mut [u32; 8], block: &[u32; 16]) {
        sha256::compress(self, state, block);
    }
}
