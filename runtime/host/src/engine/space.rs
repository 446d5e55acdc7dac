//! A job's search space and its ledger: which positions were searched, are leased, or came back.
//!
//! Headers and nonces together are one line of *positions*: position = roll × width + (nonce − first),
//! where width is the number of nonces of a header. It fits 128 bits: fewer than 2^64 rolls, at most 2^64
//! nonces. A lease is an interval of one header.
//!
//! ```text
//!  0 ├─────── searched ───────┤░ leased ░├─ returned ─┤░ leased ░├──── never touched ────► end
//!                                                                 cursor
//! ```

use std::ops::Range;

use crate::job::Job;

/// An interval of positions.
pub type Span = Range<u128>;

/// The search space of one job.
#[derive(Debug)]
pub struct Space {
    first_nonce: u64,
    width: u128,
    end: u128,
    cursor: u128,
    /// Leased once, and to be leased again; in no order, not empty, disjoint.
    returned: Vec<Span>,
    /// Sorted, disjoint, not touching.
    searched: Vec<Span>,
}

impl Space {
    /// The positions of `job`.
    #[must_use]
    pub fn new(job: &Job) -> Self {
        let width = job.nonces.end - u128::from(job.nonces.start);
        let rolls = u128::from(job.space.rolls());
        let (cursor, end) = (u128::from(job.first_roll) * width, rolls * width);
        Self {
            first_nonce: job.nonces.start,
            width,
            end,
            cursor: cursor.min(end),
            // Room for what is usual, so that nothing is allocated for a unit.
            returned: Vec::with_capacity(64),
            searched: Vec::with_capacity(64),
        }
    }

    /// Leases at most `count` positions of one header: what came back first, then fresh ones.
    pub fn take(&mut self, count: u64) -> Option<Span> {
        let count = u128::from(count.max(1));
        if let Some(span) = self.returned.pop() {
            let end = self.bound(span.start, count).min(span.end);
            if end < span.end {
                self.returned.push(end..span.end);
            }
            return Some(span.start..end);
        }
        let start = self.cursor;
        let end = self.bound(start, count).min(self.end);
        self.cursor = end;
        (start < end).then_some(start..end)
    }

    /// The end of a span of `count` positions that stays within its header.
    fn bound(&self, start: u128, count: u128) -> u128 {
        let header_end = (start / self.width + 1).saturating_mul(self.width);
        start.saturating_add(count).min(header_end)
    }

    /// Takes an interval back into what is to be searched; an empty one is nothing.
    pub fn give_back(&mut self, span: Span) {
        if !span.is_empty() {
            self.returned.push(span);
        }
    }

    /// Takes an interval back that was thought to be searched.
    pub fn revoke(&mut self, span: Span) {
        let mut kept = Vec::with_capacity(self.searched.len() + 1);
        for old in self.searched.drain(..) {
            kept.push(old.start..old.end.min(span.start));
            kept.push(old.start.max(span.end)..old.end);
        }
        kept.retain(|span| !span.is_empty());
        self.searched = kept;
        self.give_back(span);
    }

    /// Writes an interval down as searched.
    pub fn complete(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        let at = self.searched.partition_point(|old| old.end < span.start);
        let joins_left = at < self.searched.len() && self.searched[at].end == span.start;
        let right = if joins_left { at + 1 } else { at };
        let joins_right = right < self.searched.len() && self.searched[right].start == span.end;
        match (joins_left, joins_right) {
            (true, true) => {
                self.searched[at].end = self.searched[right].end;
                self.searched.remove(right);
            }
            (true, false) => self.searched[at].end = span.end,
            (false, true) => self.searched[right].start = span.start,
            (false, false) => self.searched.insert(at, span),
        }
    }

    /// Whether there is nothing left to lease.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.cursor == self.end && self.returned.is_empty()
    }

    /// Positions that are not leased and not searched.
    #[must_use]
    pub fn remaining(&self) -> u128 {
        let returned: u128 = self.returned.iter().map(|span| span.end - span.start).sum();
        returned + (self.end - self.cursor)
    }

    /// The intervals that were searched, sorted and joined.
    #[must_use]
    pub fn searched(&self) -> &[Span] {
        &self.searched
    }

    /// The intervals that came back and wait for another device.
    #[must_use]
    pub fn returned(&self) -> &[Span] {
        &self.returned
    }

    /// Which header a position belongs to, and its nonce.
    #[must_use]
    pub fn locate(&self, position: u128) -> (u64, u64) {
        let (roll, offset) = (position / self.width, position % self.width);
        (roll as u64, self.first_nonce.wrapping_add(offset as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use adit_plugin::Target;
    use adit_sha256d::Sha256d;
    use proptest::prelude::*;

    use super::*;
    use crate::job::{HeaderSpace, NonceRange};

    struct Rolls(u64);

    impl HeaderSpace for Rolls {
        fn rolls(&self) -> u64 {
            self.0
        }

        fn header(&self, _roll: u64) -> Vec<u8> {
            vec![0; 80]
        }
    }

    fn space(rolls: u64, start: u64, end: u128) -> Space {
        Space::new(&Job {
            key: 0,
            name: String::new(),
            algorithm: Arc::new(Sha256d),
            target: Target::MAX,
            clean: true,
            space: Arc::new(Rolls(rolls)),
            first_roll: 0,
            nonces: NonceRange { start, end },
        })
    }

    #[test]
    fn a_lease_stays_within_one_header() {
        let mut space = space(2, 10, 20);
        assert_eq!(space.take(7), Some(0..7));
        assert_eq!(space.take(7), Some(7..10));
        assert_eq!(space.take(100), Some(10..20));
        assert_eq!(space.locate(10), (1, 10));
        assert_eq!(space.locate(9), (0, 19));
        assert_eq!(space.take(1), None);
    }

    #[test]
    fn the_largest_space_does_not_overflow() {
        let mut space = space(u64::MAX, 0, 1 << 64);
        assert_eq!(space.take(u64::MAX), Some(0..u128::from(u64::MAX)));
        assert_eq!(space.take(u64::MAX), Some(u128::from(u64::MAX)..1 << 64));
        space.cursor = space.end - 5;
        let last = space.take(9).unwrap();
        assert_eq!(last.end - last.start, 5);
        assert_eq!(space.locate(last.end - 1), (u64::MAX - 1, u64::MAX));
        assert!(space.is_drained());
    }

    proptest! {
        /// Whatever devices do, every position is in exactly one place.
        #[test]
        fn no_position_is_lost(rolls in 1..4u64, width in 1..40u64, steps in prop::collection::vec((0..4u8, 1..17u64), 0..200)) {
            let mut space = space(rolls, 5, u128::from(5 + width));
            let total = u128::from(rolls * width);
            let (mut leased, mut done): (Vec<Span>, Vec<Span>) = Default::default();
            for (what, count) in steps {
                match what {
                    0 => leased.extend(space.take(count)),
                    1 => if let Some(span) = leased.pop() { space.complete(span.clone()); done.push(span); },
                    2 => if !leased.is_empty() { let span = leased.swap_remove(0); space.give_back(span); },
                    _ => if let Some(span) = done.pop() { space.revoke(span); },
                }
                let all: Vec<u128> = leased.iter().chain(space.searched()).chain(space.returned())
                    .cloned().flatten().chain(space.cursor..total).collect();
                prop_assert_eq!(all.len() as u128, total);
                prop_assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len() as u128, total);
                prop_assert!(space.searched().windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
