//! Channels measured: throughput and round trips of every mode and transport, beside raw floors and, with the
//! feature `peers`, beside other channels.
//!
//! * [`table`]: who is measured; a new mode or transport is a line there.
//! * [`plan`]: in which circumstances, and who takes turns with whom.
//! * [`queue`]: what a contestant must be able to do, and the loops that all of them run through.
//! * [`measure`]: runs the plan.
//! * [`bars`]: the ratios that must be reached.
//! * [`worker`]: the other processes of a run.
//!
//! How it is measured, for all alike: the ends are pinned; each word of each message is written by the sender and
//! summed by the receiver, which checks the order, too; rivals take turns, in another order in each round; each
//! round begins with a new queue that is passed through twice before the watch starts; medians of all rounds count.
//! `docs/guides/benchmarks.md` says how to read the figures.

pub mod adit;
pub mod bars;
mod calibrate;
pub mod floor;
mod folder;
pub mod lines;
pub mod measure;
pub mod order;
pub mod payload;
#[cfg(feature = "peers")]
mod peers;
pub mod plan;
pub mod queue;
pub mod race;
pub mod report;
pub mod rest;
pub mod stream;
pub mod table;
pub mod trip;
pub mod versions;
pub mod worker;
