//! A lane, or a receiver of a broadcast, as an onlooker sees it: cursors and counters, read and never written.

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;
use adit_ring::stream::Framing;

use super::{
    Counters, Link, Mode, Spec,
    header::{CLOSED, COUNTERS, CURSOR, POSITION},
    latency::{histogram_words, latency},
    memory::{Page, Words},
};
use crate::latency::Latency;

/// Both regions of a lane and what the transport says of its writer; keeps them mapped.
#[derive(Debug)]
pub(crate) struct LaneView {
    writer: Page,
    reader: Page,
    capacity: u64,
    framing: Framing,
    is_broadcast: bool,
    histogram: Option<Words>,
    /// Of the end that joined: a lane's writer, a broadcast's receiver.
    link: Arc<Link>,
}

/// What a look at a lane shows. Numbers of a peer's region are what the peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneLook {
    pub depth: u64,
    pub sent: Counters,
    pub received: Counters,
    pub closed: bool,
    pub dead: bool,
}

impl LaneView {
    /// # Panics
    /// A region is too short; a peer's is measured before.
    pub fn new(writer: Arc<Region>, reader: Arc<Region>, spec: &Spec, link: Arc<Link>) -> Self {
        let is_broadcast = spec.mode == Mode::Broadcast;
        let histogram = spec.kind.is_measured().then(|| histogram_words(&reader));
        Self {
            histogram,
            writer: Page::new(writer),
            reader: Page::new(reader),
            capacity: spec.capacity as u64,
            // The records of a broadcast have headers, and its ends count themselves.
            framing: if is_broadcast { Framing::Records } else { spec.kind.framing() },
            is_broadcast,
            link,
        }
    }

    pub fn look(&self) -> LaneLook {
        // The head first: it never passes the tail that is read after it. A broadcast's receiver tells it to the sender
        // alone, and up to a quarter of the ring late.
        let head = self.reader.load(if self.is_broadcast { CURSOR } else { COUNTERS + POSITION * 8 });
        let tail = self.writer.load(CURSOR);
        // But for a message in a full slot, which may be read before the tail is stored.
        let head = if self.is_broadcast { head } else { head.min(tail) };
        let joined = if self.is_broadcast { &self.reader } else { &self.writer };
        LaneLook {
            // Of one that has not begun, nothing.
            depth: if head == 0 && self.is_broadcast {
                0
            } else {
                tail.saturating_sub(head).min(self.capacity)
            },
            sent: self.counters(&self.writer, tail),
            received: self.counters(&self.reader, head),
            closed: joined.load(CLOSED) != 0,
            dead: self.link.is_dead(),
        }
    }

    /// What the reader counted; `None`: the channel does not measure.
    pub fn latency(&self) -> Option<Latency> {
        self.histogram.as_ref().map(latency)
    }

    fn counters(&self, page: &Page, position: u64) -> Counters {
        counters(page).with_traffic(self.framing, self.capacity, 0, position)
    }
}

/// What the sender of a broadcast counted, whose region this is.
pub(crate) fn of_broadcast(own: &Arc<Region>) -> Counters {
    counters(&Page::new(Arc::clone(own)))
}

fn counters(page: &Page) -> Counters {
    let [messages, bytes, stalls, wakes, drops, depth] =
        std::array::from_fn(|at| page.word(COUNTERS + at * 8).load(Ordering::Relaxed));
    Counters { messages, bytes, stalls, wakes, drops, lost: 0, depth }
}
