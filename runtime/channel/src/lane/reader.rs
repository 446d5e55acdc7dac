//! The reading end of a lane.

mod arena;
mod message;
mod slots;
mod source;
mod steps;

use std::{any::Any, mem::ManuallyDrop, sync::Arc, time::Duration};

use adit_memory::{Region, Report};
use adit_ring::{
    Misbehaved,
    park::{Park as _, SleepOn},
    stream::{Bytes, Consumer, Framing, ResumeError, arena::ArenaReader},
};

use super::{
    Counters, DisconnectCause, Link, Source, Spec,
    end::End,
    gather::Gather,
    latency::{self, Meter},
    memory::{LaneMemory, Slab},
};
use crate::{futex::Futex, latency::Latency, transport::kept::Presence};

pub(crate) use arena::{FarMessage, Refused};
pub use message::Message;
pub(crate) use slots::Slots;
pub(crate) use steps::{Lent, Steps};

/// The reading end of a lane; closes it when dropped.
///
/// Alone on its cache lines: what it writes for each message must not stand beside what another thread reads.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ReaderLane {
    consumer: Consumer<LaneMemory>,
    end: End,
    /// Where messages lie that the ring refuses.
    arena: Option<Box<ArenaReader<Slab>>>,
    /// Where it began to read.
    since: u64,
    /// A read found what no correct writer leaves.
    broken: bool,
    /// How long messages may gather before a look.
    gather: Gather,
    /// Counts latencies, where the channel asks for it.
    meter: Option<Box<Meter>>,
    /// Of a lane that survives its processes: how it is known whether its writer lives. Such a lane is never
    /// over, since there may be another writer.
    kept: Option<Presence>,
    /// Brings the messages, if the writer is a transport.
    source: Option<Box<dyn Source>>,
    /// What the transport holds for as long as this end lives; dropped after the lane is closed.
    hold: Option<Box<dyn Any + Send>>,
}

