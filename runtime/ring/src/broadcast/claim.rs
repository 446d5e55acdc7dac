//! Room for a record, filled in place.

use std::ops::Deref;

use super::{Producer, ReaderCell, Word, WriterMemory, producer::Room};
use crate::{park::Park, stream::copy};

/// Room for one record; dropping it gives the room back, and nobody takes it for a message.
///
/// The bytes hold whatever was there before.
#[derive(Debug)]
#[must_use = "a claim that is not committed is given back"]
pub struct Claim<'a, M: WriterMemory, R: Deref<Target = ReaderCell>> {
    producer: &'a mut Producer<M, R>,
    room: Room,
    len: usize,
}

impl<'a, M: WriterMemory, R: Deref<Target = ReaderCell>> Claim<'a, M, R> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer<M, R>, room: Room, len: usize) -> Self {
        Self { producer, room, len }
    }

    /// Length in bytes.
    #[inline(always)]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The words to fill; bytes of the last one beyond the length are read by nobody.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> &[Word] {
        self.producer.payload(self.room, self.len)
    }

    /// Writes `bytes` from byte `at` on.
    ///
    /// # Panics
    /// The claim is too short for them.
    #[inline(always)]
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(
            at.checked_add(bytes.len()).is_some_and(|end| end <= self.len),
            "{at} + {} is out of a claim of {} bytes",
            bytes.len(),
            self.len
        );
        copy::write(self.words(), at, bytes);
    }

    /// The bytes as a slice, to be filled by whatever wants one (a socket, a decoder); `None` where followers
    /// may still be copying the record that stood here before, to throw it away.
    ///
    /// # Safety
    /// Nobody else accesses the ring's buffer where this claim stands while the slice lives: there is one
    /// producer for the memory, and no other process can write to it. A correct reader of a lossless ring
    /// never looks at what is not published.
    #[cfg(not(loom))]
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> Option<&mut [u8]> {
        let len = self.len;
        if self.producer.policy() != super::Policy::Lossless {
            return None;
        }
        // SAFETY: `len` bytes are within the words, which are atomics and so may be written through a
        // shared reference; the caller promises that nobody else accesses them.
        Some(unsafe { std::slice::from_raw_parts_mut(self.words().as_ptr().cast_mut().cast(), len) })
    }

    /// Makes the record part of the stream; wakes nobody ([`Producer::wake`] does).
    #[inline(always)]
    pub fn commit(self) {
        self.producer.commit(self.room, self.len);
    }

    /// As [`commit`](Self::commit), for the first `len` bytes; the rest is given back.
    ///
    /// # Panics
    /// The claim is shorter.
    pub fn commit_first(self, len: usize) {
        assert!(len <= self.len, "{len} bytes of a claim of {}", self.len);
        self.producer.commit(self.room, len);
    }

    /// As [`commit_first`](Self::commit_first), and wakes readers as [`Producer::wake`] does; returns whether it
    /// did.
    ///
    /// # Panics
    /// The claim is shorter.
    pub fn finish(self, len: usize, park: &impl Park) -> bool {
        assert!(len <= self.len, "{len} bytes of a claim of {}", self.len);
        self.producer.commit(self.room, len);
        self.producer.wake(park)
    }

    /// Gives the room back, as dropping does.
    pub fn abort(self) {}
}
