//! A lane: one writer, one reader, a stream ring between two regions.
//!
//! Each end writes only the region that it owns; the other maps it read-only where they are two processes.
//!
//! ```text
//!  writer's region                               reader's region
//!     0  header: magic, version, type, sizes        0  header: the same of this end
//!    64  cursor: tail, waiting                     64  cursor: head, waiting
//!   128  closed                                   128  closed
//!   192  counters                                 192  counters
//!  4096  the ring's words
//!   ...  the arena, if there is one: at a multiple of 2 MiB
//! ```
//!
//! The header is written before the peer sees the region and never again. `closed` goes from 0 to 1 once. The
//! lines are apart because they are written at different rates: a reader that spins looks at the tail and at
//! `closed`, which must not be fetched again because a counter changed.

mod end;
mod gather;
mod header;
mod latency;
mod memory;
mod pump;
mod reader;
mod sleep;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use end::{Counters, DisconnectCause};
pub(crate) use end::{End, Link};
pub(crate) use header::{CURSOR, PID};
pub(crate) use header::{
    LARGEST_WRITER, LAYOUT_VERSION, MAX_ARENA, READER_SIZE, Side, Spec, bytes as header_bytes,
    check as check_header, write as write_header, writer_size,
};
pub use header::{MAX_TYPE_NAME, MessageKind, Mode};
#[cfg(test)]
pub(crate) use memory::LaneMemory;
#[cfg(fuzzing)]
pub(crate) use memory::Page as HeaderWords;
pub(crate) use memory::Slab;
pub(crate) use pump::{Drain, Pump, Source, drained};
pub use reader::Message;
pub(crate) use reader::{FarMessage, Lent, Peek, ReaderLane, Refused, Slots, Steps};
pub(crate) use sleep::{LONG_SLEEP, SHORT_SLEEP, SOCKET_SLEEP};
pub(crate) use view::{LaneView, of_broadcast};
pub use writer::Claim;
pub(crate) use writer::{FarClaim, InTurn, NoRoom, SHORT, WriterLane, arena_memory};

pub(crate) use adit_ring::stream::Run;

use std::sync::Arc;

use adit_memory::{MemoryError, Options, Region};

/// The most bytes that a peer's reader region may have: 64 KiB, the largest page there is.
pub(crate) const MAX_READER: usize = 1 << 16;

/// Both ends of a lane in this process.
pub(crate) fn in_process(spec: &Spec, options: &Options) -> Result<(WriterLane, ReaderLane), MemoryError> {
    let writer = Arc::new(Region::heap_with(spec.writer_size(), options)?);
    let reader = Arc::new(Region::heap_with(
        header::READER_SIZE,
        &Options { node: options.node, ..Options::default() },
    )?);
    header::write(&writer, header::Side::Writer, spec);
    header::write(&reader, header::Side::Reader, spec);
    let ends = (
        WriterLane::new(spec, Arc::clone(&writer), Arc::clone(&reader)),
        ReaderLane::new(spec, writer, reader),
    );
    Ok(ends)
}
