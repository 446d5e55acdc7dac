//! What every kind of memory must do, whoever makes it.

use adit_memory::{Access, MAX_PARTS, Region};

use crate::raw::Words;

/// A piece of memory as its two ends have it.
#[derive(Debug)]
pub struct Made {
    /// The end that writes.
    pub writer: Region,
    /// The end that only reads; memory that only one process can have has none.
    pub reader: Option<Region>,
}

/// Holds a kind of memory to what rings rely on: `make` makes fresh memory of at least so many bytes.
///
/// It begins at a page, is as long as was asked for, is zero, keeps what is written, shows it to the other end
/// and lets that end only read; every page is present; two of them do not touch each other; and it can be used
/// by another thread than the one that made it, and longer than what made it.
///
/// # Errors
/// What is wrong, in words.
pub fn check_memory(mut make: impl FnMut(usize) -> Made) -> Result<(), String> {
    let page = rustix::param::page_size();
    for len in [1, page, page + 1, 1 << 16, (1 << 20) + 8] {
        check_one(make(len), make(len), len).map_err(|what| format!("{len} bytes: {what}"))?;
    }
    // As many at once as a channel may have lanes: nothing small runs out.
    let many: Vec<Made> = (0..MAX_PARTS / 8).map(|_| make(1)).collect();
    let mut starts: Vec<usize> = many.iter().map(|made| made.writer.as_ptr().addr().get()).collect();
    starts.sort_unstable();
    ensure(starts.windows(2).all(|pair| pair[0] + page <= pair[1]), "two regions overlap")
}

fn check_one(made: Made, other: Made, len: usize) -> Result<(), String> {
    let Made { writer, reader } = made;
    let page = rustix::param::page_size();
    for region in [Some(&writer), reader.as_ref()].into_iter().flatten() {
        ensure(region.as_ptr().addr().get().is_multiple_of(page), "it does not begin at a page")?;
        ensure(region.len() >= len, "it is shorter than asked for")?;
        ensure(region.len().is_multiple_of(page), "it does not end at a page")?;
        ensure(present(region)?, "a page is not present")?;
    }
    ensure(writer.access() == Access::ReadWrite, "its writer may not write")?;
    if let Some(reader) = &reader {
        ensure(reader.access() == Access::ReadOnly, "its reader may write")?;
        ensure(!writable(reader)?, "the kernel lets its reader write")?;
        ensure(reader.len() >= writer.len().min(len), "its ends differ in length")?;
    }
    let (writer, reader, other) = (Words::new(writer), reader.map(Words::new), Words::new(other.writer));
    let offsets = || (0..writer.len()).step_by(8);
    ensure(offsets().all(|at| writer.load(at) == 0), "it is not zero at first")?;
    let mark = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    offsets().for_each(|at| writer.store(at, mark(at)));
    ensure(offsets().all(|at| writer.load(at) == mark(at)), "it does not keep what is written")?;
    ensure((0..other.len()).step_by(8).all(|at| other.load(at) == 0), "another one changed with it")?;
    let Some(reader) = reader else { return Ok(()) };
    std::thread::spawn(move || {
        let seen = (0..reader.len()).step_by(8).all(|at| reader.load(at) == mark(at));
        ensure(seen, "its reader sees something else than was written")
    })
    .join()
    .map_err(|_| "its reader panicked".to_owned())?
}

/// Whether the kernel lets this process write the region: what its map of the process says.
fn writable(region: &Region) -> Result<bool, String> {
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
    let start = region.as_ptr().addr().get();
    maps.lines()
        .find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (first, end) = range.split_once('-')?;
            let first = usize::from_str_radix(first, 16).ok()?;
            let end = usize::from_str_radix(end, 16).ok()?;
            (first..end).contains(&start).then(|| rest.as_bytes().get(1) == Some(&b'w'))
        })
        .ok_or_else(|| "the kernel knows no such mapping".to_owned())
}

/// Whether every page of a region is there without a fault: `/proc/self/pagemap` says so in its highest bits.
fn present(region: &Region) -> Result<bool, String> {
    use std::os::unix::fs::FileExt as _;
    let page = rustix::param::page_size();
    let map = std::fs::File::open("/proc/self/pagemap").map_err(|error| error.to_string())?;
    let mut entries = vec![0; region.len() / page * 8];
    let from = (region.as_ptr().addr().get() / page * 8) as u64;
    map.read_exact_at(&mut entries, from).map_err(|error| error.to_string())?;
    let entries = entries.as_chunks::<8>().0;
    // Present, or swapped out.
    Ok(entries.iter().all(|entry| u64::from_le_bytes(*entry) >> 62 != 0))
}

fn ensure(right: bool, otherwise: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(otherwise.to_owned()) }
}
