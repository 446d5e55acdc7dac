//! Where many send, a lane may appear at any time: the receiver looks now and then.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use adit_memory::{Home, KeptError, PART};

use super::{
    format::{LONGEST, check, lane_len},
    lane_home, reader,
};
use crate::{
    endpoint::{LaneSource, MAX_SENDERS, OpenFailure},
    lane::{ReaderLane, Spec},
};

/// How often it looks.
const EVERY: Duration = Duration::from_millis(5);

/// Finds the lanes of a channel, in the order of their numbers, in which they are made.
#[derive(Debug)]
pub(super) struct Scan {
    anchor: Home,
    spec: Spec,
    /// The next one to look for.
    next: usize,
    looked: Option<Instant>,
}

impl Scan {
    pub fn new(anchor: Home, spec: Spec) -> Self {
        Self { anchor, spec, next: 0, looked: None }
    }

    /// The next lane, if it is there; after an error the one behind it is next.
    pub fn find(&mut self) -> Result<Option<ReaderLane>, OpenFailure> {
        if self.next >= MAX_SENDERS {
            return Ok(None);
        }
        let opened = lane_home(&self.anchor, self.next)?.open(PART, LONGEST);
        if let Err(KeptError::Missing { .. }) = opened {
            return Ok(None);
        }
        self.next += 1;
        let kept = Arc::new(opened?);
        check(&kept, &self.spec, lane_len(&self.spec))?;
        reader(&kept, &self.spec).map(Some)
    }
}

impl LaneSource for Scan {
    fn next_lane(&mut self) -> Option<Result<ReaderLane, OpenFailure>> {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return None;
        }
        let found = self.find().transpose();
        if found.is_none() {
            self.looked = Some(Instant::now());
        }
        found
    }
}
