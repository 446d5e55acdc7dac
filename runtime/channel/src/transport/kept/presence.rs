//! Whether a lane's sender is there, without a socket: it holds a lock while it lives.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use adit_memory::Kept;

use super::SENDER;

/// That a sender lives is believed for so long; that it does not, never.
const BELIEVED: Duration = Duration::from_millis(2);

/// Asks for the sender's lock, now and then.
#[derive(Debug)]
pub(crate) struct Presence {
    kept: Arc<Kept>,
    lived: Option<Instant>,
}

impl Presence {
    pub fn new(kept: Arc<Kept>) -> Self {
        Self { kept, lived: None }
    }

    /// Whether a living process has the sending end.
    pub fn is_there(&mut self) -> bool {
        // spec: SEG-2.3
        if self.lived.is_some_and(|at| at.elapsed() < BELIEVED) {
            return true;
        }
        // It was locked before, so it can be asked; if not, nobody is called dead.
        let there = self.kept.is_locked(SENDER).unwrap_or(true);
        self.lived = there.then(Instant::now);
        there
    }
}
