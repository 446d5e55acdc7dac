//! What the engine knows of one device: its leases, its pace, its record.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Header, space::Span, stats::DeviceStats};
use crate::job::JobKey;

/// Units before the first canary.
const FIRST_CANARY: u32 = 2;

/// A unit may take so many times as long as its device's rate promises, and this long at least.
const SLOWER: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// The same for one whose rate is not known yet.
const FIRST_PATIENCE: Duration = Duration::from_secs(600);

/// A device that says that it stops does so within this.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// A unit in a device's hands.
#[derive(Debug)]
pub struct Lease {
    /// The unit's number.
    pub unit: u64,
    /// The job it belongs to.
    pub job: JobKey,
    /// Its positions in the job's space.
    pub span: Span,
    /// The header it searches.
    pub header: Arc<Header>,
    /// First nonce.
    pub nonce_start: u64,
    /// When it was sent.
    pub sent: Duration,
    /// A nonce that must be among its hits.
    pub canary: Option<Canary>,
    /// Hits of a canary's easier target that were reported: what is said again is not hashed again.
    pub reported: BTreeSet<u64>,
}

/// A nonce that the host knows to meet the header's target.
#[derive(Clone, Copy, Debug)]
pub struct Canary {
    /// The nonce.
    pub nonce: u64,
    /// Whether the device reported it.
    pub seen: bool,
}

impl Lease {
    /// How many nonces.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.span.end - self.span.start) as u64
    }

    /// Whether `nonce` is in it.
    #[must_use]
    pub fn holds(&self, nonce: u64) -> bool {
        nonce.checked_sub(self.nonce_start).is_some_and(|offset| offset < self.count())
    }
}

/// One device.
#[derive(Debug)]
pub struct Device {
    /// It takes units.
    pub up: bool,
    /// It runs the host's own code.
    pub trusted: bool,
    /// When it said that its session stops: no more units until it is up again.
    pub stopped: Option<Duration>,
    /// In the order in which they were sent.
    pub leases: Vec<Lease>,
    /// Ranges it says it searched since it last proved itself.
    pub unproven: Vec<(JobKey, Span)>,
    /// Nonces of the next unit.
    pub unit_size: u64,
    /// Units until the next canary.
    pub until_canary: u32,
    /// Units until it may grow fast again: it lost some lately.
    pub cautious: u32,
    /// Refusals in a row.
    pub refusals: u32,
    /// Canaries in a row that it did not search.
    pub declined: u32,
    /// The algorithm that it said it does not know.
    pub unable: Option<u32>,
    /// When its last unit ended.
    pub last_done: Duration,
    /// Its record.
    pub stats: DeviceStats,
}

impl Device {
    /// It is up: what was learnt of its pace stays, what it refused is forgotten.
    ///
    /// A canary that it took with it when it went down is its first unit now: going down is no way past one.
    pub fn start(&mut self, trusted: bool, preferred_unit: u64, sizing: &Sizing) {
        self.up = true;
        self.trusted = trusted;
        self.stopped = None;
        self.refusals = 0;
        self.unable = None;
        if self.unit_size == 0 {
            self.unit_size = sizing.clamp(if preferred_unit == 0 { sizing.first } else { preferred_unit });
        }
        self.until_canary = self.until_canary.min(FIRST_CANARY);
    }
}

impl Device {
    /// How long it has had the unit that it should be at.
    fn at_work_for(&self, now: Duration) -> Option<(&Lease, Duration)> {
        let lease = self.leases.first()?;
        Some((lease, now.saturating_sub(self.last_done.max(lease.sent))))
    }

    /// Nonces a second as of `now`: nothing without a unit, and less and less if the one at hand takes much longer than
    /// those before.
    pub fn rate(&self, now: Duration) -> f64 {
        let Some((lease, worked)) = self.at_work_for(now).filter(|_| self.up) else { return 0.0 };
        let expected = self.stats.time_for(lease.count()).unwrap_or(Duration::MAX);
        if worked / 2 <= expected {
            return self.stats.rate;
        }
        self.stats.rate * expected.as_secs_f64() / worked.as_secs_f64()
    }

