//! The vectors that `vectors/` holds, against the oracle and the search.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_scrypt::Scrypt;

#[test]
fn headers() {
    assert_eq!(testing::headers(&Scrypt, include_str!("../vectors/headers.txt"), 20), 1);
}

#[test]
fn scans() {
    assert_eq!(testing::scans(&Scrypt, include_str!("../vectors/scans.txt")), 2);
}
