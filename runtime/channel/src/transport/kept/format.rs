//! The superblock: what a kept segment says of itself, and the places of its parts.
//!
//! ```text
//!      0  superblock: 256 bytes, then zeros         written once, before the segment has its name
//!  65536  reader's part: as a lane's reader region  written by the receiver
//! 131072  writer's part: as a lane's writer region  written by the sender
//! ```

use adit_memory::{Kept, KeptError, PART};

use super::corrupt;
use crate::{
    endpoint::OpenFailure,
    lane::{self, LAYOUT_VERSION, MAX_TYPE_NAME, MessageKind, Mode, Side, Spec},
};

/// "ADITKEPT" in the file.
const MAGIC: [u8; 8] = *b"ADITKEPT";

/// Of the superblock and of where the parts are.
pub(super) const VERSION: u32 = 1;

/// Where the reader's part begins.
pub(super) const READER_AT: usize = PART;

/// Where the writer's part begins.
pub(super) const WRITER_AT: usize = 2 * PART;

/// Of a segment that has no lane, only what a channel's ends agree on.
pub(super) const ANCHOR_LEN: usize = PART;

/// Of the longest segment.
pub(super) const LONGEST: usize = WRITER_AT + lane::LARGEST_WRITER.next_multiple_of(PART);

/// Bytes of the superblock.
const SIZE: usize = 256;

/// Where its checksum is.
const CHECKSUM: usize = SIZE - 8;

/// Where the name of the message type is.
const NAME: usize = 64;

const _: () = assert!(NAME + MAX_TYPE_NAME <= CHECKSUM);

/// Bytes of the writer's part.
pub(super) fn writer_len(spec: &Spec) -> usize {
    spec.writer_size().next_multiple_of(PART)
}

/// Bytes of a segment with a lane.
pub(super) fn lane_len(spec: &Spec) -> usize {
    WRITER_AT + writer_len(spec)
}

/// Fills a new segment.
pub(super) fn fill(made: &Kept, spec: &Spec) -> Result<(), KeptError> {
    // spec: SEG-1.1, SEG-1.2
    made.write_at(&superblock(spec, made.len()), 0)?;
    if made.len() > ANCHOR_LEN {
        made.write_at(&lane::header_bytes(Side::Reader, spec), READER_AT as u64)?;
        made.write_at(&lane::header_bytes(Side::Writer, spec), WRITER_AT as u64)?;
    }
    Ok(())
}

fn superblock(spec: &Spec, len: usize) -> [u8; SIZE] {
    let mut block = [0; SIZE];
    let kind = &spec.kind;
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &MAGIC);
    put(8, &VERSION.to_le_bytes());
    put(12, &LAYOUT_VERSION.to_le_bytes());
    put(16, &(len as u64).to_le_bytes());
    put(24, &(spec.capacity as u64).to_le_bytes());
    put(32, &spec.mode.to_number().to_le_bytes());
    put(36, &kind.size_or_arena().to_le_bytes());
    put(40, &kind.alignment().to_le_bytes());
    put(44, &(kind.name().len() as u32).to_le_bytes());
    put(NAME, kind.name().as_bytes());
    let sum = checksum(&block);
    block[CHECKSUM..].copy_from_slice(&sum.to_le_bytes());
    block
}

