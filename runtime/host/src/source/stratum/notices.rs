//! How much a pool may write into the log.

use std::time::Duration;

/// Notices that may come at once.
const BURST: u32 = 10;
/// After this time one more is allowed.
const REFILL: Duration = Duration::from_secs(6);

/// A token bucket that counts what it held back.
pub struct Notices {
    tokens: u32,
    refilled: Duration,
    left_out: u64,
}

impl Notices {
    /// A full bucket.
    pub fn new() -> Self {
        Self { tokens: BURST, refilled: Duration::ZERO, left_out: 0 }
    }

    /// `text` if it may be said at `now`.
    pub fn allow(&mut self, now: Duration, text: String) -> Option<String> {
        while self.tokens < BURST && now.saturating_sub(self.refilled) >= REFILL {
            self.refilled += REFILL;
            self.tokens += 1;
        }
        if self.tokens == BURST {
            self.refilled = now;
        }
        if self.tokens == 0 {
            self.left_out += 1;
            return None;
        }
        self.tokens -= 1;
        match std::mem::take(&mut self.left_out) {
            0 => Some(text),
            left_out => Some(format!("{text} ({left_out} more notices were left out)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_becomes_a_trickle_and_is_counted() {
        let mut notices = Notices::new();
        let said = (0..1000).filter_map(|_| notices.allow(Duration::from_secs(100), "x".into())).count();
        assert_eq!(said, 10);
        let later = notices.allow(Duration::from_secs(106), "y".into()).unwrap();
        assert_eq!(later, "y (990 more notices were left out)");
        assert_eq!(notices.allow(Duration::from_secs(106), "z".into()), None);
        assert!(notices.allow(Duration::from_secs(10_000), "z".into()).is_some());
    }
}
