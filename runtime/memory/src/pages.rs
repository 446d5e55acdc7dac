//! Kinds of pages: what is asked for, what came out, and how that is known.

use std::{fmt, fs};

use crate::error::MemoryError;

/// The size of a huge page here; 1 GiB pages are not used.
pub(crate) const HUGE: usize = 2 << 20;

/// A kind of page. In a request: the largest to try; each falls to the next smaller kind when it cannot be
/// had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pages {
    /// Whatever suits the length, without a byte more of it: for each whole 2 MiB a transparent huge page, unless they
    /// are off on this machine (`/sys/kernel/mm/transparent_hugepage/enabled` is `never`), and ordinary pages for the
    /// rest. Only in requests.
    #[default]
    Auto,
    /// The kernel's ordinary pages.
    Normal,
    /// Huge pages as far as the kernel finds some, without any having been set aside; the length is rounded up to them.
    Transparent,
    /// Huge pages of 2 MiB from the pool that was set aside (`/proc/sys/vm/nr_hugepages`).
    Huge2M,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Pages::Auto => "fitting",
            Pages::Normal => "4 KiB",
            Pages::Transparent => "2 MiB transparent",
            Pages::Huge2M => "2 MiB",
        })
    }
}

/// Wishes for a region; none of them is an error when it cannot be had, but a line in the [`Report`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The largest kind of page to try.
    pub pages: Pages,
    /// The NUMA node on which the bytes should live; `None` leaves it to the kernel.
    pub node: Option<u32>,
}

/// What came of the wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The kind of page that was asked for.
    pub asked: Pages,
    /// The kind that came out, verified: [`Pages::Transparent`] only when at least one huge page is mapped. Never
    /// [`Pages::Auto`].
    pub got: Pages,
    /// Why a wish was not met, in words for people. [`Pages::Auto`] is met by ordinary pages as well.
    pub notes: Vec<String>,
    /// The NUMA node on which the pages are, as the kernel says after they were reserved; `None` when it does
    /// not say, or when they are spread over several.
    pub node: Option<u32>,
}

impl Report {
    pub(crate) fn new(asked: Pages) -> Report {
        Report { asked, got: Pages::Normal, notes: Vec::new(), node: None }
    }
}

/// What to tell when the pool gave no 2 MiB pages: how many it has, and where to get more.
pub(crate) fn no_pool_pages(error: &MemoryError) -> String {
    let cause = match error {
        MemoryError::System { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    let free = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    let free = free.as_deref().map_or("none", str::trim);
    format!("no 2 MiB pages: {cause}; {free} are free, and /proc/sys/vm/nr_hugepages sets more aside")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names() {
        assert_eq!(Pages::default().to_string(), "fitting");
        assert_eq!(Pages::Normal.to_string(), "4 KiB");
        assert_eq!(Pages::Transparent.to_string(), "2 MiB transparent");
        assert_eq!(Pages::Huge2M.to_string(), "2 MiB");
    }
}
