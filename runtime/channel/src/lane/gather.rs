//! How long a reader that has read everything lets messages gather before it looks again.
//!
//! A reader that is faster than its writer finds one message at a look, or two. Each look takes the tail's line
//! from the writer, which has to fetch it back to publish the next message: both then do little else. If the reader
//! pauses for a moment before it looks, many messages come with one transfer of that line.
//!
//! A pause must not delay what comes one by one. So there is none where looks find a single message, as when each
//! message is answered before the next; and it is made once after something was read, before the first look, and
//! not before those after it.

use std::{
    hint::spin_loop,
    sync::OnceLock,
    time::{Duration, Instant},
};

use adit_ring::stream::Framing;

/// The longest pause: some times what a line takes between two cores that share no cache.
const LONGEST: Duration = Duration::from_micros(1);

/// A look that finds so many bytes costs next to nothing for each of them.
const ENOUGH: u64 = 16 << 10;

/// Messages that come farther apart do not keep their writer busy, not even one that must fetch the tail's line back
/// for each from a core that shares no cache with it: a pause would only make them late.
const DENSE: Duration = Duration::from_nanos(250);

/// What a reader knows of how messages come.
#[derive(Debug)]
pub(super) struct Gather {
    /// In turns of [`spin_loop`].
    pauses: u32,
    /// The last look found nothing.
    in_vain: bool,
    enough: u64,
    /// Where the reader stood, and what it had counted, when it paused last.
    position: u64,
    messages: u64,
    /// When a look last found several messages.
    looked: Option<Instant>,
}

impl Gather {
    /// For a ring of `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let enough = ENOUGH.min(capacity / 4);
        Self { pauses: 0, in_vain: false, enough, position: 0, messages: 0, looked: None }
    }

    #[inline(always)]
    pub fn is_in_vain(&self) -> bool {
        self.in_vain
    }

    #[inline(always)]
    pub fn looked(&mut self, ready: bool) {
        self.in_vain = !ready;
    }

    /// A reader that stands at `position` has found nothing there, and what it read before in another way does not count.
    pub fn restart(&mut self, position: u64) {
        (self.position, self.in_vain) = (position, true);
    }

    /// Pauses before the first look after something was read, by a reader that stands at `position` and has counted
    /// `messages` (of rings where the position does not tell).
    #[inline]
    pub fn pause(&mut self, framing: Framing, position: u64, messages: u64) {
        let bytes = position - self.position;
        let count = match framing {
            Framing::Records => messages - self.messages,
            Framing::Fixed(size) => bytes / (size as u64).next_multiple_of(8),
        };
        (self.position, self.messages) = (position, messages);
        if count > 1 {
            self.pause_among(count, bytes);
        } else {
            self.pauses /= 2;
            self.looked = None;
        }
        for _ in 0..self.pauses {
            spin_loop();
        }
    }

    /// How long to pause after a look that found several messages, so many bytes in all.
    fn pause_among(&mut self, count: u64, bytes: u64) {
        let now = Instant::now();
        let since = self.looked.replace(now).map(|looked| now - looked);
        let dense = since.is_some_and(|since| is_dense(count, since));
        self.pauses = next(self.pauses, dense, bytes >= self.enough);
    }
}

/// Whether so many messages came in so short a time that their writer is kept busy.
fn is_dense(count: u64, since: Duration) -> bool {
    since.as_nanos() <= u128::from(count) * DENSE.as_nanos()
}

/// How long to pause after a look that found messages that came densely, or did not, and enough of them, or too few.
fn next(pauses: u32, dense: bool, enough: bool) -> u32 {
    if enough {
        pauses - pauses.div_ceil(8)
    } else if dense {
        (2 * pauses + 1).min(longest())
    } else {
        pauses / 2
    }
}

/// [`LONGEST`] in turns of [`spin_loop`], which last 10 ns on some processors and 50 on others.
fn longest() -> u32 {
    static TURNS: OnceLock<u32> = OnceLock::new();
    *TURNS.get_or_init(|| {
        const TRIES: u32 = 64;
        // An interruption makes a turn seem long, never short.
        let turn = (0..3).map(|_| {
            let begin = Instant::now();
            (0..TRIES).for_each(|_| spin_loop());
            begin.elapsed()
        });
        let tries = turn.min().unwrap_or(LONGEST).as_nanos().max(1);
        (LONGEST.as_nanos() * u128::from(TRIES) / tries).clamp(1, 4096) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes one by one is looked for at once, from the beginning on and again after a stream.
    #[test]
    fn single_messages_are_not_waited_for() {
        let mut gather = Gather::new(1 << 20);
        for number in 1..10 {
            gather.pause(Framing::Fixed(60), number * 64, 0);
            assert_eq!(gather.pauses, 0);
        }
        gather.pauses = longest();
        for number in 10..30 {
            gather.pause(Framing::Fixed(60), number * 64, 0);
        }
        assert_eq!(gather.pauses, 0);
    }

    /// However long the looks of a stream are apart on a busy machine: what decides is told.
    #[test]
    fn a_dense_stream_is_waited_for_until_enough_is_found() {
        assert!(is_dense(10, Duration::from_nanos(2500)));
        let pauses = (0..20).fold(0, |pauses, _| next(pauses, true, false));
        assert_eq!(pauses, longest());
        assert!(next(pauses, true, true) < pauses);
        assert_eq!((0..40).fold(pauses, |pauses, _| next(pauses, true, true)), 0);
    }

    /// A pause does not make a stream look like messages that come now and then.
    #[test]
    fn the_longest_pause_leaves_a_stream_dense() {
        assert!(is_dense(LONGEST.as_nanos().div_ceil(DENSE.as_nanos()) as u64, LONGEST));
    }

    #[test]
    fn messages_that_come_now_and_then_are_not_waited_for() {
        assert!(!is_dense(10, Duration::from_nanos(2501)));
        assert_eq!(next(0, false, false), 0);
        assert_eq!((0..20).fold(longest(), |pauses, _| next(pauses, false, false)), 0);
        let mut gather = Gather::new(1 << 20);
        gather.pause(Framing::Fixed(64), 640, 0);
        assert_eq!(gather.pauses, 0, "nothing is known yet");
    }

    /// A small ring is not left to run full.
    #[test]
    fn enough_is_less_in_a_small_ring() {
        assert_eq!(Gather::new(4096).enough, 1024);
    }

    /// Of records a long one is no more than one.
    #[test]
    fn a_long_record_is_one_message() {
        let mut gather = Gather::new(1 << 20);
        gather.pause(Framing::Records, 4088, 1);
        assert_eq!((gather.pauses, gather.looked), (0, None));
    }
}
