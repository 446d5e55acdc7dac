//! Where new lanes wait for a sender to many receivers.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use adit_ring::park::{Park as _, SleepOn};

use super::Departed;
use crate::{futex::Futex, lane::WriterLane};

/// The most receivers of a channel at one time.
pub const MAX_RECEIVERS: usize = 64;

/// Lanes to receivers that joined and that the sender has not taken over yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: Mutex<Vec<WriterLane>>,
    /// Of receivers that are not among them any more and that the sender has not heard of.
    forgotten: Mutex<Departed>,
    /// How many ever joined; a sender sleeps on it.
    arrivals: AtomicU64,
    /// The sender is closing: it takes over nobody any more.
    closed: AtomicBool,
    futex: Futex,
}

impl Outbox {
    /// Hands a lane to the sender and wakes it. Those that came and went meanwhile are given up, as the sender may not look
    /// for long.
    pub fn put(&self, lane: WriterLane) {
        self.forget_who_is_gone();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.push(lane);
        self.arrivals.fetch_add(1, Ordering::Release);
        drop(lanes);
        self.futex.wake(&self.arrivals);
    }

    /// Gives up the lanes of those that have gone and that the sender has not taken over: it need not look for that.
    pub fn forget_who_is_gone(&self) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<_> = lanes.extract_if(.., |lane| lane.gone().is_some()).collect();
        drop(lanes);
        let mut forgotten = self.forgotten.lock().unwrap_or_else(PoisonError::into_inner);
        gone.iter().filter_map(WriterLane::gone).for_each(|cause| forgotten.count(cause));
        drop(forgotten);
        // What they hold closes without a lock.
        drop(gone);
    }

    /// Those that were given up since the last call.
    pub fn take_forgotten(&self) -> Departed {
        std::mem::take(&mut *self.forgotten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// How many ever joined.
    pub fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Acquire)
    }

    pub fn take(&self, into: &mut Vec<WriterLane>) -> u64 {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut lanes);
        self.arrivals()
    }

    pub fn sleep_on(&self, seen: u64) -> Option<SleepOn<'_>> {
        (self.arrivals() == seen).then_some(SleepOn { word: &self.arrivals, expected: seen as u32 })
    }
}

#[cfg(test)]
mod tests {
    use adit_memory::Options;

    use super::*;
    use crate::lane::{MessageKind, Mode, Spec, in_process};

    #[test]
    fn what_belonged_to_those_that_came_and_went_is_not_kept() {
        let spec = Spec { mode: Mode::Spmc, capacity: 64, kind: MessageKind::fixed("word", 8, 8) };
        let (outbox, mut lanes) = (Outbox::default(), Vec::new());
        for _ in 0..100 {
            outbox.put(in_process(&spec, &Options::default()).unwrap().0);
        }
        let (writer, reader) = in_process(&spec, &Options::default()).unwrap();
        outbox.put(writer);
        assert_eq!(outbox.take(&mut lanes), 101);
        assert_eq!((lanes.len(), lanes[0].gone()), (1, None));
        assert_eq!(outbox.take_forgotten(), Departed { closed: 100, ..Departed::default() });
        assert_eq!(outbox.take_forgotten(), Departed::default());
        drop(reader);
    }
}
