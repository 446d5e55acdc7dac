//! The one word that says which jobs live, for whoever has no session in hand.

use std::{mem::offset_of, sync::atomic::Ordering};

use adit_abi::{self as abi, HostRegion};

use super::view::View;

/// The lowest live generation of a session: for another thread, or for a device that reads this memory itself. Keeps the
/// host region mapped. spec: SES-2.2
#[derive(Clone, Debug)]
pub struct LiveGeneration(View);

impl LiveGeneration {
    pub(super) fn new(host: &View) -> Self {
        Self(host.clone())
    }

    /// What it is now.
    #[inline]
    #[must_use]
    pub fn load(&self) -> u64 {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, generation);
        self.0.word(offset).load(Ordering::Relaxed)
    }

    /// Where it stands: a word that only the host writes, mapped for reading as long as this lives.
    #[must_use]
    pub fn as_ptr(&self) -> *const u64 {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, generation);
        self.0.word(offset).as_ptr()
    }
}
