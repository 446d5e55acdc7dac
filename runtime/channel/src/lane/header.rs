//! What stands at the beginning of a lane's regions, and what is checked of it.

use std::{
    fmt,
    mem::offset_of,
    sync::{Arc, atomic::Ordering},
};

use adit_abi::{
    LANE_ARENA_UNIT, LANE_LAYOUT_VERSION, LANE_MAGIC, LANE_MAX_TYPE_NAME, LANE_READER, LANE_RING_OFFSET,
    LANE_WRITER, LaneCounters, LaneHeader, LaneStart, ReaderCursor,
};
use adit_memory::Region;
use adit_ring::stream::{Framing, SLOT};

use super::memory::Page;

/// Of everything in [`LaneStart`], of what the ring's words mean, and of the frames of a join.
pub(crate) const LAYOUT_VERSION: u32 = LANE_LAYOUT_VERSION;

/// The longest name of a message type, in bytes.
pub const MAX_TYPE_NAME: usize = LANE_MAX_TYPE_NAME as usize;

/// The largest message of fixed size.
const MAX_TYPE_SIZE: u32 = 1 << 28;

pub(crate) const CURSOR: usize = offset_of!(LaneStart, cursor);
pub(super) const WAITING: usize = CURSOR + offset_of!(ReaderCursor, waiting);
pub(super) const CLOSED: usize = offset_of!(LaneStart, closed);
pub(super) const COUNTERS: usize = offset_of!(LaneStart, counters);
pub(crate) const PID: usize = offset_of!(LaneHeader, pid);
/// Which of a reader's counters is its position.
pub(super) const POSITION: usize = offset_of!(LaneCounters, position) / 8;

/// Where the ring's words begin in the writer's region.
pub(super) const RING: usize = LANE_RING_OFFSET as usize;

/// Bytes of a reader's region.
pub(crate) const READER_SIZE: usize = size_of::<LaneStart>();

const HEADER_WORDS: usize = size_of::<LaneHeader>() / 8;

const _: () = assert!(RING >= READER_SIZE);

/// Bytes of a writer's region.
pub(crate) const fn writer_size(capacity: usize) -> usize {
    RING + capacity
}

/// Arenas begin at multiples of this, and so do regions that have one.
const ARENA_UNIT: usize = LANE_ARENA_UNIT as usize;

/// The largest arena.
pub(crate) const MAX_ARENA: usize = 1 << 40;

/// Bytes of the longest region of a writer.
pub(crate) const LARGEST_WRITER: usize = arena_offset(adit_ring::stream::MAX_CAPACITY) + MAX_ARENA;

/// Where in the writer's region an arena begins.
pub(super) const fn arena_offset(capacity: usize) -> usize {
    writer_size(capacity).next_multiple_of(ARENA_UNIT)
}

/// Whose region it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Has the words.
    Writer = LANE_WRITER as isize,
    /// Has a start and nothing else.
    Reader = LANE_READER as isize,
}

/// How many may send and receive, and who gets what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// One sender at a time, one receiver.
    #[default]
    Spsc,
    /// Many senders, one receiver: a lane for each sender, drained in turn. The messages of one sender stay
    /// in order.
    Mpsc,
    /// One sender at a time, many receivers, of which each message goes to one: a lane for each receiver, and
    /// the idle one gets the next. What one receiver gets is in order.
    Spmc,
    /// Many senders, many receivers, of which each message goes to one: a lane from each sender to each
    /// receiver. What one receiver gets of one sender is in order.
    Mpmc,
    /// One sender at a time, many receivers, each of which gets every message, in order, from when it joined.
    Broadcast,
}

const MODES: [Mode; 5] = [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast];

