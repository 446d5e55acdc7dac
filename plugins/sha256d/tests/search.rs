//! The search against the oracle, hashing every nonce.

use adit_plugin::{Algorithm, Digest, LayoutError, Searcher, Target};
use adit_sha256d::Sha256d;
use proptest::prelude::*;

const LAST: u64 = u32::MAX as u64;

fn oracle(header: &[u8], nonce: u64) -> Digest {
    let mut header = header.to_vec();
    Sha256d.layout().set_nonce(&mut header, nonce);
    Sha256d.digest(&header).unwrap()
}

fn expected(header: &[u8], target: &Target, start: u64, last: u64) -> Vec<(u64, Digest)> {
    let all = (start..=last).map(|nonce| (nonce, oracle(header, nonce)));
    all.filter(|(_, digest)| digest.meets(target)).collect()
}

fn found(searcher: &mut dyn Searcher, start: u64, last: u64) -> Vec<(u64, Digest)> {
    let mut hits = Vec::new();
    searcher.search(start, last, &mut |nonce, digest| hits.push((nonce, digest)));
    hits
}

/// Sets the job, searches, and wants what the oracle finds, of every variant that this CPU supports.
fn agree(header: &[u8], target: &Target, start: u64, last: u64) {
    let expected = expected(header, target, start, last);
    for (name, mut searcher) in searchers() {
        searcher.set_job(header, target).unwrap();
        assert_eq!(found(&mut *searcher, start, last), expected, "{name}: {start} ..= {last}");
    }
}

/// A searcher of each variant that this CPU supports.
fn searchers() -> impl Iterator<Item = (&'static str, Box<dyn Searcher>)> {
    Sha256d.variants().into_iter().filter_map(|variant| {
        let searcher = Sha256d.searcher_of(variant.name);
        assert_eq!(searcher.is_some(), variant.supported, "{variant:?}");
        Some((variant.name, searcher?))
    })
}

/// The largest target that a digest of this value does not meet.
fn just_below(digest: &Digest) -> Target {
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

fn range() -> impl Strategy<Value = (u64, u64)> {
    let start = prop_oneof![0..=LAST, 0..100u64, LAST - 100..=LAST];
    (start, 0..100u64).prop_map(|(start, more)| (start, LAST.min(start + more)))
}

proptest! {
    #[test]
    fn any_target(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range(),
                  low in any::<[u8; 31]>(), top in any::<u8>()) {
        let mut target = [top; 32];
        target[..31].copy_from_slice(&low);
        agree(&header, &Target(target), start, last);
    }

    #[test]
    fn targets_at_a_digest(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range(),
                           at in any::<prop::sample::Index>()) {
        let nonce = start + at.index((last - start + 1) as usize) as u64;
        for nonce in [start, nonce, last] {
            let digest = oracle(&header, nonce);
            agree(&header, &Target(digest.0), start, last);
            agree(&header, &just_below(&digest), start, last);
        }
    }

    #[test]
    fn targets_that_all_and_none_meet(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range()) {
        agree(&header, &Target::MAX, start, last);
        agree(&header, &Target([0; 32]), start, last);
    }
}

#[test]
fn every_short_range_at_both_ends() {
    let header: Vec<u8> = (0..80).collect();
    for len in 1..=40 {
        agree(&header, &Target::MAX, 0, len - 1);
        agree(&header, &Target::MAX, LAST - (len - 1), LAST);
    }
}

/// Wherever a hit stands in a vector, and wherever the range begins and ends.
#[test]
fn every_place_in_a_vector() {
    let header: Vec<u8> = (0..80).collect();
    let base = 1000;
    for at in 0..34 {
        let target = Target(oracle(&header, base + at).0);
        agree(&header, &target, base, base + 40);
        agree(&header, &target, base, base + at);
        agree(&header, &target, base + at, base + 40);
        agree(&header, &Target::from_zero_bits(2), base + at, base + at + 70);
    }
}

#[test]
fn variants_have_names_of_their_own() {
    let variants = Sha256d.variants();
    for (at, variant) in variants.iter().enumerate() {
        assert!(variants[..at].iter().all(|other| other.name != variant.name), "{variant:?}");
    }
    assert!(variants.iter().any(|variant| variant.name == "portable" && variant.supported));
    assert!(Sha256d.searcher_of("no such variant").is_none());
}

#[test]
fn no_job_finds_nothing() {
    for (_, mut searcher) in searchers() {
        assert_eq!(found(&mut *searcher, 0, 100), []);
    }
}

#[test]
fn a_header_of_another_length_leaves_the_job() {
    let mut searcher = Sha256d.searcher();
    searcher.set_job(&[1; 80], &Target::MAX).unwrap();
    for got in [0, 79, 81] {
        let error = LayoutError { expected: 80, got };
        assert_eq!(searcher.set_job(&vec![2; got], &Target([0; 32])), Err(error));
        assert_eq!(Sha256d.digest(&vec![2; got]), Err(error));
    }
    assert_eq!(found(&mut *searcher, 5, 6), expected(&[1; 80], &Target::MAX, 5, 6));
}
