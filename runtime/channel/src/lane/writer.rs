//! The writing end of a lane.

mod arena;
mod sleep;
mod slot;

use std::{any::Any, sync::Arc};

use adit_memory::{Region, Report};
use adit_ring::stream::{self, Framing, Producer, PushError, ResumeError, Slot, Word, arena::ArenaWriter};

use super::{
    Counters, DisconnectCause, Link, Pump, Spec,
    end::End,
    header::RING,
    memory::{LaneMemory, Slab},
};

pub(crate) use arena::{FarClaim, NoRoom, SHORT, arena_memory};

/// So many bytes are pushed at most before a look whether the reader's process lives.
const TURN: u64 = 16 << 10;

/// What became of a message that was to be pushed in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum InTurn {
    Pushed,
    /// It belongs to none; nothing happened.
    NoTurn,
    /// The reader is gone: nobody reads it.
    Gone,
}

/// The writing end of a lane; closes it when dropped. Alone on its cache lines, as the reading end is.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct WriterLane {
    producer: Producer<LaneMemory>,
    end: End,
    /// Where long messages go, which the ring refuses then.
    arena: Option<Box<ArenaWriter<Slab>>>,
    /// Where it began to write.
    since: u64,
    /// The lane survives its processes: nobody announces a death.
    kept: bool,
    /// What the transport holds for as long as this end lives; dropped after the lane is closed.
    hold: Option<Box<dyn Any + Send>>,
}

