//! Slots and what travels in them. spec: SES-3.1, SES-5.1, SES-5.2, SES-5.3, SES-5.4

use crate::layout;

/// Payload bytes of a slot.
pub const PAYLOAD_SIZE: u32 = 56;

/// Either way: nothing; look at the control word. The host sends it to wake a sleeping device.
pub const MESSAGE_NONE: u32 = 0;
/// Host to device: a [`WorkUnit`].
pub const MESSAGE_WORK: u32 = 1;
/// Device to host: a [`Solution`].
pub const MESSAGE_SOLUTION: u32 = 2;
/// Device to host: a [`UnitDone`].
pub const MESSAGE_DONE: u32 = 3;
/// Device to host: a [`LogLine`].
pub const MESSAGE_LOG: u32 = 4;
/// Device to host: an [`ErrorReport`].
pub const MESSAGE_ERROR: u32 = 5;
/// Device to host: the device header is complete; always the first message.
pub const MESSAGE_HELLO: u32 = 6;

/// Unit status: every nonce was hashed.
pub const UNIT_COMPLETE: u32 = 0;
/// Unit status: its generation is dead; the first `hashes` nonces were hashed.
pub const UNIT_STALE: u32 = 1;
/// Unit status: the session stops; the first `hashes` nonces were hashed.
pub const UNIT_STOPPED: u32 = 2;
/// Unit status: the device does not know the algorithm.
pub const UNIT_UNKNOWN_ALGORITHM: u32 = 3;
/// Unit status: the unit or its board slot makes no sense to the device.
pub const UNIT_INVALID: u32 = 4;
/// Unit status: the device failed; the first `hashes` nonces were hashed.
pub const UNIT_FAILED: u32 = 5;

/// Log level: something is broken.
pub const LOG_ERROR: u32 = 1;
/// Log level: something is odd.
pub const LOG_WARN: u32 = 2;
/// Log level: good to know.
pub const LOG_INFO: u32 = 3;
/// Log level: for whoever looks for a fault.
pub const LOG_DEBUG: u32 = 4;

/// One slot of a ring: it holds message `p` exactly when `sequence == p + 1`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Slot {
    /// A message: seven 64-bit words, the lowest half of the first one its kind.
    pub payload: [u64; 7],
    /// Written last, with release order.
    pub sequence: u64,
}

/// Search `nonce_count` nonces from `nonce_start` in the header of a board slot.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct WorkUnit {
    /// [`MESSAGE_WORK`].
    pub kind: u32,
    /// Which board slot.
    pub board_slot: u32,
    /// The generation that the board slot must have.
    pub generation: u64,
    /// The host's number for this unit, repeated in everything that answers it.
    pub unit_id: u64,
    /// First nonce.
    pub nonce_start: u64,
    /// How many; at least 1; start + count is at most 2^(8 * nonce_width).
    pub nonce_count: u64,
    /// Zero.
    pub reserved: [u64; 2],
}

/// A nonce whose digest meets the board slot's target.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Solution {
    /// [`MESSAGE_SOLUTION`].
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// The unit it was found in.
    pub unit_id: u64,
    /// The nonce.
    pub nonce: u64,
    /// The digest, as hashed.
    pub digest: [u8; 32],
}

/// A unit is finished, one way or another; the last message about it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct UnitDone {
    /// [`MESSAGE_DONE`].
    pub kind: u32,
    /// [`UNIT_COMPLETE`] ...
    pub status: u32,
    /// Which unit.
    pub unit_id: u64,
    /// Nonces hashed, counted from the unit's first, without a gap.
    pub hashes: u64,
    /// Time spent on the unit, in nanoseconds.
    pub nanoseconds: u64,
    /// Zero.
    pub reserved: [u64; 3],
}

/// Text for the host's log; a longer line is several messages.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LogLine {
    /// [`MESSAGE_LOG`].
    pub kind: u32,
    /// [`LOG_ERROR`] ...
    pub level: u8,
    /// Bytes of `text` in use: 0 to 48.
    pub length: u8,
    /// 1 when the line goes on in the next log message, else 0.
    pub more: u8,
    /// Zero.
    pub reserved: u8,
    /// UTF-8.
    pub text: [u8; 48],
}

/// The device failed at something and goes on.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ErrorReport {
    /// [`MESSAGE_ERROR`].
    pub kind: u32,
    /// The device API's own number for it.
    pub code: u32,
    /// The unit it happened in, 0 when in none.
    pub unit_id: u64,
    /// What happened: UTF-8, zero-padded.
    pub text: [u8; 40],
}

layout! {
    Slot: 64 align 8 { payload @ 0, sequence @ 56 }
    WorkUnit: 56 align 8 { kind @ 0, board_slot @ 4, generation @ 8, unit_id @ 16, nonce_start @ 24, nonce_count @ 32, reserved @ 40 }
    Solution: 56 align 8 { kind @ 0, reserved @ 4, unit_id @ 8, nonce @ 16, digest @ 24 }
    UnitDone: 56 align 8 { kind @ 0, status @ 4, unit_id @ 8, hashes @ 16, nanoseconds @ 24, reserved @ 32 }
    LogLine: 56 align 4 { kind @ 0, level @ 4, length @ 5, more @ 6, reserved @ 7, text @ 8 }
    ErrorReport: 56 align 8 { kind @ 0, code @ 4, unit_id @ 8, text @ 16 }
}
