//! A sender looks for receivers that it has not joined yet, and asks all of them at the same time: one that says
//! nothing keeps it from no other. spec: CHN-4.6

use std::{
    fs,
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    sync::Weak,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
    io::Errno,
};

use super::AGAIN;
use crate::{
    endpoint::{MAX_RECEIVERS, OpenFailure, Outbox, Wish},
    lane::{Spec, WriterLane},
    transport::{
        Patience,
        ipc::{
            call::{ANSWER, Call},
            join::{self, Unjoined},
            place::Place,
        },
    },
};

/// So often a place is asked again that is there and where nobody listens: a receiver makes it, then listens.
const ASKS: u32 = 50;

/// How often a directory is looked at of which nobody tells news.
const LOOK: Duration = Duration::from_millis(100);

/// How often somebody looks whether it is still the directory that tells news.
const RENEW: Duration = Duration::from_secs(10);

/// Device and inode of the directory; `None`: there is none, or it is not to be seen.
fn directory(place: &Place) -> Option<(u64, u64)> {
    fs::metadata(place.directory()).ok().map(|found| (found.dev(), found.ino()))
}

/// Looks for receivers that were not joined yet.
pub(super) struct Scan {
    place: Place,
    spec: Spec,
    wish: Wish,
    /// Tells what is new in the directory.
    news: Option<OwnedFd>,
    /// Which directory that is: device and inode.
    watched: Option<(u64, u64)>,
    /// How often somebody looks whether it still is.
    renew: Duration,
    /// What tells the sockets apart that were at the places when they were asked.
    known: [Option<SocketId>; MAX_RECEIVERS],
    /// Receivers that were asked and have not answered.
    asked: Vec<Asked>,
}

/// Inode, and when it was changed last.
type SocketId = (u64, i64, i64);

/// A receiver that was asked.
pub(super) struct Asked {
    number: usize,
    /// What was handed over to it after its first answer; before the call, so that who goes closes it, then hangs up.
    own: Option<Unjoined>,
    call: Call,
    since: Instant,
    /// How long it may take.
    within: Duration,
}

impl Asked {
    pub fn is_late(&self) -> bool {
        self.since.elapsed() >= self.within
    }

    pub fn failure(&self) -> OpenFailure {
        self.call.no_answer(self.within)
    }
}

/// Tells of new files beside `place`; `None`: somebody has to look. The user has no more of what tells
/// (`fs.inotify.max_user_instances`, 128 where nobody has set it), or the directory is another user's, through which this
/// one may go and no more, or is not there yet.
fn watch(place: &Place) -> Result<Option<OwnedFd>, OpenFailure> {
    let news = match inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK) {
        Err(Errno::MFILE) => return Ok(None),
        news => news.map_err(OpenFailure::system("watch a directory"))?,
    };
    match inotify::add_watch(&news, place.directory(), inotify::WatchFlags::CREATE) {
        Err(Errno::NOSPC | Errno::ACCESS | Errno::NOENT) => Ok(None),
        added => {
            added.map_err(OpenFailure::system(format!("watch {}", place.directory().display())))?;
            Ok(Some(news))
        }
    }
}

impl Scan {
    pub fn new(place: &Place, spec: &Spec, wish: Wish) -> Result<Self, OpenFailure> {
        let watched = directory(place);
        let news = watch(place)?;
        let (place, spec, known) = (place.clone(), spec.clone(), [None; MAX_RECEIVERS]);
        Ok(Self { place, spec, wish, news, watched, renew: RENEW, known, asked: Vec::new() })
    }

