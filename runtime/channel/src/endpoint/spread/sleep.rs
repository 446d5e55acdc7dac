//! How a sender to one of many waits for room.

use std::{sync::Arc, time::Duration};

use adit_ring::park::Park as _;

use super::SpreadSender;
use crate::{futex::MAX_WORDS, lane::SHORT_SLEEP, sleeper::Watchword};

impl SpreadSender {
    /// Sleeps until a receiver has read enough, left or joined, at most `time`.
    pub(super) fn park(&mut self, len: usize, time: Duration) {
        self.announce(len);
        let words = self.lanes.iter().map(|lane| lane.sleep_for(len, lane.may_be_ahead(len)));
        let words = words.chain([self.outbox.sleep_on(self.seen)]);
        // A `None` among them means that there is something to see at once.
        if let Some(mut words) = words.collect::<Option<Vec<_>>>() {
            let all = 3 * self.lanes.len() < MAX_WORDS;
            let time = if all { time } else { time.min(SHORT_SLEEP) };
            if time > SHORT_SLEEP {
                words.extend(self.lanes.iter().flat_map(|lane| lane.farewells()));
            }
            self.futex.wait_any(words.into_iter(), time);
        }
        self.disarm();
    }

    /// Announces a sleep until there is room, and says what ends it; nothing: there is something to see at
    /// once. Then: [`disarm`](Self::disarm).
    pub fn arm(&mut self, len: usize) -> Option<Vec<Watchword>> {
        self.announce(len);
        let lanes = self
            .lanes
            .iter()
            .map(|lane| Some(Watchword::new(lane.sleep_for(len, lane.may_be_ahead(len))?, lane.link())));
        let outbox = Arc::clone(&self.outbox) as Arc<dyn Send + Sync>;
        let arrivals = self.outbox.sleep_on(self.seen).map(|on| Watchword::new(on, outbox));
        lanes.chain([arrivals]).collect()
    }

    /// Announces to each receiver that this end waits until it has read enough for a message of `len`.
    fn announce(&mut self, len: usize) {
        for lane in &mut self.lanes {
            let ahead = lane.may_be_ahead(len);
            lane.arm_for(len, ahead);
        }
        self.futex.heavy_fence();
    }

    /// Whether the announcement stands.
    pub fn is_armed(&self) -> bool {
        self.lanes.iter().all(|lane| lane.is_armed())
    }

    /// Takes the announcement back.
    pub fn disarm(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.disarm());
    }
}
