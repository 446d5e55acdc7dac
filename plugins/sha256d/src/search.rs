//! The search of one CPU thread, in portable code.
//!
//! What depends on the job alone is done once: the first block, the first three rounds of the
//! second block and the fixed part of the fourth, and what the nonce does not reach of message
//! words 16 to 19. Of the second hash only its last word is computed, which round 60 settles: it
//! holds the digest's highest 32 bits. Only a nonce whose highest bits pass is hashed to the end.

use adit_plugin::{Digest, Hits, LayoutError, Searcher, Target};

use crate::algorithm::LAYOUT;
use crate::compress::{INITIAL, add, compress, expand, expand_round, round, rounds, sigma0};

/// Nonces hashed side by side: one vector of 512 bits, or several shorter ones.
const LANES: usize = 16;

/// What follows the last word of a message: a one bit.
const PADDING: u32 = 0x8000_0000;

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
        debug_assert!(start <= last && last <= u64::from(u32::MAX), "{start} ..= {last}");
        let mut first = start;
        while first <= last {
            let tops = job.tops(first as u32);
            // One test for all lanes: nearly always none passes.
            if tops.iter().fold(false, |any, &top| any | (top <= job.target_top)) {
                job.report(&tops, first, last, hits);
            }
            if last - first < LANES as u64 {
                break;
            }
            first += LANES as u64;
        }
    }
}

/// A job, as far as it can be worked out without a nonce.
struct Job {
    target: Target,
    /// The highest 32 bits of the target.
    target_top: u32,
    /// The state after the header's first 64 bytes.
    midstate: [u32; 8],
    /// The three words between the first block and the nonce.
    tail: [u32; 3],
    /// The state after four rounds of the second block, were the nonce zero.
    early: [u32; 8],
    /// Message words 16 to 19 of the second block, without what the nonce adds to the last two.
    schedule: [u32; 4],
}

impl Job {
    /// `header` has the layout's length.
    fn new(header: &[u8], target: &Target) -> Self {
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| header[4 * at + i]));
        let midstate = compress(&INITIAL, &std::array::from_fn(word));
        let tail = std::array::from_fn(|i| word(16 + i));

        let mut w = second_block(&tail, 0);
        let mut early = midstate;
        rounds!(round(&mut early, &w): 0 1 2 3);
        rounds!(expand(&mut w): 16 17 18 19);
        let schedule = [w[0], w[1], w[2], w[3]];

        let target_top = u32::from_le_bytes(std::array::from_fn(|i| target.0[28 + i]));
        Self { target: *target, target_top, midstate, tail, early, schedule }
    }

    /// The highest 32 bits of the digests of `first` and the nonces after it.
    // Not inlined: alone, the loop over nonces is what the compiler vectorises.
    #[inline(never)]
    fn tops(&self, first: u32) -> [u32; LANES] {
        let mut tops = [0; LANES];
        for (lane, top) in tops.iter_mut().enumerate() {
            *top = self.top(first.wrapping_add(lane as u32));
        }
        tops
    }

    /// The highest 32 bits of one nonce's digest.
    #[inline(always)]
    fn top(&self, nonce: u32) -> u32 {
        let word = nonce.swap_bytes();

        // A message word is only added, so the fourth round lets the nonce in at two places.
        let mut s = self.early;
        s[4] = s[4].wrapping_add(word);
        s[0] = s[0].wrapping_add(word);
        let mut w = second_block(&[0; 3], 0);
        rounds!(round(&mut s, &w): 4 5 6 7 8 9 10 11 12 13 14 15);
        w[..4].copy_from_slice(&self.schedule);
        w[2] = w[2].wrapping_add(sigma0(word));
        w[3] = w[3].wrapping_add(word);
        rounds!(round(&mut s, &w): 16 17 18 19);
        rounds!(expand_round(&mut s, &mut w): 20 21 22 23 24 25 26 27 28 29 30 31);
        rounds!(expand_round(&mut s, &mut w): 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
        rounds!(expand_round(&mut s, &mut w): 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);

        let mut w = second_message(&add(&s, &self.midstate));
        let mut s = INITIAL;
        rounds!(round(&mut s, &w): 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(expand_round(&mut s, &mut w): 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        rounds!(expand_round(&mut s, &mut w): 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
        rounds!(expand_round(&mut s, &mut w): 48 49 50 51 52 53 54 55 56 57 58 59 60);
        s[7].wrapping_add(const { INITIAL[7] }).swap_bytes()
    }

    /// Hashes to the end those nonces of `first ..= last` whose lane passes.
    #[cold]
    fn report(&self, tops: &[u32; LANES], first: u64, last: u64, hits: &mut Hits<'_>) {
        for (nonce, &top) in (first..=last).zip(tops) {
            if top <= self.target_top {
                let digest = self.digest(nonce as u32);
                if digest.meets(&self.target) {
                    hits(nonce, digest);
                }
            }
        }
    }

    fn digest(&self, nonce: u32) -> Digest {
        let first = compress(&self.midstate, &second_block(&self.tail, nonce.swap_bytes()));
        let second = compress(&INITIAL, &second_message(&first));
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(second) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Digest(bytes)
    }
}

/// The header's second block: what is left of it, padding, its length of 640 bits.
#[inline(always)]
fn second_block(tail: &[u32; 3], nonce: u32) -> [u32; 16] {
    [tail[0], tail[1], tail[2], nonce, PADDING, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 640]
}

/// The block of the second hash: the first hash, padding, its length of 256 bits.
#[inline(always)]
fn second_message(s: &[u32; 8]) -> [u32; 16] {
    [s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], PADDING, 0, 0, 0, 0, 0, 0, 256]
}
