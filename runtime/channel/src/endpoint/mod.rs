//! Channels: senders and receivers of messages, between threads or between processes.
//!
//! A channel is named by a [URI](crate::uri) and opened from both sides with the same capacity, mode and
//! message kind. It is made of lanes, one for each sender: nobody contends on a shared tail, and a sender that
//! dies hurts only its own lane.
//!
//! * [`Sender`]: copies a message in, or claims room and fills it in place.
//! * [`Receiver`]: copies a message out, or reads it in place; takes the lanes in turn.
//! * [`TypedSender`] and [`TypedReceiver`]: the same for messages of one type, which is the fastest way.
//! * Senders come and go while the receiver lives. The receiver hears of it ([`RecvError::Disconnected`])
//!   when the last of them is gone and all that they sent was received; a later sender makes the channel work
//!   again. A sender whose receiver is gone stays disconnected: open another.
//! * Each end waits in its own way ([`Waiting`]), and each counts what it did ([`Counters`]).
//!
//! ```
//! use std::time::Duration;
//! use adit_channel::{Channel, Mode};
//!
//! let channel = Channel::builder("memory://squares")?.capacity(1 << 16).mode(Mode::Mpsc);
//! let mut receiver = channel.receiver()?;
//! let mut workers = Vec::new();
//! for part in 0..2_u64 {
//!     let mut sender = channel.sender()?;
//!     workers.push(std::thread::spawn(move || {
//!         for number in part * 50..part * 50 + 50 {
//!             sender.send(&(number * number).to_le_bytes(), Duration::MAX).unwrap();
//!         }
//!     }));
//! }
//! let mut sum = 0;
//! for message in receiver.messages() {
//!     sum += u64::from_le_bytes(message?.try_into().unwrap());
//! }
//! assert_eq!(sum, 328_350);
//! # for worker in workers { worker.join().unwrap(); }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod arena_mode_tests;
#[cfg(test)]
mod arena_tests;
mod asynchronous;
mod builder;
mod claim;
mod credit;
mod error;
mod inbox;
mod latency;
#[cfg(test)]
mod mode_tests;
mod open_error;
mod open_receiver;
mod open_sender;
mod outbox;
mod placement;
mod receiver;
#[cfg(test)]
mod rule_tests;
mod sender;
#[cfg(test)]
mod slot_tests;
mod spread;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod thread_tests;
#[cfg(test)]
mod turn_tests;
mod typed;
#[cfg(test)]
mod typed_tests;
mod wait;

pub use asynchronous::Event;
pub use builder::{Acknowledge, Builder, Channel, DEFAULT_CAPACITY};
pub use claim::Claim;
pub use error::{BatchError, RecvError, SendError};
pub use inbox::MAX_SENDERS;
pub(crate) use inbox::{Inbox, LaneSource, Ticket};
pub(crate) use open_error::Failed;
pub use open_error::{OpenError, OpenFailure};
pub(crate) use open_receiver::OtherFound;
pub use open_receiver::{Message, Messages, Receiver};
pub use open_sender::Sender;
pub use outbox::MAX_RECEIVERS;
pub(crate) use outbox::Outbox;
pub use placement::Placement;
pub(crate) use placement::Wish;
pub use receiver::Departed;
pub(crate) use receiver::FarFound;
pub use sender::{OnFull, Pushed};
pub use typed::{Plain, SlotBuilder, SlotReceiver, SlotSender, TypedBuilder, TypedReceiver, TypedSender};
pub use wait::Waiting;
pub(crate) use wait::{Pause, Wait};

pub use crate::lane::{Counters, DisconnectCause, MAX_TYPE_NAME, MessageKind, Mode};
pub use adit_memory::{Pages, Report};
pub use adit_ring::stream::{Bytes, Pieces, PiecesMut, pieces, pieces_mut};
