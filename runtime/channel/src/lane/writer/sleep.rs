//! How a writer waits for room.

use std::time::Duration;

use adit_ring::park::{Park as _, SleepOn};

use super::WriterLane;
use crate::lane::sleep::{SHORT_SLEEP, SOCKET_SLEEP};

impl WriterLane {
    /// Announces that this end is about to sleep until there is room, and fences; returns whether there can be.
    /// Then: [`sleep_on`](Self::sleep_on), and [`disarm`](Self::disarm).
    pub fn arm(&mut self, len: usize) -> bool {
        if self.producer.arm(len).is_err() && !self.arm_far(len) {
            return false;
        }
        self.wake();
        self.end.futex.heavy_fence();
        true
    }

    /// Whether a sleep is announced.
    pub fn is_armed(&self) -> bool {
        self.end.is_armed()
    }

    /// What to sleep on; `None`: there is something to see.
    pub fn sleep_on(&self, len: usize) -> Option<SleepOn<'_>> {
        if self.end.gone().is_some() {
            None
        } else if self.is_far(len) {
            self.sleep_far(len)
        } else {
            self.producer.sleep_on(len)
        }
    }

    /// What changes when the reader closes or dies, besides.
    pub fn farewells(&self) -> [SleepOn<'_>; 2] {
        self.end.farewells()
    }

    pub fn disarm(&mut self) {
        self.producer.disarm();
    }

    /// Sleeps until there is room, the reader is gone, or `time` is over; may return early.
    pub fn park(&mut self, len: usize, time: Duration) {
        if let Some(pump) = self.end.pump() {
            return pump.wait(time.min(SOCKET_SLEEP));
        }
        let time = if self.kept { time.min(SHORT_SLEEP) } else { time };
        if !self.arm(len) {
            return;
        }
        if let Some(on) = self.sleep_on(len) {
            self.end.sleep(&self.end.futex, on, time);
        }
        self.disarm();
    }

    /// Announces that this end is about to sleep until at most `ahead` bytes are not read, and there is room for
    /// `len`. Then: a heavy fence, [`sleep_for`](Self::sleep_for), and [`disarm`](Self::disarm).
    pub fn arm_for(&mut self, len: usize, ahead: u64) {
        let head = self.enough(len, ahead);
        self.producer.arm_for(head);
        self.wake();
    }

    /// What to sleep on; `None`: there is something to see.
    pub fn sleep_for(&self, len: usize, ahead: u64) -> Option<SleepOn<'_>> {
        if self.end.gone().is_some() { None } else { self.producer.sleep_for(self.enough(len, ahead)) }
    }

    fn enough(&self, len: usize, ahead: u64) -> u64 {
        if let Some(arena) = &self.arena {
            return self.enough_beside(arena, len, ahead);
        }
        // A record and the skip before it take at most this.
        let room = self.producer.capacity().saturating_sub(2 * (len as u64 + 16));
        self.producer.position().saturating_sub(ahead.min(room)).max(1)
    }
}
