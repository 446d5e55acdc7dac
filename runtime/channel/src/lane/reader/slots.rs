//! Slots of a lane in the hands of whoever reads them.

use std::sync::Arc;

use adit_ring::stream::{self, Bytes, FULL_SLOT_WORDS};

use crate::endpoint::Inbox;

use super::{
    super::{Counters, Link, end, memory::LaneMemory, memory::Page},
    ReaderLane,
};

/// One of so many looks at a slot that holds nothing is at the tail as well, for messages that are not shown in their
/// slots: of a writer that died before it did, or that does not.
const LOOKS_A_ROUND: u32 = 128;

/// The slots that a lane has lent: what a look takes, and nothing else.
#[derive(Debug)]
pub(crate) struct Slots {
    steps: stream::SlotSteps<LaneMemory>,
    /// Of the lane's reading end, where its position is shown.
    own: Page,
    /// What is known of its writer.
    link: Arc<Link>,
    /// Where other lanes wait.
    inbox: Arc<Inbox>,
    /// Where the lane stood when it lent them.
    begun: u64,
    /// In vain.
    looks: u32,
    /// How often somebody waited since.
    stalls: u64,
    framing: stream::Framing,
    capacity: u64,
}

impl Slots {
    /// Steps past the next message, if its slot shows it, and returns it with its sequence.
    #[inline(always)]
    pub fn step(&mut self) -> Option<Bytes<'_>> {
        let (bytes, position) = self.steps.step()?;
        end::show_position(&self.own, position);
        Some(bytes)
    }

    /// As [`step`](Self::step), where messages fill their slots.
    #[inline(always)]
    pub fn step_full(&mut self) -> Option<[u64; FULL_SLOT_WORDS]> {
        let (message, position) = self.steps.step_full()?;
        end::show_position(&self.own, position);
        Some(message)
    }

    /// A full slot of the lane was read by the tail.
    fn saw(&mut self, position: u64, slot: &[u64; FULL_SLOT_WORDS]) {
        self.steps.saw(position, slot[FULL_SLOT_WORDS - 1]);
    }

    /// After a step that found nothing: whether the lane itself is to be looked at now.
    #[inline(always)]
    pub fn is_look_due(&mut self) -> bool {
        self.looks = self.looks.wrapping_add(1);
        let is_over = self.looks.is_multiple_of(LOOKS_A_ROUND) | self.steps.is_over();
        is_over | self.link.is_gone() | self.inbox.has_lanes()
    }

    /// Whether slots are lent.
    #[inline(always)]
    pub fn is_lent(&self) -> bool {
        self.steps.is_lent()
    }

    /// Counts a wait for a message, which came.
    pub fn stalled(&mut self) {
        self.stalls += 1;
    }

    /// What was stepped past and waited for, and not taken back yet.
    pub fn counters(&self) -> Counters {
        let counters = Counters { stalls: self.stalls, ..Counters::default() };
        if !self.is_lent() {
            return counters;
        }
        counters.with_traffic(self.framing, self.capacity, self.begun, self.steps.position())
    }
}

impl ReaderLane {
    /// Position of the next message.
    pub fn position(&self) -> u64 {
        self.consumer.position()
    }

    /// Lends the slots behind what was read, be they full or not, in place of what `into` holds; returns whether there are
    /// any.
    pub fn lend_slots(&mut self, into: &mut Option<Slots>, inbox: &Arc<Inbox>, are_full: bool) -> bool {
        if !self.is_plain() {
            return false;
        }
        let lent = match into {
            Some(slots) if slots.own.is(self.end.own()) => slots,
            _ => into.insert(Slots {
                steps: if are_full { self.consumer.full_slot_steps() } else { self.consumer.slot_steps() },
                own: self.end.own().clone(),
                link: self.end.link(),
                inbox: Arc::clone(inbox),
                begun: 0,
                looks: 0,
                stalls: 0,
                framing: self.consumer.framing(),
                capacity: self.consumer.capacity(),
            }),
        };
        lent.begun = self.consumer.position();
        let are_lent = self.consumer.lend_slots(&mut lent.steps);
        self.wake();
        are_lent
    }

    /// A full slot was handed over; `position` is behind it.
    pub fn saw_slot(&self, lent: &mut Slots, position: u64, slot: &[u64; FULL_SLOT_WORDS]) {
        if lent.own.is(self.end.own()) {
            lent.saw(position, slot);
        }
    }

    /// Takes back what was lent, and says how often somebody waited meanwhile; nothing else is to be asked of the lane
    /// before.
    pub fn take_slots_back(&mut self, lent: &mut Slots) -> u64 {
        if !lent.own.is(self.end.own()) {
            return 0;
        }
        self.consumer.take_slots_back(&mut lent.steps);
        // What came one by one is no reason to wait for more.
        self.gather.restart(self.consumer.position());
        let stalls = std::mem::take(&mut lent.stalls);
        if stalls > 0 {
            self.end.counters.stalls += stalls;
            self.end.show_rare();
        }
        self.show_depth();
        stalls
    }
}
