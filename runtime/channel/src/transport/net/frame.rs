//! Frames: what follows the handshake on a stream. Arithmetic alone.
//!
//! ```text
//!  0  magic: u16     4  wire length: u32     8  plain length: u32     16  wire length bytes
//!  2  kind: u8          of what follows         after decompression
//!  3  codec: u8                             12  records: u32
//! ```
//!
//! A gap has instead of the last two words the number of messages that are missing.
//!
//! The plain bytes are records as they stand in a stream ring: of bytes of any length each begins with a word
//! (length: u32, kind: u32 = 1), and each is padded to whole words; of a fixed kind there is the message alone,
//! padded to whole words.

use std::fmt;

use crate::{codec, lane::MessageKind};

/// Bytes of a header.
pub(super) const HEADER: usize = 16;

/// "AD" in memory.
const MAGIC: u16 = u16::from_le_bytes(*b"AD");

/// A record's kind in its first word.
const MESSAGE: u32 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// So many records in so many bytes, compressed by this codec.
    Records {
        /// Its number; 0: not at all.
        codec: u8,
        /// Bytes that follow the header.
        wire: u32,
        /// Bytes that they stand for.
        plain: u32,
        /// Records in them.
        count: u32,
    },
    /// Of a broadcast that loses messages: so many are missing here.
    Gap {
        /// At least 1.
        lost: u64,
    },
    /// This side closes; nothing follows.
    Goodbye,
}

impl Frame {
    pub fn to_bytes(self) -> [u8; HEADER] {
        let (kind, codec, words) = match self {
            Self::Records { codec, wire, plain, count } => (1, codec, [wire, plain, count]),
            Self::Goodbye => (2, 0, [0; 3]),
            Self::Gap { lost } => (3, 0, [0, lost as u32, (lost >> 32) as u32]),
        };
        let mut bytes = [0; HEADER];
        bytes[..2].copy_from_slice(&MAGIC.to_le_bytes());
        (bytes[2], bytes[3]) = (kind, codec);
        for (at, word) in words.into_iter().enumerate() {
            bytes[4 + at * 4..8 + at * 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a header that a peer wrote; `limit` bounds both lengths.
    ///
    /// spec: NET-3.1, NET-3.2, NET-3.5
    pub fn from_bytes(bytes: &[u8; HEADER], limit: u32) -> Result<Self, BadFrame> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if u16::from_le_bytes([bytes[0], bytes[1]]) != MAGIC {
            return Err(BadFrame::NoFrame);
        }
        let (codec, wire, plain, count) = (bytes[3], word(4), word(8), word(12));
        match bytes[2] {
            1 => {}
            2 if codec == 0 && (wire, plain, count) == (0, 0, 0) => return Ok(Self::Goodbye),
            3 if codec == 0 && wire == 0 && (plain, count) != (0, 0) => {
                return Ok(Self::Gap { lost: u64::from(plain) | u64::from(count) << 32 });
            }
            _ => return Err(BadFrame::NoFrame),
        }
        if codec::name(codec).is_none() {
            return Err(BadFrame::Codec(codec));
        }
        if plain > limit || wire > limit {
            return Err(BadFrame::TooLong { len: plain.max(wire), limit });
        }
        let shortened = if codec == 0 { wire == plain } else { wire < plain };
        // A record has a word at least.
        if !shortened || wire == 0 || count == 0 || !plain.is_multiple_of(8) || count > plain / 8 {
            return Err(BadFrame::Lengths);
        }
        Ok(Self::Records { codec, wire, plain, count })
    }
}

/// A peer sent what no correct one sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// It does not begin like a frame.
    NoFrame,
    /// It names a codec that this build does not have.
    Codec(u8),
    /// It is longer than this end takes.
    TooLong {
        /// The length that it declares.
        len: u32,
        /// The longest that this end takes: 64 KiB, or one message of the longest that the channel takes.
        limit: u32,
    },
    /// Its lengths do not fit each other.
    Lengths,
    /// What is compressed in it is not what it declares.
    Corrupt,
    /// A record in it is not one.
    Record,
    /// It was begun and not finished in the time that there is for it.
    Unfinished,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrame => f.write_str("its bytes begin no frame"),
            Self::Codec(id) => write!(f, "its frame names codec {id}, which this build does not have"),
            Self::TooLong { len, limit } => {
                write!(f, "its frame declares {len} bytes, and this end takes {limit}")
            }
            Self::Lengths => f.write_str("the lengths in its frame do not fit each other"),
            Self::Corrupt => f.write_str("its frame does not decompress to what it declares"),
            Self::Record => f.write_str("its frame holds a record that is none"),
            Self::Unfinished => f.write_str("it began a frame and did not finish it in time"),
        }
    }
}

impl std::error::Error for BadFrame {}

/// How the records of a channel stand in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Layout {
    /// A word with the length, then the message, of so many bytes at most.
    Prefixed { longest: usize },
    /// Messages of so many bytes.
    Fixed { size: usize },
}

impl Layout {
    pub fn new(kind: &MessageKind, longest: usize) -> Self {
        match kind.size() {
            Some(size) => Self::Fixed { size: size as usize },
            None => Self::Prefixed { longest },
        }
    }

