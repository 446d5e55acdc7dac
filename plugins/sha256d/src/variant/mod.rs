//! The variants of the search: one kernel for each set of instructions.

use crate::job::Job;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use adit_plugin::{Searcher, Variant};

use crate::search::Search;

/// Hashes groups of nonces that follow each other.
pub(crate) trait Scan: Send + 'static {
    /// Nonces of a group: at most 32.
    const GROUP: u32;

    /// Hashes up to `groups` groups from nonce `first` on, and stops at the first that may hold a
    /// hit: gives how many groups came before it, and its promising nonces, one bit each, the first
    /// nonce lowest. Nonces wrap round at 2^32; the caller does not look at those.
    fn scan(&self, job: &Job, first: u32, groups: u64) -> Option<(u64, u32)>;
}

/// Name and maker of a searcher; the maker gives none where the CPU lacks something.
type Entry = (&'static str, fn() -> Option<Box<dyn Searcher>>);

/// All variants of this architecture.
const ENTRIES: &[Entry] = &[
    #[cfg(target_arch = "x86_64")]
    ("avx512", || Search::boxed(avx512::Avx512::detect()?)),
    #[cfg(target_arch = "x86_64")]
    ("avx2", || Search::boxed(avx2::Avx2::detect()?)),
    #[cfg(target_arch = "x86_64")]
    ("sha-ni", || Search::boxed(sha_ni::ShaNi::detect()?)),
    ("portable", || Search::boxed(portable::Portable)),
];

/// All variants of this architecture, and which this CPU supports.
pub(crate) fn all() -> Vec<Variant> {
    ENTRIES.iter().map(|&(name, make)| Variant { name, supported: make().is_some() }).collect()
}

/// The searcher of a variant, where it exists and this CPU supports it.
pub(crate) fn searcher(name: &str) -> Option<Box<dyn Searcher>> {
    ENTRIES.iter().find(|(entry, _)| *entry == name).and_then(|(_, make)| make())
}
