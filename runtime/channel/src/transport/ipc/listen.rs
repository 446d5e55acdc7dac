//! A receiver listens, or the sender of a broadcast.

use std::{
    any::Any,
    fs,
    io::ErrorKind,
    os::{
        fd::OwnedFd,
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    sync::{Arc, Weak},
};

use adit_memory::{Access, Options, Region, Segment, attach, create_owned, current_node};
use rustix::{
    io::Errno,
    net::{SocketFlags, accept_with, bind, listen},
};

use super::{
    call::{ANSWER, Call, Line, is_alive},
    frame::{Frame, Status},
    guests::{Guests, Seat},
    inspect::Views,
    join::AGAIN,
    place::Place,
    socket::{self, Received},
    trust::{Peer, Trust},
    watch::watch,
};
use crate::{
    broadcast::{Arrival, Opened, Policy, Roster},
    endpoint::{Inbox, OpenFailure, Ticket, Wish},
    lane::{self, End, Link, ReaderLane, Side, Spec},
    transport::Patience,
};

/// How many may wait to be accepted.
const BACKLOG: i32 = 64;

/// How many may have connected without having joined.
const MAX_GUESTS: usize = 16;

/// What a sender's region may be rounded up to: it may have huge pages.
pub(super) const LARGEST_PAGE: usize = 2 << 20;
/// How many may do so who may not join.
const MAX_STRANGERS: usize = 4;

/// How often who listens is asked again that goes in this moment, or has too many guests.
const TRIES: u32 = 50;

/// The receiver's inbox, and what it must hold: the name.
pub(crate) fn receiver(
    place: &Place,
    spec: &Spec,
    patience: Patience,
) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    receiver_among(place, spec, Some(patience))
}

/// The same, and whether who listens there has the same channel is asked for so long, or not at all.
pub(super) fn receiver_among(
    place: &Place,
    spec: &Spec,
    ask: Option<Patience>,
) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    let inbox = Arc::new(Inbox::new(spec.mode));
    let host = Host::Inbox(Arc::downgrade(&inbox));
    let hold = open(place, spec, host, ask)?.ok_or(OpenFailure::ReceiverTaken)?;
    Ok((inbox, hold))
}

/// A broadcast's region, who receives, and what the sender must hold: the name.
pub(crate) fn broadcast_sender(
    place: &Place,
    spec: &Spec,
    (wish, policy): (Wish, Policy),
    patience: Patience,
) -> Result<Opened, OpenFailure> {
    let (own, segment) = create_owned("adit-broadcast-writer", spec.writer_size(), &wish.options(None))?;
    let (own, roster) = (Arc::new(own), Arc::new(Roster::default()));
    policy.write(&own);
    lane::write_header(&own, Side::Writer, spec);
    let host = Host::Roster { roster: Arc::downgrade(&roster), own: Arc::clone(&own), segment };
    let hold = open(place, spec, host, Some(patience))?.ok_or(OpenFailure::SendersTaken { most: 1 })?;
    Ok((own, roster, hold))
}

/// Listens at a place; `None`: somebody else does, with the same channel, if that is to be asked.
fn open(
    place: &Place,
    spec: &Spec,
    host: Host,
    ask: Option<Patience>,
) -> Result<Option<Box<dyn Any + Send>>, OpenFailure> {
    let mut tries = 0;
    let lock = loop {
        let lock = place.lock()?;
        if !is_alive(place)? {
            break lock;
        }
        drop(lock);
        let Some(patience) = ask else { return Ok(None) };
        match agree(place, spec, patience) {
            Ok(()) => return Ok(None),
            // The name is free now, or will be asked for again.
            Err(failure) if failure.is_absence() && tries < TRIES => {
                tries += 1;
                std::thread::sleep(AGAIN);
            }
            // It is there, and has no time.
            Err(failure) if failure.is_absence() => return Ok(None),
            Err(failure) => return Err(failure),
        }
    };
    // Nobody listens: what is there was left by a process that died.
    remove(place)?;
    let listener = socket::new()?;
    let step = || format!("listen at {}", place.path().display());
    bind(&listener, &place.address()?).map_err(OpenFailure::system(step()))?;
    place.open_to_trusted()?;
    listen(&listener, BACKLOG).map_err(OpenFailure::system(step()))?;
    let inode = fs::symlink_metadata(place.path()).map_err(OpenFailure::system(step()))?.ino();
    drop(lock);
    let door = Arc::new(Door {
        spec: spec.clone(),
        host,
        guests: Guests::new(MAX_GUESTS),
        strangers: Guests::new(MAX_STRANGERS),
        trust: place.trust().clone(),
        views: Arc::default(),
        node: current_node(),
    });
    let name = Name { place: place.clone(), inode };
    let leave = Leave(Arc::downgrade(&door));
    let watched = watch(Arc::new(listener), move |listener| {
        door.accept_all(listener);
        true
    })?;
    Ok(Some(Box::new((name, watched, leave))))
}

