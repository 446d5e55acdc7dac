//! How far ahead of a receiver its sender may write.
//!
//! As much as the receiver reads in [a moment](MOMENT), if nothing else is asked for: what takes a receiver long is
//! handed out in small pieces, so that whoever is idle gets the next, and what goes fast is not held up by looks at
//! each other's cursors, which cost about as much as fifty messages.

use std::time::{Duration, Instant};

/// So much work a receiver may have ahead of it.
const MOMENT: Duration = Duration::from_micros(50);

/// A shorter time between two looks tells no rate: a receiver says what it has read in leaps.
const SHORT: Duration = Duration::from_micros(10);

/// After so long without a message read nothing is left of a credit. A receiver that shares its core does not run for as long as
/// that in a row, and is as fast as before when it does; the little that one gets in that time which has become slow is all that it
/// has too much.
const FADES: Duration = Duration::from_millis(8);

/// The least that a receiver may have ahead, in bytes, however slow it is.
pub(super) const LEAST: u64 = 4096;

/// Of a credit that was said, and of the [least](LEAST), a receiver gets such a part in one turn.
const TURNS: u64 = 8;

/// Of what a fast receiver's credit is above the least, it gets such a part in one turn: the more lies in one lane, the less
/// each message of it costs, and the longer do the others wait.
const FAST_TURNS: u64 = 2;

/// What one receiver may have ahead.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    bytes: u64,
    /// If it follows the receiver's rate.
    measure: Option<Measure>,
}

#[derive(Clone, Debug)]
struct Measure {
    most: u64,
    /// How far the receiver had read at the last look that told a rate.
    read: u64,
    looked: Instant,
}

impl Credit {
    /// So many bytes, if they are said; else as much as the receiver reads in a moment, at most half a ring of
    /// `capacity` bytes.
    pub fn new(said: Option<u64>, capacity: u64) -> Self {
        let most = capacity / 2;
        let measure = || Measure { most, read: 0, looked: Instant::now() };
        Self { bytes: said.unwrap_or(LEAST.min(most)), measure: said.is_none().then(measure) }
    }

    /// Whether it follows the receiver's rate.
    pub fn is_measured(&self) -> bool {
        self.measure.is_some()
    }

    /// Of so many bytes a receiver may have ahead.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Of so many bytes is a turn, before the sender looks at the other receivers: at most 25 us of what a fast one reads, and
    /// little for one that works long on each message.
    pub fn turn(&self) -> u64 {
        let part = self.bytes.min(LEAST) / TURNS;
        match self.measure {
            Some(_) => part + self.bytes.saturating_sub(LEAST) / FAST_TURNS,
            None => self.bytes / TURNS,
        }
    }

    /// The same for a message that takes so many bytes of an arena: as many as let one wait while the receiver works on
    /// the last, if no number was said. One at a time, it would wait while each is written.
    pub fn bytes_for_long(&self, size: u64) -> u64 {
        if self.measure.is_some() { self.bytes.max(2 * size) } else { self.bytes }
    }

    /// The receiver has read up to `read`, and waits for more if it is `idle`.
    pub fn look(&mut self, read: u64, idle: bool) {
        if let Some(measure) = &mut self.measure {
            self.bytes = measure.look(self.bytes, read, idle, Instant::now());
        }
    }
}

impl Measure {
    fn look(&mut self, before: u64, read: u64, idle: bool, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.looked);
        if since < SHORT {
            return before;
        }
        let bytes = u128::from(read.saturating_sub(self.read)) * MOMENT.as_nanos() / since.as_nanos();
        (self.read, self.looked) = (read, now);
        // One that waits would have read more.
        let bytes = if idle { 2 * bytes } else { bytes };
        let left = FADES.saturating_sub(since).as_nanos() * u128::from(before) / FADES.as_nanos();
        let bytes = bytes.max(left);
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.most).max(LEAST.min(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure() -> Measure {
        Measure { most: 1 << 18, read: 0, looked: Instant::now() }
    }

    #[test]
    fn credit_is_what_is_read_in_a_moment() {
        let mut measure = measure();
        let first = measure.looked + 5 * MOMENT;
        assert_eq!(measure.look(LEAST, 100_000, false, first), 20_000);
        assert_eq!(measure.look(20_000, 200_000, true, first + 5 * MOMENT), 40_000);
    }

    #[test]
    fn a_turn_is_a_part_of_the_credit() {
        let fast = Credit { bytes: LEAST + 20_000, measure: Some(measure()) };
        assert_eq!(fast.turn(), LEAST / 8 + 10_000);
        assert_eq!(Credit::new(None, 1 << 20).turn(), LEAST / 8);
        assert_eq!(Credit::new(None, 64).turn(), 4);
        assert_eq!(Credit::new(Some(80_000), 1 << 20).turn(), 10_000);
    }

    #[test]
    fn credit_of_one_that_does_not_run_fades() {
        let mut measure = measure();
        let looked = measure.looked;
        assert_eq!(measure.look(100_000, 0, false, looked + FADES / 4), 75_000);
        assert_eq!(measure.look(75_000, 0, false, looked + FADES / 2), 56_250);
        assert_eq!(measure.look(56_250, 1 << 20, false, looked + FADES / 2 + MOMENT), 1 << 18);
        assert_eq!(measure.look(1 << 18, 1 << 20, false, looked + 2 * FADES), LEAST);
    }

    #[test]
    fn it_has_bounds() {
        let mut measure = measure();
        let looked = measure.looked;
        assert_eq!(measure.look(LEAST, 1 << 30, false, looked + MOMENT), 1 << 18);
        assert_eq!(measure.look(1 << 18, (1 << 30) + 64, true, looked + 1000 * MOMENT), LEAST);
        let small = Measure { most: 512, ..measure }.look(512, 1 << 40, true, looked + 2000 * MOMENT);
        assert_eq!(small, 512);
    }

    #[test]
    fn looks_in_quick_succession_tell_nothing() {
        let mut measure = measure();
        let looked = measure.looked;
        assert_eq!(measure.look(9999, 64, true, looked + SHORT / 2), 9999);
        assert_eq!(measure.read, 0);
    }

    #[test]
    fn what_is_said_stays() {
        let mut credit = Credit::new(Some(1), 1 << 20);
        credit.look(1 << 30, true);
        assert_eq!((credit.bytes(), credit.bytes_for_long(1 << 20)), (1, 1));
    }
}
