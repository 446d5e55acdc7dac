//! Broadcast: one sender's ring, read by many receivers, each with a cursor in its own region.
//!
//! ```text
//!  sender's region                               receiver's region
//!     0  header: magic, version, type, sizes        0  header: the same of this end
//!    64  tail, waiting, newest, count              64  cursor: head, waiting
//!   128  closed                                   128  closed
//!   192  counters                                 192  counters
//!   256  oldest
//!   320  starts: where the receiver in each of 64 slots begins
//!  1344  policy: 1 lossless, 2 overwrite, 3 latest
//!  4096  the ring's words
//!   ...  the arena, if there is one: at a multiple of 2 MiB
//! ```
//!
//! The first 256 bytes are those of a lane, so that closing, deaths and counters work as there.
//! spec: CHN-6.2

mod memory;
mod receiver;
mod roster;
mod sender;

use std::{any::Any, sync::Arc};

use adit_memory::Region;

/// What a transport gives a sender: its region, who receives, and what it must hold.
pub(crate) type Opened = (Arc<Region>, Arc<Roster>, Box<dyn Any + Send>);

pub(crate) use memory::{Policy, ReaderRegions};
pub(crate) use receiver::{BroadcastMessage, BroadcastReceiver, FarFromAll, Piece, Tap};
pub(crate) use roster::{Arrival, Roster, Slot};
pub(crate) use sender::{BroadcastClaim, BroadcastSender, FarToAll, RoomForAll};
