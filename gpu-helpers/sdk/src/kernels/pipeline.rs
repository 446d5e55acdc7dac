//! Units in, launches in flight, solutions out. spec: KRN-5.1
//!
//! ```text
//!  units   ─►  take ─► submit ─► [ lane 0 | lane 1 ] ─► collect ─► hits, halves, done  ─►  solutions
//!               │        │ one job at a time                │
//!               └── stale, stopped: what is in flight is waited for (milliseconds) and dropped
//! ```

use std::{
    cell::Cell,
    collections::VecDeque,
    time::{Duration, Instant},
};

use adit_channel::session::{
    ControlState, DeviceSession, Ended, JobCopy, LogLevel, Unit, UnitDone, UnitStatus,
};

use super::{
    Batch, Failure, Kernels, Launcher, job_words,
    pace::{Kept, Pace},
    ranges::Ranges,
};

/// Launches in flight, if the device has so many lanes.
pub const DEPTH: usize = 2;

/// Units held at one time: the one in work, and those whose first launches follow its last.
const UNITS: usize = 4;

/// How often a paused device looks whether it may go on.
const PAUSE_LOOK: Duration = Duration::from_millis(5);

/// How often the device is asked for its temperature and power.
const SENSORS_EVERY: Duration = Duration::from_secs(2);

/// How a device is kept full.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a launch should take.
    pub launch: Duration,
    /// Nonces of the first launch of an algorithm, in work groups.
    pub first_groups: u32,
    /// Whether to log, at the end, how many launches there were, of how many nonces, and what was copied back.
    pub statistics: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { launch: Duration::from_millis(3), first_groups: 16, statistics: false }
    }
}

/// Works on units until the host stops the session or is gone. The session has said hello; `offered` passed
/// their tests on this device.
///
/// # Errors
/// [`Failure`]: the device is lost; it is in the host's log, and the units that were held did not end.
/// spec: KRN-5.2
pub fn serve(
    session: &mut DeviceSession,
    launcher: &mut dyn Launcher,
    offered: &[Kernels],
    options: Options,
) -> Result<Ended, Failure> {
    let lanes = launcher.lanes().clamp(1, DEPTH);
    let api = launcher.api();
    // WGSL's groups are the helper's own; elsewhere the items of a group may share a nonce.
    let group =
        |kernels: &Kernels| if api == super::Api::Wgpu { kernels.group } else { kernels.group_nonces() };
    let first = |kernels: &Kernels| group(kernels).saturating_mul(options.first_groups);
    let identity = launcher.identity();
    let paces = offered.iter().map(|kernels| {
        let kept = Kept::new(&identity, kernels.source(api).unwrap_or_default(), options.launch);
        Pace::new(options.launch, first(kernels), kept)
    });
    let paces = paces.collect();
    let copied_before = launcher.copied_back();
    launcher.watch(session.live())?;
    let mut pipeline = Pipeline {
        session,
        launcher,
        offered,
        paces,
        free: (0..lanes).rev().collect(),
        flights: VecDeque::with_capacity(lanes),
        units: VecDeque::with_capacity(UNITS),
        loaded: None,
        generation: None,
        ended_last: Instant::now(),
        sensors: None,
        launches: 0,
        nonces: 0,
    };
    let result = pipeline.run().map_err(|failure| match (failure, pipeline.launcher.why_lost()) {
        (Failure::Device(what), Some(why)) => Failure::Device(format!("{what}; {why}")),
        (failure, _) => failure,
    });
    if options.statistics {
        pipeline.tell_statistics(copied_before);
    }
    pipeline.paces.iter_mut().for_each(Pace::keep);
    if let Err(failure) = &result {
        pipeline.session.log(LogLevel::Error, &failure.to_string());
    }
    result
}

