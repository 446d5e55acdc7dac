//! Messages of a lane's turn in the hands of whoever reads them.

use adit_ring::stream::{self, Bytes};

use super::{
    super::{Counters, end, memory::LaneMemory, memory::Page},
    ReaderLane,
};

/// The messages of a turn that a lane has lent: what the next one takes, and nothing else.
#[derive(Debug)]
pub(crate) struct Steps<T> {
    steps: stream::Steps<LaneMemory, T>,
    /// Of the lane's reading end, where its position is shown.
    own: Page,
    /// Where the lane stood when it lent them.
    begun: u64,
    framing: stream::Framing,
    capacity: u64,
}

/// What lanes have lent to one receiving end: one of them at a time, but what each lends with is kept for its next turn, for to
/// make it anew takes as long as dozens of messages.
#[derive(Debug)]
pub(crate) struct Lent<T> {
    /// Of the lane whose turn it is.
    pub now: Option<Steps<T>>,
    /// Of other lanes; nothing is lent through them.
    others: Vec<Steps<T>>,
}

impl<T> Lent<T> {
    pub fn new() -> Self {
        Self { now: None, others: Vec::new() }
    }

    /// Steps past the next message, if it was lent, and returns it.
    #[inline(always)]
    pub fn step(&mut self) -> Option<Bytes<'_>> {
        self.now.as_mut()?.step()
    }

    /// What messages are lent through, if any are.
    #[inline(always)]
    pub fn lent(&mut self) -> Option<&mut Steps<T>> {
        self.now.as_mut().filter(|steps| steps.is_lent())
    }

    /// Before `lane`, one of so many, lends: brings out what it lent with the last time.
    pub fn turn_to(&mut self, lane: &ReaderLane, lanes: usize) {
        // Lanes that are gone have left theirs, and memory with it.
        if self.others.len() >= lanes {
            self.others.clear();
        }
        let own = lane.end.own();
        let Some(now) = &mut self.now else { return };
        if now.own.is(own) {
            return;
        }
        if let Some(its) = self.others.iter_mut().find(|steps| steps.own.is(own)) {
            std::mem::swap(its, now);
            return;
        }
        if self.others.len() + 1 >= lanes {
            self.others.clear();
        }
        self.others.extend(self.now.take().filter(|_| lanes > 1));
    }
}

impl<T> Steps<T> {
    /// Steps past the next message, if it was lent, and returns it.
    #[inline(always)]
    pub fn step(&mut self) -> Option<Bytes<'_>> {
        let (bytes, position) = self.steps.step()?;
        end::show_position(&self.own, position);
        Some(bytes)
    }

    /// Steps past messages that were lent, at most `most`, and hands them to `each`; says how many.
    #[inline(always)]
    pub fn each(&mut self, most: usize, each: impl FnMut(Bytes<'_>)) -> usize {
        let count = self.steps.each(most, each);
        if count > 0 {
            end::show_position(&self.own, self.steps.position());
        }
        count
    }

    /// Whether messages are lent that were not stepped past.
    #[inline(always)]
    pub fn has_more(&self) -> bool {
        self.steps.has_more()
    }

    /// Whether messages are lent.
    #[inline(always)]
    pub fn is_lent(&self) -> bool {
        self.steps.is_lent()
    }

    /// Position of the next message.
    pub fn position(&self) -> u64 {
        self.steps.position()
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
    pub fn lend<T>(&mut self, into: &mut Option<Steps<T>>) -> bool {
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
    pub fn take_back<T>(&mut self, lent: &mut Steps<T>) {
        if lent.own.is(self.end.own()) {
            self.consumer.take_back(&mut lent.steps);
        }
    }
}
