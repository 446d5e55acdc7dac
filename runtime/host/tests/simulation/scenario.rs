//! What a seed decides before its run begins: the configuration, the devices and their vices, the jobs.

use std::{sync::Arc, time::Duration};

use adit_channel::session::UnitStatus;
use adit_host::{
    engine::{Config, Sizing},
    job::{Job, JobKey, NonceRange},
};
use adit_plugin::{Algorithm, Target};

use crate::{
    chance::Chance,
    toy::{NARROW, Rolls, WIDE, one_in},
};

/// Nanoseconds of virtual time.
pub const MICROSECOND: u64 = 1_000;
pub const MILLISECOND: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// What a device does that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vice {
    /// A hit with another digest.
    WrongDigest,
    /// A nonce that is no hit, with its digest.
    AboveTarget,
    /// A nonce just before or just after its unit.
    OutsideUnit,
    /// A hit in, or the end of, a unit that it does not hold.
    UnknownUnit,
    /// Says that it ended each unit, hashes nothing.
    NeverSearches,
    /// Hashes nothing either, and is gone when a third unit of a session comes: that may be a canary.
    Flees,
    /// Hashes a part and says that it hashed all.
    SkipsAPart,
    /// Ends a unit with a number of hashes that cannot be.
    WrongCount,
    /// Ends a unit twice.
    EndsTwice,
    /// Says "stale" and some number of hashes, hashes nothing.
    ClaimsStale,
    /// Says "stopped" and some number of hashes, hashes nothing.
    ClaimsStopped,
    /// Reports each hit twice: no vice that anything is lost by.
    Repeats,
    /// Refuses.
    Refuses(UnitStatus),
}

const VICES: [Vice; 15] = [
    Vice::WrongDigest,
    Vice::AboveTarget,
    Vice::OutsideUnit,
    Vice::UnknownUnit,
    Vice::NeverSearches,
    Vice::NeverSearches,
    Vice::Flees,
    Vice::SkipsAPart,
    Vice::WrongCount,
    Vice::EndsTwice,
    Vice::ClaimsStale,
    Vice::ClaimsStopped,
    Vice::Repeats,
    Vice::Refuses(UnitStatus::Invalid),
    Vice::Refuses(UnitStatus::Failed),
];

impl Vice {
    /// Whether every unit is claimed and none hashed, from the first lie on.
    pub fn is_total(self) -> bool {
        matches!(self, Self::NeverSearches | Self::Flees | Self::ClaimsStale | Self::ClaimsStopped)
    }

    /// Whether a device with it is to be borne.
    pub fn is_harmless(self) -> bool {
        self == Self::Repeats
    }
}

/// One device.
#[derive(Clone, Debug)]
pub struct Profile {
    pub trusted: bool,
    pub preferred_unit: u64,
    /// Nanoseconds that a nonce takes.
    pub pace: u64,
    /// Nanoseconds that a message takes.
    pub latency: u64,
    pub vice: Option<Vice>,
    /// Units that it works on as it should before the vice shows.
    pub good_units: u64,
    /// In how many of a hundred units it shows then.
    pub vice_percent: u64,
    /// The number of the algorithm that it does not know.
    pub lacks: Option<u32>,
    /// Crashes, stalls and stops that it has left; after them it only works.
    pub troubles: u64,
    /// Of a hundred units, how many end with an honest failure or with a torn board slot.
    pub hiccup_percent: u64,
    /// Distrusts after which it is not started again.
    pub patience: u64,
    pub first_boot: u64,
}

/// What the source says next.
#[derive(Clone, Debug)]
pub enum Order {
    Job(JobPlan),
    NoJob,
}

/// One job.
#[derive(Clone, Debug)]
pub struct JobPlan {
    wide: bool,
    density: u64,
    clean: bool,
    rolls: u64,
    first_roll: u64,
    nonces: NonceRange,
}

impl JobPlan {
    pub fn job(&self, key: JobKey, seed: u64) -> Job {
        let algorithm: Arc<dyn Algorithm> = if self.wide { Arc::new(WIDE) } else { Arc::new(NARROW) };
        Job {
            key,
            name: String::new(),
            algorithm,
            target: if self.density == 0 { Target([0; 32]) } else { one_in(self.density) },
            clean: self.clean,
            space: Arc::new(Rolls { salt: seed << 16 | key, rolls: self.rolls }),
            first_roll: self.first_roll,
            nonces: self.nonces,
        }
    }
}

