//! What an end does that finds nothing to do.

use std::{
    cell::Cell,
    hint::spin_loop,
    sync::atomic::Ordering,
    thread::yield_now,
    time::{Duration, Instant},
};

use crate::{
    lines::Lines,
    order::{Order, Regime},
};

/// An end that finds nothing for so long gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it rests before it looks at the clock.
const RESTS_A_CLOCK: u32 = 1 << 12;

/// How often an end that only spins looks before it rests.
const LOOKS_A_REST: u32 = 64;

/// Lines of a meeting: senders that are done, receivers that are there, messages that were taken, senders that are there.
const LINES: usize = 4;

/// How one end waits in one round.
#[derive(Debug)]
pub struct Rest {
    pauses: u32,
    crowded: bool,
    /// Each look may be a sleep.
    parked: bool,
    rests: u32,
    began: Option<Instant>,
}

impl Rest {
    /// As the regime says.
    #[must_use]
    pub fn new(order: &Order) -> Self {
        let (pauses, parked) = (order.regime.pauses(), order.regime == Regime::Parked);
        Self { pauses, crowded: order.is_crowded(), parked, rests: 0, began: None }
    }

    /// Something was found: patience is whole again. Stores nothing if it is: what a message costs is mostly its stores.
    #[inline(always)]
    pub fn found(&mut self) {
        if self.rests != 0 {
            self.rests = 0;
        }
    }

    /// How often an end that only spins may look before the next [pause](Self::pause).
    #[inline(always)]
    #[must_use]
    pub fn looks(&self) -> u32 {
        if self.crowded || self.parked { 1 } else { LOOKS_A_REST }
    }

    /// Pauses.
    ///
    /// # Errors
    /// Nothing has been found for ten seconds.
    #[inline]
    pub fn pause(&mut self) -> Result<(), String> {
        for _ in 0..self.pauses {
            spin_loop();
        }
        if self.crowded {
            yield_now();
        }
        self.rests += 1;
        if self.rests.is_multiple_of(self.rests_a_clock()) { self.look_at_clock() } else { Ok(()) }
    }

    #[inline(always)]
    fn rests_a_clock(&self) -> u32 {
        if self.parked { 1 } else { RESTS_A_CLOCK }
    }

    #[cold]
    fn look_at_clock(&mut self) -> Result<(), String> {
        if self.rests == self.rests_a_clock() {
            self.began = None;
        }
        let began = *self.began.get_or_insert_with(Instant::now);
        if began.elapsed() < PATIENCE {
            // With real-time priority nobody else would run on this core, and somebody may have to.
            yield_now();
            return Ok(());
        }
        Err(format!("nothing moved for {} s", PATIENCE.as_secs()))
    }
}

/// How the ends of a round that has several senders or receivers hear of each other.
#[derive(Debug)]
pub struct Meeting {
    lines: Lines,
    line: usize,
    senders: u64,
    receivers: u64,
    /// Of all senders together.
    messages: u64,
    /// How many this receiver has said that it took.
    said: Cell<u64>,
}

impl Meeting {
    /// Of this round.
    ///
    /// # Errors
    /// The lines cannot be opened.
    pub fn new(order: &Order) -> Result<Self, String> {
        let lines = Lines::open(&order.lines).map_err(|error| format!("cannot open the lines: {error}"))?;
        // Others in each round; a line is used again after so many rounds that all its ends are gone.
        let line = order.round as usize * LINES % (crate::lines::COUNT + 1 - LINES);
        let (senders, receivers) = (order.senders as u64, order.receivers as u64);
        Ok(Self { lines, line, senders, receivers, messages: senders * order.messages, said: Cell::new(0) })
    }

    /// Before the ends of a round are started.
    pub fn reset(&self) {
        for line in self.line..self.line + LINES {
            self.lines.line(line).doorbell().store(0, Ordering::Release);
        }
    }

    /// One sender has sent everything.
    pub fn sender_is_done(&self) {
        // SYNC with the acquire in `is_over`: what was sent is there.
        self.lines.line(self.line).doorbell().fetch_add(1, Ordering::Release);
    }

    /// Whether all have.
    #[must_use]
    pub fn all_is_sent(&self) -> bool {
        // SYNC with the release in `sender_is_done`.
        self.lines.line(self.line).doorbell().load(Ordering::Acquire) >= self.senders
    }

    /// This receiver has taken so many so far.
    pub fn took(&self, messages: u64) {
        let more = messages - self.said.replace(messages);
        if more == 0 {
            return;
        }
        // Relaxed here and in `all_is_taken`: it is a count, by which nobody learns of anything else.
        self.lines.line(self.line + 2).doorbell().fetch_add(more, Ordering::Relaxed);
    }

    /// Whether the receivers have taken everything, as far as they [said](Self::took).
    #[must_use]
    pub fn all_is_taken(&self) -> bool {
        self.lines.line(self.line + 2).doorbell().load(Ordering::Relaxed) >= self.messages
    }

    /// One receiver is there.
    pub fn receiver_is_there(&self) {
        self.lines.line(self.line + 1).doorbell().fetch_add(1, Ordering::Release);
    }

    /// Waits for all receivers.
    ///
    /// # Errors
    /// They do not come within ten seconds.
    pub fn wait_for_receivers(&self) -> Result<(), String> {
        self.wait_for(self.line + 1, self.receivers, "receivers")
    }

    /// One sender is there, and waits for the others: what one of them takes to be opened is no part of a round.
    ///
    /// # Errors
    /// As [`wait_for_receivers`](Self::wait_for_receivers).
    pub fn wait_for_senders(&self) -> Result<(), String> {
        self.lines.line(self.line + 3).doorbell().fetch_add(1, Ordering::Release);
        self.wait_for(self.line + 3, self.senders, "senders")
    }

    fn wait_for(&self, line: usize, count: u64, who: &str) -> Result<(), String> {
        let begin = Instant::now();
        while self.lines.line(line).doorbell().load(Ordering::Acquire) < count {
            if begin.elapsed() > PATIENCE {
                return Err(format!("not all {who} came"));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }
}
