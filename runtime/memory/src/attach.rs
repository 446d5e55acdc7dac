//! The receiving side: a descriptor from a peer who is not trusted.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{FileType, SealFlags, fcntl_get_seals, fstat, fstatfs},
    io::Errno,
};

use crate::{
    aligned::map_region,
    error::{MemoryError, failed},
    pages::{HUGE, Pages, Report},
    region::{Access, Region},
};

/// `statfs` says this of memfds with huge pages.
const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;

/// Maps a memfd that a peer made.
///
/// Its size must be sealed, because a peer that shrinks a memfd kills its readers with SIGBUS; and it must be
/// between 1 and `max_len` bytes in whole pages. Reserved huge pages are only mapped when they are sealed against
/// writing as well, because who may write may also give pages back; so never writable.
///
/// # Errors
///
/// [`MemoryError::NotMemfd`], [`MemoryError::Unsealed`], [`MemoryError::WriteSealed`],
/// [`MemoryError::RevocableHugePages`], [`MemoryError::WrongSize`], or the kernel's refusal.
pub fn attach(fd: OwnedFd, access: Access, max_len: usize) -> Result<Region, MemoryError> {
    // Seals first: once they are there they cannot go, so the size read after them is final.
    let seals = match fcntl_get_seals(&fd) {
        Ok(seals) => seals,
        // Only memfds (and other files in the same kind of memory, which have no size seals) have seals.
        Err(Errno::INVAL) => return Err(MemoryError::NotMemfd),
        Err(error) => return Err(failed("read the seals of a descriptor", 0)(error)),
    };
    let status = fstat(&fd).map_err(failed("ask for the size of a memfd", 0))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(MemoryError::NotMemfd);
    }
    let size = u64::try_from(status.st_size).unwrap_or(0);
    if let Some(missing) = missing_seals(seals) {
        return Err(MemoryError::Unsealed { missing, len: size });
    }
    let write_sealed = seals.intersects(SealFlags::WRITE | SealFlags::FUTURE_WRITE);
    if access == Access::ReadWrite && write_sealed {
        return Err(MemoryError::WriteSealed { len: size });
    }
    let (pages, page) = page_kind(&fd)?;
    let len = usize::try_from(size).unwrap_or(usize::MAX);
    if len == 0 || len > max_len || size % page != 0 {
        return Err(MemoryError::WrongSize { len: size, max_len, page });
    }
    if pages == Pages::Huge2M && !write_sealed {
        return Err(MemoryError::RevocableHugePages { len: size });
    }
    let mut report = Report::new(pages);
    report.got = pages;
    let region = map_region(&fd, len, access, report)?;
    region.populate()?;
    Ok(region.locate(None))
}

fn missing_seals(seals: SealFlags) -> Option<&'static str> {
    match (seals.contains(SealFlags::SHRINK), seals.contains(SealFlags::GROW)) {
        (true, true) => None,
        (false, true) => Some("F_SEAL_SHRINK"),
        (true, false) => Some("F_SEAL_GROW"),
        (false, false) => Some("F_SEAL_SHRINK and F_SEAL_GROW"),
    }
}

/// The kind of pages behind `fd` and their size. Transparent pages are the maker's affair and count as
/// normal.
fn page_kind(fd: &OwnedFd) -> Result<(Pages, u64), MemoryError> {
    let system = fstatfs(fd).map_err(failed("ask for the page size of a memfd", 0))?;
    // The type of the field differs between architectures; the magic number has 32 bits.
    if system.f_type as u64 & 0xffff_ffff != HUGETLBFS_MAGIC {
        return Ok((Pages::Normal, rustix::param::page_size() as u64));
    }
    let page = system.f_bsize as u64;
    if page == HUGE as u64 {
        return Ok((Pages::Huge2M, page));
    }
    let unsupported = std::io::Error::from(std::io::ErrorKind::Unsupported);
    Err(failed("map huge pages of another size than 2 MiB", usize::try_from(page).unwrap_or(0))(unsupported))
}
