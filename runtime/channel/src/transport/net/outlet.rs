//! A sender's connection: sends what its ring holds, straight from the ring where it has one of its own.
//!
//! The sender's own thread sends, called by the lane. The flusher takes over what the sender left: what it
//! gathered, and what the kernel did not take at once.

mod attended;

use std::{
    any::Any,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::net::{Shutdown, shutdown};

use super::{
    BURST, NetworkOptions,
    feed::{self, Feed, HEADS},
    flusher,
    frame::{Frame, HEADER},
    handle::Waiting,
    line::{Outgoing, Received, receive},
    pace::{GATHER, Pace},
    reconnect,
    socket::Place,
};
use crate::{
    codec::Encoder,
    lane::{Link, Spec},
    sleeper::Deferred,
};

/// While the kernel takes nothing, the sender tries again each time it has published so many bytes.
const TRY_AGAIN: u64 = 32 << 10;

/// A connection that ends sooner counts as an attempt that failed.
const SHORT: Duration = Duration::from_secs(1);

/// So long a call sends that has to compress what it sends; the flusher goes on.
const CODING: Duration = Duration::from_millis(5);

/// A sender's connection, and how to come by another one.
#[derive(Debug)]
pub(super) struct Outlet {
    pub place: Place,
    pub spec: Spec,
    pub options: NetworkOptions,
    /// What this sender calls itself when it comes back.
    pub session: u64,
    /// The kernel did not take everything when it was last asked.
    stuck: AtomicBool,
    inner: Mutex<Inner>,
}

/// `connection` stands first: it is dropped first, and until then the kernel may read what the rest holds.
#[derive(Debug)]
struct Inner {
    connection: Option<Connection>,
    feed: Feed,
    link: Arc<Link>,
    encoder: Encoder,
    /// What goes before the first frame.
    answer: Box<[u8]>,
    /// The sender does not know of this connection yet. The flusher sends nothing then: who is told that it is in must be.
    unknown: bool,
    flight: Option<Flight>,
    /// Of the frame in flight; a box, so that it stays where it is.
    heads: Box<[u8; HEADS]>,
    pace: Pace,
    /// The sender is closed: a goodbye is to follow.
    closing: bool,
    /// Nothing more will be sent.
    over: bool,
    /// The sender sleeps until the kernel takes more. Nobody else sends then: it sleeps until the completion of the
    /// send in flight is there, and were that taken by the flusher, would sleep on, with everything sent and nothing
    /// left to wake it.
    waiting: bool,
    /// The other side's place at this end; given back when it is gone.
    place: Option<Box<dyn Any + Send>>,
    /// So many bytes the kernel took.
    taken: u64,
    /// How often in a row the flusher found that the kernel takes nothing.
    in_vain: u32,
    /// The flusher left something that the kernel would have taken.
    unfinished: bool,
    /// How often in a row a connection ended with the frame in flight.
    broken_off: u32,
    /// Since when there is a connection.
    since: Instant,
    /// How often in a row one ended soon: it is no better than none.
    short: u32,
}

#[derive(Debug)]
struct Connection {
    socket: Arc<OwnedFd>,
    outgoing: Outgoing,
    /// What the other side said.
    word: Vec<u8>,
}

/// A frame of which the kernel has not taken everything.
#[derive(Clone, Copy, Debug)]
struct Flight {
    body: Body,
    /// Of what stands before the body.
    heads: usize,
    /// With that.
    len: usize,
    sent: usize,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    /// As the feed has it.
    Plain,
    /// As the encoder has it.
    Coded,
    Answer,
    Goodbye,
}

/// What is left after an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The kernel takes no more now.
    Something,
}

