//! `tcp://` and `unix://`: lanes whose bytes go through a connection.
//!
//! A sender writes into a ring of its own process, and its connection sends what stands in the ring as it
//! stands there; a receiver's connection puts what arrives into another ring, which the receiver reads like
//! any other lane. With one sender and many receivers the door is the sender's: it has a ring and an outlet for each that
//! joins, or in a broadcast one ring, and an outlet for each. With many of both each receiver has a door, and each sender
//! a ring and an outlet for each of them that it called. `docs/spec/network.md` has the bytes.
//!
//! ```text
//!  sender ──► ring ──► outlet ── socket ═══ socket ── inlet ──► ring ──► receiver
//!               the sender's thread                   the receiver's thread
//!               flusher: what the sender left         door: accepts and answers
//!
//!  of a broadcast:
//!  sender ──► ring ─┬► tap ──► outlet ── socket ═══ socket ── inlet ──► ring ──► receiver
//!                   └► tap ──► outlet ── socket ═══ socket ── inlet ──► ring ──► receiver
//! ```

mod call;
mod caller;
mod door;
mod fan;
mod feed;
pub(crate) mod flusher;
mod frame;
mod hall;
mod handle;
mod hello;
mod inlet;
mod line;
mod options;
mod outlet;
mod pace;
mod reconnect;
mod report;
mod socket;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use adit_memory::Region;
pub(crate) use flusher::{Attended, Attention};
pub use frame::BadFrame;
pub(super) use frame::Layout;
pub use options::{Driver, NetworkOptions, Reconnect};
pub use report::{DriverUsed, NetworkReport};
pub(crate) use socket::{set_number, set_of_all, wait};

use self::{
    call::JoinedSender,
    fan::{Crowd, Fan},
    feed::Feed,
    hall::Hall,
    handle::Handle,
    outlet::Outlet,
    socket::Place,
};
use crate::{
    broadcast::{Policy, Roster},
    endpoint::{Failed, Inbox, OpenFailure, Outbox, Wish},
    lane::{self, Pump, Side, Spec, WriterLane},
    transport::Patience,
    uri::Uri,
};

/// Of a receiver: where lanes arrive, what it must hold, and what there is to say.
pub(crate) type Opened = (Arc<Inbox>, Box<dyn Any + Send>, NetworkReport);

/// Of a sender to many: where lanes arrive, what it must hold, and what there is to say.
pub(crate) type OpenedSender = (Arc<Outbox>, Box<dyn Any + Send>, NetworkReport);

/// Of a broadcast's sender: its region, who receives, what it must hold, what carries it, and what there is to say.
pub(crate) struct OpenedBroadcast {
    pub own: Arc<Region>,
    pub roster: Arc<Roster>,
    pub hold: Box<dyn Any + Send>,
    pub pump: Box<dyn Pump>,
    pub report: NetworkReport,
}

/// The most bytes of a frame with more than one message.
const BURST: u64 = 64 << 10;

/// How long to wait before asking again whether somebody listens.
const AGAIN: Duration = Duration::from_millis(5);

/// The longest frame of a channel: a burst, or one message with its header.
fn frame_limit(spec: &Spec) -> u32 {
    let longest = adit_ring::stream::longest(spec.capacity).next_multiple_of(8) as u64 + 8;
    // A ring has a GiB at most.
    longest.max(BURST) as u32
}

/// A sender's lane.
pub(crate) fn sender(
    uri: &Uri,
    spec: &Spec,
    options: &NetworkOptions,
    patience: Patience,
) -> Result<(WriterLane, NetworkReport), OpenFailure> {
    let (place, session) = (Place::new(uri), new_session());
    let joined = again(patience, options, |options| call::join(&place, spec, options, session))?;
    let (mut writer, drain) = lane::drained(spec)?;
    let feed = (Feed::Lane(drain, None), writer.link());
    let outlet = Outlet::new(place, spec.clone(), options.clone(), session, feed, joined.connection);
    flusher::add(&outlet)?;
    writer.set_pump(Box::new(Handle::new(outlet)));
    Ok((writer, joined.report))
}

/// A number of a sender's own.
fn new_session() -> u64 {
    // The standard library takes the keys of its hash tables from the system's random numbers.
    RandomState::new().hash_one(std::process::id())
}

/// Tries until somebody listens and has a place, with no more patience than there is.
fn again<T>(
    patience: Patience,
    options: &NetworkOptions,
    join: impl Fn(&NetworkOptions) -> Result<T, OpenFailure>,
) -> Result<T, OpenFailure> {
    patience.again(AGAIN, may_pass, || join(&bounded(patience, options)))
}

/// Whether what was met may be otherwise the next time.
fn may_pass(failure: &OpenFailure) -> bool {
    // The place of who is gone is free once the other side has seen that.
    let is_taken = matches!(failure, OpenFailure::SendersTaken { .. } | OpenFailure::ReceiversTaken { .. });
    failure.is_absence() || is_taken || is_out_of_reach(failure)
}

/// Whether the machine itself could not be reached, which may be about to start.
fn is_out_of_reach(failure: &OpenFailure) -> bool {
    matches!(failure, OpenFailure::System { source, .. } if matches!(
        source.raw_os_error(),
        Some(libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH)
    ))
}

/// For a call of whoever listens, by a user with that patience.
///
/// spec: NET-2.6
fn bounded(patience: Patience, options: &NetworkOptions) -> NetworkOptions {
    NetworkOptions {
        connect_timeout: patience.bound(options.connect_timeout),
        handshake_timeout: patience.bound(options.handshake_timeout),
        ..options.clone()
    }
}

