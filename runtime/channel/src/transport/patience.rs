//! How long an end that is opened waits for the other.

use std::time::{Duration, Instant};

use crate::endpoint::OpenFailure;

/// Whoever listens has as long to answer, however little is left: it may be alive and on a busy machine.
const AT_LEAST: Duration = Duration::from_millis(100);

/// From when on, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    began: Instant,
    /// Zero: not for who does not listen.
    within: Duration,
}

impl Patience {
    pub fn new(within: Duration) -> Self {
        Self { began: Instant::now(), within }
    }

    /// How long to wait for an answer that may take `most`.
    pub fn bound(&self, most: Duration) -> Duration {
        if self.within.is_zero() {
            return most;
        }
        most.min(self.left().max(AT_LEAST))
    }

    pub fn is_over(&self) -> bool {
        self.left().is_zero()
    }

    pub fn left(&self) -> Duration {
        self.within.saturating_sub(self.began.elapsed())
    }

    /// Tries, with pauses, for as long as what is in the way `may_pass`.
    pub fn again<T>(
        &self,
        pause: Duration,
        may_pass: impl Fn(&OpenFailure) -> bool,
        mut join: impl FnMut() -> Result<T, OpenFailure>,
    ) -> Result<T, OpenFailure> {
        loop {
            match join() {
                Err(failure) if may_pass(&failure) && !self.is_over() => std::thread::sleep(pause),
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_waited_for_no_longer_than_either_says() {
        let most = Duration::from_secs(5);
        assert_eq!(Patience::new(Duration::ZERO).bound(most), most);
        assert_eq!(Patience::new(Duration::MAX).bound(most), most);
        let left = Patience::new(Duration::from_secs(2)).bound(most);
        assert!(left <= Duration::from_secs(2) && left > Duration::from_secs(1), "{left:?}");
        assert_eq!(Patience::new(Duration::from_nanos(1)).bound(most), AT_LEAST);
        assert_eq!(Patience::new(most).bound(Duration::from_millis(1)), Duration::from_millis(1));
    }
}
