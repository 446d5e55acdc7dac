//! Hash rates of the variants on this machine, one thread:
//! `RUSTFLAGS="-C target-cpu=native" cargo run --release --example rate -p adit-uhash --target-dir target/native`.
//!
//! The reference hashes each header with the `uhash-core` crate. That looks at compile time for AES instructions, so it
//! is at its best only when built for this very CPU; the variants look at run time.
//!
//! The bound of `avx512` is that of its instructions for four nonces, a vector of chains: 4,096 times a SHA-256 of 1,624
//! (672 of them rotations or shifts), a BLAKE3 of 792 and AES rounds of 32, each with 64 shuffles for what is read (AES
//! with 32) and 24 for what is written; and 524,288 AES rounds to fill the scratchpads. Of AES rounds one a clock, of all
//! others two. The caches are not in it.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_uhash::Uhash;
use bench::{Bound, Issue, compare};

fn main() {
    let mut header = [7; 68];
    let mut hasher = uhash_core::UniversalHash::new();
    let mut reference = |count: u64| {
        for nonce in 0..count {
            header[60..].copy_from_slice(&nonce.to_le_bytes());
            std::hint::black_box(hasher.hash(&header));
        }
    };
    compare(&Uhash, "uhash-core", &mut reference, &[Bound { variant: "avx512", seconds: avx512 }]);
}

/// Seconds for a hash.
fn avx512(issue: &Issue) -> f64 {
    let sha256 = (1624.0 + 64.0 + 24.0) / issue.adds;
    let blake3 = (792.0 + 64.0 + 24.0) / issue.adds;
    let aes = (32.0 + 32.0 + 24.0) / issue.adds;
    let fill = 524_288.0 / issue.rotations;
    (4096.0 * (sha256 + blake3 + aes) + fill) / 4.0
}
