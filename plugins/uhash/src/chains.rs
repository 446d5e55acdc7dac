//! The chains of several nonces at once: what they want of a processor, and how their scratchpads are filled.
//!
//! A vector has four lanes a nonce, one for each chain: lane `4 k + c` is chain `c` of nonce `k`. In this *word form* a
//! state is eight vectors. AES wants the sixteen bytes of a block together, and so does memory: in *block form* the
//! vector of chain `c` holds one block of it for each nonce `k`, as words `4 k .. 4 k + 4`. Four vectors of one form
//! are four of the other after the 4 by 4 words of each nonce are reflected.

use adit_plugin::lanes::Lanes;

use crate::aes::round_keys;
use crate::job::{CHAINS, State};

/// A place of a scratchpad, as little-endian words.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Block(pub(crate) [u32; 16]);

/// Blocks of a scratchpad.
pub(crate) const BLOCKS: usize = 8192;

/// How many blocks before it is filled a place is asked for.
const AHEAD: usize = 16;

/// By how many blocks each chain's first place stands after that of the chain before, in scratchpads that follow each
/// other at a distance of 512 KiB. Chains fill the same place at the same time: all sixteen at the same offset would
/// share one set of the L1, which has room for twelve, and one of the L2, and push each other out before they are written.
const STAGGER: usize = 68;

/// Where the first place of lane `lane` stands in its scratchpad; the last ones go on at its beginning.
pub(crate) const fn first_block(lane: usize) -> usize {
    STAGGER * lane % BLOCKS
}

/// The scratchpad of one chain.
pub(crate) type Scratchpad = [Block; BLOCKS];

/// The scratchpads of several nonces.
pub(crate) type Scratchpads<const NONCES: usize> = [[Scratchpad; CHAINS]; NONCES];

/// A set of instructions that chains run on, and the proof that this CPU has it.
///
/// Methods are inlined into a function that is compiled for those instructions, but for the compressions, which are
/// calls.
pub(crate) trait Machine: Copy + Send + 'static {
    /// What works on words.
    type Lanes: Lanes;

    fn lanes(self) -> Self::Lanes;

    /// The 4 by 4 words of each nonce, reflected: from word form to block form or back.
    fn reflect(self, rows: [Vector<Self>; 4]) -> [Vector<Self>; 4];

    /// The four parts of one block of each nonce, in block form.
    fn load_blocks<'a>(self, block: impl Fn(usize) -> &'a Block) -> [Vector<Self>; 4];

    /// The inverse of [`load_blocks`](Self::load_blocks).
    fn store_blocks(self, parts: [Vector<Self>; 4], block: impl FnMut(usize, Block));

    /// Writes the first two parts of one block of each nonce, and leaves the others.
    fn store_halves(self, parts: [Vector<Self>; 2], block: impl FnMut(usize, [u32; 8]));

    /// A round of AES of each block, the key added last.
    fn aes(self, block: Vector<Self>, key: Vector<Self>) -> Vector<Self>;

    /// BLAKE3's seven rounds in each lane: [`blake3_rounds::compress`](crate::blake3_rounds::compress).
    fn blake3(self, state: &mut [Vector<Self>; 8], block: &[Vector<Self>; 16]);

    /// Asks for a block before it is read.
    fn prefetch(self, block: &Block);
}

/// A machine's vectors.
pub(crate) type Vector<M> = <<M as Machine>::Lanes as Lanes>::Vector;

/// Lanes of the widest vector there is.
pub(crate) const MOST_LANES: usize = 16;

/// States in block form: first and second half, a vector for each chain.
pub(crate) type BlockForm<M> = [[Vector<M>; CHAINS]; 2];

/// The states of all chains, each nonce's in a row, in block form.
#[inline(always)]
pub(crate) fn block_form<M: Machine>(m: M, seeds: &[[State; CHAINS]]) -> BlockForm<M> {
    [0, 1].map(|half| {
        let mut chains = [m.lanes().splat(0); CHAINS];
        for (chain, vector) in chains.iter_mut().enumerate() {
            let mut words = [0; MOST_LANES];
            for (nonce, words) in words.chunks_exact_mut(4).enumerate().take(seeds.len()) {
                words.copy_from_slice(&seeds[nonce][chain][4 * half..][..4]);
            }
            *vector = m.lanes().load(&words);
        }
        chains
    })
}

/// From block form to word form.
#[inline(always)]
pub(crate) fn word_form<M: Machine>(m: M, blocks: &BlockForm<M>) -> [Vector<M>; 8] {
    let [a, b, c, d] = m.reflect(blocks[0]);
    let [e, f, g, h] = m.reflect(blocks[1]);
    [a, b, c, d, e, f, g, h]
}

/// Fills the scratchpads of all chains of `NONCES` nonces: AES rounds from the second half of each chain's state on,
/// with round keys made of the first; every fourth is written.
#[inline(always)]
pub(crate) fn fill<M: Machine, const NONCES: usize>(
    m: M,
    seeds: &[[State; CHAINS]; NONCES],
    pads: &mut Scratchpads<NONCES>,
) {
    let mut keys = [[m.lanes().splat(0); 4]; CHAINS];
    for (chain, keys) in keys.iter_mut().enumerate() {
        for (round, key) in keys.iter_mut().enumerate() {
            let mut words = [0; MOST_LANES];
            for (words, seeds) in words.chunks_exact_mut(4).zip(seeds) {
                let [a, b, c, d, ..] = seeds[chain];
                words.copy_from_slice(&round_keys([a, b, c, d])[round]);
            }
            *key = m.lanes().load(&words);
        }
    }
    let [_, mut blocks] = block_form(m, seeds);
    for at in 0..BLOCKS {
        for (lane, pad) in pads.as_flattened().iter().enumerate() {
            m.prefetch(&pad[(at + first_block(lane) + AHEAD) % BLOCKS]);
        }
        let mut parts = [[m.lanes().splat(0); 4]; CHAINS];
        for part in 0..4 {
            for round in 0..4 {
                for (block, keys) in blocks.iter_mut().zip(&keys) {
                    *block = m.aes(*block, keys[round]);
                }
            }
            for (parts, block) in parts.iter_mut().zip(blocks) {
                parts[part] = block;
            }
        }
        for (chain, parts) in parts.into_iter().enumerate() {
            m.store_blocks(parts, |nonce, block| {
                pads[nonce][chain][(at + first_block(CHAINS * nonce + chain)) % BLOCKS] = block;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_a_vector_fill_different_sets_of_the_caches() {
        // Sets of the L1 and of the L2 of processors with AVX-512; a scratchpad is a multiple of both.
        for sets in [64, 1024] {
            assert_eq!(BLOCKS % sets, 0);
            let mut firsts: Vec<usize> = (0..MOST_LANES).map(|lane| first_block(lane) % sets).collect();
            firsts.sort_unstable();
            firsts.dedup();
            assert_eq!(firsts.len(), MOST_LANES);
        }
    }
}
