//! What the algorithms of chains with Bitcoin's headers share: 80 bytes, all integers little-endian.
//!
//! ```text
//!  0        4                  36            68     72     76      80
//!  | version | previous digest  | Merkle root | time | bits | nonce |
//! ```

use crate::{DevBlock, Layout, Target};

/// How those headers are laid out.
pub const LAYOUT: Layout = Layout { header_len: 80, nonce_offset: 76, nonce_width: 4 };

/// A header of a development chain with this Merkle root: version 0x20000000, nonce zero; a time that 32 bits of
/// seconds cannot say is the latest they can.
#[must_use]
pub fn dev_header(block: &DevBlock<'_>, root: &[u8; 32]) -> Vec<u8> {
    let seconds = u32::try_from(block.time_us / 1_000_000).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(LAYOUT.header_len);
    header.extend(0x2000_0000u32.to_le_bytes());
    header.extend(block.parent.0);
    header.extend(root);
    header.extend(seconds.to_le_bytes());
    header.extend(compact(block.target).to_le_bytes());
    header.extend(0u32.to_le_bytes());
    header
}

/// A target as Bitcoin's `nBits`: its length in bytes, then its three highest bytes, rounded down.
///
/// The highest bit of the three is a sign; a target that would set it moves down by one byte.
#[must_use]
pub fn compact(target: &Target) -> u32 {
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
        assert_eq!(compact(&Target::from_zero_bits(32)), 0x1d00_ffff);
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
}
