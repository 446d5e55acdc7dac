//! A job, as far as it can be worked out without a nonce, or without the nonce's lowest bits.
//!
//! A header is four blocks of 64 bytes and 30 bytes more, so the first 256 bytes are hashed once
//! per job and a nonce costs one compression. Of the last block's words
//!
//! ```text
//!   m0 .. m4   m5                        m6                m7                 m8 .. m15
//!   job        job 16 | nonce bits 0-15  nonce bits 16-47  nonce bits 48-63   0
//! ```
//!
//! counting up changes `m5` alone as long as the nonce's higher bits stay: a *stretch* of at most
//! 2^16 nonces. What `m5` does not reach of the first round is done once per stretch. `m6` would
//! stay longer, but it comes in half a mix earlier, and hits would not come in the nonces' order.

use adit_plugin::search::{Prepare, Promising, Verify};
use adit_plugin::{Digest, Layout, Target};

use crate::algorithm::LAYOUT;
use crate::compress::{INITIAL, compress, half1, half2, start};

/// The nonce's bits that `m5` holds.
const STRETCH: u64 = 0xffff;

/// Bytes of a header, as the last block's counter has them.
const HEADER_LEN: u32 = LAYOUT.header_len as u32;

/// What every stretch starts from; made once per job.
pub(crate) struct Job {
    target: Target,
    /// What must be zero in the last word of a digest that meets the target.
    mask: u32,
    /// The chain value after the header's first 256 bytes.
    midstate: [u32; 8],
    /// The last block with nonce zero.
    block: [u32; 16],
}

impl Prepare for Job {
    const LAYOUT: Layout = LAYOUT;

    fn prepare(header: &[u8], target: &Target) -> Self {
        let mut padded = [0; 5 * 64];
        padded[..header.len()].copy_from_slice(header);
        LAYOUT.set_nonce(&mut padded, 0);
        let block = |at: usize| {
            let word = |i: usize| std::array::from_fn(|byte| padded[64 * at + 4 * i + byte]);
            std::array::from_fn(|i| u32::from_le_bytes(word(i)))
        };
        let mut midstate = INITIAL;
        for at in 0..4 {
            midstate = compress(&midstate, &block(at), 64 * (at as u32 + 1), false);
        }
        Self { target: *target, mask: top_mask(target), midstate, block: block(4) }
    }
}

impl Verify for Job {
    #[cold]
    fn verify(&self, nonce: u64) -> Option<Digest> {
        let h = compress(&self.midstate, &self.block_of(nonce), HEADER_LEN, true);
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(h) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let digest = Digest(bytes);
        digest.meets(&self.target).then_some(digest)
    }
}

impl Job {
    /// Calls a kernel for one stretch after the other, until it finds promising nonces or `last` is searched. It
    /// gets the stretch, `m5` of its first nonce, and how many groups reach to its last; a nonce beyond that wraps
    /// round to the stretch's start. It gives how many groups came before the one that holds a promising nonce,
    /// and that one's lanes.
    #[inline(always)]
    pub(crate) fn by_stretches(
        &self,
        group: u64,
        first: u64,
        last: u64,
        mut kernel: impl FnMut(&Stretch, u32, u32) -> Option<(u32, u64)>,
    ) -> Option<Promising> {
        let mut first = first;
        loop {
            let end = last.min(first | STRETCH);
            let stretch = Stretch::new(self, first);
            let found = Promising::by_groups(group, first, end, |first, groups| {
                let m5 = stretch.words[5] | (first as u32) << 16;
                kernel(&stretch, m5, groups as u32).map(|(before, lanes)| (u64::from(before), lanes))
            });
            if found.is_some() || end == last {
                return found;
            }
            first = end + 1;
        }
    }

    /// The last block with this nonce.
    fn block_of(&self, nonce: u64) -> [u32; 16] {
        let mut block = self.block;
        block[5] |= (nonce as u32) << 16;
        block[6] = (nonce >> 16) as u32;
        block[7] = (nonce >> 48) as u32;
        block
    }
}

/// The zero bits that the target begins with, of the digest's highest 32.
fn top_mask(target: &Target) -> u32 {
    let zeros = target.leading_zeros().min(32);
    u32::MAX.checked_shr(zeros).map_or(u32::MAX, |low| !low)
}

/// A job, as far as it can be worked out without the lowest 16 bits of the nonce.
pub(crate) struct Stretch {
    /// The last block's words before its zeros; those 16 bits of `m5` are zero.
    pub(crate) words: [u32; 8],
    /// The first round up to the half mix of `v2`, `v6`, `v10` and `v14` that takes `m5`, and what it
    /// then does without the outcome: `v2` lacks `m5` alone, and `v0`, `v3` and `v15` are as the
    /// diagonals' first half mixes leave them.
    pub(crate) early: [u32; 16],
    /// Word 7 of the midstate.
    pub(crate) midstate_top: u32,
    /// [`Job::mask`].
    pub(crate) mask: u32,
}

impl Stretch {
    /// The stretch that holds `nonce`.
    fn new(job: &Job, nonce: u64) -> Self {
        let m = job.block_of(nonce & !STRETCH);
        let mut v = start(&job.midstate, HEADER_LEN, true);
        half1::<0, 4, 8, 12>(&mut v, m[0]);
        half2::<0, 4, 8, 12>(&mut v, m[1]);
        half1::<1, 5, 9, 13>(&mut v, m[2]);
        half2::<1, 5, 9, 13>(&mut v, m[3]);
        half1::<2, 6, 10, 14>(&mut v, m[4]);
        half1::<3, 7, 11, 15>(&mut v, m[6]);
        half2::<3, 7, 11, 15>(&mut v, m[7]);

        v[2] = v[2].wrapping_add(v[6]);
        // The diagonals of the first round take zero words only.
        v[0] = v[0].wrapping_add(v[5]);
        v[15] = (v[15] ^ v[0]).rotate_right(16);
        v[3] = v[3].wrapping_add(v[4]);
        let words = std::array::from_fn(|i| m[i]);
        Self { words, early: v, midstate_top: job.midstate[7], mask: job.mask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midstate_and_last_block_of_a_real_header() {
        let vectors = include_str!("../vectors/headers.txt");
        let hex = vectors.lines().find(|line| !line.starts_with('#')).unwrap().split(' ').next().unwrap();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let header: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let job = Job::prepare(&header, &Target::MAX);

        let midstate = "950feecf 30c0ffa7 a3333875 fe612c8d 4e87564a d8968a41 15682ea3 e9462bf1";
        assert_eq!(text(&job.midstate), midstate);
        let words = "37b10000 00000020 00050000 01e50000 cfb45aaa 03840005 791a5269 00007166";
        let block = job.block_of(0x7166_791a_5269_0384);
        assert_eq!(text(&block[..8]), words);
        assert_eq!(block[8..], [0; 8]);
    }

    fn text(words: &[u32]) -> String {
        words.iter().map(|word| format!("{word:08x}")).collect::<Vec<_>>().join(" ")
    }
}
