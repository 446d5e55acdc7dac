//! The receiving end of a channel.

mod arena;
mod network;
mod report;
mod select;
mod waiting;

pub(crate) use arena::FarFound;
use network::Watched;

use std::{any::Any, sync::Arc, time::Duration};

use adit_ring::{park::Park as _, stream::FULL_SLOT_WORDS};

use super::{Acknowledge, Bytes, Inbox, RecvError, Report, Waiting, latency::merge, open_receiver::Found};
use crate::{
    futex::{Futex, MAX_WORDS},
    lane::{Counters, DisconnectCause, Lent, ReaderLane, SHORT_SLEEP, Slots, Steps},
    latency::Latency,
    sleeper::{BACKSTOP, Watch, Watchword},
    transport::net::NetworkReport,
};

/// So many bytes of one lane are taken before the next lane's: a message longer than that, or several.
const TURN: u64 = 32 << 10;

/// How many of the others are gone, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departed {
    /// They closed.
    pub closed: u64,
    /// Their processes died.
    pub died: u64,
    /// They broke the rules and were cut off.
    pub misbehaved: u64,
}

impl Departed {
    /// One more is gone.
    pub(crate) fn count(&mut self, cause: DisconnectCause) {
        match cause {
            DisconnectCause::Closed => self.closed += 1,
            DisconnectCause::PeerDied => self.died += 1,
            DisconnectCause::Misbehaved => self.misbehaved += 1,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.closed += other.closed;
        self.died += other.died;
        self.misbehaved += other.misbehaved;
    }
}

/// The receiving end of a channel made of lanes: one for each sender, taken in turn.
#[derive(Debug)]
pub(super) struct LaneReceiver {
    /// In the order in which they joined.
    pub(super) lanes: Vec<ReaderLane>,
    /// The lane whose turn it is; it may be out of range.
    current: usize,
    inbox: Arc<Inbox>,
    waiting: Waiting,
    acknowledge: Acknowledge,
    futex: Futex,
    departed: Departed,
    last: Option<DisconnectCause>,
    /// Of lanes that are retired.
    retired: Counters,
    pub(super) retired_latency: Option<Latency>,
    /// How often nothing was there.
    stalls: u64,
    network: Option<NetworkReport>,
    /// What a future on sockets has left.
    watched: Option<Watched>,
    /// What the transport holds for as long as this end lives.
    hold: Box<dyn Any + Send>,
}

impl LaneReceiver {
    pub(super) fn new(inbox: Arc<Inbox>, hold: Box<dyn Any + Send>, waiting: Waiting) -> Self {
        Self {
            lanes: Vec::new(),
            current: 0,
            inbox,
            waiting,
            acknowledge: Acknowledge::default(),
            futex: Futex::new(),
            departed: Departed::default(),
            last: None,
            retired: Counters::default(),
            retired_latency: None,
            stalls: 0,
            network: None,
            watched: None,
            hold,
        }
    }

    pub(super) fn acknowledging(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// Says of everything that was read so far that it was read; see [`Acknowledge`].
    pub fn acknowledge(&mut self) {
        self.lanes.iter_mut().for_each(ReaderLane::acknowledge);
    }

    /// Copies the next message to the start of `into`, if there is one now, and says how long it is.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    #[inline]
    pub fn try_recv(&mut self, into: &mut [u8]) -> Result<Option<usize>, RecvError> {
        if !self.select()? {
            return Ok(None);
        }
        let message = match self.lanes[self.current].read() {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(None),
            Err(refused) => return arena::copy_far(refused, into).map(Some),
        };
        let bytes = message.bytes();
        let len = bytes.len();
        let Some(into) = into.get_mut(..len) else {
            message.keep();
            return Err(RecvError::TooLong { len });
        };
        bytes.copy_to(0, into);
        Ok(Some(len))
    }

    /// The next message, if there is one now, to be read in place.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    #[inline(always)]
    pub fn read(&mut self) -> Result<Option<Found<'_>>, RecvError> {
        if !self.select()? {
            return Ok(None);
        }
        match self.lanes[self.current].read() {
            Ok(message) => Ok(message.map(Found::Lane)),
            Err(refused) => arena::find_far(refused).map(Some),
        }
    }

