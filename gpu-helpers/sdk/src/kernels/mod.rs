//! Helpers that run the kernels which algorithms bring: `docs/spec/kernel.md`.
//!
//! * [`bundle`]: the document with all algorithms' kernels.
//! * [`Launcher`]: what a device API must do, and nothing more: compile, prepare, submit, collect.
//! * [`cache`]: what is kept between runs.
//! * [`serve`]: everything else: units, launches in flight, stale jobs, halves after an overflow.
//!
//! * [`program`]: command line, self-tests and exit status.
//!
//! A helper for another device API is a [`Launcher`] and a `main` of a few lines.

pub mod bundle;
pub mod cache;
mod check;
mod launcher;
mod pace;
mod pipeline;
pub mod program;
mod ranges;

pub use bundle::{Bundle, BundleError, Kernels};
pub use check::{Offer, offer};
pub use launcher::{Api, Batch, Failure, Found, JOB_WORDS, Launcher, job_words};
pub use pipeline::{DEPTH, Options, serve};
