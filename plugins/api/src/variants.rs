//! The variants of an algorithm's search, in one table.

use std::sync::OnceLock;

use crate::{Algorithm, Searcher, Variant, choose};

/// A variant: its name, whether this CPU has what it needs, and the maker of its searcher, which gives none where it
/// has not.
pub type Entry = (&'static str, fn() -> bool, fn() -> Option<Box<dyn Searcher>>);

/// All variants of an algorithm on this architecture, and which of them was measured to be the fastest.
///
/// ```
/// use adit_plugin::{Searcher, Variants};
///
/// static VARIANTS: Variants = Variants::new(&[("of-tomorrow", || false, || None)]);
/// assert!(!VARIANTS.list()[0].supported);
/// assert!(VARIANTS.searcher_of("of-tomorrow").is_none());
/// ```
pub struct Variants {
    entries: &'static [Entry],
    fastest: OnceLock<&'static str>,
}

impl Variants {
    /// A table of these; one of them works everywhere.
    #[must_use]
    pub const fn new(entries: &'static [Entry]) -> Self {
        Self { entries, fastest: OnceLock::new() }
    }

    /// What [`Algorithm::variants`] gives.
    #[must_use]
    pub fn list(&self) -> Vec<Variant> {
        self.entries.iter().map(|&(name, supported, _)| Variant { name, supported: supported() }).collect()
    }

    /// What [`Algorithm::searcher_of`] gives.
    #[must_use]
    pub fn searcher_of(&self, name: &str) -> Option<Box<dyn Searcher>> {
        self.entries.iter().find(|(entry, ..)| *entry == name).and_then(|(.., make)| make())
    }

    /// What [`Algorithm::searcher`] gives: of the variants of `algorithm`, which has this table, the fastest. The
    /// first call of a process [measures](choose::fastest) them.
    ///
    /// # Panics
    /// When no variant works on this CPU.
    #[must_use]
    pub fn searcher(&self, algorithm: &dyn Algorithm) -> Box<dyn Searcher> {
        let measure = || choose::fastest(algorithm).expect("one variant works everywhere");
        let fastest = self.fastest.get_or_init(measure);
        self.searcher_of(fastest).expect("what was measured is supported")
    }
}
