//! Which receivers a broadcast has: slots, and those that joined and that the sender has not taken over yet.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use adit_memory::Region;
use adit_ring::broadcast::MAX_READERS;

use crate::{endpoint::Departed, lane::End};

/// What a transport and the sender share.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    arrivals: Mutex<Vec<Arrival>>,
    /// Raised by whoever joins or leaves: a sender that saw another number looks.
    changes: AtomicU64,
    /// A bit for each slot that is taken.
    slots: AtomicU64,
    /// Of receivers that the sender has not taken over and does not hear of otherwise.
    forgotten: Mutex<Departed>,
}

/// A receiver that joined.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Its place.
    pub slot: Slot,
    /// Its region.
    pub region: Arc<Region>,
    /// The sender's end of the pair, whose link the transport has.
    pub end: End,
    /// What the transport holds for as long as the sender has this receiver.
    pub hold: Option<Box<dyn Any + Send>>,
}

/// A place among the receivers; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Weak, because it may stand in the roster.
    roster: Weak<Roster>,
    number: usize,
}

impl Slot {
    /// 0 to 63.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(roster) = self.roster.upgrade() {
            roster.slots.fetch_and(!(1 << self.number), Ordering::AcqRel);
        }
    }
}

impl Roster {
    /// A place, if there is one. Those that came and went before the sender has taken them over have none any more: it may
    /// send nothing for long.
    pub fn slot(self: &Arc<Self>) -> Option<Slot> {
        self.free_slot().or_else(|| {
            self.forget_who_is_gone();
            self.free_slot()
        })
    }

    fn free_slot(self: &Arc<Self>) -> Option<Slot> {
        let free = |slots: u64| {
            let number = slots.trailing_ones() as usize;
            (number < MAX_READERS).then(|| slots | 1 << number)
        };
        let before = self.slots.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        Some(Slot { roster: Arc::downgrade(self), number: before.trailing_ones() as usize })
    }

    /// Hands a receiver to the sender.
    pub fn put(&self, arrival: Arrival) {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
        self.change();
    }

    /// Gives back the places of those that have gone and that the sender has not taken over.
    pub fn forget_who_is_gone(&self) {
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = arrivals.extract_if(.., |arrival| arrival.end.gone().is_some()).collect();
        drop(arrivals);
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        gone.iter().filter_map(|arrival| arrival.end.gone()).for_each(|cause| forgotten.count(cause));
        drop(forgotten);
        // What they hold closes without a lock.
        drop(gone);
    }

    /// Those that were forgotten since the last call.
    pub fn take_forgotten(&self) -> Departed {
        std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says that somebody left or died.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// What changes with every arrival and departure.
    #[inline(always)]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Those that joined since the last call.
    pub fn take(&self) -> Vec<Arrival> {
        std::mem::take(&mut *self.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_limited_and_given_back() {
        let roster = Arc::new(Roster::default());
        let mut slots: Vec<_> = (0..MAX_READERS).map(|_| roster.slot().unwrap()).collect();
        assert!(roster.slot().is_none());
        assert_eq!(slots.remove(7).number(), 7);
        assert_eq!(roster.slot().unwrap().number(), 7);
    }
}
