//! A live job: its space, its headers, what was found in it.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Header,
    space::{Space, Span},
};
use crate::job::Job;

/// A job that may still be worth something.
#[derive(Debug)]
pub struct LiveJob {
    /// What the source wants.
    pub job: Job,
    /// Its positions.
    pub space: Space,
    /// The header that was leased last.
    pub header: Option<Arc<Header>>,
    /// Positions of submitted shares.
    pub found: BTreeSet<u128>,
    /// Whether the source was told that every position is searched.
    pub exhausted: bool,
}

impl LiveJob {
    /// A job of which nothing is searched.
    pub fn new(job: Job) -> Self {
        let space = Space::new(&job);
        Self { job, space, header: None, found: BTreeSet::new(), exhausted: false }
    }

    /// The header of `roll`, made anew when it is not the one that was used last.
    pub fn current_header(&mut self, roll: u64, generation: &mut u64) -> Arc<Header> {
        match &self.header {
            Some(header) if header.roll == roll => Arc::clone(header),
            _ => {
                *generation += 1;
                let header = Arc::new(Header {
                    generation: *generation,
                    job: self.job.key,
                    roll,
                    algorithm: Arc::clone(&self.job.algorithm),
                    bytes: self.job.space.header(roll),
                    target: self.job.target,
                });
                self.header = Some(Arc::clone(&header));
                header
            }
        }
    }

    /// Drops what was found in a span that will never be searched again.
    pub fn forget_found(&mut self, span: &Span) {
        while let Some(&position) = self.found.range(span.clone()).next() {
            self.found.remove(&position);
        }
    }
}

/// Which intervals of a job's positions were searched, are leased, or came back and wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Searched; sorted, joined.
    pub searched: Vec<Span>,
    /// In the hands of a device.
    pub leased: Vec<Span>,
    /// To be leased again.
    pub returned: Vec<Span>,
}