impl WriterLane {
    /// # Panics
    /// The capacity is no ring's, or a region is too short: both are checked before.
    pub fn new(spec: &Spec, own: Arc<Region>, peer: Arc<Region>) -> Self {
        debug_assert!(own.len() >= RING);
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&own), Arc::clone(&peer));
        let mut producer = Producer::framed(memory, spec.kind.framing())
            .expect("capacity and size were checked when the channel was built");
        let arena = arena::of(spec, &own, &mut producer);
        let mut end = End::new(Arc::clone(&own), peer);
        if spec.kind.is_measured() {
            end.stamp_messages(&own);
        }
        Self { producer, end, arena, since: 0, kept: false, hold: None }
    }

    /// The writing end of a lane that a former process may have written to: goes on after what that one
    /// published.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn resume(spec: &Spec, own: Arc<Region>, peer: Arc<Region>) -> Result<Self, ResumeError> {
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&own), Arc::clone(&peer));
        // spec: SEG-2.5, SEG-2.6
        let mut producer = Producer::resume_unchanged(memory, spec.kind.framing())?;
        let arena = arena::resumed(spec, &own, &mut producer)?;
        producer.disarm();
        let end = End::new(own, peer);
        end.reopen();
        let since = producer.position();
        let mut lane = Self { producer, end, arena, since, kept: true, hold: None };
        // A writer that died may have left its reader asleep.
        lane.wake();
        Ok(lane)
    }

    pub fn hold(&mut self, hold: impl Any + Send) {
        self.hold = Some(Box::new(hold));
    }

    pub fn link(&self) -> Arc<Link> {
        self.end.link()
    }

    /// Whether the lane survives its processes.
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// Takes no longer message than `most`, if messages have any length.
    pub fn limit(&mut self, most: usize) {
        self.producer.limit(most);
    }

    pub fn longest(&self) -> usize {
        self.arena.as_ref().map_or(self.producer.longest(), |arena| arena.longest())
    }

    pub fn publish_every(&mut self, bytes: u64) {
        self.producer.publish_every(bytes);
    }

    #[inline(always)]
    pub fn gone(&self) -> Option<DisconnectCause> {
        self.end.gone()
    }

    /// Whether the process of the reader is known to be gone.
    #[inline(always)]
    pub fn is_dead(&self) -> bool {
        self.end.link_is_dead()
    }

    /// Pushes and wakes.
    #[inline(always)]
    pub fn push(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.push_quietly(message)?;
        self.wake();
        Ok(())
    }

    /// Pushes and leaves the waking to [`flush`](Self::flush).
    #[inline(always)]
    pub fn push_quietly(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.stamp_if_due(message.len());
        if let Err(error) = self.producer.try_push(message) {
            return self.push_far(message, error);
        }
        if self.producer.framing() == Framing::Records {
            self.end.count(1, message.len() as u64);
        }
        Ok(())
    }

    /// Pushes a message of the one size that all have, if it belongs to a turn, and wakes.
    ///
    /// Nobody needs the message after that, so that it stays in registers where it was made in some.
    #[inline(always)]
    pub fn push_in_turn(&mut self, message: &[u8]) -> InTurn {
        if !self.producer.push_in_turn(message) {
            InTurn::NoTurn
        } else if !self.has_waiting_reader() || self.wake_or_stop() {
            InTurn::Pushed
        } else {
            InTurn::Gone
        }
    }

    /// Whether the reader may be asleep, or has closed, after a message of a turn was pushed.
    #[inline(always)]
    fn has_waiting_reader(&self) -> bool {
        self.end.futex.registered_fence();
        self.producer.has_waiting_reader()
    }

    /// Begins a turn of at most so many bytes; 0 ends it.
    pub fn begin_turn(&mut self, most: u64) {
        // What is to be stamped is not pushed in a turn, nor what needs a fence after it.
        let plain = self.end.stamp_at.saturating_sub(self.producer.position());
        let most = if self.end.futex.is_fenced() { 0 } else { most.min(plain) };
        self.producer.begin_turn(most);
    }

    /// Wakes the reader, or says that it is gone and has not read what was pushed: then nobody will.
    #[cold]
    fn wake_or_stop(&mut self) -> bool {
        self.wake();
        if !self.end.is_gone() {
            return true;
        }
        self.producer.end_turn();
        self.end.peer_position() >= self.producer.position()
    }

    /// Pushes the first message of a turn, of the one size that all have, and wakes.
    pub fn push_first(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.push(message)?;
        self.begin_turn(TURN);
        Ok(())
    }

    /// Pushes messages of the one size that all have, as many as have room, and wakes.
    #[inline(always)]
    pub fn push_run(&mut self, size: usize, messages: &[u8]) -> Result<usize, PushError> {
        if messages.len() >= size {
            self.stamp_if_due(size);
        }
        let mut pushed = self.producer.try_push_run(size, messages);
        if pushed == Err(PushError::Full) && self.push_out() {
            pushed = self.producer.try_push_run(size, messages);
        }
        let count = pushed.inspect_err(|error| self.doubt(*error))?;
        self.wake();
        Ok(count)
    }

    /// Pushes messages of the one size that all have, each written in place by `fill`, as long as there is room, at
    /// most `most` and as long as `fill` says that there is one, and wakes.
    #[inline(always)]
    pub fn push_each(
        &mut self,
        size: usize,
        most: usize,
        fill: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<usize, PushError> {
        if self.end.pump().is_some() {
            // What was gathered goes out, if there is no room.
            let _ = self.room(size);
        }
        let pushed = match self.producer.position() < self.end.stamp_at {
            true => self.producer.try_push_each(size, most, fill),
            false => self.push_each_stamped(size, most, fill),
        };
        let count = pushed.inspect_err(|error| self.doubt(*error))?;
        self.wake();
        Ok(count)
    }

    /// As [`push_each`](Self::push_each), where the first message is to be stamped, if there is one.
    #[cold]
    #[inline(never)]
    fn push_each_stamped(
        &mut self,
        size: usize,
        most: usize,
        mut fill: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<usize, PushError> {
        let (position, end, mut first) = (self.producer.position(), &mut self.end, true);
        self.producer.try_push_each(size, most, |slot| {
            let filled = fill(slot);
            if filled && std::mem::take(&mut first) {
                end.stamp(position);
            }
            filled
        })
    }

    #[inline(always)]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, NoRoom<'_>> {
        if self.end.pump().is_some() {
            // What was gathered goes out, if there is no room.
            let _ = self.room(len);
        }
        let position = self.producer.position();
        match self.producer.claim_or_back(len) {
            Ok(claim) => Ok(Claim { claim, end: &mut self.end, position }),
            Err((producer, error)) => {
                if error == PushError::Full && !self.kept && producer.check_peer().is_err() {
                    self.end.peer_misbehaved();
                }
                let arena = self.arena.as_deref_mut();
                Err(NoRoom { producer, arena, end: &mut self.end, position, len, error })
            }
        }
    }

    /// Stamps the next message if that is due and it has room.
    #[inline(always)]
    fn stamp_if_due(&mut self, len: usize) {
        if self.producer.position() >= self.end.stamp_at {
            self.stamp(len);
        }
    }

    /// Apart from what sends, which would otherwise not keep a message in registers.
    #[cold]
    #[inline(never)]
    fn stamp(&mut self, len: usize) {
        if self.room(len).is_ok() {
            self.end.stamp(self.producer.position());
        }
    }

    /// Publishes what was sent and wakes the reader. A transport may still gather it, which it may not after a
    /// [`flush`](Self::flush).
    pub fn publish(&mut self) {
        self.producer.flush();
        self.wake();
    }

    pub fn flush(&mut self) {
        self.producer.flush();
        match self.end.pump() {
            Some(pump) => pump.push_out(),
            None => self.wake(),
        }
    }

    /// The other end is a transport.
    pub fn set_pump(&mut self, pump: Box<dyn Pump>) {
        self.end.set_pump(pump);
    }

    /// Hands over what is published, if that is a transport's task; returns whether it is.
    pub fn push_out(&mut self) -> bool {
        self.end.pump().is_some_and(|pump| {
            pump.push_out();
            true
        })
    }

    /// Whether the other end is a transport that took everything when it last tried.
    pub fn keeps_up(&mut self) -> bool {
        self.end.pump().is_some_and(|pump| pump.keeps_up())
    }

    #[inline(always)]
    pub fn wake(&mut self) {
        if self.producer.wake(&self.end.futex) {
            self.end.woke();
        }
    }

    /// Whether a message of `len` bytes has room now.
    pub fn room(&mut self, len: usize) -> Result<(), PushError> {
        let room = match self.producer.claim(len).map(drop) {
            Err(PushError::TooLong { .. }) if self.arena.is_some() => {
                return self.room_far(len).inspect_err(|error| self.doubt(*error));
            }
            room => room,
        };
        match self.end.pump() {
            Some(pump) if room == Err(PushError::Full) => {
                pump.push_out();
                self.producer.claim(len).map(drop)
            }
            _ => room.inspect_err(|error| self.doubt(*error)),
        }
    }

    /// spec: CHN-1.4
    ///
    /// Without room: a reader whose cursor cannot be gives none back any more, and counts as gone.
    #[cold]
    fn doubt(&self, error: PushError) {
        // spec: SEG-2.3
        if error == PushError::Full && !self.kept && self.producer.check_peer().is_err() {
            self.end.peer_misbehaved();
        }
    }

    /// As [`doubt`](Self::doubt), where it is known that there is no room.
    #[cold]
    pub fn doubt_reader(&self) {
        self.doubt(PushError::Full);
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.end.own_placement()
    }

    /// Bytes that the reader has not said it has read, of messages in the arena too.
    pub fn outstanding(&mut self) -> u64 {
        let in_ring = self.producer.capacity() - self.producer.refresh();
        in_ring + self.arena.as_mut().map_or(0, |arena| arena.outstanding(&self.producer))
    }

    /// Bytes that were sent, of messages in the arena too.
    pub fn sent(&self) -> u64 {
        self.producer.position() + self.arena.as_ref().map_or(0, |arena| arena.sent())
    }

    /// How many of this lane's messages the reader says it has finished.
    pub fn messages_read(&self) -> u64 {
        self.end
            .peer_messages(self.producer.framing(), self.producer.capacity())
            .min(self.counters().messages)
    }

    pub fn counters(&self) -> Counters {
        let producer = &self.producer;
        self.end.counters.with_traffic(
            producer.framing(),
            producer.capacity(),
            self.since,
            producer.position(),
        )
    }

    pub fn stalled(&mut self) {
        self.end.stalled();
    }

    pub fn dropped(&mut self) {
        self.end.counters.drops += 1;
        self.end.show_rare();
    }

    /// Publishes what is not so.
    #[cfg(test)]
    pub fn lie(&self, tail: u64) {
        self.end.lie(tail);
    }

    #[cfg(test)]
    pub fn shown(&self) -> [u64; 6] {
        self.end.shown()
    }
}

