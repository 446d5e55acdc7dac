//! One end listens: a thread accepts, hears what each wants, and hands lanes to that end. It is the receiver's, or with
//! many receivers the sender's.

use std::{
    any::Any,
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFlags, eventfd},
    fs::FlockOperation,
    io::Errno,
    net::{SendFlags, SocketFlags, accept_with, send},
    process::geteuid,
};

use super::{
    AGAIN, NetworkOptions, NetworkReport,
    hall::Hall,
    hello::{COMMON, HELLO, Hello, Status},
    line::{self, Received, receive},
    socket::{self, Place},
};
use crate::{endpoint::OpenFailure, lane::Spec, transport::Credentials};

/// How many may have connected without having joined.
const MAX_GUESTS: usize = 16;

/// Who has been silent for so long makes room for another.
const SILENCE: Duration = Duration::from_secs(1);

/// How often a lock is tried where nobody listens.
const TRIES: u32 = 20;

/// How long to leave those alone who wait to be accepted, when there are no descriptors for them.
const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

/// Listens at `place` for those who belong into `hall`; says what the end must hold.
pub(super) fn open(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
    hall: Hall,
) -> Result<(Box<dyn Any + Send>, NetworkReport), OpenFailure> {
    let chosen = line::choose(options)?;
    let mut notes = Vec::new();
    let (listener, name) = match place {
        Place::Unix(path) => {
            let name = take_over(path, options)?;
            let listener = socket::open(place, options, &mut notes)?;
            name.settle(options)?;
            (listener, Some(name))
        }
        Place::Tcp(_) => (socket::open(place, options, &mut notes)?, None),
    };
    let bell = Arc::new(eventfd_new()?);
    let report = NetworkReport {
        driver: chosen.clone().into(),
        address: socket::local_uri(place, &listener),
        compression: options.compression,
        notes,
    };
    let door = Door {
        spec: spec.clone(),
        options: options.clone(),
        is_tcp: place.is_tcp(),
        uring: chosen.is_ok(),
        stop: Arc::clone(&bell),
        hall,
    };
    let thread = std::thread::Builder::new()
        .name("adit-door".into())
        .spawn(move || door.run(&listener))
        .map_err(OpenFailure::system("start a thread"))?;
    Ok((Box::new(Held { bell, thread: Some(thread), _name: name }), report))
}

pub(super) fn eventfd_new() -> Result<OwnedFd, OpenFailure> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(OpenFailure::system("make an eventfd"))
}

/// What the listening end holds: dropping it stops the thread, which closes the listener.
#[derive(Debug)]
struct Held {
    bell: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    _name: Option<Name>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
        // It ends at once: nothing in it waits but for the bell.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A Unix socket's file; removed when the receiver is dropped, if it is still this receiver's.
#[derive(Debug)]
struct Name {
    path: String,
    inode: AtomicU64,
    /// Held while the receiver lives: who holds it may replace the socket.
    _lock: OwnedFd,
}

/// Makes a path free on which nobody listens.
///
/// Whoever listens holds a lock on a file beside the socket; the kernel lets go of it when the process ends.
/// The lock file stays: removing it would let two take over at once.
fn take_over(path: &str, options: &NetworkOptions) -> Result<Name, OpenFailure> {
    let beside = format!("{path}.lock");
    let step = || format!("listen at unix://{path}, beside which {beside} is locked");
    let flags = rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::RDWR
        | rustix::fs::OFlags::CLOEXEC
        | rustix::fs::OFlags::NOFOLLOW;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let lock = rustix::fs::open(&beside, flags, mode).map_err(OpenFailure::system(step()))?;
    let place = Place::Unix(path.to_owned());
    let mut tries = 0;
    while let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        match error {
            // Whoever was there has gone, but a process that is being started has its descriptors for a moment.
            Errno::AGAIN if tries < TRIES && socket::call(&place, options, &mut Vec::new())?.is_none() => {
                tries += 1;
                std::thread::sleep(AGAIN);
            }
            Errno::AGAIN => return Err(OpenFailure::ReceiverTaken),
            error => return Err(OpenFailure::system(step())(error)),
        }
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            // Somebody that is no channel may listen there without a lock.
            if socket::is_listened_at(path)? {
                return Err(OpenFailure::ReceiverTaken);
            }
            fs::remove_file(path).map_err(OpenFailure::system(format!("take {path} over")))?;
        }
        Ok(_) => {
            let file = std::io::Error::other(socket::NO_SOCKET);
            return Err(OpenFailure::system(format!("listen at unix://{path}"))(file));
        }
        Err(_) => {}
    }
    Ok(Name { path: path.to_owned(), inode: AtomicU64::new(0), _lock: lock })
}

