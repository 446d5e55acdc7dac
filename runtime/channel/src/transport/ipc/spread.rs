//! Channels with many receivers: each listens at a numbered place, and a sender joins all that are there.
//!
//! The first place is that of a channel with one receiver, so that a process which opens the channel in another
//! mode meets somebody who tells it. A sender hears of new receivers from the directory (inotify), in a thread of
//! its own, because a join waits for an answer.

mod scan;

use std::{
    any::Any,
    convert::Infallible,
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustix::event::{EventfdFlags, eventfd};

use self::scan::Scan;
use super::{call::ANSWER, listen, place::Place};
use crate::{
    endpoint::{Inbox, MAX_RECEIVERS, OpenFailure, Outbox, Wish},
    lane::Spec,
    transport::Patience,
};

/// How long to wait before looking again whether somebody listens.
const AGAIN: Duration = Duration::from_millis(2);

/// Once somebody is joined, those who were asked and say nothing are waited for so long; they are joined when they
/// answer.
const FOR_THE_OTHERS: Duration = Duration::from_millis(100);

/// One of many receivers: at the first place where nobody listens. Of those who are there each has asked one before it,
/// so the first that answers speaks for all; and those that do not are waited for together as long as one.
pub(crate) fn receiver(
    place: &Place,
    spec: &Spec,
    patience: Patience,
) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    let mut ask = Some(Patience::new(patience.bound(ANSWER)));
    for number in 0..MAX_RECEIVERS {
        match listen::receiver_among(&place.numbered(number), spec, ask) {
            Err(OpenFailure::ReceiverTaken) => ask = None,
            Err(OpenFailure::NoAnswer { .. }) => {}
            other => return other,
        }
    }
    Err(OpenFailure::ReceiversTaken { most: MAX_RECEIVERS })
}

/// A sender to all receivers, of which one must be there while the patience lasts.
pub(crate) fn sender(
    place: &Place,
    spec: &Spec,
    patience: Patience,
    wish: Wish,
) -> Result<(Arc<Outbox>, Box<dyn Any + Send>), OpenFailure> {
    let outbox = Arc::new(Outbox::default());
    // Before the first look, so that nobody comes unseen between it and the next.
    let mut scan = Scan::new(place, spec, wish)?;
    let began = Instant::now();
    loop {
        scan.look(&outbox, Some(patience))?;
        match (outbox.arrivals() > 0, scan.silent()) {
            (true, None) => break,
            (true, Some(_)) if began.elapsed() >= FOR_THE_OTHERS => break,
            (false, None) if patience.is_over() => {
                return Err(OpenFailure::NobodyListens { place: place.path().display().to_string() });
            }
            (false, Some(silent)) if patience.is_over() && silent.is_late() => return Err(silent.failure()),
            _ => drop(scan.sleep(None, Some(AGAIN))),
        }
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(OpenFailure::system("make an eventfd"))?;
    let bell = Arc::new(bell);
    let (thread_bell, thread_outbox) = (Arc::clone(&bell), Arc::downgrade(&outbox));
    let (alive, over) = mpsc::channel();
    std::thread::Builder::new()
        .name("adit-join".into())
        .spawn(move || {
            scan.run(&thread_bell, &thread_outbox);
            drop::<mpsc::Sender<Infallible>>(alive);
        })
        .map_err(OpenFailure::system("start a thread"))?;
    Ok((outbox, Box::new(Stop { bell, over })))
}

/// Ends the thread when dropped.
struct Stop {
    bell: Arc<OwnedFd>,
    /// Hung up when it has ended.
    over: mpsc::Receiver<Infallible>,
}

impl Drop for Stop {
    fn drop(&mut self) {
        // It is rung once.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        // What it joins in this moment would have the sender's place when the next one comes. It may wait for an answer.
        let _ = self.over.recv_timeout(FOR_THE_OTHERS);
    }
}