impl Mode {
    pub(crate) fn to_number(self) -> u32 {
        match self {
            Self::Spsc => 1,
            Self::Mpsc => 2,
            Self::Spmc => 3,
            Self::Mpmc => 4,
            Self::Broadcast => 5,
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        MODES.into_iter().find(|mode| mode.to_number() == number)
    }

    /// Whether a sender has many lanes.
    pub(crate) fn is_spread(self) -> bool {
        matches!(self, Self::Spmc | Self::Mpmc)
    }

    /// Whether receivers join the sender, where one end listens for the other.
    pub(crate) fn has_listening_sender(self) -> bool {
        matches!(self, Self::Spmc | Self::Broadcast)
    }

    /// Whether a receiver has many lanes.
    pub(crate) fn is_merged(self) -> bool {
        matches!(self, Self::Mpsc | Self::Mpmc)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spsc => "SPSC",
            Self::Mpsc => "MPSC",
            Self::Spmc => "SPMC",
            Self::Mpmc => "MPMC",
            Self::Broadcast => "broadcast",
        })
    }
}

/// What every message of a channel is. Both ends must say the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageKind {
    name: String,
    /// Bytes of each message; if they may have any length, the arena's size in units.
    size: u32,
    /// 0: they may have any length.
    alignment: u32,
    /// Some of them are stamped, to measure latencies.
    measured: bool,
    /// Each stands in a slot of its own, which says that it is there.
    slots: bool,
}

/// In what is said of the alignment: messages are stamped. spec: INS-2.1
const MEASURED: u32 = 1 << 31;

/// In what is said of the alignment: messages stand in slots. spec: CHN-2.4
const SLOTS: u32 = 1 << 30;

impl MessageKind {
    /// Bytes, each message as many as it likes.
    #[must_use]
    pub fn bytes() -> Self {
        Self { name: "bytes".into(), size: 0, alignment: 0, measured: false, slots: false }
    }

    /// A type of that name, of `size` bytes in each message, that wants `alignment`.
    #[must_use]
    pub fn fixed(name: &str, size: u32, alignment: u32) -> Self {
        Self { name: name.into(), size, alignment, measured: false, slots: false }
    }

    /// The type's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes of each message; `None`: any number.
    #[must_use]
    pub fn size(&self) -> Option<u32> {
        (self.alignment != 0).then_some(self.size)
    }

    /// What addresses of the type are multiples of; 0 for bytes.
    #[must_use]
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    pub(crate) fn framing(&self) -> Framing {
        match self.size() {
            None => Framing::Records,
            Some(_) if self.slots => Framing::Fixed(SLOT),
            Some(size) => Framing::Fixed(size as usize),
        }
    }

    pub(crate) fn from_parts(name: String, size: u32, alignment: u32) -> Self {
        let has = |flag| alignment & flag != 0;
        let (measured, slots) = (has(MEASURED), has(SLOTS));
        Self { name, size, alignment: alignment & !(MEASURED | SLOTS), measured, slots }
    }

    /// The alignment as it is said to the other side, with whether messages are stamped.
    pub(crate) fn alignment_and_flag(&self) -> u32 {
        let flag = |is: bool, flag| if is { flag } else { 0 };
        self.alignment | flag(self.measured, MEASURED) | flag(self.slots, SLOTS)
    }

    /// The size, or the arena, as it is said to the other side. spec: CHN-1.2
    pub(crate) fn size_or_arena(&self) -> u32 {
        self.size
    }

    /// Bytes of each sender's arena, for long messages; 0: it has none.
    #[must_use]
    pub fn arena(&self) -> usize {
        if self.alignment == 0 { self.size as usize * ARENA_UNIT } else { 0 }
    }

    /// The same with an arena of at least so many bytes.
    pub(crate) fn with_arena(self, bytes: usize) -> Self {
        debug_assert_eq!(self.alignment, 0);
        Self { size: u32::try_from(bytes.div_ceil(ARENA_UNIT)).unwrap_or(u32::MAX), ..self }
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.measured
    }

    pub(crate) fn measured(self, measured: bool) -> Self {
        Self { measured, ..self }
    }

    /// Whether each stands in a [slot](crate::endpoint::Builder::slots).
    #[must_use]
    pub fn has_slots(&self) -> bool {
        self.slots
    }

