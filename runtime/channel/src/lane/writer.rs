//! The writing end of a lane.

use std::{any::Any, sync::Arc, time::Duration};

use adit_memory::{Region, Report};
use adit_ring::{
    park::Park as _,
    stream::{self, Producer, PushError, ResumeError, Word},
};

use super::{Counters, DisconnectCause, Link, Spec, end::End, header::RING, memory::LaneMemory};

/// The writing end of a lane; closes it when dropped.
#[derive(Debug)]
pub(crate) struct WriterLane {
    producer: Producer<LaneMemory>,
    end: End,
    /// Messages have one size.
    fixed: bool,
    /// What the transport holds for as long as this end lives; dropped after the lane is closed.
    hold: Option<Box<dyn Any + Send>>,
}

impl WriterLane {
    /// # Panics
    /// The capacity is no ring's, or a region is too short: both are checked before.
    pub fn new(spec: &Spec, own: Arc<Region>, peer: Arc<Region>) -> Self {
        debug_assert!(own.len() >= RING);
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&own), Arc::clone(&peer));
        let producer = Producer::new(memory).expect("the capacity was checked when the channel was built");
        Self { producer, end: End::new(own, peer), fixed: spec.kind.size().is_some(), hold: None }
    }

    /// The writing end of a lane that a former process may have written to: goes on after what that one
    /// published.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn resume(spec: &Spec, own: Arc<Region>, peer: Arc<Region>) -> Result<Self, ResumeError> {
        let memory = LaneMemory::new(spec.capacity, Arc::clone(&own), Arc::clone(&peer));
        // spec: SEG-2.5
        let producer = Producer::resume(memory)?;
        let end = End::new(own, peer);
        end.reopen();
        let mut lane = Self { producer, end, fixed: spec.kind.size().is_some(), hold: None };
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

    pub fn longest(&self) -> usize {
        self.producer.longest()
    }

    pub fn publish_every(&mut self, bytes: u64) {
        self.producer.publish_every(bytes);
    }

    #[inline]
    pub fn gone(&self) -> Option<DisconnectCause> {
        self.end.gone()
    }

    /// Pushes and wakes.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.push_quietly(message)?;
        self.wake();
        Ok(())
    }

    /// Pushes and leaves the waking to [`flush`](Self::flush).
    #[inline]
    pub fn push_quietly(&mut self, message: &[u8]) -> Result<(), PushError> {
        self.producer.try_push(message)?;
        self.end.counters.messages += 1;
        self.end.counters.bytes += message.len() as u64;
        self.end.show_traffic();
        Ok(())
    }

    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, PushError> {
        let before = self.end.own_position();
        let claim = self.producer.claim(len)?;
        Ok(Claim { claim, end: &mut self.end, before, fixed: self.fixed })
    }

    pub fn flush(&mut self) {
        self.producer.flush();
        self.wake();
    }

    #[inline]
    fn wake(&mut self) {
        if self.producer.wake(&self.end.futex) {
            self.end.woke();
        }
    }

    /// Whether a message of `len` bytes has room now.
    pub fn has_room(&mut self, len: usize) -> bool {
        self.producer.claim(len).is_ok()
    }

    /// Sleeps until there is room, the reader is gone, or `time` is over; may return early.
    pub fn park(&mut self, len: usize, time: Duration) {
        if self.producer.arm(len).is_err() {
            return;
        }
        self.wake();
        self.end.futex.heavy_fence();
        if self.end.gone().is_none()
            && let Some(on) = self.producer.sleep_on(len)
        {
            self.end.futex.wait(on.word, on.expected, time);
        }
        self.producer.disarm();
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.end.own_placement()
    }

    pub fn counters(&self) -> Counters {
        self.end.counters
    }

    pub fn stalled(&mut self) {
        self.end.stalled();
    }

    pub fn dropped(&mut self) {
        self.end.counters.drops += 1;
        self.end.show_rare();
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
    before: u64,
    fixed: bool,
}

impl Claim<'_> {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.claim.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claim.is_empty()
    }

    /// The words to fill; bytes of the last one beyond the length are read by nobody.
    #[inline]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        self.claim.words()
    }

    /// Writes `bytes` from byte `at` on.
    ///
    /// # Panics
    /// The claim is too short for them.
    #[inline]
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        self.claim.write(at, bytes);
    }

    /// The bytes as a slice, to be filled by whatever wants one (a socket, a decoder).
    ///
    /// # Safety
    /// Nobody else accesses the ring's buffer where this claim stands while the slice lives: no other process
    /// can write to it, and a correct reader never looks at what is not published.
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the caller promises it.
        unsafe { self.claim.as_mut_slice() }
    }

    /// Sends the message.
    #[inline]
    pub fn commit(self) {
        let Self { claim, end, before, .. } = self;
        let len = claim.len();
        claim.commit();
        committed(end, len, before);
    }

    /// Sends the first `len` bytes; the rest is given back.
    ///
    /// # Panics
    /// The claim is shorter, or the channel's messages have a fixed size and this is not it.
    pub fn commit_first(self, len: usize) {
        let Self { claim, end, before, fixed } = self;
        assert!(!fixed || len == claim.len(), "{len} bytes in a channel of messages of {}", claim.len());
        claim.commit_first(len);
        committed(end, len, before);
    }

    /// Gives the room back, as dropping does.
    pub fn abort(self) {}
}

#[inline]
fn committed(end: &mut End, len: usize, before: u64) {
    end.counters.messages += 1;
    end.counters.bytes += len as u64;
    end.show_traffic();
    end.wake_since(before);
}