impl ReaderLane {
    /// # Panics
    /// The capacity is no ring's, or a region is too short: both are checked before.
    pub fn new(spec: &Spec, peer: Arc<Region>, own: Arc<Region>) -> Self {
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&peer), Arc::clone(&own));
        let consumer = Consumer::framed(memory, spec.kind.framing())
            .expect("capacity and size were checked when the channel was built");
        let gather = Gather::new(consumer.capacity());
        let meter = spec.kind.is_measured().then(|| Box::new(Meter::new(&own, &peer)));
        let arena = arena::of(spec, &peer);
        Self {
            consumer,
            end: End::new(own, peer),
            arena,
            since: 0,
            broken: false,
            gather,
            meter,
            kept: None,
            source: None,
            hold: None,
        }
    }

    /// The reading end of a lane that a former process may have read from: goes on after what that one said it
    /// had read.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn resume(
        spec: &Spec,
        peer: Arc<Region>,
        own: Arc<Region>,
        presence: Presence,
    ) -> Result<Self, ResumeError> {
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&peer), Arc::clone(&own));
        let consumer = Consumer::resume_framed(memory, spec.kind.framing())?;
        let arena = arena::resumed(spec, &peer);
        let end = End::new(own, peer);
        end.reopen();
        let since = consumer.position();
        let gather = Gather::new(consumer.capacity());
        let mut lane = Self {
            consumer,
            end,
            arena,
            since,
            broken: false,
            gather,
            meter: None,
            kept: Some(presence),
            source: None,
            hold: None,
        };
        // A reader that died may have left its writer asleep.
        lane.wake();
        Ok(lane)
    }

    pub fn hold(&mut self, hold: impl Any + Send) {
        self.hold = Some(Box::new(hold));
    }

    pub fn link(&self) -> Arc<Link> {
        self.end.link()
    }

    #[inline]
    pub fn gone(&mut self) -> Option<DisconnectCause> {
        match &mut self.kept {
            None => self.end.gone(),
            Some(presence) => {
                if self.end.peer_closed() {
                    Some(DisconnectCause::Closed)
                } else if presence.is_there() || !self.end.peer_was_there() {
                    None
                } else {
                    Some(DisconnectCause::PeerDied)
                }
            }
        }
    }

    /// Whether the writer of a [plain](Self::is_plain) lane is gone.
    #[inline(always)]
    pub fn is_gone(&self) -> bool {
        self.end.is_gone()
    }

    /// Whether the lane survives its processes.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether somebody has the writing end, or a message is there.
    pub fn is_in_use(&mut self) -> bool {
        if self.broken {
            return false;
        }
        let there = match &mut self.kept {
            None => true,
            Some(presence) => presence.is_there() && !self.end.peer_closed(),
        };
        there || self.consumer.is_ready() == Ok(true)
    }

    /// Whether messages come from a ring and nothing else is to be seen to.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        let is_ring = self.source.is_none() & self.meter.is_none() & !self.broken;
        is_ring && (self.kept.is_none() || self.is_believed())
    }

    /// Whether the writer of a lane that survives its processes was there not long ago.
    #[inline(never)]
    fn is_believed(&self) -> bool {
        self.kept.as_ref().is_some_and(Presence::is_believed)
    }

    /// The shortest look, for an end that looks again and again: at the writer's tail, and at whether it closed. A message
    /// of `size` bytes, as all have, that is found alone is stepped past.
    #[inline(always)]
    pub fn peek(&mut self, most: u64, size: usize) -> Peek {
        // The first look after something was read may let messages gather before it, and must.
        if !self.gather.is_in_vain() || !self.is_plain() {
            Peek::Look
        } else if self.consumer.is_still() {
            if self.end.is_gone() { Peek::Look } else { Peek::Nothing }
        } else if let Some(place) = self.consumer.step_past_only(size) {
            self.gather.looked(true);
            self.end.show_position(self.consumer.position());
            self.wake();
            self.show_depth();
            Peek::Only(place)
        } else {
            let ready = self.consumer.begin_turn(most) == Ok(true);
            self.gather.looked(ready);
            // What was stepped past through slots may have been told only now.
            self.wake();
            self.show_depth();
            if ready { Peek::Ready } else { Peek::Look }
        }
    }

    /// The message that a [look](Self::peek) stepped past.
    #[inline(always)]
    pub fn bytes_at(&self, place: usize, size: usize) -> Bytes<'_> {
        self.consumer.bytes_at(place, size)
    }

    /// As [`begin_turn`](Self::begin_turn), for a lane that is [plain](Self::is_plain).
    #[inline(always)]
    pub fn begin_plain_turn(&mut self, most: u64) -> Result<bool, Misbehaved> {
        let ready = self.consumer.begin_turn(most)?;
        if !ready {
            self.tell_whoever_goes_on();
        }
        self.wake();
        self.gather.looked(ready);
        if ready {
            self.show_depth();
        }
        Ok(ready)
    }

    /// Nothing is left to read: whoever goes on after this process need not read again what it had read by then.
    #[inline(always)]
    fn tell_whoever_goes_on(&mut self) {
        if self.kept.is_some() {
            self.consumer.publish_head();
        }
    }

    #[inline(always)]
    fn show_depth(&mut self) {
        if self.consumer.deepest() != self.end.counters.depth {
            self.end.counters.depth = self.consumer.deepest();
            self.end.show_rare();
        }
    }

    /// Looks whether a message is there; if so, a turn begins: the messages that follow within `most` bytes.
    pub fn begin_turn(&mut self, most: u64) -> Result<bool, Misbehaved> {
        if self.broken {
            return Ok(false);
        }
        let mut ready = self.consumer.begin_turn(most)?;
        if !ready && let Some(source) = &mut self.source {
            // There is all the room that there can be.
            self.consumer.publish_head();
            source.fill();
            ready = self.consumer.begin_turn(most)?;
        }
        if !ready {
            self.tell_whoever_goes_on();
        }
        self.gather.looked(ready);
        if ready && let Some(meter) = &mut self.meter {
            // After the tail was looked at, so that the stamps of all that is published are seen.
            let position = self.consumer.position();
            let stamped = meter.read_to(position);
            if stamped - position < most {
                self.consumer.begin_turn(stamped - position)?;
            }
        }
        self.wake();
        self.show_depth();
        Ok(ready)
    }

    /// Before a look at the tail: lets messages gather for a moment if they come faster than one at a look, so that
    /// the writer need not fetch the tail's line back from here for each of them.
    #[inline]
    pub fn gather(&mut self) {
        if self.consumer.is_drained() && !self.gather.is_in_vain() {
            let (position, messages) = (self.consumer.position(), self.end.counters.messages);
            self.gather.pause(self.consumer.framing(), position, messages);
        }
    }

    /// Whether all is read, and nothing more was published since the last look.
    #[inline(always)]
    pub fn is_still(&self) -> bool {
        self.consumer.is_still()
    }

    /// Whether little is left of what the last look found, so that the next turn ends with it.
    #[inline(always)]
    pub fn has_rest(&self) -> bool {
        self.consumer.has_rest()
    }

    /// Whether all was read that the last look found.
    #[inline(always)]
    pub fn is_drained(&self) -> bool {
        self.consumer.is_drained()
    }

    /// Whether the next message is there and belongs to the turn.
    #[inline(always)]
    pub fn is_in_turn(&self) -> bool {
        self.consumer.is_in_turn()
    }

    pub fn end_turn(&mut self) {
        self.consumer.end_turn();
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Copies the next message of the turn, if it is of this one size, as all of the lane's must be.
    pub fn pop_in_turn(&mut self, into: &mut [u8]) -> bool {
        let popped = self.consumer.pop_in_turn(into);
        if popped {
            self.end.show_position(self.consumer.position());
            self.wake();
        }
        popped
    }

    /// Copies messages of this one size, as many as are there and `into` has room for.
    #[inline]
    pub fn pop_run(&mut self, size: usize, into: &mut [u8]) -> Result<usize, Misbehaved> {
        let begun = self.batch_begun();
        let count = self.consumer.try_pop_run(size, into).inspect_err(|_| self.broken = true)?;
        self.batch_ended(begun);
        self.end.show_position(self.consumer.position());
        self.wake();
        Ok(count)
    }

    #[inline(always)]
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Refused<'_>> {
        match self.consumer.read_or_back() {
            Ok(Some(mut record)) => {
                // A skip before it was given back, and the record may be kept for long.
                if record.wake(&self.end.futex) {
                    self.end.woke();
                }
                Ok(Some(Message { record: ManuallyDrop::new(record), end: &mut self.end }))
            }
            Ok(None) => Ok(None),
            Err((consumer, misbehaved)) => {
                self.broken = true;
                let arena = self.arena.as_deref_mut();
                Err(Refused { consumer, arena, end: &mut self.end, broken: &mut self.broken, misbehaved })
            }
        }
    }

    pub fn read_batch(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, Misbehaved> {
        let (mut sum, begun) = (0, self.batch_begun());
        let read = self.consumer.read_batch(most, |bytes| {
            sum += bytes.len() as u64;
            each(bytes);
        });
        let count = match read {
            Ok(count) => count,
            Err(misbehaved) => return self.read_far(misbehaved, each),
        };
        self.batch_ended(begun);
        if self.consumer.framing() == Framing::Records {
            self.end.count(count as u64, sum);
        }
        self.end.show_position(self.consumer.position());
        self.wake();
        Ok(count)
    }

    /// When a batch begins, where that is measured: a turn ends before what is stamped, and a batch does not.
    #[inline]
    fn batch_begun(&self) -> Option<u64> {
        self.meter.as_ref().map(|_| latency::now())
    }

    #[inline]
    fn batch_ended(&mut self, begun: Option<u64>) {
        if let (Some(meter), Some(begun)) = (&mut self.meter, begun) {
            meter.read_batch(self.consumer.position(), begun);
        }
    }

    /// Publishes how far this end has read, and wakes the writer.
    pub fn acknowledge(&mut self) {
        self.consumer.publish_head();
        self.wake();
    }

    /// From now on says of a long message that it was read only when this end comes for another.
    pub fn acknowledge_late(&mut self) {
        self.consumer.publish_far_late();
    }

    /// From now on publishes it after each message.
    pub fn acknowledge_each(&mut self) {
        self.consumer.publish_every(0);
    }

    #[inline(always)]
    fn wake(&mut self) {
        if self.consumer.wake(&self.end.futex) {
            self.end.woke();
        }
    }

    /// Announces that this end is about to sleep. Then: a heavy fence, [`sleep_on`](Self::sleep_on), and
    /// [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.consumer.arm();
        self.wake();
    }

    /// Whether a sleep is announced.
    pub fn is_armed(&self) -> bool {
        self.end.is_armed()
    }

    /// What to sleep on; `None`: there is something to see.
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        // A kept lane whose writer is gone may get another, and wakes as any other when that one writes.
        if self.kept.is_none() && self.end.gone().is_some() { None } else { self.consumer.sleep_on() }
    }

    /// What changes when the writer closes or dies, besides.
    pub fn farewells(&self) -> [SleepOn<'_>; 2] {
        self.end.farewells()
    }

    pub fn disarm(&mut self) {
        self.consumer.disarm();
    }

    /// Sleeps until a message is there, the writer is gone, or `time` is over; may return early.
    pub fn park(&mut self, futex: &Futex, time: Duration) {
        self.arm();
        futex.heavy_fence();
        if let Some(on) = self.sleep_on() {
            self.end.sleep(futex, on, time);
        }
        self.disarm();
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.end.peer_placement()
    }

    pub fn counters(&self) -> Counters {
        let consumer = &self.consumer;
        let mut counters = self.end.counters.with_traffic(
            consumer.framing(),
            consumer.capacity(),
            self.since,
            consumer.position(),
        );
        counters.lost += self.source.as_ref().map_or(0, |source| source.lost());
        counters
    }

    /// What stamps told; `None`: the channel does not measure.
    pub fn latency(&self) -> Option<Latency> {
        self.meter.as_ref().map(|meter| meter.latency())
    }

    pub fn stalled(&mut self) {
        self.end.stalled();
    }

    /// Publishes a head that is not so.
    #[cfg(test)]
    pub fn lie(&self, head: u64) {
        self.end.lie(head);
    }
}

impl Drop for ReaderLane {
    fn drop(&mut self) {
        self.consumer.publish_head();
        // Nobody writes in vain to a kept lane: the next reader reads it.
        if self.kept.is_none() {
            self.end.close();
        }
    }
}

/// What a short look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peek {
    /// A message, which was stepped past; [where it is](ReaderLane::bytes_at).
    Only(usize),
    /// A message, the first of a turn.
    Ready,
    /// Nothing.
    Nothing,
    /// What only a whole look can tell.
    Look,
}