impl Outlet {
    pub fn new(
        place: Place,
        spec: Spec,
        options: NetworkOptions,
        session: u64,
        feed: (Feed, Arc<Link>),
        connection: (Arc<OwnedFd>, Outgoing),
    ) -> Arc<Self> {
        let encoder = Encoder::new(options.compression, options.compress_from);
        let (feed, link) = feed;
        feed.arm(0);
        let inner = Inner {
            connection: Some(Connection::new(connection)),
            feed,
            link,
            encoder,
            answer: Box::default(),
            unknown: false,
            flight: None,
            heads: Box::new([0; HEADS]),
            pace: Pace::new(Instant::now()),
            closing: false,
            over: false,
            waiting: false,
            place: None,
            taken: 0,
            in_vain: 0,
            unfinished: false,
            broken_off: 0,
            since: Instant::now(),
            short: 0,
        };
        Arc::new(Self {
            place,
            spec,
            options,
            session,
            stuck: AtomicBool::new(false),
            inner: Mutex::new(inner),
        })
    }

    /// Wakers that are called meanwhile are called when it is unlocked: they may come back here.
    fn lock(&self) -> Deferred<MutexGuard<'_, Inner>> {
        Deferred::new(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives `place` back when the other side is gone, which it may be already.
    pub fn take_place(&self, place: impl Any + Send) {
        let mut inner = self.lock();
        if !inner.over {
            inner.place = Some(Box::new(place));
        }
    }

    /// This goes out before anything else, as soon as this [begins](Self::begin), or the sender sends.
    pub fn say_first(&self, answer: &[u8]) {
        let mut inner = self.lock();
        inner.answer = answer.into();
        inner.unknown = true;
        inner.flight = Some(Flight { body: Body::Answer, heads: 0, len: answer.len(), sent: 0 });
    }

    /// The sender knows of this connection: sends what it can, on a thread that is not the sender's.
    pub fn begin(self: &Arc<Self>) {
        let mut inner = self.lock();
        inner.unknown = false;
        self.work_for_the_sender(&mut inner);
    }

    /// Takes over a new connection.
    pub fn connected(self: &Arc<Self>, connection: (Arc<OwnedFd>, Outgoing)) {
        let mut inner = self.lock();
        if inner.over {
            return;
        }
        // The frame that was cut off begins again: the other side has taken no part of it.
        if let Some(flight) = &mut inner.flight {
            flight.sent = 0;
        }
        inner.connection = Some(Connection::new(connection));
        inner.since = Instant::now();
        self.work_for_the_sender(&mut inner);
        drop(inner);
        flusher::look_again();
    }

    /// Gives up on the other side.
    pub fn give_up(&self) {
        let mut inner = self.lock();
        inner.give_up();
    }

    /// Whether nobody needs a connection any more.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Whether the kernel did not take everything when it was last asked; of another thread it may be heard late.
    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Whether there is a connection, or none will be needed.
    pub fn is_connected(&self) -> bool {
        let inner = self.lock();
        inner.over || inner.connection.is_some()
    }

    /// As much was published, at `now`, as the feed was armed for; returns whether nobody needs a connection any more.
    /// Where the sender has many, its last call for any of them was over at `last`.
    pub fn published(self: &Arc<Self>, now: Instant, last: Option<Instant>) -> bool {
        let mut inner = self.lock();
        if inner.over || !inner.feed.is_called() {
            return inner.over;
        }
        if let Some(last) = last {
            inner.pace.called(last);
        }
        if inner.flight.is_none() && !inner.pace.gathers() && inner.pace.begins(now) {
            inner.feed.look();
            inner.feed.arm(GATHER);
            drop(inner);
            flusher::look_again();
            return false;
        }
        self.work(&mut inner);
        inner.over
    }

    /// Sends what it can, now.
    pub fn push_out(self: &Arc<Self>) {
        self.work(&mut self.lock());
    }

    /// Nothing more will be published: what is left goes out, then the goodbye.
    pub fn begin_closing(&self) {
        self.lock().closing = true;
    }

    /// How many bytes the kernel took.
    pub fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Sends what it can of what is left; returns whether that was the last, which it also is if this is `late`.
    pub fn is_closed(self: &Arc<Self>, late: bool) -> bool {
        let mut inner = self.lock();
        // What goes as fast as it is compressed is not late, however long that takes.
        let goes = self.work(&mut inner) == Left::Nothing && inner.unfinished;
        if !inner.over && (!late || goes) {
            return false;
        }
        inner.over = true;
        // What the kernel took it delivers, also after this.
        inner.connection = None;
        true
    }

    /// Sends what it can; if the kernel takes no more, says what to [wait for](super::handle::wait_for), and nobody sends until then.
    pub fn begin_waiting(self: &Arc<Self>) -> Option<Waiting> {
        let mut inner = self.lock();
        if self.work(&mut inner) == Left::Nothing {
            return None;
        }
        let connection = inner.connection.as_ref()?;
        let (room, flags) = connection.outgoing.poll_on();
        let socket = Arc::clone(&connection.socket);
        inner.waiting = true;
        Some(Waiting { outlet: Arc::clone(self), socket, room, flags })
    }

    /// It has waited; the other side has said something, if it `has_word`.
    pub fn end_waiting(self: &Arc<Self>, has_word: bool) {
        let mut inner = self.lock();
        inner.waiting = false;
        if has_word {
            inner.hear(self);
        }
        // What the flusher left alone meanwhile. It takes over what is left, should the sender do something else.
        self.work(&mut inner);
    }

    /// Sends what there is and prepares for what comes.
    fn work(self: &Arc<Self>, inner: &mut Inner) -> Left {
        let mut all = u32::MAX;
        self.work_within(inner, &mut all)
    }

    /// As [`work`](Self::work), at most so many frames, of which are left what it says then.
    fn work_within(self: &Arc<Self>, inner: &mut Inner, frames: &mut u32) -> Left {
        let left = inner.advance(self, frames);
        inner.unfinished = *frames == 0 && inner.flight.is_none();
        if left == Left::Something || inner.unfinished {
            // What is published now is behind what waits: the sender calls when more is.
            inner.feed.look();
        }
        let more = match left {
            Left::Something => TRY_AGAIN,
            Left::Nothing if inner.pace.gathers() => GATHER,
            Left::Nothing => 0,
        };
        inner.feed.arm(more);
        self.stuck.store(left == Left::Something, Ordering::Relaxed);
        if left == Left::Something || inner.unfinished {
            flusher::look_again();
        }
        left
    }
}

impl Connection {
    fn new((socket, outgoing): (Arc<OwnedFd>, Outgoing)) -> Self {
        Self { socket, outgoing, word: Vec::new() }
    }
}

impl Inner {
    /// Sends until nothing is left or the kernel takes no more, or so many frames.
    fn advance(&mut self, outlet: &Arc<Outlet>, frames: &mut u32) -> Left {
        let begun = self.encoder.is_on().then(Instant::now);
        loop {
            if self.connection.is_none() || (*frames == 0 && self.flight.is_none()) {
                return Left::Nothing;
            }
            let Some(flight) = self.flight.or_else(|| self.next()) else {
                self.pace.ended(Instant::now());
                return Left::Nothing;
            };
            self.flight = Some(flight);
            let sent = self.send(flight);
            self.taken += *sent.as_ref().unwrap_or(&0) as u64;
            match sent {
                Ok(0) => return Left::Something,
                Ok(len) if flight.sent + len < flight.len => {
                    self.flight = Some(Flight { sent: flight.sent + len, ..flight });
                }
                Ok(_) => {
                    *frames -= 1;
                    self.sent(flight);
                    if begun.is_some_and(|begun| begun.elapsed() >= CODING) {
                        *frames = 0;
                    }
                }
                Err(_) => {
                    self.hear(outlet);
                    self.broken(outlet);
                }
            }
        }
    }

