//! One end listens: a thread accepts, hears what each wants, and hands lanes to that end. It is the receiver's, or with
//! many receivers the sender's.

use std::{
    collections::BTreeSet,
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFlags, eventfd},
    fs::FlockOperation,
    io::Errno,
    net::{SendFlags, SocketFlags, accept_with, send, sockopt},
    process::geteuid,
};

use super::{
    NetworkOptions, NetworkReport, Opened, OpenedSender, flusher,
    hello::{COMMON, HELLO, Hello, Status},
    inlet::Inlet,
    line::{self, Incoming, Outgoing, Received, receive},
    outlet::{Handle, Linger, Outlet},
    socket::{self, Place},
};
use crate::{
    endpoint::{Inbox, MAX_RECEIVERS, OpenError, Outbox, Ticket},
    lane::{self, Spec},
};

/// How many may have connected without having joined.
const MAX_GUESTS: usize = 16;

/// How long to leave those alone who wait to be accepted, when there are no descriptors for them.
const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(10);

/// How many lanes a sender may have, those of receivers that are gone and that it has not retired included.
const MAX_LANES: usize = 2 * MAX_RECEIVERS;

/// Listens at `place` for senders.
pub(super) fn open(place: &Place, spec: &Spec, options: &NetworkOptions) -> Result<Opened, OpenError> {
    let inbox = Arc::new(Inbox::with_bell(spec.mode, eventfd_new()?));
    let hall = Hall::Senders { inbox: Arc::downgrade(&inbox), sessions: Arc::default() };
    let (held, report) = listen(place, spec, options, hall)?;
    Ok((inbox, Box::new(held), report))
}

/// Listens at `place` for receivers.
///
/// spec: NET-1.2
pub(super) fn open_sender(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
) -> Result<OpenedSender, OpenError> {
    let outbox = Arc::new(Outbox::default());
    let hall = Hall::Receivers {
        outbox: Arc::downgrade(&outbox),
        there: Arc::default(),
        lanes: Arc::default(),
        place: place.clone(),
        linger: Arc::default(),
    };
    let (held, report) = listen(place, spec, options, hall)?;
    Ok((outbox, Box::new(held), report))
}

fn listen(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
    hall: Hall,
) -> Result<(Held, NetworkReport), OpenError> {
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
        .map_err(OpenError::system("start a thread"))?;
    Ok((Held { bell, thread: Some(thread), _name: name }, report))
}

pub(super) fn eventfd_new() -> Result<OwnedFd, OpenError> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(OpenError::system("make an eventfd"))
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
fn take_over(path: &str, options: &NetworkOptions) -> Result<Name, OpenError> {
    let beside = format!("{path}.lock");
    let step = || format!("lock {beside}");
    let flags = rustix::fs::OFlags::CREATE
        | rustix::fs::OFlags::RDWR
        | rustix::fs::OFlags::CLOEXEC
        | rustix::fs::OFlags::NOFOLLOW;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let lock = rustix::fs::open(&beside, flags, mode).map_err(OpenError::system(step()))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return Err(OpenError::ReceiverTaken),
        Err(error) => return Err(OpenError::system(step())(error)),
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            // Somebody that is no channel may listen there without a lock.
            if socket::call(&Place::Unix(path.to_owned()), options, &mut Vec::new())?.is_some() {
                return Err(OpenError::ReceiverTaken);
            }
            fs::remove_file(path).map_err(OpenError::system(format!("take {path} over")))?;
        }
        Ok(_) => {
            let file = std::io::Error::other("there is a file of that name, and it is no socket");
            return Err(OpenError::system(format!("listen at unix://{path}"))(file));
        }
        Err(_) => {}
    }
    Ok(Name { path: path.to_owned(), inode: AtomicU64::new(0), _lock: lock })
}

