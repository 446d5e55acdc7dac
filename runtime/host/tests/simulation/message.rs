//! What travels between the simulated devices and the simulated host.

use std::ops::Range;

use adit_host::engine::Event;

/// A device's message, with what only the oracle may know.
#[derive(Clone, Debug)]
pub struct Message {
    pub event: Event,
    /// Of a unit that ended: which of its nonces, counted from its first, were hashed and their hits sent.
    pub truly: Range<u64>,
}

impl Message {
    pub fn plain(event: Event) -> Self {
        Self { event, truly: 0..0 }
    }
}
