//! The search against the oracle, hashing every nonce.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_plugin::Target;
use adit_uhash::Uhash;
use proptest::prelude::*;
use testing::{Frame, lengths_are_checked, range, target, variants_are_well_formed};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn any_target(header in prop::collection::vec(any::<u8>(), 68), (start, last) in range(8, &[1 << 32], 10),
                  target in target(), at in any::<prop::sample::Index>()) {
        let nonce = start + at.index((last - start + 1) as usize) as u64;
        let mut frame = Frame::new(&Uhash, &header, start, last);
        frame.agree(&target, start, last);
        frame.agree_at(nonce, start, last);
        frame.agree(&Target::MAX, start, last);
        frame.agree(&Target([0; 32]), start, last);
    }
}

#[test]
fn every_place_in_a_vector() {
    let header: Vec<u8> = (0..68).collect();
    Frame::new(&Uhash, &header, 1000, 1009).agree_at_every_place(4);
}

#[test]
fn whatever_it_hashes() {
    variants_are_well_formed(&Uhash);
    lengths_are_checked(&Uhash);
}

#[test]
fn gives_up_within_a_group_when_told_to() {
    for (name, mut searcher) in testing::searchers(&Uhash) {
        searcher.set_job(&[7; 68], &Target::MAX).unwrap();
        let (mut asked, mut found) = (0, 0);
        let mut until_fifth = || {
            asked += 1;
            asked < 5
        };
        assert!(!searcher.search_while(0, 7, &mut |_, _| found += 1, &mut until_fifth), "{name}");
        assert_eq!((asked, found), (5, 0), "{name}");
        let mut always = || {
            asked += 1;
            true
        };
        assert!(searcher.search_while(0, 0, &mut |_, _| found += 1, &mut always), "{name}");
        assert!(asked > 30 && found == 1, "{name}: asked {asked} times, found {found}");
    }
}
