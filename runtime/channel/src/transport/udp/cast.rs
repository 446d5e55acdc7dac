//! A sender's datagrams: made of what its ring holds, by its own thread, and what the kernel does not take at once by the
//! flusher.

use std::{
    hash::{BuildHasher as _, RandomState},
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{event::PollFlags, io::Errno};

use super::{
    datagram::{Header, kind_number},
    kernel,
    train::Train,
};
use crate::{
    endpoint::OpenFailure,
    lane::{Drain, Pump, Spec},
    transport::net::{Attended, Attention, flusher, wait},
};

/// How long a sender that is dropped waits for the kernel to take what is left.
const LINGER: Duration = Duration::from_secs(5);

/// How long it waits between two attempts besides.
const BETWEEN: Duration = Duration::from_millis(1);

/// For so long the kernel may have no memory for a datagram; then that is lost.
const STARVED: Duration = Duration::from_millis(100);

/// Sends what a sender's ring holds.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) socket: Arc<OwnedFd>,
    ring: Drain,
    /// Of the next datagram.
    header: Header,
    room: usize,
    train: Train,
    /// The kernel takes many datagrams at a time.
    pub(super) together: bool,
    /// It was out of memory, which no socket tells the end of.
    starved: Option<Instant>,
    /// The flusher left something that the kernel would have taken.
    unfinished: bool,
}

/// So many trains of one sender go out on a thread that is not its own before that looks after the others.
const TRAINS_A_LOOK: u32 = 64;

impl Cast {
    pub fn new(socket: Arc<OwnedFd>, ring: Drain, spec: &Spec, room: usize) -> Self {
        ring.arm(0);
        let session = RandomState::new().hash_one(std::process::id());
        let header = Header { count: 0, session, sequence: 0, kind: kind_number(&spec.kind) };
        Self {
            socket,
            ring,
            header,
            room,
            train: Train::new(&spec.kind, room),
            together: true,
            starved: None,
            unfinished: false,
        }
    }

    /// Sends until nothing is left or the kernel takes no more; returns whether nothing is.
    pub fn advance(&mut self) -> bool {
        let mut all = u32::MAX;
        self.advance_within(&mut all)
    }

    /// The same, at most so many trains, of which are left what it says then.
    fn advance_within(&mut self, trains: &mut u32) -> bool {
        while *trains > 0 && self.load() && self.send() {
            *trains -= 1;
        }
        self.unfinished = *trains == 0;
        if self.unfinished || !self.train.is_empty() {
            // What is published now is behind what waits: the sender calls when more is.
            self.ring.look();
        }
        self.ring.arm(0);
        self.train.is_empty()
    }

    /// As [`advance`](Self::advance), on a thread that is not the sender's: again, if the sender published after the look
    /// and before it could know that it is to call; but not for as long as a sender likes that always has more.
    fn advance_for_the_sender(&mut self) {
        let mut trains = TRAINS_A_LOOK;
        while self.advance_within(&mut trains) && trains > 0 && !self.ring.is_settled() {}
    }

    /// Makes datagrams of what the ring holds, if none wait; returns whether there are any.
    fn load(&mut self) -> bool {
        if !self.train.is_empty() {
            return true;
        }
        while self.train.is_empty() || self.together {
            let Some(run) = self.ring.run(self.room as u64) else { break };
            self.header.count = run.messages();
            if !self.train.put(self.header, self.ring.bytes(run)) {
                break;
            }
            self.header.sequence += 1;
            self.ring.consume(run);
        }
        !self.train.is_empty()
    }

    /// Sends the datagrams that wait; returns whether the kernel took them.
    fn send(&mut self) -> bool {
        let mut together = self.together;
        while let Some((bytes, step)) = self.train.rest(together) {
            match kernel::send(&self.socket, bytes, step) {
                Err(Errno::AGAIN) => {
                    self.starved = None;
                    return false;
                }
                // For a moment, or for ever: one that needs more than the socket's buffer when it is cut to pieces.
                Err(Errno::NOBUFS) if is_starving(&mut self.starved) => return false,
                // Each for itself, then: what is wrong with one is not with all, or was with one before them.
                Err(error) if bytes.len() > step => {
                    together = false;
                    self.together &= !kernel::is_refusal(error);
                }
                // What the network refuses (no route, a datagram too long for the interface) is lost, as what
                // it loses: the number goes on, and receivers count it.
                _ => {
                    let len = bytes.len();
                    self.train.sent(len);
                    self.starved = None;
                }
            }
        }
        true
    }
}

/// The kernel had no memory for a datagram; whether that may change yet.
fn is_starving(since: &mut Option<Instant>) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() < STARVED
}

/// A sender's hold on its datagrams.
#[derive(Debug)]
pub(super) struct Caster(Arc<Shared>);

/// With the flusher.
#[derive(Debug)]
struct Shared {
    socket: Arc<OwnedFd>,
    cast: Mutex<Cast>,
}

impl Caster {
    pub fn new(cast: Cast) -> Result<Self, OpenFailure> {
        let shared = Arc::new(Shared { socket: Arc::clone(&cast.socket), cast: Mutex::new(cast) });
        flusher::add(&shared)?;
        Ok(Self(shared))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cast> {
        self.cast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the kernel took everything; the flusher looks after what is left.
    fn advance(&self) -> bool {
        let all = self.lock().advance();
        if !all {
            flusher::look_again();
        }
        all
    }
}

impl Attended for Shared {
    fn attention(&self) -> Option<Attention> {
        let cast = self.lock();
        let room = cast.starved.is_none().then(|| (Arc::clone(&self.socket), PollFlags::OUT));
        let soon = cast.starved.is_some() || cast.unfinished;
        (cast.unfinished || !cast.train.is_empty()).then_some(Attention { socket: None, room, soon })
    }

    fn look(self: Arc<Self>, _: bool) {
        self.lock().advance_for_the_sender();
    }
}

impl Pump for Caster {
    fn published(&mut self) {
        self.0.advance();
    }

    fn push_out(&mut self) {
        self.0.advance();
    }

    fn wait(&mut self, time: Duration) {
        if self.0.lock().starved.is_some() {
            // Where the kernel is out of memory, a socket says that it takes more all the same.
            std::thread::sleep(time.min(BETWEEN));
        } else {
            // Without the lock: the flusher may go on.
            let _ = wait(&[(self.0.socket.as_fd(), PollFlags::OUT)], time);
        }
        self.0.advance();
    }
}

impl Drop for Caster {
    fn drop(&mut self) {
        let begun = Instant::now();
        while !self.0.advance() && begun.elapsed() < LINGER {
            let _ = wait(&[(self.0.socket.as_fd(), PollFlags::OUT)], LINGER.saturating_sub(begun.elapsed()));
            // Where the kernel is out of memory, a socket says that it takes more all the same.
            std::thread::sleep(BETWEEN);
        }
    }
}
