//! How long to sleep until a launch has ended, where waiting in the driver would keep a core busy.

use std::time::{Duration, Instant};

/// The shortest sleep: as late as that an end may be seen.
const LEAST: Duration = Duration::from_micros(250);

/// The longest: a launch may be much shorter than the one before.
const MOST: Duration = Duration::from_millis(4);

/// What the launches so far let one expect.
pub struct Rhythm {
    /// When the last one was seen to have ended.
    ended: Instant,
    /// For how long it had the device.
    took: Duration,
}

impl Rhythm {
    pub fn new() -> Self {
        Self { ended: Instant::now(), took: Duration::ZERO }
    }

    /// Before the next look at a launch that was submitted then: half of what it should still take.
    pub fn pause(&self, submitted: Instant) -> Duration {
        let left = self.took.saturating_sub(self.begin(submitted).elapsed());
        (left / 2).clamp(LEAST, MOST)
    }

    /// The launch that was submitted then has ended.
    pub fn end(&mut self, submitted: Instant) {
        let now = Instant::now();
        self.took = now.duration_since(self.begin(submitted));
        self.ended = now;
    }

    /// It had to wait for the one before.
    fn begin(&self, submitted: Instant) -> Instant {
        submitted.max(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_few_and_the_end_is_seen_soon() {
        let long_ago = Instant::now().checked_sub(Duration::from_millis(20)).unwrap();
        let mut rhythm = Rhythm::new();
        assert_eq!(rhythm.pause(Instant::now()), LEAST);
        rhythm.ended = long_ago;
        rhythm.end(long_ago);
        assert!(rhythm.took >= Duration::from_millis(20));
        // Just begun: long sleeps, but none that would miss the end of a short launch by much.
        assert_eq!(rhythm.pause(Instant::now()), MOST);
        // Nearly over, and later than expected.
        rhythm.ended = long_ago;
        assert_eq!(rhythm.pause(long_ago), LEAST);
        rhythm.took = Duration::from_millis(22);
        let soon = rhythm.pause(long_ago);
        assert!((LEAST..=Duration::from_millis(1)).contains(&soon), "{soon:?}");
    }
}
