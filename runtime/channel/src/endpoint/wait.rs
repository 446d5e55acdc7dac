//! How an end waits: spin, yield, park.

use std::time::{Duration, Instant};

use crate::lane::{LONG_SLEEP, SHORT_SLEEP};

/// How an endpoint waits for the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// Looks again at once, always: the lowest latency, for a processor of its own.
    Spin,
    /// Looks again at once for some 30 us, a thousand times at most, then lets other threads run in between.
    SpinThenYield,
    /// Looks again at once for some 30 us, a thousand times at most, then sleeps in the kernel until it is woken. An idle
    /// end uses no processor.
    #[default]
    SpinThenPark,
    /// Sleeps in the kernel at once, until it is woken: for an end that shares its processor with the other.
    Park,
}

/// How often an end looks again before it yields or parks, at most: some microseconds where a look is one at memory.
const SPINS: u32 = 1000;

/// So long it looks again, about: what to sleep and be woken costs. A look at a socket is a call into the kernel, and a
/// thousand of them are milliseconds, which an end that shares its processor with the other takes away from it.
const SPIN_TIME: Duration = Duration::from_micros(30);

/// How often it looks again before it looks at the clock, once it has looked as often; before that after 16, 32, 64 and 128.
const SPINS_A_CLOCK: u32 = 256;

/// The first look at the clock comes after so many.
const FIRST_CLOCK: u32 = 16;

/// Whether the look at the clock is due after so many others.
#[inline(always)]
fn is_clock_due(looks: u32) -> bool {
    looks.is_multiple_of(SPINS_A_CLOCK) || (looks.is_power_of_two() && looks >= FIRST_CLOCK)
}

/// What to do until the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nothing; look again.
    Look,
    /// Sleep for so long at most.
    Park(Duration),
    /// Give up: the time is over.
    Over,
}

/// One wait, from its first look on.
#[derive(Debug)]
pub(crate) struct Wait {
    waiting: Waiting,
    timeout: Duration,
    /// The longest sleep in one piece after the first, which is short.
    longest: Duration,
    slept: bool,
    looks: u32,
    /// Taken at the first look at the clock, so that a short wait costs none.
    began: Option<Instant>,
}

impl Wait {
    pub fn new(waiting: Waiting, timeout: Duration) -> Self {
        Self { waiting, timeout, longest: SHORT_SLEEP, slept: false, looks: 0, began: None }
    }

    /// For an end that sleeps on all that can happen: it need not look now and then.
    pub fn hearing_all(mut self) -> Self {
        self.longest = LONG_SLEEP;
        self
    }

    /// Pauses after a look that found nothing.
    #[inline]
    pub fn pause(&mut self) -> Pause {
        self.looks = self.looks.wrapping_add(1);
        if self.timeout.is_zero() {
            return Pause::Over;
        }
        let spins = if self.waiting == Waiting::Park { 0 } else { SPINS };
        if self.looks < spins || self.waiting == Waiting::Spin {
            std::hint::spin_loop();
            if !is_clock_due(self.looks) {
                return Pause::Look;
            }
            let left = self.left();
            if left.is_zero() {
                return Pause::Over;
            }
            if self.waiting == Waiting::Spin || self.timeout - left < SPIN_TIME {
                return Pause::Look;
            }
        }
        // The count goes on, but never back below `SPINS`.
        self.looks = SPINS;
        let left = self.left();
        if left.is_zero() {
            return Pause::Over;
        }
        if self.waiting != Waiting::SpinThenYield {
            let longest = if self.slept { self.longest } else { SHORT_SLEEP };
            self.slept = true;
            return Pause::Park(left.min(longest));
        }
        std::thread::yield_now();
        Pause::Look
    }

    /// Somebody looked so often again without asking; in all, as many as a power of two below 256 with the one before.
    #[inline(always)]
    pub fn looked(&mut self, looks: u32) {
        self.looks = self.looks.wrapping_add(looks);
    }

    /// Of the timeout.
    pub fn left(&mut self) -> Duration {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.timeout.saturating_sub(began.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_one_look() {
        for waiting in [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark, Waiting::Park] {
            assert_eq!(Wait::new(waiting, Duration::ZERO).pause(), Pause::Over);
        }
    }

    #[test]
    fn every_wait_ends_in_time() {
        for waiting in [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark, Waiting::Park] {
            let (begin, mut parked) = (Instant::now(), false);
            let mut wait = Wait::new(waiting, Duration::from_millis(20));
            loop {
                match wait.pause() {
                    Pause::Over => break,
                    Pause::Look => {}
                    Pause::Park(time) => {
                        parked = true;
                        assert!(time <= Duration::from_millis(20));
                        std::thread::sleep(time);
                    }
                }
            }
            let took = begin.elapsed();
            assert!((Duration::from_millis(20)..Duration::from_secs(5)).contains(&took), "{took:?}");
            assert_eq!(parked, matches!(waiting, Waiting::SpinThenPark | Waiting::Park));
        }
    }

    #[test]
    fn a_forever_is_cut_into_pieces() {
        let mut wait = Wait::new(Waiting::SpinThenPark, Duration::MAX);
        let pause = (0..SPINS).map(|_| wait.pause()).find(|pause| *pause != Pause::Look);
        assert_eq!(pause, Some(Pause::Park(SHORT_SLEEP)));
        assert_eq!(wait.pause(), Pause::Park(SHORT_SLEEP));
    }

    #[test]
    fn looks_that_take_long_are_fewer() {
        let mut wait = Wait::new(Waiting::SpinThenPark, Duration::MAX);
        let look = || std::thread::sleep(SPIN_TIME);
        let looks = (1..SPINS).find(|_| {
            look();
            wait.pause() != Pause::Look
        });
        // At the second look at the clock; at the first, should it have been interrupted between its two readings.
        assert!(looks.is_some_and(|looks| looks <= 2 * FIRST_CLOCK), "{looks:?}");
        let mut spin = Wait::new(Waiting::Spin, Duration::MAX);
        assert!((0..4 * FIRST_CLOCK).all(|_| {
            look();
            spin.pause() == Pause::Look
        }));
    }

    #[test]
    fn who_hears_all_sleeps_long_after_a_short_sleep() {
        let mut wait = Wait::new(Waiting::Park, Duration::MAX).hearing_all();
        assert_eq!([wait.pause(), wait.pause()], [SHORT_SLEEP, LONG_SLEEP].map(Pause::Park));
    }
}
