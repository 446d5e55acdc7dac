//! The variants of the search: one kernel for each set of instructions.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use adit_plugin::Variants;
use adit_plugin::scratch::Scratch;
use adit_plugin::search::BatchSearch;

use crate::romix::Table;

/// An entry of so many vectors of four hashes in step, and so many groups of them in turns.
#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($name:literal, $ways:literal, $groups:literal) => {
        (
            $name,
            || avx512::supported().is_some(),
            || {
                let kernel = avx512::Avx512::<$ways, $groups, { 4 * $ways * $groups }>::new();
                kernel.map(BatchSearch::boxed)
            },
        )
    };
}

/// All variants of this architecture.
pub(crate) static VARIANTS: Variants = Variants::new(&[
    #[cfg(target_arch = "x86_64")]
    avx512!("avx512", 4, 1),
    #[cfg(target_arch = "x86_64")]
    avx512!("avx512x6", 6, 2),
    #[cfg(target_arch = "x86_64")]
    avx512!("avx512x8", 8, 1),
    #[cfg(target_arch = "x86_64")]
    ("avx2", || avx2::supported().is_some(), || avx2::Avx2::new().map(BatchSearch::boxed)),
    ("portable", || true, || Some(BatchSearch::boxed(portable::Portable::new()))),
]);

/// Memory for a table.
fn scratch<const HASHES: usize>() -> Scratch {
    Scratch::new(size_of::<Table<HASHES>>())
}

/// The memory that [`scratch`] gave, as the table it was made for.
fn table<const HASHES: usize>(scratch: &mut Scratch) -> &mut Table<HASHES> {
    let bytes = scratch.bytes_mut();
    assert!(bytes.len() >= size_of::<Table<HASHES>>());
    assert!(bytes.as_ptr().addr().is_multiple_of(align_of::<Table<HASHES>>()));
    // SAFETY: long enough and aligned, as was just checked; any bytes are numbers; borrowed as long as the bytes.
    unsafe { &mut *bytes.as_mut_ptr().cast() }
}
