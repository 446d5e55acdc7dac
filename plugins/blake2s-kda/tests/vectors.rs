//! The vectors that `vectors/` holds, against the oracle and the search.

use adit_blake2s_kda::Blake2sKda;
use adit_plugin::{Algorithm, Digest, Searcher, Target};

/// The fields of each line that is no comment.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The one that is chosen, and each variant that this CPU supports.
fn searchers() -> impl Iterator<Item = Box<dyn Searcher>> {
    let variants =
        Blake2sKda.variants().into_iter().filter_map(|variant| Blake2sKda.searcher_of(variant.name));
    std::iter::once(Blake2sKda.searcher()).chain(variants)
}

#[test]
fn headers() {
    let mut count = 0;
    for fields in lines(include_str!("../vectors/headers.txt")) {
        let header = bytes(fields[0]);
        let digest: Digest = fields[1].parse().unwrap();
        assert_eq!(Blake2sKda.digest(&header), Ok(digest));

        // A search finds the block's own nonce, and it alone, when the target is its digest.
        let nonce = Blake2sKda.layout().nonce(&header);
        for mut searcher in searchers() {
            let mut found = Vec::new();
            searcher.set_job(&header, &Target(digest.0)).unwrap();
            searcher.search(nonce - 100, nonce + 100, &mut |nonce, digest| found.push((nonce, digest)));
            assert_eq!(found, [(nonce, digest)]);
        }
        count += 1;
    }
    assert_eq!(count, 1);
}

#[test]
fn scans() {
    let mut count = 0;
    for fields in lines(include_str!("../vectors/scans.txt")) {
        let target = Target::from_zero_bits(fields[1].parse().unwrap());
        let first: u64 = fields[2].parse().unwrap();
        let digest: Digest = fields[3].parse().unwrap();
        for mut searcher in searchers() {
            let mut found = Vec::new();
            searcher.set_job(&bytes(fields[0]), &target).unwrap();
            searcher.search(0, first, &mut |nonce, digest| found.push((nonce, digest)));
            assert_eq!(found, [(first, digest)]);
        }
        count += 1;
    }
    assert_eq!(count, 2);
}