impl Drop for WriterLane {
    /// What is committed arrives, then the end of it.
    fn drop(&mut self) {
        self.producer.flush();
        self.end.close();
    }
}

/// Room for one message, to be filled in place; dropping it gives the room back, and nobody has seen it.
///
/// The bytes hold whatever was there before.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub struct Claim<'a> {
    claim: stream::Claim<'a, LaneMemory>,
    end: &'a mut End,
    position: u64,
}

impl Claim<'_> {
    /// Length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.claim.len()
    }

    /// The words to fill; bytes of the last one beyond the length are read by nobody.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        self.claim.words()
    }

    /// Writes `bytes` from byte `at` on.
    ///
    /// # Panics
    /// The claim is too short for them.
    #[inline(always)]
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.claim.write(at, bytes);
    }

    /// The bytes as a slice, to be filled by whatever wants one (a socket, a decoder).
    ///
    /// # Safety
    /// Nobody else accesses the ring's buffer where this claim stands while the slice lives: no other process
    /// can write to it, and a correct reader never looks at what is not published.
    #[inline(always)]
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the caller promises it.
        unsafe { self.claim.as_mut_slice() }
    }

    /// Sends the message.
    #[inline(always)]
    pub fn commit(self) {
        let len = self.len();
        self.commit_first(len);
    }

    /// Sends the first `len` bytes; the rest is given back.
    ///
    /// # Panics
    /// The claim is shorter, or the channel's messages have a fixed size and this is not it.
    #[inline(always)]
    pub fn commit_first(self, len: usize) {
        let Self { claim, end, position } = self;
        if position >= end.stamp_at {
            end.stamp(position);
        }
        if claim.framing() == Framing::Records {
            end.count(1, len as u64);
        }
        if claim.finish(len, &end.futex) {
            end.woke();
        }
    }
}
