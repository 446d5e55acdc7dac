//! The host: a pure engine, and the threads and files that stand around it.
//!
//! * [`device`]: helper processes and in-process workers.
//! * [`engine`]: which device searches what; `step(event, now) -> actions`.
//! * [`job`]: jobs, headers, shares.
//! * [`source`]: where jobs come from.

#![deny(unsafe_code)]

pub mod device;
pub mod engine;
pub mod job;
pub mod source;
