//! What stands in a slot of the job board. spec: SES-4.1

use std::{
    mem::offset_of,
    sync::atomic::{Ordering, fence},
};

use adit_abi::JobSlot;

use crate::raw::Words;

/// A board slot's content, sensible or not.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub generation: u64,
    pub algorithm: u32,
    pub header_len: u32,
    pub nonce_offset: u32,
    pub nonce_width: u32,
    pub target: [u8; 32],
    pub header: [u8; 512],
    pub reserved: [u8; 64],
}

impl Entry {
    /// Replaces what stands in the slot at `at`, behind its sequence lock.
    pub fn write(&self, own: &Words, at: usize) {
        let sequence = own.load(at + offset_of!(JobSlot, sequence)) & !1;
        own.store(at + offset_of!(JobSlot, sequence), sequence + 1);
        fence(Ordering::SeqCst);
        own.store(at + offset_of!(JobSlot, generation), self.generation);
        own.store32(at + offset_of!(JobSlot, algorithm), self.algorithm);
        own.store32(at + offset_of!(JobSlot, header_len), self.header_len);
        own.store32(at + offset_of!(JobSlot, nonce_offset), self.nonce_offset);
        own.store32(at + offset_of!(JobSlot, nonce_width), self.nonce_width);
        own.store_bytes(at + offset_of!(JobSlot, target), &self.target);
        own.store_bytes(at + offset_of!(JobSlot, header), &self.header);
        own.store_bytes(at + offset_of!(JobSlot, reserved), &self.reserved);
        own.store(at + offset_of!(JobSlot, sequence), sequence + 2);
    }
}
