//! The search of one CPU thread: asks a variant for promising nonces and hashes those to the end.

use adit_plugin::{Hits, LayoutError, Searcher, Target};

use crate::algorithm::LAYOUT;
use crate::job::Job;
use crate::variant::Scan;

/// Searches nothing before its first job.
pub(crate) struct Search<S> {
    variant: S,
    job: Option<Job>,
}

impl<S: Scan> Search<S> {
    /// The variant as the host takes it; an option, because that is what variants are made as.
    pub(crate) fn boxed(variant: S) -> Option<Box<dyn Searcher>> {
        Some(Box::new(Self { variant, job: None }))
    }
}

impl<S: Scan> Searcher for Search<S> {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        LAYOUT.check(header)?;
        self.job = Some(Job::new(header, target));
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let Some(job) = &self.job else { return };
        debug_assert!(start <= last && last <= u64::from(u32::MAX), "{start} ..= {last}");
        let group = u64::from(S::GROUP);
        let mut first = start;
        while first <= last {
            let groups = (last - first) / group + 1;
            let Some((before, promising)) = self.variant.scan(job, first as u32, groups) else { break };
            first += before * group;
            report(job, promising, first, last, hits);
            first += group;
        }
    }
}

/// Hashes to the end those nonces of `first ..= last` whose bit of `promising` is set.
#[cold]
fn report(job: &Job, promising: u32, first: u64, last: u64, hits: &mut Hits<'_>) {
    for nonce in (first..=last).take(32).filter(|nonce| promising >> (nonce - first) & 1 != 0) {
        if let Some(digest) = job.verify(nonce as u32) {
            hits(nonce, digest);
        }
    }
}