/// Sends away who has not joined when the end goes that listened; it is dropped after the listener, so that nobody else comes.
struct Leave(Weak<Door>);

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(door) = self.0.upgrade() {
            door.guests.send_away();
            door.strangers.send_away();
        }
    }
}

/// Asks whoever listens at `place` whether it has the same channel.
fn agree(place: &Place, spec: &Spec, patience: Patience) -> Result<(), OpenFailure> {
    let call = Call::begin(place)?;
    call.ask(spec)?;
    call.node(spec, patience.bound(ANSWER)).map(drop)
}

fn remove(place: &Place) -> Result<(), OpenFailure> {
    // What is no socket was left by nobody who listened.
    let foreign = fs::symlink_metadata(place.path()).is_ok_and(|found| !found.file_type().is_socket());
    let removed = match foreign {
        true => Err(std::io::Error::new(
            ErrorKind::AlreadyExists,
            "a file that is no socket is in the way: move it",
        )),
        false => fs::remove_file(place.path()),
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(OpenFailure::system(format!("take {} over", place.path().display()))(error))
        }
        _ => Ok(()),
    }
}

/// The socket file; removed when the receiver is dropped, if it is still this receiver's.
#[derive(Debug)]
struct Name {
    place: Place,
    inode: u64,
}

impl Drop for Name {
    fn drop(&mut self) {
        // What fails here leaves a file on which nobody listens, as a death would.
        let Ok(_lock) = self.place.lock() else { return };
        let ours = fs::symlink_metadata(self.place.path()).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            let _ = remove(&self.place);
        }
    }
}

/// Lets senders in.
#[derive(Debug)]
struct Door {
    spec: Spec,
    host: Host,
    guests: Guests,
    /// Where the receiver was opened.
    node: Option<u32>,
    strangers: Guests,
    trust: Trust,
    /// What onlookers see.
    views: Arc<Views>,
}

/// Where guests are put. Only the end keeps it: when that is gone, nobody is let in any more.
#[derive(Debug)]
enum Host {
    /// Senders, with a receiver.
    Inbox(Weak<Inbox>),
    /// Receivers, with the sender of a broadcast.
    Roster { roster: Weak<Roster>, own: Arc<Region>, segment: Segment },
}

/// How far a guest's connection is.
#[derive(Debug)]
enum Stage {
    /// It has not said what it wants.
    Guest(Arc<Seat>),
    /// The same of one who may not join: it is heard before it is told, or what it sent would hide the answer.
    Stranger(Arc<Seat>),
    /// It has a lane and a place among the senders.
    Joined(Arc<Link>, Ticket),
    /// It has a place among the receivers of a broadcast.
    Follows(Arc<Link>, Weak<Roster>),
}

