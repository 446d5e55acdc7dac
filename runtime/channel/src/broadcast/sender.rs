//! The sending end of a broadcast.

mod arena;

use std::{any::Any, sync::Arc, time::Duration};

use adit_memory::{Region, Report};
use adit_ring::{
    broadcast::{Claim, MAX_READERS, Producer, PushError, Word},
    park::{Park as _, SleepOn},
    stream::arena::ArenaWriter,
};

pub(crate) use arena::FarToAll;

use super::{
    Arrival, Policy, Roster, Slot,
    memory::{ReaderRegion, WriterRegion},
};
use crate::{
    endpoint::{Departed, Pause, SendError, Wait, Waiting},
    lane::{Counters, End, Pump, SHORT_SLEEP, SOCKET_SLEEP, Slab, Spec},
    sleeper::Watchword,
    transport::net::NetworkReport,
};

/// The sending end of a broadcast.
#[derive(Debug)]
pub(crate) struct BroadcastSender {
    producer: Producer<WriterRegion, ReaderRegion>,
    /// Where long messages go, which the ring refuses then.
    arena: Option<Box<ArenaWriter<Slab>>>,
    /// Of each message, if it is fixed.
    size: Option<usize>,
    receivers: [Option<Joined>; MAX_READERS],
    roster: Arc<Roster>,
    /// The roster's number when it was last looked at.
    seen: u64,
    /// Counts; its peer is itself.
    tally: End,
    departed: Departed,
    publish_every: u64,
    waiting: Waiting,
    network: Option<NetworkReport>,
    /// What the transport holds for as long as this end lives.
    hold: Box<dyn Any + Send>,
}

/// A receiver that was taken over.
#[derive(Debug)]
struct Joined {
    end: End,
    _slot: Slot,
    _hold: Option<Box<dyn Any + Send>>,
}

impl BroadcastSender {
    /// # Panics
    /// The capacity is no ring's, or the region is too short: both are checked before.
    pub fn new(
        spec: &Spec,
        policy: Policy,
        own: Arc<Region>,
        roster: Arc<Roster>,
        waiting: Waiting,
        hold: Box<dyn Any + Send>,
    ) -> Self {
        policy.write(&own);
        let memory = WriterRegion::new(spec.capacity, Arc::clone(&own));
        let mut producer = Producer::new(memory, policy.of_ring())
            .expect("the capacity was checked when the channel was built");
        let arena = arena::of(spec, &own, &mut producer);
        Self {
            producer,
            arena,
            size: spec.kind.size().map(|size| size as usize),
            receivers: [const { None }; MAX_READERS],
            roster,
            seen: 0,
            tally: End::new(Arc::clone(&own), own),
            departed: Departed::default(),
            publish_every: 0,
            waiting,
            network: None,
            hold,
        }
    }

    /// Receivers are at the other ends of connections, which `pump` serves.
    pub fn on_network(mut self, pump: Box<dyn Pump>, report: NetworkReport) -> Self {
        self.tally.set_pump(pump);
        self.network = Some(report);
        self
    }

    pub fn network(&self) -> Option<&NetworkReport> {
        self.network.as_ref()
    }

    pub fn longest(&self) -> usize {
        let longest = self.arena.as_ref().map_or(self.producer.longest(), |arena| arena.longest());
        self.size.unwrap_or(longest)
    }

    pub fn publish_every(&mut self, bytes: u64) {
        self.publish_every = bytes;
        self.producer.publish_every(bytes);
    }

    /// How many receive, of those that have joined by now.
    pub fn receivers(&mut self) -> usize {
        self.look();
        self.producer.readers()
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.tally.own_placement()
    }

    pub fn departed(&self) -> Departed {
        self.departed
    }

    pub fn counters(&self) -> Counters {
        self.tally.counters
    }

    #[inline(always)]
    fn look(&mut self) {
        if self.roster.changes() != self.seen {
            self.take_changes();
        }
    }

