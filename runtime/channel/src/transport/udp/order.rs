//! Puts the datagrams of each sender back in order: a pure function of what arrives and when.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// So many datagrams of a sender wait at most for one that is missing.
const MAX_HELD: usize = 64;

/// And so long.
const PATIENCE: Duration = Duration::from_millis(5);

/// The most senders whose order is known; the one that was silent longest is forgotten for a new one.
const MAX_SESSIONS: usize = 64;

/// What became of the datagrams of a `udp://` receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagrams {
    /// Taken, in order.
    pub taken: u64,
    /// Known from the numbers of later ones, and never seen in time.
    pub lost: u64,
    /// Came twice, or after they had been given up.
    pub duplicates: u64,
    /// Of another version or message kind, or broken.
    pub foreign: u64,
}

/// A datagram's records, and how many.
pub(super) type Records = (u32, Vec<u8>);

#[derive(Debug, Default)]
struct Session {
    /// The number that comes next.
    next: u64,
    held: BTreeMap<u64, Records>,
    /// Since when one is missing.
    missing: Option<Instant>,
    heard: u64,
}

/// Every sender's order.
#[derive(Debug, Default)]
pub(super) struct Order {
    sessions: BTreeMap<u64, Session>,
    pub ready: VecDeque<Records>,
    pub counts: Datagrams,
    clock: u64,
}

impl Order {
    /// A datagram came.
    ///
    /// spec: NET-5.2
    pub fn put(&mut self, session: u64, sequence: u64, records: Records, now: Instant) {
        self.clock += 1;
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(&session) {
            self.forget();
        }
        // What was sent before this end listened is nothing that it lost.
        let new = || Session { next: sequence, ..Session::default() };
        let found = self.sessions.entry(session).or_insert_with(new);
        found.heard = self.clock;
        if sequence == found.next && found.held.is_empty() {
            found.next = sequence.wrapping_add(1);
            self.counts.taken += 1;
            return self.ready.push_back(records);
        }
        if sequence < found.next || found.held.contains_key(&sequence) {
            self.counts.duplicates += 1;
            return;
        }
        found.held.insert(sequence, records);
        found.missing.get_or_insert(now);
        found.settle(now, &mut self.ready, &mut self.counts);
    }

    /// Time has passed: gives up what is missing for too long.
    pub fn look(&mut self, now: Instant) {
        for session in self.sessions.values_mut() {
            session.settle(now, &mut self.ready, &mut self.counts);
        }
    }

    /// Whether datagrams wait for one that is missing.
    pub fn waits(&self) -> bool {
        self.sessions.values().any(|session| !session.held.is_empty())
    }

    /// Forgets the sender that was silent longest; what it holds is taken.
    fn forget(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.heard).map(|(number, _)| *number);
        if let Some(session) = oldest.and_then(|number| self.sessions.remove(&number)) {
            self.counts.taken += session.held.len() as u64;
            self.ready.extend(session.held.into_values());
        }
    }
}

impl Session {
    fn settle(&mut self, now: Instant, ready: &mut VecDeque<Records>, counts: &mut Datagrams) {
        loop {
            while let Some(records) = self.held.remove(&self.next) {
                ready.push_back(records);
                counts.taken += 1;
                self.next = self.next.wrapping_add(1);
                self.missing = None;
            }
            let Some(first) = self.held.keys().next().copied() else {
                self.missing = None;
                return;
            };
            let missing = *self.missing.get_or_insert(now);
            if self.held.len() < MAX_HELD && now.saturating_duration_since(missing) < PATIENCE {
                return;
            }
            counts.lost = counts.lost.saturating_add(first.saturating_sub(self.next));
            self.next = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(number: u64) -> Records {
        (1, number.to_le_bytes().to_vec())
    }

    fn numbers(order: &mut Order) -> Vec<u64> {
        order.ready.drain(..).map(|(_, bytes)| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    #[test]
    fn a_gap_is_waited_for_and_then_lost() {
        let (mut order, now) = (Order::default(), Instant::now());
        for number in [7, 9, 10] {
            order.put(1, number, records(number), now);
        }
        assert_eq!(numbers(&mut order), [7]);
        assert!(order.waits());
        order.put(1, 8, records(8), now);
        assert_eq!(numbers(&mut order), [8, 9, 10]);
        order.put(1, 13, records(13), now);
        order.look(now + PATIENCE / 2);
        assert_eq!(numbers(&mut order), []);
        order.look(now + PATIENCE);
        assert_eq!(numbers(&mut order), [13]);
        assert_eq!(order.counts.lost, 2);
        order.put(1, 12, records(12), now + PATIENCE);
        assert_eq!((order.counts.duplicates, numbers(&mut order)), (1, vec![]));
    }

    proptest! {
        /// Whatever is lost, doubled and delayed: each number comes once at most, in order, and the counts add up.
        #[test]
        fn order_is_kept_whatever_the_network_does(
            moves in prop::collection::vec((0..200_u64, 0..3_u32), 1..300),
        ) {
            let (mut order, begin) = (Order::default(), Instant::now());
            let (mut last, mut taken, mut puts) = (None, 0, 0);
            for (step, (number, time)) in moves.iter().enumerate() {
                let now = begin + Duration::from_millis(u64::from(*time) + step as u64);
                order.put(5, *number, records(*number), now);
                puts += 1;
                order.look(now);
                for number in numbers(&mut order) {
                    prop_assert!(last.is_none_or(|last| number > last));
                    last = Some(number);
                    taken += 1;
                }
            }
            // One gap after the other: each is waited for.
            (1..=400).for_each(|minute| order.look(begin + Duration::from_secs(minute * 60)));
            for number in numbers(&mut order) {
                prop_assert!(last.is_none_or(|last| number > last));
                last = Some(number);
                taken += 1;
            }
            prop_assert!(!order.waits());
            prop_assert_eq!(order.counts.taken, taken);
            prop_assert_eq!(order.counts.taken + order.counts.duplicates, puts);
            let span = last.unwrap() + 1 - moves[0].0;
            prop_assert_eq!(order.counts.taken + order.counts.lost, span);
        }

        #[test]
        fn many_strangers_take_no_more_than_their_room(sessions in prop::collection::vec(any::<u64>(), 1..300)) {
            let (mut order, now) = (Order::default(), Instant::now());
            for session in sessions {
                order.put(session, u64::MAX, records(0), now);
                order.put(session, 3, records(3), now);
                prop_assert!(order.sessions.len() <= MAX_SESSIONS);
            }
        }
    }
}
