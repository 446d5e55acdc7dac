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

    /// The next lane, if it is there; after an error of the lane's own the one behind it is next. What this process lacks
    /// (descriptors, memory) it may have later: then the lane is still next.
    pub fn find(&mut self) -> Result<Option<ReaderLane>, OpenFailure> {
        if self.next >= MAX_SENDERS {
            return Ok(None);
        }
        let opened = lane_home(&self.anchor, self.next)?.open(PART, LONGEST);
        if let Err(KeptError::Missing { .. }) = opened {
            return Ok(None);
        }
        let lane = opened.map_err(OpenFailure::from).and_then(|kept| {
            let kept = Arc::new(kept);
            check(&kept, &self.spec, lane_len(&self.spec))?;
            reader(&kept, &self.spec)
        });
        if !lane.as_ref().is_err_and(OpenFailure::is_want) {
            self.next += 1;
        }
        lane.map(Some)
    }
}

impl LaneSource for Scan {
    fn next_lane(&mut self) -> Option<Result<ReaderLane, OpenFailure>> {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return None;
        }
        match self.find() {
            Err(failure) if !failure.is_want() => Some(Err(failure)),
            Ok(Some(lane)) => Some(Ok(lane)),
            Ok(None) | Err(_) => {
                self.looked = Some(Instant::now());
                None
            }
        }
    }
}