    #[cold]
    fn take_changes(&mut self) {
        self.seen = self.roster.changes();
        self.departed.add(&self.roster.take_forgotten());
        for Arrival { slot, region, end, hold } in self.roster.take() {
            let number = slot.number();
            // The slot was free, or nobody could have got it: this cannot fail.
            let joined = self.producer.join(number, ReaderRegion::new(region));
            debug_assert!(joined.is_ok());
            end.futex.wake(self.producer.start_word(number));
            self.receivers[number] = Some(Joined { end, _slot: slot, _hold: hold });
        }
        // Also of those that came just now: nobody will say once more that one of them has gone.
        self.retire();
        // Who joined begins, and will be called.
        self.push_out();
    }

    /// Has the connections take what they can, if there are any.
    fn push_out(&mut self) {
        if let Some(pump) = self.tally.pump() {
            pump.push_out();
        }
    }

    /// Makes what room can be made without waiting; returns whether there may be some.
    #[cold]
    fn make_room(&mut self) -> bool {
        self.push_out();
        self.retire() || self.network.is_some()
    }

    /// Takes out who is gone; returns whether somebody was.
    fn retire(&mut self) -> bool {
        let mut any = false;
        for number in 0..MAX_READERS {
            let Some(joined) = &self.receivers[number] else { continue };
            let lied = || self.producer.has_lied(number).then_some(crate::DisconnectCause::Misbehaved);
            let Some(cause) = joined.end.gone().or_else(lied) else { continue };
            any = true;
            self.departed.count(cause);
            self.producer.leave(number);
            // After that, so that the slot is not given away before it is empty.
            self.receivers[number] = None;
        }
        any
    }

    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_quietly(message)?;
        self.wake();
        Ok(())
    }

    /// Pushes and leaves the waking to [`flush`](Self::flush).
    #[inline]
    pub fn push_quietly(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check(message.len())?;
        if let Err(error) = self.producer.try_push(message) {
            self.push_again(message, error)?;
        }
        self.tally.count(1, message.len() as u64);
        Ok(())
    }

    /// Pushes a message that was refused, if somebody who is gone held it up, or if it goes to the arena.
    #[cold]
    #[inline(never)]
    fn push_again(&mut self, message: &[u8], error: PushError) -> Result<(), PushError> {
        if error == PushError::Full && self.make_room() {
            return self.producer.try_push(message);
        }
        self.push_far(message, error)
    }

    #[inline(always)]
    fn check(&mut self, len: usize) -> Result<(), SendError> {
        self.look();
        match self.size {
            Some(size) if size != len => Err(SendError::WrongSize { len, size }),
            _ => Ok(()),
        }
    }

    pub fn claim(&mut self, len: usize) -> Result<RoomForAll<'_>, SendError> {
        self.check(len)?;
        self.room(len)?;
        let fixed = self.size.is_some();
        match self.producer.claim_or_back(len) {
            Ok(claim) => Ok(RoomForAll::Ring(BroadcastClaim { claim, tally: &mut self.tally, fixed })),
            Err((producer, error)) => {
                FarToAll::claim(self.arena.as_deref_mut(), producer, &mut self.tally, len, error)
                    .map(RoomForAll::Arena)
            }
        }
    }

    /// Whether a message of `len` bytes has room now.
    pub fn room(&mut self, len: usize) -> Result<(), SendError> {
        if self.is_far(len) {
            return self.room_far(len);
        }
        if self.producer.has_room(len)? || self.make_room() && self.producer.has_room(len)? {
            return Ok(());
        }
        Err(SendError::Full)
    }

    /// What is sent from now on is published together, as far as there is room.
    pub fn begin_batch(&mut self) {
        self.producer.publish_every(self.producer.capacity());
    }

    pub fn end_batch(&mut self) {
        self.producer.publish_every(self.publish_every);
        self.flush();
    }

    pub fn flush(&mut self) {
        self.producer.flush();
        self.wake();
        self.push_out();
    }

    #[inline]
    pub fn wake(&mut self) {
        if self.producer.wake(&self.tally.futex) {
            self.tally.woke();
        }
    }

    /// Waits for room for a message that is short enough.
    #[cold]
    pub fn wait(&mut self, len: usize, timeout: Duration) -> Result<(), SendError> {
        self.stalled();
        self.flush();
        let mut wait = Wait::new(self.waiting, timeout).hearing_all();
        loop {
            self.look();
            match self.room(len) {
                Err(SendError::Full) => {}
                other => return other,
            }
            match wait.pause() {
                Pause::Look => {}
                Pause::Park(time) => self.park(len, time),
                Pause::Over => return Err(SendError::TimedOut),
            }
        }
    }

    fn park(&mut self, len: usize, time: Duration) {
        if let Some(pump) = self.tally.pump() {
            return pump.wait(time.min(SOCKET_SLEEP));
        }
        if self.announce(len)
            && let Some(on) = self.sleep_on(len)
        {
            self.tally.futex.wait(on.word, on.expected, time.min(SHORT_SLEEP));
        }
        self.disarm();
    }

    /// Announces a sleep until there is room, and says what ends it; nothing: there is something to see at
    /// once. Then: [`disarm`](Self::disarm).
    pub fn arm(&mut self, len: usize) -> Option<Watchword> {
        if !self.announce(len) {
            return None;
        }
        let links: Vec<_> = self.receivers.iter().flatten().map(|joined| joined.end.link()).collect();
        Some(Watchword::new(self.sleep_on(len)?, Arc::new(links)))
    }

    fn sleep_on(&self, len: usize) -> Option<SleepOn<'_>> {
        if self.is_far(len) { self.sleep_far(len) } else { self.producer.sleep_on(len) }
    }

    /// Returns whether there is something to sleep for.
    fn announce(&mut self, len: usize) -> bool {
        if self.producer.arm(len).is_err() && !self.arm_far(len) {
            return false;
        }
        self.wake();
        self.tally.futex.heavy_fence();
        !self.receivers.iter().flatten().any(|joined| joined.end.gone().is_some())
    }

    /// Takes the announcement back.
    pub fn disarm(&mut self) {
        self.producer.disarm();
    }

    /// Waits until `count` receive, at most `timeout`; returns whether they do.
    pub fn wait_for_receivers(&mut self, count: usize, timeout: Duration) -> bool {
        // Each look sleeps, so that the clock is looked at each time.
        let mut wait = Wait::new(Waiting::Park, timeout);
        while self.receivers() < count {
            match wait.pause() {
                Pause::Over => return false,
                Pause::Park(left) => std::thread::sleep(left.min(Duration::from_micros(100))),
                Pause::Look => {}
            }
        }
        true
    }

    pub fn stalled(&mut self) {
        self.tally.stalled();
    }

    pub fn dropped(&mut self) {
        self.tally.counters.drops += 1;
        self.tally.show_rare();
    }
}

