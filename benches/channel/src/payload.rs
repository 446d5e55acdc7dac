//! What is sent: words that the sender writes and the receiver sums.

mod large;

use adit_channel::{Bytes, Plain};
use zerocopy::{FromBytes, Immutable, IntoBytes};

pub use large::Large;

use crate::adit::Carried;

/// Which bits of a message's number say who sent it.
const SENDER_SHIFT: u32 = 48;

/// The most senders that a contest has.
pub const MAX_SENDERS: usize = 4;

/// Number of the `sequence`-th message of a sender, both from 0 on.
#[inline(always)]
#[must_use]
pub fn number(sender: usize, sequence: u64) -> u64 {
    (sender as u64) << SENDER_SHIFT | sequence
}

/// Who sent the message, and as which of its own.
#[inline(always)]
fn parts(number: u64) -> (usize, u64) {
    ((number >> SENDER_SHIFT) as usize % MAX_SENDERS, number & ((1 << SENDER_SHIFT) - 1))
}

/// Words of a cache line.
const LINE: usize = 8;

/// Word `at` of message `number` is their sum, so the first one is the number.
#[inline(always)]
pub fn fill(words: &mut [u64], number: u64) {
    let (lines, rest) = words.as_chunks_mut::<LINE>();
    let behind = number.wrapping_add((lines.len() * LINE) as u64);
    // A line at a time: filling shall not take longer than what becomes of it.
    for (at, line) in lines.iter_mut().enumerate() {
        let first = number.wrapping_add((at * LINE) as u64);
        *line = std::array::from_fn(|at| first.wrapping_add(at as u64));
    }
    for (at, word) in rest.iter_mut().enumerate() {
        *word = behind.wrapping_add(at as u64);
    }
}

/// The sum of all words.
#[inline(always)]
#[must_use]
pub fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

/// The sum of the words of one message.
#[inline(always)]
#[must_use]
pub fn sum_of_one(words: usize, number: u64) -> u64 {
    let words = words as u64;
    number.wrapping_mul(words).wrapping_add(words * (words - 1) / 2)
}

/// The sum of the words of the first `messages` messages of a sender.
#[must_use]
pub fn expected_sum(words: usize, sender: usize, messages: u64) -> u64 {
    let (words, messages) = (words as u128, u128::from(messages));
    let numbers = messages * u128::from(number(sender, 0)) + messages * messages.saturating_sub(1) / 2;
    (numbers * words + messages * (words * words.saturating_sub(1) / 2)) as u64
}

/// A message of a size that is known when this is compiled.
pub trait Payload: Carried + Send + Sync + Default + Clone + 'static {
    /// So many words.
    const WORDS: usize;

    /// What it is in a channel of slots: itself, if a slot takes it.
    type Slot: Payload + Plain;

    /// Whether a message that found no room is kept for the next try: where to make it anew takes longer than to keep it.
    const IS_KEPT: bool = false;

    /// Message `number`, written.
    fn make(number: u64) -> Self;

    /// Makes it message `number`, where it is.
    #[inline(always)]
    fn remake(&mut self, number: u64) {
        *self = Self::make(number);
    }

    /// Makes words message `number`, where they are.
    #[inline(always)]
    fn fill(words: &mut [u64], number: u64) {
        fill(words, number);
    }

    /// The words.
    fn words(&self) -> &[u64];

    /// The first word and the sum of all, of a message in a ring.
    fn sum_of(bytes: Bytes<'_>) -> (u64, u64);

    /// The first word and the sum of all.
    #[inline(always)]
    fn first_and_sum(&self) -> (u64, u64) {
        (self.words()[0], sum(self.words()))
    }
}

/// A message that is moved by value.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct Words<const COUNT: usize>([u64; COUNT]);

impl<const COUNT: usize> Default for Words<COUNT> {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl<const COUNT: usize> Payload for Words<COUNT> {
    const WORDS: usize = COUNT;

    type Slot = Self;

    #[inline(always)]
    fn make(number: u64) -> Self {
        let mut words = [0; COUNT];
        fill(&mut words, number);
        Self(words)
    }

    #[inline(always)]
    fn words(&self) -> &[u64] {
        &self.0
    }

