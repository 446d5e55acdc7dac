//! A job, as far as it can be worked out without a nonce: the header's first 64 bytes, hashed, and its words.

use adit_plugin::lanes::{Lanes, Plain, sha256};
use adit_plugin::search::Prepare;
use adit_plugin::{Layout, Target};

use crate::algorithm::LAYOUT;

/// What every nonce starts from; made once per job.
pub(crate) struct Job {
    /// SHA-256's state after the header's first 64 bytes.
    pub(crate) midstate: [u32; 8],
    /// The header's words but the nonce, big-endian as SHA-256 reads them.
    pub(crate) words: [u32; 19],
}

impl Prepare for Job {
    const LAYOUT: Layout = LAYOUT;

    fn prepare(header: &[u8], _: &Target) -> Self {
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|byte| header[4 * at + byte]));
        let mut midstate = sha256::INITIAL;
        Plain.sha256(&mut midstate, &std::array::from_fn(word));
        Self { midstate, words: std::array::from_fn(word) }
    }
}
