//! A lane as an onlooker sees it: cursors and counters, read and never written.

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;
use adit_ring::stream::Framing;

use super::{
    Counters, Link, Spec,
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
    histogram: Option<Words>,
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
        let histogram = spec.kind.is_measured().then(|| histogram_words(&reader));
        Self {
            histogram,
            writer: Page::new(writer),
            reader: Page::new(reader),
            capacity: spec.capacity as u64,
            framing: spec.kind.framing(),
            link,
        }
    }

    pub fn look(&self) -> LaneLook {
        // The head first: it never passes the tail that is read after it.
        let head = self.reader.load(COUNTERS + POSITION * 8);
        let tail = self.writer.load(CURSOR);
        LaneLook {
            depth: tail.saturating_sub(head).min(self.capacity),
            sent: self.counters(&self.writer, tail),
            received: self.counters(&self.reader, head),
            closed: self.writer.load(CLOSED) != 0,
            dead: self.link.is_dead(),
        }
    }

    /// What the reader counted; `None`: the channel does not measure.
    pub fn latency(&self) -> Option<Latency> {
        self.histogram.as_ref().map(latency)
    }

    fn counters(&self, page: &Page, position: u64) -> Counters {
        let [messages, bytes, stalls, wakes, drops, depth] =
            std::array::from_fn(|at| page.word(COUNTERS + at * 8).load(Ordering::Relaxed));
        let counters = Counters { messages, bytes, stalls, wakes, drops, lost: 0, depth };
        counters.with_traffic(self.framing, self.capacity, 0, position)
    }
}
