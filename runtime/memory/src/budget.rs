//! How much memory can be had, asked before the kernel hands it out.
//!
//! `fallocate` on a memfd does not fail when the machine is full: it calls the OOM killer. So the size is
//! held against what is available first. This is a check against mistakes, not a reservation.

use std::{fs, path::Path};

use crate::error::MemoryError;

/// Rounds `len` up to whole pages of `page` bytes and checks that so much can be had.
pub(crate) fn round_up(len: usize, page: usize) -> Result<usize, MemoryError> {
    round_up_within(len, page, available())
}

/// The same for pages of the pool, which are counted among nothing that is available: whether it has them it says itself.
pub(crate) fn round_up_of_pool(len: usize, page: usize) -> Result<usize, MemoryError> {
    round_up_within(len, page, u64::MAX)
}

fn round_up_within(len: usize, page: usize, available: u64) -> Result<usize, MemoryError> {
    if len == 0 {
        return Err(MemoryError::ZeroLength);
    }
    let too_large = MemoryError::TooLarge { len, available };
    // No object may be longer than `isize::MAX`, or pointer offsets into it would overflow.
    match len.checked_next_multiple_of(page) {
        Some(rounded) if isize::try_from(rounded).is_ok() && rounded as u64 <= available => Ok(rounded),
        _ => Err(too_large),
    }
}

/// The least of: what the machine has available (with swap), and the limits of this process's control groups.
fn available() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| from_meminfo(&text));
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| from_groups(&text, Path::new("/sys/fs/cgroup")));
    // Unknown is no limit here; the kernel has the last word anyway.
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}

fn from_meminfo(text: &str) -> Option<u64> {
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(field("MemAvailable:")?.saturating_add(field("SwapFree:").unwrap_or(0)))
}

/// The smallest `memory.max` from this process's group up to the root (control groups version 2).
fn from_groups(text: &str, root: &Path) -> Option<u64> {
    let group = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join(group);
    folder
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok())
        // "max" means no limit and is no number.
        .filter_map(|limit| limit.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_whole_pages() {
        assert_eq!(round_up(1, 4096).unwrap(), 4096);
        assert_eq!(round_up(4096, 4096).unwrap(), 4096);
        assert_eq!(round_up(4097, 4096).unwrap(), 8192);
        assert!(matches!(round_up(0, 4096), Err(MemoryError::ZeroLength)));
        for len in [1 << 50, isize::MAX as usize, usize::MAX] {
            assert!(matches!(round_up(len, 4096), Err(MemoryError::TooLarge { .. })));
        }
        assert_eq!(round_up_of_pool((1 << 50) - 1, 4096).unwrap(), 1 << 50);
        assert!(matches!(round_up_of_pool(usize::MAX, 4096), Err(MemoryError::TooLarge { .. })));
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal: 9 kB\nMemAvailable:   1000 kB\nSwapFree:  24 kB\n";
        assert_eq!(from_meminfo(text), Some(1024 * 1024));
        assert_eq!(from_meminfo("MemTotal: 9 kB\n"), None);
        assert!(available() > 0);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("outer/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(from_groups("0::/outer/inner\n", root.path()), None);
        fs::write(root.path().join("outer/memory.max"), "4096\n").unwrap();
        assert_eq!(from_groups("1:cpu:/x\n0::/outer/inner\n", root.path()), Some(4096));
        assert_eq!(from_groups("0::/\n", root.path()), None);
    }
}
