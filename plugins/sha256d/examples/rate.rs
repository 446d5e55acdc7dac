//! Hash rates of the variants on this machine, one thread:
//! `cargo run --release --example rate -p adit-sha256d`.
//!
//! The reference hashes each header from its first byte with the `sha2` crate. The bound of `avx512`
//! is that of its instructions: 2,885 for 16 hashes, 1,185 of them rotations or shifts; that of
//! `sha-ni` is the 60 double rounds that a hash cannot do without.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_sha256d::Sha256d;
use bench::{Bound, Issue, compare};
use sha2::{Digest, Sha256};

fn main() {
    let mut header = [7; 80];
    let mut reference = |count: u64| {
        for nonce in 0..count as u32 {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            std::hint::black_box(Sha256::digest(Sha256::digest(header)));
        }
    };
    let bounds = [
        Bound { variant: "avx512", seconds: avx512 },
        Bound { variant: "sha-ni", seconds: |issue| 60.0 / issue.sha_rounds },
    ];
    compare(&Sha256d, "sha2", &mut reference, &bounds);
}

fn avx512(issue: &Issue) -> f64 {
    (2885.0 / issue.adds).max(1185.0 / issue.rotations) / 16.0
}
