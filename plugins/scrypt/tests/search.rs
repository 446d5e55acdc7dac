//! The search against the oracle, hashing every nonce.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_plugin::Target;
use adit_scrypt::Scrypt;
use proptest::prelude::*;
use testing::{Frame, lengths_are_checked, range, target, variants_are_well_formed};

const LAST: u64 = u32::MAX as u64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_target(header in prop::collection::vec(any::<u8>(), 80), (start, last) in range(4, &[], 40),
                  target in target(), at in any::<prop::sample::Index>()) {
        let nonce = start + at.index((last - start + 1) as usize) as u64;
        let mut frame = Frame::new(&Scrypt, &header, start, last);
        frame.agree(&target, start, last);
        [start, nonce, last].into_iter().for_each(|nonce| frame.agree_at(nonce, start, last));
        frame.agree(&Target::MAX, start, last);
        frame.agree(&Target([0; 32]), start, last);
    }
}

#[test]
fn every_short_range_at_both_ends() {
    let header: Vec<u8> = (0..80).collect();
    let mut first = Frame::new(&Scrypt, &header, 0, 20);
    let mut second = Frame::new(&Scrypt, &header, LAST - 20, LAST);
    for len in 1..=20 {
        first.agree(&Target::MAX, 0, len - 1);
        second.agree(&Target::MAX, LAST - (len - 1), LAST);
    }
}

#[test]
fn every_place_in_a_vector() {
    let header: Vec<u8> = (0..80).collect();
    Frame::new(&Scrypt, &header, 1000, 1035).agree_at_every_place(16);
}

#[test]
fn whatever_it_hashes() {
    variants_are_well_formed(&Scrypt);
    lengths_are_checked(&Scrypt);
}
