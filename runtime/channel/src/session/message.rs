//! What travels in the rings, as Rust sees it; `adit_abi` has the bytes.

use std::fmt;

use adit_abi as abi;
use adit_ring::slot::Payload;

use super::PeerError;

/// Search some nonces of a board slot's header: [`adit_abi::WorkUnit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which board slot.
    pub board_slot: u32,
    /// The generation that the board slot must have.
    pub generation: u64,
    /// The host's number for this unit.
    pub unit_id: u64,
    /// First nonce.
    pub nonce_start: u64,
    /// How many nonces, at least 1.
    pub nonce_count: u64,
}

impl Unit {
    /// The last nonce of this unit; `None` when it has none or would go past 2^64.
    #[must_use]
    pub fn last_nonce(&self) -> Option<u64> {
        self.nonce_start.checked_add(self.nonce_count.checked_sub(1)?)
    }

    pub(super) fn to_payload(self) -> Payload {
        [
            u64::from(abi::MESSAGE_WORK) | u64::from(self.board_slot) << 32,
            self.generation,
            self.unit_id,
            self.nonce_start,
            self.nonce_count,
            0,
            0,
        ]
    }

    /// `None` for every other kind: a device ignores what it does not know.
    pub(super) fn from_payload(payload: &Payload) -> Option<Self> {
        (payload[0] as u32 == abi::MESSAGE_WORK).then(|| Self {
            board_slot: (payload[0] >> 32) as u32,
            generation: payload[1],
            unit_id: payload[2],
            nonce_start: payload[3],
            nonce_count: payload[4],
        })
    }
}

/// How a unit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitStatus {
    /// Every nonce was hashed.
    Complete,
    /// Its generation died first.
    Stale,
    /// The session stopped first.
    Stopped,
    /// The device does not know the algorithm.
    UnknownAlgorithm,
    /// The unit makes no sense to the device.
    Invalid,
    /// The device failed.
    Failed,
}

impl UnitStatus {
    const WORDS: [(Self, u32); 6] = [
        (Self::Complete, abi::UNIT_COMPLETE),
        (Self::Stale, abi::UNIT_STALE),
        (Self::Stopped, abi::UNIT_STOPPED),
        (Self::UnknownAlgorithm, abi::UNIT_UNKNOWN_ALGORITHM),
        (Self::Invalid, abi::UNIT_INVALID),
        (Self::Failed, abi::UNIT_FAILED),
    ];

    fn to_word(self) -> u32 {
        Self::WORDS.iter().find(|(status, _)| *status == self).map_or(abi::UNIT_FAILED, |(_, word)| *word)
    }

    fn from_word(word: u32) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(status, _)| *status)
    }
}

impl fmt::Display for UnitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::Stale => "stale",
            Self::Stopped => "stopped",
            Self::UnknownAlgorithm => "unknown algorithm",
            Self::Invalid => "invalid unit",
            Self::Failed => "device failed",
        })
    }
}

/// The end of a unit: [`adit_abi::UnitDone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitDone {
    /// Which unit.
    pub unit_id: u64,
    /// How it ended.
    pub status: UnitStatus,
    /// Nonces hashed from the unit's first on, without a gap.
    pub hashes: u64,
    /// Time spent on it.
    pub nanoseconds: u64,
}

impl UnitDone {
    // These two stand on the path of every unit. Inlined, a message stays in registers: built in memory and
    // read back in wider pieces, it would wait for every store before it, cache misses of the ring included.
    #[inline(always)]
    pub(super) fn to_payload(self) -> Payload {
        let head = u64::from(abi::MESSAGE_DONE) | u64::from(self.status.to_word()) << 32;
        [head, self.unit_id, self.hashes, self.nanoseconds, 0, 0, 0]
    }

    /// `None` for every other kind, and for an unknown status.
    #[inline(always)]
    fn from_payload(payload: &Payload) -> Option<Self> {
        if payload[0] as u32 != abi::MESSAGE_DONE {
            return None;
        }
        let status = UnitStatus::from_word((payload[0] >> 32) as u32)?;
        Some(Self { unit_id: payload[1], status, hashes: payload[2], nanoseconds: payload[3] })
    }
}

impl std::error::Error for UnitStatus {}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// Good to know.
    Info,
    /// For whoever looks for a fault.
    Debug,
}

impl LogLevel {
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Error => abi::LOG_ERROR as u8,
            Self::Warn => abi::LOG_WARN as u8,
            Self::Info => abi::LOG_INFO as u8,
            Self::Debug => abi::LOG_DEBUG as u8,
        }
    }

    fn from_byte(byte: u8) -> Self {
        match u32::from(byte) {
            abi::LOG_ERROR => Self::Error,
            abi::LOG_WARN => Self::Warn,
            abi::LOG_INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// Up to 48 bytes of text from a device; shown with everything but printable text replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogText {
    bytes: [u8; 48],
    length: u8,
}

impl LogText {
    fn new(bytes: &[u8]) -> Self {
        let mut text = Self { bytes: [0; 48], length: bytes.len().min(48) as u8 };
        text.bytes[..usize::from(text.length)].copy_from_slice(&bytes[..usize::from(text.length)]);
        text
    }

    /// The bytes as the device sent them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable(self.as_bytes()).try_for_each(|c| write!(f, "{c}"))
    }
}

