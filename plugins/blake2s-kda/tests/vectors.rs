//! The vectors that `vectors/` holds, against the oracle and the search.

#[path = "../../api/testing/mod.rs"]
mod testing;

use adit_blake2s_kda::Blake2sKda;

#[test]
fn headers() {
    assert_eq!(testing::headers(&Blake2sKda, include_str!("../vectors/headers.txt"), 100), 1);
}

#[test]
fn scans() {
    assert_eq!(testing::scans(&Blake2sKda, include_str!("../vectors/scans.txt")), 2);
}
