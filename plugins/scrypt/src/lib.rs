//! Litecoin's proof of work, scrypt with `N = 1024`, `r = 1`, `p = 1`, as an Adit algorithm.
//!
//! A header is Bitcoin's: 80 bytes, all integers little-endian, the nonce last.
//!
//! ```text
//!  0        4                  36                  68     72     76    80
//!  | version | previous digest  | Merkle root       | time | bits | nonce |
//! ```
//!
//! It is both password and salt (RFC 7914):
//!
//! ```text
//!   B = PBKDF2-HMAC-SHA256(header, header), 128 bytes        vectors of hashes      pbkdf2.rs
//!   V[i] = B, B = BlockMix(B)              1,024 times, 128 KiB in all
//!   B = BlockMix(B ^ V[B mod 1024])        1,024 times       vectors of rows        romix.rs
//!   digest = PBKDF2-HMAC-SHA256(header, B), 32 bytes         vectors of hashes      pbkdf2.rs
//! ```
//!
//! and the digest is a 256-bit integer whose first byte is the least significant. [`Scrypt`] hashes whole headers with
//! the `scrypt` crate; its searcher shares no code with it, so that each checks the other.
//!
//! The folder `vectors` holds headers with their digests and nonces that a search must find, as text that programs in
//! any language can read.

#![deny(unsafe_code)]

mod algorithm;
mod job;
mod kernel;
mod pbkdf2;
mod romix;
mod variant;

pub use algorithm::Scrypt;

#[cfg(feature = "plugin")]
adit_plugin::export!(Scrypt);