    /// Reads in place what is there now, at most `most` messages and of one sender, and says how many. The
    /// sender hears of it once.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    pub fn recv_batch(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, RecvError> {
        if !self.select()? {
            return Ok(0);
        }
        let lane = &mut self.lanes[self.current];
        // The next call goes on with the next sender.
        lane.end_turn();
        let mut count = 0;
        let read = lane.read_batch(most, |bytes| {
            count += 1;
            each(bytes);
        });
        match read {
            Ok(count) => Ok(count),
            Err(misbehaved) => Err(self.cut_off(misbehaved.into())),
        }
    }

    /// Lends the messages of the turn that was [begun](Self::select), if not each is to be acknowledged; whether there are any.
    #[inline(always)]
    pub(super) fn lend<T>(&mut self, into: &mut Lent<T>) -> bool {
        let lanes = self.lanes.len();
        let Some(lane) = self.lanes.get_mut(self.current) else { return false };
        into.turn_to(lane, lanes);
        lane.lend(&mut into.now)
    }

    /// Takes back what was lent.
    #[inline(always)]
    pub(super) fn take_back<T>(&mut self, lent: &mut Steps<T>) {
        if let Some(lane) = self.lanes.get_mut(self.current) {
            lane.take_back(lent);
        }
    }

    /// Position behind the last message that was handed over, in the ring of whoever sent it.
    pub(super) fn position(&self) -> u64 {
        self.lanes.get(self.current).map_or(0, ReaderLane::position)
    }

    /// Lends slots, where there is one lane and nothing has joined; whether there are any.
    pub(super) fn lend_slots(&mut self, into: &mut Option<Slots>, are_full: bool) -> bool {
        match self.lanes.as_mut_slice() {
            [lane] if self.current == 0 && !self.inbox.has_news() => {
                lane.lend_slots(into, &self.inbox, are_full)
            }
            _ => false,
        }
    }

    /// A full slot was handed over; `position` is behind it.
    pub(super) fn saw_slot(&self, lent: &mut Slots, position: u64, slot: &[u64; FULL_SLOT_WORDS]) {
        if let Some(lane) = self.lanes.get(self.current) {
            lane.saw_slot(lent, position, slot);
        }
    }

    /// Takes back what was lent.
    pub(super) fn take_slots_back(&mut self, lent: &mut Slots) {
        if let Some(lane) = self.lanes.get_mut(self.current) {
            self.stalls += lane.take_slots_back(lent);
        }
    }

    /// Copies the next message to `into`, if it belongs to the turn that was [begun](Self::select): all have the
    /// length of `into`.
    pub(super) fn pop_in_turn(&mut self, into: &mut [u8]) -> bool {
        self.lanes.get_mut(self.current).is_some_and(|lane| lane.pop_in_turn(into))
    }

    /// Copies messages of `size` bytes, which all have, to `into`, one behind the other: what is there now, of
    /// one sender. Says how many.
    #[inline]
    pub(super) fn try_recv_run(&mut self, size: usize, into: &mut [u8]) -> Result<usize, RecvError> {
        if !self.select()? {
            return Ok(0);
        }
        let lane = &mut self.lanes[self.current];
        lane.end_turn();
        match lane.pop_run(size, into) {
            Ok(count) => Ok(count),
            Err(misbehaved) => Err(self.cut_off(misbehaved.into())),
        }
    }

