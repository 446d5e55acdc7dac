//! The oracle: says of every step what the engine must decide, and holds what it decided against that.
//!
//! It shares no code with the engine. Where the engine is free (how large a unit is, where a canary is
//! planted, how much of a distrusted device's word is taken back) the oracle checks the rules that bind it
//! and takes the choice over.

mod guilt;

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};

use adit_channel::session::UnitStatus;
use adit_host::{
    engine::{Action, Assignment, Config, DeviceId, Engine, Event, Fault, Header, MAX_LEASES, Span},
    job::{Job, JobKey},
};
use adit_plugin::{Digest, Target};

use crate::{
    message::Message,
    positions::Positions,
    tally::{Tally, kind},
    toy::{hash, prefix},
};

/// Units of live jobs that every device is given while there is something to search.
const CREDITS: usize = 2;
/// Jobs that live at once.
const MAX_JOBS: usize = 8;
/// Refusals in a row that end a session.
const MAX_REFUSALS: u32 = 8;

/// What the engine decided, units apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Raise,
    Submit { device: DeviceId, job: JobKey, roll: u64, nonce: u64, digest: Digest },
    Exhausted(JobKey),
    Distrust(DeviceId, Fault),
    Unable(DeviceId, &'static str),
}

struct Unit {
    job: JobKey,
    span: Span,
    nonce_start: u64,
    header: Arc<Header>,
    reported: Vec<u64>,
}

impl Unit {
    fn count(&self) -> u64 {
        (self.span.end - self.span.start) as u64
    }

    fn digest(&self, nonce: u64) -> Digest {
        hash(prefix(&self.header.bytes), nonce)
    }
}

#[derive(Default)]
struct Record {
    up: bool,
    trusted: bool,
    stopped: bool,
    /// Whether its vice is to hash nothing.
    total: bool,
    unable: Option<u32>,
    leases: Vec<u64>,
    refusals: u32,
    /// Live units that it did not search to their ends, since it was surely seen to search a canary.
    early: u32,
    /// Live units that it claimed and did not hash, since one that it hashed.
    lies: u32,
    /// Live units that it claimed and hashed a part of.
    skips: u64,
    units: u64,
    hashes: u64,
    solutions: u64,
    faults: u64,
}

pub struct Oracle {
    pub tally: Tally,
    config: Config,
    devices: Vec<Record>,
    jobs: VecDeque<Positions>,
    dead: Vec<JobKey>,
    working: bool,
    units: BTreeMap<u64, Unit>,
    last_unit: u64,
    last_share: u64,
    /// Generations below it are dead.
    floor: u64,
    newest: u64,
    generations: BTreeMap<u64, (JobKey, u64, Target)>,
    expected: Vec<Decision>,
}

impl Oracle {
    /// `totals`: of each device, whether its vice is to hash nothing.
    pub fn new(config: Config, totals: impl Iterator<Item = bool>) -> Self {
        Self {
            tally: Tally::default(),
            config,
            devices: totals.map(|total| Record { total, ..Record::default() }).collect(),
            jobs: VecDeque::new(),
            dead: Vec::new(),
            working: false,
            units: BTreeMap::new(),
            last_unit: 0,
            last_share: 0,
            floor: 0,
            newest: 0,
            generations: BTreeMap::new(),
            expected: Vec::new(),
        }
    }

    /// Checks one step.
    pub fn step(&mut self, message: &Message, actions: &[Action], engine: &Engine) -> Result<(), String> {
        self.tally.steps += 1;
        let said = self.decisions(actions)?;
        self.expected.clear();
        self.event(message, &said, engine)?;
        self.exhaustion()?;
        if said != self.expected {
            return Err(format!("decided {said:?}, should decide {:?}", self.expected));
        }
        for action in actions {
            if let Action::Send { device, assignment } = action {
                self.send(*device, assignment)
                    .map_err(|wrong| format!("unit {}: {wrong}", assignment.unit))?;
            }
        }
        for live in &mut self.jobs {
            let ledger = engine.ledger(live.job.key).ok_or(format!("job {} is gone", live.job.key))?;
            live.compare(&ledger)?;
        }
        if let Some(key) = self.dead.iter().find(|key| engine.ledger(**key).is_some()) {
            return Err(format!("job {key} is dead and has a ledger"));
        }
        self.nobody_idles()
    }

