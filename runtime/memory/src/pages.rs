//! Kinds of pages: what is asked for, what came out, and how that is known.

use std::{fmt, fs};

use crate::{error::MemoryError, region::Region};

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
    /// Why a wish was not met, in words for people. [`Pages::Auto`] is met by any pages.
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

/// Why shared memory got no transparent huge pages, as far as the system's settings tell.
pub(crate) fn no_transparent() -> String {
    let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    match fs::read_to_string(path) {
        Err(_) => "this kernel has no transparent huge pages for shared memory".to_owned(),
        Ok(text) => match chosen(&text) {
            mode @ ("never" | "deny") => {
                format!("transparent huge pages are off for shared memory: {path} is {mode:?}")
            }
            _ => "the kernel found no transparent huge page for this region".to_owned(),
        },
    }
}

/// Why private memory gets no transparent huge pages here, if it gets none.
pub(crate) fn no_private_transparent() -> Option<String> {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    match fs::read_to_string(path) {
        Err(_) => Some("this kernel has no transparent huge pages".to_owned()),
        Ok(text) if chosen(&text) == "never" => {
            Some(format!("transparent huge pages are off: {path} is \"never\""))
        }
        Ok(_) => None,
    }
}

/// The kernel promises nothing, so it is asked what it did.
pub(crate) fn verify_transparent(region: &mut Region) -> Pages {
    let (start, len) = (region.as_ptr().as_ptr().addr(), region.len());
    let huge = huge_bytes(start, len);
    if huge == 0 {
        return Pages::Normal;
    }
    if huge < len as u64 && region.report().asked != Pages::Auto {
        region.report_mut().notes.push(format!("only {huge} of {len} bytes are on transparent huge pages"));
    }
    Pages::Transparent
}

/// The word in brackets: `always advise [never]`.
fn chosen(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(word, _)| word)
}

/// How many bytes of the mapping at `start` are mapped by huge pages now.
pub(crate) fn huge_bytes(start: usize, len: usize) -> u64 {
    fs::read_to_string("/proc/self/smaps").map_or(0, |text| huge_bytes_in(&text, start, len))
}

fn huge_bytes_in(smaps: &str, start: usize, len: usize) -> u64 {
    let mut inside = false;
    let mut bytes = 0_u64;
    for line in smaps.lines() {
        if let Some((first, end)) = address_range(line) {
            inside = first < start.saturating_add(len) && start < end;
        } else if inside && ["ShmemPmdMapped:", "AnonHugePages:"].iter().any(|name| line.starts_with(name)) {
            let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            bytes = bytes.saturating_add(kib.saturating_mul(1024));
        }
    }
    bytes
}

/// The head line of a mapping: `7f0000000000-7f0000200000 rw-s 00000000 00:01 5 /memfd:name`.
fn address_range(line: &str) -> Option<(usize, usize)> {
    let (first, end) = line.split(' ').next()?.split_once('-')?;
    Some((usize::from_str_radix(first, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
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

    #[test]
    fn the_chosen_mode_is_the_one_in_brackets() {
        assert_eq!(chosen("always within_size advise [never] deny force\n"), "never");
        assert_eq!(chosen("garbage"), "");
    }

    #[test]
    fn only_the_asked_mapping_counts() {
        let smaps = "\
200000-400000 rw-s 00000000 00:01 5 /memfd:a (deleted)
Size:               2048 kB
AnonHugePages:         0 kB
ShmemPmdMapped:     2048 kB
VmFlags: rd wr sh
400000-800000 rw-s 00000000 00:01 6 /memfd:b (deleted)
ShmemPmdMapped:     4096 kB
";
        assert_eq!(huge_bytes_in(smaps, 0x20_0000, 0x20_0000), 2 << 20);
        assert_eq!(huge_bytes_in(smaps, 0x40_0000, 0x1000), 4 << 20);
        assert_eq!(huge_bytes_in(smaps, 0x80_0000, 0x1000), 0);
    }
}
