//! The search against the oracle, hashing every nonce.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_blake2s_kda::Blake2sKda;
use adit_plugin::Target;
use proptest::prelude::*;
use testing::{Frame, agree, lengths_are_checked, range, target, variants_are_well_formed};

/// Where something carries: the lowest 16 bits (a stretch of the search), words.
const EDGES: [u64; 4] = [1 << 16, 1 << 32, 0xabcd << 32, 1 << 48];

proptest! {
    #[test]
    fn any_target(header in prop::collection::vec(any::<u8>(), 286), (start, last) in range(8, &EDGES, 100),
                  target in target()) {
        agree(&Blake2sKda, &header, &target, start, last);
    }

    #[test]
    fn targets_at_a_digest(header in prop::collection::vec(any::<u8>(), 286),
                           (start, last) in range(8, &EDGES, 100), at in any::<prop::sample::Index>()) {
        let nonce = start + at.index((last - start + 1) as usize) as u64;
        let mut frame = Frame::new(&Blake2sKda, &header, start, last);
        [start, nonce, last].into_iter().for_each(|nonce| frame.agree_at(nonce, start, last));
    }

    #[test]
    fn targets_that_all_and_none_meet(header in prop::collection::vec(any::<u8>(), 286),
                                      (start, last) in range(8, &EDGES, 100)) {
        let mut frame = Frame::new(&Blake2sKda, &header, start, last);
        frame.agree(&Target::MAX, start, last);
        frame.agree(&Target([0; 32]), start, last);
    }
}

#[test]
fn every_short_range_at_edges() {
    let header: Vec<u8> = (0..=255).chain(0..30).collect();
    let mut first = Frame::new(&Blake2sKda, &header, 0, 40);
    (1..=40).for_each(|len| first.agree(&Target::MAX, 0, len - 1));
    for edge in EDGES.into_iter().chain([u64::MAX]) {
        let mut frame = Frame::new(&Blake2sKda, &header, edge - 40, edge.saturating_add(40));
        for len in 1..=40 {
            frame.agree(&Target::MAX, edge - (len - 1), edge);
            frame.agree(&Target::MAX, edge - len, edge - 1);
            frame.agree(&Target::MAX, edge - 1, edge.saturating_add(len - 1));
        }
    }
}

#[test]
fn whole_stretches() {
    let header: Vec<u8> = (0..=255).chain(0..30).collect();
    let target = Target::from_zero_bits(10);
    agree(&Blake2sKda, &header, &target, (1 << 48) - 0x1_0007, (1 << 48) + 0x2_0007);
}

#[test]
fn every_place_in_a_vector() {
    let header: Vec<u8> = (0..=255).chain(0..30).collect();
    Frame::new(&Blake2sKda, &header, (1 << 32) - 35, (1 << 32) + 35).agree_at_every_place(16);
}

#[test]
fn whatever_it_hashes() {
    variants_are_well_formed(&Blake2sKda);
    lengths_are_checked(&Blake2sKda);
}
