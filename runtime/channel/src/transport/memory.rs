//! `memory://`: a registry of names in this process.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use adit_memory::{Region, current_node};

use crate::{
    broadcast::{Arrival, Opened, Roster},
    endpoint::{Inbox, MAX_RECEIVERS, MAX_SENDERS, OpenFailure, Outbox, Ticket, Wish},
    lane::{self, End, Side, Spec, WriterLane},
};

/// Channels by name. A channel lives as long as one of its ends.
static CHANNELS: Mutex<BTreeMap<String, Weak<Hub>>> = Mutex::new(BTreeMap::new());

/// A channel that has an end.
#[derive(Debug)]
struct Hub {
    spec: Spec,
    inbox: Arc<Inbox>,
    receivers: Arc<AtomicUsize>,
    senders: Arc<AtomicUsize>,
    /// One more than the receiver's node; 0: unknown.
    node: AtomicU64,
    /// All ends of a channel with many receivers.
    spread: Mutex<Spread>,
    /// The ring of a broadcast whose sender lives, or is still to come.
    ring: Mutex<Option<Ring>>,
}

#[derive(Debug, Default)]
struct Spread {
    senders: Vec<(Weak<Outbox>, Wish)>,
    /// With the node where each was opened.
    receivers: Vec<(Weak<Inbox>, Option<u32>)>,
}

/// A broadcast's ring.
#[derive(Clone, Debug)]
struct Ring {
    region: Arc<Region>,
    roster: Arc<Roster>,
    /// Its sender has come.
    used: bool,
}

impl Hub {
    /// Where the receiver was opened.
    fn node(&self) -> Option<u32> {
        self.node.load(Ordering::Relaxed).checked_sub(1).and_then(|node| u32::try_from(node).ok())
    }
}

/// A sender's lane; it may come before the receiver.
pub(crate) fn sender(name: &str, spec: &Spec, wish: Wish) -> Result<WriterLane, OpenFailure> {
    let hub = find(name, spec)?;
    let (sender, lane) = hub.inbox.tickets()?;
    let (mut writer, mut reader) = lane::in_process(spec, &wish.options(hub.node()))?;
    reader.hold(lane);
    writer.hold((sender, Arc::clone(&hub)));
    hub.inbox.put(reader);
    Ok(writer)
}

/// The receiver's inbox, and what it must hold.
pub(crate) fn receiver(name: &str, spec: &Spec) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    let hub = find(name, spec)?;
    let ticket = Ticket::take(&hub.receivers, 1).ok_or(OpenFailure::ReceiverTaken)?;
    hub.node.store(current_node().map_or(0, |node| u64::from(node) + 1), Ordering::Relaxed);
    Ok((Arc::clone(&hub.inbox), Box::new((ticket, hub))))
}

/// What a sender to many receivers works on; it may come before them.
pub(crate) fn spread_sender(
    name: &str,
    spec: &Spec,
    wish: Wish,
) -> Result<(Arc<Outbox>, Box<dyn Any + Send>), OpenFailure> {
    let hub = find(name, spec)?;
    let most = if spec.mode.is_merged() { MAX_SENDERS } else { 1 };
    let ticket = Ticket::take(&hub.senders, most).ok_or(OpenFailure::SendersTaken { most })?;
    let outbox = Arc::new(Outbox::default());
    let mut spread = hub.spread.lock().unwrap_or_else(PoisonError::into_inner);
    for (inbox, node) in &spread.receivers {
        if let Some(inbox) = inbox.upgrade() {
            connect(spec, &outbox, (&inbox, *node), wish)?;
        }
    }
    spread.senders.retain(|(sender, _)| sender.strong_count() > 0);
    spread.senders.push((Arc::downgrade(&outbox), wish));
    drop(spread);
    Ok((outbox, Box::new((ticket, hub))))
}

/// One of many receivers: its inbox, and what it must hold.
pub(crate) fn spread_receiver(
    name: &str,
    spec: &Spec,
) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    let hub = find(name, spec)?;
    let most = MAX_RECEIVERS;
    let ticket = Ticket::take(&hub.receivers, most).ok_or(OpenFailure::ReceiversTaken { most })?;
    let inbox = Arc::new(Inbox::new(spec.mode));
    let mut spread = hub.spread.lock().unwrap_or_else(PoisonError::into_inner);
    for (outbox, wish) in &spread.senders {
        if let Some(outbox) = outbox.upgrade() {
            connect(spec, &outbox, (&inbox, current_node()), *wish)?;
        }
    }
    spread.receivers.retain(|(receiver, _)| receiver.strong_count() > 0);
    spread.receivers.push((Arc::downgrade(&inbox), current_node()));
    drop(spread);
    Ok((inbox, Box::new((ticket, hub))))
}

