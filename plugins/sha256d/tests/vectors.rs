//! The vectors that `vectors/` holds, against the oracle and the search.

use adit_plugin::{Algorithm, Digest, Target};
use adit_sha256d::Sha256d;

/// The fields of each line that is no comment.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn headers() {
    let mut searcher = Sha256d.searcher();
    let mut count = 0;
    for fields in lines(include_str!("../vectors/headers.txt")) {
        let header = bytes(fields[0]);
        let digest: Digest = fields[1].parse().unwrap();
        assert_eq!(Sha256d.digest(&header), Ok(digest));

        // A search finds the block's own nonce, and it alone, when the target is its digest.
        let nonce = Sha256d.layout().nonce(&header);
        let mut found = Vec::new();
        searcher.set_job(&header, &Target(digest.0)).unwrap();
        searcher.search(nonce - 100, nonce + 100, &mut |nonce, digest| found.push((nonce, digest)));
        assert_eq!(found, [(nonce, digest)]);
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn scans() {
    let mut searcher = Sha256d.searcher();
    let mut count = 0;
    for fields in lines(include_str!("../vectors/scans.txt")) {
        let target = Target::from_zero_bits(fields[1].parse().unwrap());
        let first: u64 = fields[2].parse().unwrap();
        let digest: Digest = fields[3].parse().unwrap();
        let mut found = Vec::new();
        searcher.set_job(&bytes(fields[0]), &target).unwrap();
        searcher.search(0, first, &mut |nonce, digest| found.push((nonce, digest)));
        assert_eq!(found, [(first, digest)]);
        count += 1;
    }
    assert_eq!(count, 2);
}
