//! A job, as far as it can be worked out without a nonce.
//!
//! The header's second block has the nonce in message word 3 and constants from word 4 on, so its
//! schedule begins (`s0`, `s1` are the small sigmas)
//!
//! ```text
//!   W16 = s0(W1) + W0               job        W17 = s1(640) + s0(W2) + W1   job
//!   W18 = s1(W16) + s0(W3) + W2     job + s0(nonce)
//!   W19 = s1(W17) + s0(W4) + W3     job + nonce
//!   W31 = s1(W29) + W24 + (s0(W16) + 640)      W32 = s1(W30) + W25 + (s0(W17) + W16)
//! ```
//!
//! and what stands in brackets or is called job is a word of [`Job`], as are round constants with
//! all that is added to them.

use adit_plugin::search::{Prepare, Verify};
use adit_plugin::{Digest, Layout, Target};

use crate::algorithm::LAYOUT;
use crate::compress::{INITIAL, K, compress, expand, round, rounds, sigma0};
use crate::schedule::Keys;

/// What follows the last word of a message: a one bit.
pub(crate) const PADDING: u32 = 0x8000_0000;

/// Bits of a header: the last word of its second block.
pub(crate) const HEADER_BITS: u32 = 640;

/// Bits of a SHA-256 digest: the last word of the second hash's block.
pub(crate) const DIGEST_BITS: u32 = 256;

/// What every variant starts from; made once per job.
pub(crate) struct Job {
    target: Target,
    /// What must be zero in the last word of a digest that meets the target.
    pub(crate) mask: u32,
    /// The state after the header's first 64 bytes.
    pub(crate) midstate: [u32; 8],
    /// The three words between the first block and the nonce.
    tail: [u32; 3],
    /// The state after four rounds of the second block, were the nonce zero: it is added to `a` and
    /// `e`, which stand at 4 and 0.
    pub(crate) early: [u32; 8],
    /// `h`, round constant and message word of rounds 4 to 6, whose `h` no nonce has reached.
    pub(crate) keyed: [u32; 3],
    /// Message words 16 to 19, were the nonce zero and its sigma too.
    pub(crate) schedule: [u32; 4],
    /// Round constant and message word of rounds 16 and 17.
    pub(crate) keyed_schedule: [u32; 2],
    /// What the nonce does not reach of message words 31 and 32.
    pub(crate) late: [u32; 2],
    /// All of this as a kernel wants it that rolls its rounds.
    pub(crate) keys: Keys,
}

impl Prepare for Job {
    const LAYOUT: Layout = LAYOUT;

    fn prepare(header: &[u8], target: &Target) -> Self {
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| header[4 * at + i]));
        let midstate = compress(&INITIAL, &std::array::from_fn(word));
        let tail = std::array::from_fn(|i| word(16 + i));

        let mut w = second_block(&tail, 0);
        let mut early = midstate;
        rounds!(round(&mut early, &w): 0 1 2 3);
        // Round 4 has its h at index 3, round 5 at 2, round 6 at 1.
        let keyed = std::array::from_fn(|i| early[3 - i].wrapping_add(K[4 + i]).wrapping_add(w[4 + i]));
        rounds!(expand(&mut w): 16 17 18 19);
        let schedule = [w[0], w[1], w[2], w[3]];
        let fresh = [early[3], early[2], early[1]];

        Self {
            target: *target,
            mask: top_mask(target),
            midstate,
            tail,
            early,
            keyed,
            schedule,
            keyed_schedule: [K[16].wrapping_add(schedule[0]), K[17].wrapping_add(schedule[1])],
            keys: Keys::of_first(&tail, [schedule[0], schedule[1]], &fresh, midstate[7]),
            late: [
                sigma0(schedule[0]).wrapping_add(HEADER_BITS),
                sigma0(schedule[1]).wrapping_add(schedule[0]),
            ],
        }
    }
}

impl Verify for Job {
    #[cold]
    fn verify(&self, nonce: u64) -> Option<Digest> {
        let first = compress(&self.midstate, &second_block(&self.tail, (nonce as u32).swap_bytes()));
        let second = compress(&INITIAL, &second_message(&first));
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(second) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let digest = Digest(bytes);
        digest.meets(&self.target).then_some(digest)
    }
}

/// The zero bits that the target begins with, of the digest's highest 32, where the hash's last
/// word has them: that word is big-endian, the digest's first byte the lowest.
fn top_mask(target: &Target) -> u32 {
    let zeros = target.leading_zeros().min(32);
    u32::MAX.checked_shr(zeros).map_or(u32::MAX, |low| !low).swap_bytes()
}

/// The header's second block: what is left of it, padding, its length.
fn second_block(tail: &[u32; 3], nonce: u32) -> [u32; 16] {
    [tail[0], tail[1], tail[2], nonce, PADDING, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, HEADER_BITS]
}

/// The block of the second hash: the first hash, padding, its length.
fn second_message(s: &[u32; 8]) -> [u32; 16] {
    [s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], PADDING, 0, 0, 0, 0, 0, 0, DIGEST_BITS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        let mask = |bits| top_mask(&Target::from_zero_bits(bits));
        assert_eq!(mask(0), 0);
        assert_eq!(mask(1), 0x0000_0080);
        assert_eq!(mask(12), 0x0000_f0ff);
        assert_eq!(mask(31), 0xfeff_ffff);
        assert_eq!(mask(32), u32::MAX);
        assert_eq!(mask(255), u32::MAX);
    }
}
