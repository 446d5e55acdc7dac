//! What the host asks of an algorithm.

use std::{fmt, time::Duration};

use crate::{Digest, Target, bench::Bench, kernels::Kernels, scratch::Pages};

/// Where the nonce stands in a header; all integers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Length of a header in bytes, 1 to 512 (what a job board entry holds).
    pub header_len: usize,
    /// First byte of the nonce; `nonce_offset + nonce_width <= header_len`.
    pub nonce_offset: usize,
    /// Width of the nonce in bytes: 4 or 8.
    pub nonce_width: usize,
}

impl Layout {
    /// One past the largest nonce: 2^32 or 2^64.
    #[must_use]
    pub fn nonce_end(&self) -> u128 {
        1 << (8 * self.nonce_width)
    }

    /// Writes `nonce` into `header`.
    ///
    /// # Panics
    /// When `header` is shorter than [`header_len`](Self::header_len): check it at the boundary with
    /// [`check`](Self::check).
    pub fn set_nonce(&self, header: &mut [u8], nonce: u64) {
        header[self.nonce_offset..][..self.nonce_width]
            .copy_from_slice(&nonce.to_le_bytes()[..self.nonce_width]);
    }

    /// The nonce that `header` carries.
    ///
    /// # Panics
    /// As [`set_nonce`](Self::set_nonce).
    #[must_use]
    pub fn nonce(&self, header: &[u8]) -> u64 {
        let mut bytes = [0; 8];
        bytes[..self.nonce_width].copy_from_slice(&header[self.nonce_offset..][..self.nonce_width]);
        u64::from_le_bytes(bytes)
    }

    /// Refuses a header of another length.
    ///
    /// # Errors
    /// [`LayoutError`] says both lengths.
    pub fn check(&self, header: &[u8]) -> Result<(), LayoutError> {
        if header.len() == self.header_len {
            Ok(())
        } else {
            Err(LayoutError { expected: self.header_len, got: header.len() })
        }
    }
}

/// A header whose length is not the algorithm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutError {
    /// Bytes the algorithm's headers have.
    pub expected: usize,
    /// Bytes that were given.
    pub got: usize,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header has {} bytes, this algorithm's have {}", self.got, self.expected)
    }
}

impl std::error::Error for LayoutError {}

/// What a local development chain wants to see in a header.
#[derive(Clone, Copy, Debug)]
pub struct DevBlock<'a> {
    /// Digest of the block before.
    pub parent: &'a Digest,
    /// Height of this block; the genesis block has 0.
    pub height: u64,
    /// Microseconds since 1970.
    pub time_us: u64,
    /// Which of the many headers of this block: takes extranonce's place.
    pub roll: u64,
    /// What the block's digest must meet.
    pub target: &'a Target,
}

/// Where a search puts what it finds: called with nonce and digest, in rising order of nonces.
pub type Hits<'a> = dyn FnMut(u64, Digest) + 'a;

/// One way of searching that an algorithm has, and whether this machine can take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name on command lines, such as `avx512`: lower case letters, digits and dashes.
    pub name: &'static str,
    /// Whether this CPU has what the variant needs.
    pub supported: bool,
}

/// A proof-of-work function.
///
/// `digest` is the oracle: it must not share code with what [`searcher`](Self::searcher) returns.
///
/// An algorithm with several [`variants`](Self::variants) of its search keeps them in a table,
/// [`Variants`](crate::Variants), which also remembers the fastest for [`searcher`](Self::searcher).
pub trait Algorithm: Send + Sync + 'static {
    /// The name on command lines, such as `sha256d`: lower case letters, digits and dashes.
    fn name(&self) -> &'static str;

    /// The number that names the algorithm in a job board entry; four ASCII letters, first letter
    /// in the lowest byte. Unique among algorithms and never changed.
    fn id(&self) -> u32;

    /// How a header is laid out.
    fn layout(&self) -> Layout;

    /// The digest of a whole header.
    ///
    /// # Errors
    /// [`LayoutError`] when the header's length is not [`Layout::header_len`].
    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError>;

    /// About how long [`digest`](Self::digest) takes on one core; a factor of four either way does no harm. By it the
    /// host plans how many headers it hashes itself, and how large a device's first unit is.
    fn digest_cost(&self) -> Duration {
        Duration::from_micros(1)
    }

    /// A search of its own for one worker thread.
    ///
    /// Of several variants the fastest; the first call of a process may take the time to measure them.
    fn searcher(&self) -> Box<dyn Searcher>;

    /// The variants that [`searcher`](Self::searcher) chooses among, those this CPU lacks included.
    /// None when there is nothing to choose.
    fn variants(&self) -> Vec<Variant> {
        Vec::new()
    }

    /// A search by the variant of this name; none when there is no such variant or this CPU lacks
    /// what it needs.
    fn searcher_of(&self, variant: &str) -> Option<Box<dyn Searcher>> {
        let _ = variant;
        None
    }

    /// A header of this algorithm's real shape, nonce zero, for a chain that lives on this machine only.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8>;

    /// Kernels for devices that helpers drive; none when there are none.
    fn kernels(&self) -> Option<Kernels> {
        None
    }

    /// The target that Stratum version 1 calls difficulty 1, for algorithms whose pools speak it.
    fn stratum_difficulty_one(&self) -> Option<Target> {
        None
    }

    /// What `adit bench hash` holds the variants against.
    fn bench(&self) -> Bench {
        Bench::default()
    }
}

/// One thread's search; keeps what depends on the job alone, so that a nonce costs the least.
pub trait Searcher: Send {
    /// Takes a job; allocates nothing.
    ///
    /// # Errors
    /// [`LayoutError`] when the header's length is wrong; the job before stays.
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError>;

    /// Hashes every nonce of `start ..= last` and reports each whose digest meets the target.
    ///
    /// `start <= last`, and `last` fits the nonce's width: the caller sees to both. Allocates nothing.
    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>);

    /// As [`search`](Self::search), but it may give up when `go_on` says no: then what it reported is true, and the rest
    /// of the range is not searched. Whether all of it was. A search whose [`group`](Self::group) takes much longer
    /// than a quarter of a millisecond asks that often; others need not ask.
    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        let _ = go_on;
        self.search(start, last, hits);
        true
    }

    /// How many nonces are hashed together: a range of another length than a multiple of it takes as long as the
    /// next multiple.
    fn group(&self) -> u64 {
        1
    }

    /// What its scratchpads are on, if it has any: for people.
    fn scratch(&self) -> Option<Pages> {
        None
    }
}
