//! Lock-free algorithms over borrowed memory: no system calls, and no allocation but a list that the writer of an
//! arena keeps.
//!
//! * [`slot`]: the slot ring, one writer and one reader, messages of 56 bytes.
//! * [`stream`]: the stream ring, one writer, one reader, messages of any length.
//! * [`broadcast`]: the broadcast ring, one writer, many readers that each get everything.
//! * [`board`]: a sequence lock, for a value that is replaced and read whole.
//! * [`stamp`]: times beside a ring, for latencies.
//! * [`park`]: what an end that sleeps and one that publishes ask of the system.
//!
//! The same code runs on heap memory and on memory that two processes share. Whatever a peer can write is
//! read through atomics, once, into a local, and bounded by what this side owns before it is used; a peer
//! that breaks the rules is an error ([`Misbehaved`]), never a panic and never a wrong address.
//!
//! Every algorithm is checked by loom: `RUSTFLAGS="--cfg loom" cargo test -p adit-ring --release`.
//!
//! ```
//! use adit_ring::slot::{Consumer, Producer, ReaderCell, SlotCell};
//!
//! let slots: Vec<SlotCell> = (0..8).map(|_| SlotCell::default()).collect();
//! let reader = ReaderCell::default();
//! let mut producer = Producer::new((&slots[..], &reader))?;
//! let mut consumer = Consumer::new((&slots[..], &reader))?;
//! producer.try_push(&[1, 2, 3, 4, 5, 6, 7])?;
//! assert_eq!(consumer.try_pop()?, Some([1, 2, 3, 4, 5, 6, 7]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fetch;
mod primitive;
mod word;

pub mod board;
pub mod broadcast;
pub mod park;
pub mod slot;
pub mod stamp;
pub mod stream;

use std::fmt;

/// The peer wrote something that no correct peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaved {
    /// A reader's head that moved backwards, past what was written, or off its grid.
    Head {
        /// What the peer wrote.
        head: u64,
        /// The lowest value that would have been right.
        lowest: u64,
        /// The highest value that would have been right.
        highest: u64,
    },
    /// A slot's sequence that belongs to neither this lap nor the one before.
    Sequence {
        /// The position that was to be read.
        position: u64,
        /// What the peer wrote.
        sequence: u64,
    },
    /// A writer's tail that moved backwards, past what was read by more than a ring, or off its grid.
    Tail {
        /// What the peer wrote.
        tail: u64,
        /// The lowest value that would have been right.
        lowest: u64,
        /// The highest value that would have been right.
        highest: u64,
    },
    /// Another shared word that no correct peer writes so.
    Value {
        /// Which one.
        name: &'static str,
        /// What the peer wrote.
        value: u64,
        /// The lowest value that would have been right.
        lowest: u64,
        /// The highest value that would have been right.
        highest: u64,
    },
    /// A record whose kind or length is not possible where it stands.
    Record {
        /// The position that was to be read.
        position: u64,
        /// What the peer wrote: the length in the low half, the kind in the high one.
        header: u64,
    },
    /// A descriptor of what no block of the arena can be.
    Descriptor {
        /// The position of its record.
        position: u64,
        /// Where the block would begin.
        offset: u64,
        /// How long the message would be.
        length: u64,
    },
}

impl fmt::Display for Misbehaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { head, lowest, highest } => {
                write!(
                    f,
                    "the peer's head is {head}, which is not between two messages within {lowest}..={highest}"
                )
            }
            Self::Sequence { position, sequence } => {
                write!(f, "the slot for position {position} has sequence {sequence}, of no lap that is due")
            }
            Self::Tail { tail, lowest, highest } => {
                write!(
                    f,
                    "the peer's tail is {tail}, which is not between two messages within {lowest}..={highest}"
                )
            }
            Self::Value { name, value, lowest, highest } => {
                write!(
                    f,
                    "the peer's {name} is {value}, which is not a multiple of 8 within {lowest}..={highest}"
                )
            }
            Self::Record { position, header } => {
                write!(
                    f,
                    "the record at position {position} has header {header:#x}, which is not possible there"
                )
            }
            Self::Descriptor { position, offset, length } => {
                write!(
                    f,
                    "the record at position {position} describes {length} bytes at {offset} of the arena, \
                     where no such block can be"
                )
            }
        }
    }
}

impl std::error::Error for Misbehaved {}
