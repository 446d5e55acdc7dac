//! What of a hash is done once: the states that its chains begin with, and what is made of those they end with.

use adit_plugin::search::Prepare;
use adit_plugin::{Digest, Layout, Target};
use sha2::{Digest as _, Sha256};

use crate::algorithm::{LAYOUT, number};

/// Chains of a hash.
pub(crate) const CHAINS: usize = 4;

/// The state of a chain, as little-endian words.
pub(crate) type State = [u32; 8];

/// By what the nonces of a hash's chains differ, times the chain's number.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What every nonce starts from; made once per job.
pub(crate) struct Job {
    /// BLAKE3, fed with the header up to the nonce.
    header: blake3::Hasher,
}

impl Prepare for Job {
    const LAYOUT: Layout = LAYOUT;

    fn prepare(header: &[u8], _: &Target) -> Self {
        Self::new(&header[..LAYOUT.nonce_offset])
    }
}

impl Job {
    /// A header of any length, without its nonce.
    pub(crate) fn new(header: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(header);
        Self { header: hasher }
    }

    /// The states that the chains of a nonce begin with.
    pub(crate) fn seeds(&self, nonce: u64) -> [State; CHAINS] {
        std::array::from_fn(|chain| {
            let nonce = nonce ^ GOLDEN.wrapping_mul(chain as u64);
            let hash = self.header.clone().update(&nonce.to_le_bytes()).finalize();
            let word =
                |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| hash.as_bytes()[4 * at + byte]));
            std::array::from_fn(word)
        })
    }
}

/// The digest that chains come to which end with these states.
pub(crate) fn finish(states: &[State; CHAINS]) -> Digest {
    let mut bytes = [0; 32];
    for (at, bytes) in bytes.chunks_exact_mut(4).enumerate() {
        let word = states.iter().fold(0, |word, state| word ^ state[at]);
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    number(*blake3::hash(&Sha256::digest(bytes)).as_bytes())
}