    #[inline(always)]
    fn sum_of(bytes: Bytes<'_>) -> (u64, u64) {
        bytes.to_words::<COUNT>().map_or((u64::MAX, 0), |words| (words[0], sum(&words)))
    }
}

/// Runs the same code for the payload of so many bytes.
#[macro_export]
#[doc(hidden)]
macro_rules! for_size {
    ($bytes:expr, $payload:ident => $body:expr) => {
        match $bytes {
            56 => {
                type $payload = $crate::payload::Words<7>;
                $body
            }
            64 => {
                type $payload = $crate::payload::Words<8>;
                $body
            }
            256 => {
                type $payload = $crate::payload::Words<32>;
                $body
            }
            4096 => {
                type $payload = $crate::payload::Words<512>;
                $body
            }
            1_048_576 => {
                type $payload = $crate::payload::Large;
                $body
            }
            other => Err(format!("no payload has {other} bytes")),
        }
    };
}

/// What a receiver expects next.
pub trait Expected: Default {
    /// Takes the number of the next message; whether another one belongs there.
    fn is_wrong(&mut self, number: u64) -> bool;
}

/// Of one sender, all of whose messages this receiver gets: a number in a register.
#[derive(Debug, Default)]
pub struct One {
    next: u64,
}

impl Expected for One {
    #[inline(always)]
    fn is_wrong(&mut self, number: u64) -> bool {
        std::mem::replace(&mut self.next, number.wrapping_add(1)) != number
    }
}

/// Of many, whose messages come in order. `GAPS`: others get some of them.
///
/// What is indexed must lie in memory, where to load for each message what the one before has stored takes longer than to
/// receive one. So it is looked at only where another message comes than the next of the same sender.
#[derive(Debug, Default)]
pub struct Many<const GAPS: bool> {
    /// The next message of the sender that the last one came from.
    run: u64,
    /// Of the others.
    next: Box<[u64; MAX_SENDERS]>,
}

impl<const GAPS: bool> Expected for Many<GAPS> {
    #[inline(always)]
    fn is_wrong(&mut self, number: u64) -> bool {
        let expected = std::mem::replace(&mut self.run, number.wrapping_add(1));
        expected != number && self.is_wrong_behind(expected, number)
    }
}

impl<const GAPS: bool> Many<GAPS> {
    /// Another message than was `expected` of the same sender.
    #[inline(never)]
    fn is_wrong_behind(&mut self, expected: u64, number: u64) -> bool {
        let (before, its_next) = parts(expected);
        self.next[before] = its_next;
        let (sender, sequence) = parts(number);
        let next = self.next[sender];
        if GAPS { sequence < next } else { sequence != next }
    }
}

/// What a receiver saw.
#[derive(Debug, Default)]
pub struct Tally<E> {
    expected: E,
    /// How many messages.
    pub count: u64,
    /// The sum of all their words.
    pub sum: u64,
    /// How many messages were not where they belong.
    pub out_of_order: u64,
}

impl<E: Expected> Tally<E> {
    /// Takes one of several messages.
    #[inline(always)]
    pub fn take(&mut self, first: u64, sum: u64) {
        self.out_of_order += u64::from(self.expected.is_wrong(first));
        self.count += 1;
        self.sum = self.sum.wrapping_add(sum);
    }

    /// Takes one message; where each comes with much besides, what never happens takes no register here.
    #[inline(always)]
    pub fn take_single(&mut self, first: u64, sum: u64) {
        if self.expected.is_wrong(first) {
            self.out_of_order = one_more(self.out_of_order);
        }
        self.count += 1;
        self.sum = self.sum.wrapping_add(sum);
    }
}

#[cold]
#[inline(never)]
fn one_more(count: u64) -> u64 {
    count + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_as_expected() {
        for sender in 0..3 {
            let mut tally = Tally::<Many<false>>::default();
            for sequence in 0..100 {
                let message = Words::<8>::make(number(sender, sequence));
                let (first, sum) = message.first_and_sum();
                tally.take(first, sum);
            }
            assert_eq!((tally.sum, tally.out_of_order), (expected_sum(8, sender, 100), 0));
        }
        let (_, sum) = Large::make(number(2, 7)).first_and_sum();
        let before = expected_sum(Large::WORDS, 2, 7);
        assert_eq!(sum, sum_of_one(Large::WORDS, number(2, 7)));
        assert_eq!(sum, expected_sum(Large::WORDS, 2, 8).wrapping_sub(before));
        assert_eq!(expected_sum(8, 1, 0), 0);
    }

    fn wrong<E: Expected>(sender: usize, sequences: &[u64]) -> u64 {
        let mut tally = Tally::<E>::default();
        sequences.iter().for_each(|sequence| tally.take(number(sender, *sequence), 0));
        let mut single = Tally::<E>::default();
        sequences.iter().for_each(|sequence| single.take_single(number(sender, *sequence), 0));
        assert_eq!((tally.count, single.count), (sequences.len() as u64, tally.count));
        assert_eq!(tally.out_of_order, single.out_of_order);
        tally.out_of_order
    }

    #[test]
    fn a_swap_a_loss_and_a_repetition_are_out_of_order() {
        let (swap, loss, repetition) = ([0, 2, 1, 3], [0, 1, 3, 4], [0, 1, 1]);
        for sequences in [&swap[..], &loss, &repetition] {
            assert!(wrong::<One>(0, sequences) > 0, "{sequences:?}");
            assert!(wrong::<Many<false>>(1, sequences) > 0, "{sequences:?}");
        }
        assert_eq!(wrong::<One>(0, &[0, 1, 2]) + wrong::<Many<false>>(1, &[0, 1, 2]), 0);
        assert!(wrong::<One>(1, &[0]) > 0, "nobody else sends");
        assert!(wrong::<Many<true>>(1, &swap) > 0 && wrong::<Many<true>>(1, &repetition) > 0);
        assert_eq!(wrong::<Many<true>>(1, &loss), 0, "others got it");
    }

    #[test]
    fn senders_take_turns_in_any_way() {
        let mut tally = Tally::<Many<false>>::default();
        let mut take = |sender, sequence| {
            tally.take(number(sender, sequence), 0);
            tally.out_of_order
        };
        assert_eq!([take(0, 0), take(1, 0), take(1, 1), take(0, 1), take(2, 0), take(1, 2)], [0; 6]);
        assert_eq!([take(1, 4), take(0, 2), take(0, 2), take(1, 5)], [1, 1, 2, 2]);
    }
}
