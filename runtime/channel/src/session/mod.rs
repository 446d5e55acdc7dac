//! A device session: two regions, two rings, a job board. `docs/spec/session.md` says what it means.
//!
//! The host makes one ([`HostSession::new`]), hands the peer's half over ([`PeerRegions`]), and the device
//! attaches ([`DeviceSession::attach`]). On heap memory both ends live in this process; on sealed memory
//! files the device is another process. It is the same code.
//!
//! ```
//! use std::time::Duration;
//! use adit_channel::session::{Backing, Board, DeviceMessage, DeviceSession, Hello, HostSession, PeerRegions, Sizes, Unit};
//!
//! let (mut host, peer) = HostSession::new(1, Sizes::default(), &Backing::Heap)?;
//! let PeerRegions::Mapped { host_region, device_region } = peer else { unreachable!() };
//! let mut device = DeviceSession::attach(host_region, device_region)?;
//!
//! device.hello(&Hello { name: "example", device: "none", language: "Rust", preferred_unit: 0 });
//! assert!(matches!(host.poll()?, Some(DeviceMessage::Hello)));
//!
//! let board = Board { generation: 1, algorithm: 7, header: &[0; 80], nonce_offset: 76, nonce_width: 4, target: [255; 32] };
//! let board_slot = host.publish(&board)?;
//! host.send(&Unit { board_slot, generation: 1, unit_id: 42, nonce_start: 0, nonce_count: 100 })?;
//!
//! let unit = device.next_unit(Duration::from_secs(1))?.expect("it was sent");
//! let mut job = adit_channel::session::JobCopy::default();
//! device.read_job(&unit, &mut job)?;
//! assert_eq!(job.header().len(), 80);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connect;
mod device;
mod error;
mod host;
mod layout;
mod live;
mod message;
mod serve;
mod view;

#[cfg(test)]
mod tests;

pub use device::{DeviceSession, Hello, JobCopy};
pub use error::{AttachError, PeerError, SessionError};
pub use host::{Backing, Board, HelloInfo, HostSession, PeerRegions, Status};
pub use layout::Sizes;
pub use live::LiveGeneration;
pub use message::{DeviceMessage, LogLevel, LogText, Unit, UnitDone, UnitStatus};
pub use serve::{Ended, SUB_BATCH, Search, serve};

/// What the host wants of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// Hash.
    Run,
    /// Keep everything, hash nothing.
    Pause,
    /// Give back what is unfinished and end.
    Stop,
}

impl ControlState {
    fn to_word(self) -> u32 {
        match self {
            Self::Run => adit_abi::CONTROL_RUN,
            Self::Pause => adit_abi::CONTROL_PAUSE,
            Self::Stop => adit_abi::CONTROL_STOP,
        }
    }

    /// Unknown words stop: a device that does not understand the host must not go on.
    fn from_word(word: u32) -> Self {
        match word {
            adit_abi::CONTROL_RUN => Self::Run,
            adit_abi::CONTROL_PAUSE => Self::Pause,
            _ => Self::Stop,
        }
    }
}
