//! A mapped region as words: the one file of this crate that follows pointers.
//!
//! A conforming host never writes version 2 or an offset that lies outside its region, so the sessions of
//! `adit-channel` cannot; here every word can be written.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use adit_memory::{Access, Region};

/// A region, accessed by atomics alone.
#[derive(Debug)]
pub(crate) struct Words {
    region: Region,
}

impl Words {
    pub fn new(region: Region) -> Self {
        Self { region }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// A word, with acquire order.
    pub fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Half a word, with acquire order.
    pub fn load32(&self, offset: usize) -> u32 {
        self.half(offset).load(Ordering::Acquire)
    }

    /// Writes a word, with release order.
    ///
    /// # Panics
    /// This region is the peer's.
    pub fn store(&self, offset: usize, value: u64) {
        assert_eq!(self.region.access(), Access::ReadWrite, "the peer's region is not written");
        self.word(offset).store(value, Ordering::Release);
    }

    /// Writes half a word, with release order.
    ///
    /// # Panics
    /// As [`store`](Self::store).
    pub fn store32(&self, offset: usize, value: u32) {
        assert_eq!(self.region.access(), Access::ReadWrite, "the peer's region is not written");
        self.half(offset).store(value, Ordering::Release);
    }

    /// Writes bytes, half a word at a time; a rest of less than four bytes is filled with zeros.
    ///
    /// # Panics
    /// As [`store`](Self::store).
    pub fn store_bytes(&self, offset: usize, bytes: &[u8]) {
        for (at, chunk) in bytes.chunks(4).enumerate() {
            let mut whole = [0; 4];
            whole[..chunk.len()].copy_from_slice(chunk);
            self.store32(offset + 4 * at, u32::from_le_bytes(whole));
        }
    }

    /// Copies bytes out.
    pub fn bytes<const COUNT: usize>(&self, offset: usize) -> [u8; COUNT] {
        std::array::from_fn(|at| {
            let at = offset + at;
            self.load32(at & !3).to_le_bytes()[at & 3]
        })
    }

    /// Half a word, to sleep on or to wake others.
    ///
    /// # Panics
    /// Out of bounds or misaligned: offsets are this side's own.
    pub fn half(&self, offset: usize) -> &AtomicU32 {
        self.check(offset, 4);
        // SAFETY: in bounds and aligned, by the line above; the region stays mapped as long as `self` lives,
        // its length is sealed, and both sides access it by atomics alone. The peer's region is mapped
        // read-only: `store` and `store32` refuse it, and nobody else here stores.
        unsafe { self.region.as_ptr().add(offset).cast().as_ref() }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        self.check(offset, 8);
        // SAFETY: as in `half`.
        unsafe { self.region.as_ptr().add(offset).cast().as_ref() }
    }

    fn check(&self, offset: usize, size: usize) {
        assert!(offset.is_multiple_of(size), "offset {offset} is misaligned");
        assert!(offset <= self.len() - size, "offset {offset} is out of bounds");
    }
}