struct Pipeline<'a> {
    session: &'a mut DeviceSession,
    launcher: &'a mut dyn Launcher,
    offered: &'a [Kernels],
    /// One for each algorithm offered.
    paces: Vec<Pace>,
    /// Lanes without a launch.
    free: Vec<usize>,
    /// In the order in which they were submitted.
    flights: VecDeque<Flight>,
    /// In the order in which they came. spec: SES-5.1
    units: VecDeque<Active>,
    /// Which algorithm the device has loaded.
    loaded: Option<usize>,
    /// Which job it has.
    generation: Option<u64>,
    /// When the last launch ended.
    ended_last: Instant,
    /// When the device was last asked for its temperature.
    sensors: Option<Instant>,
    /// Collected so far, and their nonces.
    launches: u64,
    nonces: u64,
}

/// A launch that was submitted.
struct Flight {
    lane: usize,
    unit_id: u64,
    generation: u64,
    start: u64,
    count: u32,
    submitted: Instant,
    /// How long the driver took to take it: all of the launch, where it runs what it is given before it returns.
    call: Duration,
}

/// A unit that is being worked on.
struct Active {
    unit: Unit,
    job: Box<JobCopy>,
    algorithm: usize,
    ranges: Ranges,
    begin: Instant,
    in_flight: usize,
    /// How it ends before it is complete.
    verdict: Option<UnitStatus>,
}