    /// Makes the next frame of what the ring holds.
    fn next(&mut self) -> Option<Flight> {
        let Some(piece) = self.feed.take(BURST) else {
            let goodbye = self.closing && !self.over;
            let heads;
            (*self.heads, heads) = feed::heads(0, Frame::Goodbye);
            return goodbye.then_some(Flight { body: Body::Goodbye, heads, len: heads, sent: 0 });
        };
        let plain = self.feed.bytes();
        let len = plain.len();
        let coded = self.encoder.encode(plain);
        let wire = coded.unwrap_or(len);
        let codec = if coded.is_some() { self.encoder.id() } else { 0 };
        // A burst, or one message, which is at most a quarter of a GiB.
        let frame = Frame::Records { codec, wire: wire as u32, plain: len as u32, count: piece.messages };
        let heads;
        (*self.heads, heads) = feed::heads(piece.lost, frame);
        self.pace.sent(len as u64);
        let body = if coded.is_some() { Body::Coded } else { Body::Plain };
        Some(Flight { body, heads, len: heads + wire, sent: 0 })
    }

    fn send(&mut self, flight: Flight) -> std::io::Result<usize> {
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let body = match flight.body {
            Body::Plain => self.feed.bytes(),
            Body::Coded => self.encoder.coded(flight.len - flight.heads),
            Body::Answer => &self.answer,
            Body::Goodbye => &[],
        };
        let heads = &self.heads[flight.sent.min(flight.heads)..flight.heads];
        let body = &body[flight.sent.saturating_sub(flight.heads)..];
        // SAFETY: as long as the flight is not over, what the feed has taken stays where it is (`sent` is done with it,
        // `next` takes more, without a flight), the encoder encodes nothing else (`next` does), and answer and headers
        // stay in their boxes. All of them outlive the connection, which is dropped first.
        unsafe { connection.outgoing.send([heads, body]) }
    }

