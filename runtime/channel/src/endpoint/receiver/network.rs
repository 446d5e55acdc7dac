//! What a receiver on a network has besides: a report, and sockets to sleep on.

use std::{os::fd::AsFd as _, time::Duration};

use rustix::event::PollFlags;

use super::LaneReceiver;
use crate::{
    lane::{ReaderLane, SOCKET_SLEEP},
    sleeper::Watch,
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
        let Some(watch) = self.watch_sockets() else { return };
        let on: Vec<_> = watch.sockets.iter().map(|socket| (socket.as_fd(), PollFlags::IN)).collect();
        // Whatever it says, the caller looks.
        let _ = wait(&on, watch.within.map_or(time, |longest| time.min(longest)));
    }

    /// What tells that a socket has something, or that a lane joins; nothing: there is something to see at once.
    pub(super) fn watch_sockets(&self) -> Option<Watch> {
        let bell = self.inbox.bell().filter(|_| self.inbox.may_take(self.lanes.len()));
        let mut sockets = Vec::from_iter(bell.cloned());
        let mut within = SOCKET_SLEEP;
        for source in self.lanes.iter().filter_map(ReaderLane::source) {
            // A source that has ended is something to see.
            sockets.push(source.poll_on()?);
            within = within.min(source.longest_sleep());
        }
        Some(Watch { sockets, within: Some(within), ..Watch::default() })
    }
}
