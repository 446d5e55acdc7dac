//! One end joins the other, which listens: it connects, greets, and hears whether it may.

use std::{
    io::ErrorKind,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    time::Instant,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{SendFlags, send},
};

use super::{
    DriverUsed, NetworkOptions, NetworkReport,
    hello::{COMMON, HELLO, Hello, Status},
    line::{self, Incoming, Outgoing, Received, receive},
    socket::{self, Place},
};
use crate::{
    broadcast::Policy,
    endpoint::{MAX_RECEIVERS, MAX_SENDERS, OpenFailure},
    lane::{Mode, Spec},
};

/// A connection that the other side accepted.
#[derive(Debug)]
pub(super) struct Joined {
    pub connection: (Arc<OwnedFd>, Outgoing),
    pub report: NetworkReport,
}

/// A sender that took this end as one of its receivers.
#[derive(Debug)]
pub(super) struct JoinedSender {
    pub connection: (Arc<OwnedFd>, Incoming),
    /// What it does when it is full; it loses nothing, if it is no broadcast's.
    pub policy: Policy,
    pub report: NetworkReport,
}

/// Joins the sender at `place` as one of its receivers.
///
/// spec: NET-2.5
pub(super) fn join_sender(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
) -> Result<JoinedSender, OpenFailure> {
    let (socket, rule, report) = greet(place, spec, options, 0)?;
    let policy = match spec.mode {
        Mode::Broadcast => Policy::from_number(u64::from(rule)),
        _ => Some(Policy::Lossless),
    };
    let unknown = || OpenFailure::Peer(format!("it follows rule {rule} when it is full, which there is not"));
    let policy = policy.ok_or_else(unknown)?;
    let uring = report.driver == DriverUsed::IoUring;
    let incoming = Incoming::new(Arc::clone(&socket), uring);
    Ok(JoinedSender { connection: (socket, incoming), policy, report })
}

/// Joins the receiver at `place`.
pub(super) fn join(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
    session: u64,
) -> Result<Joined, OpenFailure> {
    let (socket, _, report) = greet(place, spec, options, session)?;
    let uring = report.driver == DriverUsed::IoUring;
    let outgoing = Outgoing::new(Arc::clone(&socket), uring, options.uncopied_from(place.is_tcp()));
    Ok(Joined { connection: (socket, outgoing), report })
}

/// Besides the socket, the rule that the other side named.
fn greet(
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
    session: u64,
) -> Result<(Arc<OwnedFd>, u8, NetworkReport), OpenFailure> {
    let chosen = line::choose(options)?;
    let mut notes = Vec::new();
    let nobody = || OpenFailure::NobodyListens { place: socket::shown(place) };
    let socket = socket::call(place, options, &mut notes)?.ok_or_else(nobody)?;
    // Of many receivers each greets its sender, and sends nothing that could be compressed.
    let codec = if spec.mode.has_listening_sender() { 0 } else { options.compression.id() };
    let hello = Hello { status: Status::Hello, spec: spec.clone(), codec, rule: 0, session };
    match send(&socket, &hello.to_bytes(), SendFlags::NOSIGNAL) {
        Ok(HELLO) => {}
        Ok(_) => return Err(OpenFailure::Peer("it took half a greeting".into())),
        // It has hung up: what it said before tells why, if it said anything.
        Err(Errno::PIPE | Errno::CONNRESET) => {}
        Err(error) => return Err(OpenFailure::system("greet the other side")(error)),
    }
    let rule = answer(&socket, place, spec, options)?.rule;
    let peer = socket::peer(place, &socket);
    let report =
        NetworkReport { driver: chosen.into(), address: peer, compression: options.compression, notes };
    Ok((Arc::new(socket), rule, report))
}

/// What the other side says to a greeting.
///
/// spec: NET-2.1, NET-2.3, NET-2.6
fn answer(
    socket: &OwnedFd,
    place: &Place,
    spec: &Spec,
    options: &NetworkOptions,
) -> Result<Hello, OpenFailure> {
    let (began, within) = (Instant::now(), options.handshake_timeout);
    let (mut bytes, mut have) = ([0; HELLO], 0);
    while have < HELLO {
        match receive(socket, &mut bytes[have..]) {
            Ok(Received::Bytes(len)) => have += len,
            Ok(Received::End) => return Err(OpenFailure::Left { place: socket::shown(place) }),
            // What it had not read when it closed makes of the end a reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return Err(OpenFailure::Left { place: socket::shown(place) });
            }
            // With fast open the connection is made when something is sent, and refused only then.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(OpenFailure::NobodyListens { place: socket::shown(place) });
            }
            Err(error) => return Err(OpenFailure::system("hear the other side")(error)),
            Ok(Received::Nothing) => {
                let left = within.saturating_sub(began.elapsed());
                if left.is_zero() {
                    return Err(OpenFailure::NoAnswer { place: socket::shown(place), within });
                }
                socket::wait(&[(socket.as_fd(), PollFlags::IN)], left)
                    .map_err(OpenFailure::system("wait for the other side"))?;
            }
        }
        if !Hello::may_begin_with(&bytes[..have]) {
            let what = "what it says does not begin with ADITWIRE".into();
            return Err(OpenFailure::NoChannel { place: socket::shown(place), what });
        }
        if (COMMON..HELLO).contains(&have) {
            // One of another version may have a shorter answer; of the same one this is only half.
            if let Err(error @ OpenFailure::Mismatch { .. }) = Hello::from_bytes(&bytes[..COMMON]) {
                return Err(error);
            }
        }
    }
    let answer = Hello::from_bytes(&bytes)?;
    match answer.status {
        Status::Accepted => Ok(answer),
        Status::Taken if spec.mode.has_listening_sender() => {
            Err(OpenFailure::ReceiversTaken { most: MAX_RECEIVERS })
        }
        Status::Taken => {
            Err(OpenFailure::SendersTaken { most: if spec.mode == Mode::Spsc { 1 } else { MAX_SENDERS } })
        }
        Status::Different => Err(match spec.difference(&answer.spec) {
            Some((what, ours, theirs)) => OpenFailure::Mismatch { what, ours, theirs },
            None => OpenFailure::Mismatch {
                what: "compression",
                ours: options.compression.to_string(),
                theirs: "none of that kind".into(),
            },
        }),
        Status::Failed => Err(OpenFailure::OtherFailed),
        Status::Hello => Err(OpenFailure::Peer("it greets instead of answering".into())),
    }
}
