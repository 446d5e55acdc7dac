//! What was sent and how it was answered. spec: SES-5.1, SES-5.2, SES-5.3, SES-5.4

use adit_abi as abi;

use crate::{
    fault::{Checked, fault},
    message::{Done, Unit, status_name},
    oracle::Job,
};

/// Unit ids begin here: above 2^63, where a signed or a floating-point number goes wrong.
const FIRST_ID: u64 = 0xb0b0_0000_0000_0001;

/// No case has a unit with so many hits, and a helper that floods its host must not fill the memory.
const MOST_HITS: u64 = 1 << 20;

/// How a unit may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Complete, or stale or stopped if the host has said so.
    Work,
    /// As `Work`, or the helper does not know the algorithm.
    Probe,
    /// The helper cannot know the algorithm.
    UnknownAlgorithm,
    /// The unit contradicts itself or its board slot.
    Invalid,
    /// The board slot is nonsense: refused one way or the other.
    Refused,
    /// The unit is dead before it comes.
    Stale,
}

/// One unit.
#[derive(Debug)]
pub(crate) struct Sent {
    pub unit: Unit,
    pub job: Job,
    pub expect: Expect,
    /// Where the work ring goes on behind it.
    pub behind: u64,
    pub hits: Vec<(u64, [u8; 32])>,
    pub done: Option<Done>,
}

/// What the host had said when a unit ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    /// The unit's generation is below the live one, or its board slot has another.
    pub stale: bool,
    /// It said stop.
    pub stop: bool,
}

/// All units of a session, in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    units: Vec<Sent>,
    /// Units that ended.
    ended: usize,
    /// All units before this one have ended.
    first_open: usize,
    /// All units before this one were held against the oracle.
    verified: usize,
}

impl Ledger {
    /// The id of the next unit.
    pub fn next_id(&self) -> u64 {
        FIRST_ID + self.units.len() as u64
    }

    pub fn add(&mut self, unit: Unit, job: Job, expect: Expect, behind: u64) {
        self.units.push(Sent { unit, job, expect, behind, hits: Vec::new(), done: None });
    }

    /// Units that were sent and have not ended.
    pub fn open(&self) -> usize {
        self.units.len() - self.ended
    }