    /// Asks whoever is new, and joins those who answer. Refusals are errors at first, when there is a patience;
    /// later they are nobody's, so such a place is left alone. Returns whether there is a socket on which nobody
    /// listens: not yet, or no more.
    pub fn look(&mut self, outbox: &Outbox, first: Option<Patience>) -> Result<bool, OpenFailure> {
        let mut silent = false;
        let within = first.map_or(ANSWER, |patience| patience.bound(ANSWER));
        for number in 0..MAX_RECEIVERS {
            let place = self.place.numbered(number);
            let Ok(socket) = fs::symlink_metadata(place.path()) else { continue };
            let socket = (socket.ino(), socket.ctime(), socket.ctime_nsec());
            if self.known[number] == Some(socket) {
                continue;
            }
            let call = Call::begin(&place).and_then(|call| call.ask(&self.spec).map(|()| call));
            match call {
                Ok(call) => {
                    // Who was asked here before is gone.
                    self.asked.retain(|asked| asked.number != number);
                    self.asked.push(Asked { number, call, own: None, since: Instant::now(), within });
                }
                Err(failure) if failure.is_absence() => {
                    silent = true;
                    continue;
                }
                Err(failure) if first.is_some() => return Err(failure),
                // What is wanting here may be there at the next look.
                Err(failure) if failure.is_want() => {
                    silent = true;
                    continue;
                }
                Err(_) => {}
            }
            self.known[number] = Some(socket);
        }
        Ok(self.join_who_answers(outbox, first)? || silent)
    }

    /// Returns whether somebody who was asked went instead.
    fn join_who_answers(&mut self, outbox: &Outbox, first: Option<Patience>) -> Result<bool, OpenFailure> {
        let mut went = false;
        for mut asked in std::mem::take(&mut self.asked) {
            match self.hear(&mut asked) {
                Ok(Some(lane)) => outbox.put(lane),
                // What was made for it is not kept for ever; it is asked again.
                Ok(None) if first.is_none() && asked.since.elapsed() >= ANSWER => {
                    self.known[asked.number] = None;
                    went = true;
                }
                Ok(None) | Err(OpenFailure::NoAnswer { .. }) => self.asked.push(asked),
                Err(failure) if failure.is_absence() => {
                    self.known[asked.number] = None;
                    went = true;
                }
                Err(failure) if first.is_some() => return Err(failure),
                // What is wanting, here or there, may be there at the next look.
                Err(failure) if failure.is_want() || matches!(failure, OpenFailure::OtherFailed) => {
                    self.known[asked.number] = None;
                    went = true;
                }
                Err(_) => {}
            }
        }
        Ok(went)
    }

    /// What one that was asked has answered, without waiting: where it is, then its region, and the lane is there.
    fn hear(&self, asked: &mut Asked) -> Result<Option<WriterLane>, OpenFailure> {
        let mut own = match asked.own.take() {
            Some(own) => own,
            None => {
                let node = asked.call.node(&self.spec, Duration::ZERO)?;
                let own = join::greet(&asked.call, &self.spec, node, self.wish)?;
                asked.since = Instant::now();
                own
            }
        };
        let joined = join::let_in(&asked.call, &self.spec, &mut own, Duration::ZERO);
        if let Err(OpenFailure::NoAnswer { .. }) = joined {
            asked.own = Some(own);
            return Ok(None);
        }
        joined.map(Some)
    }

    /// Who has not answered, and was asked first of those.
    pub fn silent(&self) -> Option<&Asked> {
        self.asked.iter().min_by_key(|asked| asked.since)
    }

    /// Until there are news, somebody answers, `stop` is rung, or the time is over; returns which of the first and the
    /// last but one.
    pub fn sleep(&self, stop: Option<&OwnedFd>, time: Option<Duration>) -> (bool, bool) {
        let news = self.news.iter().map(|news| PollFd::new(news, PollFlags::IN));
        let mut fds: Vec<PollFd<'_>> = news.collect();
        fds.extend(self.asked.iter().map(|asked| PollFd::new(asked.call.socket(), PollFlags::IN)));
        fds.extend(stop.map(|stop| PollFd::new(stop, PollFlags::IN)));
        let time = if self.news.is_some() { time } else { Some(time.unwrap_or(LOOK).min(LOOK)) };
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        // An interrupted sleep is a look too many, and nothing else can be wrong with it.
        let _ = poll(&mut fds, time.as_ref());
        let ready = |at: usize| !fds[at].revents().is_empty();
        (self.news.is_some() && ready(0), stop.is_some() && ready(fds.len() - 1))
    }