impl Name {
    /// The socket is there: sets who may connect.
    fn settle(&self, options: &NetworkOptions) -> Result<(), OpenFailure> {
        let step = || format!("set who may connect to {}", self.path);
        fs::set_permissions(&self.path, fs::Permissions::from_mode(options.unix_mode & 0o777))
            .map_err(OpenFailure::system(step()))?;
        let found = fs::symlink_metadata(&self.path).map_err(OpenFailure::system(step()))?;
        self.inode.store(found.ino(), Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path)
            .is_ok_and(|found| found.ino() == self.inode.load(Ordering::Relaxed))
        {
            // What fails here leaves a socket on which nobody listens, as a death would.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Lets the other ends in.
pub(super) struct Door {
    pub spec: Spec,
    pub options: NetworkOptions,
    pub is_tcp: bool,
    pub uring: bool,
    stop: Arc<OwnedFd>,
    hall: Hall,
}

/// A connection that has not joined.
struct Guest {
    socket: OwnedFd,
    bytes: [u8; HELLO],
    have: usize,
    since: Instant,
    /// `None`: for ever.
    until: Option<Instant>,
}

/// How long until there is room for one more.
///
/// spec: NET-2.4
fn until_room(guests: &[Guest], now: Instant) -> Duration {
    match guests.first() {
        Some(eldest) if guests.len() >= MAX_GUESTS => {
            SILENCE.saturating_sub(now.saturating_duration_since(eldest.since))
        }
        _ => Duration::ZERO,
    }
}

impl Door {
    fn run(self, listener: &OwnedFd) {
        let mut guests: Vec<Guest> = Vec::new();
        loop {
            let mut on = vec![(self.stop.as_fd(), PollFlags::IN)];
            let now = Instant::now();
            // One guest too many waits outside.
            let room = until_room(&guests, now);
            if room.is_zero() {
                on.push((listener.as_fd(), PollFlags::IN));
            }
            let first = on.len();
            on.extend(guests.iter().map(|guest| (guest.socket.as_fd(), PollFlags::IN)));
            let patience =
                guests.iter().filter_map(|guest| Some(guest.until?.saturating_duration_since(now)));
            let patience = patience.chain((!room.is_zero()).then_some(room)).min();
            let Ok(ready) = socket::wait_each(&on, patience.unwrap_or(Duration::MAX)) else {
                std::thread::sleep(SHORT_OF_DESCRIPTORS);
                continue;
            };
            drop(on);
            if ready[0] {
                return;
            }
            let now = Instant::now();
            let mut at = first;
            guests = guests
                .into_iter()
                .filter_map(|guest| {
                    let is_ready = ready[at];
                    at += 1;
                    let guest = if is_ready { self.hear(guest)? } else { guest };
                    // spec: NET-2.4
                    guest.until.is_none_or(|until| until > now).then_some(guest)
                })
                .collect();
            if first == 2 && ready[1] {
                self.accept(listener, &mut guests);
            }
        }
    }

    fn accept(&self, listener: &OwnedFd, guests: &mut Vec<Guest>) {
        while until_room(guests, Instant::now()).is_zero() {
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) if self.may_come(&socket) => {
                    if guests.len() >= MAX_GUESTS {
                        guests.remove(0);
                    }
                    let since = Instant::now();
                    let until = since.checked_add(self.options.handshake_timeout);
                    guests.push(Guest { socket, bytes: [0; HELLO], have: 0, since, until });
                }
                Ok(_) | Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                // No descriptors, or none to be had for now: the others stay in the queue.
                Err(_) => return std::thread::sleep(SHORT_OF_DESCRIPTORS),
            }
        }
    }

    /// On a Unix socket that only its owner may open, only the same user.
    fn may_come(&self, socket: &OwnedFd) -> bool {
        let only_own = !self.is_tcp && self.options.unix_mode & 0o077 == 0;
        if only_own && !Credentials::of(socket).is_ok_and(|peer| peer.uid == geteuid().as_raw()) {
            return false;
        }
        // What a listener has is not handed down to each kind of socket.
        socket::set(socket, self.is_tcp, &self.options, &mut Vec::new()).is_ok()
    }

    /// Reads what a guest wants; `None`: it has joined, or it was sent away.
    fn hear(&self, mut guest: Guest) -> Option<Guest> {
        match receive(&guest.socket, &mut guest.bytes[guest.have..]) {
            Ok(Received::Bytes(len)) => guest.have += len,
            Ok(Received::Nothing) => return Some(guest),
            Ok(Received::End) | Err(_) => return None,
        }
        if guest.have < HELLO {
            let other = guest.have >= COMMON
                && matches!(Hello::from_bytes(&guest.bytes[..COMMON]), Err(OpenFailure::Mismatch { .. }));
            // One that does not even begin like a handshake is not waited for.
            if other || !Hello::may_begin_with(&guest.bytes[..guest.have]) {
                self.answer(&guest.socket, Status::Different);
                return None;
            }
            return Some(guest);
        }
        let status = match Hello::from_bytes(&guest.bytes) {
            Ok(hello) if hello.status != Status::Hello => Status::Failed,
            Ok(hello) if hello.difference(&self.spec).is_none() => {
                self.hall.let_in(self, guest.socket, hello.session);
                return None;
            }
            _ => Status::Different,
        };
        self.answer(&guest.socket, status);
        None
    }

    /// What it answers.
    pub fn says(&self, status: Status) -> [u8; HELLO] {
        let rule = self.hall.rule();
        Hello { status, spec: self.spec.clone(), codec: 0, rule, session: 0 }.to_bytes()
    }

    /// Whether it went out.
    pub fn answer(&self, socket: &OwnedFd, status: Status) -> bool {
        // A guest that is gone already does not mind.
        send(socket, &self.says(status), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) == Ok(HELLO)
    }
}
