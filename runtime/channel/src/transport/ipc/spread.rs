//! Channels with many receivers: each listens at a numbered place, and a sender joins all that are there.
//!
//! The first place is that of a channel with one receiver, so that a process which opens the channel in another
//! mode meets somebody who tells it. A sender hears of new receivers from the directory (inotify), in a thread of
//! its own, because a join waits for an answer.

use std::{
    any::Any,
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    fs::inotify,
};

use super::{join, listen, place::Place};
use crate::{
    endpoint::{Inbox, MAX_RECEIVERS, OpenError, Outbox, Wish},
    lane::Spec,
};

/// How long to wait before asking again whether somebody listens.
const AGAIN: Duration = Duration::from_millis(2);

/// So often a place is asked again that is there and where nobody listens: a receiver makes it, then listens.
const ASKS: u32 = 50;

/// One of many receivers: at the first place where nobody listens.
pub(crate) fn receiver(place: &Place, spec: &Spec) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenError> {
    for number in 0..MAX_RECEIVERS {
        match listen::receiver(&place.numbered(number), spec) {
            // Who is there has the same channel.
            Err(OpenError::ReceiverTaken) => {}
            other => return other,
        }
    }
    Err(OpenError::ReceiversTaken { most: MAX_RECEIVERS })
}

/// A sender to all receivers, of which one must be there `within` this time.
pub(crate) fn sender(
    place: &Place,
    spec: &Spec,
    within: Duration,
    wish: Wish,
) -> Result<(Arc<Outbox>, Box<dyn Any + Send>), OpenError> {
    let outbox = Arc::new(Outbox::default());
    // Before the first look, so that nobody comes unseen between it and the next.
    let news = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)
        .map_err(OpenError::system("watch a directory"))?;
    inotify::add_watch(&news, place.directory(), inotify::WatchFlags::CREATE)
        .map_err(OpenError::system(format!("watch {}", place.directory().display())))?;
    let mut scan = Scan { place: place.clone(), spec: spec.clone(), wish, known: [None; MAX_RECEIVERS] };
    let began = Instant::now();
    while scan.look(&outbox, true)?.joined == 0 && outbox.arrivals() == 0 {
        if began.elapsed() >= within {
            return Err(OpenError::NobodyListens { place: place.path().display().to_string() });
        }
        std::thread::sleep(AGAIN);
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(OpenError::system("make an eventfd"))?;
    let stop = Arc::new(bell);
    let (thread_stop, thread_outbox) = (Arc::clone(&stop), Arc::downgrade(&outbox));
    std::thread::Builder::new()
        .name("adit-join".into())
        .spawn(move || scan.run(&news, &thread_stop, &thread_outbox))
        .map_err(OpenError::system("start a thread"))?;
    Ok((outbox, Box::new(Stop(stop))))
}

/// Ends the thread when dropped.
struct Stop(Arc<OwnedFd>);

impl Drop for Stop {
    fn drop(&mut self) {
        // It is rung once.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// Looks for receivers that were not joined yet.
struct Scan {
    place: Place,
    spec: Spec,
    wish: Wish,
    /// What tells the sockets apart that were at the places when they were asked.
    known: [Option<(u64, i64, i64)>; MAX_RECEIVERS],
}

/// What a look found.
#[derive(Default)]
struct Found {
    joined: usize,
    /// There is a socket on which nobody listens: not yet, or no more.
    silent: bool,
}

impl Scan {
    /// Joins whoever is new. Refusals are errors at first; later they are nobody's, so such a place is left
    /// alone.
    fn look(&mut self, outbox: &Outbox, first: bool) -> Result<Found, OpenError> {
        let mut found = Found::default();
        for number in 0..MAX_RECEIVERS {
            let place = self.place.numbered(number);
            let Ok(socket) = fs::symlink_metadata(place.path()) else { continue };
            let socket = (socket.ino(), socket.ctime(), socket.ctime_nsec());
            if self.known[number] == Some(socket) {
                continue;
            }
            match join::sender(&place, &self.spec, Duration::ZERO, self.wish) {
                Ok(lane) => {
                    outbox.put(lane);
                    found.joined += 1;
                }
                Err(OpenError::NobodyListens { .. }) => {
                    found.silent = true;
                    continue;
                }
                Err(error) if first => return Err(error),
                Err(_) => {}
            }
            self.known[number] = Some(socket);
        }
        Ok(found)
    }

    fn run(mut self, news: &OwnedFd, stop: &OwnedFd, outbox: &Weak<Outbox>) {
        let mut asks = ASKS;
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(news.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN),
            ];
            let soon = Timespec::try_from(AGAIN).ok();
            // An interrupted sleep is a look too many, and nothing else can be wrong with it.
            let _ = poll(&mut fds, if asks > 0 { soon.as_ref() } else { None });
            if !fds[1].revents().is_empty() {
                return;
            }
            if !fds[0].revents().is_empty() {
                asks = ASKS;
                while rustix::io::read(news, &mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {}
            }
            let Some(outbox) = outbox.upgrade() else { return };
            asks = match self.look(&outbox, false) {
                Ok(Found { silent: true, .. }) => asks.saturating_sub(1),
                _ => 0,
            };
        }
    }
}
