//! Messages of a lane's turn in the hands of whoever reads them.

use adit_ring::stream::{self, Bytes};

use super::{
    super::{Counters, end, memory::LaneMemory, memory::Page},
    ReaderLane,
};

/// The messages of a turn that a lane has lent: what the next one takes, and nothing else.
#[derive(Debug)]
pub(crate) struct Steps {
    steps: stream::Steps<LaneMemory>,
    /// Of the lane's reading end, where its position is shown.
    own: Page,
    /// Where the lane stood when it lent them.
    begun: u64,
    framing: stream::Framing,
    capacity: u64,
}

impl Steps {
    /// Steps past the next message, if it was lent and is of this one size, as all of the lane's must be, and returns it.
    #[inline(always)]
    pub fn next(&mut self, len: usize) -> Option<Bytes<'_>> {
        let (bytes, position) = self.steps.next(len)?;
        end::show_position(&self.own, position);
        Some(bytes)
    }

    /// Whether messages are lent.
    #[inline(always)]
    pub fn is_lent(&self) -> bool {
        self.steps.is_lent()
    }

    /// What was stepped past and not taken back yet.
    pub fn counters(&self) -> Counters {
        if !self.is_lent() {
            return Counters::default();
        }
        let position = self.steps.position();
        Counters::default().with_traffic(self.framing, self.capacity, self.begun, position)
    }
}

impl ReaderLane {
    /// Lends the messages of the turn that was begun, in place of what `into` holds; returns whether there are any.
    #[inline]
    pub fn lend(&mut self, into: &mut Option<Steps>) -> bool {
        let lent = match into {
            Some(steps) if steps.own.is(self.end.own()) => steps,
            _ => into.insert(Steps {
                steps: self.consumer.steps(),
                own: self.end.own().clone(),
                begun: 0,
                framing: self.consumer.framing(),
                capacity: self.consumer.capacity(),
            }),
        };
        lent.begun = self.consumer.position();
        self.consumer.lend(&mut lent.steps)
    }

    /// Takes back what was lent; nothing else is to be asked of the lane before.
    #[inline]
    pub fn take_back(&mut self, lent: &mut Steps) {
        if lent.own.is(self.end.own()) {
            self.consumer.take_back(&mut lent.steps);
        }
    }
}
