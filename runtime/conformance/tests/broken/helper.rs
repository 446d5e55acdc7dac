//! A helper with a fault to choose: `broken-helper MODE`. The suite's own tests expect each to be found.
//!
//! `correct` is what all others are made from: a plain helper on a [`DeviceSession`], a sub-batch at a time.

mod by_hand;

use std::{
    fs::OpenOptions,
    io::Read,
    os::fd::OwnedFd,
    process::{ExitCode, exit},
    sync::Arc,
    time::{Duration, Instant},
};

use adit_abi::{ENV_DEVICE_FD, ENV_HOST_FD, MAX_REGION_SIZE, MESSAGE_DONE};
use adit_blake2s_kda::Blake2sKda;
use adit_channel::session::{
    AttachError, ControlState, DeviceSession, Hello, JobCopy, Unit, UnitDone, UnitStatus,
};
use adit_memory::{Access, Region, attach};
use adit_plugin::{Algorithm, Digest, Searcher, Target};
use adit_sha256d::Sha256d;
use by_hand::ByHand;

/// Nonces between two looks at the host.
const SUB_BATCH: u64 = 4096;

/// What this helper does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Correct,
    /// One bit of each digest is wrong.
    WrongDigest,
    /// STOP is taken for RUN.
    NeverStops,
    /// Every other nonce is counted but not hashed.
    SkipsNonces,
    /// Every hit is sent twice.
    RepeatsHits,
    /// Hashes on in a pause.
    IgnoresPause,
    /// Does not look at the live generation.
    IgnoresGeneration,
    /// Does not look at its life line.
    IgnoresDeath,
    /// Never sleeps.
    Spins,
    /// The heartbeat begins and ends with the hello.
    NoHeartbeat,
    /// Ends before it says anything.
    CrashesAtOnce,
    /// Ends in the middle of its first unit.
    CrashesAtWork,
    /// Says nothing.
    NeverSaysHello,
    /// Fills its region with garbage.
    WritesGarbage,
    /// Looks at the magic of no host.
    AnswersStrangers,
    /// Refuses under no session id.
    RefusesNameless,
    /// A control state that it does not know is RUN.
    UnknownStateRuns,
    /// Does not look again at a board slot that it has copied.
    TornBoard,
    /// Takes a board slot that is being written.
    ReadsOddBoards,
    /// Begins units of a dead generation.
    TakesDeadUnits,
    /// Believes a head of the solution ring that cannot be.
    BelievesHead,
    /// Believes a head of the solution ring that went back.
    BelievesOldHead,
    /// Looks for units five times a second, whoever wakes it.
    Dozes,
    /// Says what it has read when it has slept.
    LateHead,
    /// Wakes no host for the end of a unit alone.
    WakesForHitsAlone,
}

impl Mode {
    const ALL: [(Self, &str); 25] = [
        (Self::Correct, "correct"),
        (Self::WrongDigest, "wrong-digest"),
        (Self::NeverStops, "never-stops"),
        (Self::SkipsNonces, "skips-nonces"),
        (Self::RepeatsHits, "repeats-hits"),
        (Self::IgnoresPause, "ignores-pause"),
        (Self::IgnoresGeneration, "ignores-generation"),
        (Self::IgnoresDeath, "ignores-death"),
        (Self::Spins, "spins"),
        (Self::NoHeartbeat, "no-heartbeat"),
        (Self::CrashesAtOnce, "crashes-at-once"),
        (Self::CrashesAtWork, "crashes-at-work"),
        (Self::NeverSaysHello, "never-says-hello"),
        (Self::WritesGarbage, "writes-garbage"),
        (Self::AnswersStrangers, "answers-strangers"),
        (Self::RefusesNameless, "refuses-nameless"),
        (Self::UnknownStateRuns, "unknown-state-runs"),
        (Self::TornBoard, "torn-board"),
        (Self::ReadsOddBoards, "reads-odd-boards"),
        (Self::TakesDeadUnits, "takes-dead-units"),
        (Self::BelievesHead, "believes-head"),
        (Self::BelievesOldHead, "believes-old-head"),
        (Self::Dozes, "dozes"),
        (Self::LateHead, "late-head"),
        (Self::WakesForHitsAlone, "wakes-for-hits-alone"),
    ];
}

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((mode, _)) = Mode::ALL.into_iter().find(|(_, known)| *known == name) else {
        eprintln!("broken-helper: no mode {name:?}");
        return ExitCode::from(64);
    };
    if mode != Mode::IgnoresDeath {
        watch_life_line();
    }
    match mode {
        Mode::CrashesAtOnce => {
            eprintln!("broken-helper: as I was told");
            return ExitCode::from(7);
        }
        Mode::NeverSaysHello => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => {}
    }
    let (host, device) = (region(ENV_HOST_FD, Access::ReadOnly), region(ENV_DEVICE_FD, Access::ReadWrite));
    if mode == Mode::WritesGarbage {
        ByHand::new(ENV_DEVICE_FD).scribble(device.len());
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    match DeviceSession::attach(host, device) {
        Ok(session) => {
            let (host, own) = (ByHand::new(ENV_HOST_FD), ByHand::new(ENV_DEVICE_FD));
            Helper { session, mode, host, own, sent: 0, received: 0 }.serve()
        }
        Err(error) => {
            eprintln!("broken-helper: {error}");
            match (mode, error) {
                (Mode::AnswersStrangers, AttachError::NotASession { .. }) => {
                    ByHand::new(ENV_DEVICE_FD).refuse()
                }
                (Mode::RefusesNameless, _) => ByHand::new(ENV_DEVICE_FD).forget_session(),
                _ => {}
            }
            ExitCode::from(3)
        }
    }
}

