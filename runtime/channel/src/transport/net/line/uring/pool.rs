//! The buffers that a receiver hands to the kernel.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::types::BufRingEntry;

/// Buffers that a receiver registers.
pub(super) const BUFFERS: u16 = 8;

/// Bytes of each.
pub(super) const BUFFER: usize = 1 << 16;

/// The buffers of a receiver: [`BUFFERS`] entries that the kernel takes in turn, then the bytes.
#[derive(Debug)]
pub(super) struct Pool {
    entries: NonNull<BufRingEntry>,
    /// Of the entries: how many were ever handed to the kernel.
    tail: u16,
}

impl Pool {
    /// Room for the entries, and the whole, begin with a page.
    const LAYOUT: Layout = match Layout::from_size_align(4096 + BUFFERS as usize * BUFFER, 4096) {
        Ok(layout) => layout,
        Err(_) => panic!("the size is small and the alignment a power of two"),
    };

    pub fn new() -> Self {
        // SAFETY: the layout is not of size 0.
        let at = unsafe { alloc_zeroed(Self::LAYOUT) };
        let Some(entries) = NonNull::new(at.cast()) else { handle_alloc_error(Self::LAYOUT) };
        Self { entries, tail: 0 }
    }

    /// Where the entries begin.
    pub fn address(&self) -> u64 {
        self.entries.as_ptr().addr() as u64
    }

    /// A buffer's bytes, [`BUFFER`] of them.
    pub fn bytes(&self, buffer: u16) -> NonNull<u8> {
        // SAFETY: within the allocation: buffers follow the page of entries.
        unsafe { self.entries.cast::<u8>().add(4096 + usize::from(buffer % BUFFERS) * BUFFER) }
    }

    /// Hands a buffer to the kernel.
    pub fn give(&mut self, buffer: u16) {
        let at = self.bytes(buffer).as_ptr().addr() as u64;
        // SAFETY: the entry is within the page, and the kernel reads it only after the tail says so.
        let entry = unsafe { self.entries.add(usize::from(self.tail % BUFFERS)).as_mut() };
        entry.set_addr(at);
        entry.set_len(BUFFER as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail stands in the first entry, aligned; the kernel only reads it.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        // SYNC with the kernel's acquire of the tail.
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and `UringReceive` drops it after its last request.
        unsafe { dealloc(self.entries.as_ptr().cast(), Self::LAYOUT) };
    }
}
