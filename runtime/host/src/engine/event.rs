//! What the engine is told and what it wants done.

use std::{fmt, sync::Arc};

use adit_channel::session::UnitStatus;
use adit_plugin::{Algorithm, Digest, Target};

use crate::job::{Job, JobKey, Share};

/// Which device; the host's index for it, the same over restarts.
pub type DeviceId = usize;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A device said hello and takes units now. It holds none.
    DeviceUp {
        /// Which.
        device: DeviceId,
        /// Runs the host's own code: no canaries.
        trusted: bool,
        /// Nonces it likes at once; 0 for no preference.
        preferred_unit: u64,
    },
    /// A device is gone, whatever the reason; its leases go back.
    DeviceDown {
        /// Which.
        device: DeviceId,
    },
    /// Search this from now on.
    Job(Job),
    /// There is nothing to search.
    NoJob,
    /// A device found something, so it says.
    Solution {
        /// Which device.
        device: DeviceId,
        /// In which unit.
        unit: u64,
        /// The nonce.
        nonce: u64,
        /// The digest, as the device computed it.
        digest: Digest,
    },
    /// A device ended a unit.
    Done {
        /// Which device.
        device: DeviceId,
        /// Which unit.
        unit: u64,
        /// How it ended.
        status: UnitStatus,
        /// Nonces hashed from the unit's first on.
        hashes: u64,
    },
    /// A device failed at something and goes on.
    Error {
        /// Which device.
        device: DeviceId,
    },
}

/// A header as it goes on the job boards.
pub struct Header {
    /// Its number; a later header has a higher one.
    pub generation: u64,
    /// Which job it belongs to.
    pub job: JobKey,
    /// Which of the job's headers.
    pub roll: u64,
    /// How it is hashed.
    pub algorithm: Arc<dyn Algorithm>,
    /// The header.
    pub bytes: Vec<u8>,
    /// What devices are asked to report; easier than the job's in a canary.
    pub target: Target,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("generation", &self.generation)
            .field("job", &self.job)
            .field("roll", &self.roll)
            .finish_non_exhaustive()
    }
}

/// A unit on its way to a device.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Its number, unique in this engine's life.
    pub unit: u64,
    /// The header to search.
    pub header: Arc<Header>,
    /// First nonce.
    pub nonce_start: u64,
    /// How many.
    pub nonce_count: u64,
}

/// The engine wants something done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a unit.
    Send {
        /// To which device.
        device: DeviceId,
        /// What.
        assignment: Assignment,
    },
    /// Everything below this generation is dead: tell every device.
    RaiseGeneration(u64),
    /// Give a verified solution to the source.
    Submit {
        /// The device that found it.
        device: DeviceId,
        /// What.
        share: Share,
    },
    /// Every range of a job has been searched.
    Exhausted(JobKey),
    /// A device broke the rules or lied: end its session. The engine takes nothing from it until it is up
    /// again.
    Distrust {
        /// Which.
        device: DeviceId,
        /// What it did.
        reason: Fault,
    },
    /// A device cannot do this job's algorithm and gets no unit of it.
    Unable {
        /// Which.
        device: DeviceId,
        /// The algorithm's name.
        algorithm: &'static str,
    },
}

/// What a device did that no working device does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A digest that is not the nonce's.
    WrongDigest {
        /// The nonce.
        nonce: u64,
    },
    /// A digest that does not meet the target it was asked for.
    AboveTarget {
        /// The nonce.
        nonce: u64,
    },
    /// A nonce outside its unit.
    OutsideUnit {
        /// The nonce.
        nonce: u64,
        /// The unit.
        unit: u64,
    },
    /// Something about a unit that it does not hold.
    UnknownUnit {
        /// The unit.
        unit: u64,
    },
    /// A unit that is complete with another number of hashes than it has nonces.
    WrongCount {
        /// What it said.
        said: u64,
        /// What it was given.
        given: u64,
    },
    /// It searched a range and missed a nonce that the host knows of.
    MissedCanary {
        /// The nonce.
        nonce: u64,
    },
    /// It refuses unit after unit.
    Refuses(UnitStatus),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongDigest { nonce } => write!(f, "wrong digest for nonce {nonce}"),
            Self::AboveTarget { nonce } => write!(f, "nonce {nonce} does not meet the target"),
            Self::OutsideUnit { nonce, unit } => write!(f, "nonce {nonce} is outside unit {unit}"),
            Self::UnknownUnit { unit } => write!(f, "spoke of unit {unit}, which it does not hold"),
            Self::WrongCount { said, given } => {
                write!(f, "ended a unit of {given} nonces with {said} hashes")
            }
            Self::MissedCanary { nonce } => write!(f, "missed nonce {nonce}, which the host knew of"),
            Self::Refuses(status) => write!(f, "refuses its units ({status})"),
        }
    }
}
