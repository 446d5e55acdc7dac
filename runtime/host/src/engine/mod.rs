//! The engine: which device searches what, and what becomes of its answers.
//!
//! A pure function of what it is told and when: no clock, no thread, no I/O, no random numbers but its own
//! seeded ones. The loop around it ([`crate::host`]) turns actions into messages, and a simulator turns
//! them into years of crashes.
//!
//! ```text
//!   Event ──► step(event, now) ──► Action, Action, ...
//!             │
//!             ├─ live jobs: search space, ledger, hits so far       (live.rs, space.rs)
//!             └─ devices: leases, credits, unit size, record        (device.rs, stats.rs, canary.rs)
//! ```
//!
//! Invariants (`tests/simulation` holds it to them):
//! * every position of a live job is either untouched, leased, returned or searched;
//! * none is leased twice unless a lease of it was lost, or searched by a device that was then distrusted;
//! * every true solution of a live job is submitted exactly once, no other ever;
//! * a device that can work has its next unit before it ends one.

mod canary;
mod config;
mod device;
mod done;
mod event;
mod live;
mod space;
mod stats;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use adit_plugin::Digest;

pub use config::Config;
pub use device::Sizing;
pub use event::{Action, Assignment, DeviceId, Event, Fault, Header};
pub use live::Ledger;
pub use space::Span;
pub use stats::DeviceStats;

use self::{
    canary::Rng,
    device::{Device, Lease},
    live::LiveJob,
};
use crate::job::{Job, JobKey, Share};

/// Units of a live job that a device holds: the one it works on and the next.
const CREDITS: usize = 2;
/// Units that a device may hold in all, stale ones it has not yet answered for included.
pub const MAX_LEASES: usize = 8;
/// Jobs that are alive at once when a source never cleans up; the oldest is dropped.
const MAX_JOBS: usize = 8;
/// Units that a device may refuse in a row, and canaries.
const MAX_REFUSALS: u32 = 8;
/// Hits of a canary's easier target that are remembered; it has some hundred at most.
const MAX_REPORTED: usize = 4096;

/// See the [module's description](self).
#[derive(Debug)]
pub struct Engine {
    config: Config,
    devices: Vec<Device>,
    /// Oldest first; units are cut from the last.
    jobs: VecDeque<LiveJob>,
    /// Whether the last job is to be worked on.
    working: bool,
    /// Of the last job.
    algorithm: Option<u32>,
    generation: u64,
    next_unit: u64,
    next_share: u64,
    rng: Rng,
}