impl Door {
    fn accept_all(self: &Arc<Self>, listener: &OwnedFd) {
        // A new connection rings again, so a bound loses nothing.
        for _ in 0..BACKLOG {
            match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.welcome(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN) => return,
                // No descriptors, or none to be had for now: the others stay in the queue.
                Err(_) => return std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
    }

    /// Watches a connection; one that may not join, or is one too many, is hung up on.
    fn welcome(self: &Arc<Self>, socket: OwnedFd) {
        let peer = self.trust.check(&socket);
        let socket = Arc::new(socket);
        let stage = match &peer {
            Ok(_) => self.guests.seat(&socket).map(Stage::Guest),
            Err(_) => self.strangers.seat(&socket).map(Stage::Stranger),
        };
        if stage.is_none() {
            return;
        }
        let (door, mut stage) = (Arc::clone(self), stage);
        let watched = watch(socket, move |socket| {
            stage = match stage.take() {
                Some(Stage::Guest(seat)) => {
                    peer.as_ref().ok().and_then(|peer| door.hear(socket, seat, *peer))
                }
                Some(Stage::Stranger(seat)) => match socket::receive(socket) {
                    Ok(Received::Nothing) => Some(Stage::Stranger(seat)),
                    _ => {
                        let _ = socket::send(socket, &Frame::forbidden(), None);
                        None
                    }
                },
                Some(Stage::Joined(link, _ticket)) => {
                    // After joining a sender says nothing: whatever comes is the end.
                    link.mark_dead();
                    hang_up(socket);
                    None
                }
                Some(Stage::Follows(link, roster)) => {
                    link.mark_dead();
                    if let Some(roster) = roster.upgrade() {
                        roster.change();
                    }
                    hang_up(socket);
                    None
                }
                None => None,
            };
            stage.is_some()
        });
        if let Ok(watched) = watched {
            watched.forget();
        }
    }

    /// Reads what a guest wants and answers; `None`: hang up.
    fn hear(&self, socket: &Arc<OwnedFd>, guest: Arc<Seat>, peer: Peer) -> Option<Stage> {
        let (frame, fd) = match socket::receive(socket) {
            Ok(Received::Frame(frame, fd)) => (frame, fd),
            Ok(Received::Nothing) => return Some(Stage::Guest(guest)),
            Ok(Received::Look) => {
                // spec: INS-1.2
                if peer.is_own() {
                    let own = match &self.host {
                        Host::Roster { own, .. } => Some(own),
                        Host::Inbox(_) => None,
                    };
                    self.views.answer(socket, &self.spec, own);
                }
                return None;
            }
            Ok(Received::End) => return None,
            Err(OpenFailure::System { .. }) => return self.refuse(socket, Status::Failed),
            Ok(Received::Noise) | Err(_) => return self.refuse(socket, Status::Different),
        };
        let fd = match fd {
            None if frame.status == Status::Where && self.spec == frame.spec => {
                let here = Frame { status: Status::Here, spec: frame.spec, node: self.node };
                let guest = self.guests.renew(guest);
                return socket::send(socket, &here, None).is_ok().then_some(Stage::Guest(guest));
            }
            None if frame.status == Status::Where => return self.refuse(socket, Status::Different),
            Some(fd) if frame.status == Status::Hello => fd,
            _ => return self.refuse(socket, Status::Failed),
        };
        if self.spec != frame.spec {
            return self.refuse(socket, Status::Different);
        }
        let inbox = match &self.host {
            Host::Inbox(inbox) => inbox.upgrade()?,
            Host::Roster { roster, own, segment } => {
                return self.admit((socket, peer.pid), fd, &roster.upgrade()?, own, segment);
            }
        };
        let Ok((sender, ticket)) = inbox.tickets() else {
            return self.refuse(socket, Status::Taken);
        };
        let Ok(Made { mut lane, regions: [writer, reader], segment }) = make_lane(&self.spec, fd) else {
            return self.refuse(socket, Status::Failed);
        };
        let link = lane.link();
        let line = Line::new(Arc::clone(socket));
        lane.hold((line, ticket, self.views.add(&self.spec, writer, reader, Arc::clone(&link), peer.pid)));
        // Before the answer, so that what the sender sends next can be received next.
        inbox.put(lane);
        let answer = Frame { status: Status::Accepted, spec: self.spec.clone(), node: self.node };
        if socket::send(socket, &answer, Some(segment.fd())).is_err() {
            link.mark_dead();
            hang_up(socket);
            return None;
        }
        Some(Stage::Joined(link, sender))
    }

    /// Lets a receiver into a broadcast.
    fn admit(
        &self,
        (socket, pid): (&Arc<OwnedFd>, u32),
        fd: OwnedFd,
        roster: &Arc<Roster>,
        own: &Arc<Region>,
        segment: &Segment,
    ) -> Option<Stage> {
        let Some(slot) = roster.slot() else { return self.refuse(socket, Status::Taken) };
        let attached = attach(fd, Access::ReadOnly, lane::MAX_READER);
        let region = match attached.map(Arc::new) {
            Ok(region) if lane::check_header(&region, Side::Reader, &self.spec).is_ok() => region,
            _ => return self.refuse(socket, Status::Failed),
        };
        let end = End::new(Arc::clone(own), Arc::clone(&region));
        let (link, number) = (end.link(), slot.number() as u32);
        // Before the answer, so that what is sent next is for it.
        let shown = self.views.add(&self.spec, Arc::clone(own), Arc::clone(&region), Arc::clone(&link), pid);
        let line = Line::new(Arc::clone(socket));
        roster.put(Arrival { slot, region, end, hold: Some(Box::new((line, shown))) });
        let answer = Frame { status: Status::Accepted, spec: self.spec.clone(), node: Some(number) };
        if socket::send(socket, &answer, Some(segment.fd())).is_err() {
            link.mark_dead();
            roster.change();
            hang_up(socket);
            return None;
        }
        Some(Stage::Follows(link, Arc::downgrade(roster)))
    }

    fn refuse(&self, socket: &OwnedFd, status: Status) -> Option<Stage> {
        // A guest that is gone already does not mind.
        let _ = socket::send(socket, &Frame { status, spec: self.spec.clone(), node: self.node }, None);
        None
    }
}

/// Ends a connection that the lane keeps, too.
fn hang_up(socket: &Arc<OwnedFd>) {
    drop(Line::new(Arc::clone(socket)));
}

/// A new lane.
struct Made {
    lane: ReaderLane,
    /// The writer's and the reader's.
    regions: [Arc<Region>; 2],
    /// The reader's, to be handed over.
    segment: Segment,
}

/// A lane over a guest's region and a new one of this side.
fn make_lane(spec: &Spec, fd: OwnedFd) -> Result<Made, OpenFailure> {
    let most = spec.writer_size().next_multiple_of(LARGEST_PAGE);
    let peer = Arc::new(attach(fd, Access::ReadOnly, most)?);
    lane::check_header(&peer, Side::Writer, spec).map_err(OpenFailure::Peer)?;
    let (own, segment) = create_owned("adit-lane-reader", lane::READER_SIZE, &Options::default())?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Reader, spec);
    let regions = [Arc::clone(&peer), Arc::clone(&own)];
    Ok(Made { lane: ReaderLane::new(spec, peer, own), regions, segment })
}
