//! The host: a pure engine, and the threads and files that stand around it.
//!
//! * [`host`]: the loop between engine, devices and source; begin here.
//! * [`engine`]: which device searches what; `step(event, now) -> actions`.
//! * [`device`]: helper processes and in-process workers, and who looks after them.
//! * [`source`]: where jobs come from and shares go to.
//! * [`job`]: jobs, headers, shares.
//! * [`plugin`]: algorithms from shared objects.
//!
//! ```
//! use std::{ops::ControlFlow, sync::Arc};
//! use adit_host::{
//!     device::DevicePlan,
//!     host::{Host, HostConfig, HostEvent},
//!     job::{Job, NonceRange, SingleHeader},
//!     source::FixedSource,
//! };
//! use adit_plugin::{Algorithm, Target};
//! use adit_sha256d::Sha256d;
//!
//! let algorithm: Arc<dyn Algorithm> = Arc::new(Sha256d);
//! let devices = DevicePlan::from_specs(&["cpu:threads=1".parse()?], &[Arc::clone(&algorithm)])?;
//! let job = Job {
//!     key: 1,
//!     name: "example".into(),
//!     algorithm,
//!     target: Target::from_zero_bits(12),
//!     clean: true,
//!     space: Arc::new(SingleHeader(vec![7; 80])),
//!     first_roll: 0,
//!     nonces: NonceRange { start: 0, end: 50_000 },
//! };
//! let mut found = 0;
//! let summary = Host::new(HostConfig::default(), devices)?.run(Box::new(FixedSource(job)), &mut |event| {
//!     found += u64::from(matches!(event, HostEvent::Solution { .. }));
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!((summary.hashes, summary.solutions), (50_000, found));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod backoff;
pub mod device;
pub mod engine;
pub mod hex;
pub mod host;
pub mod job;
mod mailbox;
pub mod plugin;
pub mod source;
