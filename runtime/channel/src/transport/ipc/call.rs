//! A connection to whoever listens, until it lets this end in.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

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
};
use crate::{
    endpoint::{MAX_RECEIVERS, MAX_SENDERS, OpenFailure},
    lane::{Mode, Spec},
};

/// How long who listens may take to answer; its watching thread answers, so it need not receive at the time.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// Whoever listens was found, is of a permitted user, and has let nobody in yet.
#[derive(Debug)]
pub(super) struct Call {
    socket: Arc<OwnedFd>,
    place: Place,
}

impl Call {
    /// Connects, and looks who is there before anything is handed over.
    pub fn begin(place: &Place) -> Result<Self, OpenFailure> {
        let socket = match connection(place)? {
            Found::Somebody(socket) => socket,
            // `Busy`: more call than were taken yet.
            Found::Nobody | Found::Busy => {
                return Err(OpenFailure::NobodyListens { place: shown(place) });
            }
        };
        place.trust().check(&socket)?;
        Ok(Self { socket: Arc::new(socket), place: place.clone() })
    }

    pub fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// Asks who listens where it is, and whether it has the same channel.
    pub fn ask(&self, spec: &Spec) -> Result<(), OpenFailure> {
        self.say(Status::Where, spec, None)
    }

    /// The other side's NUMA node, which it was asked for; waits at most so long.
    pub fn node(&self, spec: &Spec, within: Duration) -> Result<Option<u32>, OpenFailure> {
        match self.answer(spec, within)? {
            (Frame { status: Status::Here, node, .. }, _) => Ok(node),
            _ => Err(OpenFailure::Peer("it does not say where it is".into())),
        }
    }

    /// Hands this end's region over.
    pub fn greet(&self, spec: &Spec, region: BorrowedFd<'_>) -> Result<(), OpenFailure> {
        self.say(Status::Hello, spec, Some(region))
    }

    /// The other side's region, if it lets this one in, and its node, or in a broadcast the slot.
    pub fn region(&self, spec: &Spec, within: Duration) -> Result<(OwnedFd, Option<u32>), OpenFailure> {
        match self.answer(spec, within)? {
            (Frame { status: Status::Accepted, node, .. }, Some(fd)) => Ok((fd, node)),
            (Frame { status: Status::Accepted, .. }, None) => {
                Err(OpenFailure::Peer("it sent no memory".into()))
            }
            _ => Err(OpenFailure::Peer("it greets instead of answering".into())),
        }
    }

    pub fn no_answer(&self, within: Duration) -> OpenFailure {
        OpenFailure::NoAnswer { place: shown(&self.place), within }
    }

    fn say(&self, status: Status, spec: &Spec, fd: Option<BorrowedFd<'_>>) -> Result<(), OpenFailure> {
        match socket::send(&self.socket, &Frame { status, spec: spec.clone(), node: None }, fd) {
            // It has hung up: what it said before tells why, if it said anything.
            Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(error) => Err(OpenFailure::system("send a frame to the other side")(error)),
        }
    }

    /// What the other side says next, if that is no refusal.
    ///
    /// spec: CHN-4.5
    fn answer(&self, spec: &Spec, within: Duration) -> Result<(Frame, Option<OwnedFd>), OpenFailure> {
        let (began, place) = (Instant::now(), || shown(&self.place));
        let (frame, fd) = loop {
            match socket::receive(&self.socket)? {
                Received::Frame(frame, fd) => break (frame, fd),
                Received::Look => return Err(OpenFailure::Peer("it asks instead of answering".into())),
                Received::End => return Err(OpenFailure::Left { place: place() }),
                Received::Noise => {
                    let what = "what it says does not begin with ADITJOIN".into();
                    return Err(OpenFailure::NoChannel { place: place(), what });
                }
                Received::Nothing => {}
            }
            let left = within.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.no_answer(within));
            }
            let mut fds = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
            match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(OpenFailure::system("wait for the other side")(error)),
            }
        };
        Err(match frame.status {
            Status::Taken => match spec.mode {
                Mode::Broadcast => OpenFailure::ReceiversTaken { most: MAX_RECEIVERS },
                mode => OpenFailure::SendersTaken { most: if mode.is_merged() { MAX_SENDERS } else { 1 } },
            },
            Status::Different => match spec.difference(&frame.spec) {
                Some((what, ours, theirs)) => OpenFailure::Mismatch { what, ours, theirs },
                None => OpenFailure::Peer("it says that we differ, and we do not".into()),
            },
            Status::Forbidden => OpenFailure::Refused {
                uid: geteuid().as_raw(),
                by: format!("who listens at {} (user {})", place(), Peer::of(&self.socket)?.0.uid),
            },
            Status::Failed => OpenFailure::OtherFailed,
            Status::Hello | Status::Accepted | Status::Where | Status::Here => return Ok((frame, fd)),
        })
    }
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

/// Whether a process listens at `place`.
pub(super) fn is_alive(place: &Place) -> Result<bool, OpenFailure> {
    Ok(!matches!(connection(place)?, Found::Nobody))
}

/// What a call meets.
enum Found {
    Somebody(OwnedFd),
    /// Somebody listens and takes no more connections now.
    Busy,
    Nobody,
}

fn connection(place: &Place) -> Result<Found, OpenFailure> {
    let socket = socket::new()?;
    match connect(&socket, &place.address()?) {
        Ok(()) => Ok(Found::Somebody(socket)),
        Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(Found::Nobody),
        Err(Errno::AGAIN) => Ok(Found::Busy),
        Err(Errno::ACCESS) => Err(OpenFailure::Refused {
            uid: geteuid().as_raw(),
            by: format!("the owner of {}", shown(place)),
        }),
        Err(Errno::PROTOTYPE) => Err(OpenFailure::NoChannel {
            place: shown(place),
            what: "it is a socket of another kind (not SOCK_SEQPACKET)".into(),
        }),
        Err(error) => Err(OpenFailure::system(format!("join {}", shown(place)))(error)),
    }
}

fn shown(place: &Place) -> String {
    place.path().display().to_string()
}