/// A lane from one to the other, which was opened on that node.
fn connect(
    spec: &Spec,
    outbox: &Outbox,
    (inbox, node): (&Inbox, Option<u32>),
    wish: Wish,
) -> Result<(), OpenFailure> {
    let (sender, lane) = inbox.tickets()?;
    let (mut writer, mut reader) = lane::in_process(spec, &wish.options(node))?;
    reader.hold(lane);
    writer.hold(sender);
    inbox.put(reader);
    outbox.put(writer);
    Ok(())
}

/// The sender of a broadcast: its region, who receives, and what it must hold.
pub(crate) fn broadcast_sender(name: &str, spec: &Spec, wish: Wish) -> Result<Opened, OpenFailure> {
    let hub = find(name, spec)?;
    let ticket = Ticket::take(&hub.senders, 1).ok_or(OpenFailure::SendersTaken { most: 1 })?;
    let mut ring = hub.ring.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = match ring.take() {
        Some(ring) if !ring.used => ring,
        // That of a sender which is gone.
        _ => new_ring(spec, wish)?,
    };
    *ring = Some(Ring { used: true, ..fresh.clone() });
    drop(ring);
    let over = Over { hub: Arc::clone(&hub), _ticket: ticket };
    Ok((fresh.region, fresh.roster, Box::new(over)))
}

/// One of many receivers of a broadcast; it may come before the sender. Its slot, the sender's region and its
/// own, and what it must hold.
pub(crate) fn broadcast_receiver(name: &str, spec: &Spec, wish: Wish) -> Result<BroadcastPlace, OpenFailure> {
    let hub = find(name, spec)?;
    let mut ring = hub.ring.lock().unwrap_or_else(PoisonError::into_inner);
    let Ring { region, roster, .. } = match &*ring {
        Some(ring) => ring.clone(),
        None => ring.insert(new_ring(spec, wish)?).clone(),
    };
    drop(ring);
    let slot = roster.slot().ok_or(OpenFailure::ReceiversTaken { most: MAX_RECEIVERS })?;
    let number = slot.number();
    let own = Arc::new(Region::heap(lane::READER_SIZE)?);
    lane::write_header(&own, Side::Reader, spec);
    let end = End::new(Arc::clone(&region), Arc::clone(&own));
    roster.put(Arrival { slot, region: Arc::clone(&own), end, hold: None });
    Ok((number, (region, own), Box::new(Leave(roster, hub))))
}

/// A slot, the sender's region and the receiver's, and what the receiver must hold.
pub(crate) type BroadcastPlace = (usize, (Arc<Region>, Arc<Region>), Box<dyn Any + Send>);

/// Tells the sender, when dropped, that a receiver left.
struct Leave(Arc<Roster>, #[expect(dead_code, reason = "it keeps the channel")] Arc<Hub>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.change();
    }
}

/// A broadcast's sender; when dropped, the next one gets a new ring.
struct Over {
    hub: Arc<Hub>,
    _ticket: Ticket,
}

impl Drop for Over {
    fn drop(&mut self) {
        *self.hub.ring.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn new_ring(spec: &Spec, wish: Wish) -> Result<Ring, OpenFailure> {
    let region = Arc::new(Region::heap_with(spec.writer_size(), &wish.options(None))?);
    lane::write_header(&region, Side::Writer, spec);
    Ok(Ring { region, roster: Arc::default(), used: false })
}

/// The channel of that name, made if nobody has an end of it.
fn find(name: &str, spec: &Spec) -> Result<Arc<Hub>, OpenFailure> {
    let mut channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
    channels.retain(|_, hub| hub.strong_count() > 0);
    let Some(hub) = channels.get(name).and_then(Weak::upgrade) else {
        let hub = Arc::new(Hub {
            spec: spec.clone(),
            inbox: Arc::new(Inbox::new(spec.mode)),
            receivers: Arc::default(),
            senders: Arc::default(),
            node: AtomicU64::new(0),
            spread: Mutex::default(),
            ring: Mutex::default(),
        });
        channels.insert(name.to_owned(), Arc::downgrade(&hub));
        return Ok(hub);
    };
    match spec.difference(&hub.spec) {
        Some((what, ours, theirs)) => Err(OpenFailure::Mismatch { what, ours, theirs }),
        None => Ok(hub),
    }
}
