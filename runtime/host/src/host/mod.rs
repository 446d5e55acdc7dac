//! The host loop: one thread between the engine, the devices' rings, and the source.
//!
//! ```text
//!              source thread                     supervisor thread for each device
//!                 │    ▲                              │ sessions, deaths, log lines
//!          events ▼    │ commands                     ▼
//!              ┌───────┴───────────── mailbox ────────────┐
//!              │ host loop:  letters + messages ──► engine │──► observer (people, JSON)
//!              └──────▲──────────────────────│────────────┘
//!        solution     │                      ▼  work rings, job boards
//!        rings     devices (threads of this process, helper processes)
//! ```
//!
//! With nothing to do it sleeps on all solution rings and the mailbox at once.

mod end;
mod links;
mod observe;
mod run;
mod tell;

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use crossbeam_channel::bounded;

pub use observe::{DeviceState, HostEvent, Observer, RateLine};

use crate::{
    device::{self, Care, DevicePlan, Supervised},
    engine,
    mailbox::{Letter, Mailbox},
    source::{Source, SourceEvent, SourceEvents},
};

/// The most devices of one host: the kernel lets a thread sleep on 128 words, one is the mailbox's.
pub const MAX_DEVICES: usize = 127;

/// Commands that wait for the source; when it is further behind, devices wait too.
const SOURCE_QUEUE: usize = 1024;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// The engine's settings.
    pub engine: engine::Config,
    /// How devices are looked after.
    pub care: Care,
    /// How often rates are reported.
    pub report_every: Duration,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            engine: engine::Config::default(),
            care: Care::default(),
            report_every: Duration::from_secs(1),
        }
    }
}

/// Asks a running host to end, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<Mailbox>);

impl StopHandle {
    /// The host ends in an orderly way: devices give back what they hold, the source says farewell.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// Why a host could not do what it was started for.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// There is no device.
    NoDevices,
    /// A thread or another resource of the system could not be had.
    System(io::Error),
    /// The source gave up; says why.
    Source(String),
    /// No device is left that could do the work; says what became of each.
    DevicesLost(Vec<String>),
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevices => f.write_str("there is no device to work with; name one, such as cpu"),
            Self::System(error) => write!(f, "the system refuses a thread or descriptor: {error}"),
            Self::Source(reason) => f.write_str(reason),
            Self::DevicesLost(reasons) => {
                write!(f, "no device is left that can do this work: {}", reasons.join("; "))
            }
        }
    }
}

impl std::error::Error for HostError {}

/// What a host did.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Whether the source ended by itself: all that it wanted is done. Otherwise somebody stopped the host.
    pub whole: bool,
    /// Nonces that devices said they hashed.
    pub hashes: u64,
    /// Solutions that were submitted.
    pub solutions: u64,
    /// Shares accepted.
    pub accepted: u64,
    /// Shares rejected.
    pub rejected: u64,
    /// Blocks among the accepted.
    pub blocks: u64,
    /// Seconds from the start of the host to its end.
    pub seconds: f64,
    /// Seconds from the first unit to the end of the last.
    pub working_seconds: f64,
}

/// A host that has not been started.
pub struct Host {
    config: HostConfig,
    plans: Vec<DevicePlan>,
    mailbox: Arc<Mailbox>,
}

impl Host {
    /// A host with some devices.
    ///
    /// # Errors
    /// [`HostError::NoDevices`].
    pub fn new(config: HostConfig, plans: Vec<DevicePlan>) -> Result<Self, HostError> {
        if plans.is_empty() {
            return Err(HostError::NoDevices);
        }
        Ok(Self { config, plans, mailbox: Arc::default() })
    }

    /// To end it from elsewhere, such as a signal handler's thread.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.mailbox))
    }

    /// Runs until the source has ended, the host was asked to stop, or no device is left; `observer` is told
    /// everything and may stop it too.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn run(self, source: Box<dyn Source>, observer: &mut Observer<'_>) -> Result<Summary, HostError> {
        let (commands, orders) = bounded(SOURCE_QUEUE);
        let events = {
            let mailbox = Arc::clone(&self.mailbox);
            SourceEvents::new(move |event| mailbox.send(Letter::Source(event)))
        };
        let care = self.config.care;
        let describe = |plan: &DevicePlan| (plan.place(), plan.is_trusted(), plan.hello_within(&care));
        let places: Vec<_> = self.plans.iter().map(describe).collect();
        let mut supervised: Vec<Supervised> = Vec::with_capacity(self.plans.len());
        for (device, plan) in self.plans.into_iter().enumerate() {
            match plan.start(device, care, Arc::clone(&self.mailbox)) {
                Ok(started) => supervised.push(started),
                Err(error) => return Err(end::give_up(supervised, care.grace, error)),
            }
        }
        let run = move || {
            let last = events.clone();
            // Whoever panics tells nobody, and the host would wait for it.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| source.run(events, orders))) {
                let why = format!("the source {}", device::panicked(&*panic));
                last.send(SourceEvent::Ended(Err(why)));
            }
        };
        let source_thread = match thread::Builder::new().name("source".into()).spawn(run) {
            Ok(thread) => thread,
            Err(error) => return Err(end::give_up(supervised, care.grace, error)),
        };
        let links = supervised
            .into_iter()
            .zip(places)
            .map(|(it, (place, trusted, hello_within))| links::Link::new(it, place, trusted, hello_within));
        let running = run::Running::new(self.config, self.mailbox, links.collect(), commands, observer);
        running.run(source_thread)
    }
}
