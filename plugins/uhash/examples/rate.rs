//! Hash rates of the variants on this machine, one thread:
//! `RUSTFLAGS="-C target-cpu=native" cargo run --release --example rate -p adit-uhash --target-dir target/native`.
//!
//! The reference hashes each header with the `uhash-core` crate. That looks at compile time for AES instructions, so it
//! is at its best only when built for this very CPU; the variants look at run time.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_uhash::Uhash;
use bench::compare;

fn main() {
    let mut header = [7; 68];
    let mut hasher = uhash_core::UniversalHash::new();
    let mut reference = |count: u64| {
        for nonce in 0..count {
            header[60..].copy_from_slice(&nonce.to_le_bytes());
            std::hint::black_box(hasher.hash(&header));
        }
    };
    compare(&Uhash, "uhash-core", &mut reference, &[]);
}