    /// Why it is of no use any more, though its heart beats.
    pub fn overdue(&self, now: Duration) -> Option<String> {
        if !self.up {
            return None;
        }
        if self.stopped.is_some_and(|since| now.saturating_sub(since) > STOPS_WITHIN) {
            return Some(format!("it has said that it stops, and did not within {STOPS_WITHIN:?}"));
        }
        let (lease, worked) = self.at_work_for(now)?;
        let limit = match self.stats.time_for(lease.count()) {
            Some(expected) => PATIENCE.max(expected.saturating_mul(SLOWER)),
            None => FIRST_PATIENCE,
        };
        (worked > limit)
            .then(|| format!("its heart beats, and unit {} has no end after {limit:.0?}", lease.unit))
    }

    /// Jobs are of another algorithm from now on: how fast it was says nothing.
    pub fn begin_algorithm(&mut self, sizing: &Sizing) {
        if self.unit_size > 0 {
            self.unit_size = self.unit_size.min(sizing.clamp(sizing.first));
        }
        self.stats.forget_pace();
    }
}

impl Default for Device {
    fn default() -> Self {
        Self {
            up: false,
            trusted: false,
            stopped: None,
            leases: Vec::with_capacity(8),
            unproven: Vec::new(),
            unit_size: 0,
            until_canary: FIRST_CANARY,
            cautious: 0,
            refusals: 0,
            declined: 0,
            unable: None,
            last_done: Duration::ZERO,
            stats: DeviceStats::default(),
        }
    }
}

/// Units after a loss in which the size grows slowly.
pub const CAUTION: u32 = 16;
/// Growth from one unit to the next after a loss.
const SLOW_GROWTH: f64 = 1.25;
/// Growth from one unit to the next otherwise.
const FAST_GROWTH: f64 = 4.0;

/// How large units are: toward a time, from the measured rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizing {
    /// How long a unit should take.
    pub target: Duration,
    /// Nonces of the first unit of a device that says no preference.
    pub first: u64,
    /// The fewest nonces.
    pub least: u64,
    /// The most nonces.
    pub most: u64,
    /// Units of some times as many are multiples of this, smaller ones of a power of two; 1: of any size.
    ///
    /// A group of nonces that is not whole takes as long as one that is. 192 makes whole groups of what the kernels of
    /// CPUs hash together, powers of two up to 64 and 96.
    pub groups: u64,
}

impl Default for Sizing {
    fn default() -> Self {
        Self { target: Duration::from_millis(200), first: 1 << 14, least: 256, most: 1 << 36, groups: 192 }
    }
}

/// How many times as fast as the host's own digest a device is taken to be before it has shown its rate.
const SPEED_GUESS: f64 = 16.0;

impl Sizing {
    /// For an algorithm whose digest costs the host this: where a hash takes milliseconds, the first unit and the
    /// least are smaller.
    #[must_use]
    pub fn for_cost(self, cost: Duration) -> Self {
        let digests = self.target.as_secs_f64() / cost.as_secs_f64().max(1e-9);
        let first = self.first.min(self.whole_groups((digests * SPEED_GUESS) as u64)).max(1);
        let least = self.least.min(self.whole_groups(digests as u64)).max(1);
        Self { first, least, ..self }
    }

    /// The size after a unit of `count` nonces took `took`.
    ///
    /// Within 10 % of the target it stays. Otherwise it goes where the rate says, at most fourfold up and
    /// a quarter down at a time: the usual rule (1.5 up, 0.7 down) needs a dozen units from a first
    /// guess that is a hundred times off, this one four, and neither oscillates. A `cautious` device, one
    /// that lost units lately, grows by a quarter at most: where it is killed again and again, the size stays
    /// at what gets done in between.
    #[must_use]
    pub fn next(&self, count: u64, took: Duration, cautious: bool) -> u64 {
        let ratio = took.as_secs_f64() / self.target.as_secs_f64();
        if (0.9..=1.1).contains(&ratio) {
            return self.clamp(count);
        }
        let growth = if cautious { SLOW_GROWTH } else { FAST_GROWTH };
        let factor = (1.0 / ratio.max(1e-9)).clamp(0.25, growth);
        self.clamp((count as f64 * factor) as u64)
    }

