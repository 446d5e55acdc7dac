//! The vectors that `vectors/` holds, against the oracle and the search.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_uhash::Uhash;

#[test]
fn headers() {
    // The nonce alone: digests of any size, which others meet as well.
    assert_eq!(testing::headers(&Uhash, include_str!("../vectors/headers.txt"), 0), 4);
}

#[test]
fn scans() {
    assert_eq!(testing::scans(&Uhash, include_str!("../vectors/scans.txt")), 1);
}
