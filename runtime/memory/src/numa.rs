//! Placement on NUMA nodes: asked for before the first touch, verified after.

use std::{
    ffi::{c_int, c_long},
    io,
};

use crate::region::Region;

/// The bits of a node mask; kernels are built for at most 1024 nodes.
const MAX_NODES: usize = 1024;
/// How many pages are asked for their node, spread evenly over the region.
const SAMPLES: usize = 64;
/// No flags, and process 0, which is this one; as wide as a register, which is what system calls take.
const ZERO: c_long = 0;

/// The NUMA node of the processor that the calling thread runs on now; `None` when the kernel does not say.
///
/// A thread that is not pinned may run elsewhere a moment later.
#[must_use]
pub fn current_node() -> Option<u32> {
    let (mut cpu, mut node) = (0_u32, 0_u32);
    // SAFETY: the kernel writes two integers through pointers that are valid for the whole call; the third
    // argument has been unused for long.
    let result =
        unsafe { libc::syscall(libc::SYS_getcpu, &raw mut cpu, &raw mut node, std::ptr::null::<u8>()) };
    (result == 0).then_some(node)
}

/// Asks the kernel to take the pages of `region`, none of which has been touched, from `node`.
///
/// Preferred and not bound: a bound region on a full node calls the OOM killer, a preferred one goes
/// elsewhere, and the verification tells.
pub(crate) fn prefer(region: &Region, node: u32) -> Result<(), String> {
    let mut mask = [0_u64; MAX_NODES / 64];
    let Some(word) = mask.get_mut(node as usize / 64) else {
        return Err(format!("NUMA node {node} cannot exist; the pages go where the kernel likes"));
    };
    *word = 1 << (node % 64);
    // One more than the bits that count: the kernel takes one off.
    let bits = MAX_NODES + 1;
    // SAFETY: the region is live and page-aligned, and only its placement changes, not
    // its bytes; the kernel reads at most `bits - 1` bits of `mask`, which has so many.
    let result = unsafe {
        let (start, mode) = (region.as_ptr().as_ptr(), c_long::from(libc::MPOL_PREFERRED));
        libc::syscall(libc::SYS_mbind, start, region.len(), mode, mask.as_ptr(), bits, ZERO)
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(format!("NUMA node {node} cannot be asked for ({error}); the pages go where the kernel likes"))
}

/// The node of all sampled pages; `None` when they differ or the kernel does not say.
pub(crate) fn node_of(region: &Region) -> Option<u32> {
    let page = rustix::param::page_size();
    let pages = region.len() / page;
    let step = pages.div_ceil(SAMPLES).max(1);
    let addresses: Vec<usize> =
        (0..pages).step_by(step).map(|index| region.as_ptr().as_ptr().addr() + index * page).collect();
    let mut nodes: Vec<c_int> = vec![-1; addresses.len()];
    // SAFETY: with no target nodes the kernel moves nothing; it reads `addresses.len()` addresses without
    // following them and writes as many statuses into `nodes`, which is as long.
    let result = unsafe {
        let none = std::ptr::null::<c_int>();
        let (from, to) = (addresses.as_ptr(), nodes.as_mut_ptr());
        libc::syscall(libc::SYS_move_pages, ZERO, addresses.len(), from, none, to, ZERO)
    };
    let first = *nodes.first()?;
    // A status below 0 is an error for that one page.
    (result == 0 && nodes.iter().all(|node| *node == first)).then(|| u32::try_from(first).ok()).flatten()
}

/// What to tell when `asked` was wished for and `found` came out.
pub(crate) fn difference(asked: Option<u32>, found: Option<u32>) -> Option<String> {
    match (asked, found) {
        (Some(asked), Some(found)) if asked != found => {
            Some(format!("the pages are on NUMA node {found}, not {asked}"))
        }
        (Some(asked), None) => Some(format!("that the pages are on NUMA node {asked} could not be verified")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pages::{Pages, Report},
        region::Access,
    };

    #[test]
    fn this_thread_is_on_a_node() {
        assert!(current_node().is_some_and(|node| (node as usize) < MAX_NODES));
    }

    #[test]
    fn differences_are_told() {
        assert_eq!(difference(None, Some(1)), None);
        assert_eq!(difference(None, None), None);
        assert_eq!(difference(Some(1), Some(1)), None);
        assert!(difference(Some(0), Some(1)).unwrap().contains("node 1, not 0"));
        assert!(difference(Some(0), None).unwrap().contains("could not be verified"));
    }

    #[test]
    fn impossible_nodes_are_a_note() {
        let map = memmap2::MmapRaw::from(memmap2::MmapMut::map_anon(4096).unwrap());
        let region = Region::new(map, Access::ReadWrite, Report::new(Pages::Normal));
        for node in [1000, 1023, 1024, u32::MAX] {
            assert!(prefer(&region, node).unwrap_err().contains(&format!("NUMA node {node}")));
        }
        // Nothing has been touched, so there is nothing to find.
        assert_eq!(node_of(&region), None);
    }
}