impl Drop for BroadcastSender {
    /// What is committed arrives, then the end of it. Who joined last gets nothing else.
    fn drop(&mut self) {
        self.take_changes();
        self.producer.flush();
        self.wake();
        if self.network.is_none() {
            self.receivers.iter().flatten().for_each(|joined| joined.end.close());
        }
        self.tally.close();
        self.hold = Box::new(());
    }
}

/// Where a message to all has room.
#[derive(Debug)]
pub(crate) enum RoomForAll<'a> {
    Ring(BroadcastClaim<'a>),
    Arena(FarToAll<'a>),
}

/// Room for one message to all, to be filled in place; dropping it gives the room back.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub(crate) struct BroadcastClaim<'a> {
    claim: Claim<'a, WriterRegion, ReaderRegion>,
    tally: &'a mut End,
    fixed: bool,
}

impl BroadcastClaim<'_> {
    pub(crate) fn len(&self) -> usize {
        self.claim.len()
    }

    pub(crate) fn words(&self) -> &[Word] {
        self.claim.words()
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.claim.write(at, bytes);
    }

    /// # Safety
    /// As [`Claim::as_mut_slice`].
    pub(crate) unsafe fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        // SAFETY: the caller promises it.
        unsafe { self.claim.as_mut_slice() }
    }

    pub(crate) fn commit_first(self, len: usize) {
        assert!(!self.fixed || len == self.len(), "{len} bytes in a channel of messages of {}", self.len());
        self.tally.count(1, len as u64);
        if self.claim.finish(len, &self.tally.futex) {
            self.tally.woke();
        }
    }
}
