//! What the programs in `src/bin` share: each measures a part of the runtime and its floor in one run.
//!
//! A figure is a ratio, taken interleaved in rounds that are short enough to miss most of what else the
//! machine does, and judged by its median. Every program sums or compares what it moves and exits with a
//! failure if that is wrong; a bar that is missed is printed and fails nothing.
//!
//! | program | measures | against |
//! |---|---|---|
//! | `round-trip` | one unit in flight, host to helper process and back | cache lines, a futex |
//! | `overhead` | the hash rate of the whole runtime | the same searcher in a bare loop |
//! | `job-switch` | from a new job to the last device hashing it | 1 ms, 5 ms |
//! | `channel-hot` | the path of a message through a channel | other rings, cache lines, a futex, memcpy |
//! | `net` | channels over `tcp://`, and compression on a slow link | bare sockets, no compression |
//! | `idle` | a host without a job | 1 % of a core |
//! | `channel-idle` | ends of channels that sleep | 0.1 % of a core |

pub mod arguments;
pub mod net;
pub mod ping;
pub mod report;
pub mod runtime;

pub use adit_bench_channel::lines as shared;
pub use adit_bench_report::{machine, stats};
