//! What the tests of all algorithms share: a search against the oracle, hashing every nonce.

#![allow(dead_code)]

use adit_plugin::{Algorithm, Digest, LayoutError, Searcher, Target};
use proptest::prelude::*;

/// The digest of `header` with `nonce`, by the oracle.
pub fn oracle(algorithm: &dyn Algorithm, header: &[u8], nonce: u64) -> Digest {
    let mut header = header.to_vec();
    algorithm.layout().set_nonce(&mut header, nonce);
    algorithm.digest(&header).unwrap()
}

/// What a searcher reports of a range.
pub fn found(searcher: &mut dyn Searcher, start: u64, last: u64) -> Vec<(u64, Digest)> {
    let mut hits = Vec::new();
    searcher.search(start, last, &mut |nonce, digest| hits.push((nonce, digest)));
    hits
}

/// A searcher of each variant that this CPU supports.
pub fn searchers(algorithm: &dyn Algorithm) -> Vec<(&'static str, Box<dyn Searcher>)> {
    let of = |variant: adit_plugin::Variant| {
        let searcher = algorithm.searcher_of(variant.name);
        assert_eq!(searcher.is_some(), variant.supported, "{variant:?}");
        Some((variant.name, searcher?))
    };
    algorithm.variants().into_iter().filter_map(of).collect()
}

/// All digests of a range, by the oracle, and a searcher of each variant that has the header.
///
/// Hashing a range once for many targets is what lets slow hashes be tested as thoroughly as quick ones.
pub struct Frame {
    header: Vec<u8>,
    start: u64,
    digests: Vec<Digest>,
    searchers: Vec<(&'static str, Box<dyn Searcher>)>,
}

impl Frame {
    /// Hashes `start ..= last`.
    pub fn new(algorithm: &dyn Algorithm, header: &[u8], start: u64, last: u64) -> Self {
        let digests = (start..=last).map(|nonce| oracle(algorithm, header, nonce)).collect();
        Self { header: header.to_vec(), start, digests, searchers: searchers(algorithm) }
    }

    /// The digest of a nonce of the range.
    pub fn digest(&self, nonce: u64) -> Digest {
        self.digests[(nonce - self.start) as usize]
    }

    /// Searches a part of the range with every variant, and wants what the oracle found.
    pub fn agree(&mut self, target: &Target, start: u64, last: u64) {
        let all = (start..=last).map(|nonce| (nonce, self.digest(nonce)));
        let expected: Vec<_> = all.filter(|(_, digest)| digest.meets(target)).collect();
        for (name, searcher) in &mut self.searchers {
            searcher.set_job(&self.header, target).unwrap();
            assert_eq!(found(&mut **searcher, start, last), expected, "{name}: {start} ..= {last}");
        }
    }

    /// [`agree`](Self::agree) with targets that this nonce's digest just meets and just misses.
    pub fn agree_at(&mut self, nonce: u64, start: u64, last: u64) {
        let digest = self.digest(nonce);
        self.agree(&Target(digest.0), start, last);
        self.agree(&just_below(&digest), start, last);
    }

