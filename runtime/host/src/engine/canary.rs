//! Canaries: leases in which the host knows of a hit before the device does.
//!
//! The host hashes a few nonces of the range, takes the one with the smallest digest, and sends the range
//! under a target that this digest just meets. To the device it is a unit like others. One that hashes the
//! range reports the nonce; one that only says so misses it, and one that hashes a part misses it with
//! that much probability.

use std::{sync::Arc, time::Duration};

use adit_plugin::{Digest, Target};

use super::{Header, device::Canary};

/// What the host may spend on hashing for one canary: samples, and the hits that come back.
const BUDGET: Duration = Duration::from_micros(8192);
/// At most one nonce in this many is hashed by the host.
const SAMPLE: u64 = 256;

/// How a canary is made, by what a digest costs the host.
///
/// A lease of `nonces` of which one in `sample` is hashed has about `sample` hits. Both numbers of digests are half of
/// what the budget allows, and at least one. A hash that takes a microsecond gets 2^20 nonces and 4,096 samples, one
/// that takes a quarter of a millisecond 256 nonces and 16 samples, one that takes longer than the budget one nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The most nonces of a canary lease.
    pub nonces: u64,
    /// One nonce in this many is hashed by the host.
    sample: u64,
}

impl Plan {
    /// For an algorithm whose digest costs this.
    #[must_use]
    pub fn new(cost: Duration) -> Self {
        let digests = BUDGET.as_nanos() / cost.as_nanos().max(1) / 2;
        let digests = u64::try_from(digests).unwrap_or(u64::MAX).clamp(1, 4096);
        let sample = digests.min(SAMPLE);
        Self { nonces: sample * digests, sample }
    }
}

/// Numbers that look random and come again from the same seed (splitmix64, Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub struct Rng(u64);

impl Rng {
    /// A sequence of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Makes the header of a canary lease, with `generation` as its number.
pub fn plant(
    header: &Arc<Header>,
    nonce_start: u64,
    count: u64,
    generation: u64,
    rng: &mut Rng,
) -> (Arc<Header>, Option<Canary>) {
    let samples = (count / Plan::new(header.algorithm.digest_cost()).sample).max(1);
    let sample = |_| {
        let nonce = nonce_start + rng.next() % count;
        (Target(digest(header, nonce).0), nonce)
    };
    let Some((smallest, nonce)) = (0..samples).map(sample).min() else { return (Arc::clone(header), None) };
    let planted = Header {
        generation,
        job: header.job,
        roll: header.roll,
        algorithm: Arc::clone(&header.algorithm),
        bytes: header.bytes.clone(),
        target: header.target.max(smallest),
    };
    (Arc::new(planted), Some(Canary { nonce, seen: false }))
}

/// The digest of `nonce` in `header`, by the algorithm's own oracle.
pub fn digest(header: &Header, nonce: u64) -> Digest {
    let mut bytes = [0; adit_abi::MAX_HEADER as usize];
    let length = header.bytes.len().min(bytes.len());
    let bytes = &mut bytes[..length];
    bytes.copy_from_slice(&header.bytes[..length]);
    let layout = header.algorithm.layout();
    if layout.check(bytes).is_err() {
        // A source that makes headers of another length makes no shares: nothing meets the target.
        return Digest([0xff; 32]);
    }
    layout.set_nonce(bytes, nonce);
    header.algorithm.digest(bytes).unwrap_or(Digest([0xff; 32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_costs_the_host_no_more_than_its_budget() {
        let plan = |cost| Plan::new(Duration::from_nanos(cost));
        assert_eq!(plan(1000), Plan { nonces: 1 << 20, sample: 256 });
        assert_eq!(plan(0), plan(1));
        assert_eq!(plan(250_000), Plan { nonces: 256, sample: 16 });
        assert_eq!(plan(4_000_000), Plan { nonces: 1, sample: 1 });
        assert_eq!(plan(u64::MAX), Plan { nonces: 1, sample: 1 });
        for cost in (0..40).map(|bits| 1 << bits) {
            let Plan { nonces, sample } = plan(cost);
            let (samples, hits) = (nonces / sample, sample);
            let spent = Duration::from_nanos((samples + hits) * cost);
            assert!(samples + hits <= 2 || spent <= BUDGET, "{cost} ns: {spent:?}");
        }
    }
}
