//! The slot ring: one writer, one reader, messages of seven 64-bit words.
//!
//! The sequence stands in the slot, beside the payload, so that one cache line moves for each message
//! (after the in-slot sequence of Vyukov's bounded queue, 2010, reduced to one writer and one reader).
//!
//! ```text
//!  position p  ──►  index p & mask        slot: 64 bytes, one cache line
//!                                         ┌────────────────────────────┬──────────┐
//!   slots  │ 0 │ 1 │ 2 │ 3 │ ...          │ payload: 7 × u64           │ sequence │
//!                    ▲       ▲            └────────────────────────────┴──────────┘
//!                    head    tail         holds message p  ⇔  sequence == p + 1
//! ```
//!
//! | field | written by | in whose memory |
//! |---|---|---|
//! | slot payload, `sequence` | producer | producer's |
//! | `head`, `waiting` | consumer | consumer's |
//! | tail, cached head, mask | producer | private |
//! | own head, mask | consumer | private |
//!
//! Order: the producer's release of `sequence` pairs with the consumer's acquire of it (payload is whole
//! before it is read); the consumer's release of `head` pairs with the producer's acquire of it (payload
//! is read before it is overwritten).

mod cell;
mod consumer;
mod producer;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;

pub use cell::{ReaderCell, SlotCell, SlotMemory};
pub use consumer::Consumer;
pub use producer::{Full, Producer};

pub use crate::park::SleepOn;

/// A message: 56 bytes as seven little-endian words.
pub type Payload = [u64; 7];

/// A number of slots that is no power of two, below 2 or above 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCapacity(pub usize);

impl fmt::Display for BadCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a ring of {} slots: it must be a power of two from 2 to {}",
            self.0,
            adit_abi::MAX_RING_SLOTS
        )
    }
}

impl std::error::Error for BadCapacity {}

fn check_capacity(slots: usize) -> Result<u64, BadCapacity> {
    if slots.is_power_of_two() && (2..=adit_abi::MAX_RING_SLOTS as usize).contains(&slots) {
        Ok(slots as u64)
    } else {
        Err(BadCapacity(slots))
    }
}
