//! A receiving end of a broadcast in a transport's hands: takes messages together, as records that stand in a frame.

use std::{
    any::Any,
    sync::{Arc, Weak},
};

use adit_memory::Region;
use adit_ring::park::Park as _;

use super::{BroadcastReceiver, Policy, State};
use crate::{
    broadcast::Roster,
    endpoint::{OtherFound, Waiting},
    lane::Spec,
};

/// One connection's reading end. What it has taken is a copy: the ring is free of it, whatever becomes of the connection.
#[derive(Debug)]
pub(crate) struct Tap {
    receiver: BroadcastReceiver,
    /// Where the sender hears that somebody is gone.
    roster: Weak<Roster>,
    /// Messages may have any length, and their records say it.
    prefixed: bool,
    /// The records that were taken last are the first `used` bytes; nothing moves them before the next are taken.
    taken: Vec<u8>,
    used: usize,
    /// Of the messages that this end lost, so many were told.
    told: u64,
}

/// Messages that were taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// So many before the first were overwritten, or passed by, since the piece before.
    pub lost: u64,
    pub messages: u32,
}

impl Tap {
    /// # Panics
    /// As [`BroadcastReceiver::new`].
    pub fn new(spec: &Spec, slot: usize, regions: (Arc<Region>, Arc<Region>), roster: &Arc<Roster>) -> Self {
        let nothing: Box<dyn Any + Send> = Box::new(());
        Self {
            receiver: BroadcastReceiver::new(spec, slot, regions, Waiting::default(), nothing),
            roster: Arc::downgrade(roster),
            prefixed: spec.kind.size().is_none(),
            taken: Vec::new(),
            used: 0,
            told: 0,
        }
    }

    /// Takes the next messages, of `most` bytes together, or one of any length: of those whose latest counts, that one.
    ///
    /// spec: NET-3.3, NET-3.6
    pub fn take(&mut self, most: u64) -> Option<Piece> {
        let mut piece = Piece::default();
        self.used = 0;
        // Nobody but the sender writes to the ring, and the sender is this library: what it says is so.
        while let Ok(true) = self.receiver.is_ready() {
            let lost = self.receiver.counters().lost - self.told;
            let is_first = piece.messages == 0;
            if !is_first && lost > 0 {
                break;
            }
            // There is no arena where there are connections.
            let Ok(Some(OtherFound::Broadcast(message))) = self.receiver.read() else { break };
            let bytes = message.bytes();
            let start = self.used + if self.prefixed { 8 } else { 0 };
            let end = start + bytes.len().next_multiple_of(8);
            if !is_first && end as u64 > most {
                message.keep();
                break;
            }
            if self.taken.len() < end {
                self.taken.resize(end, 0);
            }
            if self.prefixed {
                self.taken[self.used..start].copy_from_slice(&(1 << 32 | bytes.len() as u64).to_le_bytes());
            }
            bytes.copy_to(0, &mut self.taken[start..start + bytes.len()]);
            drop(message);
            self.used = end;
            self.told += lost;
            piece.lost += lost;
            piece.messages += 1;
            if self.receiver.policy == Policy::Latest {
                // What is newer when this has left is for then.
                break;
            }
        }
        self.receiver.acknowledge();
        (piece.messages > 0).then_some(piece)
    }

    /// The records of the piece that was taken last.
    pub fn bytes(&self) -> &[u8] {
        &self.taken[..self.used]
    }

    /// Has the sender call its pump when more than `more` bytes are published beyond what there is.
    pub fn arm(&self, more: u64) {
        match &self.receiver.state {
            State::Lossless(consumer) => consumer.arm_beyond(more),
            State::Lossy { follower, .. } => follower.arm_beyond(more),
            State::Joining(_) | State::Broken => {}
        }
    }

    /// Whether so much is published. One that has not begun is called where it joins.
    pub fn is_called(&self) -> bool {
        match &self.receiver.state {
            State::Lossless(consumer) => consumer.is_called(),
            State::Lossy { follower, .. } => follower.is_called(),
            State::Joining(_) | State::Broken => false,
        }
    }

    /// Whether everything was taken that is published; what comes after this call calls the sender's pump.
    pub fn is_settled(&self) -> bool {
        self.receiver.end.futex.heavy_fence();
        match &self.receiver.state {
            State::Lossless(consumer) => consumer.sleep_on().is_some(),
            State::Lossy { follower, held, .. } => held.is_none() && follower.sleep_on().is_some(),
            State::Joining(Some(regions)) => regions.has_no_start(),
            State::Joining(None) | State::Broken => true,
        }
    }

    /// The other side was closed.
    pub fn close(&self) {
        self.receiver.end.close();
        self.gone();
    }

