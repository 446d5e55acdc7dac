//! A sender joins. spec: CHN-4.1, CHN-4.3

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use adit_memory::{Access, attach, create_owned};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{Shutdown, connect, shutdown},
    process::geteuid,
};

use super::{
    frame::{Frame, Status},
    place::Place,
    socket::{self, Received},
    trust::Peer,
    watch::watch,
};
use crate::{
    endpoint::{MAX_RECEIVERS, MAX_SENDERS, OpenError, Wish},
    lane::{self, MAX_READER, Mode, Side, Spec, WriterLane},
};

/// How long a receiver may take to answer; its watching thread answers, so it need not receive at the time.
const ANSWER: Duration = Duration::from_secs(5);

/// How long to wait before asking again whether somebody listens.
const AGAIN: Duration = Duration::from_millis(2);

/// Joins the channel at `place` as a sender.
pub(crate) fn sender(
    place: &Place,
    spec: &Spec,
    within: Duration,
    wish: Wish,
) -> Result<WriterLane, OpenError> {
    let socket = Arc::new(call_within(place, within)?);
    // Before anything is handed over.
    place.trust().check(&socket)?;
    let receiver = if wish.needs_receiver() { ask_where(&socket, spec)? } else { None };
    let (own, segment) = create_owned("adit-lane-writer", spec.writer_size(), &wish.options(receiver))?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Writer, spec);
    let hello = Frame { status: Status::Hello, spec: spec.clone(), node: None };
    socket::send(&socket, &hello, Some(segment.fd()))?;
    let peer = Arc::new(attach(region(&socket, spec)?.0, Access::ReadOnly, MAX_READER)?);
    lane::check_header(&peer, Side::Reader, spec).map_err(OpenError::Peer)?;
    let mut lane = WriterLane::new(spec, own, peer);
    let link = lane.link();
    // After the answer the receiver says nothing: whatever comes is the end.
    let watched = watch(Arc::clone(&socket), move |_| {
        link.mark_dead();
        false
    })?;
    lane.hold((Line::new(socket), watched));
    Ok(lane)
}

/// A connection, which ends when this is dropped: at once, though the watching thread may still look at the
/// socket.
#[derive(Debug)]
pub(super) struct Line(Arc<OwnedFd>);

impl Line {
    pub fn new(socket: Arc<OwnedFd>) -> Self {
        Self(socket)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // It fails when the other side hung up before.
        let _ = shutdown(&self.0, Shutdown::Both);
    }
}

/// Connects to whoever listens, or begins to within this time.
pub(super) fn call_within(place: &Place, within: Duration) -> Result<OwnedFd, OpenError> {
    let began = Instant::now();
    loop {
        match call(place)? {
            Some(socket) => return Ok(socket),
            None if began.elapsed() >= within => {
                return Err(OpenError::NobodyListens { place: place.path().display().to_string() });
            }
            None => std::thread::sleep(AGAIN),
        }
    }
}

/// Asks whoever listens at `place` whether it has the same channel.
pub(super) fn agree(place: &Place, spec: &Spec) -> Result<(), OpenError> {
    match call(place)? {
        Some(socket) => ask_where(&socket, spec).map(drop),
        None => Ok(()),
    }
}

/// Connects; `None`: nobody listens.
fn call(place: &Place) -> Result<Option<OwnedFd>, OpenError> {
    let socket = socket::new()?;
    match connect(&socket, &place.address()?) {
        Ok(()) => Ok(Some(socket)),
        // `AGAIN`: more call than the receiver has taken yet.
        Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN) => Ok(None),
        Err(Errno::ACCESS) => Err(OpenError::Refused {
            uid: geteuid().as_raw(),
            by: format!("the owner of {}", place.path().display()),
        }),
        Err(error) => Err(OpenError::system(format!("join {}", place.path().display()))(error)),
    }
}

/// Whether a process listens at `place`.
pub(super) fn is_alive(place: &Place) -> Result<bool, OpenError> {
    let socket = socket::new()?;
    match connect(&socket, &place.address()?) {
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(false),
        Err(error) => Err(OpenError::system(format!("look at {}", place.path().display()))(error)),
    }
}

/// The receiver's NUMA node, to have the ring there: asked before the ring is made, since pages do not move.
fn ask_where(socket: &OwnedFd, spec: &Spec) -> Result<Option<u32>, OpenError> {
    socket::send(socket, &Frame { status: Status::Where, spec: spec.clone(), node: None }, None)?;
    match answer(socket, spec)? {
        (Frame { status: Status::Here, node, .. }, _) => Ok(node),
        _ => Err(OpenError::Peer("it does not say where it is".into())),
    }
}

/// The other side's region, if it lets this one in, and its node, or in a broadcast the slot.
pub(super) fn region(socket: &OwnedFd, spec: &Spec) -> Result<(OwnedFd, Option<u32>), OpenError> {
    match answer(socket, spec)? {
        (Frame { status: Status::Accepted, node, .. }, Some(fd)) => Ok((fd, node)),
        (Frame { status: Status::Accepted, .. }, None) => Err(OpenError::Peer("it sent no memory".into())),
        _ => Err(OpenError::Peer("it greets instead of answering".into())),
    }
}

/// What the receiver says next, if that is no refusal.
fn answer(socket: &OwnedFd, spec: &Spec) -> Result<(Frame, Option<OwnedFd>), OpenError> {
    let began = Instant::now();
    loop {
        let left = ANSWER.saturating_sub(began.elapsed());
        let (frame, fd) = match socket::receive(socket)? {
            Received::Frame(frame, fd) => (frame, fd),
            Received::Look => return Err(OpenError::Peer("it asks instead of answering".into())),
            Received::End => return Err(OpenError::Peer("it hung up while this side joined".into())),
            Received::Nothing if left.is_zero() => {
                return Err(OpenError::Peer(format!("it did not answer within {} s", ANSWER.as_secs())));
            }
            Received::Nothing => {
                let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
                let left = Timespec::try_from(left).ok();
                match poll(&mut fds, left.as_ref()) {
                    Ok(_) | Err(Errno::INTR) => continue,
                    Err(error) => return Err(OpenError::system("wait for the other side")(error)),
                }
            }
        };
        return match frame.status {
            Status::Taken => Err(match spec.mode {
                Mode::Broadcast => OpenError::ReceiversTaken { most: MAX_RECEIVERS },
                mode => OpenError::SendersTaken { most: if mode.is_merged() { MAX_SENDERS } else { 1 } },
            }),
            Status::Different => Err(match spec.difference(&frame.spec) {
                Some((what, ours, theirs)) => OpenError::Mismatch { what, ours, theirs },
                None => OpenError::Peer("it says that we differ, and we do not".into()),
            }),
            Status::Forbidden => Err(OpenError::Refused {
                uid: geteuid().as_raw(),
                by: format!("the receiver (user {})", Peer::of(socket)?.0.uid),
            }),
            Status::Failed => Err(OpenError::Peer("it could not set up a lane".into())),
            _ => Ok((frame, fd)),
        };
    }
}