impl Engine {
    /// An engine without jobs or devices.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            devices: Vec::new(),
            jobs: VecDeque::with_capacity(MAX_JOBS + 1),
            working: false,
            algorithm: None,
            generation: 0,
            next_unit: 1,
            next_share: 1,
            rng: Rng::new(config.seed),
        }
    }

    /// Takes an event at `now` (since any fixed moment; never goes back) and appends what is to be done.
    pub fn step(&mut self, event: Event, now: Duration, actions: &mut Vec<Action>) {
        match event {
            Event::DeviceUp { device, trusted, preferred_unit } => {
                self.device_up(device, trusted, preferred_unit);
            }
            Event::DeviceDown { device } => self.device_down(device),
            Event::Job(job) => self.new_job(job, actions),
            Event::NoJob => self.kill_jobs(actions),
            Event::Solution { device, unit, nonce, digest } => {
                self.solution(device, unit, nonce, digest, actions);
            }
            Event::Done { device, unit, status, hashes } => {
                self.done(device, unit, status, hashes, now, actions);
            }
            Event::Error { device } => self.device(device).stats.errors += 1,
        }
        self.dispatch(now, actions);
    }

    /// A device's record; empty for one that never was up.
    #[must_use]
    pub fn stats(&self, device: DeviceId) -> DeviceStats {
        self.devices.get(device).map(|device| device.stats).unwrap_or_default()
    }

    /// Nonces a second of a device as of `now`; what [`stats`](Self::stats) has is of when its last unit ended.
    #[must_use]
    pub fn rate(&self, device: DeviceId, now: Duration) -> f64 {
        self.devices.get(device).map_or(0.0, |device| device.rate(now))
    }

    /// Why a device that is up will not end its units, as far as one can tell; its session should be ended.
    #[must_use]
    pub fn overdue(&self, device: DeviceId, now: Duration) -> Option<String> {
        self.devices.get(device)?.overdue(now)
    }

    /// Nonces hashed in all ended units.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.devices.iter().map(|device| device.stats.hashes).sum()
    }

    /// The ledger of a live job: searched, leased and returned intervals of its positions.
    #[must_use]
    pub fn ledger(&self, key: JobKey) -> Option<Ledger> {
        let job = self.jobs.iter().find(|live| live.job.key == key)?;
        let leases = self.devices.iter().flat_map(|device| &device.leases);
        Some(Ledger {
            searched: job.space.searched().to_vec(),
            leased: leases.filter(|lease| lease.job == key).map(|lease| lease.span.clone()).collect(),
            returned: job.space.returned().to_vec(),
        })
    }

    /// How large units of the job at hand are.
    fn sizing(&self) -> Sizing {
        let sizing = self.config.sizing;
        self.jobs.back().map_or(sizing, |live| sizing.for_cost(live.job.algorithm.digest_cost()))
    }

    fn device(&mut self, device: DeviceId) -> &mut Device {
        if device >= self.devices.len() {
            self.devices.resize_with(device + 1, Device::default);
        }
        &mut self.devices[device]
    }

    fn device_up(&mut self, id: DeviceId, trusted: bool, preferred_unit: u64) {
        self.device_down(id);
        let sizing = self.sizing();
        self.device(id).start(trusted, preferred_unit, &sizing);
    }

    /// Takes all leases back; halves the unit size, because what was lost was too large to lose.
    fn device_down(&mut self, id: DeviceId) {
        let sizing = self.sizing();
        let device = self.device(id);
        device.up = false;
        if device.leases.is_empty() {
            return;
        }
        device.cautious = device::CAUTION;
        device.stats.lost += device.leases.len() as u64;
        device.unit_size = sizing.clamp(device.unit_size / 2);
        let mut leases = std::mem::take(&mut device.leases);
        for lease in leases.drain(..) {
            if lease.canary.is_some() {
                self.devices[id].until_canary = 0;
            }
            self.give_back(lease.job, lease.span);
        }
        // Keeps its room: no allocation for the next units.
        self.device(id).leases = leases;
    }

    fn new_job(&mut self, job: Job, actions: &mut Vec<Action>) {
        if job.clean {
            self.kill_jobs(actions);
        }
        if self.jobs.len() == MAX_JOBS {
            self.jobs.pop_front();
        }
        let algorithm = job.algorithm.id();
        let changed = self.algorithm.replace(algorithm).is_some_and(|before| before != algorithm);
        self.jobs.push_back(LiveJob::new(job));
        let sizing = self.sizing();
        for device in &mut self.devices {
            device.unable = None;
            if changed {
                device.begin_algorithm(&sizing);
            }
        }
        self.working = true;
        // One whose first roll is its last has nothing to search.
        self.check_exhausted(actions);
    }

    fn kill_jobs(&mut self, actions: &mut Vec<Action>) {
        self.working = false;
        if !self.jobs.is_empty() {
            self.jobs.clear();
            self.generation += 1;
            actions.push(Action::RaiseGeneration(self.generation));
        }
        for device in &mut self.devices {
            device.unproven.clear();
            // Nor is to wait until its job is over.
            if device.leases.iter().any(|lease| lease.canary.is_some_and(|canary| !canary.seen)) {
                device.until_canary = 0;
            }
        }
    }

    fn is_alive(&self, key: JobKey) -> bool {
        self.jobs.iter().any(|live| live.job.key == key)
    }

    fn job(&mut self, key: JobKey) -> Option<&mut LiveJob> {
        self.jobs.iter_mut().find(|live| live.job.key == key)
    }

    fn give_back(&mut self, key: JobKey, span: Span) {
        if let Some(live) = self.job(key) {
            live.space.give_back(span);
        }
    }

    /// Ends all dealings with a device: leases go back, and so does what it says it searched since it
    /// last proved itself.
    fn distrust(&mut self, id: DeviceId, reason: Fault, actions: &mut Vec<Action>) {
        self.device_down(id);
        let device = self.device(id);
        device.stats.faults += 1;
        let unproven = std::mem::take(&mut device.unproven);
        for (key, span) in unproven {
            if let Some(live) = self.job(key) {
                live.space.revoke(span);
                live.exhausted = false;
            }
        }
        actions.push(Action::Distrust { device: id, reason });
    }

    fn solution(&mut self, id: DeviceId, unit: u64, nonce: u64, digest: Digest, actions: &mut Vec<Action>) {
        if !self.device(id).up {
            return;
        }
        match self.check_solution(id, unit, nonce, digest) {
            Ok(Some((key, position))) => self.submit(id, key, position, nonce, digest, actions),
            Ok(None) => {}
            Err(fault) => self.distrust(id, fault, actions),
        }
    }

    /// Hashes the nonce again. `Some`: the job and position of a solution that may be worth something.
    fn check_solution(
        &mut self,
        id: DeviceId,
        unit: u64,
        nonce: u64,
        digest: Digest,
    ) -> Result<Option<(JobKey, u128)>, Fault> {
        let Some(lease) = self.devices[id].leases.iter_mut().find(|lease| lease.unit == unit) else {
            return Err(Fault::UnknownUnit { unit });
        };
        if !lease.holds(nonce) {
            return Err(Fault::OutsideUnit { nonce, unit });
        }
        let Some(live) = self.jobs.iter().find(|live| live.job.key == lease.job) else { return Ok(None) };
        let position = lease.span.start + u128::from(nonce - lease.nonce_start);
        let mut canary = lease.canary.as_mut().filter(|canary| canary.nonce == nonce && !canary.seen);
        if canary.is_none() && (live.found.contains(&position) || lease.reported.contains(&nonce)) {
            // Known already, and hashing takes this thread's time, which belongs to all devices.
            return Ok(None);
        }
        if canary::digest(&lease.header, nonce) != digest {
            return Err(Fault::WrongDigest { nonce });
        }
        if !digest.meets(&lease.header.target) {
            return Err(Fault::AboveTarget { nonce });
        }
        if let Some(canary) = &mut canary {
            canary.seen = true;
        }
        if lease.canary.is_some() && lease.reported.len() < MAX_REPORTED {
            lease.reported.insert(nonce);
        }
        Ok(Some((lease.job, position)))
    }

    fn submit(
        &mut self,
        device: DeviceId,
        key: JobKey,
        position: u128,
        nonce: u64,
        digest: Digest,
        actions: &mut Vec<Action>,
    ) {
        let id = self.next_share;
        let Some(live) = self.job(key) else { return };
        if !digest.meets(&live.job.target) || !live.found.insert(position) {
            return;
        }
        let (roll, _) = live.space.locate(position);
        self.next_share += 1;
        self.devices[device].stats.solutions += 1;
        actions.push(Action::Submit { device, share: Share { id, job: key, roll, nonce, digest } });
    }

    fn check_exhausted(&mut self, actions: &mut Vec<Action>) {
        for live in &mut self.jobs {
            let key = live.job.key;
            if live.exhausted || !live.space.is_drained() {
                continue;
            }
            let mut leases = self.devices.iter().flat_map(|device| &device.leases);
            if leases.all(|lease| lease.job != key) {
                live.exhausted = true;
                actions.push(Action::Exhausted(key));
            }
        }
    }

    /// Gives every device that has room its next unit.
    fn dispatch(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if !self.working {
            return;
        }
        // Round by round, so that a small space is shared out rather than taken by the first.
        for _ in 0..CREDITS {
            for id in 0..self.devices.len() {
                if self.wants_unit(id) {
                    self.lease(id, now, actions);
                }
            }
        }
    }

    fn wants_unit(&self, id: DeviceId) -> bool {
        let device = &self.devices[id];
        let Some(live) = self.jobs.back() else { return false };
        let alive = |lease: &&Lease| self.is_alive(lease.job);
        device.up
            && device.stopped.is_none()
            && device.unable != Some(live.job.algorithm.id())
            && device.leases.len() < MAX_LEASES
            && device.leases.iter().filter(alive).count() < CREDITS
    }

    fn lease(&mut self, id: DeviceId, now: Duration, actions: &mut Vec<Action>) {
        let sizing = self.sizing();
        let up = self.devices.iter().filter(|device| device.up).count() as u128;
        let Some(live) = self.jobs.back_mut() else { return };
        let device = &mut self.devices[id];
        let interval = if device.trusted { 0 } else { self.config.canary_interval };
        let is_canary = interval > 0 && device.until_canary == 0;
        // Near its end a space is shared out, so that no device sits on the last large piece alone.
        let share = live.space.remaining().div_ceil(up * CREDITS as u128);
        let share = sizing.whole_groups(u64::try_from(share).unwrap_or(u64::MAX)).max(sizing.least);
        let most = match is_canary {
            true => canary::Plan::new(live.job.algorithm.digest_cost()).nonces,
            // What it said it likes, or gets by default, knows nothing of slow algorithms.
            false if device.stats.units == 0 && sizing != self.config.sizing => sizing.first,
            false => u64::MAX,
        };
        let size = device.unit_size.min(share).min(most);
        let Some(span) = live.space.take(size) else { return };
        let (roll, nonce_start) = live.space.locate(span.start);
        let header = live.current_header(roll, &mut self.generation);
        let count = (span.end - span.start) as u64;
        let (header, canary) = if is_canary {
            device.until_canary = interval - 1;
            self.generation += 1;
            canary::plant(&header, nonce_start, count, self.generation, &mut self.rng)
        } else {
            device.until_canary = device.until_canary.saturating_sub(1);
            (header, None)
        };
        let unit = self.next_unit;
        self.next_unit += 1;
        let job = live.job.key;
        let sent = now;
        let (leased, reported) = (Arc::clone(&header), BTreeSet::new());
        device.leases.push(Lease { unit, job, span, header: leased, nonce_start, sent, canary, reported });
        let assignment = Assignment { unit, header, nonce_start, nonce_count: count };
        actions.push(Action::Send { device: id, assignment });
    }
}
