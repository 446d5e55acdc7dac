//! Memfds that are made here and handed to a peer.
//!
//! The order of the steps matters, and is this:
//!
//! ```text
//! memfd_create, ftruncate   the size is final from here on
//! mmap                      before the write seal, which only refuses what comes after it
//! mbind, madvise            before the first page, because they speak of pages to come; transparent ones are made
//! fallocate                 every page is reserved: no SIGBUS later
//! populate                  every page is present in this process; of huge pages before fallocate
//! F_ADD_SEALS               before anybody else can have the descriptor
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    io::Errno,
};

use crate::{
    aligned::map_region,
    budget,
    error::{MemoryError, failed},
    numa,
    pages::{HUGE, Options, Pages, Report, no_pool_pages},
    region::{Access, Region},
    reserve::reserve,
    transparent,
};

/// A sealed memfd that can be handed to a peer: its descriptor and its length.
#[derive(Debug)]
pub struct Segment {
    fd: OwnedFd,
    len: usize,
}

impl Segment {
    /// The descriptor, to send with `SCM_RIGHTS`; close-on-exec, so a child does not inherit it by accident.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A second descriptor of the same memory.
    ///
    /// # Errors
    ///
    /// [`MemoryError::System`] when this process may have no more descriptors.
    pub fn try_clone(&self) -> Result<Segment, MemoryError> {
        let fd = self.fd.try_clone().map_err(failed("duplicate a memfd's descriptor", self.len))?;
        Ok(Segment { fd, len: self.len })
    }

    /// The descriptor, given away.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The length in bytes, the same as that of the region it came with.
    #[expect(clippy::len_without_is_empty, reason = "a segment is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }
}

/// Memory that is written here and can only be read by the peer that receives the segment.
///
/// `name` is what `/proc/<pid>/maps` shows; it need not be unique. `len` is rounded up to the pages that came
/// out, with [`Pages::Auto`] to ordinary ones.
///
/// # Errors
///
/// [`MemoryError::ZeroLength`], [`MemoryError::TooLarge`], or the kernel's refusal of one step. Pages and
/// node are wishes: that they were not met is in the [`Report`].
pub fn create_owned(name: &str, len: usize, options: &Options) -> Result<(Region, Segment), MemoryError> {
    create(name, len, options, Access::ReadWrite)
}

/// Memory that is only read here and written by the peer that receives the segment.
///
/// [`Pages::Huge2M`] falls to transparent pages: the peer, who may write, may also punch holes, and a
/// reserved huge page that was given back is a SIGBUS for the reader when the pool is empty. Ordinary and
/// transparent pages come back as zeros.
///
/// # Errors
///
/// As [`create_owned`].
pub fn create_for_peer(name: &str, len: usize, options: &Options) -> Result<(Region, Segment), MemoryError> {
    create(name, len, options, Access::ReadOnly)
}

/// The cascade: 2 MiB, transparent, ordinary.
fn create(
    name: &str,
    len: usize,
    options: &Options,
    access: Access,
) -> Result<(Region, Segment), MemoryError> {
    // Before the cascade, so that an impossible length is not reported as three failures.
    if options.pages != Pages::Huge2M {
        budget::round_up(len, rustix::param::page_size())?;
    }
    let mut notes = Vec::new();
    if options.pages == Pages::Huge2M {
        if access == Access::ReadOnly {
            notes.push(
                "2 MiB pages are not used for memory that a peer writes, who could give them back".into(),
            );
        } else {
            match attempt(name, len, options, access, Pages::Huge2M) {
                Ok(made) => return Ok(made),
                Err(error) => notes.push(no_pool_pages(&error)),
            }
        }
    }
    if matches!(options.pages, Pages::Huge2M | Pages::Transparent) {
        match attempt(name, len, options, access, Pages::Transparent) {
            Ok((region, segment)) if region.report().got == Pages::Transparent => {
                return Ok((region.with_notes(notes), segment));
            }
            Ok(_) => notes.push("the kernel found no transparent huge page for this region".into()),
            Err(error) => notes.push(not_transparent(&error)),
        }
    }
    let fits = options.pages == Pages::Auto && len >= HUGE && transparent::off().is_none();
    let rest = if fits { Pages::Auto } else { Pages::Normal };
    let (region, segment) = attempt(name, len, options, access, rest)?;
    Ok((region.with_notes(notes), segment))
}

