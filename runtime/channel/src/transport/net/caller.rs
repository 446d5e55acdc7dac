//! Of a channel with many senders and many receivers: each receiver listens at an address of its own, and a sender calls
//! them all.
//!
//! A thread for each address joins who listens there, and when that one is gone, the next.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    time::{Duration, Instant},
};

use super::{
    AGAIN, NetworkOptions, NetworkReport, OpenedSender, call,
    feed::Feed,
    flusher,
    handle::{Company, Handle},
    outlet::Outlet,
    socket::Place,
};
use crate::{
    endpoint::{OpenFailure, Outbox},
    lane::{self, Spec, WriterLane},
    transport::Patience,
    uri::Uri,
};

/// Between two calls of an address, at most. A receiver that is there for less time than this is no better than none.
const LONGEST: Duration = Duration::from_secs(1);

/// A sender to whoever listens at `uris`, of whom one must be there while the patience lasts.
///
/// spec: NET-1.5
pub(super) fn sender(
    uris: &[Uri],
    spec: &Spec,
    options: &NetworkOptions,
    session: u64,
    patience: Patience,
) -> Result<OpenedSender, OpenFailure> {
    let (outbox, company) = (Arc::new(Outbox::default()), Arc::default());
    let seats: Vec<Arc<Seat>> = uris.iter().map(|_| Arc::default()).collect();
    // From here on whatever goes wrong ends the threads.
    let hold = Box::new(Stop(seats.clone()));
    let (say, hear) = mpsc::channel();
    for (number, (uri, seat)) in uris.iter().zip(seats).enumerate() {
        let caller = Caller {
            place: Place::new(uri),
            spec: spec.clone(),
            // Who is cut off is called again as somebody new.
            options: NetworkOptions { reconnect: None, ..options.clone() },
            session,
            outbox: Arc::downgrade(&outbox),
            company: Arc::clone(&company),
            seat,
        };
        let say = say.clone();
        // The sender hears of the first calls alone.
        let said = move |result| drop(say.send((number, result)));
        std::thread::Builder::new()
            .name("adit-caller".into())
            .spawn(move || caller.run(said))
            .map_err(OpenFailure::system("start a thread"))?;
    }
    let report = first(&hear, uris.len(), patience)?;
    let all: Vec<String> = uris.iter().map(Uri::to_string).collect();
    Ok((outbox, hold, NetworkReport { address: all.join(", "), ..report }))
}

/// What the first says who joins. Without one: until each was called once and the time is over, or what each has is another
/// channel.
fn first(
    hear: &mpsc::Receiver<(usize, Result<NetworkReport, OpenFailure>)>,
    count: usize,
    patience: Patience,
) -> Result<NetworkReport, OpenFailure> {
    let (mut called, mut differ) = (BTreeSet::new(), BTreeSet::new());
    let mut why = OpenFailure::NobodyListens { place: "any of its addresses".into() };
    loop {
        let late = called.len() == count && (patience.is_over() || differ.len() == count);
        let left = if called.len() < count { Duration::MAX } else { patience.left() };
        let heard = if late { hear.try_recv().ok() } else { hear.recv_timeout(left).ok() };
        let Some((number, result)) = heard else { return Err(why) };
        called.insert(number);
        match result {
            Ok(report) => return Ok(report),
            Err(error @ (OpenFailure::Mismatch { .. } | OpenFailure::NotPermitted { .. })) => {
                differ.insert(number);
                why = error;
            }
            // Where one differs, that is what to say.
            Err(error) if differ.is_empty() => why = error,
            Err(_) => {}
        }
    }
}

/// One address, and whether somebody is there.
#[derive(Debug, Default)]
struct Seat {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: bool,
    /// The sender is gone.
    stop: bool,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.news.notify_all();
    }

    /// Waits until `over`, the sender is gone, or the time is; returns whether the sender is there.
    fn wait(&self, time: Duration, over: impl Fn(&State) -> bool) -> bool {
        let state = self.lock();
        let goes_on = |state: &mut State| !state.stop && !over(state);
        let (state, _) =
            self.news.wait_timeout_while(state, time, goes_on).unwrap_or_else(PoisonError::into_inner);
        !state.stop
    }
}

/// Held by a lane: when that is gone, the next may come.
#[derive(Debug)]
struct Taken(Arc<Seat>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.change(|state| state.taken = false);
    }
}

/// Ends the threads when dropped.
#[derive(Debug)]
struct Stop(Vec<Arc<Seat>>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.iter().for_each(|seat| seat.change(|state| state.stop = true));
    }
}

/// Calls one address.
struct Caller {
    place: Place,
    spec: Spec,
    options: NetworkOptions,
    session: u64,
    outbox: Weak<Outbox>,
    company: Arc<Company>,
    seat: Arc<Seat>,
}

impl Caller {
    fn run(self, say: impl Fn(Result<NetworkReport, OpenFailure>)) {
        let mut pause = AGAIN;
        loop {
            let began = Instant::now();
            if self.outbox().is_none() {
                return;
            }
            match self.join() {
                Ok((lane, report)) => {
                    // If the sender went meanwhile, the lane says goodbye.
                    let Some(outbox) = self.outbox() else { return };
                    outbox.put(lane);
                    drop(outbox);
                    say(Ok(report));
                    if !self.seat.wait(Duration::MAX, |state| !state.taken) {
                        return;
                    }
                }
                Err(error) => say(Err(error)),
            }
            if began.elapsed() > LONGEST {
                pause = AGAIN;
            }
            if !self.seat.wait(pause, |_| false) {
                return;
            }
            pause = (2 * pause).min(LONGEST);
        }
    }

    /// The sender's, unless it is closing.
    fn outbox(&self) -> Option<Arc<Outbox>> {
        self.outbox.upgrade().filter(|outbox| !outbox.is_closed())
    }

    fn join(&self) -> Result<(WriterLane, NetworkReport), OpenFailure> {
        let joined = call::join(&self.place, &self.spec, &self.options, self.session)?;
        let (mut writer, drain) = lane::drained(&self.spec)?;
        let feed = (Feed::Lane(drain, None), writer.link());
        let (spec, options) = (self.spec.clone(), self.options.clone());
        let outlet = Outlet::new(self.place.clone(), spec, options, self.session, feed, joined.connection);
        flusher::add(&outlet)?;
        writer.set_pump(Box::new(Handle::in_company(outlet, Arc::clone(&self.company), None)));
        self.seat.change(|state| state.taken = true);
        writer.hold(Taken(Arc::clone(&self.seat)));
        Ok((writer, joined.report))
    }
}