    pub(crate) fn in_slots(self) -> Self {
        Self { slots: true, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), MessageKindError> {
        if self.name.is_empty() || self.name.len() > MAX_TYPE_NAME {
            return Err(MessageKindError("its name must have 1 to 64 bytes"));
        }
        if (self.name.as_str(), self.alignment) == ("bytes", 0) && self.arena() <= MAX_ARENA {
            return Ok(());
        }
        if self.size == 0 || self.size > MAX_TYPE_SIZE {
            return Err(MessageKindError("its size must be 1 byte to 256 MiB"));
        }
        if !self.alignment.is_power_of_two() || !self.size.is_multiple_of(self.alignment) {
            return Err(MessageKindError("its alignment must be a power of two that divides its size"));
        }
        if self.slots && self.size as usize > SLOT {
            return Err(MessageKindError("a slot takes messages of 64 bytes at most"));
        }
        Ok(())
    }

    /// FNV-1a: a name for a name, not a proof.
    pub(crate) fn hash(&self) -> u64 {
        self.name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size() {
            None => f.write_str("bytes of any length")?,
            Some(size) => write!(f, "{:?} (size {size}, alignment {})", self.name, self.alignment)?,
        }
        if self.arena() != 0 {
            write!(f, ", with an arena of {} bytes", self.arena())?;
        }
        f.write_str(if self.slots { ", in slots" } else { "" })?;
        f.write_str(if self.measured { ", with latency measured" } else { "" })
    }
}

/// What is wrong with a [`MessageKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageKindError(pub &'static str);

/// What both ends of a channel must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub mode: Mode,
    pub capacity: usize,
    pub kind: MessageKind,
}

impl Spec {
    /// The first thing that differs: what, here, there.
    pub fn difference(&self, theirs: &Spec) -> Option<(&'static str, String, String)> {
        if self.mode != theirs.mode {
            return Some(("mode", self.mode.to_string(), theirs.mode.to_string()));
        }
        if self.kind != theirs.kind {
            return Some(("message type", self.kind.to_string(), theirs.kind.to_string()));
        }
        let bytes = |capacity: usize| format!("{capacity} bytes");
        (self.capacity != theirs.capacity).then(|| ("capacity", bytes(self.capacity), bytes(theirs.capacity)))
    }

    /// Bytes of a writer's region.
    pub fn writer_size(&self) -> usize {
        match self.kind.arena() {
            0 => writer_size(self.capacity),
            arena => arena_offset(self.capacity) + arena,
        }
    }

    fn words(&self, side: Side) -> [u64; HEADER_WORDS] {
        let size = match side {
            Side::Writer => self.writer_size(),
            Side::Reader => READER_SIZE,
        };
        [
            LANE_MAGIC,
            u64::from(LAYOUT_VERSION) | (side as u64) << 32,
            size as u64,
            self.capacity as u64,
            self.kind.hash(),
            u64::from(self.kind.size) | u64::from(self.kind.alignment_and_flag()) << 32,
            u64::from(self.mode.to_number()),
            u64::from(std::process::id()),
        ]
    }
}

/// Writes this end's header; the magic last. spec: CHN-1.1
///
/// # Panics
/// The region is too short: it was made for this.
pub(crate) fn write(own: &Arc<Region>, side: Side, spec: &Spec) {
    let page = Page::new(Arc::clone(own));
    for (at, value) in spec.words(side).into_iter().enumerate().skip(1) {
        page.word(at * 8).store(value, Ordering::Relaxed);
    }
    page.word(0).store(LANE_MAGIC, Ordering::Release);
}

/// The header as bytes, of an end that nobody had yet.
pub(crate) fn bytes(side: Side, spec: &Spec) -> Vec<u8> {
    let mut words = spec.words(side);
    words[PID / 8] = 0;
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Checks the peer's header: it must say what this side would have written, but for the pid. The error says
/// what is wrong.
pub(crate) fn check(peer: &Arc<Region>, side: Side, spec: &Spec) -> Result<(), String> {
    let expected = spec.words(side);
    let needed = expected[2] as usize;
    if peer.len() < needed {
        return Err(format!("its region has {} bytes, {needed} are needed", peer.len()));
    }
    let page = Page::new(Arc::clone(peer));
    let fields = ["magic", "version and side", "region size", "capacity", "type", "type size", "mode"];
    for (at, field) in fields.into_iter().enumerate() {
        let (found, expected) = (page.load(at * 8), expected[at]);
        if found != expected {
            return Err(format!("the {field} in its region is {found:#x}, not {expected:#x}"));
        }
    }
    Ok(())
}
