//! A helper with a fault to choose: `broken-helper MODE`. The suite's own tests expect each to be found.
//!
//! `correct` is what all others are made from: a plain helper on a [`DeviceSession`], a sub-batch at a time.

use std::{
    fs::OpenOptions,
    io::Read,
    os::fd::OwnedFd,
    process::{ExitCode, exit},
    sync::Arc,
    time::{Duration, Instant},
};

use adit_abi::{ENV_DEVICE_FD, ENV_HOST_FD, MAX_REGION_SIZE};
use adit_blake2s_kda::Blake2sKda;
use adit_channel::session::{ControlState, DeviceSession, Hello, JobCopy, Unit, UnitDone, UnitStatus};
use adit_memory::{Access, Region, attach};
use adit_plugin::{Algorithm, Digest, Target};
use adit_sha256d::Sha256d;

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
}

impl Mode {
    const ALL: [(Self, &str); 14] = [
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
        scribble(ENV_DEVICE_FD, device.len());
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    match DeviceSession::attach(host, device) {
        Ok(session) => Helper { session, mode, done: 0 }.serve(),
        Err(error) => {
            eprintln!("broken-helper: {error}");
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

fn scribble(variable: &str, len: usize) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::from(open(variable, true));
    file.write_all_at(&vec![0xa5; len], 0).expect("room");
}

struct Helper {
    session: DeviceSession,
    mode: Mode,
    done: u64,
}

impl Helper {
    fn serve(mut self) -> ExitCode {
        let hello =
            Hello { name: "broken-helper", device: "one CPU thread", language: "Rust", preferred_unit: 0 };
        self.session.hello(&hello);
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
                Mode::Spins | Mode::NoHeartbeat => self.session.try_next_unit(),
                _ => self.session.next_unit(Duration::from_millis(500)),
            };
            match unit {
                Ok(Some(unit)) => self.work(&unit),
                Ok(None) if self.mode == Mode::NoHeartbeat => std::thread::sleep(Duration::from_millis(1)),
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
        self.done += 1;
        let nanoseconds = begin.elapsed().as_nanos() as u64;
        self.session.done(UnitDone { unit_id: unit.unit_id, status, hashes, nanoseconds });
    }

    fn search(&mut self, unit: &Unit, hashes: &mut u64) -> UnitStatus {
        let mut job = JobCopy::default();
        if let Err(status) = self.session.read_job(unit, &mut job) {
            return status;
        }
        let known: [&dyn Algorithm; 2] = [&Sha256d, &Blake2sKda];
        let Some(algorithm) = known.into_iter().find(|known| known.id() == job.algorithm) else {
            return UnitStatus::UnknownAlgorithm;
        };
        let mut searcher = algorithm.searcher();
        let target = Target(job.target);
        if searcher.set_job(job.header(), &target).is_err()
            || algorithm.layout().nonce_offset != job.nonce_offset
        {
            return UnitStatus::Invalid;
        }
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

    fn report(&mut self, unit: u64, nonce: u64, mut digest: Digest) -> bool {
        match self.mode {
            Mode::SkipsNonces if nonce.is_multiple_of(2) => return true,
            Mode::WrongDigest => digest.0[5] ^= 4,
            Mode::RepeatsHits => {
                self.session.solution(unit, nonce, digest.0);
            }
            _ => {}
        }
        self.session.solution(unit, nonce, digest.0)
    }
}
