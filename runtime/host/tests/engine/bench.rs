//! An engine, a clock, and what is said to them.

use std::time::Duration;

use super::*;

pub const MS: Duration = Duration::from_millis(1);
pub const NO_CANARIES: Config = Config { sizing: SIZING, canary_interval: 0, seed: 1 };
pub const SIZING: Sizing =
    Sizing { target: Duration::from_millis(100), first: 100, least: 10, most: 100_000, groups: 1 };

/// An engine, a clock and what one step decided.
pub struct Bench {
    pub engine: Engine,
    pub now: Duration,
    pub actions: Vec<Action>,
}

impl Bench {
    pub fn new(config: Config) -> Self {
        Self { engine: Engine::new(config), now: Duration::ZERO, actions: Vec::new() }
    }

    /// With one untrusted device and one job of so many nonces.
    pub fn started(config: Config, nonces: u64, density: u64) -> (Self, Vec<Assignment>) {
        let mut bench = Self::new(config);
        bench.up(0);
        let sent = bench.job(job(1, nonces, density));
        (bench, sent)
    }

    pub fn step(&mut self, event: Event) -> &[Action] {
        self.actions.clear();
        self.engine.step(event, self.now, &mut self.actions);
        &self.actions
    }

    pub fn up(&mut self, device: DeviceId) -> Vec<Assignment> {
        self.step(Event::DeviceUp { device, trusted: false, preferred_unit: 0 });
        self.sent_to(device)
    }

    pub fn down(&mut self, device: DeviceId) {
        self.step(Event::DeviceDown { device });
    }

    /// A job, and what device 0 gets of it.
    pub fn job(&mut self, job: Job) -> Vec<Assignment> {
        self.step(Event::Job(job));
        self.sent_to(0)
    }

    pub fn end(
        &mut self,
        device: DeviceId,
        unit: &Assignment,
        status: UnitStatus,
        hashes: u64,
    ) -> Vec<Assignment> {
        self.step(Event::Done { device, unit: unit.unit, status, hashes });
        self.sent_to(device)
    }

    pub fn complete(&mut self, device: DeviceId, unit: &Assignment) -> Vec<Assignment> {
        self.end(device, unit, UnitStatus::Complete, unit.nonce_count)
    }

    pub fn solution(&mut self, device: DeviceId, unit: &Assignment, nonce: u64) -> &[Action] {
        let digest = hash(prefix(&unit.header.bytes), nonce);
        self.step(Event::Solution { device, unit: unit.unit, nonce, digest })
    }

    /// Searches a unit as it should be.
    pub fn search(&mut self, device: DeviceId, unit: &Assignment) -> Vec<Assignment> {
        for nonce in hits(unit) {
            self.solution(device, unit, nonce);
        }
        self.complete(device, unit)
    }

    pub fn sent_to(&self, device: DeviceId) -> Vec<Assignment> {
        let sent = self.actions.iter().filter_map(|action| match action {
            Action::Send { device: to, assignment } if *to == device => Some(assignment.clone()),
            _ => None,
        });
        sent.collect()
    }

    pub fn shares(&self) -> Vec<Share> {
        let shares = self.actions.iter().filter_map(|action| match action {
            Action::Submit { share, .. } => Some(*share),
            _ => None,
        });
        shares.collect()
    }

    pub fn fault(&self) -> Option<Fault> {
        self.actions.iter().find_map(|action| match action {
            Action::Distrust { reason, .. } => Some(reason.clone()),
            _ => None,
        })
    }

    pub fn exhausted(&self) -> Vec<JobKey> {
        let keys = self.actions.iter().filter_map(|action| match action {
            Action::Exhausted(key) => Some(*key),
            _ => None,
        });
        keys.collect()
    }
}

pub fn job(key: JobKey, nonces: u64, density: u64) -> Job {
    Job {
        key,
        name: String::new(),
        algorithm: Arc::new(NARROW),
        target: if density == 0 { Target([0; 32]) } else { one_in(density) },
        clean: true,
        space: Arc::new(Rolls { salt: key, rolls: 1 }),
        first_roll: 0,
        nonces: NonceRange { start: 0, end: u128::from(nonces) },
    }
}

pub fn hits(unit: &Assignment) -> Vec<u64> {
    let nonces = unit.nonce_start..unit.nonce_start + unit.nonce_count;
    nonces.filter(|nonce| hash(prefix(&unit.header.bytes), *nonce).meets(&unit.header.target)).collect()
}

pub fn solution(unit: u64, nonce: u64, digest: Digest) -> Event {
    Event::Solution { device: 0, unit, nonce, digest }
}
