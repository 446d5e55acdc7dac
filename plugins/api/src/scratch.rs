//! Memory for hashes that need a lot of it: on huge pages as far as they can be had.
//!
//! A scratchpad is read at places that only the hash knows. On pages of 4 KiB nearly every read would also be a
//! miss in the tables that translate addresses; one page of 2 MiB takes one entry.

use std::{fmt, fs};

use memmap2::{Advice, MmapMut, MmapOptions};

/// Size of a huge page.
const HUGE: usize = 2 << 20;

/// Size of an ordinary page, or a part of one.
const ORDINARY: usize = 4 << 10;

/// The kind of page that memory came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages of 2 MiB from the pool that was set aside (`/proc/sys/vm/nr_hugepages`).
    Huge,
    /// Huge pages of 2 MiB that the kernel found without any having been set aside, under all of the memory.
    Transparent,
    /// Ordinary pages, at least under a part of the memory.
    Ordinary,
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Huge => "2 MiB pages",
            Self::Transparent => "transparent 2 MiB pages",
            Self::Ordinary => "ordinary pages",
        })
    }
}

/// Zeroed memory of one searcher.
///
/// ```
/// use adit_plugin::scratch::Scratch;
///
/// let mut scratch = Scratch::new(3 << 20);
/// assert_eq!(scratch.bytes_mut().len(), 3 << 20);
/// println!("{}", scratch.pages());
/// ```
#[derive(Debug)]
pub struct Scratch {
    map: MmapMut,
    /// Where the first huge page begins.
    start: usize,
    len: usize,
    pages: Pages,
}

impl Scratch {
    /// `len` bytes from a boundary of 2 MiB on: from the pool of huge pages; if it has not enough, transparent huge
    /// pages; else ordinary pages. [`pages`](Self::pages) says what came of it. All pages are there when this
    /// returns, on the memory of the NUMA node that the calling thread runs on.
    ///
    /// # Panics
    /// When the machine has no such memory, as `Vec` does; `len` is not 0.
    #[must_use]
    pub fn new(len: usize) -> Self {
        // What the pool has, this process may still not be allowed: a store would be its end then (SIGBUS), and this is an
        // error. Systems that do not know it (Linux before 5.14) have no pool here.
        let there = |map: MmapMut| map.advise(Advice::PopulateWrite).map(|()| map);
        let pool =
            MmapOptions::new().len(len.next_multiple_of(HUGE)).huge(Some(21)).map_anon().and_then(there);
        let (mut map, pooled) = match pool {
            Ok(map) => (map, true),
            Err(_) => match MmapMut::map_anon(len.next_multiple_of(HUGE) + HUGE) {
                Ok(map) => (map, false),
                Err(error) => panic!("no memory for a scratchpad of {len} bytes: {error}"),
            },
        };
        let start = map.as_ptr().addr().next_multiple_of(HUGE) - map.as_ptr().addr();
        if !pooled {
            // Refused where the kernel has none; the report says so.
            let _ = map.advise_range(Advice::HugePage, start, len.next_multiple_of(HUGE));
        }
        for page in map[start..start + len].chunks_mut(ORDINARY) {
            // A store that the compiler must not take for nothing: it makes the page.
            page[0] = std::hint::black_box(0);
        }
        let first = map.as_ptr().addr() + start;
        let pages = match pooled {
            true => Pages::Huge,
            false if huge_bytes(first, len) >= len => Pages::Transparent,
            false => Pages::Ordinary,
        };
        Self { map, start, len, pages }
    }

    /// The memory; its first byte is at a multiple of 2 MiB.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.len]
    }

    /// What it came on.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.pages
    }
}

/// How many bytes of `first .. first + len` are on transparent huge pages, by what the kernel says of the
/// mappings; neighbours of ours that it joined with it count too.
fn huge_bytes(first: usize, len: usize) -> usize {
    fs::read_to_string("/proc/self/smaps").map_or(0, |text| huge_bytes_in(&text, first, len))
}

fn huge_bytes_in(smaps: &str, first: usize, len: usize) -> usize {
    let (mut inside, mut bytes) = (false, 0);
    for line in smaps.lines() {
        if let Some((start, end)) = range(line) {
            inside = start < first + len && first < end;
        } else if let Some(rest) = line.strip_prefix("AnonHugePages:").filter(|_| inside) {
            bytes += rest.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0) * 1024;
        }
    }
    bytes
}

/// The head line of a mapping: `7f0000000000-7f0000200000 rw-p 00000000 00:00 0`.
fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroed_aligned_and_all_there() {
        for len in [1, 4096, HUGE, HUGE + 1, 3 * HUGE] {
            let mut scratch = Scratch::new(len);
            let bytes = scratch.bytes_mut();
            assert_eq!(bytes.len(), len);
            assert_eq!(bytes.as_ptr().addr() % HUGE, 0);
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(1);
        }
    }

    #[test]
    fn only_the_asked_mapping_counts() {
        let smaps = "\
200000-400000 rw-p 00000000 00:00 0
AnonHugePages:      2048 kB
VmFlags: rd wr
400000-800000 rw-p 00000000 00:00 0
AnonHugePages:         0 kB
";
        assert_eq!(huge_bytes_in(smaps, 0x20_0000, 0x20_0000), HUGE);
        assert_eq!(huge_bytes_in(smaps, 0x40_0000, 0x1000), 0);
        assert_eq!(huge_bytes_in(smaps, 0x30_0000, 0x20_0000), HUGE);
        assert_eq!(huge_bytes_in("garbage\n", 0, 1), 0);
    }
}
