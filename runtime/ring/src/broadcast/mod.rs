//! The broadcast ring: one writer, up to [`MAX_READERS`] readers, each of which gets every message.
//!
//! One buffer of length-prefixed records as in [`crate::stream`], with a head for each reader, in that reader's
//! own memory. After Agrona's broadcast buffers (Thompson, Montgomery: the intent is published before what it
//! destroys, and a reader looks at it again after it has copied) and Boehm, "Can seqlocks get along with
//! programming language memory models?" (2012).
//!
//! ```text
//!  position p  ──►  index p & mask             record: a header word, then the payload, whole words
//!                                              ┌─────────────┬──────────┬──────────────┬─────────┬─────────┐
//!                                              │ length: 28b │ skip: 1b │ sequence: 35b│ payload │ padding │
//!                                              └─────────────┴──────────┴──────────────┴─────────┴─────────┘
//!  words  │ being overwritten │ record │ record │ record │ record │ committed │ free │ skip │
//!                             ▲        ▲                 ▲        ▲           ▲
//!                             oldest   a head            newest   tail        private tail
//! ```
//!
//! A descriptor, which stands for what lies in an [arena](crate::stream::arena), has the length and the skip bit all set.
//!
//! Two policies, chosen by the writer for the life of the ring:
//!
//! * **lossless**: the writer waits for the slowest reader ([`Producer`], [`Consumer`]). Who leaves or dies is
//!   taken out ([`Producer::leave`]), and holds up nobody any more.
//! * **overwrite**: the writer never waits ([`Producer`], [`Follower`]). A follower that was lapped counts what
//!   it lost and goes on at the oldest record that is whole, or takes the newest alone
//!   ([`Follower::copy_newest`]), which is a channel where the latest value wins.
//!
//! | field | written by | in whose memory |
//! |---|---|---|
//! | words (headers and payload) | producer | producer's |
//! | `tail`, `waiting`, `newest`, `count`; `oldest` | producer | producer's |
//! | `starts[slot]`: where the reader in that slot begins | producer | producer's |
//! | `head`, `waiting` | each reader | its own |
//! | capacities, masks, copies of others' cursors | each end | private |
//!
//! Order: the producer's release of `tail` pairs with a reader's acquire of it: records are whole before they are
//! read. Lossless: a reader's release of its head pairs with the producer's acquire: a record
//! is read before it is overwritten. Overwrite: the producer stores `oldest`, then a release fence, then words;
//! a follower loads words, then an acquire fence, then `oldest`: whoever saw a word of the new lap sees an
//! `oldest` beyond the record it copied, and throws the copy away.
//!
//! Either end can sleep, as in the stream ring; a writer that waits for room sleeps on the slowest head.
//!
//! ```
//! use adit_ring::broadcast::{Consumer, Policy, Producer, ReaderCell, StartCell, WriterCell, Word};
//!
//! let words: Vec<Word> = (0..512).map(|_| Word::default()).collect();
//! let (writer, starts) = (WriterCell::default(), [const { StartCell::new() }; 64]);
//! let readers = [ReaderCell::default(), ReaderCell::default()];
//! let mut producer = Producer::new((&words[..], &writer, &starts), Policy::Lossless)?;
//! let mut consumers = Vec::new();
//! for (slot, cell) in readers.iter().enumerate() {
//!     producer.join(slot, cell)?;
//!     let memory = (&words[..], &writer, &starts[slot], cell);
//!     consumers.push(Consumer::join(memory)?.expect("the writer has set its start"));
//! }
//! producer.try_push(b"to everybody")?;
//! for consumer in &mut consumers {
//!     let mut copy = [0; 12];
//!     assert_eq!(consumer.try_pop(&mut copy)?, Some(12));
//!     assert_eq!(&copy, b"to everybody");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cell;
mod claim;
mod consumer;
mod error;
mod follower;
mod producer;
mod record;

#[cfg(all(test, loom))]
mod arena_loom_tests;
#[cfg(all(test, not(loom)))]
mod arena_tests;
#[cfg(all(test, not(loom)))]
mod hostile_tests;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(test, not(loom)))]
mod thread_tests;

pub use cell::{ReaderCell, ReaderMemory, StartCell, WriterCell, WriterMemory};
pub use claim::Claim;
pub use consumer::{Consumer, Record};
pub use error::JoinError;
pub use follower::Follower;
pub use producer::{Policy, Producer};

pub use crate::stream::{BadCapacity, Bytes, PopError, PushError, ResumeError, longest};
pub use crate::word::{ReadWord, Word};

/// The most readers of a ring at one time.
pub const MAX_READERS: usize = 64;

/// No position that is joined at is higher, so that adding a ring's length never overflows: an exabyte.
const MAX_POSITION: u64 = 1 << 60;

fn is_aligned(position: u64) -> bool {
    position.is_multiple_of(record::WORD)
}
