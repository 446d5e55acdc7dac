//! An algorithm that costs a few nanoseconds a nonce, and header spaces for it.

use adit_host::job::HeaderSpace;
use adit_plugin::{Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target};

/// Bytes of a header: an 8-byte roll, 8 bytes that differ from job to job, 8 bytes in which the nonce stands.
const HEADER: usize = 24;

/// Four rounds of splitmix over the folded header; two of these differ in name and nonce width only.
pub struct Toy {
    pub name: &'static str,
    pub id: u32,
    pub nonce_width: usize,
}

/// With nonces of 4 bytes.
pub const NARROW: Toy = Toy { name: "narrow", id: 1, nonce_width: 4 };
/// With nonces of 8 bytes.
pub const WIDE: Toy = Toy { name: "wide", id: 2, nonce_width: 8 };

/// One output of splitmix64.
pub fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The part of a digest that is the same for every nonce of a header.
pub fn prefix(header: &[u8]) -> u64 {
    header[..16]
        .chunks_exact(8)
        .fold(0, |state, word| mix(state ^ u64::from_le_bytes(word.try_into().unwrap())))
}

/// The digest of `nonce` under a header's [`prefix`].
pub fn hash(prefix: u64, nonce: u64) -> Digest {
    let mut digest = Digest::default();
    let mut state = prefix ^ mix(nonce);
    for word in digest.0.chunks_exact_mut(8) {
        state = mix(state);
        word.copy_from_slice(&state.to_le_bytes());
    }
    digest
}

/// The target that one digest in `density` meets; 1 is every digest.
pub fn one_in(density: u64) -> Target {
    let mut target = Target::MAX;
    target.0[24..].copy_from_slice(&(u64::MAX / density.max(1)).to_le_bytes());
    target
}

impl Algorithm for Toy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn id(&self) -> u32 {
        self.id
    }

    fn layout(&self) -> Layout {
        Layout { header_len: HEADER, nonce_offset: 16, nonce_width: self.nonce_width }
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.layout().check(header)?;
        Ok(hash(prefix(header), self.layout().nonce(header)))
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Box::new(Search { prefix: 0, target: Target::MAX })
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        header(block.height, block.roll)
    }
}

struct Search {
    prefix: u64,
    target: Target,
}

impl Searcher for Search {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        NARROW.layout().check(header)?;
        (self.prefix, self.target) = (prefix(header), *target);
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        for nonce in start..=last {
            let digest = hash(self.prefix, nonce);
            if digest.meets(&self.target) {
                hits(nonce, digest);
            }
        }
    }
}

/// `rolls` headers, others for each `salt`.
pub struct Rolls {
    pub salt: u64,
    pub rolls: u64,
}

impl HeaderSpace for Rolls {
    fn rolls(&self) -> u64 {
        self.rolls
    }

    fn header(&self, roll: u64) -> Vec<u8> {
        header(self.salt, roll)
    }
}

fn header(salt: u64, roll: u64) -> Vec<u8> {
    [roll, salt, 0].into_iter().flat_map(u64::to_le_bytes).collect()
}
