//! Plays the host against any executable and checks that it does what `docs/spec/session.md` says.
//!
//! ```no_run
//! use adit_conformance::{CommandLine, Outcome, run, select};
//!
//! let command = CommandLine::from_words(["./helper".to_owned()].into_iter()).unwrap();
//! for case in select(None) {
//!     let report = run(&command, case);
//!     if let Outcome::Failed(why) = report.outcome {
//!         println!("{case}: {why}");
//!     }
//! }
//! ```
//!
//! Each [`Case`] starts a fresh helper (some start several), so that one fault does not hide another. Nothing
//! here shares code with what a helper is built on: regions, rings and messages are read and written by this
//! crate's own hand (`raw`, `regions`, `message`), because a fault that both sides share would not be seen, and
//! because some cases need a host that lies. Every digest is compared with that of the algorithm's CPU plugin.
//! Units are sized by the helper's measured rate, so an interpreter takes as long as a GPU: about twenty
//! seconds for all cases.
//!
//! [`check_memory`] is the suite that every kind of memory of `adit-memory` passes, new ones included.
//!
//! [`plugin`] does the same for algorithms in shared objects.
//!
//! A new case is a variant of [`Case`] with its texts in `case.rs` and `case/texts.rs`, a function in `cases/`, and a line in
//! `cases/mod.rs`.

#![deny(unsafe_code)]

mod apart;
mod case;
mod cases;
mod entry;
mod fault;
mod helper;
mod host;
mod ledger;
mod memories;
mod message;
mod noise;
mod oracle;
pub mod plugin;
mod pulse;
mod raw;
mod regions;
mod run;

pub use adit_host::device::spawn::CommandLine;
pub use case::{Case, select};
pub use memories::{Made, check_memory};
pub use run::{CaseReport, Outcome, run, run_patiently};
