//! What a receiver on a network has besides: a report, and sockets to sleep on.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

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

/// A time that is so much later is the same.
const SOON: Duration = Duration::from_millis(1);

/// What a future that waits on sockets has left.
#[derive(Debug)]
pub(super) struct Watched {
    sockets: Vec<Arc<OwnedFd>>,
    until: Option<Instant>,
}

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
        self.slept_until(Instant::now());
    }

    /// This end has slept on its sockets until then.
    pub(in super::super) fn slept_until(&mut self, woken: Instant) {
        self.lanes.iter_mut().for_each(|lane| lane.slept_until(woken));
    }

    /// Announces a sleep on sockets: keeps what ends it.
    pub(super) fn arm_sockets(&mut self) -> Option<Watch> {
        let watch = self.watch_sockets()?;
        let until = watch.within.and_then(|within| Instant::now().checked_add(within));
        self.watched = Some(Watched { sockets: watch.sockets.clone(), until });
        Some(watch)
    }

    /// Whether that would still end a sleep: a look that came in between may have taken over a lane, or found what is to
    /// be looked at sooner.
    pub(super) fn is_armed_on_sockets(&self) -> bool {
        let (Some(left), Some(now)) = (&self.watched, self.watch_sockets()) else { return false };
        let same = left.sockets.len() == now.sockets.len()
            && left.sockets.iter().zip(&now.sockets).all(|(left, now)| Arc::ptr_eq(left, now));
        let until = now.within.and_then(|within| Instant::now().checked_add(within + SOON));
        same && left.until.is_none_or(|left| until.is_none_or(|until| left <= until))
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
