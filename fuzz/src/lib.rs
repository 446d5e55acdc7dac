//! What the fuzz targets share: a reader of the fuzzer's bytes, memory of exactly the size that a ring needs, so that
//! the address sanitizer sees a step past it, and somebody who never sleeps and never wakes.

use std::{
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use adit_memory::Region;
use adit_ring::{
    park::Park,
    stream::{CursorCell, Word},
};

/// The fuzzer's bytes, taken from the front; zeros when they are used up.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Now and then any value; else one that is nearly right.
    pub fn near(&mut self, around: u64) -> u64 {
        match self.byte() {
            0 => self.word(),
            1..16 => around.wrapping_add(u64::from(self.byte())),
            16..32 => around.wrapping_sub(u64::from(self.byte())),
            steps => around.wrapping_add(u64::from(steps) * 8).wrapping_sub(96 * 8),
        }
    }

    /// A record's header: a length, and a kind that mostly exists.
    pub fn header(&mut self) -> u64 {
        match self.byte() {
            0 => self.word(),
            kind => u64::from(self.byte()) | u64::from(kind % 4) << 32 | u64::from(kind / 64) << 40,
        }
    }
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Line([AtomicU64; 8]);

/// Aligned atomic words on the heap.
#[derive(Debug)]
pub struct Memory(Box<[Line]>);

impl Memory {
    /// Of `bytes`, a multiple of 64.
    pub fn new(bytes: usize) -> Self {
        assert!(bytes.is_multiple_of(64));
        Self((0..bytes / 64).map(|_| Line::default()).collect())
    }

    pub fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.0.len() * 64);
        NonNull::from(&self.0[offset / 64].0[offset % 64 / 8]).cast()
    }

    /// The word that `index` names, whatever it is.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        let index = index % (self.0.len() * 8);
        &self.0[index / 8].0[index % 8]
    }

    pub fn words(&self) -> impl Iterator<Item = &AtomicU64> {
        self.0.iter().flat_map(|line| &line.0)
    }
}

/// A stream ring's words and its two ends' cells.
#[derive(Debug)]
pub struct Ring {
    pub words: Memory,
    pub writer: Memory,
    pub reader: Memory,
}

impl Ring {
    /// Empty, of `capacity` bytes, a multiple of 64; the next byte is at position `start`.
    pub fn new(capacity: usize, start: u64) -> Self {
        let ring = Self { words: Memory::new(capacity), writer: Memory::new(64), reader: Memory::new(64) };
        ring.writer.word(0).store(start, Ordering::Relaxed);
        ring.reader.word(0).store(start, Ordering::Relaxed);
        ring
    }

    /// As an end takes it.
    pub fn parts(&self) -> (&[Word], &CursorCell, &CursorCell) {
        // SAFETY: aligned, of these lengths, alive as long as `self`, and accessed by atomics alone.
        unsafe {
            (
                Word::from_raw(self.words.at(0), self.words.0.len() * 8),
                CursorCell::from_raw(self.writer.at(0)),
                CursorCell::from_raw(self.reader.at(0)),
            )
        }
    }
}

/// Never sleeps, never wakes.
#[derive(Debug)]
pub struct Deaf;

impl Park for Deaf {
    fn light_fence(&self) {}
    fn heavy_fence(&self) {}
    fn wait(&self, _: &AtomicU64, _: u32, _: Duration) {}
    fn wake(&self, _: &AtomicU64) {}
}

/// Writes some words of a region, as a peer may at any time.
pub fn scribble(region: &Region, input: &mut Input<'_>) {
    for _ in 0..input.below(6) {
        // Mostly what is at the beginning, where headers and cursors are.
        let wide = usize::from(input.byte()) | usize::from(input.byte() & 31) << 8;
        let at = wide % (region.len() / 8);
        // SAFETY: in bounds, aligned, mapped as long as the region lives, and accessed by atomics alone.
        let word = unsafe { region.as_ptr().cast::<AtomicU64>().add(at).as_ref() };
        let old = word.load(Ordering::Relaxed);
        let new = match input.byte() {
            0..64 => input.near(old),
            64..128 => u64::from(input.byte()) | u64::from(input.byte()) << 32,
            byte @ 128..192 => old ^ 1 << (byte % 64),
            _ => input.word(),
        };
        word.store(new, Ordering::Relaxed);
    }
}
