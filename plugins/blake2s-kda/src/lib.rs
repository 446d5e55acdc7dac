//! Kadena's Chainweb proof of work as an Adit algorithm: blake2s-256, unkeyed.
//!
//! A header has 286 bytes, all integers little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0-7 | flags |
//! | 8-15 | creation time, microseconds since 1970, signed |
//! | 16-47 | digest of the block before |
//! | 48-49 | count of adjacent chains, 3 |
//! | 50-157 | for each of them its chain id (4 bytes) and the digest of its block (32 bytes) |
//! | 158-189 | target |
//! | 190-221 | digest of the payload |
//! | 222-225 | chain id |
//! | 226-257 | weight |
//! | 258-265 | height |
//! | 266-269 | version of the network: 5 mainnet, 7 testnet, 1 development |
//! | 270-277 | start of the epoch, microseconds since 1970, signed |
//! | 278-285 | nonce |
//!
//! Descriptions of 2019 have nonce and flags the other way round; blocks on the chain are as above.
//!
//! [`Blake2sKda`] hashes whole headers with the `blake2s_simd` crate; its searcher has a
//! compression function of its own, so that each checks the other.
//!
//! The folder `vectors` holds a header with its digest and nonces that a search must find, as text
//! that programs in any language can read.

#![deny(unsafe_code)]

mod algorithm;
mod compress;
mod job;
mod kernel;
mod lanes;
mod variant;

pub use algorithm::Blake2sKda;

#[cfg(feature = "plugin")]
adit_plugin::export!(Blake2sKda);
