//! What the helper's answers are held against: the CPU plugins. spec: SES-4.2, SES-5.2

use std::{collections::HashMap, fmt};

use adit_blake2s_kda::Blake2sKda;
use adit_plugin::{Algorithm, DevBlock, Digest, Target};
use adit_sha256d::Sha256d;

use crate::{
    entry::Entry,
    fault::{Checked, fault},
    message::Unit,
};

/// Hits are checked for completeness over this many nonces of a unit. Every hit that is reported beyond is still checked
/// for itself, and [how many](enough) they are.
pub(crate) const EXACT: u64 = 1 << 22;

/// An algorithm whose answers can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Sha256d,
    Blake2sKda,
}

impl Known {
    pub const ALL: [Self; 2] = [Self::Blake2sKda, Self::Sha256d];

    pub fn plugin(self) -> &'static dyn Algorithm {
        match self {
            Self::Sha256d => &Sha256d,
            Self::Blake2sKda => &Blake2sKda,
        }
    }

    /// Nonces that one unit can have at most, kept below 2^64.
    pub fn most_nonces(self) -> u64 {
        match self {
            Self::Sha256d => 1 << 32,
            Self::Blake2sKda => 1 << 62,
        }
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plugin().name())
    }
}

/// A header and what counts as a hit.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub algorithm: Known,
    pub header: Vec<u8>,
    pub target: Target,
}

impl Job {
    /// A header of the algorithm's shape that no chain has; another one for each `roll`.
    pub fn new(algorithm: Known, roll: u64, target: Target) -> Self {
        let parent = Digest(std::array::from_fn(|at| at as u8));
        let block =
            DevBlock { parent: &parent, height: 7, time_us: 1_700_000_000_000_000, roll, target: &target };
        let header = algorithm.plugin().dev_header(&block);
        Self { algorithm, header, target }
    }

    /// The digest of one nonce, by the plugin's own oracle.
    pub fn digest(&self, nonce: u64) -> Digest {
        let plugin = self.algorithm.plugin();
        let mut header = self.header.clone();
        plugin.layout().set_nonce(&mut header, nonce);
        plugin.digest(&header).expect("the header has its algorithm's length")
    }

    /// Every hit of `count` nonces, in order; `count` may be 0.
    pub fn hits(&self, start: u64, count: u64) -> Vec<(u64, Digest)> {
        let mut hits = Vec::new();
        if count > 0 {
            let mut searcher = self.algorithm.plugin().searcher();
            searcher.set_job(&self.header, &self.target).expect("the header has its algorithm's length");
            searcher.search(start, start + (count - 1), &mut |nonce, digest| hits.push((nonce, digest)));
        }
        hits
    }

    /// What stands on the job board for it.
    pub fn entry(&self, generation: u64) -> Entry {
        let layout = self.algorithm.plugin().layout();
        let mut header = [0; 512];
        header[..self.header.len()].copy_from_slice(&self.header);
        Entry {
            generation,
            algorithm: self.algorithm.plugin().id(),
            header_len: self.header.len() as u32,
            nonce_offset: layout.nonce_offset as u32,
            nonce_width: layout.nonce_width as u32,
            target: self.target.0,
            header,
            reserved: [0; 64],
        }
    }

    /// Holds what a helper reported for `unit` against the truth; `hashed` of its nonces are claimed.
    pub fn check(&self, unit: &Unit, reported: &[(u64, [u8; 32])], hashed: u64) -> Checked {
        let mut seen = HashMap::with_capacity(reported.len());
        for &(nonce, digest) in reported {
            if !unit.contains(nonce) {
                let what = format!(
                    "nonce {nonce} is none of unit {}'s, which are {} from {}",
                    unit.id, unit.count, unit.start
                );
                return Err(fault("SES-5.2", what));
            }
            if seen.insert(nonce, digest).is_some() {
                return Err(fault(
                    "SES-5.2",
                    format!("nonce {nonce} of unit {} was reported twice", unit.id),
                ));
            }
            self.check_hit(nonce, Digest(digest))?;
        }
        let expected = self.hits(unit.start, hashed.min(unit.count).min(EXACT));
        let mut missed = expected.iter().filter(|(nonce, _)| !seen.contains_key(nonce));
        if let Some((first, _)) = missed.next() {
            let what = format!(
                "missed {} of {} hits among {} nonces of {} from {}, first nonce {first}",
                1 + missed.count(),
                expected.len(),
                hashed.min(unit.count).min(EXACT),
                self.algorithm,
                unit.start
            );
            return Err(fault("SES-5.2", what));
        }
        let (hashed, found) = (hashed.min(unit.count), seen.len());
        let hits = hashed as f64 / self.target.expected_hashes();
        if (found as f64) < enough(hits) {
            let what = format!(
                "missed about {:.0} of {hits:.0} hits among {hashed} nonces of {} from {}: it reported {found}",
                hits - found as f64,
                self.algorithm,
                unit.start
            );
            return Err(fault("SES-5.2", what));
        }
        Ok(())
    }

