//! What came of a run, in numbers.

use adit_host::engine::Fault;

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub steps: u64,
    pub units: u64,
    pub shares: u64,
    pub exhausted: u64,
    /// Exhausted jobs whose shares are all there are, by brute force.
    pub complete: u64,
    pub revoked: u64,
    /// How often each kind of fault was found, as [`kind`] numbers them.
    pub faults: [u64; 7],
}

impl Tally {
    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            units: self.units + other.units,
            shares: self.shares + other.shares,
            exhausted: self.exhausted + other.exhausted,
            complete: self.complete + other.complete,
            revoked: self.revoked + other.revoked,
            faults: std::array::from_fn(|kind| self.faults[kind] + other.faults[kind]),
        }
    }
}

/// A number for each kind of fault.
pub fn kind(fault: &Fault) -> usize {
    match fault {
        Fault::WrongDigest { .. } => 0,
        Fault::AboveTarget { .. } => 1,
        Fault::OutsideUnit { .. } => 2,
        Fault::UnknownUnit { .. } => 3,
        Fault::WrongCount { .. } => 4,
        Fault::MissedCanary { .. } => 5,
        Fault::Refuses(_) => 6,
    }
}
