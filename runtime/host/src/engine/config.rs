//! What can be set.

use super::Sizing;

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How large units are.
    pub sizing: Sizing,
    /// An untrusted device gets a canary once in this many units; 0 means never.
    pub canary_interval: u32,
    /// For everything random.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { sizing: Sizing::default(), canary_interval: 64, seed: 0 }
    }
}
