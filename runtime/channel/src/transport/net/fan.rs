//! A broadcast's hold on its connections: one to each receiver, all of them fed from the sender's one ring.
//!
//! Each has a [`Tap`](crate::broadcast::Tap) of its own, so that whoever is slow holds up the sender, or loses messages, by
//! the rules of the ring, and nobody else.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    flusher,
    handle::{LINGER, wait_for},
    outlet::Outlet,
};
use crate::{broadcast::Policy, lane::Pump};

/// How long a sender waits that waits for a connection which is being made.
const A_MOMENT: Duration = Duration::from_micros(100);

/// A sender that never waits for a receiver does not when it is dropped either: only as long as somebody takes what is
/// left, and so much longer.
const NOBODY_TAKES: Duration = Duration::from_secs(1);

/// Connections of receivers that were let in and that the sender has not taken over yet.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    arrived: Mutex<Vec<Arc<Outlet>>>,
    /// How many ever came.
    count: AtomicU64,
}

impl Crowd {
    pub fn put(&self, outlet: &Arc<Outlet>) {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        // A sender that does not look keeps none of those that have gone.
        let gone: Vec<_> = arrived.extract_if(.., |outlet| outlet.is_over()).collect();
        arrived.push(Arc::clone(outlet));
        self.count.fetch_add(1, Ordering::Release);
        drop(arrived);
        drop(gone);
    }

    fn take(&self, into: &mut Vec<Arc<Outlet>>) -> u64 {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut arrived);
        self.count.load(Ordering::Relaxed)
    }
}

/// Dropping it closes the connections.
#[derive(Debug)]
pub(super) struct Fan {
    crowd: Arc<Crowd>,
    policy: Policy,
    /// The crowd's number when it was last looked at.
    seen: u64,
    outlets: Vec<Arc<Outlet>>,
    /// When the last call was over that sent something: how the sender's calls follow each other does not hang on how
    /// many connections there are.
    last: Instant,
}

impl Fan {
    pub fn new(crowd: Arc<Crowd>, policy: Policy) -> Self {
        Self { crowd, policy, seen: 0, outlets: Vec::new(), last: Instant::now() }
    }

    fn look(&mut self) {
        if self.crowd.count.load(Ordering::Acquire) != self.seen {
            self.seen = self.crowd.take(&mut self.outlets);
        }
    }

    fn forget_who_is_gone(&mut self) {
        self.outlets.retain(|outlet| !outlet.is_over());
    }
}

impl Pump for Fan {
    #[cold]
    fn published(&mut self) {
        self.look();
        // The same for all: what is sent for one is no pause of the sender's before the next.
        let (now, mut gone) = (Instant::now(), false);
        for outlet in &self.outlets {
            gone |= outlet.published(now, Some(self.last));
        }
        if gone {
            self.forget_who_is_gone();
        }
        self.last = Instant::now();
    }

    fn push_out(&mut self) {
        self.look();
        self.outlets.iter().for_each(|outlet| outlet.push_out());
        self.forget_who_is_gone();
    }

    fn wait(&mut self, time: Duration) {
        self.look();
        let waiting: Vec<_> = self.outlets.iter().filter_map(Outlet::begin_waiting).collect();
        if waiting.is_empty() {
            return std::thread::sleep(time.min(A_MOMENT));
        }
        wait_for(&waiting, time);
    }
}

impl Drop for Fan {
    /// What is left goes out to each, then the goodbye.
    fn drop(&mut self) {
        self.look();
        self.forget_who_is_gone();
        if self.outlets.is_empty() {
            return;
        }
        let until = Instant::now() + LINGER;
        let patience = if self.policy == Policy::Lossless { LINGER } else { NOBODY_TAKES };
        let (mut taken, mut last) = (0, Instant::now());
        self.outlets.iter().for_each(|outlet| outlet.begin_closing());
        loop {
            let now = Instant::now();
            let late = now >= until || now >= last + patience;
            self.outlets.retain(|outlet| !outlet.is_closed(late));
            if self.outlets.is_empty() {
                break;
            }
            let sum = self.outlets.iter().map(|outlet| outlet.taken()).sum();
            // Another sum tells that one has taken something, or has taken everything.
            if sum != taken {
                (taken, last) = (sum, now);
            }
            self.wait(until.min(last + patience).saturating_duration_since(now));
        }
        flusher::look_again();
    }
}