    /// Whether the newest job is alive and ended.
    pub fn is_exhausted(&self) -> bool {
        self.jobs.back().is_some_and(|live| live.exhausted)
    }

    /// The newest generation that was declared the lowest alive.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Live units that a device claimed and did not hash wholly.
    pub fn skips(&self, device: DeviceId) -> u64 {
        self.devices[device].skips
    }

    /// Last checks of a run.
    pub fn end(&self, engine: &Engine) -> Result<(), String> {
        for live in &self.jobs {
            live.covered()?;
        }
        for (id, ours) in self.devices.iter().enumerate() {
            let stats = engine.stats(id);
            let engine = [stats.units, stats.hashes, stats.solutions, stats.faults];
            let should = [ours.units, ours.hashes, ours.solutions, ours.faults];
            if engine != should {
                return Err(format!(
                    "device {id}: units, hashes, solutions, faults {engine:?}, not {should:?}"
                ));
            }
        }
        Ok(())
    }

    fn decisions(&mut self, actions: &[Action]) -> Result<Vec<Decision>, String> {
        let mut decisions = Vec::new();
        for action in actions {
            decisions.push(match action {
                Action::Send { .. } => continue,
                Action::RaiseGeneration(generation) => {
                    if *generation <= self.newest {
                        return Err(format!("generation {generation} after {}", self.newest));
                    }
                    (self.floor, self.newest) = (*generation, *generation);
                    Decision::Raise
                }
                Action::Submit { device, share } => {
                    if share.id <= self.last_share {
                        return Err(format!("share {} after share {}", share.id, self.last_share));
                    }
                    self.last_share = share.id;
                    let (job, roll, nonce, digest) = (share.job, share.roll, share.nonce, share.digest);
                    Decision::Submit { device: *device, job, roll, nonce, digest }
                }
                Action::Exhausted(key) => Decision::Exhausted(*key),
                Action::Distrust { device, reason } => Decision::Distrust(*device, reason.clone()),
                Action::Unable { device, algorithm } => Decision::Unable(*device, algorithm),
            });
        }
        Ok(decisions)
    }

    fn event(&mut self, message: &Message, said: &[Decision], engine: &Engine) -> Result<(), String> {
        match &message.event {
            Event::DeviceUp { device, trusted, .. } => {
                self.lose(*device);
                let device = &mut self.devices[*device];
                (device.up, device.trusted, device.stopped) = (true, *trusted, false);
                (device.refusals, device.unable) = (0, None);
            }
            Event::DeviceDown { device } => self.lose(*device),
            Event::Job(job) => self.new_job(job)?,
            Event::NoJob => self.kill()?,
            Event::Solution { device, unit, nonce, digest } if self.devices[*device].up => {
                self.solution(*device, *unit, *nonce, *digest, said, engine)?;
            }
            Event::Done { device, unit, status, hashes } if self.devices[*device].up => {
                self.done(*device, *unit, *status, *hashes, message, said, engine)?;
            }
            Event::Solution { .. } | Event::Done { .. } | Event::Error { .. } => {}
        }
        Ok(())
    }

    fn new_job(&mut self, job: &Job) -> Result<(), String> {
        if job.clean {
            self.kill()?;
        }
        if self.jobs.len() == MAX_JOBS {
            self.bury()?;
        }
        self.devices.iter_mut().for_each(|device| device.unable = None);
        self.jobs.push_back(Positions::new(job.clone()));
        self.working = true;
        Ok(())
    }

    fn kill(&mut self) -> Result<(), String> {
        self.working = false;
        if !self.jobs.is_empty() {
            self.expected.push(Decision::Raise);
        }
        while !self.jobs.is_empty() {
            self.bury()?;
        }
        Ok(())
    }

    fn bury(&mut self) -> Result<(), String> {
        let Some(live) = self.jobs.pop_front() else { return Ok(()) };
        self.dead.push(live.job.key);
        live.covered().map(|_| ())
    }

    fn job(&mut self, key: JobKey) -> Option<&mut Positions> {
        self.jobs.iter_mut().find(|live| live.job.key == key)
    }

    /// A device's leases go back.
    fn lose(&mut self, id: DeviceId) {
        let device = &mut self.devices[id];
        device.up = false;
        for unit in std::mem::take(&mut device.leases) {
            let unit = self.units.remove(&unit).expect("a lease is a unit");
            if let Some(live) = self.job(unit.job) {
                live.give_back(&unit.span);
            }
        }
    }