    /// Wherever a hit stands in a vector of up to `lanes` lanes, and wherever the range, which is more than twice
    /// as long, begins and ends.
    pub fn agree_at_every_place(&mut self, lanes: u64) {
        let (base, end) = (self.start, self.start + (self.digests.len() as u64 - 1));
        for at in base..=base + 2 * lanes {
            let target = Target(self.digest(at).0);
            self.agree(&target, base, end);
            self.agree(&target, base, at);
            self.agree(&target, at, end);
            self.agree(&Target::from_zero_bits(2), at, end);
        }
    }
}

/// Sets the job, searches, and wants what the oracle finds, of every variant that this CPU supports.
pub fn agree(algorithm: &dyn Algorithm, header: &[u8], target: &Target, start: u64, last: u64) {
    Frame::new(algorithm, header, start, last).agree(target, start, last);
}

/// The largest target that a digest of this value does not meet.
pub fn just_below(digest: &Digest) -> Target {
    let mut bytes = digest.0;
    for byte in &mut bytes {
        let borrow = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrow {
            break;
        }
    }
    Target(bytes)
}

/// Ranges of up to `most` nonces, at both ends of what `width` bytes can say, at edges, and anywhere.
pub fn range(width: usize, edges: &'static [u64], most: u64) -> impl Strategy<Value = (u64, u64)> {
    let end = u64::MAX >> (64 - 8 * width);
    let edges: Vec<u64> = edges.iter().copied().chain([end]).collect();
    let edge = prop::sample::select(edges).prop_flat_map(move |edge| edge - most..=edge);
    let start = prop_oneof![0..=end, 0..most, edge];
    (start, 0..most).prop_map(move |(start, more)| (start, end.min(start.saturating_add(more))))
}

/// Targets of any size.
pub fn target() -> impl Strategy<Value = Target> {
    (any::<[u8; 31]>(), any::<u8>()).prop_map(|(low, top)| {
        let mut target = [top; 32];
        target[..31].copy_from_slice(&low);
        Target(target)
    })
}

/// What must hold of any algorithm's variants, whatever it hashes.
pub fn variants_are_well_formed(algorithm: &dyn Algorithm) {
    let variants = algorithm.variants();
    for (at, variant) in variants.iter().enumerate() {
        assert!(variants[..at].iter().all(|other| other.name != variant.name), "{variant:?}");
    }
    assert!(variants.iter().any(|variant| variant.name == "portable" && variant.supported));
    assert!(algorithm.searcher_of("no such variant").is_none());
    for (name, mut searcher) in searchers(algorithm) {
        assert!(searcher.group() >= 1, "{name}");
        assert_eq!(found(&mut *searcher, 0, 100), [], "{name} has no job");
    }
}

/// A header of another length is refused, and the job before stays.
pub fn lengths_are_checked(algorithm: &dyn Algorithm) {
    let expected = algorithm.layout().header_len;
    let header = vec![1; expected];
    for (name, mut searcher) in searchers(algorithm) {
        searcher.set_job(&header, &Target::MAX).unwrap();
        for got in [0, expected - 1, expected + 1] {
            let error = LayoutError { expected, got };
            assert_eq!(searcher.set_job(&vec![2; got], &Target([0; 32])), Err(error), "{name}");
            assert_eq!(algorithm.digest(&vec![2; got]), Err(error));
        }
        let both = [5, 6].map(|nonce| (nonce, oracle(algorithm, &header, nonce)));
        assert_eq!(found(&mut *searcher, 5, 6), both, "{name}");
    }
}

/// The fields of each line of a file of vectors that is no comment.
pub fn fields(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

/// Bytes of hex digits.
pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Headers with their digests: the oracle gives them, and a search around a header's own nonce finds it, and it
/// alone, when the target is its digest. How many there are.
pub fn headers(algorithm: &dyn Algorithm, text: &str, around: u64) -> usize {
    let check = |fields: Vec<&str>| {
        let header = bytes(fields[0]);
        let digest: Digest = fields[1].parse().unwrap();
        assert_eq!(algorithm.digest(&header), Ok(digest));
        let nonce = algorithm.layout().nonce(&header);
        for (name, mut searcher) in searchers(algorithm) {
            searcher.set_job(&header, &Target(digest.0)).unwrap();
            let found = found(&mut *searcher, nonce.saturating_sub(around), nonce + around);
            assert_eq!(found, [(nonce, digest)], "{name}");
        }
    };
    fields(text).map(check).count()
}

/// Headers with zero bits, the first nonce from 0 that has them, and its digest. How many there are.
pub fn scans(algorithm: &dyn Algorithm, text: &str) -> usize {
    let check = |fields: Vec<&str>| {
        let target = Target::from_zero_bits(fields[1].parse().unwrap());
        let first: u64 = fields[2].parse().unwrap();
        let digest: Digest = fields[3].parse().unwrap();
        for (name, mut searcher) in searchers(algorithm) {
            searcher.set_job(&bytes(fields[0]), &target).unwrap();
            assert_eq!(found(&mut *searcher, 0, first), [(first, digest)], "{name}");
        }
    };
    fields(text).map(check).count()
}