    /// Within the limits, and between them of [whole groups](Self::whole_groups).
    #[must_use]
    pub fn clamp(&self, count: u64) -> u64 {
        if count <= self.least {
            self.least
        } else if count >= self.most {
            self.most
        } else {
            self.whole_groups(count).max(self.least)
        }
    }

    /// As many nonces as `count`, or up to a third fewer, that make [whole groups](Self::groups).
    #[must_use]
    pub fn whole_groups(&self, count: u64) -> u64 {
        let step = match count {
            _ if count < 2 || self.groups < 2 => return count,
            _ if count / 4 >= self.groups => self.groups,
            _ => 1 << (count.ilog2() - 1),
        };
        count - count % step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units_until_settled(mut rule: impl FnMut(u64, f64) -> u64, rate: f64) -> usize {
        let (mut size, target) = (1 << 14, 0.2);
        for units in 0..1000 {
            let seconds = size as f64 / rate;
            if (seconds / target - 1.0f64).abs() <= 0.1 {
                return units;
            }
            size = rule(size, seconds);
        }
        panic!("{rate}: never settled");
    }

    #[test]
    fn settles_sooner_than_the_usual_rule_and_stays() {
        let sizing = Sizing::default();
        for rate in [1e3 * 17.0, 1e5, 1e6, 3e7, 8e9] {
            let ours = units_until_settled(|n, s| sizing.next(n, Duration::from_secs_f64(s), false), rate);
            let usual = units_until_settled(
                |n, s| {
                    (n as f64
                        * if s < 0.18 {
                            1.5
                        } else if s > 0.22 {
                            0.7
                        } else {
                            1.0
                        }) as u64
                },
                rate,
            );
            assert!(ours <= usual, "{rate}: {ours} units, the usual rule takes {usual}");
            let settled = sizing.whole_groups((rate * 0.2) as u64);
            assert_eq!(sizing.next(settled, sizing.target, false), settled);
        }
    }

    #[test]
    fn slow_hashes_begin_with_small_units() {
        let sizing = Sizing::default();
        assert_eq!(sizing.for_cost(Duration::from_micros(1)), sizing);
        assert_eq!(sizing.for_cost(Duration::ZERO), sizing);
        let slow = sizing.for_cost(Duration::from_millis(10));
        assert_eq!((slow.first, slow.least), (256, 16));
        let slower = sizing.for_cost(Duration::from_secs(100));
        assert_eq!((slower.first, slower.least), (1, 1));
    }

    #[test]
    fn has_limits() {
        let sizing = Sizing::default();
        assert_eq!(sizing.next(sizing.most, Duration::from_nanos(1), false), sizing.most);
        assert_eq!(sizing.next(sizing.least, Duration::from_secs(3600), false), sizing.least);
        assert_eq!(sizing.next(1 << 20, Duration::ZERO, false), sizing.whole_groups(1 << 22));
        assert_eq!(sizing.next(1 << 20, Duration::ZERO, true), sizing.whole_groups(5 << 18));
    }

    #[test]
    fn units_are_whole_groups() {
        let sizing = Sizing { least: 100, most: 3000, ..Sizing::default() };
        for count in 0..5000 {
            let whole = sizing.whole_groups(count);
            assert!(whole <= count && 3 * whole >= 2 * count, "{count}: {whole}");
            assert_eq!(sizing.whole_groups(whole), whole);
            assert_eq!(Sizing { groups: 1, ..sizing }.whole_groups(count), count);
            for group in [1, 2, 4, 8, 16, 32, 64, 96] {
                let multiple = if group == 96 { count < 768 } else { count < 2 * group };
                assert!(
                    multiple || whole.is_multiple_of(group),
                    "{count}: {whole} is not a multiple of {group}"
                );
            }
            let sized = sizing.clamp(count);
            assert!((100..=3000).contains(&sized));
            assert!([100, 3000].contains(&sized) || sized == whole, "{count}: {sized}");
        }
    }
}
