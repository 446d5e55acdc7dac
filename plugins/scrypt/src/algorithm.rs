//! What the host sees: layout, oracle, headers for a development chain.

use std::time::Duration;

use adit_plugin::bench::{Bench, Bound, Reference, Unit};
use adit_plugin::{
    Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target, Variant, bitcoin, kernels::Kernels,
};
use sha2::{Digest as _, Sha256};

use crate::variant::VARIANTS;

pub(crate) use adit_plugin::bitcoin::LAYOUT;

/// Litecoin's scrypt.
///
/// ```
/// use adit_plugin::{Algorithm, Target};
/// use adit_scrypt::Scrypt;
///
/// let mut searcher = Scrypt.searcher();
/// searcher.set_job(&[0; 80], &Target::from_zero_bits(2)).unwrap();
/// searcher.search(0, 15, &mut |nonce, digest| {
///     let mut header = [0; 80];
///     Scrypt.layout().set_nonce(&mut header, nonce);
///     assert_eq!(Scrypt.digest(&header).unwrap(), digest);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrypt;

impl Algorithm for Scrypt {
    fn name(&self) -> &'static str {
        "scrypt"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"SCRY")
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        LAYOUT.check(header)?;
        // 2^10 = 1024; neither these parameters nor this length of an output are ever refused.
        let parameters = scrypt::Params::new(10, 1, 1).expect("valid parameters");
        let mut digest = [0; 32];
        scrypt::scrypt(header, header, &parameters, &mut digest).expect("a valid length");
        Ok(Digest(digest))
    }

    fn digest_cost(&self) -> Duration {
        Duration::from_micros(250)
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

    /// What AVX-512 needs for four hashes, a vector of rows: 2,048 block mixes, each of two Salsa20/8 of 32 additions,
    /// rotations and xors and 24 shuffles, 4 more additions and xors each, and 16 shuffles that make rows of lines or
    /// lines of rows; half of the block mixes take 8 more xors for what they read of the table, four of which are done
    /// in one with others. Shuffles have one unit, as rotations have. Memory and PBKDF2 are not in it.
    fn bench(&self) -> Bench {
        let mixes = |instructions: u32| 2048 * instructions;
        let bounds = ["avx512", "avx512x6", "avx512x8"].into_iter().flat_map(|variant| {
            let bound = |unit, count| Bound { variant, unit, count, hashes: 4 };
            [
                bound(Unit::Vector512, mixes(2 * (3 * 32 + 24 + 8) + 16 + 4 / 2)),
                bound(Unit::Rotate512, mixes(2 * 32)),
                bound(Unit::Rotate512, mixes(2 * 24 + 16)),
            ]
        });
        let digest = Box::new(|header: &[u8]| Scrypt.digest(header).unwrap_or_default());
        Bench { bounds: bounds.collect(), reference: Some(Reference { name: "scrypt 0.12", digest }) }
    }

    /// The Merkle root is the SHA-256 of height and roll, so that each roll has a header of its own.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let coinbase = [block.height, block.roll].map(u64::to_le_bytes);
        bitcoin::dev_header(block, &Sha256::digest(coinbase.as_flattened()).into())
    }

    fn kernels(&self) -> Option<Kernels> {
        Some(Kernels {
            constants: 28,
            scratch: 128 << 10,
            group: 32,
            lanes: 1,
            operations: 0,
            test_nonces: 64,
            scan: include_str!("../kernels/scan.cl"),
            wgsl: &[adit_plugin::kernels::SHA256_WGSL, include_str!("../kernels/wgpu.wgsl")],
        })
    }

    /// Pools count scrypt's difficulty in shares 65,536 times as easy as Bitcoin's.
    fn stratum_difficulty_one(&self) -> Option<Target> {
        let mut bytes = [0; 32];
        bytes[28..30].fill(0xff);
        Some(Target(bytes))
    }
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
        let header = Scrypt.dev_header(&block);
        assert_eq!(header.len(), 80);
        assert_eq!(header[..4], [0, 0, 0, 0x20]);
        assert_eq!(header[4..36], [7; 32]);
        assert_eq!(header[68..72], 1_700_000_000u32.to_le_bytes());
        assert_eq!(header[72..76], 0x1d00_ffffu32.to_le_bytes());
        assert_eq!(header[76..], [0; 4]);

        let rolled = Scrypt.dev_header(&DevBlock { roll: 10, ..block });
        assert_ne!(header[36..68], rolled[36..68]);
        let late = Scrypt.dev_header(&DevBlock { time_us: u64::MAX, ..block });
        assert_eq!(late[68..72], [0xff; 4]);
    }

    #[test]
    fn stratum_difficulty_one() {
        let target = Scrypt.stratum_difficulty_one().unwrap();
        assert_eq!(target.to_string(), format!("0000ffff{}", "0".repeat(56)));
    }
}
