//! A lane's hold on its connection, and how a sender waits for connections.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

use super::{flusher, outlet::Outlet, socket};
use crate::{endpoint::Ticket, lane::Pump};

/// How often a sender that waits for room looks whether there is a connection again.
const RECONNECTING: Duration = Duration::from_millis(5);

/// How long a sender that is dropped waits for the kernel to take what is left.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// The lane's hold on its connection. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Handle {
    outlet: Arc<Outlet>,
    company: Option<Arc<Company>>,
    _lane: Option<Ticket>,
}

/// What the lanes of a sender to one of many share.
#[derive(Debug)]
pub(super) struct Company {
    /// Until when what is left may go out: a sender to many is dropped as fast as one to one, however many of its
    /// receivers are slow.
    until: OnceLock<Instant>,
    began: Instant,
    /// When the last call for any of them was over, in nanoseconds since it began: how the sender's sends follow each
    /// other does not hang on whom they are for.
    last: AtomicU64,
}

impl Default for Company {
    fn default() -> Self {
        Self { until: OnceLock::new(), began: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Company {
    /// Both are the sender's own thread's.
    fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    fn ended(&self) {
        let since = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }
}

impl Handle {
    pub fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, company: None, _lane: None }
    }

    /// One of many lanes that are written in turns and end together.
    pub fn in_company(outlet: Arc<Outlet>, company: Arc<Company>, lane: Option<Ticket>) -> Self {
        Self { outlet, company: Some(company), _lane: lane }
    }
}

impl Pump for Handle {
    #[cold]
    fn published(&mut self) {
        let last = self.company.as_ref().map(|company| company.last());
        self.outlet.published(Instant::now(), last);
        if let Some(company) = &self.company {
            company.ended();
        }
    }

    fn keeps_up(&self) -> bool {
        !self.outlet.is_stuck()
    }

    fn push_out(&mut self) {
        self.outlet.push_out();
    }

    fn wait(&mut self, time: Duration) {
        if let Some(waiting) = self.outlet.begin_waiting() {
            wait_for(&[waiting], time);
        } else if !self.outlet.is_connected() {
            // Until there is a connection again.
            std::thread::sleep(time.min(RECONNECTING));
        }
    }
}

impl Drop for Handle {
    /// What is left goes out, then the goodbye; where the connection is broken, on the next one.
    fn drop(&mut self) {
        if self.outlet.is_over() {
            return;
        }
        let until = || Instant::now() + LINGER;
        let until = self.company.as_ref().map_or_else(until, |company| *company.until.get_or_init(until));
        self.outlet.begin_closing();
        while !self.outlet.is_closed(Instant::now() >= until) {
            self.wait(until.saturating_duration_since(Instant::now()));
        }
        flusher::look_again();
    }
}

/// What a sender sleeps on until the kernel takes more of what is left.
#[derive(Debug)]
pub(super) struct Waiting {
    pub outlet: Arc<Outlet>,
    pub socket: Arc<OwnedFd>,
    pub room: Arc<OwnedFd>,
    pub flags: PollFlags,
}

/// Sleeps until the kernel takes more on one of the connections, or its other side says something, at most `time`.
pub(super) fn wait_for(waiting: &[Waiting], time: Duration) {
    // The socket as well: should the flusher replace the connection meanwhile, this one's end is seen here.
    let on: Vec<_> = waiting
        .iter()
        .flat_map(|one| [(one.socket.as_fd(), PollFlags::IN), (one.room.as_fd(), one.flags)])
        .collect();
    let ready = socket::wait_each(&on, time).unwrap_or_default();
    for (at, one) in waiting.iter().enumerate() {
        one.outlet.end_waiting(ready.get(at * 2).is_some_and(|has_word| *has_word));
    }
}
