//! Hash rates of an algorithm's variants, beside its reference and the rate that the machine allows.
//!
//! Variants, reference and the loops that measure how many instructions the core issues take turns, so that a clock
//! that changes or a neighbour that comes favours nobody: the figures that matter are ratios within a turn, and what
//! is reported is the median of many turns. A turn is so short that on a busy machine most turns are not interrupted.
//!
//! Nothing here knows an algorithm: bounds and references are what [`Algorithm::bench`](adit_plugin::Algorithm::bench)
//! says.

mod issue;
mod measure;
mod pair;
mod tune;

pub use issue::IssueRates;
pub use measure::{Measured, Pace, Team, measure};
pub use pair::{LOADED, Pair};
pub use tune::{Point, tune};