/// Exits when the host is gone, whatever the rest is waiting for. spec: SES-1.5
fn watch_life_line() {
    std::thread::spawn(|| {
        let mut byte = [0];
        while !matches!(std::io::stdin().read(&mut byte), Ok(0) | Err(_)) {}
        exit(1);
    });
}

fn region(variable: &str, access: Access) -> Arc<Region> {
    let file = open(variable, access == Access::ReadWrite);
    Arc::new(attach(file, access, MAX_REGION_SIZE as usize).expect("a region"))
}

/// Opens the descriptor again: taking it over by its number would be unsafe.
fn open(variable: &str, write: bool) -> OwnedFd {
    let number = std::env::var(variable).expect("an Adit host sets it");
    let path = format!("/proc/self/fd/{number}");
    OpenOptions::new().read(true).write(write).open(path).expect("an open descriptor").into()
}

struct Helper {
    session: DeviceSession,
    mode: Mode,
    /// The host's region.
    host: ByHand,
    /// Its own.
    own: ByHand,
    /// Messages so far, in both directions; the latter are counted where they are taken by hand.
    sent: u64,
    received: u64,
}

impl Helper {
    fn serve(mut self) -> ExitCode {
        let hello =
            Hello { name: "broken-helper", device: "one CPU thread", language: "Rust", preferred_unit: 0 };
        self.session.hello(&hello);
        self.sent += 1;
        loop {
            match self.control() {
                ControlState::Stop => return ExitCode::SUCCESS,
                ControlState::Pause => {
                    self.beat();
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                ControlState::Run => {}
            }
            self.beat();
            let unit = match self.mode {
                Mode::Spins | Mode::NoHeartbeat | Mode::Dozes => self.session.try_next_unit(),
                Mode::LateHead => Ok(self.late_unit()),
                _ => self.session.next_unit(Duration::from_millis(500)),
            };
            match unit {
                Ok(Some(unit)) => self.work(&unit),
                Ok(None) if self.mode == Mode::NoHeartbeat => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) if self.mode == Mode::Dozes => std::thread::sleep(Duration::from_millis(200)),
                Ok(None) => {}
                Err(error) => {
                    eprintln!("broken-helper: {error}");
                    return ExitCode::from(4);
                }
            }
        }
    }

    fn control(&self) -> ControlState {
        match self.session.control() {
            ControlState::Stop if self.mode == Mode::NeverStops => ControlState::Run,
            ControlState::Stop if self.mode == Mode::UnknownStateRuns && !self.host.knows_state() => {
                ControlState::Run
            }
            ControlState::Pause if self.mode == Mode::IgnoresPause => ControlState::Run,
            other => other,
        }
    }

    fn beat(&mut self) {
        if self.mode != Mode::NoHeartbeat {
            self.session.beat();
        }
    }