    /// The message that `bytes` begin with, and what it takes of them.
    ///
    /// spec: NET-3.3
    #[inline]
    pub fn next(self, bytes: &[u8]) -> Result<(&[u8], usize), BadFrame> {
        let (start, len) = match self {
            Self::Fixed { size } => (0, size),
            Self::Prefixed { longest } => {
                let (head, _) = bytes.split_first_chunk::<8>().ok_or(BadFrame::Record)?;
                let word = u64::from_le_bytes(*head);
                let len = (word & u64::from(u32::MAX)) as usize;
                if word >> 32 != u64::from(MESSAGE) || len > longest {
                    return Err(BadFrame::Record);
                }
                (8, len)
            }
        };
        let end = start + len.next_multiple_of(8);
        let message = bytes.get(start..end).ok_or(BadFrame::Record)?;
        Ok((&message[..len], end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Records as a ring has them.
    fn body(messages: &[Vec<u8>], layout: Layout) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages {
            if let Layout::Prefixed { .. } = layout {
                bytes.extend((1_u64 << 32 | message.len() as u64).to_le_bytes());
            }
            bytes.extend(message);
            bytes.resize(bytes.len().next_multiple_of(8), 0xee);
        }
        bytes
    }

    proptest! {
        #[test]
        fn messages_are_read_as_they_were_written(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..20),
            fixed in any::<bool>(),
        ) {
            let (messages, layout) = if fixed {
                let size = messages[0].len().max(1);
                let messages: Vec<Vec<u8>> = messages.iter().map(|_| vec![7; size]).collect();
                (messages, Layout::Fixed { size })
            } else {
                (messages, Layout::Prefixed { longest: 50 })
            };
            let bytes = body(&messages, layout);
            let mut at = 0;
            for message in &messages {
                let (read, taken) = layout.next(&bytes[at..]).unwrap();
                prop_assert_eq!(read, &message[..]);
                at += taken;
            }
            prop_assert_eq!(at, bytes.len());
        }

        #[test]
        fn no_header_is_too_strange(
            noise in prop::array::uniform16(any::<u8>()),
            at in 0..HEADER,
            frame in (0..4_u8, 0..200_u32, 0..200_u32, 0..30_u32),
            limit in 0..200_u32,
        ) {
            let _ = Frame::from_bytes(&noise, limit);
            let (codec, wire, plain, count) = frame;
            let mut bytes = Frame::Records { codec, wire, plain, count }.to_bytes();
            for _ in 0..2 {
                if let Ok(Frame::Records { wire, plain, count, codec }) = Frame::from_bytes(&bytes, limit) {
                    prop_assert!(wire > 0 && wire <= plain && plain <= limit && count <= plain / 8);
                    prop_assert!(codec::name(codec).is_some());
                    prop_assert_eq!(Frame::Records { codec, wire, plain, count }.to_bytes(), bytes);
                }
                bytes[at] ^= noise[0];
            }
        }

        #[test]
        fn no_record_is_too_strange(noise in prop::collection::vec(any::<u8>(), 0..60), size in 1..40_usize) {
            for layout in [Layout::Prefixed { longest: 32 }, Layout::Fixed { size }] {
                if let Ok((message, taken)) = layout.next(&noise) {
                    prop_assert!(message.len() <= taken && taken <= noise.len() && taken > 0);
                }
            }
            let mut bytes = (1_u64 << 32 | size as u64).to_le_bytes().to_vec();
            bytes.extend(&noise);
            let layout = Layout::Prefixed { longest: 32 };
            prop_assert_eq!(layout.next(&bytes).is_ok(), size <= 32 && size.next_multiple_of(8) <= noise.len());
        }
    }

    #[test]
    fn a_goodbye_carries_nothing() {
        let mut bytes = Frame::Goodbye.to_bytes();
        assert_eq!(Frame::from_bytes(&bytes, 0), Ok(Frame::Goodbye));
        bytes[4] = 1;
        assert_eq!(Frame::from_bytes(&bytes, 100), Err(BadFrame::NoFrame));
    }

    #[test]
    fn a_gap_says_how_many_are_missing() {
        for lost in [1, u64::from(u32::MAX) + 7, u64::MAX] {
            let bytes = Frame::Gap { lost }.to_bytes();
            assert_eq!(Frame::from_bytes(&bytes, 0), Ok(Frame::Gap { lost }));
            let mut long = bytes;
            long[4] = 8;
            assert_eq!(Frame::from_bytes(&long, 100), Err(BadFrame::NoFrame));
        }
        assert_eq!(Frame::from_bytes(&Frame::Gap { lost: 0 }.to_bytes(), 0), Err(BadFrame::NoFrame));
    }

    #[test]
    fn limits_are_named() {
        let frame = Frame::Records { codec: 0, wire: 4096, plain: 4096, count: 1 };
        let error = Frame::from_bytes(&frame.to_bytes(), 4095).unwrap_err().to_string();
        assert_eq!(error, "its frame declares 4096 bytes, and this end takes 4095");
    }
}
