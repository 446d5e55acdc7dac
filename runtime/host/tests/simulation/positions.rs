//! The oracle's own ledger of one job: a byte for each position that was ever touched.

use std::{collections::BTreeSet, ops::Range};

use adit_host::{
    engine::{Ledger, Span},
    job::Job,
};
use adit_plugin::Digest;

use crate::toy::{hash, prefix};

/// Where a position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Untouched,
    Leased,
    Returned,
    Searched,
}

/// How far what a device said of a position is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    True,
    Lie,
    /// A lie of a device that never searches: none of these outlives its distrust.
    TotalLie,
}

/// A live job as the oracle sees it.
pub struct Positions {
    pub job: Job,
    /// One past the last position.
    pub end: u128,
    /// Positions of the submitted shares.
    pub submitted: BTreeSet<u128>,
    pub exhausted: bool,
    width: u128,
    base: u128,
    place: Vec<Place>,
    /// Who searched it, and whether that is true; of searched positions only.
    word: Vec<(u8, Word)>,
    /// Scratch.
    seen: Vec<Place>,
}

impl Positions {
    pub fn new(job: Job) -> Self {
        let width = job.nonces.end - u128::from(job.nonces.start);
        let end = width * u128::from(job.space.rolls());
        let base = (width * u128::from(job.first_roll)).min(end);
        Self {
            job,
            end,
            submitted: BTreeSet::new(),
            exhausted: false,
            width,
            base,
            place: Vec::new(),
            word: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// The positions of nonces in a header, if they are the job's.
    pub fn span(&self, roll: u64, nonce_start: u64, count: u64) -> Option<Span> {
        let first = u128::from(nonce_start.checked_sub(self.job.nonces.start)?);
        let start = u128::from(roll) * self.width + first;
        let span = start..start + u128::from(count);
        let whole = count > 0 && first + u128::from(count) <= self.width;
        (whole && span.start >= self.base && span.end <= self.end).then_some(span)
    }

    fn range(&mut self, span: &Span) -> Range<usize> {
        let range = (span.start - self.base) as usize..(span.end - self.base) as usize;
        if range.end > self.place.len() {
            self.place.resize(range.end, Place::Untouched);
            self.word.resize(range.end, (0, Word::True));
        }
        range
    }

    /// Takes a lease out of what is free.
    pub fn lease(&mut self, span: &Span) -> Result<(), String> {
        let range = self.range(span);
        let taken = self.place[range.clone()].iter().find(|p| matches!(p, Place::Leased | Place::Searched));
        if let Some(place) = taken {
            return Err(format!("{span:?} of job {} is leased although a part is {place:?}", self.job.key));
        }
        self.place[range].fill(Place::Leased);
        Ok(())
    }

    pub fn give_back(&mut self, span: &Span) {
        let range = self.range(span);
        self.place[range].fill(Place::Returned);
    }

    /// Device `by` says that it searched `span`; `truly` are those of its positions that it hashed.
    pub fn complete(&mut self, span: &Span, truly: &Span, by: u8, total: bool) {
        let range = self.range(span);
        let lie = if total { Word::TotalLie } else { Word::Lie };
        self.place[range.clone()].fill(Place::Searched);
        for (index, position) in range.zip(span.start..) {
            self.word[index] = (by, if truly.contains(&position) { Word::True } else { lie });
        }
    }

    /// What `by` is believed to have searched may go back: takes over what the engine made of it. How many did.
    pub fn revoke(&mut self, by: u8, engine: &Ledger) -> Result<u64, String> {
        let kept = |position| {
            let at = engine.searched.partition_point(|span| span.end <= position);
            engine.searched.get(at).is_some_and(|span| span.contains(&position))
        };
        let mut revoked = 0;
        for (index, place) in self.place.iter_mut().enumerate() {
            let (searcher, word) = self.word[index];
            let position = self.base + index as u128;
            if *place != Place::Searched || searcher != by {
                continue;
            }
            if !kept(position) {
                *place = Place::Returned;
                revoked += 1;
            } else if word == Word::TotalLie {
                return Err(format!("job {}: position {position} is a lie that stands", self.job.key));
            }
        }
        Ok(revoked)
    }

    /// Whether nothing is left to lease.
    pub fn is_drained(&self) -> bool {
        self.base + self.place.len() as u128 == self.end
            && !self.place.contains(&Place::Returned)
            && !self.place.contains(&Place::Untouched)
    }

    /// Whether every position is searched.
    pub fn is_full(&self) -> bool {
        self.is_drained() && !self.place.contains(&Place::Leased)
    }

    /// Holds the engine's ledger against this one: each position in one place, and that the right one.
    pub fn compare(&mut self, engine: &Ledger) -> Result<(), String> {
        let key = self.job.key;
        self.seen.clear();
        self.seen.resize(self.place.len(), Place::Untouched);
        let all = [
            (Place::Searched, &engine.searched),
            (Place::Leased, &engine.leased),
            (Place::Returned, &engine.returned),
        ];
        for (place, spans) in all {
            for span in spans {
                if span.start < self.base || span.end > self.base + self.seen.len() as u128 || span.is_empty()
                {
                    return Err(format!("job {key}: {span:?} is {place:?} but was never leased"));
                }
                let range = (span.start - self.base) as usize..(span.end - self.base) as usize;
                if let Some(other) = self.seen[range.clone()].iter().find(|p| **p != Place::Untouched) {
                    return Err(format!("job {key}: a part of {span:?} is both {other:?} and {place:?}"));
                }
                self.seen[range].fill(place);
            }
        }
        if !engine.searched.windows(2).all(|pair| pair[0].end < pair[1].start) {
            return Err(format!("job {key}: searched is not sorted and joined: {:?}", engine.searched));
        }
        match self.seen.iter().zip(&self.place).position(|(engine, ours)| engine != ours) {
            None => Ok(()),
            Some(at) => Err(format!(
                "job {key}: position {} is {:?}, should be {:?}",
                self.base + at as u128,
                self.seen[at],
                self.place[at]
            )),
        }
    }

    /// Every solution in what was truly searched must have been submitted. How many positions are lied about.
    pub fn covered(&self) -> Result<u64, String> {
        let mut lies = 0;
        let mut header = (u64::MAX, 0);
        for (index, place) in self.place.iter().enumerate() {
            if *place != Place::Searched {
                continue;
            }
            if self.word[index].1 != Word::True {
                lies += 1;
                continue;
            }
            let position = self.base + index as u128;
            let digest = self.digest(position, &mut header);
            if digest.meets(&self.job.target) && !self.submitted.contains(&position) {
                let (by, _) = self.word[index];
                return Err(format!(
                    "job {}: the solution at {position} that device {by} found is lost",
                    self.job.key
                ));
            }
        }
        Ok(lies)
    }

    /// Brute force, by no code of the engine's. `header`: roll and prefix of the one that was used last.
    fn digest(&self, position: u128, header: &mut (u64, u64)) -> Digest {
        let roll = (position / self.width) as u64;
        if header.0 != roll {
            *header = (roll, prefix(&self.job.space.header(roll)));
        }
        hash(header.1, self.job.nonces.start + (position % self.width) as u64)
    }
}