/// When the source goes on to the next order.
#[derive(Clone, Copy, Debug)]
pub struct Pause {
    /// After this many nanoseconds at the latest.
    pub at_most: u64,
    /// Or when the job is exhausted.
    pub or_exhausted: bool,
}

pub struct Scenario {
    pub config: Config,
    pub devices: Vec<Profile>,
    pub orders: Vec<(Order, Pause)>,
}

impl Scenario {
    pub fn new(seed: u64, chance: &mut Chance) -> Self {
        let most = chance.scaled(16, 512);
        let least = chance.scaled(1, (most / 4).min(32));
        let target = Duration::from_nanos(chance.scaled(100 * MICROSECOND, 5 * MILLISECOND));
        let sizing = Sizing {
            target,
            first: chance.between(least, most),
            least,
            most,
            groups: chance.between(1, 200),
        };
        let canary_interval = if chance.percent(10) { 0 } else { chance.scaled(1, 24) as u32 };
        let config = Config { sizing, canary_interval, seed };
        let count = chance.between(1, 6);
        let mut devices: Vec<Profile> = (0..count).map(|_| profile(chance, config)).collect();
        // One at least can do everything and comes back whatever happens.
        devices[0] = Profile { vice: None, lacks: None, hiccup_percent: 0, ..devices[0].clone() };
        Self { config, devices, orders: orders(chance) }
    }
}

fn profile(chance: &mut Chance, config: Config) -> Profile {
    let vice = chance.percent(40).then(|| chance.one_of(&VICES));
    let prefers = chance.percent(30);
    let total = vice.is_some_and(Vice::is_total);
    let vice_percent = if total || chance.percent(30) { 100 } else { chance.between(5, 60) };
    Profile {
        trusted: vice.is_none() && chance.percent(30),
        preferred_unit: if prefers { chance.scaled(1, 2 * config.sizing.most) } else { 0 },
        pace: chance.scaled(MICROSECOND, MILLISECOND),
        latency: chance.scaled(200, MILLISECOND),
        vice,
        good_units: if chance.percent(50) { 0 } else { chance.scaled(1, 30) },
        vice_percent,
        lacks: if chance.percent(10) { Some(chance.between(1, 2) as u32) } else { None },
        troubles: if chance.percent(40) { 0 } else { chance.between(1, 6) },
        hiccup_percent: if chance.percent(80) { 0 } else { chance.between(1, 4) },
        patience: chance.between(1, 4),
        first_boot: if chance.percent(50) { 0 } else { chance.scaled(MICROSECOND, 20 * MILLISECOND) },
    }
}

fn orders(chance: &mut Chance) -> Vec<(Order, Pause)> {
    let stormy = chance.percent(40);
    let count = if stormy { chance.between(5, 30) } else { chance.between(0, 4) };
    let mut orders = Vec::new();
    for _ in 0..count {
        let order = if chance.percent(12) { Order::NoJob } else { Order::Job(job_plan(chance, false)) };
        let at_most =
            chance.scaled(20 * MICROSECOND, if stormy { 3 * MILLISECOND } else { 30 * MILLISECOND });
        orders.push((order, Pause { at_most, or_exhausted: chance.percent(50) }));
    }
    // The last is finite and runs to its end.
    let last = Pause { at_most: u64::MAX, or_exhausted: false };
    orders.push((Order::Job(job_plan(chance, true)), last));
    orders
}

fn job_plan(chance: &mut Chance, finite: bool) -> JobPlan {
    let wide = chance.percent(50);
    let end: u128 = if wide { 1 << 64 } else { 1 << 32 };
    let density = match chance.between(0, 19) {
        0 => 0,
        1 => 1,
        _ => chance.scaled(4, 200),
    };
    let endless = !finite && chance.percent(50);
    let rolls = match (endless, chance.percent(50)) {
        (true, _) => u64::MAX,
        (false, true) => 1,
        (false, false) => chance.between(2, 6),
    };
    let width = if endless { chance.scaled(8, 1 << 20) } else { chance.scaled(1, 3000 / rolls) };
    let start = match chance.between(0, 2) {
        0 => 0,
        // The last nonces of all.
        1 => (end - u128::from(width)) as u64,
        _ => chance.between(0, (end / 2 - u128::from(width)) as u64),
    };
    // Sometimes nothing is left of it.
    let first_roll = if chance.percent(20) { chance.between(0, rolls.min(6)) } else { 0 };
    let nonces = NonceRange { start, end: u128::from(start) + u128::from(width) };
    JobPlan { wide, density, clean: chance.percent(50), rolls, first_roll, nonces }
}
