//! How many items a launch should have.

use std::time::Duration;

/// By how much a launch may grow from one to the next.
const MOST_GROWTH: u64 = 4;

/// Items of the next launch, from how long the last ones took.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    items: u64,
}

impl Pace {
    /// Begins with `items`, about as many as keep the device busy for a moment.
    pub fn new(target: Duration, items: u32) -> Self {
        Self { target, items: u64::from(items.max(1)) }
    }

    /// Items of the next launch, `most` at most.
    pub fn items(&self, most: u32) -> u32 {
        self.items.clamp(1, u64::from(most.max(1))) as u32
    }

    /// A launch of `count` items kept the device busy for `took`.
    pub fn took(&mut self, count: u32, took: Duration) {
        let late = took > self.target;
        let ideal = u128::from(count) * self.target.as_nanos() / took.as_nanos().max(1);
        // The end of a unit is a short launch; it says little about a long one, unless it was long itself.
        if late || u64::from(count) * 2 >= self.items {
            self.items = (ideal.min(u128::from(u32::MAX)) as u64).clamp(1, self.items * MOST_GROWTH);
        }
    }

    /// Memory was short: launches shrink.
    pub fn shrink(&mut self, count: u32) {
        self.items = u64::from(count / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launches_come_to_take_their_time() {
        let mut pace = Pace::new(Duration::from_millis(2), 1000);
        // Ten nanoseconds an item.
        for _ in 0..20 {
            let items = pace.items(u32::MAX);
            pace.took(items, Duration::from_nanos(u64::from(items) * 10));
        }
        assert_eq!(pace.items(u32::MAX), 200_000);
        assert_eq!(pace.items(5000), 5000);
        pace.took(10, Duration::from_micros(1));
        assert_eq!(pace.items(u32::MAX), 200_000);
        pace.took(200_000, Duration::from_millis(20));
        assert_eq!(pace.items(u32::MAX), 20_000);
        pace.shrink(1);
        assert_eq!(pace.items(9), 1);
    }
}
