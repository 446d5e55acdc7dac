//! All that the author of an algorithm sees.
//!
//! An [`Algorithm`] says how its work is laid out ([`Layout`]), how one header is hashed
//! ([`Algorithm::digest`], the oracle for every device) and how a CPU searches a range of nonces
//! ([`Algorithm::searcher`]), perhaps in several variants of which the fastest is
//! [measured](choose). The host knows nothing else about it: adding an algorithm edits no
//! file of the host.
//!
//! An algorithm is linked into a program, or [exported](export!) and built as a shared object that
//! `adit --plugin` loads.
//!
//! Digests and targets are 256-bit integers whose first byte is the least significant, as both
//! Bitcoin and Chainweb define theirs; people read and write them as 64 hex digits, most
//! significant first.

#![deny(unsafe_code)]

mod algorithm;
pub mod bench;
pub mod bitcoin;
pub mod choose;
mod export;
pub mod kernels;
pub mod lanes;
pub mod scratch;
pub mod search;
mod u256;
mod variants;

/// What [`export!`] writes into a plugin; nothing here is for people.
#[doc(hidden)]
pub mod exported {
    pub use crate::export::{Home, Plugin, Shared, entry};
}

pub use algorithm::{Algorithm, DevBlock, Hits, Layout, LayoutError, Searcher, Variant};
pub use u256::{Digest, ParseU256Error, Target};
pub use variants::{Entry, Variants};
