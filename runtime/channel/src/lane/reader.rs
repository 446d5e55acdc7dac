//! The reading end of a lane.

use std::{any::Any, mem::ManuallyDrop, sync::Arc, time::Duration};

use adit_memory::{Region, Report};
use adit_ring::{
    Misbehaved,
    park::{Park as _, SleepOn},
    stream::{Bytes, Consumer, Record, ResumeError},
};

use super::{Counters, DisconnectCause, Link, Spec, end::End, memory::LaneMemory};
use crate::{futex::Futex, transport::kept::Presence};

/// The reading end of a lane; closes it when dropped.
#[derive(Debug)]
pub(crate) struct ReaderLane {
    consumer: Consumer<LaneMemory>,
    end: End,
    depth: Depth,
    /// A read found what no correct writer leaves.
    broken: bool,
    /// Of a lane that survives its processes: how it is known whether its writer lives. Such a lane is never
    /// over, since there may be another writer.
    kept: Option<Presence>,
    /// What the transport holds for as long as this end lives; dropped after the lane is closed.
    hold: Option<Box<dyn Any + Send>>,
}

/// Looks at how much waits, each time so many bytes were read.
#[derive(Debug)]
struct Depth {
    every: u64,
    next: u64,
}

impl ReaderLane {
    /// # Panics
    /// The capacity is no ring's, or a region is too short: both are checked before.
    pub fn new(spec: &Spec, peer: Arc<Region>, own: Arc<Region>) -> Self {
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&peer), Arc::clone(&own));
        let consumer = Consumer::new(memory).expect("the capacity was checked when the channel was built");
        let depth = Depth { every: (spec.capacity / 8) as u64, next: 0 };
        Self { consumer, end: End::new(own, peer), depth, broken: false, kept: None, hold: None }
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
        let consumer = Consumer::resume(memory)?;
        let depth = Depth { every: (spec.capacity / 8) as u64, next: consumer.position() };
        let end = End::new(own, peer);
        end.reopen();
        let mut lane = Self { consumer, end, depth, broken: false, kept: Some(presence), hold: None };
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

    /// Whether the lane survives its processes.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Whether somebody has the writing end, or a message is there.
    pub fn is_in_use(&mut self) -> bool {
        let there = match &mut self.kept {
            None => true,
            Some(presence) => presence.is_there() && !self.end.peer_closed(),
        };
        there || self.is_ready() == Ok(true)
    }

    #[inline]
    pub fn is_ready(&mut self) -> Result<bool, Misbehaved> {
        if self.broken { Ok(false) } else { self.consumer.is_ready() }
    }

    pub fn is_broken(&self) -> bool {
        self.broken
    }

    #[inline]
    pub fn read(&mut self) -> Result<Option<Message<'_>>, Misbehaved> {
        self.look_at_depth();
        let before = self.end.own_position();
        match self.consumer.read() {
            Ok(Some(record)) => {
                Ok(Some(Message { record: ManuallyDrop::new(record), end: &mut self.end, before }))
            }
            Ok(None) => Ok(None),
            Err(misbehaved) => {
                self.broken = true;
                Err(misbehaved)
            }
        }
    }

    /// Length of the next message, if there is one.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<usize>, Misbehaved> {
        let Some(record) = self.consumer.read()? else { return Ok(None) };
        let len = record.bytes().len();
        record.keep();
        Ok(Some(len))
    }

    pub fn read_batch(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, Misbehaved> {
        self.look_at_depth();
        let counters = &mut self.end.counters;
        let count = self.consumer.read_batch(most, |bytes| {
            counters.bytes += bytes.len() as u64;
            each(bytes);
        })?;
        counters.messages += count as u64;
        self.end.show_traffic();
        self.wake();
        Ok(count)
    }

    /// Publishes how far this end has read, and wakes the writer.
    pub fn acknowledge(&mut self) {
        self.consumer.publish_head();
        self.wake();
    }

    /// From now on publishes it after each message.
    pub fn acknowledge_each(&mut self) {
        self.consumer.publish_every(0);
    }

    #[inline]
    fn wake(&mut self) {
        if self.consumer.wake(&self.end.futex) {
            self.end.woke();
        }
    }

    #[inline(always)]
    fn look_at_depth(&mut self) {
        if self.consumer.position() >= self.depth.next {
            self.measure_depth();
        }
    }

    #[cold]
    fn measure_depth(&mut self) {
        let head = self.consumer.position();
        self.depth.next = head + self.depth.every;
        let waiting = self.end.peer_position().saturating_sub(head).min(self.consumer.capacity());
        if waiting > self.end.counters.depth {
            self.end.counters.depth = waiting;
            self.end.show_rare();
        }
    }

    /// Announces that this end is about to sleep. Then: a heavy fence, [`sleep_on`](Self::sleep_on), and
    /// [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.consumer.arm();
        self.wake();
    }

    /// What to sleep on; `None`: there is something to see.
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        // A kept lane whose writer is gone may get another, and wakes as any other when that one writes.
        if self.kept.is_none() && self.end.gone().is_some() { None } else { self.consumer.sleep_on() }
    }

    pub fn disarm(&mut self) {
        self.consumer.disarm();
        // After a sleep the depth is worth a look.
        self.depth.next = self.consumer.position();
    }

    /// Sleeps until a message is there, the writer is gone, or `time` is over; may return early.
    pub fn park(&mut self, futex: &Futex, time: Duration) {
        self.arm();
        futex.heavy_fence();
        if let Some(on) = self.sleep_on() {
            futex.wait(on.word, on.expected, time);
        }
        self.disarm();
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.end.peer_placement()
    }

    pub fn counters(&self) -> Counters {
        self.end.counters
    }

    pub fn stalled(&mut self) {
        self.end.stalled();
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

/// A message, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub struct Message<'a> {
    record: ManuallyDrop<Record<'a, LaneMemory>>,
    end: &'a mut End,
    before: u64,
}

impl<'a> Message<'a> {
    /// The payload, in memory that the sender can write: what is judged must first be copied.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        self.record.bytes()
    }

    /// Where the message stands in its sender's lane: more than that of any message before it, and the same
    /// when it is read again.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.record.position()
    }

    /// A copy of the payload.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let mut copy = vec![0; bytes.len()];
        bytes.copy_to(0, &mut copy);
        copy
    }

    /// Leaves the message in the channel, to be read again.
    pub fn keep(self) {
        // The record's own destructor consumes it, and so does this guard's: neither runs. They hold nothing
        // but borrows.
        std::mem::forget(self);
    }
}

impl Drop for Message<'_> {
    #[inline]
    fn drop(&mut self) {
        let len = self.record.bytes().len();
        // SAFETY: here and nowhere else, and the record is not touched after.
        unsafe { ManuallyDrop::drop(&mut self.record) };
        self.end.counters.messages += 1;
        self.end.counters.bytes += len as u64;
        self.end.show_traffic();
        self.end.wake_since(self.before);
    }
}