impl Pipeline<'_> {
    fn run(&mut self) -> Result<Ended, Failure> {
        loop {
            self.session.beat();
            if !self.session.host_lives() {
                return Ok(Ended::HostGone);
            }
            let control = self.session.control();
            if control == ControlState::Stop {
                self.end_all(UnitStatus::Stopped)?;
                return Ok(Ended::Stopped);
            }
            if self.take_units().is_err() {
                return Ok(Ended::HostBroken);
            }
            self.judge_generations();
            if control == ControlState::Run {
                self.submit()?;
            }
            self.tell_sensors();
            if !self.flights.is_empty() {
                self.collect()?;
            }
            if !self.retire() {
                continue;
            }
            if self.flights.is_empty() && control == ControlState::Pause {
                std::thread::sleep(PAUSE_LOOK.min(self.session.heartbeat_interval() / 2));
            } else if self.units.is_empty() && self.flights.is_empty() {
                self.session.set_generation(0);
                // What was taken in since may have come with an order.
                if self.session.control() != control {
                    continue;
                }
                match self.session.next_unit(Duration::MAX) {
                    Ok(Some(unit)) => self.take(unit),
                    Ok(None) => {}
                    Err(_) => return Ok(Ended::HostBroken),
                }
            }
        }
    }

    fn take_units(&mut self) -> Result<(), ()> {
        while self.units.len() < UNITS {
            match self.session.try_next_unit() {
                Ok(Some(unit)) => self.take(unit),
                Ok(None) => break,
                Err(_) => return Err(()),
            }
        }
        Ok(())
    }

    /// Takes a unit in, also one that cannot be worked on: units end in the order in which they came.
    fn take(&mut self, unit: Unit) {
        let mut job = Box::<JobCopy>::default();
        let known = self.session.read_job(&unit, &mut job).and_then(|()| self.find(&job));
        let (algorithm, verdict) = match known {
            Ok(algorithm) => (algorithm, None),
            Err(status) => (0, Some(status)),
        };
        let ranges = Ranges::new(unit.nonce_start, if verdict.is_none() { unit.nonce_count } else { 0 });
        self.units.push_back(Active {
            unit,
            job,
            algorithm,
            ranges,
            begin: Instant::now(),
            in_flight: 0,
            verdict,
        });
    }

    /// Which algorithm offered a job is of. spec: SES-5.4
    fn find(&self, job: &JobCopy) -> Result<usize, UnitStatus> {
        let found = self.offered.iter().position(|kernels| kernels.id == job.algorithm);
        let at = found.ok_or(UnitStatus::UnknownAlgorithm)?;
        let kernels = &self.offered[at];
        let theirs = (job.header().len(), job.nonce_offset, job.nonce_width);
        if theirs == (kernels.header_len, kernels.nonce_offset, kernels.nonce_width) {
            Ok(at)
        } else {
            Err(UnitStatus::Invalid)
        }
    }

    fn judge_generations(&mut self) {
        let live = self.session.live_generation();
        for active in self.units.iter_mut().filter(|active| active.unit.generation < live) {
            active.verdict.get_or_insert(UnitStatus::Stale);
        }
    }

    /// Fills the free lanes with launches of the first units that have any left.
    fn submit(&mut self) -> Result<(), Failure> {
        while let Some(&lane) = self.free.last() {
            let next = self
                .units
                .iter_mut()
                .position(|active| active.verdict.is_none() && !active.ranges.is_drained());
            let Some(at) = next else { break };
            if Some(self.units[at].unit.generation) != self.generation {
                if !self.flights.is_empty() {
                    break;
                }
                if !self.change_job(at)? {
                    continue;
                }
            }
            let (most, wave) = (self.launcher.most_nonces(), self.launcher.wave());
            let active = &mut self.units[at];
            let nonces = self.paces[active.algorithm].nonces(most, wave);
            let Some((start, count)) = active.ranges.take(nonces) else { break };
            let called = Instant::now();
            let result = self.launcher.submit(lane, start, count);
            let submitted = Instant::now();
            // A driver may take its time for each; one that does not come back is not covered up by that.
            self.session.beat();
            match result {
                Ok(()) => {
                    self.free.pop();
                    active.in_flight += 1;
                    let Unit { unit_id, generation, .. } = active.unit;
                    let call = submitted - called;
                    self.session.set_generation(generation);
                    self.flights.push_back(Flight {
                        lane,
                        unit_id,
                        generation,
                        start,
                        count,
                        submitted,
                        call,
                    });
                }
                Err(failure) => self.failed(at, start, count, failure)?,
            }
        }
        Ok(())
    }

    /// Makes a unit's job the device's; `false`: the unit has its verdict instead.
    fn change_job(&mut self, at: usize) -> Result<bool, Failure> {
        let active = &mut self.units[at];
        self.generation = None;
        if self.loaded != Some(active.algorithm) {
            self.loaded = None;
            match self.launcher.load(&self.offered[active.algorithm]) {
                Ok(()) => self.loaded = Some(active.algorithm),
                Err(Failure::Device(what)) => return Err(Failure::Device(what)),
                Err(failure) => return Ok(self.refuse(at, &failure)),
            }
        }
        self.paces[active.algorithm].begin_job();
        let job = &active.job;
        let words = job_words(job.header(), job.nonce_offset, job.nonce_width, &job.target);
        match self.launcher.set_job(&words, active.unit.generation) {
            Ok(()) => {}
            Err(Failure::Device(what)) => return Err(Failure::Device(what)),
            Err(failure) => return Ok(self.refuse(at, &failure)),
        }
        let generation = active.unit.generation;
        self.generation = Some(generation);
        self.session.beat();
        self.session.set_generation(generation);
        Ok(true)
    }

    fn refuse(&mut self, at: usize, failure: &Failure) -> bool {
        let active = &mut self.units[at];
        // A job that is dead is dead, whatever else happened to its unit.
        active.verdict.get_or_insert(UnitStatus::Failed);
        self.session.error(1, active.unit.unit_id, &failure.to_string());
        false
    }

    /// A launch was not made or did not end well: smaller, or never. spec: KRN-5.2
    fn failed(&mut self, at: usize, start: u64, count: u32, failure: Failure) -> Result<(), Failure> {
        let Failure::Memory(_) = &failure else { return Err(failure) };
        let active = &mut self.units[at];
        if count <= self.offered[active.algorithm].group_nonces() {
            self.refuse(at, &failure);
            return Ok(());
        }
        self.paces[active.algorithm].shrink(count);
        active.ranges.give_back(start, count);
        Ok(())
    }

    /// Waits for the oldest launch.
    fn collect(&mut self) -> Result<(), Failure> {
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        let session = &*self.session;
        // Asked when a search has ended and before its hits are hashed: those take time that is not the search's.
        let searched = Cell::new(None);
        let wanted = || {
            searched.set(Some(Instant::now()));
            flight.generation >= session.live_generation()
        };
        let batch = self.launcher.collect(flight.lane, &wanted);
        self.free.push(flight.lane);
        // The launch behind this one runs while hits are hashed: its time begins here.
        let ended = searched.get().unwrap_or_else(Instant::now);
        let busy = (ended - flight.submitted.max(self.ended_last)).max(flight.call);
        self.ended_last = ended;
        let Some(at) = self.units.iter().position(|active| active.unit.unit_id == flight.unit_id) else {
            return batch.map(drop);
        };
        let active = &mut self.units[at];
        active.in_flight -= 1;
        self.launches += 1;
        self.nonces += u64::from(flight.count);
        let batch = match batch {
            Ok(batch) => batch,
            // Nobody wants what it did not find.
            Err(Failure::Memory(_)) if active.verdict.is_some() => return Ok(()),
            Err(failure) => return self.failed(at, flight.start, flight.count, failure),
        };
        if active.verdict.is_some() {
            return Ok(());
        }
        // The job may have died while the kernel ran, and the kernel have looked.
        if active.unit.generation < self.session.live_generation() {
            active.verdict = Some(UnitStatus::Stale);
            return Ok(());
        }
        match batch {
            Batch::Overflow if flight.count == 1 => {
                let failure =
                    Failure::Source("one nonce gives more candidates than there is room for".into());
                self.refuse(at, &failure);
            }
            Batch::Overflow => {
                // The next ones would overflow as well.
                self.paces[active.algorithm].overflowed(flight.count);
                active.ranges.give_back(flight.start, flight.count);
            }
            Batch::Hits(hits) => {
                for hit in hits {
                    if !self.session.solution(flight.unit_id, hit.nonce, hit.digest) {
                        active.verdict = Some(UnitStatus::Stopped);
                        return Ok(());
                    }
                }
                active.ranges.finish(flight.start, flight.count);
                self.session.count(u64::from(flight.count));
                self.paces[active.algorithm].took(flight.count, busy);
            }
        }
        Ok(())
    }

    /// Ends units from the first on, as far as they can be; `true` when nothing more can be done at once.
    fn retire(&mut self) -> bool {
        let mut idle = true;
        while let Some(active) = self.units.front() {
            let status = match active.verdict {
                Some(verdict) => verdict,
                None if active.ranges.is_complete() => UnitStatus::Complete,
                None => break,
            };
            if active.in_flight > 0 {
                return false;
            }
            let nanoseconds = u64::try_from(active.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let (unit_id, hashes) = (active.unit.unit_id, active.ranges.done());
            self.session.done(UnitDone { unit_id, status, hashes, nanoseconds });
            self.units.pop_front();
            if let Some(next) = self.units.front_mut() {
                // Its time begins when the one before has ended: it shares the device.
                next.begin = Instant::now();
            }
            idle = false;
        }
        idle || self.units.is_empty()
    }

    /// Ends every unit. spec: SES-2.1
    fn end_all(&mut self, status: UnitStatus) -> Result<(), Failure> {
        for active in &mut self.units {
            active.verdict.get_or_insert(status);
        }
        while !self.flights.is_empty() {
            self.collect()?;
        }
        self.retire();
        Ok(())
    }

    /// A line for each number, so that none is cut. spec: KRN-5.3
    fn tell_statistics(&mut self, copied_before: u64) {
        let copied = self.launcher.copied_back() - copied_before;
        for (name, number) in [("launches", self.launches), ("nonces", self.nonces), ("copied_back", copied)]
        {
            self.session.log(LogLevel::Info, &format!("{name} {number}"));
        }
    }

    fn tell_sensors(&mut self) {
        if self.sensors.is_none_or(|asked| asked.elapsed() >= SENSORS_EVERY) {
            self.sensors = Some(Instant::now());
            let (temperature, power) = self.launcher.sensors();
            self.session.set_sensors(temperature, power);
        }
    }
}
