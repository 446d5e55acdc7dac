//! Where jobs come from and shares go to.
//!
//! A source runs on a thread of its own. It tells the host what happens with [`SourceEvents`] and is
//! told what to do by [`SourceCommand`]s. It is free to block, but must look at its commands at least
//! every 100 ms or wait on them, and must return soon after [`SourceCommand::Stop`] or when the
//! command channel is closed.

mod devchain;
mod fixed;
mod replay;
pub mod stratum;

use std::{sync::Arc, time::Duration};

use crossbeam_channel::Receiver;

pub use devchain::Devchain;
pub use fixed::FixedSource;
pub use replay::{Replay, ReplayError};

use crate::job::{Job, Share};

/// What a source tells the host.
#[derive(Clone, Debug)]
pub enum SourceEvent {
    /// Search this from now on.
    Job(Job),
    /// No work until the next job: devices rest, leases of the jobs before are dropped.
    NoJob,
    /// What became of a submitted share.
    Verdict(Verdict),
    /// The connection came up; where to, for people.
    Connected(String),
    /// The connection is down and is tried again.
    Disconnected {
        /// Why, for people.
        reason: String,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// Something that people should read in the log.
    Notice(String),
    /// The source is finished: `Ok` when it did what it was for, `Err` says what went wrong.
    Ended(Result<(), String>),
}

/// What became of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// [`Share::id`].
    pub share: u64,
    /// Whether the source took it.
    pub accepted: bool,
    /// Why not, or what else the source said.
    pub reason: Option<String>,
    /// The share was a whole block (known for local chains only).
    pub block: bool,
}

/// What the host tells a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceCommand {
    /// A verified solution; answer with [`SourceEvent::Verdict`], also when the connection is lost.
    Submit(Share),
    /// Every range of the job with this number has been searched.
    Exhausted(u64),
    /// Say farewell and return.
    Stop,
}

/// Where a source puts its events; blocks while the host is more than its queue's depth behind.
#[derive(Clone)]
pub struct SourceEvents(Arc<dyn Fn(SourceEvent) + Send + Sync>);

impl SourceEvents {
    /// Events go to `sink`.
    pub fn new(sink: impl Fn(SourceEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Tells the host.
    pub fn send(&self, event: SourceEvent) {
        (self.0)(event);
    }
}

/// Something that makes jobs.
pub trait Source: Send + 'static {
    /// For people: `devchain`, `stratum+tcp://host:port` ...
    fn name(&self) -> String;

    /// Runs until it is told to stop or is finished. Its last event is [`SourceEvent::Ended`].
    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>);
}
