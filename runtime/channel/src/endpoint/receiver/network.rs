//! What a receiver on a network has besides: a report, and sockets to sleep on.

use std::time::Duration;

use rustix::event::PollFlags;

use super::LaneReceiver;
use crate::{
    lane::ReaderLane,
    transport::{
        net::{NetworkReport, wait},
        udp::Datagrams,
    },
};

impl LaneReceiver {
    pub(in super::super) fn on_network(mut self, report: NetworkReport) -> Self {
        self.network = Some(report);
        self
    }

    /// What was found when this end was opened on a network: driver, address, and options that the system does
    /// not have; `None`: it is on none.
    pub(in super::super) fn network(&self) -> Option<&NetworkReport> {
        self.network.as_ref()
    }

    /// What became of datagrams, of a `udp://` channel; `None`: it is none.
    pub(in super::super) fn datagrams(&self) -> Option<Datagrams> {
        self.lanes.iter().find_map(ReaderLane::datagrams)
    }

    /// Sleeps until a socket has something, or a lane joins, at most `time`.
    pub(super) fn poll(&mut self, time: Duration) {
        let Some(bell) = self.inbox.bell() else { return };
        let mut on = vec![(bell, PollFlags::IN)];
        let mut time = time;
        for source in self.lanes.iter().filter_map(ReaderLane::source) {
            // A source that has ended is something to see.
            let Some(socket) = source.poll_on() else { return };
            on.push(socket);
            time = time.min(source.longest_sleep());
        }
        if !self.inbox.may_take(self.lanes.len()) {
            on.remove(0);
        }
        // Whatever it says, the caller looks.
        let _ = wait(&on, time);
    }
}
