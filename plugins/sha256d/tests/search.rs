//! The search against the oracle, hashing every nonce.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_plugin::Target;
use adit_sha256d::Sha256d;
use proptest::prelude::*;
use testing::{Frame, agree, lengths_are_checked, range, target, variants_are_well_formed};

const LAST: u64 = u32::MAX as u64;

proptest! {
    #[test]
    fn any_target(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range(4, &[], 100),
                  target in target()) {
        agree(&Sha256d, &header, &target, start, last);
    }

    #[test]
    fn targets_at_a_digest(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range(4, &[], 100),
                           at in any::<prop::sample::Index>()) {
        let nonce = start + at.index((last - start + 1) as usize) as u64;
        let mut frame = Frame::new(&Sha256d, &header, start, last);
        [start, nonce, last].into_iter().for_each(|nonce| frame.agree_at(nonce, start, last));
    }

    #[test]
    fn targets_that_all_and_none_meet(header in prop::collection::vec(any::<u8>(), 80),
                                      (start, last) in range(4, &[], 100)) {
        let mut frame = Frame::new(&Sha256d, &header, start, last);
        frame.agree(&Target::MAX, start, last);
        frame.agree(&Target([0; 32]), start, last);
    }
}

#[test]
fn every_short_range_at_both_ends() {
    let header: Vec<u8> = (0..80).collect();
    let mut first = Frame::new(&Sha256d, &header, 0, 40);
    let mut second = Frame::new(&Sha256d, &header, LAST - 40, LAST);
    for len in 1..=40 {
        first.agree(&Target::MAX, 0, len - 1);
        second.agree(&Target::MAX, LAST - (len - 1), LAST);
    }
}

#[test]
fn every_place_in_a_vector() {
    let header: Vec<u8> = (0..80).collect();
    Frame::new(&Sha256d, &header, 1000, 1100).agree_at_every_place(48);
}

#[test]
fn whatever_it_hashes() {
    variants_are_well_formed(&Sha256d);
    lengths_are_checked(&Sha256d);
}
