//! Mapping a memfd, from 2 MiB on at a multiple of that: where huge pages can be, and what devices like to pin.

use std::os::fd::{AsRawFd as _, OwnedFd};

use memmap2::{MmapOptions, MmapRaw};
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::{
    error::{MemoryError, failed},
    pages::{HUGE, Report},
    region::{Access, Region},
};

/// Maps the first `len` bytes of `fd`.
pub(crate) fn map_region(
    fd: &OwnedFd,
    len: usize,
    access: Access,
    report: Report,
) -> Result<Region, MemoryError> {
    if len >= HUGE {
        return map_aligned(fd, len, access, report);
    }
    let mut mapping = MmapOptions::new();
    mapping.len(len);
    let map = match access {
        Access::ReadWrite => mapping.map_raw(fd.as_raw_fd()),
        Access::ReadOnly => mapping.map_raw_read_only(fd.as_raw_fd()),
    };
    Ok(Region::new(map.map_err(failed(step(access), len))?, access, report))
}

/// The kernel chooses any page, so room for one huge page more is reserved, and the memfd mapped over it.
fn map_aligned(fd: &OwnedFd, len: usize, access: Access, report: Report) -> Result<Region, MemoryError> {
    let room = len.saturating_add(HUGE);
    let reserved = MmapOptions::new().len(room).no_reserve_swap().map_anon();
    let reserved = MmapRaw::from(reserved.map_err(failed("reserve addresses for a memfd", room))?);
    let skipped = reserved.as_ptr().align_offset(HUGE);
    let protection = match access {
        Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        Access::ReadOnly => ProtFlags::READ,
    };
    let at = reserved.as_mut_ptr().wrapping_add(skipped);
    // SAFETY: less than a huge page is skipped, so `len` bytes from `at` are within what was reserved, which nobody
    // has a pointer to; what is mapped there is unmapped together with it.
    let mapped = unsafe { mmap(at.cast(), len, protection, MapFlags::SHARED | MapFlags::FIXED, fd, 0) };
    match mapped {
        Ok(_) => Ok(Region::new(reserved, access, report).cut(skipped, len)),
        Err(error) => {
            // The kernel may have unmapped the place already and given it to somebody else: addresses are lost.
            std::mem::forget(reserved);
            Err(failed(step(access), len)(error))
        }
    }
}

fn step(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "map a memfd writable",
        Access::ReadOnly => "map a memfd read-only",
    }
}