/// A sender to many, which listens for them.
///
/// spec: NET-1.2
pub(crate) fn spread_sender(
    uri: &Uri,
    spec: &Spec,
    options: &NetworkOptions,
) -> Result<OpenedSender, OpenFailure> {
    let (place, outbox) = (Place::new(uri), Arc::new(Outbox::default()));
    let hall = Hall::receivers(&outbox, &place);
    let (held, report) = door::open(&place, spec, options, hall).map_err(sender_taken)?;
    Ok((outbox, held, report))
}

/// A sender to one of many, who each listen at an address of their own; waits no longer for the first than there is patience.
pub(crate) fn calling_sender(
    uris: &[Uri],
    spec: &Spec,
    options: &NetworkOptions,
    patience: Patience,
) -> Result<OpenedSender, Failed> {
    caller::sender(uris, spec, options, new_session(), patience)
}

/// A sender to all, which listens for them.
///
/// spec: NET-1.3
pub(crate) fn broadcast_sender(
    uri: &Uri,
    spec: &Spec,
    options: &NetworkOptions,
    policy: Policy,
    wish: Wish,
) -> Result<OpenedBroadcast, OpenFailure> {
    let place = Place::new(uri);
    let own = Arc::new(Region::heap_with(lane::writer_size(spec.capacity), &wish.options(None))?);
    lane::write_header(&own, Side::Writer, spec);
    let (roster, crowd) = (Arc::new(Roster::default()), Arc::new(Crowd::default()));
    let hall = Hall::Audience {
        roster: Arc::downgrade(&roster),
        ring: Arc::clone(&own),
        crowd: Arc::clone(&crowd),
        place: place.clone(),
        policy,
    };
    let (hold, report) = door::open(&place, spec, options, hall).map_err(sender_taken)?;
    Ok(OpenedBroadcast { own, roster, hold, pump: Box::new(Fan::new(crowd, policy)), report })
}

/// Of an end that listens and sends: who listens there already sends as well.
fn sender_taken(error: OpenFailure) -> OpenFailure {
    match error {
        OpenFailure::ReceiverTaken => OpenFailure::SendersTaken { most: 1 },
        other => other,
    }
}

/// One of many receivers.
///
/// spec: NET-1.2
pub(crate) fn receiver_of_many(
    uri: &Uri,
    spec: &Spec,
    options: &NetworkOptions,
    patience: Patience,
) -> Result<Opened, OpenFailure> {
    let place = Place::new(uri);
    let JoinedSender { connection, policy, report } =
        again(patience, options, |options| call::join_sender(&place, spec, options))?;
    let inbox = Arc::new(Inbox::with_bell(spec.mode, door::eventfd_new()?));
    let (sender, ticket) = inbox.tickets()?;
    let (writer, mut reader) = lane::in_process(spec, &adit_memory::Options::default())?;
    let lane = (writer, reader.link());
    reader.set_source(Box::new(inlet::Inlet::new(connection, lane, sender, (spec, policy), options)));
    reader.hold(ticket);
    inbox.put(reader);
    Ok((inbox, Box::new(()), report))
}

/// The receiver's inbox, and what it must hold.
pub(crate) fn receiver(uri: &Uri, spec: &Spec, options: &NetworkOptions) -> Result<Opened, OpenFailure> {
    let inbox = Arc::new(Inbox::with_bell(spec.mode, door::eventfd_new()?));
    let (held, report) = door::open(&Place::new(uri), spec, options, Hall::senders(&inbox))?;
    Ok((inbox, held, report))
}

/// Reads a greeting.
#[cfg(fuzzing)]
pub(crate) fn fuzz_hello(bytes: &[u8]) {
    if let Ok(hello) = hello::Hello::from_bytes(bytes) {
        let _ = hello.difference(&hello.spec);
        let _ = hello.to_bytes();
    }
}

/// Reads frames one after the other, decompresses them and takes their messages, as a receiver does.
#[cfg(fuzzing)]
pub(crate) fn fuzz_frames(bytes: &[u8]) {
    const LIMIT: u32 = 1 << 12;
    const LONGEST: usize = 1 << 10;
    let Some((size, mut bytes)) = bytes.split_first() else { return };
    let mut decoder = crate::codec::Decoder::default();
    let layout = match usize::from(*size) {
        0..128 => Layout::Prefixed { longest: LONGEST },
        size => Layout::Fixed { size: size - 127 },
    };
    while let Some((head, rest)) = bytes.split_first_chunk() {
        let (codec, wire, plain, count) = match frame::Frame::from_bytes(head, LIMIT) {
            Ok(frame::Frame::Records { codec, wire, plain, count }) => (codec, wire, plain, count),
            Ok(frame::Frame::Gap { lost: 1.. }) => {
                bytes = rest;
                continue;
            }
            _ => return,
        };
        let wire = rest.get(..wire as usize).unwrap_or(rest);
        bytes = &rest[wire.len()..];
        let mut text = vec![0; plain as usize];
        if codec == 0 {
            let len = wire.len().min(text.len());
            text[..len].copy_from_slice(&wire[..len]);
        } else if decoder.decode(codec, wire, &mut text).is_err() {
            return;
        }
        let mut at = 0;
        for _ in 0..count {
            let Ok((message, taken)) = layout.next(&text[at..]) else { return };
            assert!(message.len() <= LONGEST && taken > 0);
            at += taken;
        }
    }
}