/// FNV-1a, against accidents.
fn checksum(block: &[u8; SIZE]) -> u64 {
    block[..CHECKSUM]
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What a segment says it is for, and its length.
pub(super) fn read(kept: &Kept) -> Result<(Spec, usize), OpenFailure> {
    let mut block = [0; SIZE];
    kept.read_at(&mut block, 0)?;
    parse(&block).map_err(|wrong| wrong.of(kept))
}

/// Checks that a segment is for channels like `spec` and `len` bytes long.
pub(super) fn check(kept: &Kept, spec: &Spec, len: usize) -> Result<(), OpenFailure> {
    // spec: SEG-1.3
    let (theirs, said) = read(kept)?;
    if let Some((what, ours, theirs)) = spec.difference(&theirs) {
        return Err(OpenFailure::Mismatch { what, ours, theirs });
    }
    if said != len {
        return Err(corrupt(kept.home(), format!("it says that it has {said} bytes, and should have {len}")));
    }
    if kept.len() != len {
        let (path, len, most) = (kept.home().path().to_owned(), kept.len() as u64, len as u64);
        return Err(KeptError::Length { path, len, least: most, most }.into());
    }
    Ok(())
}

/// What is wrong with a superblock.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    Version(&'static str, u32, u32),
    Content(&'static str),
}

impl Wrong {
    fn of(self, kept: &Kept) -> OpenFailure {
        match self {
            Self::Version(what, ours, theirs) => {
                OpenFailure::Mismatch { what, ours: ours.to_string(), theirs: theirs.to_string() }
            }
            Self::Content(what) => corrupt(kept.home(), what),
        }
    }
}

/// Reads bytes with a checksum that is right, so that there is more to come.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8]) {
    let mut block = [0; SIZE];
    let len = bytes.len().min(SIZE);
    block[..len].copy_from_slice(&bytes[..len]);
    let _ = parse(&block);
    block[..8].copy_from_slice(&MAGIC);
    let sum = checksum(&block);
    block[CHECKSUM..].copy_from_slice(&sum.to_le_bytes());
    let _ = parse(&block);
}

fn parse(block: &[u8; SIZE]) -> Result<(Spec, usize), Wrong> {
    let u32_at = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(block[at..at + 8].try_into().expect("eight bytes"));
    if block[..8] != MAGIC {
        return Err(Wrong::Content("it does not begin as a channel does"));
    }
    // Before the checksum, whose place is the version's affair.
    if u32_at(8) != VERSION {
        return Err(Wrong::Version("version of the segment", VERSION, u32_at(8)));
    }
    if u64_at(CHECKSUM) != checksum(block) {
        return Err(Wrong::Content("the checksum of its superblock is wrong"));
    }
    if u32_at(12) != LAYOUT_VERSION {
        return Err(Wrong::Version("layout version", LAYOUT_VERSION, u32_at(12)));
    }
    let name = block.get(NAME..NAME + u32_at(44) as usize).filter(|name| name.len() <= MAX_TYPE_NAME);
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let name = name.ok_or(Wrong::Content("its message type has no name"))?;
    let spec = Spec {
        mode: Mode::from_number(u32_at(32)).ok_or(Wrong::Content("its mode is none"))?,
        capacity: usize::try_from(u64_at(24)).unwrap_or(usize::MAX),
        kind: MessageKind::from_parts(name.to_owned(), u32_at(36), u32_at(40)),
    };
    Ok((spec, usize::try_from(u64_at(16)).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec() -> Spec {
        Spec { mode: Mode::Mpsc, capacity: 1 << 16, kind: MessageKind::fixed("tick", 16, 8) }
    }

    #[test]
    fn a_superblock_is_read_as_it_was_written() {
        for kind in [MessageKind::bytes(), MessageKind::fixed(&"x".repeat(MAX_TYPE_NAME), 8, 8)] {
            let spec = Spec { kind, ..spec() };
            assert_eq!(parse(&superblock(&spec, 12_345)), Ok((spec, 12_345)));
        }
    }

    #[test]
    fn another_version_is_told_from_nonsense() {
        let mut block = superblock(&spec(), PART);
        block[8] = 7;
        assert_eq!(parse(&block), Err(Wrong::Version("version of the segment", VERSION, 7)));
        let mut block = superblock(&spec(), PART);
        block[12] ^= 1;
        assert!(matches!(parse(&block), Err(Wrong::Content(what)) if what.contains("checksum")));
        let sum = checksum(&block);
        block[CHECKSUM..].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(parse(&block), Err(Wrong::Version("layout version", ..))));
    }

    proptest! {
        #[test]
        fn no_superblock_is_too_strange(at in 0..SIZE, bit in 0..8_u32, resum in any::<bool>()) {
            let mut block = superblock(&spec(), PART);
            block[at] ^= 1_u8 << bit;
            if resum {
                let sum = checksum(&block);
                block[CHECKSUM..].copy_from_slice(&sum.to_le_bytes());
            } else {
                prop_assert!(parse(&block).is_err());
            }
            let _ = parse(&block);
        }
    }
}
