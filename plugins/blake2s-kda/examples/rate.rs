//! Hash rates of the variants on this machine, one thread:
//! `cargo run --release --example rate -p adit-blake2s-kda`.
//!
//! The reference hashes each header from its first byte with the `blake2s_simd` crate. The bound of
//! `avx512` is that of its instructions: 962 for 16 hashes, 296 of them rotations.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_blake2s_kda::Blake2sKda;
use bench::{Bound, Issue, compare};

fn main() {
    let mut header = [7; 286];
    let mut reference = |count: u64| {
        for nonce in 0..count {
            header[278..].copy_from_slice(&nonce.to_le_bytes());
            std::hint::black_box(blake2s_simd::blake2s(&header));
        }
    };
    let bounds = [Bound { variant: "avx512", seconds: avx512 }];
    compare(&Blake2sKda, "blake2s_simd", &mut reference, &bounds);
}

fn avx512(issue: &Issue) -> f64 {
    (962.0 / issue.adds).max(296.0 / issue.rotations) / 16.0
}
