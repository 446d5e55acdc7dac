//! Hash rates of the variants on this machine, one thread:
//! `cargo run --release --example rate -p adit-scrypt`.
//!
//! The reference hashes each header with the `scrypt` crate. The bound of `avx512` is that of its instructions for four
//! hashes, a vector of rows: in each of 2,048 block mixes two Salsa20/8 of 32 additions, rotations and xors and 24
//! shuffles each, 4 more additions and xors each, and 16 shuffles that make rows of lines or lines of rows; half of the
//! block mixes take 8 more xors for what they read of the table, four of which are done in one with others.
//! Shuffles and rotations have one unit each, and any instruction takes one of two. Memory and PBKDF2 are not in it.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_scrypt::Scrypt;
use bench::{Bound, Issue, compare};

fn main() {
    let mut header = [7; 80];
    let parameters = scrypt::Params::new(10, 1, 1).expect("valid parameters");
    let mut reference = |count: u64| {
        for nonce in 0..count as u32 {
            header[76..].copy_from_slice(&nonce.to_le_bytes());
            let mut digest = [0; 32];
            scrypt::scrypt(&header, &header, &parameters, &mut digest).expect("a valid length");
            std::hint::black_box(digest);
        }
    };
    compare(&Scrypt, "scrypt", &mut reference, &[Bound { variant: "avx512", seconds: avx512 }]);
}

/// Seconds for a hash.
fn avx512(issue: &Issue) -> f64 {
    let (rotations, shuffles) = (2.0 * 32.0, 2.0 * 24.0 + 16.0);
    let all = 2.0 * (3.0 * 32.0 + 24.0 + 8.0) + 16.0 + 4.0 / 2.0;
    let mix = (all / issue.adds).max(rotations / issue.rotations).max(shuffles / issue.rotations);
    2048.0 * mix / 4.0
}
