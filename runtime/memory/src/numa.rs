//! Placement on NUMA nodes: asked for before the first touch, verified after.

use std::{
    ffi::{c_int, c_long},
    io,
};

use memmap2::MmapRaw;

/// The bits of a node mask; kernels are built for at most 1024 nodes.
const MAX_NODES: usize = 1024;
/// How many pages are asked for their node, spread evenly over the region.
const SAMPLES: usize = 64;
/// No flags, and process 0, which is this one; as wide as a register, which is what system calls take.
const ZERO: c_long = 0;

/// Asks the kernel to take the pages of `map`, none of which has been touched, from `node`.
///
/// Preferred and not bound: a bound region on a full node calls the OOM killer, a preferred one goes
/// elsewhere, and the verification tells.
pub(crate) fn prefer(map: &MmapRaw, node: u32) -> Result<(), String> {
    let mut mask = [0_u64; MAX_NODES / 64];
    let Some(word) = mask.get_mut(node as usize / 64) else {
        return Err(format!("NUMA node {node} cannot exist; the pages go where the kernel likes"));
    };
    *word = 1 << (node % 64);
    // One more than the bits that count: the kernel takes one off.
    let bits = MAX_NODES + 1;
    // SAFETY: `map` is a live, page-aligned mapping of its whole length, and only its placement changes, not
    // its bytes; the kernel reads at most `bits - 1` bits of `mask`, which has so many.
    let result = unsafe {
        let (start, mode) = (map.as_mut_ptr(), c_long::from(libc::MPOL_PREFERRED));
        libc::syscall(libc::SYS_mbind, start, map.len(), mode, mask.as_ptr(), bits, ZERO)
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(format!("NUMA node {node} cannot be asked for ({error}); the pages go where the kernel likes"))
}

/// The node of all sampled pages; `None` when they differ or the kernel does not say.
pub(crate) fn node_of(map: &MmapRaw) -> Option<u32> {
    let page = rustix::param::page_size();
    let pages = map.len() / page;
    let step = pages.div_ceil(SAMPLES).max(1);
    let addresses: Vec<usize> =
        (0..pages).step_by(step).map(|index| map.as_ptr().addr() + index * page).collect();
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
        for node in [1000, 1023, 1024, u32::MAX] {
            assert!(prefer(&map, node).unwrap_err().contains(&format!("NUMA node {node}")));
        }
        // Nothing has been touched, so there is nothing to find.
        assert_eq!(node_of(&map), None);
    }
}
