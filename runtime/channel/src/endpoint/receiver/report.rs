//! What a receiving end tells of itself.

use super::{Counters, LaneReceiver, Report};

impl LaneReceiver {
    /// On which NUMA node the ring of each sender that joined is, as the kernel said.
    #[must_use]
    pub fn placements(&self) -> Vec<Report> {
        self.lanes.iter().map(|lane| lane.placement().clone()).collect()
    }

    /// What this end counted, of all senders together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = self.retired;
        for lane in &self.lanes {
            sum.add(&lane.counters());
        }
        sum.stalls = self.stalls;
        sum
    }
}
