//! A lane as an onlooker sees it: cursors and counters, read and never written.

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;

use super::{
    Counters, Link,
    header::{CLOSED, COUNTERS, CURSOR},
    memory::Page,
};

/// Both regions of a lane and what the transport says of its writer; keeps them mapped.
#[derive(Debug)]
pub(crate) struct LaneView {
    writer: Page,
    reader: Page,
    capacity: u64,
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
    pub fn new(writer: Arc<Region>, reader: Arc<Region>, capacity: usize, link: Arc<Link>) -> Self {
        Self { writer: Page::new(writer), reader: Page::new(reader), capacity: capacity as u64, link }
    }

    pub fn look(&self) -> LaneLook {
        // The head first: it never passes the tail that is read after it.
        let head = self.reader.load(CURSOR);
        let tail = self.writer.load(CURSOR);
        LaneLook {
            depth: tail.saturating_sub(head).min(self.capacity),
            sent: counters(&self.writer),
            received: counters(&self.reader),
            closed: self.writer.load(CLOSED) != 0,
            dead: self.link.is_dead(),
        }
    }
}

fn counters(page: &Page) -> Counters {
    let [messages, bytes, stalls, wakes, drops, depth] =
        std::array::from_fn(|at| page.word(COUNTERS + at * 8).load(Ordering::Relaxed));
    Counters { messages, bytes, stalls, wakes, drops, depth }
}