    /// Senders that joined and are not gone or not drained yet.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len() - self.broken()
    }

    /// Those whose read has told that they broke the rules, and which the next look retires.
    fn broken(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.is_broken()).count()
    }

    /// How many senders are gone, and why.
    #[must_use]
    pub fn departed(&self) -> Departed {
        let unusable = self.inbox.unusable() + self.broken() as u64;
        Departed { misbehaved: self.departed.misbehaved + unusable, ..self.departed }
    }

    /// Takes over lanes that joined: with one sender the next only after the former is drained.
    fn take_arrivals(&mut self) -> bool {
        self.inbox.look();
        if !self.inbox.has_lanes() || !self.inbox.may_take(self.lanes.len()) {
            return false;
        }
        let before = self.lanes.len();
        self.inbox.take(&mut self.lanes);
        if self.acknowledge == Acknowledge::Each {
            self.lanes[before..].iter_mut().for_each(ReaderLane::acknowledge_each);
        }
        if self.inbox.is_spread() {
            // Who works on a message is not idle, wherever it lay.
            self.lanes[before..].iter_mut().for_each(ReaderLane::acknowledge_late);
        }
        self.lanes.len() > before
    }

    fn retire(&mut self, cause: DisconnectCause) {
        self.last = Some(cause);
        self.departed.count(cause);
        self.remove();
    }

    /// Retires the current lane, whose writer broke the rules.
    #[cold]
    fn cut_off(&mut self, error: RecvError) -> RecvError {
        self.departed.misbehaved += 1;
        // For later calls the lane is closed: by this end.
        self.last = Some(DisconnectCause::Closed);
        self.remove();
        error
    }

    /// Removes the current lane; the one before it had the last turn.
    fn remove(&mut self) {
        let lane = self.lanes.remove(self.current);
        self.retired.add(&lane.counters());
        self.retired_latency = merge(self.retired_latency.take(), lane.latency());
        self.current = self.current.checked_sub(1).unwrap_or(self.lanes.len());
        if let Some(lane) = self.lanes.get_mut(self.current) {
            lane.end_turn();
        }
    }

    /// As a transport does when it hears that a process died.
    #[cfg(test)]
    pub(super) fn mark_dead(&self) {
        self.lanes.iter().for_each(|lane| lane.link().mark_dead());
    }

    /// Announces a sleep and says what ends it; nothing: there is something to see at once. Then:
    /// [`disarm`](Self::disarm).
    pub(super) fn arm(&mut self) -> Option<Watch> {
        if self.inbox.bell().is_some() {
            return self.arm_sockets();
        }
        self.lanes.iter_mut().for_each(ReaderLane::arm);
        self.futex.heavy_fence();
        let lanes = self.lanes.iter().map(|lane| Some(Watchword::new(lane.sleep_on()?, lane.link())));
        // With one sender the next one's arrival is worth a look only when the former is gone.
        let may_take = self.inbox.may_take(self.lanes.len());
        let arrivals = may_take.then(|| {
            Some(Watchword::new(self.inbox.sleep_on()?, Arc::clone(&self.inbox) as Arc<dyn Send + Sync>))
        });
        let words = lanes.chain(arrivals).collect::<Option<Vec<_>>>()?;
        let within = self.hears_by_looking().then_some(BACKSTOP);
        Some(Watch { words, within, ..Watch::default() })
    }

    /// Whether all that can happen is told by words that this end can sleep on at once.
    fn hears_all(&self) -> bool {
        // Of each lane its cursor and the two that tell its end, and the inbox's.
        !self.hears_by_looking() && 3 * self.lanes.len() < MAX_WORDS
    }

    /// Whether there is something that nobody announces: a death, or a lane.
    fn hears_by_looking(&self) -> bool {
        self.inbox.has_source() || self.lanes.iter().any(ReaderLane::is_kept)
    }

    /// Whether the announcement stands: a wait of another kind takes it back, and who has joined knows nothing of it.
    pub(super) fn is_armed(&self) -> bool {
        if self.inbox.bell().is_some() {
            return self.is_armed_on_sockets();
        }
        self.lanes.iter().all(ReaderLane::is_armed)
    }

    /// Takes the announcement back.
    pub(super) fn disarm(&mut self) {
        self.lanes.iter_mut().for_each(ReaderLane::disarm);
    }

    /// Counts a wait for a message.
    pub(super) fn stalled(&mut self) {
        self.stalls += 1;
        // With one sender it is to be seen in the shared region, too.
        if let [lane] = self.lanes.as_mut_slice() {
            lane.stalled();
        }
    }

    /// Sleeps until something happens, at most `time`.
    fn park(&mut self, time: Duration) {
        if self.inbox.bell().is_some() {
            return self.poll(time);
        }
        let time = if self.hears_all() { time } else { time.min(SHORT_SLEEP) };
        if let ([lane], false) = (self.lanes.as_mut_slice(), self.inbox.may_take(1)) {
            return lane.park(&self.futex, time);
        }
        for lane in &mut self.lanes {
            lane.arm();
        }
        self.futex.heavy_fence();
        let words = self.lanes.iter().map(ReaderLane::sleep_on);
        let words = words.chain([self.inbox.sleep_on()]);
        // A `None` among them means that there is something to see at once.
        if let Some(mut words) = words.collect::<Option<Vec<_>>>() {
            if time > SHORT_SLEEP {
                words.extend(self.lanes.iter().flat_map(ReaderLane::farewells));
            }
            self.futex.wait_any(words.into_iter(), time);
        }
        for lane in &mut self.lanes {
            lane.disarm();
        }
    }
}

impl Drop for LaneReceiver {
    /// On a network nobody comes any more; lanes close; then the transport hangs up: who sees that finds its lane closed.
    fn drop(&mut self) {
        if self.network.is_some() {
            self.hold = Box::new(());
        }
        self.lanes.clear();
        self.inbox.clear();
    }
}
