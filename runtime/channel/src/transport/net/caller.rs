//! Of a channel with many senders and many receivers: each receiver listens at an address of its own, and a sender calls
//! them all.
//!
//! A thread for each address joins who listens there, and when that one is gone, the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc},
    time::{Duration, Instant},
};

use super::{
    AGAIN, NetworkOptions, NetworkReport, OpenedSender, bounded, call,
    feed::Feed,
    flusher,
    handle::{Company, Handle},
    may_pass,
    outlet::Outlet,
    socket::Place,
};
use crate::{
    endpoint::{Failed, OpenFailure, Outbox},
    lane::{self, Spec, WriterLane},
    transport::Patience,
    uri::Uri,
};

/// Between two calls of an address at most, as long as the sender is not open.
const OPENING: Duration = Duration::from_millis(40);

/// Between two calls of an address at most. A receiver that is there for less time than this is no better than none.
const LONGEST: Duration = Duration::from_secs(1);

/// A sender to whoever listens at `uris`, of whom one must be there while the patience lasts.
///
/// spec: NET-1.5, NET-2.6
pub(super) fn sender(
    uris: &[Uri],
    spec: &Spec,
    options: &NetworkOptions,
    session: u64,
    patience: Patience,
) -> Result<OpenedSender, Failed> {
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
            patience,
            outbox: Arc::downgrade(&outbox),
            company: Arc::clone(&company),
            seat,
        };
        let say = say.clone();
        // The sender hears of the first calls alone.
        let said = move |result, last| drop(say.send(Said { number, result, last }));
        std::thread::Builder::new()
            .name("adit-caller".into())
            .spawn(move || caller.run(said))
            .map_err(OpenFailure::system("start a thread"))?;
    }
    drop(say);
    let report = first(&hear, uris)?;
    let all: Vec<String> = uris.iter().map(Uri::to_string).collect();
    Ok((outbox, hold, NetworkReport { address: all.join(", "), ..report }))
}

/// What one call came to; a failure that is the last for which the sender's user has patience says so.
struct Said {
    number: usize,
    result: Result<NetworkReport, OpenFailure>,
    last: bool,
}

/// What the first says who joins. Without one: until all have said their last, or none of what was met will pass.
fn first(hear: &mpsc::Receiver<Said>, uris: &[Uri]) -> Result<NetworkReport, Failed> {
    // Of each address the latest.
    let (mut met, mut over) = (BTreeMap::new(), BTreeSet::new());
    let all = uris.len();
    while over.len() < all && (met.len() < all || met.values().any(may_pass)) {
        let Ok(Said { number, result, last }) = hear.recv() else { break };
        match result {
            Ok(report) => return Ok(report),
            Err(failure) => drop(met.insert(number, failure)),
        }
        if last {
            over.insert(number);
        }
    }
    Err(what_to_say(uris, met))
}

/// Of what was met at all addresses what tells most, and where it was met.
fn what_to_say(uris: &[Uri], met: BTreeMap<usize, OpenFailure>) -> Failed {
    let telling = |failure: &OpenFailure| match failure {
        OpenFailure::NobodyListens { .. } => 0,
        OpenFailure::Left { .. } => 1,
        OpenFailure::Mismatch { .. } => 3,
        _ => 2,
    };
    // Of equals the first.
    match met.into_iter().rev().max_by_key(|(_, failure)| telling(failure)) {
        Some((number, failure)) if telling(&failure) > 0 => Failed { at: uris.get(number).cloned(), failure },
        _ => {
            let all: Vec<String> = uris.iter().map(Uri::to_string).collect();
            OpenFailure::NobodyListens { place: all.join(" or ") }.into()
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

/// Held by a connection: when that is gone, the next may come, though the sender has not looked since.
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
    /// Of who waits until the sender is open.
    patience: Patience,
    outbox: Weak<Outbox>,
    company: Arc<Company>,
    seat: Arc<Seat>,
}

impl Caller {
    fn run(self, say: impl Fn(Result<NetworkReport, OpenFailure>, bool)) {
        let mut pause = AGAIN;
        loop {
            let began = Instant::now();
            let Some(outbox) = self.outbox() else { return };
            let opening = outbox.arrivals() == 0;
            drop(outbox);
            match self.join(opening) {
                Ok((lane, report)) => {
                    // If the sender went meanwhile, the lane says goodbye.
                    let Some(outbox) = self.outbox() else { return };
                    // The one before, if the sender has not taken that over.
                    outbox.forget_who_is_gone();
                    outbox.put(lane);
                    drop(outbox);
                    say(Ok(report), false);
                    if !self.seat.wait(Duration::MAX, |state| !state.taken) {
                        return;
                    }
                }
                Err(failure) => say(Err(failure), self.patience.is_over()),
            }
            if began.elapsed() > LONGEST {
                pause = AGAIN;
            }
            // The last call that is waited for is made when the patience ends.
            let left = Some(self.patience.left()).filter(|left| opening && !left.is_zero());
            if !self.seat.wait(left.map_or(pause, |left| pause.min(left)), |_| false) {
                return;
            }
            pause = (2 * pause).min(if opening { OPENING } else { LONGEST });
        }
    }

    /// The sender's, unless it is closing.
    fn outbox(&self) -> Option<Arc<Outbox>> {
        self.outbox.upgrade().filter(|outbox| !outbox.is_closed())
    }

    /// While the sender is being opened its user waits, and later nobody.
    fn join(&self, opening: bool) -> Result<(WriterLane, NetworkReport), OpenFailure> {
        let bounded = opening.then(|| bounded(self.patience, &self.options));
        let options = bounded.as_ref().unwrap_or(&self.options);
        let joined = call::join(&self.place, &self.spec, options, self.session)?;
        let (mut writer, drain) = lane::drained(&self.spec)?;
        let feed = (Feed::Lane(drain, None), writer.link());
        let (spec, options) = (self.spec.clone(), self.options.clone());
        let outlet = Outlet::new(self.place.clone(), spec, options, self.session, feed, joined.connection);
        flusher::add(&outlet)?;
        self.seat.change(|state| state.taken = true);
        outlet.take_place(Taken(Arc::clone(&self.seat)));
        writer.set_pump(Box::new(Handle::in_company(outlet, Arc::clone(&self.company), None)));
        Ok((writer, joined.report))
    }
}
