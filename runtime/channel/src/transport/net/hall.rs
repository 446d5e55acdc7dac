//! Where those go whom the door lets in: what becomes of a connection that was accepted.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError, Weak, atomic::AtomicUsize},
};

use adit_memory::Region;
use rustix::net::{Shutdown, shutdown};

use super::{
    NetworkOptions,
    door::Door,
    fan::Crowd,
    feed::Feed,
    flusher,
    handle::{Company, Handle},
    hello::Status,
    inlet::Inlet,
    line::{Incoming, Outgoing},
    outlet::Outlet,
    socket::{self, Place},
};
use crate::{
    broadcast::{Arrival, Policy, Roster, Tap},
    endpoint::{Inbox, MAX_RECEIVERS, Outbox, Ticket},
    lane::{self, End, Mode, Side},
};

/// How many lanes a sender may have, those of receivers that are gone and that it has not retired included.
const MAX_LANES: usize = 2 * MAX_RECEIVERS;

/// Of a broadcast that does not wait: so many bytes may be with the kernel and not on their way. What it has taken is
/// not overwritten any more, and comes late where only the newest counts.
const NOT_SENT: i32 = 64 << 10;

/// Of which kind the listening end is. Only the end keeps its box: when that is gone, nobody is let in any more.
pub(super) enum Hall {
    /// It receives.
    Senders {
        inbox: Weak<Inbox>,
        /// Of senders whose lanes are not drained.
        sessions: Arc<Sessions>,
    },
    /// It sends each message to one of many.
    Receivers {
        outbox: Weak<Outbox>,
        /// Receivers that are not known to be gone.
        there: Arc<AtomicUsize>,
        lanes: Arc<AtomicUsize>,
        place: Place,
        company: Arc<Company>,
    },
    /// It sends each message to all.
    Audience {
        roster: Weak<Roster>,
        /// The sender's region.
        ring: Arc<Region>,
        crowd: Arc<Crowd>,
        place: Place,
        policy: Policy,
    },
}

/// Sessions by their numbers, and the connection of each.
type Sessions = Mutex<BTreeMap<u64, Weak<OwnedFd>>>;

/// A sender's session; over when its lane is drained.
struct Session {
    sessions: Arc<Sessions>,
    number: u64,
}

