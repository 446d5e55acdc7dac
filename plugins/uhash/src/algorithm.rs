//! What the host sees: layout, oracle, headers for a development chain.

use std::{cell::RefCell, time::Duration};

use adit_plugin::bench::{Bench, Bound, Reference, Unit};
use adit_plugin::{Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Variant, kernels::Kernels};

use crate::variant::VARIANTS;

pub(crate) const LAYOUT: Layout = Layout { header_len: 68, nonce_offset: 60, nonce_width: 8 };

/// UniversalHash, version 4.
///
/// ```
/// use adit_plugin::{Algorithm, Target};
/// use adit_uhash::Uhash;
///
/// let mut searcher = Uhash.searcher();
/// searcher.set_job(&[0; 68], &Target::from_zero_bits(1)).unwrap();
/// searcher.search(0, 3, &mut |nonce, digest| {
///     let mut header = [0; 68];
///     Uhash.layout().set_nonce(&mut header, nonce);
///     assert_eq!(Uhash.digest(&header).unwrap(), digest);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uhash;

impl Algorithm for Uhash {
    fn name(&self) -> &'static str {
        "uhash"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"UHSH")
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        LAYOUT.check(header)?;
        Ok(number(uhash_core::hash(header)))
    }

    fn digest_cost(&self) -> Duration {
        Duration::from_millis(10)
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

    /// What AVX-512 needs for four nonces, a vector of chains: 4,096 times a SHA-256 of 1,624 instructions, a BLAKE3 of
    /// 792 and AES rounds of 32, with 64, 64 and 32 shuffles for what is read and 24 each for what is written; and
    /// 524,288 AES rounds to fill the scratchpads. The caches are not in it.
    ///
    /// `uhash-core` looks at compile time for AES instructions: it is at its best only when built for this very processor.
    fn bench(&self) -> Bench {
        let (sha256, blake3, aes) = (1624 + 64 + 24, 792 + 64 + 24, 32 + 32 + 24);
        let count = 4096 * (sha256 + blake3 + aes) + 524_288;
        let bounds = vec![Bound { variant: "avx512", unit: Unit::Vector512, count, hashes: 4 }];
        let digest = Box::new(|header: &[u8]| HASHER.with_borrow_mut(|hasher| number(hasher.hash(header))));
        Bench { bounds, reference: Some(Reference { name: REFERENCE, digest }) }
    }

    /// The block before gives the epoch's seed; the address is made of height and roll, so that each roll has a header
    /// of its own.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let rolled = [block.height, block.roll].map(u64::to_le_bytes);
        let mut header = Vec::with_capacity(LAYOUT.header_len);
        header.extend(block.parent.0);
        header.extend(&blake3::hash(rolled.as_flattened()).as_bytes()[..20]);
        header.extend((block.time_us / 1_000_000).to_le_bytes());
        header.extend(0u64.to_le_bytes());
        header
    }

    fn kernels(&self) -> Option<Kernels> {
        Some(Kernels {
            constants: 16,
            scratch: 512 << 10,
            group: 192,
            lanes: 4,
            operations: 0,
            test_nonces: 8,
            scan: include_str!("../kernels/scan.cl"),
            wgsl: &[adit_plugin::kernels::SHA256_WGSL, include_str!("../kernels/wgpu.wgsl")],
        })
    }
}

thread_local! {
    /// Keeps its scratchpads, as its documentation advises.
    static HASHER: RefCell<uhash_core::UniversalHash> = RefCell::new(uhash_core::UniversalHash::new());
}

/// With what it was built for, because that is the difference of a factor.
const REFERENCE: &str =
    if cfg!(target_feature = "aes") { "uhash-core 0.5 (AES-NI)" } else { "uhash-core 0.5 (without AES-NI)" };

/// A hash as a number whose first byte is the least significant.
pub(crate) fn number(mut hash: [u8; 32]) -> Digest {
    hash.reverse();
    Digest(hash)
}

#[cfg(test)]
mod tests {
    use adit_plugin::Target;

    use super::*;

    #[test]
    fn dev_header_has_the_real_shape() {
        let (parent, target) = (Digest([7; 32]), Target::from_zero_bits(4));
        let time_us = 1_700_000_000_999_999;
        let block = DevBlock { parent: &parent, height: 3, time_us, roll: 9, target: &target };
        let header = Uhash.dev_header(&block);
        assert_eq!(header.len(), 68);
        assert_eq!(header[..32], [7; 32]);
        assert_eq!(header[52..60], 1_700_000_000u64.to_le_bytes());
        assert_eq!(header[60..], [0; 8]);
        let rolled = Uhash.dev_header(&DevBlock { roll: 10, ..block });
        assert_ne!(header[32..52], rolled[32..52]);
    }
}