impl fmt::Debug for LogText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A peer's bytes as text for a terminal: no control characters, no broken UTF-8.
fn printable(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let broken = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().map(|c| if c.is_control() { ' ' } else { c }).chain(broken)
    })
}

/// A fixed-size, zero-padded field as text.
pub(super) fn field_text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    printable(&bytes[..end]).collect()
}

/// What a device tells the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceMessage {
    /// Nothing.
    None,
    /// Its header is complete.
    Hello,
    /// A nonce whose digest meets the target, so the device says.
    Solution {
        /// The unit it was found in.
        unit_id: u64,
        /// The nonce.
        nonce: u64,
        /// The digest.
        digest: [u8; 32],
    },
    /// A unit ended.
    Done(UnitDone),
    /// Text for the log.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// The line goes on in the next log message.
        more: bool,
        /// The text.
        text: LogText,
    },
    /// The device failed at something and goes on.
    Error {
        /// The device API's number for it.
        code: u32,
        /// The unit it happened in, or 0.
        unit_id: u64,
        /// What happened; at most 40 bytes.
        text: LogText,
    },
}

impl DeviceMessage {
    pub(super) fn to_payload(self) -> Payload {
        match self {
            Self::None => [u64::from(abi::MESSAGE_NONE), 0, 0, 0, 0, 0, 0],
            Self::Hello => [u64::from(abi::MESSAGE_HELLO), 0, 0, 0, 0, 0, 0],
            Self::Solution { unit_id, nonce, digest } => {
                let mut payload = [u64::from(abi::MESSAGE_SOLUTION), unit_id, nonce, 0, 0, 0, 0];
                payload[3..].copy_from_slice(&to_words::<4>(&digest));
                payload
            }
            Self::Done(done) => done.to_payload(),
            Self::Log { level, more, text } => {
                let flags = [level.to_byte(), text.length, u8::from(more), 0];
                let head = u64::from(abi::MESSAGE_LOG) | u64::from(u32::from_le_bytes(flags)) << 32;
                let mut payload = [head, 0, 0, 0, 0, 0, 0];
                payload[1..].copy_from_slice(&to_words::<6>(&text.bytes));
                payload
            }
            Self::Error { code, unit_id, text } => {
                let head = u64::from(abi::MESSAGE_ERROR) | u64::from(code) << 32;
                let mut payload = [head, unit_id, 0, 0, 0, 0, 0];
                payload[2..].copy_from_slice(&to_words::<5>(&text.bytes[..40]));
                payload
            }
        }
    }

    /// Reads what a device wrote; every field is bounded here.
    #[inline(always)]
    pub(super) fn from_payload(payload: &Payload) -> Result<Self, PeerError> {
        match UnitDone::from_payload(payload) {
            Some(done) => Ok(Self::Done(done)),
            None => Self::from_rarer_payload(payload),
        }
    }

    #[inline(never)]
    fn from_rarer_payload(payload: &Payload) -> Result<Self, PeerError> {
        let (kind, second) = (payload[0] as u32, (payload[0] >> 32) as u32);
        Ok(match kind {
            abi::MESSAGE_NONE => Self::None,
            abi::MESSAGE_HELLO => Self::Hello,
            abi::MESSAGE_SOLUTION => Self::Solution {
                unit_id: payload[1],
                nonce: payload[2],
                digest: to_bytes::<32>(&payload[3..]),
            },
            abi::MESSAGE_DONE => return Err(PeerError::Message(format!("unit status {second}"))),
            abi::MESSAGE_LOG => {
                let [level, length, more, _] = second.to_le_bytes();
                if length > 48 {
                    return Err(PeerError::Message(format!("a log line of {length} bytes")));
                }
                let bytes = to_bytes::<48>(&payload[1..]);
                let text = LogText::new(&bytes[..usize::from(length)]);
                Self::Log { level: LogLevel::from_byte(level), more: more == 1, text }
            }
            abi::MESSAGE_ERROR => {
                let bytes = to_bytes::<40>(&payload[2..]);
                let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
                Self::Error { code: second, unit_id: payload[1], text: LogText::new(&bytes[..end]) }
            }
            other => return Err(PeerError::Message(format!("kind {other}"))),
        })
    }

    /// A text as the messages that carry it.
    pub(super) fn log(level: LogLevel, text: &str) -> impl Iterator<Item = Self> {
        let chunks = text.as_bytes().chunks(48);
        let count = chunks.len();
        chunks.enumerate().map(move |(at, chunk)| Self::Log {
            level,
            more: at + 1 < count,
            text: LogText::new(chunk),
        })
    }

    pub(super) fn error(code: u32, unit_id: u64, text: &str) -> Self {
        Self::Error { code, unit_id, text: LogText::new(&text.as_bytes()[..text.len().min(40)]) }
    }
}

/// Little-endian words from bytes, missing bytes zero.
pub(super) fn to_words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        let mut whole = [0; 8];
        whole[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(whole);
    }
    words
}

/// Bytes from little-endian words, missing words zero.
pub(super) fn to_bytes<const BYTES: usize>(words: &[u64]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (chunk, word) in bytes.chunks_mut(8).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    bytes
}