/// One kind of pages, without falling back.
fn attempt(
    name: &str,
    len: usize,
    options: &Options,
    access: Access,
    pages: Pages,
) -> Result<(Region, Segment), MemoryError> {
    let page =
        if matches!(pages, Pages::Huge2M | Pages::Transparent) { HUGE } else { rustix::param::page_size() };
    let len = match pages {
        Pages::Huge2M => budget::round_up_of_pool(len, page)?,
        _ => budget::round_up(len, page)?,
    };
    let fd = open(name, len, pages)?;
    ftruncate(&fd, len as u64).map_err(failed("set the size of a memfd", len))?;
    let mut region = map_region(&fd, len, access, Report::new(options.pages))?;
    if let Some(node) = options.node
        && let Err(note) = numa::prefer(&region, node)
    {
        region.report_mut().notes.push(note);
    }
    // fallocate knows no mapping: transparent pages come only from faults, which know the advice, and pages of
    // the pool come from the asked node only in faults, which know the mapping's policy.
    let made = matches!(pages, Pages::Transparent | Pages::Auto).then(|| transparent::make(&region));
    // Nothing is filled in vain where faults give none either.
    if let (Pages::Transparent, Some(Err(error))) = (pages, made)
        && transparent::off_for_shared().is_some()
    {
        return Err(failed("make transparent huge pages", len)(error));
    }
    if pages != Pages::Normal {
        region.populate()?;
    }
    reserve(&fd, FallocateFlags::empty(), len as u64).map_err(failed("reserve the pages", len))?;
    region.populate()?;
    region.report_mut().got = made.map_or(pages, |made| transparent::verify(&mut region, made));
    let mut seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    if access == Access::ReadWrite {
        seals |= SealFlags::FUTURE_WRITE;
    }
    fcntl_add_seals(&fd, seals).map_err(failed("seal a memfd", len))?;
    Ok((region.locate(options.node), Segment { fd, len }))
}

/// What to tell when no transparent huge pages came of an attempt.
fn not_transparent(error: &MemoryError) -> String {
    match (error, transparent::off_for_shared()) {
        (MemoryError::System { source, .. }, Some(reason)) if source.raw_os_error() == Some(libc::EINVAL) => {
            reason
        }
        _ => format!("no transparent huge pages: {error}"),
    }
}

fn open(name: &str, len: usize, pages: Pages) -> Result<OwnedFd, MemoryError> {
    let mut flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    if pages == Pages::Huge2M {
        flags |= MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB;
    }
    // Linux 6.3 wants to hear that nothing will be executed from it; older ones do not know the flag.
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        other => other,
    }
    .map_err(failed("create a memfd", len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attach, transparent::huge_bytes};

    /// Whether this kernel makes a huge page of a memfd's ordinary ones, asked without what is tested here.
    fn one_can_be_made() -> bool {
        let fd = open("probe", HUGE, Pages::Normal).unwrap();
        ftruncate(&fd, HUGE as u64).unwrap();
        let region = map_region(&fd, HUGE, Access::ReadWrite, Report::new(Pages::Normal)).unwrap();
        region.populate().unwrap();
        // SAFETY: the range is this live region, which nobody else has.
        unsafe { libc::madvise(region.as_ptr().as_ptr().cast(), HUGE, libc::MADV_COLLAPSE) == 0 }
    }

    /// Whoever writes and whoever reads, each process maps the same pages, and needs as few entries for them.
    #[test]
    fn a_peer_has_the_huge_pages_that_the_maker_has() {
        type Make = fn(&str, usize, &Options) -> Result<(Region, Segment), MemoryError>;
        let makes: [(Make, Access); 2] =
            [(create_owned, Access::ReadOnly), (create_for_peer, Access::ReadWrite)];
        for (make, access) in makes {
            // Of 5 MiB two pages are whole ones.
            for (pages, len, most) in
                [(Pages::Auto, 5 << 20, 4 << 20), (Pages::Transparent, 6 << 20, 6 << 20)]
            {
                let (region, segment) = make("huge", 5 << 20, &Options { pages, node: None }).unwrap();
                let peer = attach(segment.into_fd(), access, len).unwrap();
                let (report, huge) = (region.report(), |region: &Region| {
                    huge_bytes(region.as_ptr().as_ptr().addr(), region.len())
                });
                assert_eq!((report.asked, region.len()), (pages, peer.len()));
                if one_can_be_made() && transparent::off().is_none() {
                    assert_eq!(report.got, Pages::Transparent, "{report:?}");
                }
                assert_eq!(huge(&region), huge(&peer), "{report:?}");
                if report.got == Pages::Transparent {
                    assert_eq!(region.len(), len);
                    assert!((HUGE as u64..=most).contains(&huge(&region)), "{report:?}");
                } else {
                    assert_eq!((report.got, huge(&region)), (Pages::Normal, 0));
                    let notes = usize::from(pages == Pages::Transparent);
                    assert_eq!((region.len(), report.notes.len()), (5 << 20, notes), "{report:?}");
                }
            }
        }
    }
}
