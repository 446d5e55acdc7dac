//! What the host sees: layout, oracle, headers for a development chain.

use adit_plugin::bench::{Bench, Bound, Reference, Unit};
use adit_plugin::{
    Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target, Variant, bitcoin, kernels::Kernels,
};
use sha2::{Digest as _, Sha256};

use crate::variant::VARIANTS;

pub(crate) use adit_plugin::bitcoin::LAYOUT;

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

    /// The Merkle root is the double SHA-256 of height and roll, so that each roll has a header of its own.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let mut coinbase = [0; 16];
        coinbase[..8].copy_from_slice(&block.height.to_le_bytes());
        coinbase[8..].copy_from_slice(&block.roll.to_le_bytes());
        bitcoin::dev_header(block, &sha256d(&coinbase))
    }

    fn kernels(&self) -> Option<Kernels> {
        Some(Kernels {
            constants: 28,
            scratch: 0,
            group: 64,
            lanes: 1,
            operations: 1819,
            test_nonces: 4096,
            scan: include_str!("../kernels/scan.cl"),
            wgsl: &[adit_plugin::kernels::SHA256_WGSL, include_str!("../kernels/wgpu.wgsl")],
        })
    }

    /// AVX-512 needs 2,885 instructions for 16 hashes, 1,185 of them rotations or shifts; SHA-NI the 60 double
    /// rounds that a hash cannot do without.
    fn bench(&self) -> Bench {
        let bound = |variant, unit, count, hashes| Bound { variant, unit, count, hashes };
        let avx512 = ["avx512", "avx512x2"].into_iter().flat_map(|variant| {
            [bound(variant, Unit::Vector512, 2885, 16), bound(variant, Unit::Rotate512, 1185, 16)]
        });
        let sha_ni =
            ["sha-ni", "sha-nix6", "sha-nix8"].map(|variant| bound(variant, Unit::Sha256Rounds, 60, 1));
        let bounds = avx512.chain(sha_ni).collect();
        let digest = Box::new(|header: &[u8]| Digest(sha256d(header)));
        Bench { bounds, reference: Some(Reference { name: "sha2 0.10", digest }) }
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

#[cfg(test)]
mod tests {
    use super::*;

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
