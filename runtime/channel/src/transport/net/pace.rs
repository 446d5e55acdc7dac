//! When a sender's messages go out: at once, or gathered with those that follow.
//!
//! A send costs the caller about two microseconds, whether it carries one message or a thousand. Messages that
//! come apart from each other go out at once. Where one send follows the other without a pause, messages are
//! gathered: the next send comes when [`GATHER`] bytes are published, with a flush, when the ring is full, or
//! when the flusher looks, which it does every [`LOOK`] as long as a sender gathers.

use std::time::{Duration, Instant};

/// So many bytes are gathered before they go out.
pub(super) const GATHER: u64 = 8 << 10;

/// How often the flusher looks at a sender that gathers: what is gathered waits no longer, plus the time until
/// the flusher gets a processor.
pub(super) const LOOK: Duration = Duration::from_micros(200);

/// A send that begins so soon after the last one ended follows it without a pause.
const AT_ONCE: Duration = Duration::from_nanos(1000);

/// So many sends without a pause in between begin to gather.
const RAPID: u32 = 6;

/// A sender that publishes fewer bytes from one look of the flusher to the next is no rapid one any more: it can
/// as well send each message by itself.
const SLOW: u64 = 1 << 10;

/// How a sender's sends follow each other.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    rapid: u32,
    /// Bytes sent since the flusher looked.
    since: u64,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { last: now, rapid: 0, since: 0 }
    }

    /// Whether messages are gathered.
    pub fn gathers(&self) -> bool {
        self.rapid >= RAPID
    }

    /// Something was published, and it is to be decided; returns whether it is left to be gathered.
    pub fn begins(&mut self, now: Instant) -> bool {
        let follows = now.saturating_duration_since(self.last) < AT_ONCE;
        self.rapid = if follows { self.rapid + 1 } else { 0 };
        self.gathers()
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, bytes: u64) {
        self.since += bytes;
    }

    /// All that there was is sent.
    pub fn ended(&mut self, now: Instant) {
        self.last = now;
    }

    /// The flusher looked and sent what there was.
    pub fn looked(&mut self) {
        if std::mem::take(&mut self.since) < SLOW {
            self.rapid = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_apart_goes_at_once_and_a_stream_gathers() {
        let (begin, step) = (Instant::now(), Duration::from_micros(3));
        let mut pace = Pace::new(begin);
        let mut now = begin;
        for _ in 0..100 {
            now += step;
            assert!(!pace.begins(now));
            pace.ended(now + Duration::from_micros(1));
        }
        let mut sends = 0;
        while !pace.begins(now) {
            sends += 1;
            pace.ended(now);
        }
        assert_eq!(sends, RAPID - 1);
        pace.sent(SLOW);
        pace.looked();
        assert!(pace.gathers());
        pace.sent(SLOW - 1);
        pace.looked();
        assert!(!pace.gathers());
    }
}
