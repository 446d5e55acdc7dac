//! Jobs, the headers that one job can be rolled into, and what is found in them.

use std::{fmt, sync::Arc};

use adit_plugin::{Algorithm, Digest, Target};

/// A source's number for one of its jobs; rises by one with each job.
pub type JobKey = u64;

/// The distinct headers of one job.
///
/// 2^32 nonces are half a second on a large GPU, so one job is many headers: a *roll* numbers them.
/// A source decides what a roll means (extranonce2, version bits, ntime) and in which order.
pub trait HeaderSpace: Send + Sync {
    /// How many headers there are, at least 1; saturates at `u64::MAX`.
    fn rolls(&self) -> u64;

    /// The header of `roll < rolls()`, nonce bytes arbitrary; always the algorithm's length.
    fn header(&self, roll: u64) -> Vec<u8>;
}

/// A job with exactly one header.
pub struct SingleHeader(pub Vec<u8>);

impl HeaderSpace for SingleHeader {
    fn rolls(&self) -> u64 {
        1
    }

    fn header(&self, _roll: u64) -> Vec<u8> {
        self.0.clone()
    }
}

/// The nonces to search in every header of a job: `start .. end`, not empty, `end` at most 2^64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceRange {
    /// First nonce.
    pub start: u64,
    /// One past the last nonce; wider than a nonce, because a range may end at 2^64.
    pub end: u128,
}

impl NonceRange {
    /// Every nonce of the algorithm.
    #[must_use]
    pub fn all(algorithm: &dyn Algorithm) -> Self {
        Self { start: 0, end: algorithm.layout().nonce_end() }
    }
}

/// What a source wants searched.
#[derive(Clone)]
pub struct Job {
    /// The source's number for it.
    pub key: JobKey,
    /// The source's name for it, shown to people.
    pub name: String,
    /// How to lay out, hash and verify.
    pub algorithm: Arc<dyn Algorithm>,
    /// What a digest must not exceed for the source to want it.
    pub target: Target,
    /// Whether every job before this one is worthless now.
    pub clean: bool,
    /// The headers.
    pub space: Arc<dyn HeaderSpace>,
    /// First header to search; those before it are left out.
    pub first_roll: u64,
    /// The nonces of each header.
    pub nonces: NonceRange,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("key", &self.key)
            .field("name", &self.name)
            .field("algorithm", &self.algorithm.name())
            .field("target", &self.target)
            .field("clean", &self.clean)
            .field("rolls", &self.space.rolls())
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}

/// A verified solution on its way to the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Number of this share, unique in this host's life.
    pub id: u64,
    /// The job it belongs to.
    pub job: JobKey,
    /// Which of the job's headers.
    pub roll: u64,
    /// The nonce.
    pub nonce: u64,
    /// The digest, computed by the host.
    pub digest: Digest,
}