    fn distrust(&mut self, id: DeviceId, fault: Fault, engine: &Engine) -> Result<(), String> {
        self.lose(id);
        self.devices[id].faults += 1;
        self.devices[id].lies = 0;
        self.tally.faults[kind(&fault)] += 1;
        self.expected.push(Decision::Distrust(id, fault));
        if self.devices[id].trusted || self.config.canary_interval == 0 {
            return Ok(());
        }
        for live in &mut self.jobs {
            let Some(ledger) = engine.ledger(live.job.key) else { continue };
            let revoked = live.revoke(id as u8, &ledger)?;
            live.exhausted &= revoked == 0;
            self.tally.revoked += revoked;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one event")]
    fn solution(
        &mut self,
        id: DeviceId,
        number: u64,
        nonce: u64,
        digest: Digest,
        said: &[Decision],
        engine: &Engine,
    ) -> Result<(), String> {
        if !self.devices[id].leases.contains(&number) {
            return self.distrust(id, Fault::UnknownUnit { unit: number }, engine);
        }
        let unit = self.units.get_mut(&number).expect("a lease is a unit");
        if nonce < unit.nonce_start || nonce - unit.nonce_start >= unit.count() {
            return self.distrust(id, Fault::OutsideUnit { nonce, unit: number }, engine);
        }
        let Some(live) = self.jobs.iter_mut().find(|live| live.job.key == unit.job) else { return Ok(()) };
        let position = unit.span.start + u128::from(nonce - unit.nonce_start);
        let is_known = live.submitted.contains(&position) || unit.reported.contains(&nonce);
        if is_known && said.is_empty() {
            // It was not hashed again, unless it is a canary of this lease.
            unit.reported.push(nonce);
            return Ok(());
        }
        if digest != unit.digest(nonce) {
            return self.distrust(id, Fault::WrongDigest { nonce }, engine);
        }
        if !digest.meets(&unit.header.target) {
            return self.distrust(id, Fault::AboveTarget { nonce }, engine);
        }
        unit.reported.push(nonce);
        if digest.meets(&live.job.target) && live.submitted.insert(position) {
            let (job, roll) = (unit.job, unit.header.roll);
            self.tally.shares += 1;
            self.devices[id].solutions += 1;
            self.expected.push(Decision::Submit { device: id, job, roll, nonce, digest });
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one event")]
    fn done(
        &mut self,
        id: DeviceId,
        number: u64,
        status: UnitStatus,
        hashes: u64,
        message: &Message,
        said: &[Decision],
        engine: &Engine,
    ) -> Result<(), String> {
        let Some(at) = self.devices[id].leases.iter().position(|unit| *unit == number) else {
            return self.distrust(id, Fault::UnknownUnit { unit: number }, engine);
        };
        let given = self.units[&number].count();
        if hashes > given || (status == UnitStatus::Complete && hashes != given) {
            return self.distrust(id, Fault::WrongCount { said: hashes, given }, engine);
        }
        if let Some(Decision::Distrust(_, Fault::MissedCanary { nonce })) = said.first() {
            self.is_guilty(number, status, hashes, *nonce)?;
            return self.distrust(id, Fault::MissedCanary { nonce: *nonce }, engine);
        }
        let device = &mut self.devices[id];
        device.leases.remove(at);
        device.units += 1;
        device.hashes += hashes;
        device.stopped |= status == UnitStatus::Stopped;
        let unit = self.units.remove(&number).expect("a lease is a unit");
        let alive = self.jobs.iter().any(|live| live.job.key == unit.job);
        self.ended(id, &unit, status, hashes, message);
        // However it ended: every nonce was claimed.
        if alive && hashes == given {
            self.liar_in_time(id, given - (message.truly.end - message.truly.start), given)?;
        } else {
            self.devices[id].lies = 0;
        }
        if status == UnitStatus::UnknownAlgorithm {
            let algorithm = &unit.header.algorithm;
            if self.devices[id].unable.replace(algorithm.id()) != Some(algorithm.id()) {
                self.expected.push(Decision::Unable(id, algorithm.name()));
            }
        }
        let shown = self.job(unit.job).is_some_and(|live| unit.header.target > live.job.target);
        let device = &mut self.devices[id];
        match status {
            UnitStatus::Complete if shown => device.early = 0,
            UnitStatus::Complete | UnitStatus::UnknownAlgorithm => {}
            _ => device.early += u32::from(alive),
        }
        let refuses = matches!(status, UnitStatus::Invalid | UnitStatus::Failed);
        if refuses || (status == UnitStatus::Stale && alive) {
            device.refusals += 1;
            if device.refusals >= MAX_REFUSALS {
                return self.distrust(id, Fault::Refuses(status), engine);
            }
        } else if status == UnitStatus::Complete {
            device.refusals = 0;
        }
        if let Some(Decision::Distrust(_, Fault::Refuses(_))) = said.first() {
            self.declined(id)?;
            return self.distrust(id, Fault::Refuses(status), engine);
        }
        Ok(())
    }

    /// The ledger after a unit's end.
    fn ended(&mut self, id: DeviceId, unit: &Unit, status: UnitStatus, hashes: u64, message: &Message) {
        let total = self.devices[id].total;
        let Some(live) = self.job(unit.job) else { return };
        let counts = matches!(status, UnitStatus::Complete | UnitStatus::Stale | UnitStatus::Stopped);
        let middle = unit.span.start + if counts { u128::from(hashes) } else { 0 };
        let truly = &message.truly;
        let truly = unit.span.start + u128::from(truly.start)..unit.span.start + u128::from(truly.end);
        live.complete(&(unit.span.start..middle), &truly, id as u8, total);
        live.give_back(&(middle..unit.span.end));
    }

    fn exhaustion(&mut self) -> Result<(), String> {
        for live in &mut self.jobs {
            if live.exhausted || !live.is_full() {
                continue;
            }
            live.exhausted = true;
            self.expected.push(Decision::Exhausted(live.job.key));
            self.tally.exhausted += 1;
            self.tally.complete += u64::from(live.covered()? == 0);
        }
        Ok(())
    }

    fn send(&mut self, id: DeviceId, assignment: &Assignment) -> Result<(), String> {
        let Assignment { unit: number, header, nonce_start, nonce_count } = assignment;
        let device = &mut self.devices[id];
        let live = self.jobs.back_mut().filter(|_| self.working).ok_or("there is no job")?;
        if !device.up || device.stopped {
            return Err(format!("device {id} is gone"));
        }
        if header.job != live.job.key || device.unable == Some(header.algorithm.id()) {
            return Err(format!("of job {} for device {id}", header.job));
        }
        device.leases.push(*number);
        if device.leases.len() > MAX_LEASES || *nonce_count > self.config.sizing.most {
            return Err(format!("{} leases, {nonce_count} nonces", device.leases.len()));
        }
        if *number <= self.last_unit || header.generation < self.floor {
            return Err(format!("after {}, generation {}", self.last_unit, header.generation));
        }
        self.last_unit = *number;
        let about = (header.job, header.roll, header.target);
        if *self.generations.entry(header.generation).or_insert(about) != about {
            return Err(format!("generation {} is another header's", header.generation));
        }
        self.newest = self.newest.max(header.generation);
        let target = live.job.target;
        if header.bytes != live.job.space.header(header.roll) || header.target < target {
            return Err("header or target is not the job's".into());
        }
        let span = live.span(header.roll, *nonce_start, *nonce_count).ok_or("outside the job")?;
        live.lease(&span)?;
        self.tally.units += 1;
        let (job, nonce_start, header) = (live.job.key, *nonce_start, Arc::clone(header));
        self.units.insert(*number, Unit { job, span, nonce_start, header, reported: Vec::new() });
        Ok(())
    }

    /// A device that can work has a unit and the next while anything is left.
    fn nobody_idles(&self) -> Result<(), String> {
        let Some(current) = self.jobs.back().filter(|live| self.working && !live.is_drained()) else {
            return Ok(());
        };
        let algorithm = Some(current.job.algorithm.id());
        for (id, device) in self.devices.iter().enumerate() {
            let alive = |unit: &&u64| self.jobs.iter().any(|live| live.job.key == self.units[unit].job);
            let able = device.up && !device.stopped && device.unable != algorithm;
            if able
                && device.leases.len() < MAX_LEASES
                && device.leases.iter().filter(alive).count() < CREDITS
            {
                return Err(format!("device {id} idles while job {} has work", current.job.key));
            }
        }
        Ok(())
    }
}
