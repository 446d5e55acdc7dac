//! A datagram's header, 40 bytes: what a receiver that never met the sender has to know.
//!
//! ```text
//!  0  magic "ADITCAST"    16  session       32  type: FNV-1a of its name
//!  8  wire version: u32   24  sequence
//! 12  records: u32                          40  records, as in a frame
//! ```

use crate::lane::MessageKind;

/// Bytes of a header.
pub(super) const HEADER: usize = 40;

const MAGIC: &[u8; 8] = b"ADITCAST";

const VERSION: u32 = 1;

/// What stands before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Records that follow.
    pub count: u32,
    /// A number of the sender's own.
    pub session: u64,
    /// Of this datagram among the sender's, from 0 on.
    pub sequence: u64,
    /// What messages are.
    pub kind: u64,
}

impl Header {
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.count.to_le_bytes());
        for (at, value) in [(16, self.session), (24, self.sequence), (32, self.kind)] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Splits a datagram; `None`: it is none of this version.
    ///
    /// spec: NET-5.1
    pub fn split(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let (head, records) = datagram.split_first_chunk::<HEADER>()?;
        let word = |at: usize| head[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let ours = head[..8] == *MAGIC && head[8..12] == VERSION.to_le_bytes();
        let count = (word(8)? >> 32) as u32;
        ours.then_some((Self { count, session: word(16)?, sequence: word(24)?, kind: word(32)? }, records))
    }
}

/// One number for all that both sides must agree on.
pub(super) fn kind_number(kind: &MessageKind) -> u64 {
    let size = u64::from(kind.size().unwrap_or(0)) | u64::from(kind.alignment()) << 32;
    kind.hash() ^ size.rotate_left(17)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_header_is_read_as_it_was_written_and_noise_is_none(
            (count, session, sequence, kind) in any::<(u32, u64, u64, u64)>(),
            rest in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let header = Header { count, session, sequence, kind };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend(&rest);
            prop_assert_eq!(Header::split(&bytes), Some((header, &rest[..])));
            prop_assert!(Header::split(&rest).is_none());
            prop_assert!(Header::split(&bytes[..HEADER - 1]).is_none());
            bytes[8] ^= 2;
            prop_assert!(Header::split(&bytes).is_none());
        }
    }
}
