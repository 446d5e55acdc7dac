//! What the host sees: layout, oracle, headers for a development chain.

use adit_plugin::bench::{Bench, Bound, Reference, Unit};
use adit_plugin::{Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Variant, kernels::Kernels};

use crate::variant::VARIANTS;

pub(crate) const LAYOUT: Layout = Layout { header_len: 286, nonce_offset: 278, nonce_width: 8 };

/// Chains that a development header calls adjacent to its own, which is chain 0.
const ADJACENT: [u32; 3] = [2, 3, 5];

/// The version that Chainweb gives development networks.
const DEVELOPMENT: u32 = 1;

/// Kadena's Chainweb proof of work.
///
/// ```
/// use adit_blake2s_kda::Blake2sKda;
/// use adit_plugin::{Algorithm, Target};
///
/// let mut searcher = Blake2sKda.searcher();
/// searcher.set_job(&[0; 286], &Target::from_zero_bits(4)).unwrap();
/// searcher.search(0, 999, &mut |nonce, digest| {
///     let mut header = [0; 286];
///     Blake2sKda.layout().set_nonce(&mut header, nonce);
///     assert_eq!(Blake2sKda.digest(&header).unwrap(), digest);
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blake2sKda;

impl Algorithm for Blake2sKda {
    fn name(&self) -> &'static str {
        "blake2s-kda"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"BL2K")
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        LAYOUT.check(header)?;
        Ok(Digest(blake2s(&[header])))
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

    /// AVX-512 needs 962 instructions for 16 hashes, 296 of them rotations.
    fn bench(&self) -> Bench {
        let bounds = ["avx512", "avx512x2"].into_iter().flat_map(|variant| {
            [(Unit::Vector512, 962), (Unit::Rotate512, 296)].map(|(unit, count)| Bound {
                variant,
                unit,
                count,
                hashes: 16,
            })
        });
        let digest = Box::new(|header: &[u8]| Digest(*blake2s_simd::blake2s(header).as_array()));
        Bench { bounds: bounds.collect(), reference: Some(Reference { name: "blake2s_simd 1.0", digest }) }
    }

    /// A header of chain 0. The payload's digest is that of height and roll, so that each roll has
    /// a header of its own; an adjacent block's digest is that of the parent and the chain's id;
    /// every block weighs 1, so weight is height; the epoch begins with the block.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let time = i64::try_from(block.time_us).unwrap_or(i64::MAX).to_le_bytes();
        let mut weight = [0; 32];
        weight[..8].copy_from_slice(&block.height.to_le_bytes());

        let mut header = Vec::with_capacity(LAYOUT.header_len);
        header.extend(0u64.to_le_bytes()); // flags
        header.extend(time);
        header.extend(block.parent.0);
        header.extend((ADJACENT.len() as u16).to_le_bytes());
        for chain in ADJACENT.map(u32::to_le_bytes) {
            header.extend(chain);
            header.extend(blake2s(&[&block.parent.0, &chain]));
        }
        header.extend(block.target.0);
        header.extend(blake2s(&[&block.height.to_le_bytes(), &block.roll.to_le_bytes()]));
        header.extend(0u32.to_le_bytes()); // chain id
        header.extend(weight);
        header.extend(block.height.to_le_bytes());
        header.extend(DEVELOPMENT.to_le_bytes());
        header.extend(time); // start of the epoch
        header.extend(0u64.to_le_bytes()); // nonce
        header
    }

    fn kernels(&self) -> Option<Kernels> {
        Some(Kernels {
            constants: 24,
            scratch: 0,
            group: 64,
            lanes: 1,
            operations: 593,
            test_nonces: 4096,
            scan: include_str!("../kernels/scan.cl"),
            wgsl: &[include_str!("../kernels/wgpu.wgsl")],
        })
    }
}

/// The `blake2s_simd` crate's hash of all the parts in a row; not for the search.
fn blake2s(parts: &[&[u8]]) -> [u8; 32] {
    let mut state = blake2s_simd::State::new();
    for part in parts {
        state.update(part);
    }
    *state.finalize().as_array()
}

#[cfg(test)]
mod tests {
    use adit_plugin::Target;

    use super::*;

    #[test]
    fn dev_header_has_the_real_shape() {
        let target = Target::from_zero_bits(12);
        let parent = Digest([7; 32]);
        let time_us = 1_700_000_000_999_999;
        let block = DevBlock { parent: &parent, height: 3, time_us, roll: 9, target: &target };
        let header = Blake2sKda.dev_header(&block);
        assert_eq!(header.len(), 286);
        assert_eq!(header[..8], [0; 8]);
        assert_eq!(header[8..16], time_us.to_le_bytes());
        assert_eq!(header[16..48], [7; 32]);
        assert_eq!(header[48..54], [3, 0, 2, 0, 0, 0]);
        assert_eq!(header[86..90], [3, 0, 0, 0]);
        assert_eq!(header[122..126], [5, 0, 0, 0]);
        assert_ne!(header[54..86], header[90..122]);
        assert_eq!(header[158..190], target.0);
        assert_eq!(header[222..226], [0; 4]);
        assert_eq!(header[226], 3);
        assert_eq!(header[227..258], [0; 31]);
        assert_eq!(header[258..266], 3u64.to_le_bytes());
        assert_eq!(header[266..270], 1u32.to_le_bytes());
        assert_eq!(header[270..278], time_us.to_le_bytes());
        assert_eq!(header[278..], [0; 8]);

        let rolled = Blake2sKda.dev_header(&DevBlock { roll: 10, ..block });
        assert_ne!(header[190..222], rolled[190..222]);
        let late = Blake2sKda.dev_header(&DevBlock { time_us: u64::MAX, ..block });
        assert_eq!(late[8..16], i64::MAX.to_le_bytes());
    }
}
