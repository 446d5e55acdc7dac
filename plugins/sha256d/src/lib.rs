//! Bitcoin's double SHA-256 as an Adit algorithm.
//!
//! A header has 80 bytes, all integers little-endian:
//!
//! ```text
//!  0        4                  36                  68     72     76    80
//!  | version | previous digest  | Merkle root       | time | bits | nonce |
//!  |<-------------- first SHA-256 block, 64 bytes ------>|<- second block ->
//! ```
//!
//! The digest is `SHA-256(SHA-256(header))`, read as a 256-bit integer whose first byte is the
//! least significant. [`Sha256d`] hashes whole headers with the `sha2` crate; its searcher has a
//! compression function of its own, so that each checks the other.
//!
//! The folder `vectors` holds headers with their digests and nonces that a search must find, as
//! text that programs in any language can read.

#![deny(unsafe_code)]

mod algorithm;
mod compress;
mod job;
mod kernel;
mod schedule;
mod variant;

pub use algorithm::Sha256d;

#[cfg(feature = "plugin")]
adit_plugin::export!(Sha256d);
