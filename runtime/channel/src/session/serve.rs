//! The loop of a device that searches one unit after the other: workers of this process and helpers alike.
//!
//! A unit is cut into sub-batches of about [`SUB_BATCH`]; between two of them the device beats, looks at
//! the control word and the live generation, and tells how far it is.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use super::{ControlState, DeviceSession, JobCopy, Unit, UnitDone, UnitStatus};

/// How long a sub-batch should take: long enough to cost nothing, short enough to drop a dead job soon.
pub const SUB_BATCH: Duration = Duration::from_micros(250);

/// By how much a sub-batch may grow from one to the next.
const MOST_GROWTH: u64 = 4;

/// How often a paused device looks whether it may go on.
const PAUSE_LOOK: Duration = Duration::from_millis(5);

/// Something that hashes.
pub trait Search {
    /// Takes a job; called once for each header, not for each unit.
    ///
    /// # Errors
    /// How to end its units: [`UnitStatus::UnknownAlgorithm`] or [`UnitStatus::Invalid`].
    fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus>;

    /// Hashes every nonce of `start ..= last` and reports each whose digest meets the job's target.
    ///
    /// # Errors
    /// [`UnitStatus::Failed`], after which nothing of this range counts.
    fn search(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
    ) -> Result<(), UnitStatus>;

    /// As [`search`](Self::search), for what takes much longer than [`SUB_BATCH`] for its smallest range: it may give
    /// up when `go_on` says no. Whether the whole range was searched.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, UnitStatus> {
        let _ = go_on;
        self.search(start, last, hits).map(|()| true)
    }

    /// Nonces that are hashed together: sub-batches are multiples of it. At least 1.
    fn group(&self) -> u64 {
        1
    }
}

/// Why a device's loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The host said so.
    Stopped,
    /// The host is gone.
    HostGone,
    /// The host region makes no sense any more.
    HostBroken,
}

/// Works on units until the host stops the session or is gone ([`DeviceSession::watch_host`]). The session has
/// said hello.
pub fn serve(session: &mut DeviceSession, search: &mut dyn Search) -> Ended {
    let mut worker = Worker { session, search, job: JobCopy::default(), known: None, batch: 64 };
    loop {
        let result = match worker.next() {
            Ok(Some(unit)) => worker.work(&unit),
            Ok(None) => Ok(()),
            Err(ended) => Err(ended),
        };
        if let Err(ended) = result {
            return ended;
        }
    }
}

struct Worker<'a> {
    session: &'a mut DeviceSession,
    search: &'a mut dyn Search,
    job: JobCopy,
    /// The searcher's job, by its generation, and what became of it.
    known: Option<(u64, Result<(), UnitStatus>)>,
    /// Nonces of the next sub-batch.
    batch: u64,
}

impl Worker<'_> {
    fn next(&mut self) -> Result<Option<Unit>, Ended> {
        match self.session.try_next_unit() {
            Ok(Some(unit)) => return Ok(Some(unit)),
            Ok(None) => {}
            Err(_) => return Err(Ended::HostBroken),
        }
        self.session.set_generation(0);
        self.check_host()?;
        if self.session.control() == ControlState::Stop {
            return Err(Ended::Stopped);
        }
        self.session.next_unit(Duration::MAX).map_err(|_| Ended::HostBroken)
    }

    fn work(&mut self, unit: &Unit) -> Result<(), Ended> {
        let begin = Instant::now();
        let (status, hashes) = match self.prepare(unit) {
            Ok(()) => self.search(unit)?,
            Err(status) => (status, 0),
        };
        let nanoseconds = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let sent = self.session.done(UnitDone { unit_id: unit.unit_id, status, hashes, nanoseconds });
        if !sent {
            self.check_host()?;
        }
        if status == UnitStatus::Stopped { Err(Ended::Stopped) } else { Ok(()) }
    }

    /// Makes the unit's header the searcher's job, unless it is already.
    fn prepare(&mut self, unit: &Unit) -> Result<(), UnitStatus> {
        self.session.read_job(unit, &mut self.job)?;
        let status = match self.known {
            Some((generation, status)) if generation == self.job.generation => status,
            _ => self.search.set_job(&self.job),
        };
        self.known = Some((self.job.generation, status));
        self.session.set_generation(unit.generation);
        status
    }

    /// Searches a unit; how it ended, and how many nonces were hashed.
    fn search(&mut self, unit: &Unit) -> Result<(UnitStatus, u64), Ended> {
        let mut hashed = 0;
        while hashed < unit.nonce_count {
            if unit.generation < self.session.live_generation() {
                return Ok((UnitStatus::Stale, hashed));
            }
            match self.session.control() {
                ControlState::Run => {}
                ControlState::Stop => return Ok((UnitStatus::Stopped, hashed)),
                ControlState::Pause => {
                    self.check_host()?;
                    std::thread::sleep(PAUSE_LOOK.min(self.session.heartbeat_interval() / 2));
                    continue;
                }
            }
            let group = self.search.group().max(1);
            let batch = (self.batch / group).max(1).saturating_mul(group);
            let count = batch.min(unit.nonce_count - hashed);
            let begin = Instant::now();
            let sent = match self.sub_batch(unit, unit.nonce_start + hashed, count) {
                Ok(Some(sent)) => sent,
                // Given up: the reason is seen here, or above.
                Ok(None) => {
                    self.check_host()?;
                    continue;
                }
                Err(status) => return Ok((status, hashed)),
            };
            self.check_host()?;
            if !sent {
                // A hit was lost, so this sub-batch does not count.
                return Ok((UnitStatus::Stopped, hashed));
            }
            hashed += count;
            self.session.count(count);
            // The short rest of a unit is no measure.
            if count == batch {
                self.adapt(count, begin.elapsed());
            }
        }
        Ok((UnitStatus::Complete, hashed))
    }

    /// Searches `count` nonces; whether every hit was sent, or none when it was given up for a dead job or an order
    /// to stop.
    fn sub_batch(&mut self, unit: &Unit, start: u64, count: u64) -> Result<Option<bool>, UnitStatus> {
        let (session, mut sent) = (RefCell::new(&mut *self.session), true);
        let mut hits =
            |nonce, digest| sent = sent && session.borrow_mut().solution(unit.unit_id, nonce, digest);
        let mut go_on = || {
            let mut session = session.borrow_mut();
            session.beat();
            let is_wanted = session.live_generation() <= unit.generation;
            is_wanted && session.control() != ControlState::Stop && session.host_lives()
        };
        let whole = self.search.search_while(start, start + (count - 1), &mut hits, &mut go_on)?;
        Ok(whole.then_some(sent))
    }

    /// Sizes the next sub-batch by the time of the last.
    fn adapt(&mut self, count: u64, took: Duration) {
        let ratio = SUB_BATCH.as_nanos() as f64 / (took.as_nanos().max(1) as f64);
        let most = count.saturating_mul(MOST_GROWTH);
        self.batch = ((count as f64 * ratio) as u64).clamp(1, most);
    }

    fn check_host(&mut self) -> Result<(), Ended> {
        self.session.beat();
        if self.session.host_lives() { Ok(()) } else { Err(Ended::HostGone) }
    }
}
