//! How long to wait before the next attempt: exponential, with full jitter.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// Doubles a ceiling with every failure and picks a random time under it, so that many miners do not
/// come back to a restarted pool at the same instant.
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
    state: u64,
}

/// The least ceiling from the second failure on.
const LEAST: Duration = Duration::from_millis(10);

impl Backoff {
    /// Ceilings from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self::seeded(first, most, RandomState::new().build_hasher().finish())
    }

    fn seeded(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, failures: 0, state: seed | 1 }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The time to wait after one more failure.
    pub fn wait(&mut self) -> Duration {
        // Nothing doubled is nothing: who fails again waits for a moment.
        let least = if self.failures > 0 { LEAST } else { Duration::ZERO };
        let ceiling =
            self.first.max(least).saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        ceiling.min(self.most.max(least)).mul_f64(self.unit())
    }

    /// Begins again at the first ceiling.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// A number from 0 to 1: xorshift64.
    fn unit(&mut self) -> f64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_ceiling_and_differ() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut backoff = Backoff::seeded(first, most, 7);
        let waits: Vec<_> = (0..200).map(|_| backoff.wait()).collect();
        for (failures, wait) in waits.iter().enumerate() {
            assert!(*wait <= most.min(first * (1 << failures.min(6))), "{failures}: {wait:?}");
        }
        assert!(waits[10..].iter().max().unwrap() > &(most * 3 / 4));
        assert!(waits[10..].iter().min().unwrap() < &(most / 4));
        backoff.reset();
        assert!(backoff.wait() <= first);
    }

    #[test]
    fn who_fails_again_waits_though_the_first_time_nobody_does() {
        let mut backoff = Backoff::seeded(Duration::ZERO, Duration::ZERO, 7);
        assert_eq!(backoff.wait(), Duration::ZERO);
        let waits: Duration = (0..100).map(|_| backoff.wait()).sum();
        assert!(waits > Duration::from_millis(300), "{waits:?}");
    }
}
