//! How long a reader that has read everything lets messages gather before it looks again.
//!
//! A reader that is faster than its writer finds one message at a look, or two. Each look takes the tail's line
//! from the writer, which has to fetch it back to publish the next message: both then do little else. If the reader
//! pauses for a moment before it looks, many messages come with one transfer of that line.
//!
//! A pause must not delay what comes one by one. So there is none where looks find a single message, as when each
//! message is answered before the next; and it is made once after something was read, before the first look, and
//! not before those after it.

use adit_ring::stream::Framing;

/// The longest pause, in turns of [`std::hint::spin_loop`]: some tenths of a microsecond.
const LONGEST: u32 = 8;

/// A look that finds so many bytes says that the writer is the faster one: then nothing needs to gather.
const MANY: u64 = 4096;

/// What a reader knows of how messages come.
#[derive(Debug, Default)]
pub(super) struct Gather {
    pauses: u32,
    /// The last look found nothing.
    in_vain: bool,
    /// Where the reader stood, and what it had counted, when it paused last.
    position: u64,
    messages: u64,
}

impl Gather {
    #[inline(always)]
    pub fn is_in_vain(&self) -> bool {
        self.in_vain
    }

    #[inline(always)]
    pub fn looked(&mut self, ready: bool) {
        self.in_vain = !ready;
    }

    /// Pauses before the first look after something was read, by a reader that stands at `position` and has counted
    /// `messages` (of rings where the position does not tell).
    #[inline]
    pub fn pause(&mut self, framing: Framing, position: u64, messages: u64) {
        let bytes = position - self.position;
        let several = match framing {
            Framing::Records => messages - self.messages > 1,
            Framing::Fixed(size) => bytes > (size as u64).next_multiple_of(8),
        };
        (self.position, self.messages) = (position, messages);
        self.pauses = next(self.pauses, bytes, several);
        for _ in 0..self.pauses {
            std::hint::spin_loop();
        }
    }
}

/// How long to pause after a look that found so many bytes, in one message or several.
#[inline]
fn next(pauses: u32, bytes: u64, several: bool) -> u32 {
    if bytes >= MANY {
        0
    } else if several {
        (2 * pauses + 1).min(LONGEST)
    } else {
        pauses / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes one by one is looked for at once, from the beginning on and again after a stream.
    #[test]
    fn single_messages_are_not_waited_for() {
        let mut gather = Gather::default();
        for number in 1..10 {
            gather.pause(Framing::Fixed(60), number * 64, 0);
            assert_eq!(gather.pauses, 0);
        }
        gather.pauses = LONGEST;
        for number in 10..20 {
            gather.pause(Framing::Fixed(60), number * 64, 0);
        }
        assert_eq!(gather.pauses, 0);
    }

    #[test]
    fn a_stream_is_waited_for_until_enough_is_found() {
        for framing in [Framing::Fixed(60), Framing::Records] {
            let mut gather = Gather::default();
            for number in 1..10 {
                gather.pause(framing, number * 128, number * 2);
            }
            assert_eq!(gather.pauses, LONGEST);
            gather.pause(framing, 9 * 128 + MANY, 18 + 64);
            assert_eq!(gather.pauses, 0);
        }
    }

    /// Of records a long one is no more than one.
    #[test]
    fn a_long_record_is_one_message() {
        let mut gather = Gather::default();
        gather.pause(Framing::Records, MANY - 8, 1);
        assert_eq!(gather.pauses, 0);
    }
}
