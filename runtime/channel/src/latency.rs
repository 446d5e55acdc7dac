//! One-way latencies: from sending a message to reading it.
//!
//! A channel measures them when both ends ask for it ([`measure_latency`](crate::Builder::measure_latency)). Not
//! every message is measured: where messages are rare (fewer than about 200 a second) each is; where they are many,
//! one in 50 to 200 microseconds, or in 256 KiB; and of those that wake a parked receiver one in sixteen. The time
//! is that of the machine's monotonic clock (`CLOCK_MONOTONIC`), taken when the sender calls, and when the receiver
//! comes to read: what waits for room before it is sent does not count, what waits to be read does. Two ends in
//! different time namespaces have different clocks, and measure nonsense.
//!
//! ```
//! use adit_channel::Channel;
//!
//! let channel = Channel::builder("memory://measured")?.measure_latency(true);
//! let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
//! sender.try_send(b"the first message is measured")?;
//! receiver.read()?.expect("it was sent");
//! let latency = receiver.latency().expect("it was asked for");
//! assert_eq!(latency.count(), 1);
//! assert!(latency.percentile(50.0) > 0 && latency.most() < 10_000_000_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::inspect::LatencySummary;

/// Buckets of each power of two: a value is known to an eighth of it.
const PARTS: u64 = 8;

/// Values of 2^40 nanoseconds (18 minutes) and more count as that.
const HIGHEST: u64 = 1 << 40;

/// How many buckets a histogram has.
pub(crate) const BUCKETS: usize = (PARTS + (40 - 3) * PARTS + 1) as usize;

/// A distribution of latencies, in nanoseconds; see [the module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    sum: u64,
    most: u64,
    buckets: Vec<u64>,
}

impl Latency {
    pub(crate) fn from_parts(sum: u64, most: u64, mut buckets: Vec<u64>) -> Self {
        buckets.resize(BUCKETS, 0);
        Self { sum, most, buckets }
    }

    /// How many messages were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their mean; 0 if there are none.
    #[must_use]
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count()).unwrap_or(0)
    }

    /// The longest.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most
    }

    /// What so many of a hundred did not exceed, at most an eighth too high; 0 if nothing was measured.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> u64 {
        let rank = (self.count() as f64 * percent.clamp(0.0, 100.0) / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reaches = |count: &u64| {
            seen += count;
            seen >= rank
        };
        self.buckets.iter().position(reaches).map_or(0, |bucket| highest_of(bucket).min(self.most))
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.most = self.most.max(other.most);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// The numbers that people ask for.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        LatencySummary {
            count: self.count(),
            mean: self.mean(),
            p50: self.percentile(50.0),
            p90: self.percentile(90.0),
            p99: self.percentile(99.0),
            most: self.most,
        }
    }
}

/// The bucket of a value.
pub(crate) fn bucket_of(value: u64) -> usize {
    let value = value.min(HIGHEST);
    if value < PARTS {
        return value as usize;
    }
    let power = u64::from(value.ilog2());
    // The three bits below the highest.
    let part = (value >> (power - 3)) - PARTS;
    ((power - 3 + 1) * PARTS + part) as usize
}

/// The highest value of a bucket.
fn highest_of(bucket: usize) -> u64 {
    let (power, part) = (bucket as u64 / PARTS, bucket as u64 % PARTS);
    if power == 0 { part } else { ((PARTS + part + 1) << (power - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_follow_each_other_to_the_highest() {
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        for bucket in 0..BUCKETS - 1 {
            assert_eq!(bucket_of(highest_of(bucket)), bucket);
            assert_eq!(bucket_of(highest_of(bucket) + 1), bucket + 1);
        }
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values_to_an_eighth(
            mut values in prop::collection::vec(0..10_000_000_u64, 1..200),
            percent in 0.0..100.0_f64,
        ) {
            let mut buckets = vec![0; BUCKETS];
            values.iter().for_each(|value| buckets[bucket_of(*value)] += 1);
            values.sort_unstable();
            let most = *values.last().unwrap();
            let latency = Latency::from_parts(values.iter().sum(), most, buckets);
            let rank = (values.len() as f64 * percent / 100.0).ceil().max(1.0) as usize;
            let (exact, found) = (values[rank - 1], latency.percentile(percent));
            prop_assert!((exact..=exact + exact / PARTS + 1).contains(&found), "{exact} {found}");
            prop_assert_eq!(latency.count(), values.len() as u64);
            prop_assert!(latency.summary().p99 <= most);
        }
    }
}
