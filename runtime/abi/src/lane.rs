//! A channel's lane: the beginnings of its two regions. spec: CHN-1.1, CHN-1.2, CHN-1.3

use crate::{ReaderCursor, layout};

/// First eight bytes of a lane's region whose header is complete: `ADITLANE`.
pub const LANE_MAGIC: u64 = 0x454e_414c_5449_4441;
/// Version of the layout of a lane, of its records and of the frames of a join.
pub const LANE_LAYOUT_VERSION: u32 = 2;
/// Where the ring's words begin in the writer's region.
pub const LANE_RING_OFFSET: u32 = 4096;
/// The longest name of a message type, in bytes.
pub const LANE_MAX_TYPE_NAME: u32 = 64;

/// Side in a header: the region of the writer, which has the ring's words.
pub const LANE_WRITER: u32 = 1;
/// Side in a header: the region of the reader.
pub const LANE_READER: u32 = 2;

/// Kind of a record: a message.
pub const RECORD_MESSAGE: u32 = 1;
/// Kind of a record: filler up to the end of the buffer.
pub const RECORD_SKIP: u32 = 2;
/// Kind of a record: a message that lies in the writer's arena; the payload is a [`Descriptor`].
pub const RECORD_DESCRIPTOR: u32 = 3;

/// An arena begins in the writer's region at a multiple of so many bytes, and its size is one.
pub const LANE_ARENA_UNIT: u32 = 2 << 20;
/// A block of an arena begins at a multiple of so many bytes, and takes one.
pub const LANE_BLOCK_UNIT: u32 = 64;

/// What an end says of the lane, once, before the other sees the region.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LaneHeader {
    /// [`LANE_MAGIC`]; written last.
    pub magic: u64,
    /// [`LANE_LAYOUT_VERSION`].
    pub version: u32,
    /// [`LANE_WRITER`] or [`LANE_READER`].
    pub side: u32,
    /// Bytes of the region, without what pages round up.
    pub region_size: u64,
    /// Bytes of the ring, a power of two.
    pub capacity: u64,
    /// 64-bit FNV-1a of the name of the message type.
    pub type_hash: u64,
    /// Bytes of each message; if they may have any length, the arena's size in units of [`LANE_ARENA_UNIT`], 0 for
    /// none.
    pub type_size: u32,
    /// What addresses of the type are multiples of; 0 if messages may have any length.
    pub type_alignment: u32,
    /// How many may send and receive; a number for each mode.
    pub mode: u32,
    /// Zero.
    pub reserved: u32,
    /// Process id of this end, for people.
    pub pid: u64,
}

/// What an end counted: one cache line, written by it alone, read whenever somebody likes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LaneCounters {
    /// Messages sent or received; 0 where messages have one size, since the cursor tells.
    pub messages: u64,
    /// Bytes of them, or 0.
    pub bytes: u64,
    /// How often this end had to wait.
    pub stalls: u64,
    /// How often it woke the other.
    pub wakes: u64,
    /// Messages that it dropped because there was no room.
    pub drops: u64,
    /// The most bytes that it found to wait when it looked.
    pub depth: u64,
    /// The reader's: how far it has read. Its cursor may say so a quarter of the ring late.
    pub position: u64,
    /// May hold anything.
    pub reserved: u64,
}

/// Where in the writer's arena a message lies.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Descriptor {
    /// From the arena's beginning; a multiple of [`LANE_BLOCK_UNIT`].
    pub offset: u64,
    /// Bytes of the message.
    pub length: u64,
}

/// The beginning of either region of a lane.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct LaneStart {
    /// Written once.
    pub header: LaneHeader,
    /// The writer's tail or the reader's head, and what it sleeps for.
    pub cursor: ReaderCursor,
    /// 0, and 1 once this end is closed.
    pub closed: u64,
    /// May hold anything.
    pub reserved: [u8; 56],
    /// What this end counted.
    pub counters: LaneCounters,
}

layout! {
    LaneHeader: 64 align 8 { magic @ 0, version @ 8, side @ 12, region_size @ 16, capacity @ 24, type_hash @ 32, type_size @ 40, type_alignment @ 44, mode @ 48, reserved @ 52, pid @ 56 }
    LaneCounters: 64 align 8 { messages @ 0, bytes @ 8, stalls @ 16, wakes @ 24, drops @ 32, depth @ 40, position @ 48, reserved @ 56 }
    Descriptor: 16 align 8 { offset @ 0, length @ 8 }
    LaneStart: 256 align 8 { header @ 0, cursor @ 64, closed @ 128, reserved @ 136, counters @ 192 }
}