impl Name {
    /// The socket is there: sets who may connect.
    fn settle(&self, options: &NetworkOptions) -> Result<(), OpenError> {
        let step = || format!("set who may connect to {}", self.path);
        fs::set_permissions(&self.path, fs::Permissions::from_mode(options.unix_mode & 0o777))
            .map_err(OpenError::system(step()))?;
        let found = fs::symlink_metadata(&self.path).map_err(OpenError::system(step()))?;
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

/// Where those go who are let in. Only the end keeps its box: when that is gone, nobody is let in any more.
enum Hall {
    /// This end receives.
    Senders {
        inbox: Weak<Inbox>,
        /// Of senders whose lanes are not drained.
        sessions: Arc<Mutex<BTreeSet<u64>>>,
    },
    /// This end sends.
    Receivers {
        outbox: Weak<Outbox>,
        /// Receivers that are not known to be gone.
        there: Arc<AtomicUsize>,
        lanes: Arc<AtomicUsize>,
        place: Place,
        linger: Arc<Linger>,
    },
}

/// Lets the other ends in.
struct Door {
    spec: Spec,
    options: NetworkOptions,
    is_tcp: bool,
    uring: bool,
    stop: Arc<OwnedFd>,
    hall: Hall,
}

/// A sender's session; over when its lane is drained.
struct Session {
    sessions: Arc<Mutex<BTreeSet<u64>>>,
    number: u64,
}

impl Session {
    /// `None`: it is under way.
    fn begin(sessions: &Arc<Mutex<BTreeSet<u64>>>, number: u64) -> Option<Self> {
        let new = sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        new.then(|| Self { sessions: Arc::clone(sessions), number })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// A connection that has not joined.
struct Guest {
    socket: OwnedFd,
    bytes: [u8; HELLO],
    have: usize,
    until: Instant,
}

impl Door {
    fn run(self, listener: &OwnedFd) {
        let mut guests: Vec<Guest> = Vec::new();
        loop {
            let mut on = vec![(self.stop.as_fd(), PollFlags::IN)];
            // One guest too many waits outside.
            if guests.len() < MAX_GUESTS {
                on.push((listener.as_fd(), PollFlags::IN));
            }
            let first = on.len();
            on.extend(guests.iter().map(|guest| (guest.socket.as_fd(), PollFlags::IN)));
            let now = Instant::now();
            let patience = guests.iter().map(|guest| guest.until.saturating_duration_since(now)).min();
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
                    (guest.until > now).then_some(guest)
                })
                .collect();
            if first == 2 && ready[1] {
                self.accept(listener, &mut guests);
            }
        }
    }

    fn accept(&self, listener: &OwnedFd, guests: &mut Vec<Guest>) {
        while guests.len() < MAX_GUESTS {
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) if self.may_come(&socket) => {
                    let until = Instant::now() + self.options.handshake_timeout;
                    guests.push(Guest { socket, bytes: [0; HELLO], have: 0, until });
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
        if !self.is_tcp && self.options.unix_mode & 0o077 == 0 {
            return sockopt::socket_peercred(socket).is_ok_and(|peer| peer.uid == geteuid());
        }
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
                && matches!(Hello::from_bytes(&guest.bytes[..COMMON]), Err(OpenError::Mismatch { .. }));
            // One that does not even begin like a handshake is not waited for.
            let common = guest.have.min(8);
            let strange = guest.bytes[..common] != Hello::MAGIC[..common];
            if other || strange {
                self.answer(&guest.socket, Status::Different);
                return None;
            }
            return Some(guest);
        }
        let status = match Hello::from_bytes(&guest.bytes) {
            Ok(hello) if hello.status != Status::Hello => Status::Failed,
            Ok(hello) if hello.difference(&self.spec).is_none() => {
                return self.let_in(guest.socket, hello.session);
            }
            _ => Status::Different,
        };
        self.answer(&guest.socket, status);
        None
    }

    /// Nobody stays a guest after that.
    fn let_in(&self, socket: OwnedFd, session: u64) -> Option<Guest> {
        match &self.hall {
            Hall::Senders { inbox, sessions } => {
                self.let_sender_in(socket, &*inbox.upgrade()?, sessions, session)
            }
            Hall::Receivers { .. } => self.let_receiver_in(socket),
        }
        .and(None)
    }

    fn let_sender_in(
        &self,
        socket: OwnedFd,
        inbox: &Inbox,
        sessions: &Arc<Mutex<BTreeSet<u64>>>,
        session: u64,
    ) -> Option<()> {
        // A sender that comes back waits until what it sent before is received: the order stays.
        let session = Session::begin(sessions, session);
        let (Some(session), Ok((sender, ticket))) = (session, inbox.tickets()) else {
            self.answer(&socket, Status::Taken);
            return None;
        };
        let socket = Arc::new(socket);
        // The answer first: from then on the socket is the lane's.
        if !self.answer(&socket, Status::Accepted) {
            return None;
        }
        let incoming = Incoming::new(Arc::clone(&socket), self.uring).ok()?;
        let (writer, mut reader) = lane::in_process(&self.spec, &adit_memory::Options::default()).ok()?;
        let lane = (writer, reader.link());
        reader.set_source(Box::new(Inlet::new((socket, incoming), lane, sender, &self.spec, &self.options)));
        reader.hold((session, ticket));
        inbox.put(reader);
        Some(())
    }

    /// spec: NET-1.2
    fn let_receiver_in(&self, socket: OwnedFd) -> Option<()> {
        let Hall::Receivers { outbox, there, lanes, place, linger } = &self.hall else { return None };
        let outbox = outbox.upgrade()?;
        let tickets = Ticket::take(there, MAX_RECEIVERS).zip(Ticket::take(lanes, MAX_LANES));
        let Some((receiver, lane)) = tickets else {
            self.answer(&socket, Status::Taken);
            return None;
        };
        let socket = Arc::new(socket);
        let Ok(outgoing) = Outgoing::new(Arc::clone(&socket), self.uring, &self.options) else {
            self.answer(&socket, Status::Failed);
            return None;
        };
        if !self.answer(&socket, Status::Accepted) {
            return None;
        }
        let (mut writer, drain) = lane::drained(&self.spec).ok()?;
        // Who is cut off joins again as somebody new.
        let options = NetworkOptions { reconnect: None, ..self.options.clone() };
        let ring = (drain, writer.link());
        let outlet = Outlet::new(place.clone(), self.spec.clone(), options, 0, ring, (socket, outgoing));
        outlet.take_place(receiver);
        flusher::add(&outlet).ok()?;
        writer.set_pump(Box::new(Handle::lingering(outlet, Arc::clone(linger), lane)));
        outbox.put(writer);
        Some(())
    }

    fn answer(&self, socket: &OwnedFd, status: Status) -> bool {
        let answer = Hello { status, spec: self.spec.clone(), codec: 0, session: 0 };
        // A guest that is gone already does not mind.
        send(socket, &answer.to_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) == Ok(HELLO)
    }
}
