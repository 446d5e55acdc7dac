//! The stream ring: one writer, one reader, messages of any length.
//!
//! Length-prefixed records in a power-of-two buffer, after Agrona's ring buffers (Thompson, Montgomery),
//! reduced to one writer and one reader with stale private copies of the other's cursor (as in FastForward
//! and MCRingBuffer: Giacomoni 2008, Lee 2010). One store publishes any number of records.
//!
//! ```text
//!  position p  ──►  index p & mask             record: a header word, then the payload, whole words
//!                                              ┌────────────┬───────────┬────────────────────┬─────────┐
//!                                              │ length: u32│ kind: u32 │ payload: length    │ padding │
//!                                              └────────────┴───────────┴────────────────────┴─────────┘
//!                                               low half     high half: 1 = message, 2 = skip
//!  words  │ free │ record │ record │ record │ record │ claimed │ free │ skip │
//!                ▲                 ▲                 ▲                        ▲
//!                head              tail              private tail             end of the buffer
//!                read up to here   published         committed, unpublished
//! ```
//!
//! Positions count bytes, are never masked and are multiples of 8. A record never crosses the end of the
//! buffer: one that does not fit before it starts at index 0, and a skip record fills the rest, published
//! together with the record after it. A record takes a quarter of the ring at most, so that a skip and a
//! record always fit beside what a reader may still hold back (less than another quarter), and so that both
//! ends can work at once.
//!
//! | field | written by | in whose memory |
//! |---|---|---|
//! | words (headers and payload) | producer | producer's |
//! | `writer.position` (tail), `writer.waiting` | producer | producer's |
//! | `reader.position` (head), `reader.waiting` | consumer | consumer's |
//! | private tail, cached head, mask | producer | private |
//! | private head, cached tail, mask | consumer | private |
//!
//! Order: the producer's release of the tail pairs with the consumer's acquire of it (records are whole
//! before they are read); the consumer's release of the head pairs with the producer's acquire of it
//! (records are read before they are overwritten).
//!
//! Either end can sleep. It announces in `waiting` the lowest value of the other's cursor that it can go on
//! with (0: awake) and sleeps on the low half of that cursor; see [`crate::park`]. A ring holds less than
//! 2^32 bytes, so a cursor never comes round to the same low half under a sleeper.
//!
//! What is published in batches is not seen before [`Producer::flush`]; what is committed is published when
//! the producer is dropped, and by then at the latest. A writer that is killed leaves nothing half-way.
//!
//! ```
//! use adit_ring::stream::{Consumer, CursorCell, Producer, Word};
//!
//! let words: Vec<Word> = (0..512).map(|_| Word::default()).collect();
//! let (writer, reader) = (CursorCell::default(), CursorCell::default());
//! let mut producer = Producer::new((&words[..], &writer, &reader))?;
//! let mut consumer = Consumer::new((&words[..], &writer, &reader))?;
//!
//! producer.try_push(b"copied in")?;
//! let mut claim = producer.claim(100)?;
//! claim.write(0, b"filled in place");
//! claim.commit_first(15);
//!
//! let mut copy = [0; 100];
//! assert_eq!(consumer.try_pop(&mut copy)?, Some(9));
//! assert_eq!(&copy[..9], b"copied in");
//! let record = consumer.read()?.expect("two were written");
//! record.bytes().copy_to(7, &mut copy[..8]);
//! assert_eq!(&copy[..8], b"in place");
//! drop(record);
//! assert!(consumer.read()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod arena;
mod bytes;
mod cell;
mod claim;
mod consumer;
pub(crate) mod copy;
mod error;
mod framing;
mod pieces;
mod producer;
mod record;
mod slot;
#[cfg_attr(not(all(target_arch = "x86_64", not(any(loom, miri, tsan)))), path = "narrow.rs")]
pub(crate) mod wide;

#[cfg(all(test, not(loom)))]
mod fixed_tests;
#[cfg(all(test, not(loom)))]
mod full_slot_tests;
#[cfg(all(test, not(loom)))]
mod hostile_tests;
#[cfg(all(test, loom))]
mod lanes_loom_tests;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod slot_tests;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(test, not(loom)))]
mod thread_tests;

pub use bytes::Bytes;
pub use cell::{CursorCell, StreamMemory};
pub use claim::Claim;
pub use consumer::{Consumer, Finished, Record, run::Run, slot::SlotSteps, steps::Steps};
pub use error::{BadCapacity, BadSize, FramingError, PopError, PushError, ResumeError};
pub use framing::Framing;
pub use pieces::{Pieces, PiecesMut, pieces, pieces_mut};
pub use producer::{Producer, Slot};
pub use slot::{FULL_SLOT_WORDS, SLOT, SLOT_PAYLOAD, SLOT_WORDS, masked};

pub use crate::word::{ReadWord, Word};

/// The smallest ring, in bytes.
pub const MIN_CAPACITY: usize = 64;

/// The largest ring, in bytes.
pub const MAX_CAPACITY: usize = 1 << 30;

/// The longest payload in a ring of `capacity` bytes: a quarter of it, less the header.
#[must_use]
pub const fn longest(capacity: usize) -> usize {
    (capacity / 4).saturating_sub(record::WORD as usize)
}

/// The largest messages of one size in a ring of `capacity` bytes: a quarter of it.
#[must_use]
pub const fn longest_fixed(capacity: usize) -> usize {
    capacity / 4
}

/// No position that is resumed from is higher, so that adding a ring's length never overflows: an exabyte.
const MAX_POSITION: u64 = 1 << 60;

pub(crate) fn check_capacity(words: usize) -> Result<u64, BadCapacity> {
    let bytes = words.saturating_mul(size_of::<u64>());
    if bytes.is_power_of_two() && (MIN_CAPACITY..=MAX_CAPACITY).contains(&bytes) {
        Ok(bytes as u64)
    } else {
        Err(BadCapacity(bytes))
    }
}
