//! Whether a lane's sender is there, without a socket: it holds a lock while it lives.

use std::{sync::Arc, time::Duration};

use adit_memory::Kept;
use rustix::time::{ClockId, clock_gettime};

use super::SENDER;

/// That a sender lives is believed for so long, and up to a tick of the system's clock longer; that it does not, never.
const BELIEVED: Duration = Duration::from_millis(2);

/// Asks for the sender's lock, now and then.
#[derive(Debug)]
pub(crate) struct Presence {
    kept: Arc<Kept>,
    /// When it was last seen to live.
    lived: Option<Duration>,
}

impl Presence {
    pub fn new(kept: Arc<Kept>) -> Self {
        Self { kept, lived: None }
    }

    /// Whether a living process has the sending end.
    pub fn is_there(&mut self) -> bool {
        // spec: SEG-2.3
        if self.is_believed() {
            return true;
        }
        // It was locked before, so it can be asked; if not, nobody is called dead.
        let there = self.kept.is_locked(SENDER).unwrap_or(true);
        self.lived = there.then(now);
        there
    }

    /// Whether it was seen to live not long ago.
    #[inline]
    pub fn is_believed(&self) -> bool {
        self.lived.is_some_and(|lived| now().saturating_sub(lived) < BELIEVED)
    }
}

/// To a few milliseconds, which is less work than the exact time: an end that spins asks at each look.
fn now() -> Duration {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    // Neither is negative, and there are no more nanoseconds than a second has.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