    fn work(&mut self, unit: &Unit) {
        if self.mode == Mode::CrashesAtWork {
            eprintln!("broken-helper: my device is on fire");
            std::process::abort();
        }
        let begin = Instant::now();
        let mut hashes = 0;
        let status = self.search(unit, &mut hashes);
        self.room();
        if self.mode == Mode::WakesForHitsAlone {
            // The session writes the same once more, and wakes.
            let done = [u64::from(MESSAGE_DONE) | u64::from(status as u32) << 32, unit.unit_id, hashes, 0];
            self.own.message(self.sent - 1, self.session.sizes().solution_slots, &done);
            std::thread::sleep(Duration::from_millis(300));
        }
        let nanoseconds = begin.elapsed().as_nanos() as u64;
        self.session.done(UnitDone { unit_id: unit.unit_id, status, hashes, nanoseconds });
    }

    fn search(&mut self, unit: &Unit, hashes: &mut u64) -> UnitStatus {
        let mut searcher = match self.searcher(unit) {
            Ok(searcher) => searcher,
            Err(status) => return status,
        };
        while *hashes < unit.nonce_count {
            self.beat();
            match self.control() {
                ControlState::Stop => return UnitStatus::Stopped,
                ControlState::Pause => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                ControlState::Run => {}
            }
            if self.mode != Mode::IgnoresGeneration && unit.generation < self.session.live_generation() {
                return UnitStatus::Stale;
            }
            let start = unit.nonce_start + *hashes;
            let count = (unit.nonce_count - *hashes).min(SUB_BATCH);
            let mut hits = Vec::new();
            searcher.search(start, start + (count - 1), &mut |nonce, digest| hits.push((nonce, digest)));
            for (nonce, digest) in hits {
                if !self.report(unit.unit_id, nonce, digest) {
                    return UnitStatus::Stopped;
                }
            }
            *hashes += count;
            self.session.count(count);
        }
        UnitStatus::Complete
    }

    fn searcher(&self, unit: &Unit) -> Result<Box<dyn Searcher>, UnitStatus> {
        let mut job = JobCopy::default();
        let read = self.session.read_job(unit, &mut job);
        let (algorithm, nonce_offset, header, target) = match read {
            Err(UnitStatus::Stale) if self.reads_by_hand(unit) => {
                let odd = self.mode == Mode::ReadsOddBoards;
                let copy = self.host.board_slot(unit, odd).ok_or(UnitStatus::Stale)?;
                (copy.algorithm, copy.nonce_offset, copy.header, copy.target)
            }
            Err(status) => return Err(status),
            Ok(()) => (job.algorithm, job.nonce_offset, job.header().to_vec(), job.target),
        };
        let known: [&dyn Algorithm; 2] = [&Sha256d, &Blake2sKda];
        let known = known.into_iter().find(|known| known.id() == algorithm);
        let algorithm = known.ok_or(UnitStatus::UnknownAlgorithm)?;
        let mut searcher = algorithm.searcher();
        if searcher.set_job(&header, &Target(target)).is_err()
            || algorithm.layout().nonce_offset != nonce_offset
        {
            return Err(UnitStatus::Invalid);
        }
        Ok(searcher)
    }

    fn reads_by_hand(&self, unit: &Unit) -> bool {
        match self.mode {
            Mode::TornBoard | Mode::ReadsOddBoards => unit.generation >= self.session.live_generation(),
            Mode::TakesDeadUnits => true,
            _ => false,
        }
    }

    /// The next unit, by hand.
    fn late_unit(&mut self) -> Option<Unit> {
        let unit = self.host.unit(self.received);
        match unit {
            None => self.own.sleep_and_say(self.received),
            Some(_) => self.received += 1,
        }
        unit.flatten()
    }

    /// Before a message: one that believes any head waits for the room that it thinks it needs.
    fn room(&mut self) {
        let slots = u64::from(self.session.sizes().solution_slots);
        let fills = |sent: u64, head: u64| match self.mode {
            Mode::BelievesHead => sent.wrapping_sub(head) >= slots,
            Mode::BelievesOldHead => sent.saturating_sub(head) >= slots,
            _ => false,
        };
        while fills(self.sent, self.host.solution_head()) {
            self.session.beat();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.sent += 1;
    }

    fn report(&mut self, unit: u64, nonce: u64, mut digest: Digest) -> bool {
        match self.mode {
            Mode::SkipsNonces if nonce.is_multiple_of(2) => return true,
            Mode::WrongDigest => digest.0[5] ^= 4,
            Mode::RepeatsHits => {
                self.session.solution(unit, nonce, digest.0);
            }
            _ => {}
        }
        self.room();
        self.session.solution(unit, nonce, digest.0)
    }
}
