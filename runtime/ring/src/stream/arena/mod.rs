//! An arena beside a ring: for messages too long to be copied through it.
//!
//! A slab of memory, used from front to back as the ring is: first in, first out. A message lies in it in one
//! piece, and a record in the ring, the *descriptor*, says where. The ring's cursors are the arena's as well: who
//! has read the record has read the block, so no other word is shared and no other order is needed.
//!
//! ```text
//!  ring    │ message │ descriptor │ message │ descriptor │ free │
//!                        │                       │
//!                ┌───────┘         ┌─────────────┘        blocks begin at multiples of 64
//!                ▼                 ▼
//!  arena   │ free│ block           │ block      │ free           │
//!                ▲                              ▲
//!                oldest not read                tail (both private to the writer)
//! ```
//!
//! A block never crosses the end: one that does not fit before it begins at offset 0. It does so as well when
//! everything was read, so that a reader which keeps up finds its messages in memory that is still cached. So a
//! block begins where the one before it ended, or at 0; a reader refuses what is anywhere else.
//!
//! | field | written by | in whose memory |
//! |---|---|---|
//! | the arena's words | writer | writer's |
//! | descriptors | writer | writer's, in the ring |
//! | tail, and for each block the ring's position behind its descriptor | writer | private |
//! | where the last block ended | reader | private |
//!
//! Order: as in the [ring](super). The release of the tail that publishes the descriptor pairs with the reader's
//! acquire of it (the block is whole before it is read); the release of the head that passes the descriptor pairs
//! with the writer's acquire of it (the block is read before it is written again). A reader publishes its head
//! after each descriptor, not a quarter of the ring late: the ring is small, and what it describes is not.
//!
//! Beside a [broadcast](crate::broadcast) ring there is one arena for all readers. In a lossless one a block is free when
//! the slowest head has passed its descriptor; each head is acquired. A reader that comes late does not know where its
//! first block is due, and takes any place. In a ring that is overwritten a block is given up with its descriptor, before
//! it is written again; a [follower](crate::broadcast::Follower::copy_far) copies, and looks then whether it was.
//!
//! A claim that is dropped, and a writer that dies in one, leave nothing behind: what no descriptor names was never
//! there.
//!
//! ```
//! use adit_ring::stream::{Consumer, CursorCell, Producer, Word, arena::{ArenaReader, ArenaWriter}};
//!
//! let words = |count: usize| (0..count).map(|_| Word::default()).collect::<Vec<_>>();
//! let (ring, slab) = (words(64), words(16384));
//! let (writer, reader) = (CursorCell::default(), CursorCell::default());
//! let mut producer = Producer::new((&ring[..], &writer, &reader))?;
//! let mut consumer = Consumer::new((&ring[..], &writer, &reader))?;
//! let mut arena = ArenaWriter::new(&slab[..])?;
//! let mut blocks = ArenaReader::new(&slab[..])?;
//!
//! let mut claim = arena.claim(&mut producer, 100_000)?;
//! claim.write(99_990, b"0123456789");
//! claim.commit();
//!
//! let (consumer, refused) = consumer.read_or_back().expect_err("it is not in the ring");
//! let block = blocks.read(consumer, refused)?;
//! let mut end = [0; 10];
//! block.bytes().copy_to(99_990, &mut end);
//! assert_eq!(&end, b"0123456789");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod ends;
#[cfg(all(test, not(loom)))]
mod hostile_tests;
#[cfg(all(test, loom))]
mod loom_tests;
mod reader;
#[cfg(all(test, not(loom)))]
mod tests;
mod writer;

pub use reader::{ArenaReader, Block};
pub use writer::{ArenaClaim, ArenaWriter};

use std::fmt;

/// Where blocks begin, and what they take, are multiples of this.
const UNIT: u64 = adit_abi::LANE_BLOCK_UNIT as u64;

/// Bytes that a descriptor takes in the ring, with its header.
const DESCRIPTOR_SIZE: u64 = 8 + size_of::<adit_abi::Descriptor>() as u64;

/// The largest arena, in bytes.
pub const MAX_SIZE: u64 = 1 << 40;

/// A number of bytes that no arena has: it must be a multiple of 64 and at most [`MAX_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArena(pub u64);

impl fmt::Display for BadArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an arena of {} bytes: it must be a multiple of {UNIT} from {UNIT} to {MAX_SIZE}", self.0)
    }
}

impl std::error::Error for BadArena {}

/// Whether a block may lie there in an arena of `size` bytes, whatever lay before it.
pub(crate) fn is_block(offset: u64, length: u64, size: u64) -> bool {
    offset.is_multiple_of(UNIT) && offset < size && length <= size - offset
}

fn check_size(words: usize) -> Result<u64, BadArena> {
    let size = (words as u64).saturating_mul(8);
    if size.is_multiple_of(UNIT) && (UNIT..=MAX_SIZE).contains(&size) {
        Ok(size)
    } else {
        Err(BadArena(size))
    }
}
