//! A whole plugin in Rust: Bitcoin's double SHA-256 with the `sha2` crate.
//!
//! ```text
//! cargo build --release -p adit-example-plugin
//! adit mine --plugin target/release/libadit_example_plugin.so --algorithm sha256d-rust
//! ```
//!
//! It finds what `examples/plugin-c` finds.

use adit_plugin::{Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target};
use sha2::{Digest as _, Sha256};

adit_plugin::export!(Sha256dRust);

const LAYOUT: Layout = Layout { header_len: 80, nonce_offset: 76, nonce_width: 4 };

/// The algorithm.
struct Sha256dRust;

impl Algorithm for Sha256dRust {
    fn name(&self) -> &'static str {
        "sha256d-rust"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"SHAR")
    }

    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        LAYOUT.check(header)?;
        Ok(Digest(sha256d(header)))
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Box::new(Search(None))
    }

    /// Version 0x20000000, parent, the digest of height and roll, time, no bits, nonce 0.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        let coinbase = [block.height.to_le_bytes(), block.roll.to_le_bytes()].concat();
        let seconds = (block.time_us / 1_000_000) as u32;
        let mut header = 0x2000_0000u32.to_le_bytes().to_vec();
        header.extend(block.parent.0);
        header.extend(sha256d(&coinbase));
        header.extend(seconds.to_le_bytes());
        header.extend([0; 8]);
        header
    }

    fn stratum_difficulty_one(&self) -> Option<Target> {
        let mut bytes = [0; 32];
        bytes[26..28].fill(0xff);
        Some(Target(bytes))
    }
}

/// One thread's search; finds nothing before its first job.
struct Search(Option<Job>);

struct Job {
    /// The hash of the header's first 64 bytes, which have no nonce in them.
    midstate: Sha256,
    /// The other 16, the nonce last.
    rest: [u8; 16],
    target: Target,
}

impl Searcher for Search {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        LAYOUT.check(header)?;
        let mut rest = [0; 16];
        rest.copy_from_slice(&header[64..]);
        let midstate = Sha256::new_with_prefix(&header[..64]);
        self.0 = Some(Job { midstate, rest, target: *target });
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let Some(Job { midstate, rest, target }) = &mut self.0 else { return };
        for nonce in start..=last {
            rest[12..].copy_from_slice(&(nonce as u32).to_le_bytes());
            let first = midstate.clone().chain_update(*rest).finalize();
            let digest = Digest(Sha256::digest(first).into());
            if digest.meets(target) {
                hits(nonce, digest);
            }
        }
    }
}

fn sha256d(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}
