//! The search of one CPU thread, in portable code.
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
//! 2^16 nonces. What `m5` does not reach of the first round is done once per stretch. Of the digest
//! only the word with its highest 32 bits is computed; only a nonce whose highest bits pass is
//! hashed to the end.

use adit_plugin::{Digest, Hits, LayoutError, Searcher, Target};

use crate::algorithm::LAYOUT;
use crate::compress::{INITIAL, compress, diagonals, half1, half2, later_rounds, start};

/// Nonces hashed side by side: one vector of 512 bits, or several shorter ones.
const LANES: usize = 16;

/// The nonce's bits that `m5` holds.
const STRETCH: u64 = 0xffff;

/// Bytes of a header, as the last block's counter has them.
const HEADER_LEN: u32 = LAYOUT.header_len as u32;

/// Searches nothing before its first job.
#[derive(Default)]
pub(crate) struct Search(Option<Job>);

impl Searcher for Search {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        LAYOUT.check(header)?;
        self.0 = Some(Job::new(header, target));
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let Some(job) = &self.0 else { return };
        debug_assert!(start <= last, "{start} ..= {last}");
        let mut first = start;
        while first <= last {
            let end = last.min(first | STRETCH);
            job.search_stretch(first, end, hits);
            if end == last {
                break;
            }
            first = end + 1;
        }
    }
}

/// A job, as far as it can be worked out without a nonce.
struct Job {
    target: Target,
    /// The highest 32 bits of the target.
    target_top: u32,
    /// The chain value after the header's first 256 bytes.
    midstate: [u32; 8],
    /// The last block with nonce zero.
    block: [u32; 16],
}

impl Job {
    /// `header` has the layout's length.
    fn new(header: &[u8], target: &Target) -> Self {
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
        let target_top = u32::from_le_bytes(std::array::from_fn(|i| target.0[28 + i]));
        Self { target: *target, target_top, midstate, block: block(4) }
    }

    /// Searches nonces that differ in their lowest 16 bits only.
    fn search_stretch(&self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let stretch = Stretch::new(self, start);
        let mut first = start;
        loop {
            let tops = stretch.tops((first & STRETCH) as u32);
            // One test for all lanes: nearly always none passes.
            if tops.iter().fold(false, |any, &top| any | (top <= self.target_top)) {
                self.report(&tops, first, last, hits);
            }
            if last - first < LANES as u64 {
                break;
            }
            first += LANES as u64;
        }
    }

    /// Hashes to the end those nonces of `first ..= last` whose lane passes.
    #[cold]
    fn report(&self, tops: &[u32; LANES], first: u64, last: u64, hits: &mut Hits<'_>) {
        for (nonce, &top) in (first..=last).zip(tops) {
            if top <= self.target_top {
                let digest = self.digest(nonce);
                if digest.meets(&self.target) {
                    hits(nonce, digest);
                }
            }
        }
    }

    fn digest(&self, nonce: u64) -> Digest {
        let h = compress(&self.midstate, &self.block_of(nonce), HEADER_LEN, true);
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(h) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Digest(bytes)
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

/// A job, as far as it can be worked out without the lowest 16 bits of the nonce.
struct Stretch {
    /// The last block's words before its zeros; those 16 bits of `m5` are zero.
    words: [u32; 8],
    /// The first round's columns, but for the half mix that takes `m5`.
    early: [u32; 16],
    /// Word 7 of the midstate.
    midstate_top: u32,
}

impl Stretch {
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
        Self { words: std::array::from_fn(|i| m[i]), early: v, midstate_top: job.midstate[7] }
    }

    /// The highest 32 bits of the digests of `low`, the nonce's lowest 16 bits, and those after it.
    // Not inlined: alone, the loop over nonces is what the compiler vectorises. A lane beyond the
    // stretch's end wraps round to its start; nobody looks at it.
    #[inline(never)]
    fn tops(&self, low: u32) -> [u32; LANES] {
        let mut tops = [0; LANES];
        for (lane, top) in tops.iter_mut().enumerate() {
            *top = self.top(low.wrapping_add(lane as u32));
        }
        tops
    }

    /// The highest 32 bits of one nonce's digest.
    #[inline(always)]
    fn top(&self, low: u32) -> u32 {
        let [m0, m1, m2, m3, m4, m5, m6, m7] = self.words;
        let m = [m0, m1, m2, m3, m4, m5 | (low << 16), m6, m7, 0, 0, 0, 0, 0, 0, 0, 0];
        let mut v = self.early;
        half2::<2, 6, 10, 14>(&mut v, m[5]);
        diagonals::<0>(&mut v, &m);
        later_rounds(&mut v, &m);
        self.midstate_top ^ v[7] ^ v[15]
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
        let job = Job::new(&header, &Target::MAX);

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
