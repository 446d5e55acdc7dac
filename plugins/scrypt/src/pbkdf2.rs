//! PBKDF2-HMAC-SHA256 of one iteration (RFC 8018, RFC 2104), a hash in each lane.
//!
//! A header is longer than a block, so the key of the HMAC is its SHA-256, and two compressions make of the key the
//! states that inner and outer hash begin with. A nonce takes 16 compressions in all; the first block of the header
//! is hashed once per job.

use adit_plugin::lanes::{Lanes, sha256::INITIAL};

use crate::job::Job;

/// What follows the last word of a message: a one bit.
const PADDING: u32 = 0x8000_0000;

/// What HMAC makes of its key: the states after the first block of the inner and of the outer hash.
pub(crate) struct Keyed<L: Lanes> {
    inner: [L::Vector; 8],
    outer: [L::Vector; 8],
}

impl<L: Lanes> Keyed<L> {
    /// Of headers with these nonces.
    #[inline(always)]
    pub(crate) fn new(l: L, job: &Job, nonces: L::Vector) -> Self {
        let mut key = splat(l, &job.midstate);
        let [tail @ .., _] = header_tail(l, job, nonces, [0; 2]);
        let mut block = [l.splat(0); 16];
        block[..4].copy_from_slice(&tail[..4]);
        block[4] = l.splat(PADDING);
        block[15] = l.splat(8 * 80);
        l.sha256(&mut key, &block);

        let padded = |pad: u32| {
            let mut block = [l.splat(pad); 16];
            for (word, &key) in block.iter_mut().zip(&key) {
                *word = l.xor(*word, key);
            }
            let mut state = splat(l, &INITIAL);
            l.sha256(&mut state, &block);
            state
        };
        Self { inner: padded(0x3636_3636), outer: padded(0x5c5c_5c5c) }
    }

    /// The 32 words that the header as salt gives, as little-endian numbers.
    #[inline(always)]
    pub(crate) fn expand(&self, l: L, job: &Job, nonces: L::Vector) -> [L::Vector; 32] {
        let mut salted = self.inner;
        l.sha256(&mut salted, &std::array::from_fn(|at| l.splat(job.words[at])));
        let mut words = [l.splat(0); 32];
        for (index, words) in words.chunks_exact_mut(8).enumerate() {
            let mut inner = salted;
            let mut block = [l.splat(0); 16];
            block[..6].copy_from_slice(&header_tail(l, job, nonces, [index as u32 + 1, PADDING]));
            block[15] = l.splat(8 * (64 + 80 + 4));
            l.sha256(&mut inner, &block);
            words.copy_from_slice(&self.finish(l, &inner));
        }
        words
    }

    /// The eight words, as little-endian numbers, that these 32 give as salt.
    #[inline(always)]
    pub(crate) fn extract(&self, l: L, words: &[L::Vector; 32]) -> [L::Vector; 8] {
        let mut inner = self.inner;
        l.sha256(&mut inner, &std::array::from_fn(|at| l.swap_bytes(words[at])));
        l.sha256(&mut inner, &std::array::from_fn(|at| l.swap_bytes(words[16 + at])));
        let mut block = [l.splat(0); 16];
        block[0] = l.splat(1);
        block[1] = l.splat(PADDING);
        block[15] = l.splat(8 * (64 + 128 + 4));
        l.sha256(&mut inner, &block);
        self.finish(l, &inner)
    }

    /// The outer hash of an inner one, as little-endian numbers.
    #[inline(always)]
    fn finish(&self, l: L, inner: &[L::Vector; 8]) -> [L::Vector; 8] {
        let mut state = self.outer;
        let mut block = [l.splat(0); 16];
        block[..8].copy_from_slice(inner);
        block[8] = l.splat(PADDING);
        block[15] = l.splat(8 * (64 + 32));
        l.sha256(&mut state, &block);
        for word in &mut state {
            *word = l.swap_bytes(*word);
        }
        state
    }
}

/// The header's words 16 to 19, and two that follow.
#[inline(always)]
fn header_tail<L: Lanes>(l: L, job: &Job, nonces: L::Vector, more: [u32; 2]) -> [L::Vector; 6] {
    let [a, b, c] = [16, 17, 18].map(|at| l.splat(job.words[at]));
    [a, b, c, l.swap_bytes(nonces), l.splat(more[0]), l.splat(more[1])]
}

#[inline(always)]
fn splat<L: Lanes>(l: L, words: &[u32; 8]) -> [L::Vector; 8] {
    let mut vectors = [l.splat(0); 8];
    for (vector, &word) in vectors.iter_mut().zip(words) {
        *vector = l.splat(word);
    }
    vectors
}