impl Session {
    /// `None`: it is under way. Who comes back has lost its connection, whether this side has noticed or not: what has come over it
    /// is received, and nothing more.
    fn begin(sessions: &Arc<Sessions>, number: u64, socket: &Arc<OwnedFd>, mode: Mode) -> Option<Self> {
        let mut known = sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = known.get(&number) {
            // A sender to many may call one receiver by two names, and calls again for as long as it likes.
            if let Some(before) = before.upgrade().filter(|_| mode != Mode::Mpmc) {
                // It fails when it has ended already.
                let _ = shutdown(&before, Shutdown::Read);
            }
            return None;
        }
        known.insert(number, Arc::downgrade(socket));
        Some(Self { sessions: Arc::clone(sessions), number })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Hall {
    pub fn senders(inbox: &Arc<Inbox>) -> Self {
        Self::Senders { inbox: Arc::downgrade(inbox), sessions: Arc::default() }
    }

    pub fn receivers(outbox: &Arc<Outbox>, place: &Place) -> Self {
        Self::Receivers {
            outbox: Arc::downgrade(outbox),
            there: Arc::default(),
            lanes: Arc::default(),
            place: place.clone(),
            company: Arc::default(),
        }
    }

    /// What the answers of this side say that it does when it is full.
    ///
    /// spec: NET-2.5
    pub fn rule(&self) -> u8 {
        match self {
            Self::Senders { .. } | Self::Receivers { .. } => 0,
            Self::Audience { policy, .. } => *policy as u8,
        }
    }

    /// Gives who greeted its place, or sends it away.
    pub fn let_in(&self, door: &Door, socket: OwnedFd, session: u64) {
        let refused = match self {
            Self::Senders { inbox, sessions } => let_sender_in(door, socket, inbox, sessions, session),
            Self::Receivers { .. } => self.let_receiver_in(door, socket),
            Self::Audience { .. } => self.let_listener_in(door, socket),
        };
        if let Err((socket, status)) = refused {
            door.answer(&socket, status);
        }
    }

    /// spec: NET-1.2
    fn let_receiver_in(&self, door: &Door, socket: OwnedFd) -> Result<(), Refused> {
        let Self::Receivers { outbox, there, lanes, place, company } = self else { return Ok(()) };
        let Some(outbox) = outbox.upgrade() else { return Ok(()) };
        // Those that came and went before the sender has taken them over.
        outbox.forget_who_is_gone();
        let tickets = Ticket::take(there, MAX_RECEIVERS).zip(Ticket::take(lanes, MAX_LANES));
        let socket = Arc::new(socket);
        let Some((receiver, lane)) = tickets else { return Err((socket, Status::Taken)) };
        let Ok((mut writer, drain)) = lane::drained(&door.spec) else { return Err((socket, Status::Failed)) };
        let feed = (Feed::Lane(drain, None), writer.link());
        let outlet = outlet(door, place, feed, &socket)?;
        outlet.take_place(receiver);
        let handle = Handle::in_company(Arc::clone(&outlet), Arc::clone(company), Some(lane));
        writer.set_pump(Box::new(handle));
        // Before the answer, so that what is sent next may be for it.
        outbox.put(writer);
        outlet.begin();
        Ok(())
    }

    /// spec: NET-1.3
    fn let_listener_in(&self, door: &Door, socket: OwnedFd) -> Result<(), Refused> {
        let Self::Audience { roster, ring, crowd, place, policy } = self else { return Ok(()) };
        let Some(roster) = roster.upgrade() else { return Ok(()) };
        // Those that came and went before the sender has taken them over, with all that they hold.
        roster.forget_who_is_gone();
        let socket = Arc::new(socket);
        let Some(slot) = roster.slot() else { return Err((socket, Status::Taken)) };
        let Ok(region) = Region::heap(lane::READER_SIZE) else { return Err((socket, Status::Failed)) };
        let region = Arc::new(region);
        lane::write_header(&region, Side::Reader, &door.spec);
        if *policy != Policy::Lossless && door.is_tcp && door.options.send_buffer.is_none() {
            // Where the system has no such thing, as much waits as its buffers hold.
            let _ = socket::set_number(&socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, NOT_SENT);
        }
        let end = End::new(Arc::clone(ring), Arc::clone(&region));
        let regions = (Arc::clone(ring), Arc::clone(&region));
        let tap = Tap::new(&door.spec, slot.number(), regions, &roster);
        let feed = (Feed::Tap(Box::new(tap)), end.link());
        let outlet = outlet(door, place, feed, &socket)?;
        // Both before the answer, so that what is sent next is for it.
        crowd.put(&outlet);
        let hold = Some(Box::new(Arc::clone(&outlet)) as _);
        roster.put(Arrival { slot, region, end, hold });
        outlet.begin();
        Ok(())
    }
}

/// Whom to tell why it may not come.
type Refused = (Arc<OwnedFd>, Status);

/// A connection that first says that the receiver is in, once it [begins](Outlet::begin).
fn outlet(
    door: &Door,
    place: &Place,
    feed: (Feed, Arc<lane::Link>),
    socket: &Arc<OwnedFd>,
) -> Result<Arc<Outlet>, Refused> {
    let failed = || (Arc::clone(socket), Status::Failed);
    let outgoing = Outgoing::new(Arc::clone(socket), door.uring, door.options.uncopied_from(place.is_tcp()));
    // Who is cut off joins again as somebody new.
    let options = NetworkOptions { reconnect: None, ..door.options.clone() };
    let connection = (Arc::clone(socket), outgoing);
    let outlet = Outlet::new(place.clone(), door.spec.clone(), options, 0, feed, connection);
    outlet.say_first(&door.says(Status::Accepted));
    flusher::add(&outlet).map_err(|_| failed())?;
    Ok(outlet)
}

fn let_sender_in(
    door: &Door,
    socket: OwnedFd,
    inbox: &Weak<Inbox>,
    sessions: &Arc<Sessions>,
    session: u64,
) -> Result<(), Refused> {
    let Some(inbox) = inbox.upgrade() else { return Ok(()) };
    // A sender that comes back waits until what it sent before is received: the order stays.
    let socket = Arc::new(socket);
    let session = Session::begin(sessions, session, &socket, door.spec.mode);
    let (Some(session), Ok((sender, ticket))) = (session, inbox.tickets()) else {
        return Err((socket, Status::Taken));
    };
    let _expected = inbox.expect();
    // All that may fail before the answer, and the answer before anything is read: from then on the socket is the lane's.
    let incoming = Incoming::new(Arc::clone(&socket), door.uring);
    let Ok((writer, mut reader)) = lane::in_process(&door.spec, &adit_memory::Options::default()) else {
        return Err((socket, Status::Failed));
    };
    if !door.answer(&socket, Status::Accepted) {
        return Ok(());
    }
    let lane = (writer, reader.link());
    let inlet = Inlet::new((socket, incoming), lane, sender, (&door.spec, Policy::Lossless), &door.options);
    reader.set_source(Box::new(inlet));
    reader.hold((session, ticket));
    inbox.put(reader);
    Ok(())
}
