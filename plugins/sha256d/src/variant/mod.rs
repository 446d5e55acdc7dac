//! The variants of the search: one kernel for each set of instructions.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512x2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use adit_plugin::Variants;
use adit_plugin::search::ScanSearch;

/// An entry of so many nonces in turns.
#[cfg(target_arch = "x86_64")]
macro_rules! sha_ni {
    ($name:literal, $ways:literal, $plain:literal, $avx:literal) => {
        (
            $name,
            || sha_ni::ShaNi::<$ways, $plain, $avx>::detect().is_some(),
            || sha_ni::ShaNi::<$ways, $plain, $avx>::detect().map(ScanSearch::boxed),
        )
    };
}

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
    #[cfg(target_arch = "x86_64")]
    sha_ni!("sha-ni", 4, true, false),
    #[cfg(target_arch = "x86_64")]
    sha_ni!("sha-nix6", 6, false, true),
    #[cfg(target_arch = "x86_64")]
    sha_ni!("sha-nix8", 8, false, true),
    ("portable", || true, || Some(ScanSearch::boxed(portable::Portable))),
]);
