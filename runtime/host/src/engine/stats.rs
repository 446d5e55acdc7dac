//! A device's record: rate, its trend, latency, errors.

use std::time::Duration;

/// Rolling figures of one device, over its restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DeviceStats {
    /// Nonces hashed in ended units.
    pub hashes: u64,
    /// Units ended.
    pub units: u64,
    /// Units that did not come back, or came back with an error.
    pub lost: u64,
    /// Verified solutions.
    pub solutions: u64,
    /// Times it was distrusted.
    pub faults: u64,
    /// Errors it reported.
    pub errors: u64,
    /// Canaries found.
    pub canaries: u64,
    /// Nonces a second over the last few units.
    pub rate: f64,
    /// Nonces a second over the last few hundred units.
    pub slow_rate: f64,
    /// Hashes and seconds that the two rates are made of. Averaged apart, because a host that is late sees
    /// two units end at once: one seems to take long and the other no time at all.
    fast: Pace,
    slow: Pace,
    /// Seconds from sending a unit to its end, over the last few units.
    pub latency: f64,
}

impl DeviceStats {
    /// A unit of `hashes` nonces ended; it took `took` since the one before it ended or since it was sent,
    /// whichever is later, and `latency` since it was sent.
    pub fn unit_done(&mut self, hashes: u64, took: Duration, latency: Duration) {
        if hashes > 0 {
            self.rate = self.fast.blend(hashes, took, 0.2);
            self.slow_rate = self.slow.blend(hashes, took, 0.01);
        }
        self.unit_counted(hashes, latency);
    }

    /// The same of a unit that says nothing of its pace.
    pub fn unit_counted(&mut self, hashes: u64, latency: Duration) {
        self.units += 1;
        self.hashes += hashes;
        blend(&mut self.latency, latency.as_secs_f64(), 0.2);
    }

    /// The same with another rate: that of the moment.
    #[must_use]
    pub fn at_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// What was learnt of its pace is of no use any more.
    pub fn forget_pace(&mut self) {
        (self.rate, self.slow_rate, self.fast, self.slow) = (0.0, 0.0, Pace::default(), Pace::default());
    }

    /// How long so many nonces take at the rate of late; `None` before there is one.
    #[must_use]
    pub fn time_for(&self, nonces: u64) -> Option<Duration> {
        (self.rate > 0.0).then(|| Duration::try_from_secs_f64(nonces as f64 / self.rate).ok()).flatten()
    }

    /// How the rate of late compares with the longer past: 1 is steady, below 1 is slowing down.
    #[must_use]
    pub fn trend(&self) -> f64 {
        if self.slow_rate > 0.0 { self.rate / self.slow_rate } else { 1.0 }
    }

    /// Units lost among all that were sent: 0 to 1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        let sent = self.units + self.lost;
        if sent > 0 { self.lost as f64 / sent as f64 } else { 0.0 }
    }
}

/// Weighted means of hashes and seconds of units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pace {
    hashes: f64,
    seconds: f64,
}

impl Pace {
    /// Takes a unit in; hashes a second.
    fn blend(&mut self, hashes: u64, took: Duration, weight: f64) -> f64 {
        blend(&mut self.hashes, hashes as f64, weight);
        blend(&mut self.seconds, took.as_secs_f64(), weight);
        if self.seconds > 0.0 { self.hashes / self.seconds } else { 0.0 }
    }
}

/// Exponentially weighted mean; the first value stands as it is.
fn blend(mean: &mut f64, value: f64, weight: f64) {
    *mean = if *mean == 0.0 { value } else { *mean + weight * (value - *mean) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_follows_and_trend_tells() {
        let mut stats = DeviceStats::default();
        let second = Duration::from_secs(1);
        (0..200).for_each(|_| stats.unit_done(1000, second, second));
        assert!((stats.rate - 1000.0).abs() < 1.0 && (stats.trend() - 1.0).abs() < 0.01);
        (0..10).for_each(|_| stats.unit_done(500, second, second));
        assert!(stats.rate < 600.0 && stats.trend() < 0.7, "{stats:?}");
        let before = stats.rate;
        // Late by a unit, then two at once.
        stats.unit_done(500, second * 2, second);
        stats.unit_done(500, Duration::ZERO, second);
        assert!((stats.rate / before - 1.0).abs() < 0.25, "{} after {before}", stats.rate);
        stats.lost += 53;
        assert!((stats.error_rate() - 0.2).abs() < 1e-9);
    }
}
