//! Channels that survive their processes: `file:///path/frames.ring` and `shm://frames`.
//!
//! They are opened as any other channel. The first end makes the file (or the named segment); each end is taken
//! up again after its process died, and goes on where it stood:
//!
//! * **What a sender committed arrives**, in its order, also when both processes died before it was read. What
//!   was not published by then (see [`publish_every`](crate::Builder::publish_every)) never existed.
//! * **A receiver goes on after what it acknowledged.** What it read after that comes again: up to a quarter of
//!   the ring ([`Acknowledge::Lazily`](crate::Acknowledge)), or at most the one message that it was reading
//!   ([`Acknowledge::Each`](crate::Acknowledge)), which counts as read when its
//!   [`Message`](crate::Message) is dropped. No channel can know whether a receiver that died had acted on that
//!   message. One that must act once notes [`Message::position`](crate::Message::position) together with the
//!   action, and passes over positions that it has noted: positions only rise, also across deaths. A message
//!   that is copied out (`recv`) counts as read at once, and is lost with a receiver that dies before it acts.
//! * **One sender and one receiver at a time** (of each lane, where many may send): a second one is refused while
//!   the first lives, and takes over when it is dead. The kernel knows: each end holds a lock of the file.
//! * **Nobody needs to be there.** A sender fills the ring without a receiver, then waits for room; it is never
//!   disconnected. A receiver reads what is there, then hears
//!   [`Disconnected`](crate::RecvError::Disconnected) until another sender comes; before the first one ever came
//!   it waits.
//!
//! A channel of messages of any length may have an [arena](crate::Builder::arena), which survives as the ring does: a message
//! that lies in it is whole, and is not written over before it was acknowledged, whoever has come and gone meanwhile.
//!
//! The bytes survive processes, not a crash of the machine: the kernel writes them to the disk when it likes. A
//! file belongs on a local file system. Whoever truncates it while it is mapped ends both processes with SIGBUS
//! ([`adit_memory::Home`] says what is done against accidents).
//!
//! `examples/journal.rs` is a program of this.
//!
//! Nothing removes a channel by itself. [`list_files`], [`list_shared`] and [`clean`] are for that, and so is
//! `adit channels kept`.
//!
//! ```
//! use std::time::Duration;
//! use adit_channel::{Channel, kept};
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("journal.ring");
//! let journal = Channel::builder(&format!("file://{}", path.display()))?.capacity(1 << 16);
//! // One process ...
//! journal.sender()?.try_send(b"before the end")?;
//! // ... and after it, another.
//! let mut receiver = journal.receiver()?;
//! let message = receiver.read()?.expect("it was sent");
//! assert_eq!(message.to_vec(), b"before the end");
//! drop(message);
//! drop(receiver);
//!
//! let found = kept::list_files(folder.path())?;
//! assert!(!found[0].is_used() && found[0].unread() == 0);
//! assert!(kept::clean(&found[0].home)?);
//! assert!(!path.exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use crate::transport::kept::{KeptChannel, KeptLane, clean, list_files, list_shared};
pub use adit_memory::Home;
