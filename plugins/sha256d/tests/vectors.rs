//! The vectors that `vectors/` holds, against the oracle and the search.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_sha256d::Sha256d;

#[test]
fn headers() {
    assert_eq!(testing::headers(&Sha256d, include_str!("../vectors/headers.txt"), 100), 5);
}

#[test]
fn scans() {
    assert_eq!(testing::scans(&Sha256d, include_str!("../vectors/scans.txt")), 2);
}
