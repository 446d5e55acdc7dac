//! Where bytes come from: private memory, sealed memfds, files and named segments, huge pages, NUMA placement.
//! Linux only.
//!
//! A session has two regions, and each side writes only the one that it owns. The kernel holds this up,
//! through seals on the memfds, not anyone's good manners:
//!
//! | made by | sealed | the maker maps it | the peer can map it |
//! |---|---|---|---|
//! | [`create_owned`] | shrink, grow, future write, seal | writable, before the seal | read-only |
//! | [`create_for_peer`] | shrink, grow, seal | read-only | writable, with [`attach`] |
//! | [`Region::heap`] | private, no descriptor | writable | not at all |
//! | [`Home::create`], [`Home::open`] | cannot be; this user's alone | as each part is asked for | as it likes |
//!
//! Nothing here hands out a `&[u8]`: a peer may change any byte at any time, so a [`Region`] gives a
//! pointer, for atomics and for copies. Pages are reserved before the first use, so that a full machine is
//! an error at the start and not a SIGBUS in the middle; a memfd that its peer could shrink is refused by
//! [`attach`] for the same reason. [`Report`] tells which pages and which NUMA node came out, as the kernel
//! says afterwards.
//!
//! ```
//! use adit_memory::{Access, Options, attach, create_owned};
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! let (mine, segment) = create_owned("example", 4096, &Options::default())?;
//! let theirs = attach(segment.into_fd(), Access::ReadOnly, 1 << 20)?;
//!
//! let (write, read) = (mine.as_ptr().cast::<AtomicU64>(), theirs.as_ptr().cast::<AtomicU64>());
//! // SAFETY: both regions are page-aligned, longer than 8 bytes and outlive these borrows; every access to
//! // these 8 bytes is atomic, and the second pointer is only loaded from.
//! let (write, read) = unsafe { (write.as_ref(), read.as_ref()) };
//! write.store(42, Ordering::Release);
//! assert_eq!(read.load(Ordering::Acquire), 42);
//! # Ok::<(), adit_memory::MemoryError>(())
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("adit-memory is for Linux: it needs memfd_create and file seals");

mod aligned;
mod attach;
mod budget;
mod error;
mod kept;
mod numa;
mod pages;
mod region;
mod reserve;
mod segment;
mod shared;
mod transparent;

pub use attach::attach;
pub use error::MemoryError;
pub use kept::{Home, Kept, KeptError, KeptLock, MAX_PARTS, MAX_SHARED_NAME, PART};
pub use numa::current_node;
pub use pages::{Options, Pages, Report};
pub use region::{Access, Region};
pub use segment::{Segment, create_for_peer, create_owned};
