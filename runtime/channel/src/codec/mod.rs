//! Compression of what crosses a network. A codec is one file of this folder and one line of [`CODECS`].
//!
//! A sender compresses whole frames, not messages: small messages that go out together share one dictionary.
//! What does not get shorter is sent plain, and after such a frame the next ones are sent plain untried: first
//! one, then twice as many each time, up to [`LONGEST_REST`], so that random data costs next to nothing.

mod lz4;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

use std::fmt;

/// How a sender compresses. A receiver reads all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4: gigabytes a second.
    Lz4,
    /// Zstandard: shorter and slower.
    Zstd {
        /// From -7 (fastest) to 22 (shortest); what is beyond is brought to the nearest.
        level: i32,
    },
    /// Snappy: as LZ4, for comparison.
    Snappy,
}

impl Compression {
    /// The number in a frame.
    pub(crate) fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Lz4 => 1,
            Self::Zstd { .. } => 2,
            Self::Snappy => 3,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Lz4 => f.write_str("lz4"),
            Self::Zstd { level } => write!(f, "zstd level {level}"),
            Self::Snappy => f.write_str("snappy"),
        }
    }
}

/// One way to compress, with its working memory.
pub(crate) trait Codec: Send {
    /// The most bytes that `len` bytes become.
    fn bound(&self, len: usize) -> usize;

    /// Compresses to the start of `into`, which has [`bound`](Self::bound) bytes; `None`: it cannot.
    fn compress(&mut self, plain: &[u8], into: &mut [u8]) -> Option<usize>;

    /// Decompresses to exactly the whole of `into`, and never writes elsewhere, whatever `coded` holds.
    fn decompress(&mut self, coded: &[u8], into: &mut [u8]) -> Result<(), Corrupt>;
}

/// A codec's number, its name, and how to begin.
struct Entry {
    id: u8,
    name: &'static str,
    /// No byte of what it made stands for more than so many.
    most: usize,
    make: fn(Compression) -> Box<dyn Codec>,
}

/// All codecs.
const CODECS: &[Entry] = &[
    // A byte of a match's length.
    Entry { id: 1, name: "lz4", most: 255, make: lz4::make },
    // A block of 128 KiB of one byte takes four.
    Entry { id: 2, name: "zstd", most: 32_768, make: zstd::make },
    // A copy of 64 bytes takes three.
    Entry { id: 3, name: "snappy", most: 32, make: snappy::make },
];

/// A codec's name; `None`: this build has none of that number.
pub(crate) fn name(id: u8) -> Option<&'static str> {
    if id == 0 { Some("none") } else { CODECS.iter().find(|entry| entry.id == id).map(|entry| entry.name) }
}

/// No more bytes than this can become `len` by this codec: who says that they were more is not believed, and gets no memory.
pub(crate) fn most(id: u8, len: usize) -> usize {
    CODECS.iter().find(|entry| entry.id == id).map_or(usize::MAX, |entry| entry.most.saturating_mul(len))
}

fn make(id: u8, compression: Compression) -> Option<Box<dyn Codec>> {
    CODECS.iter().find(|entry| entry.id == id).map(|entry| (entry.make)(compression))
}

/// What a peer compressed is not what it says, or nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// After so many misses in a row so many frames are sent plain untried.
const LONGEST_REST: u32 = 64;

/// A sender's side.
pub(crate) struct Encoder {
    codec: Option<Box<dyn Codec>>,
    id: u8,
    minimum: usize,
    coded: Vec<u8>,
    /// So many frames are not tried.
    rest: u32,
    /// How many were not the last time.
    last_rest: u32,
}

impl Encoder {
    /// Frames of fewer than `minimum` bytes are left alone.
    pub fn new(compression: Compression, minimum: usize) -> Self {
        let id = compression.id();
        Self { codec: make(id, compression), id, minimum, coded: Vec::new(), rest: 0, last_rest: 0 }
    }

    /// The number of what [`encode`](Self::encode) gives.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Whether it may ever compress.
    pub fn is_on(&self) -> bool {
        self.codec.is_some()
    }

    /// How many bytes the frame has compressed, in [`coded`](Self::coded); `None`: send it plain.
    pub fn encode(&mut self, plain: &[u8]) -> Option<usize> {
        let codec = self.codec.as_mut()?;
        if plain.len() < self.minimum {
            return None;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        let bound = codec.bound(plain.len());
        if self.coded.len() < bound {
            self.coded.resize(bound, 0);
        }
        match codec.compress(plain, &mut self.coded[..bound]) {
            // What saves less than a sixteenth is not worth the other side's time.
            Some(len) if len <= plain.len() - plain.len() / 16 => {
                (self.rest, self.last_rest) = (0, 0);
                Some(len)
            }
            _ => {
                self.last_rest = (self.last_rest * 2).clamp(1, LONGEST_REST);
                self.rest = self.last_rest;
                None
            }
        }
    }

    /// What the last [`encode`](Self::encode) made.
    pub fn coded(&self, len: usize) -> &[u8] {
        &self.coded[..len]
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("id", &self.id).field("minimum", &self.minimum).finish()
    }
}

/// A receiver's side: every codec, each made when first needed.
#[derive(Default)]
pub(crate) struct Decoder {
    made: Vec<(u8, Box<dyn Codec>)>,
}

impl Decoder {
    /// Fills `into` with what was compressed. The caller has bounded its length.
    pub fn decode(&mut self, id: u8, coded: &[u8], into: &mut [u8]) -> Result<(), Corrupt> {
        if !self.made.iter().any(|(made, _)| *made == id) {
            self.made.push((id, make(id, Compression::Zstd { level: 1 }).ok_or(Corrupt)?));
        }
        let codec = self.made.iter_mut().find(|(made, _)| *made == id);
        codec.ok_or(Corrupt)?.1.decompress(coded, into)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("made", &self.made.len()).finish()
    }
}