    /// The kernel took the last of the frame in flight.
    fn sent(&mut self, flight: Flight) {
        self.flight = None;
        (self.in_vain, self.broken_off) = (0, 0);
        match flight.body {
            Body::Plain | Body::Coded => self.feed.done(),
            Body::Answer => {}
            Body::Goodbye => {
                self.over = true;
                if let Some(connection) = &self.connection {
                    let _ = shutdown(&connection.socket, Shutdown::Write);
                }
            }
        }
    }

    /// Reads what the other side says: nothing but a goodbye.
    ///
    /// spec: NET-4.2
    fn hear(&mut self, outlet: &Arc<Outlet>) {
        let Some(connection) = &mut self.connection else { return };
        let mut bytes = [0; HEADER];
        let missing = HEADER - connection.word.len();
        match receive(&connection.socket, &mut bytes[..missing]) {
            Ok(Received::Nothing) => {}
            Ok(Received::Bytes(len)) => {
                connection.word.extend(&bytes[..len]);
                if let Ok(word) = <[u8; HEADER]>::try_from(&connection.word[..]) {
                    if Frame::from_bytes(&word, 0) == Ok(Frame::Goodbye) {
                        self.over = true;
                        self.feed.close();
                    }
                    self.broken(outlet);
                }
            }
            Ok(Received::End) | Err(_) => self.broken(outlet),
        }
    }

    /// There is no connection any more.
    fn broken(&mut self, outlet: &Arc<Outlet>) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.waiting {
            // Whoever sleeps on it learns of it by its end, though what the other side said is read already.
            let _ = shutdown(&connection.socket, Shutdown::Both);
        }
        // What the kernel took as a whole may have arrived, and is not sent again. spec: NET-4.2
        let taken = connection.outgoing.end();
        drop(connection);
        if let Some(flight) = self.flight.filter(|flight| taken > 0 && flight.sent + taken >= flight.len) {
            self.sent(flight);
        }
        self.place = None;
        if self.over {
            return;
        }
        // One that no connection lives long enough for would go out for ever.
        self.broken_off += u32::from(self.flight.is_some());
        self.short = if self.since.elapsed() < SHORT { self.short.saturating_add(1) } else { 0 };
        let goes_on = outlet.options.reconnect.is_some_and(|how| self.broken_off <= how.attempts);
        if !goes_on || !reconnect::begin(outlet, self.short.saturating_sub(1)) {
            self.give_up();
        }
    }

    /// Nobody is there, and nobody will be.
    fn give_up(&mut self) {
        self.over = true;
        self.place = None;
        self.link.mark_dead();
        self.feed.gone();
    }
}
