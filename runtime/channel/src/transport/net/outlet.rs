//! A sender's connection: sends what its ring holds, straight from the ring.
//!
//! The sender's own thread sends, called by the lane. The flusher takes over what the sender left: what it
//! gathered, and what the kernel did not take at once.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    net::{Shutdown, shutdown},
};

use super::{
    BURST, NetworkOptions, flusher,
    frame::{Frame, HEADER},
    line::{Outgoing, Received, receive},
    pace::{GATHER, Pace},
    reconnect,
    socket::{self, Place},
};
use crate::{
    codec::Encoder,
    endpoint::Ticket,
    lane::{Drain, Link, Pump, Run, Spec},
};

/// While the kernel takes nothing, the sender tries again each time it has published so many bytes.
const TRY_AGAIN: u64 = 32 << 10;

/// How often a sender that waits for room looks whether there is a connection again.
const RECONNECTING: Duration = Duration::from_millis(5);

/// How long a sender that is dropped waits for the kernel to take what is left.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// After so many looks in vain the flusher sleeps until the kernel takes more.
const PATIENCE: u32 = 20;

/// A sender's connection, and how to come by another one.
#[derive(Debug)]
pub(super) struct Outlet {
    pub place: Place,
    pub spec: Spec,
    pub options: NetworkOptions,
    /// What this sender calls itself when it comes back.
    pub session: u64,
    inner: Mutex<Inner>,
}

/// `connection` stands first: it is dropped first, and until then the kernel may read what the rest holds.
#[derive(Debug)]
struct Inner {
    connection: Option<Connection>,
    ring: Drain,
    link: Arc<Link>,
    encoder: Encoder,
    flight: Option<Flight>,
    /// Of the frame in flight; a box, so that it stays where it is.
    head: Box<[u8; HEADER]>,
    pace: Pace,
    /// The sender is closed: a goodbye is to follow.
    closing: bool,
    /// Nothing more will be sent.
    over: bool,
    /// The sender sleeps until the kernel takes more. Nobody else sends then: it sleeps until the completion of the
    /// send in flight is there, and were that taken by the flusher, would sleep on, with everything sent and nothing
    /// left to wake it.
    waiting: bool,
    /// A receiver's place among those that a sender takes; given back when it is gone.
    place: Option<Ticket>,
    /// How often in a row the flusher found that the kernel takes nothing.
    in_vain: u32,
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
    /// With the header.
    len: usize,
    sent: usize,
}

#[derive(Clone, Copy, Debug)]
enum Body {
    /// As it stands in the ring.
    Plain(Run),
    /// In the encoder; the ring has it no more.
    Coded,
    Goodbye,
}

/// What is left after an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// The kernel takes no more now.
    Something,
}

/// What the flusher is to do for a sender.
#[derive(Debug)]
pub(super) struct Attention {
    pub socket: Arc<OwnedFd>,
    /// To be polled as well.
    pub room: Option<(Arc<OwnedFd>, PollFlags)>,
    /// It is to look again soon.
    pub soon: bool,
}

