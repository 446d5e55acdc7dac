//! `memory://`: a registry of names in this process.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use adit_memory::current_node;

use crate::{
    endpoint::{Inbox, OpenError, Ticket, Wish},
    lane::{self, Spec, WriterLane},
};

/// Channels by name. A channel lives as long as one of its ends.
static CHANNELS: Mutex<BTreeMap<String, Weak<Hub>>> = Mutex::new(BTreeMap::new());

/// A channel that has an end.
#[derive(Debug)]
struct Hub {
    spec: Spec,
    inbox: Arc<Inbox>,
    receivers: Arc<AtomicUsize>,
    /// One more than the receiver's node; 0: unknown.
    node: AtomicU64,
}

impl Hub {
    /// Where the receiver was opened.
    fn node(&self) -> Option<u32> {
        self.node.load(Ordering::Relaxed).checked_sub(1).and_then(|node| u32::try_from(node).ok())
    }
}

/// A sender's lane; it may come before the receiver.
pub(crate) fn sender(name: &str, spec: &Spec, wish: Wish) -> Result<WriterLane, OpenError> {
    let hub = find(name, spec)?;
    let (sender, lane) = hub.inbox.tickets()?;
    let (mut writer, mut reader) = lane::in_process(spec, &wish.options(hub.node()))?;
    reader.hold(lane);
    writer.hold((sender, Arc::clone(&hub)));
    hub.inbox.put(reader);
    Ok(writer)
}

/// The receiver's inbox, and what it must hold.
pub(crate) fn receiver(name: &str, spec: &Spec) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenError> {
    let hub = find(name, spec)?;
    let ticket = Ticket::take(&hub.receivers, 1).ok_or(OpenError::ReceiverTaken)?;
    hub.node.store(current_node().map_or(0, |node| u64::from(node) + 1), Ordering::Relaxed);
    Ok((Arc::clone(&hub.inbox), Box::new((ticket, hub))))
}

/// The channel of that name, made if nobody has an end of it.
fn find(name: &str, spec: &Spec) -> Result<Arc<Hub>, OpenError> {
    let mut channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
    channels.retain(|_, hub| hub.strong_count() > 0);
    let Some(hub) = channels.get(name).and_then(Weak::upgrade) else {
        let hub = Arc::new(Hub {
            spec: spec.clone(),
            inbox: Arc::new(Inbox::new(spec.mode)),
            receivers: Arc::new(AtomicUsize::new(0)),
            node: AtomicU64::new(0),
        });
        channels.insert(name.to_owned(), Arc::downgrade(&hub));
        return Ok(hub);
    };
    debug_assert!(hub.receivers.load(Ordering::Relaxed) <= 1);
    match spec.difference(&hub.spec) {
        Some((what, ours, theirs)) => Err(OpenError::Mismatch { what, ours, theirs }),
        None => Ok(hub),
    }
}
