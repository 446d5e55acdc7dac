//! Watches the heartbeat. spec: SES-6.1

use std::time::{Duration, Instant};

use crate::fault::{Checked, fault};

/// So many missed beats make a device slow; one or two are the machine's load, not the helper's fault.
const MISSED: u32 = 10;
/// Looks that are further apart than this say more of this process than of the helper.
pub(crate) const APART: Duration = Duration::from_millis(100);

/// What was seen of a heartbeat.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval: Duration,
    value: u64,
    changed: Instant,
    looked: Instant,
}

impl Pulse {
    pub fn new(heartbeat_ms: u32) -> Self {
        let now = Instant::now();
        let interval = Duration::from_millis(u64::from(heartbeat_ms));
        Self { interval, value: 0, changed: now, looked: now }
    }

    /// Looks at the heartbeat's value.
    pub fn look(&mut self, value: u64, now: Instant, doing: &str) -> Checked {
        if value < self.value {
            let what = format!("its heartbeat went from {} back to {value}, {doing}", self.value);
            return Err(fault("SES-6.1", what));
        }
        if value != self.value || now - self.looked > APART {
            (self.value, self.changed) = (value, now);
        }
        self.looked = now;
        let still = now - self.changed;
        if still > MISSED * self.interval {
            let what = format!(
                "its heartbeat stood still for {:.1} s, {doing}; expected: a beat every {} ms",
                still.as_secs_f64(),
                self.interval.as_millis()
            );
            return Err(fault("SES-6.1", what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stillness_and_going_back_are_told() {
        let mut pulse = Pulse::new(10);
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        assert_eq!(pulse.look(1, at(0), ""), Ok(()));
        assert_eq!(pulse.look(1, at(90), ""), Ok(()));
        assert!(pulse.look(1, at(120), "").is_err());
        assert_eq!(pulse.look(2, at(130), ""), Ok(()));
        assert!(pulse.look(1, at(140), "").is_err());
    }

    #[test]
    fn a_watcher_that_was_away_blames_nobody() {
        let mut pulse = Pulse::new(10);
        let begin = Instant::now();
        assert_eq!(pulse.look(1, begin, ""), Ok(()));
        assert_eq!(pulse.look(1, begin + Duration::from_secs(9), ""), Ok(()));
    }
}