    pub fn get(&self, id: u64) -> Option<&Sent> {
        self.units.get(Self::place(id)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Sent> {
        self.units.iter()
    }

    /// A solution came.
    pub fn solution(&mut self, id: u64, nonce: u64, digest: [u8; 32]) -> Checked {
        let what =
            |text: &str| fault("SES-5.2", format!("a solution (nonce {nonce}) for unit {id}, which {text}"));
        let sent = Self::place(id).and_then(|place| self.units.get_mut(place));
        let sent = sent.ok_or_else(|| what("was never sent"))?;
        if sent.done.is_some() {
            return Err(what("has ended"));
        }
        if sent.hits.len() as u64 >= sent.unit.count.min(MOST_HITS) {
            return Err(what("has more solutions now than can be true"));
        }
        sent.hits.push((nonce, digest));
        Ok(())
    }

    /// The end of a unit came.
    pub fn done(&mut self, done: Done, said: Said) -> Checked {
        let id = done.unit;
        let place = Self::place(id).filter(|place| *place < self.units.len());
        let place = place.ok_or_else(|| {
            fault("SES-5.3", format!("unit {id} ended ({}), but was never sent", status_name(done.status)))
        })?;
        let sent = &mut self.units[place];
        if let Some(first) = sent.done {
            let (first, again) = (status_name(first.status), status_name(done.status));
            return Err(fault("SES-5.3", format!("unit {id} ended twice: first {first}, then {again}")));
        }
        check_end(sent, &done, said)?;
        sent.done = Some(done);
        self.ended += 1;
        while self.units.get(self.first_open).is_some_and(|sent| sent.done.is_some()) {
            self.first_open += 1;
        }
        if done.status == abi::UNIT_COMPLETE && self.first_open < place {
            let before = self.units[self.first_open].unit.id;
            return Err(fault(
                "SES-5.1",
                format!("unit {id} was worked before unit {before}, which came first"),
            ));
        }
        Ok(())
    }

    /// Holds the hits of every ended unit against the oracle, and those of the others as far as they go.
    pub fn verify(&mut self) -> Checked {
        for sent in &self.units[self.verified..] {
            let work = matches!(sent.expect, Expect::Work | Expect::Probe);
            if let (false, Some((nonce, _))) = (work, sent.hits.first()) {
                let what = format!(
                    "a solution (nonce {nonce}) for unit {}, which is not to be worked",
                    sent.unit.id
                );
                return Err(fault("SES-5.4", what));
            }
            if work {
                sent.job.check(&sent.unit, &sent.hits, sent.done.map_or(0, |done| done.hashes))?;
            }
        }
        self.verified = self.first_open;
        Ok(())
    }

    fn place(id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(FIRST_ID)?).ok()
    }
}

/// Whether a unit may end like this. spec: SES-2.1, SES-2.2, SES-5.3, SES-5.4
fn check_end(sent: &Sent, done: &Done, said: Said) -> Checked {
    let (id, status, hashes) = (done.unit, done.status, done.hashes);
    let work = matches!(sent.expect, Expect::Work | Expect::Probe);
    let right = match status {
        abi::UNIT_COMPLETE => work,
        abi::UNIT_STALE => sent.expect == Expect::Stale || work && said.stale,
        abi::UNIT_STOPPED => said.stop,
        abi::UNIT_UNKNOWN_ALGORITHM => {
            matches!(sent.expect, Expect::Probe | Expect::UnknownAlgorithm | Expect::Refused)
        }
        abi::UNIT_INVALID => matches!(sent.expect, Expect::Invalid | Expect::Refused),
        _ => false,
    };
    if !right {
        let (clause, wanted) = match sent.expect {
            Expect::UnknownAlgorithm => ("SES-5.4", "UNIT_UNKNOWN_ALGORITHM"),
            Expect::Invalid => ("SES-5.4", "UNIT_INVALID"),
            Expect::Refused => ("SES-5.4", "UNIT_INVALID or UNIT_UNKNOWN_ALGORITHM"),
            Expect::Stale => ("SES-4.1", "UNIT_STALE"),
            Expect::Work | Expect::Probe if status == abi::UNIT_STALE => {
                ("SES-2.2", "not stale, it is alive")
            }
            Expect::Work | Expect::Probe => ("SES-5.3", "UNIT_COMPLETE"),
        };
        let what = format!("unit {id} ended with {}; expected: {wanted}", status_name(status));
        return Err(fault(clause, what));
    }
    let count = sent.unit.count;
    let refused = matches!(status, abi::UNIT_UNKNOWN_ALGORITHM | abi::UNIT_INVALID);
    let (fits, wanted) = match status {
        abi::UNIT_COMPLETE => (hashes == count, format!("{count}")),
        _ if refused || sent.expect == Expect::Stale => (hashes == 0, "0".into()),
        _ => (hashes <= count, format!("at most {count}")),
    };
    if !fits {
        let clause = if refused { "SES-5.4" } else { "SES-5.3" };
        let status = status_name(status);
        return Err(fault(
            clause,
            format!("unit {id} ended with {status} and {hashes} hashes; expected: {wanted}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use adit_plugin::Target;

    use super::*;
    use crate::oracle::Known;

    const QUIET: Said = Said { stale: false, stop: false };

    fn ledger(units: u64) -> (Ledger, u64) {
        let mut ledger = Ledger::default();
        for _ in 0..units {
            let unit = Unit { board_slot: 0, generation: 1, id: ledger.next_id(), start: 0, count: 10 };
            ledger.add(unit, Job::new(Known::Sha256d, 0, Target::MAX), Expect::Work, 0);
        }
        (ledger, FIRST_ID)
    }

    #[track_caller]
    fn finds(result: Checked, part: &str) {
        let error = format!("{:?}", result.unwrap_err());
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn each_unit_ends_once_and_in_order() {
        let (mut ledger, id) = ledger(3);
        let done = |unit| Done { unit, status: abi::UNIT_COMPLETE, hashes: 10 };
        assert_eq!(ledger.done(done(id), QUIET), Ok(()));
        finds(ledger.done(done(id), QUIET), "ended twice");
        finds(ledger.done(done(id + 2), QUIET), "was worked before unit");
        finds(ledger.done(done(id + 3), QUIET), "was never sent [SES-5.3]");
        finds(ledger.solution(id, 1, [0; 32]), "which has ended [SES-5.2]");
        finds(ledger.solution(7, 1, [0; 32]), "which was never sent");
    }

    #[test]
    fn an_end_needs_its_reason() {
        let (mut ledger, id) = ledger(1);
        let done = |status, hashes| Done { unit: id, status, hashes };
        finds(ledger.done(done(abi::UNIT_STALE, 3), QUIET), "not stale, it is alive [SES-2.2]");
        finds(ledger.done(done(abi::UNIT_STOPPED, 3), QUIET), "expected: UNIT_COMPLETE");
        finds(ledger.done(done(abi::UNIT_COMPLETE, 9), QUIET), "9 hashes; expected: 10 [SES-5.3]");
        finds(ledger.done(done(abi::UNIT_STALE, 11), Said { stale: true, stop: false }), "at most 10");
        assert_eq!(ledger.done(done(abi::UNIT_STALE, 10), Said { stale: true, stop: false }), Ok(()));
        assert_eq!(ledger.open(), 0);
    }
}
