//! What a search reported, beside what the plugin's own digest says.

use adit_plugin::{Algorithm, Digest, Searcher, Target};

use super::PluginFinding;

/// A header and a target, and what to search in them.
pub(super) struct Job<'a> {
    pub algorithm: &'a dyn Algorithm,
    /// For texts: the variant.
    pub variant: &'a str,
    pub header: Vec<u8>,
    pub target: Target,
}

impl Job<'_> {
    /// The digest with this nonce.
    pub fn digest(&self, nonce: u64) -> Digest {
        let mut header = self.header.clone();
        self.algorithm.layout().set_nonce(&mut header, nonce);
        // The header came from the algorithm, so its length is right.
        self.algorithm.digest(&header).unwrap_or_default()
    }

    /// Sets the job.
    pub fn set(&self, searcher: &mut dyn Searcher) -> Result<(), PluginFinding> {
        let set = searcher.set_job(&self.header, &self.target);
        set.map_err(|error| PluginFinding::new("bad-function", format!("set_job: {error} [PLG-4.2]")))
    }

    /// What a search reports.
    pub fn reported(searcher: &mut dyn Searcher, start: u64, last: u64) -> Vec<(u64, Digest)> {
        let mut hits = Vec::new();
        searcher.search(start, last, &mut |nonce, digest| hits.push((nonce, digest)));
        hits
    }

    /// Searches `start ..= last` and compares every hit. spec: PLG-4.3
    pub fn check(&self, searcher: &mut dyn Searcher, start: u64, last: u64) -> Result<(), PluginFinding> {
        self.compare(&Self::reported(searcher, start, last), start, last)
    }

    /// Compares what was reported of `start ..= last`. spec: PLG-4.3
    pub fn compare(&self, hits: &[(u64, Digest)], start: u64, last: u64) -> Result<(), PluginFinding> {
        let place = format!("{} of {}, {start} ..= {last}", self.variant, self.algorithm.name());
        let fault = |name: &str, what: String| {
            Err(PluginFinding::new(name, format!("{what} (search of {place}) [PLG-4.3]")))
        };
        for (at, &(nonce, digest)) in hits.iter().enumerate() {
            if !(start..=last).contains(&nonce) {
                return fault("out-of-range", format!("nonce {nonce} was reported"));
            }
            if hits[..at].iter().any(|&(other, _)| other == nonce) {
                return fault("repeated-hit", format!("nonce {nonce} was reported twice"));
            }
            let right = self.digest(nonce);
            if digest != right {
                let what = format!("the digest of nonce {nonce} is {right}, it says {digest}");
                return fault("wrong-digest", what);
            }
            if !digest.meets(&self.target) {
                let what = format!("nonce {nonce} has {digest}, above the target {}", self.target);
                return fault("wrong-hit", what);
            }
        }
        let expected = (start..=last).filter(|&nonce| self.digest(nonce).meets(&self.target));
        let missed: Vec<u64> = expected.filter(|nonce| hits.iter().all(|hit| hit.0 != *nonce)).collect();
        if let Some(first) = missed.first() {
            let all = missed.len() + hits.len();
            return fault("missed-hit", format!("{} of {all} hits were missed, first {first}", missed.len()));
        }
        if !hits.is_sorted_by_key(|hit| hit.0) {
            return fault("out-of-order", "hits did not come in rising order of nonces".into());
        }
        Ok(())
    }
}
