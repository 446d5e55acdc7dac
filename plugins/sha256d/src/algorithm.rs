//! What the host sees: layout, oracle, headers for a development chain.

use adit_plugin::{Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target, Variant};
use sha2::{Digest as _, Sha256};

use crate::variant::VARIANTS;

pub(crate) const LAYOUT: Layout = Layout { header_len: 80, nonce_offset: 76, nonce_width: 4 };

/// Bitcoin's double SHA-256.
///
/// ```
/// use adit_plugin::{Algorithm, Target};
/// use adit_sha256d::Sha256d;
///
/// let mut searcher = Sha256d.searcher();
/// searcher.set_job(&[0; 80], &Target::from_zero_bits(4)).unwrap();
/// searcher.search(0, 999, &mut |nonce, digest| {
///     let mut header = [0; 80];
///     Sha256d.layout().set_nonce(&mut header, nonce);
///     assert_eq!(Sha256d.digest(&header).unwrap(), digest);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sha256d;

impl Algorithm for Sha256d {
    fn name(&self) -> &'static str {
        "sha256d"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"SHAD")
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        LAYOUT.check(header)?;
        Ok(Digest(sha256d(header)))
    }

    /// Finds nothing before the first `set_job`.
    fn searcher(&self) -> Box<dyn Searcher> {
        VARIANTS.searcher(self)
    }

    fn variants(&self) -> Vec<Variant> {
        VARIANTS.list()
    }

    fn searcher_of(&self, variant: &str) -> Option<Box<dyn Searcher>> {
        VARIANTS.searcher_of(variant)
    }

    /// Version 0x20000000; the Merkle root is the double SHA-256 of height and roll, so that each
    /// roll has a header of its own; a time that 32 bits of seconds cannot say is the latest they can.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let mut coinbase = [0; 16];
        coinbase[..8].copy_from_slice(&block.height.to_le_bytes());
        coinbase[8..].copy_from_slice(&block.roll.to_le_bytes());
        let seconds = u32::try_from(block.time_us / 1_000_000).unwrap_or(u32::MAX);

        let mut header = Vec::with_capacity(LAYOUT.header_len);
        header.extend(0x2000_0000u32.to_le_bytes());
        header.extend(block.parent.0);
        header.extend(sha256d(&coinbase));
        header.extend(seconds.to_le_bytes());
        header.extend(compact(block.target).to_le_bytes());
        header.extend(0u32.to_le_bytes());
        header
    }

    fn stratum_difficulty_one(&self) -> Option<Target> {
        let mut bytes = [0; 32];
        bytes[26..28].fill(0xff);
        Some(Target(bytes))
    }
}

/// Two rounds of the `sha2` crate; not for the search.
fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

/// A target as Bitcoin's `nBits`: its length in bytes, then its three highest bytes, rounded down.
///
/// The highest bit of the three is a sign; a target that would set it moves down by one byte.
fn compact(target: &Target) -> u32 {
    let Some(highest) = target.0.iter().rposition(|&byte| byte != 0) else {
        return 0;
    };
    let len = if target.0[highest] & 0x80 == 0 { highest + 1 } else { highest + 2 };
    // The byte that stands `below` bytes under the end of a target of `len` bytes.
    let byte = |below: usize| {
        len.checked_sub(below).and_then(|at| target.0.get(at)).map_or(0, |&byte| u32::from(byte))
    };
    (len as u32) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(value: u64) -> Target {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&value.to_le_bytes());
        Target(bytes)
    }

    #[test]
    fn compact_targets() {
        assert_eq!(compact(&Sha256d.stratum_difficulty_one().unwrap()), 0x1d00_ffff);
        assert_eq!(compact(&Target::from_zero_bits(32)), 0x1d00_ffff);
        assert_eq!(compact(&Target::MAX), 0x2100_ffff);
        assert_eq!(compact(&Target([0; 32])), 0);
        assert_eq!(compact(&small(0x12)), 0x0112_0000);
        assert_eq!(compact(&small(0x80)), 0x0200_8000);
        assert_eq!(compact(&small(0x1234_5678)), 0x0412_3456);
        assert_eq!(compact(&small(0x9234_5600)), 0x0500_9234);
        // Block 125552.
        let target = "00000000000044b9f20000000000000000000000000000000000000000000000";
        assert_eq!(compact(&target.parse().unwrap()), 0x1a44_b9f2);
    }

    #[test]
    fn dev_header_has_the_real_shape() {
        let block = DevBlock {
            parent: &Digest([7; 32]),
            height: 3,
            time_us: 1_700_000_000_999_999,
            roll: 9,
            target: &Target::from_zero_bits(32),
        };
        let header = Sha256d.dev_header(&block);
        assert_eq!(header.len(), 80);
        assert_eq!(header[..4], [0, 0, 0, 0x20]);
        assert_eq!(header[4..36], [7; 32]);
        assert_eq!(header[68..72], 1_700_000_000u32.to_le_bytes());
        assert_eq!(header[72..76], 0x1d00_ffffu32.to_le_bytes());
        assert_eq!(header[76..], [0; 4]);

        let rolled = Sha256d.dev_header(&DevBlock { roll: 10, ..block });
        assert_ne!(header[36..68], rolled[36..68]);
        let late = Sha256d.dev_header(&DevBlock { time_us: u64::MAX, ..block });
        assert_eq!(late[68..72], [0xff; 4]);
    }
}
