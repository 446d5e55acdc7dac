//! Endpoints over rings.
//!
//! * [`endpoint`]: channels: senders and receivers of messages, between threads or between processes.
//! * [`kept`]: channels that survive their processes.
//! * [`uri`]: how channels are named.
//! * [`inspect`]: what the channels of this user are doing, seen from outside.
//! * [`latency`]: how long messages take, where it is asked for.
//! * [`session`]: a device session, the pair of rings that every device is.
//! * [`futex`]: how a reader sleeps and a writer wakes it, across processes.
//!
//! ```
//! use std::time::Duration;
//! use adit_channel::Channel;
//!
//! let channel = Channel::builder("memory://frames")?;
//! let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
//! sender.send(b"hello", Duration::from_secs(1))?;
//! let mut buffer = [0; 16];
//! assert_eq!(receiver.recv(&mut buffer, Duration::from_secs(1))?, Some(5));
//! assert_eq!(&buffer[..5], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod endpoint;
pub mod futex;
pub mod inspect;
pub mod kept;
pub mod latency;
pub mod session;
pub mod uri;

mod broadcast;
mod codec;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod lane;
mod sleeper;
mod transport;

pub use codec::Compression;
pub use endpoint::{
    Acknowledge, Builder, Bytes, Channel, Claim, Counters, DisconnectCause, Message, MessageKind, Mode,
    OnFull, OpenError, OpenFailure, Pages, Pieces, PiecesMut, Placement, Plain, Receiver, RecvError,
    SendError, Sender, SlotBuilder, SlotReceiver, SlotSender, TypedBuilder, TypedReceiver, TypedSender,
    Waiting, pieces, pieces_mut,
};
pub use transport::{
    net::{BadFrame, Driver, DriverUsed, NetworkOptions, NetworkReport, Reconnect},
    udp::Datagrams,
};
