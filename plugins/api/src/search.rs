//! The search of one CPU thread, for all kernels: what is left of an algorithm is hashing.
//!
//! A quick hash has kernels that look for *promising* nonces ([`Scan`]): they compute just enough of a digest to
//! rule nearly all nonces out, and the few that remain are hashed to the end. A slow hash has kernels that hash a
//! group of nonces to the end ([`Batch`]).

use crate::{Digest, Hits, Layout, LayoutError, Searcher, Target, scratch::Pages};

/// What a job comes to before the first nonce is tried; made once per job, allocates nothing.
pub trait Prepare: Send + Sized + 'static {
    /// How the algorithm's headers are laid out.
    const LAYOUT: Layout;

    /// `header` has the layout's length.
    fn prepare(header: &[u8], target: &Target) -> Self;
}

/// A job whose nonces can be hashed one at a time.
pub trait Verify: Prepare {
    /// The digest of the header with this nonce, if it meets the target.
    fn verify(&self, nonce: u64) -> Option<Digest>;
}

/// Some nonces of a group that may be hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promising {
    /// The group's first nonce.
    pub first: u64,
    /// The last nonce that was looked at.
    pub last: u64,
    /// A bit for each of the group's nonces, the first lowest: 0 rules it out.
    pub lanes: u64,
}

impl Promising {
    /// Calls a kernel that counts in groups of `group` nonces: it gets the first nonce and how many groups reach
    /// to `last`, which the last of them may pass, and gives how many groups came before the one with promising
    /// nonces, and that one's lanes.
    #[inline(always)]
    pub fn by_groups(
        group: u64,
        first: u64,
        last: u64,
        kernel: impl FnOnce(u64, u64) -> Option<(u64, u64)>,
    ) -> Option<Self> {
        let (before, lanes) = kernel(first, (last - first) / group + 1)?;
        let first = first + before * group;
        Some(Self { first, last: last.min(first.saturating_add(group - 1)), lanes })
    }
}

/// A kernel that rules nonces out.
pub trait Scan: Send + 'static {
    /// What it starts from.
    type Job: Verify;

    /// Nonces of a group: 1 to 64.
    const GROUP: u64;

    /// Goes through `first ..= last` and stops at the first group that holds a promising nonce. A group's lanes
    /// beyond [`Promising::last`] say nothing.
    fn scan(&mut self, job: &Self::Job, first: u64, last: u64) -> Option<Promising>;
}

/// The searcher that a [`Scan`] makes; it searches nothing before its first job.
pub struct ScanSearch<S: Scan> {
    kernel: S,
    job: Option<S::Job>,
}

impl<S: Scan> ScanSearch<S> {
    /// The kernel as the host takes it.
    pub fn boxed(kernel: S) -> Box<dyn Searcher> {
        Box::new(Self { kernel, job: None })
    }
}

impl<S: Scan> Searcher for ScanSearch<S> {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        S::Job::LAYOUT.check(header)?;
        self.job = Some(S::Job::prepare(header, target));
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let Some(job) = &self.job else { return };
        check_range(&S::Job::LAYOUT, start, last);
        let mut first = start;
        while let Some(promising) = self.kernel.scan(job, first, last) {
            report(job, promising, hits);
            if promising.last == last {
                break;
            }
            first = promising.last + 1;
        }
    }

    fn group(&self) -> u64 {
        S::GROUP
    }
}

/// Hashes to the end what is promising.
#[cold]
fn report(job: &impl Verify, promising: Promising, hits: &mut Hits<'_>) {
    let Promising { first, last, lanes } = promising;
    for nonce in (first..=last).take(64).filter(|nonce| lanes >> (nonce - first) & 1 != 0) {
        if let Some(digest) = job.verify(nonce) {
            hits(nonce, digest);
        }
    }
}

/// A kernel that hashes nonces to the end, a group at a time.
pub trait Batch: Send + 'static {
    /// What it starts from.
    type Job: Prepare;

    /// What it computes of a group: as many digests as the group has nonces.
    type Digests: AsRef<[Digest]>;

    /// Nonces of a group.
    const GROUP: u64;

    /// The digests of `first` and the nonces after it. Those beyond the nonce's width wrap round to 0; nobody looks
    /// at them. None when `go_on` said no: one that takes long asks now and then.
    fn hash(&mut self, job: &Self::Job, first: u64, go_on: &mut dyn FnMut() -> bool)
    -> Option<Self::Digests>;

    /// What its scratchpads are on.
    fn scratch(&self) -> Option<Pages>;
}

/// The searcher that a [`Batch`] makes; it searches nothing before its first job.
pub struct BatchSearch<B: Batch> {
    kernel: B,
    job: Option<(B::Job, Target)>,
}

impl<B: Batch> BatchSearch<B> {
    /// The kernel as the host takes it.
    pub fn boxed(kernel: B) -> Box<dyn Searcher> {
        Box::new(Self { kernel, job: None })
    }
}

impl<B: Batch> Searcher for BatchSearch<B> {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        B::Job::LAYOUT.check(header)?;
        self.job = Some((B::Job::prepare(header, target), *target));
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        self.search_while(start, last, hits, &mut || true);
    }

    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        let Some((job, target)) = &self.job else { return true };
        check_range(&B::Job::LAYOUT, start, last);
        let mut first = start;
        loop {
            let Some(digests) = self.kernel.hash(job, first, go_on) else { return false };
            for (nonce, digest) in (first..=last).zip(digests.as_ref()) {
                if digest.meets(target) {
                    hits(nonce, *digest);
                }
            }
            match first.checked_add(B::GROUP) {
                Some(next) if next <= last => first = next,
                _ => return true,
            }
        }
    }

    fn group(&self) -> u64 {
        B::GROUP
    }

    fn scratch(&self) -> Option<Pages> {
        self.kernel.scratch()
    }
}

fn check_range(layout: &Layout, start: u64, last: u64) {
    debug_assert!(start <= last && u128::from(last) < layout.nonce_end(), "{start} ..= {last}");
}