    fn check_hit(&self, nonce: u64, reported: Digest) -> Checked {
        let digest = self.digest(nonce);
        if digest != reported {
            let what =
                format!("digest of nonce {nonce} ({}) is {digest}, it says {reported}", self.algorithm);
            return Err(fault("SES-4.2", what));
        }
        if !digest.meets(&self.target) {
            let what = format!(
                "nonce {nonce} ({}) is no hit: its digest {digest} is above the target {}",
                self.algorithm, self.target
            );
            return Err(fault("SES-4.2", what));
        }
        Ok(())
    }
}

/// As many there are at least where `hits` are to be expected; fewer would be six standard deviations away, which chance
/// does once in 10^9 times.
fn enough(hits: f64) -> f64 {
    hits - 6.0 * hits.sqrt()
}

/// A target that about `hits` of `nonces` meet.
pub(crate) fn target_for(hits: f64, nonces: f64) -> Target {
    let share = (hits / nonces).clamp(0.0, 1.0);
    let mut bytes = [0xff; 32];
    // The conversion saturates: a share of 1 is every digest.
    bytes[24..].copy_from_slice(&((share * 2f64.powi(64)) as u64).to_le_bytes());
    Target(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> (Job, Unit, Vec<(u64, [u8; 32])>) {
        let job = Job::new(Known::Sha256d, 1, Target::from_zero_bits(4));
        let unit = Unit { board_slot: 0, generation: 1, id: 9, start: 100, count: 500 };
        let hits =
            job.hits(unit.start, unit.count).iter().map(|(nonce, digest)| (*nonce, digest.0)).collect();
        (job, unit, hits)
    }

    #[track_caller]
    fn finds(reported: &[(u64, [u8; 32])], part: &str) {
        let (job, unit, _) = job();
        let error = format!("{:?}", job.check(&unit, reported, unit.count).unwrap_err());
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn the_truth_passes_in_any_order() {
        let (job, unit, mut hits) = job();
        assert!(hits.len() > 10);
        hits.reverse();
        assert_eq!(job.check(&unit, &hits, unit.count), Ok(()));
        // A unit that was cut short owes less, and may have found more.
        assert_eq!(job.check(&unit, &hits, 3), Ok(()));
        assert_eq!(job.check(&unit, &[], 0), Ok(()));
    }

    #[test]
    fn each_lie_is_named() {
        let (job, _, hits) = job();
        finds(&hits[1..], &format!("missed 1 of {} hits", hits.len()));
        finds(&[&hits[..], &hits[..1]].concat(), "reported twice [SES-5.2]");
        finds(&[(99, [0; 32])], "none of unit 9's");
        let mut wrong = hits.clone();
        wrong[2].1[0] ^= 1;
        finds(&wrong, &format!("digest of nonce {} (sha256d) is ", wrong[2].0));
        let no_hit = (100..).find(|nonce| !job.digest(*nonce).meets(&job.target)).unwrap();
        finds(&[(no_hit, job.digest(no_hit).0)], "is no hit: its digest");
    }

    /// Of a unit too long to be checked nonce by nonce, as of one in which every other nonce is left out.
    #[test]
    fn few_hits_in_a_long_unit_are_too_few() {
        let count = EXACT * 64;
        let job = Job::new(Known::Sha256d, 1, target_for(400.0 * 64.0, count as f64));
        let unit = Unit { board_slot: 0, generation: 1, id: 9, start: 100, count };
        let truth: Vec<_> =
            job.hits(unit.start, EXACT).iter().map(|(nonce, digest)| (*nonce, digest.0)).collect();
        assert!(truth.len() > 300);
        let error = format!("{:?}", job.check(&unit, &truth, count).unwrap_err());
        assert!(error.contains("of 25600 hits among 268435456 nonces of sha256d from 100"), "{error}");
        assert_eq!(job.check(&unit, &truth, EXACT), Ok(()));
        // Four are not too few where twenty-five are expected, and three hundred and fifty of five hundred are.
        assert!(enough(25.0) < 4.0 && enough(500.0) > 350.0);
    }

    #[test]
    fn targets_are_as_easy_as_asked() {
        assert_eq!(target_for(1.0, 1.0), Target::MAX);
        let target = target_for(20.0, 1e6);
        assert!((target.expected_hashes() / 5e4 - 1.0).abs() < 1e-6);
    }
}