impl Outlet {
    pub fn new(
        place: Place,
        spec: Spec,
        options: NetworkOptions,
        session: u64,
        ring: (Drain, Arc<Link>),
        connection: (Arc<OwnedFd>, Outgoing),
    ) -> Arc<Self> {
        let encoder = Encoder::new(options.compression, options.compress_from);
        let (ring, link) = ring;
        ring.arm(0);
        let inner = Inner {
            connection: Some(Connection::new(connection)),
            ring,
            link,
            encoder,
            flight: None,
            head: Box::new([0; HEADER]),
            pace: Pace::new(Instant::now()),
            closing: false,
            over: false,
            waiting: false,
            place: None,
            in_vain: 0,
        };
        Arc::new(Self { place, spec, options, session, inner: Mutex::new(inner) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `place` back when the other side is gone.
    pub fn take_place(&self, place: Ticket) {
        self.lock().place = Some(place);
    }

    /// Takes over a new connection.
    pub fn reconnected(self: &Arc<Self>, connection: (Arc<OwnedFd>, Outgoing)) {
        let mut inner = self.lock();
        if inner.over {
            return;
        }
        // The frame that was cut off begins again: the other side has taken no part of it.
        if let Some(flight) = &mut inner.flight {
            flight.sent = 0;
        }
        inner.connection = Some(Connection::new(connection));
        self.work(&mut inner);
        drop(inner);
        flusher::look_again();
    }

    /// Gives up on the other side.
    pub fn give_up(&self) {
        let mut inner = self.lock();
        inner.over = true;
        inner.link.mark_dead();
    }

    /// Whether nobody needs a connection any more.
    pub fn is_over(&self) -> bool {
        self.lock().over
    }

    /// Sends what there is and prepares for what comes.
    fn work(self: &Arc<Self>, inner: &mut Inner) -> Left {
        let left = inner.advance(self);
        let more = match left {
            Left::Something => TRY_AGAIN,
            Left::Nothing if inner.pace.gathers() => GATHER,
            Left::Nothing => 0,
        };
        inner.ring.arm(more);
        if left == Left::Something {
            flusher::look_again();
        }
        left
    }

    /// What the flusher is to do; `None`: nothing, for now.
    pub fn attention(&self) -> Option<Attention> {
        let inner = self.lock();
        let connection = inner.connection.as_ref()?;
        let patient = inner.in_vain >= PATIENCE;
        let left = inner.flight.is_some() && !inner.waiting;
        Some(Attention {
            socket: Arc::clone(&connection.socket),
            room: (left && patient).then(|| connection.outgoing.poll_on()),
            soon: inner.pace.gathers() || (left && !patient),
        })
    }

    /// The flusher looks: sends what was left, and hears whether the other side is there.
    pub fn look(self: &Arc<Self>, has_word: bool) {
        let mut inner = self.lock();
        if has_word {
            inner.hear(self);
        }
        if inner.connection.is_none() || (inner.flight.is_none() && !inner.pace.gathers()) {
            return;
        }
        inner.pace.looked();
        if inner.waiting {
            return;
        }
        // Again, if the sender published after the look and before it could know that it is to call.
        while self.work(&mut inner) == Left::Nothing && !inner.ring.is_settled() {}
        inner.in_vain = if inner.flight.is_some() { inner.in_vain + 1 } else { 0 };
    }
}

/// The lane's hold on its connection. Dropping it closes the connection.
#[derive(Debug)]
pub(super) struct Handle {
    outlet: Arc<Outlet>,
    linger: Arc<Linger>,
    _lane: Option<Ticket>,
}

/// Until when what is left may go out: a sender to many is dropped as fast as one to one, however many of its
/// receivers are slow.
pub(super) type Linger = OnceLock<Instant>;

impl Handle {
    pub fn new(outlet: Arc<Outlet>) -> Self {
        Self { outlet, linger: Arc::default(), _lane: None }
    }

    /// One of many lanes that end together.
    pub fn lingering(outlet: Arc<Outlet>, linger: Arc<Linger>, lane: Ticket) -> Self {
        Self { outlet, linger, _lane: Some(lane) }
    }
}

impl Pump for Handle {
    #[cold]
    fn published(&mut self) {
        let mut inner = self.outlet.lock();
        if inner.flight.is_none() && !inner.pace.gathers() && inner.pace.begins(Instant::now()) {
            inner.ring.look();
            inner.ring.arm(GATHER);
            drop(inner);
            return flusher::look_again();
        }
        self.outlet.work(&mut inner);
    }

    fn push_out(&mut self) {
        self.outlet.work(&mut self.outlet.lock());
    }

    fn wait(&mut self, time: Duration) {
        let on = {
            let mut inner = self.outlet.lock();
            if self.outlet.work(&mut inner) == Left::Nothing && inner.connection.is_some() {
                return;
            }
            let connection = inner.connection.as_ref();
            let on =
                connection.map(|connection| (connection.outgoing.poll_on(), Arc::clone(&connection.socket)));
            inner.waiting = on.is_some();
            on
        };
        let Some(((room, flags), socket)) = on else {
            // Until there is a connection again.
            return std::thread::sleep(time.min(RECONNECTING));
        };
        // The socket as well: should the flusher replace the connection meanwhile, this one's end is seen here.
        let on = [(socket.as_fd(), PollFlags::IN), (room.as_fd(), flags)];
        let ready = socket::wait_each(&on, time);
        let mut inner = self.outlet.lock();
        inner.waiting = false;
        if ready.is_ok_and(|ready| ready[0]) {
            inner.hear(&self.outlet);
        }
        // What the flusher left alone meanwhile. It takes over what is left, should the sender do something else.
        self.outlet.work(&mut inner);
    }
}

impl Drop for Handle {
    /// What is left goes out, then the goodbye; where the connection is broken, on the next one.
    fn drop(&mut self) {
        if self.outlet.is_over() {
            return;
        }
        let until = *self.linger.get_or_init(|| Instant::now() + LINGER);
        self.outlet.lock().closing = true;
        loop {
            let mut inner = self.outlet.lock();
            self.outlet.work(&mut inner);
            if inner.over || Instant::now() >= until {
                inner.over = true;
                // What the kernel took it delivers, also after this.
                inner.connection = None;
                break;
            }
            drop(inner);
            self.wait(until.saturating_duration_since(Instant::now()));
        }
        flusher::look_again();
    }
}

impl Connection {
    fn new((socket, outgoing): (Arc<OwnedFd>, Outgoing)) -> Self {
        Self { socket, outgoing, word: Vec::new() }
    }
}

impl Inner {
    /// Sends until nothing is left or the kernel takes no more.
    fn advance(&mut self, outlet: &Arc<Outlet>) -> Left {
        loop {
            if self.connection.is_none() {
                return Left::Nothing;
            }
            let Some(flight) = self.flight.or_else(|| self.next()) else {
                self.pace.ended(Instant::now());
                return Left::Nothing;
            };
            self.flight = Some(flight);
            match self.send(flight) {
                Ok(0) => return Left::Something,
                Ok(len) if flight.sent + len < flight.len => {
                    self.flight = Some(Flight { sent: flight.sent + len, ..flight });
                }
                Ok(_) => self.sent(flight),
                Err(_) => {
                    self.hear(outlet);
                    self.broken(outlet);
                }
            }
        }
    }

    /// Makes the next frame of what the ring holds.
    fn next(&mut self) -> Option<Flight> {
        let Some(run) = self.ring.run(BURST) else {
            let goodbye = self.closing && !self.over;
            *self.head = Frame::Goodbye.to_bytes();
            return goodbye.then_some(Flight { body: Body::Goodbye, len: HEADER, sent: 0 });
        };
        let plain = self.ring.bytes(run);
        let len = plain.len();
        let coded = self.encoder.encode(plain);
        let wire = coded.unwrap_or(len);
        let codec = if coded.is_some() { self.encoder.id() } else { 0 };
        // A burst, or one message, which is at most a quarter of a GiB.
        let frame = Frame::Records { codec, wire: wire as u32, plain: len as u32, count: run.messages() };
        *self.head = frame.to_bytes();
        self.pace.sent(len as u64);
        let body = if coded.is_some() {
            self.ring.consume(run);
            Body::Coded
        } else {
            Body::Plain(run)
        };
        Some(Flight { body, len: HEADER + wire, sent: 0 })
    }

    fn send(&mut self, flight: Flight) -> std::io::Result<usize> {
        let Some(connection) = &mut self.connection else { return Ok(0) };
        let body = match flight.body {
            Body::Plain(run) => self.ring.bytes(run),
            Body::Coded => self.encoder.coded(flight.len - HEADER),
            Body::Goodbye => &[],
        };
        let head = &self.head[flight.sent.min(HEADER)..];
        let body = &body[flight.sent.saturating_sub(HEADER)..];
        // SAFETY: as long as the flight is not over, its run stays in the ring (`sent` consumes it), the encoder
        // encodes nothing else (`next` does, without a flight), and the header stays in its box. All of them
        // outlive the connection, which is dropped first.
        unsafe { connection.outgoing.send([head, body]) }
    }

    /// The kernel took the last of the frame in flight.
    fn sent(&mut self, flight: Flight) {
        self.flight = None;
        self.in_vain = 0;
        match flight.body {
            Body::Plain(run) => self.ring.consume(run),
            Body::Coded => {}
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
                        self.ring.close();
                    }
                    self.broken(outlet);
                }
            }
            Ok(Received::End) | Err(_) => self.broken(outlet),
        }
    }

    /// There is no connection any more.
    fn broken(&mut self, outlet: &Arc<Outlet>) {
        if self.connection.take().is_none() {
            return;
        }
        self.place = None;
        if self.over {
            return;
        }
        if outlet.options.reconnect.is_none() || !reconnect::begin(outlet) {
            self.over = true;
            self.link.mark_dead();
        }
    }
}