    /// A directory that was removed, as when its user logs out, tells nothing any more, and another one of that name is not
    /// watched; nor does it tell that it was, as long as a socket is bound in it.
    fn renew_watch(&mut self) {
        let now = directory(&self.place);
        if self.news.is_none() || now != self.watched {
            (self.watched, self.news) = (now, watch(&self.place).ok().flatten());
        }
    }

    /// Joins who comes, until `stop` is rung.
    pub fn run(mut self, stop: &OwnedFd, outbox: &Weak<Outbox>) {
        let (mut asks, mut again, mut renewed) = (ASKS, true, Instant::now());
        loop {
            let greeted = self.asked.iter().any(|asked| asked.own.is_some());
            // A place without an answer is looked at now and then for as long as it is there.
            let time = if again && asks > 0 { Some(AGAIN) } else { (greeted || again).then_some(ANSWER) };
            let time = time.unwrap_or(self.renew).min(self.renew);
            let (news, stopped) = self.sleep(Some(stop), Some(time));
            if stopped {
                return;
            }
            if renewed.elapsed() >= self.renew {
                renewed = Instant::now();
                self.renew_watch();
            }
            if news {
                asks = ASKS;
                let read =
                    |news: &OwnedFd| rustix::io::read(news, &mut [0; 4096]).is_ok_and(|bytes| bytes > 0);
                while self.news.as_ref().is_some_and(read) {}
            }
            let Some(outbox) = outbox.upgrade() else { return };
            again = matches!(self.look(&outbox, None), Ok(true));
            if again {
                asks = asks.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsFd as _, sync::Arc};

    use rustix::event::{EventfdFlags, eventfd};

    use super::*;
    use crate::{
        lane::{MessageKind, Mode},
        transport::ipc::spread,
    };

    /// As where the user has no more of what tells news.
    #[test]
    fn where_nobody_tells_news_somebody_looks() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::new("unseen", Some(&directory.path().join("adit"))).unwrap();
        let spec = Spec { mode: Mode::Spmc, capacity: 4096, kind: MessageKind::bytes() };
        let now = Patience::new(Duration::ZERO);
        let _first = spread::receiver(&place, &spec, now).unwrap();
        let mut scan = Scan::new(&place, &spec, Wish::default()).unwrap();
        scan.news = None;
        finds_the_second(scan, &place, &spec, || {});
    }

    /// As when a user logs out and in again, for a sender that survives that.
    #[test]
    fn a_directory_that_was_made_anew_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let shared = directory.path().join("adit");
        let place = Place::new("made-anew", Some(&shared)).unwrap();
        let spec = Spec { mode: Mode::Spmc, capacity: 4096, kind: MessageKind::bytes() };
        let _first = spread::receiver(&place, &spec, Patience::new(Duration::ZERO)).unwrap();
        let mut scan = Scan::new(&place, &spec, Wish::default()).unwrap();
        scan.renew = 5 * LOOK;
        finds_the_second(scan, &place, &spec, || {
            fs::remove_dir_all(&shared).unwrap();
            Place::new("made-anew", Some(&shared)).unwrap();
        });
    }

    /// A second receiver, long after the first, is joined; in between somebody does this.
    fn finds_the_second(scan: Scan, place: &Place, spec: &Spec, meanwhile: impl FnOnce()) {
        let now = Patience::new(Duration::ZERO);
        let outbox = Arc::new(Outbox::default());
        let stop = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let (bell, joined) = (stop.as_fd().try_clone_to_owned().unwrap(), Arc::downgrade(&outbox));
        let thread = std::thread::spawn(move || scan.run(&bell, &joined));
        let wait_for = |arrivals| {
            let began = Instant::now();
            while outbox.arrivals() < arrivals {
                assert!(began.elapsed() < Duration::from_secs(20), "{} joined", outbox.arrivals());
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait_for(1);
        // Long after the last look that is due because somebody is there.
        std::thread::sleep(2 * LOOK);
        meanwhile();
        let _second = spread::receiver(place, spec, now).unwrap();
        wait_for(2);
        rustix::io::write(&stop, &1_u64.to_ne_bytes()).unwrap();
        thread.join().unwrap();
    }
}
