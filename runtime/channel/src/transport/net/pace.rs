//! When a sender's messages go out: at once, or gathered with those that follow.
//!
//! A send costs the caller two to eight microseconds, whether it carries one message or a thousand. Messages that
//! come apart from each other go out at once. Where one send follows the other without a pause, messages are
//! gathered: the next send comes when [`GATHER`] bytes are published, with a flush, when the ring is full, or
//! when the flusher looks, which it does every [`LOOK`] as long as a sender gathers.

use std::time::{Duration, Instant};

/// So many bytes are gathered before they go out.
pub(super) const GATHER: u64 = 8 << 10;

/// How often the flusher looks at a sender that gathers: what is gathered waits no longer, plus the time until
/// the flusher gets a processor.
pub(super) const LOOK: Duration = Duration::from_micros(200);

/// A send that begins so soon after the last one ended follows it without a pause, on any machine; on one where a send takes
/// long, what is short beside a send is no pause either: its [`SHARE`].
const AT_ONCE: Duration = Duration::from_nanos(1000);

/// A pause takes a third of a send at least. What is answered one by one pauses for longer than a whole one, as the answer is
/// a send, too, and nearly half as long at the least where one processor does both.
const SHARE: u32 = 3;

/// No send counts as longer: one that was interrupted may look so.
const LONGEST_SEND: Duration = Duration::from_micros(15);

/// So many sends without a pause in between begin to gather.
const RAPID: u32 = 6;

/// A sender that publishes fewer bytes from one look of the flusher to the next is no rapid one any more: it can
/// as well send each message by itself.
const SLOW: u64 = 1 << 10;

/// How a sender's sends follow each other.
#[derive(Debug)]
pub(super) struct Pace {
    last: Instant,
    /// When the send began that the sender is at, and what `since` was.
    begun: Option<(Instant, u64)>,
    /// What a send takes that nothing interrupts.
    send: Duration,
    rapid: u32,
    /// Bytes sent since the flusher looked.
    since: u64,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self { last: now, begun: None, send: Duration::ZERO, rapid: 0, since: 0 }
    }

    /// Whether messages are gathered.
    pub fn gathers(&self) -> bool {
        self.rapid >= RAPID
    }

    /// Something was published, and it is to be decided; returns whether it is left to be gathered.
    pub fn begins(&mut self, now: Instant) -> bool {
        let follows = now.saturating_duration_since(self.last) < AT_ONCE.max(self.send / SHARE);
        self.rapid = if follows { self.rapid + 1 } else { 0 };
        self.begun = (!self.gathers()).then_some((now, self.since));
        self.gathers()
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, bytes: u64) {
        self.since += bytes;
    }

    /// All that there was is sent.
    pub fn ended(&mut self, now: Instant) {
        self.last = now;
        if let Some((begun, since)) = self.begun.take()
            && since != self.since
        {
            let took = now.saturating_duration_since(begun).min(LONGEST_SEND);
            // Down at once, and up slowly.
            let longer = took.saturating_sub(self.send) / 8;
            self.send = took.min(self.send + longer);
        }
    }

    /// The sender's last call for any connection was over then.
    pub fn called(&mut self, last: Instant) {
        self.last = last;
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

    /// How many of so many sends, which take so long and come so long after one another, go at once.
    fn sends(pace: &mut Pace, now: &mut Instant, count: u32, took: Duration, pause: Duration) -> u32 {
        (0..count)
            .take_while(|_| {
                *now += pause;
                let goes = !pace.begins(*now);
                pace.sent(64);
                *now += took;
                pace.ended(*now);
                goes
            })
            .count() as u32
    }

    #[test]
    fn what_is_short_beside_a_send_is_no_pause() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let (long, short) = (Duration::from_micros(9), Duration::from_micros(2));
        // As many as it takes to know that sends are long.
        let gathers = sends(&mut pace, &mut now, 100, long, short);
        assert!((RAPID..50).contains(&gathers), "{gathers}");
        // One that was fast tells what a send takes.
        let mut pace = Pace::new(now);
        sends(&mut pace, &mut now, 20, long, long / 2);
        sends(&mut pace, &mut now, 1, short, long / 2);
        assert_eq!(sends(&mut pace, &mut now, RAPID, long, short), RAPID);
        // Interruptions are no sends.
        let mut pace = Pace::new(now);
        let interrupted = Duration::from_millis(4);
        assert_eq!(sends(&mut pace, &mut now, 100, interrupted, LONGEST_SEND / SHARE), 100);
    }

    #[test]
    fn a_call_that_sends_nothing_tells_nothing() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.begins(now);
        pace.sent(64);
        pace.ended(now + Duration::from_micros(8));
        let send = pace.send;
        assert!(send > Duration::ZERO);
        pace.begins(now + Duration::from_micros(90));
        pace.ended(now + Duration::from_micros(90));
        assert_eq!(pace.send, send);
    }
}
