//! The variants of the search: one kernel for each set of instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512x2;
mod portable;

use adit_plugin::Variants;
use adit_plugin::search::ScanSearch;

/// All variants of this architecture.
pub(crate) static VARIANTS: Variants = Variants::new(&[
    #[cfg(target_arch = "x86_64")]
    ("avx512", || avx512::Avx512::detect().is_some(), || avx512::Avx512::detect().map(ScanSearch::boxed)),
    #[cfg(target_arch = "x86_64")]
    (
        "avx512x2",
        || avx512x2::Avx512x2::detect().is_some(),
        || avx512x2::Avx512x2::detect().map(ScanSearch::boxed),
    ),
    #[cfg(target_arch = "x86_64")]
    ("avx2", || avx2::Avx2::detect().is_some(), || avx2::Avx2::detect().map(ScanSearch::boxed)),
    ("portable", || true, || Some(ScanSearch::boxed(portable::Portable))),
]);
