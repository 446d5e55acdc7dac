//! The job board: what to hash. spec: SES-4.1, SES-4.2

use crate::layout;

/// Longest header that a board slot holds.
pub const MAX_HEADER: u32 = 512;

/// One header with its target, guarded by a sequence lock: odd while the host writes, and changed
/// by two for each new content.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct JobSlot {
    /// Even when the rest is whole, odd while it is being written.
    pub sequence: u64,
    /// Which generation this header is; a work unit names it, and another one here means that the
    /// unit is stale.
    pub generation: u64,
    /// The algorithm's number: four ASCII letters, the first in the lowest byte.
    pub algorithm: u32,
    /// Bytes of `header` in use: 1 to [`MAX_HEADER`].
    pub header_len: u32,
    /// Where the nonce stands in the header.
    pub nonce_offset: u32,
    /// Width of the nonce in bytes, 4 or 8; little-endian.
    pub nonce_width: u32,
    /// Report digests that are not above this; 256-bit little-endian integer.
    pub target: [u8; 32],
    /// The header; the nonce's bytes may hold anything.
    pub header: [u8; 512],
    /// Zero.
    pub reserved: [u8; 64],
}

layout! {
    JobSlot: 640 align 8 { sequence @ 0, generation @ 8, algorithm @ 16, header_len @ 20, nonce_offset @ 24, nonce_width @ 28, target @ 32, header @ 64, reserved @ 576 }
}