    /// The other side is gone: tells the sender.
    pub fn gone(&self) {
        if let Some(roster) = self.roster.upgrade() {
            roster.change();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        broadcast::{Arrival, BroadcastSender},
        lane::{self, End, MessageKind, Mode},
    };

    fn ends(kind: MessageKind, policy: Policy) -> (BroadcastSender, Tap) {
        let (mut sender, tap) = joining(kind, policy);
        assert_eq!(sender.receivers(), 1);
        (sender, tap)
    }

    /// The sender has not looked.
    fn joining(kind: MessageKind, policy: Policy) -> (BroadcastSender, Tap) {
        let spec = Spec { mode: Mode::Broadcast, capacity: 1 << 10, kind };
        let region = |size| Arc::new(Region::heap(size).unwrap());
        let (writer, reader) = (region(lane::writer_size(spec.capacity)), region(lane::READER_SIZE));
        let roster = Arc::new(Roster::default());
        let slot = roster.slot().unwrap();
        let tap = Tap::new(&spec, slot.number(), (Arc::clone(&writer), Arc::clone(&reader)), &roster);
        let end = End::new(Arc::clone(&writer), Arc::clone(&reader));
        roster.put(Arrival { slot, region: reader, end, hold: None });
        let hold = Box::new(());
        let sender =
            BroadcastSender::new(&spec, policy, writer, Arc::clone(&roster), Waiting::default(), hold);
        (sender, tap)
    }

    /// The messages of a piece, of any length.
    fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut all, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let word = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            assert_eq!(word >> 32, 1);
            let len = word as u32 as usize;
            all.push(bytes[at + 8..][..len].to_vec());
            at += 8 + len.next_multiple_of(8);
        }
        all
    }

    #[test]
    fn who_came_and_went_before_the_sender_looked_is_not_kept() {
        let (mut sender, tap) = joining(MessageKind::bytes(), Policy::Overwrite);
        tap.close();
        assert_eq!((sender.receivers(), sender.departed().closed), (0, 1));
    }

    #[test]
    fn messages_are_taken_together_and_their_room_is_free() {
        let (mut sender, mut tap) = ends(MessageKind::bytes(), Policy::Lossless);
        assert_eq!(tap.take(100), None);
        sender.push(b"one").unwrap();
        sender.push(&[2; 20]).unwrap();
        sender.push(&[3; 200]).unwrap();
        assert!(!tap.is_settled());
        assert_eq!(tap.take(100), Some(Piece { lost: 0, messages: 2 }));
        assert_eq!(messages(tap.bytes()), [b"one".to_vec(), vec![2; 20]]);
        // Longer than what was asked for, and alone.
        assert_eq!(tap.take(100), Some(Piece { lost: 0, messages: 1 }));
        assert_eq!(messages(tap.bytes()), [vec![3; 200]]);
        assert!(tap.is_settled());
        for _ in 0..100 {
            sender.push(&[4; 200]).unwrap();
            assert_eq!(tap.take(100), Some(Piece { lost: 0, messages: 1 }));
        }
    }

    #[test]
    fn what_was_overwritten_is_told_before_the_first_that_was_not() {
        let (mut sender, mut tap) = ends(MessageKind::fixed("number", 4, 4), Policy::Overwrite);
        assert_eq!(tap.take(64), None);
        for number in 0..1000_u32 {
            sender.push(&number.to_le_bytes()).unwrap();
        }
        let (mut next, mut lost) = (0, 0);
        while let Some(piece) = tap.take(64) {
            assert_eq!(tap.bytes().len(), piece.messages as usize * 8);
            assert!(lost == 0 || piece.lost == 0, "lost twice without a message in between");
            (next, lost) = (next + piece.lost, lost + piece.lost);
            for record in tap.bytes().chunks(8) {
                assert_eq!(u64::from(u32::from_le_bytes(record[..4].try_into().unwrap())), next);
                next += 1;
            }
        }
        assert!(next == 1000 && lost > 0, "{next}, {lost}");
    }

    #[test]
    fn of_values_the_newest_is_taken_when_it_is_taken() {
        let (mut sender, mut tap) = ends(MessageKind::bytes(), Policy::Latest);
        assert_eq!(tap.take(1 << 10), None);
        for round in 0..5_u64 {
            for value in 0..3_u8 {
                sender.push(&[value]).unwrap();
            }
            assert_eq!(tap.take(1 << 10), Some(Piece { lost: 2, messages: 1 }), "round {round}");
            assert_eq!(messages(tap.bytes()), [[2]]);
            assert!(tap.is_settled());
        }
    }

    #[test]
    fn it_is_called_when_as_much_is_published_as_it_was_armed_for() {
        for policy in [Policy::Lossless, Policy::Overwrite] {
            let (mut sender, mut tap) = ends(MessageKind::bytes(), policy);
            assert!(!tap.is_called(), "it has not begun");
            assert_eq!(tap.take(8), None);
            tap.arm(0);
            assert!(!tap.is_called());
            sender.push(b"x").unwrap();
            assert!(tap.is_called());
            tap.arm(64);
            for _ in 0..4 {
                assert!(!tap.is_called());
                sender.push(b"x").unwrap();
            }
            // Four records of two words are what may be beyond.
            sender.push(b"x").unwrap();
            assert!(tap.is_called());
        }
    }
}
