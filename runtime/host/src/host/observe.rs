//! What a host tells whoever watches it.

use std::{ops::ControlFlow, time::Duration};

use adit_channel::session::{LogLevel, Status};
use adit_plugin::Target;

use crate::{
    engine::DeviceStats,
    job::{JobKey, Share},
    source::Verdict,
};

/// Told everything; [`ControlFlow::Break`] ends the host.
pub type Observer<'a> = dyn FnMut(HostEvent<'_>) -> ControlFlow<()> + 'a;

/// Something that people may want to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HostEvent<'a> {
    /// A job began.
    Job {
        /// The source's number.
        key: JobKey,
        /// The source's name for it.
        name: &'a str,
        /// The algorithm's name.
        algorithm: &'static str,
        /// What a share must meet.
        target: Target,
        /// Whether all jobs before it are dead.
        clean: bool,
    },
    /// A device changed its state.
    Device {
        /// Its name.
        device: &'a str,
        /// Its new state.
        state: DeviceState<'a>,
    },
    /// A verified solution was found and goes to the source.
    Solution {
        /// The device that found it.
        device: &'a str,
        /// What.
        share: &'a Share,
    },
    /// The source judged a share.
    Share {
        /// The device that found it; empty if nobody knows.
        device: &'a str,
        /// The judgement.
        verdict: &'a Verdict,
    },
    /// How fast it goes; every [`super::HostConfig::report_every`].
    Rate {
        /// Each device.
        devices: &'a [RateLine<'a>],
        /// Nonces a second of all devices.
        total: f64,
        /// Nonces hashed so far, in ended units.
        hashes: u64,
        /// Since the host began.
        elapsed: Duration,
    },
    /// The source's connection.
    Connection {
        /// Where to, or why not.
        text: &'a str,
        /// When it is tried again; `None`: it is up.
        retry_in: Option<Duration>,
    },
    /// A line for the log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// Who says it: a device's name, or `source`.
        from: &'a str,
        /// What.
        text: &'a str,
    },
}

/// What became of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState<'a> {
    /// It is being started.
    Starting {
        /// Its core, or its command.
        place: &'a str,
    },
    /// It said hello and works.
    Up {
        /// The helper's name.
        helper: &'a str,
        /// The device's name.
        name: &'a str,
        /// The helper's language.
        language: &'a str,
        /// The helper's process.
        pid: u32,
    },
    /// No heartbeat for a while.
    Slow,
    /// Its heartbeat is back.
    Healthy,
    /// Gone.
    Down {
        /// Why.
        reason: &'a str,
        /// When it is started again.
        retry_in: Option<Duration>,
    },
    /// Left out from now on.
    Quarantined {
        /// Why.
        reason: &'a str,
    },
}

/// One device's pace.
#[derive(Clone, Debug)]
pub struct RateLine<'a> {
    /// Its name.
    pub device: &'a str,
    /// Whether it works now.
    pub up: bool,
    /// Its record.
    pub stats: DeviceStats,
    /// What it tells of itself.
    pub status: Option<Status>,
}
