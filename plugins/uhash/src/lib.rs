//! UniversalHash, version 4, as an Adit algorithm.
//!
//! A header has 68 bytes, all integers little-endian:
//!
//! ```text
//!  0             32                  52       60      68
//!  | epoch's seed | miner's address   | time   | nonce |
//! ```
//!
//! Four chains, numbered `c`, each with a scratchpad of 512 KiB:
//!
//! ```text
//!   state = BLAKE3(header without nonce, nonce ^ c * 0x9e3779b97f4a7c15)               job.rs
//!   scratchpad: AES rounds, one after the other, with keys from the state              chains.rs
//!   12,288 times: state = AES, SHA-256 or BLAKE3 in turn (state, a place of the        round.rs
//!       scratchpad that the state says), written back to that place
//!   digest = BLAKE3(SHA-256(xor of the four states))                                   job.rs
//! ```
//!
//! A digest's first byte is its most significant: difficulty counts the zero bits that it begins with. [`Uhash`] hashes
//! whole headers with the `uhash-core` crate; its searcher shares no code with that but BLAKE3 and SHA-256 of whole
//! messages.
//!
//! The folder `vectors` holds headers with their digests and nonces that a search must find, as text that programs in
//! any language can read.

#![deny(unsafe_code)]

mod aes;
mod algorithm;
mod blake3_rounds;
mod chains;
mod job;
mod round;
mod variant;

pub use algorithm::Uhash;

#[cfg(feature = "plugin")]
adit_plugin::export!(Uhash);
