//! Hash rates of the variants on this machine, one thread:
//! `cargo run --release --example rate -p adit-scrypt`.
//!
//! The reference hashes each header with the `scrypt` crate.

#[path = "../../api/bench/mod.rs"]
mod bench;

use adit_scrypt::Scrypt;
use bench::compare;

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
    compare(&Scrypt, "scrypt", &mut reference, &[]);
}
