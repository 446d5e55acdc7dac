//! What a host without a job costs.
//!
//! `cargo run --release -p adit-benches --bin idle -- [--json] [--rounds N]`
//!
//! Two workers and one helper process wait for a source that sends nothing. The CPU time of this process and
//! of the helper, all threads together, is read before and after ten seconds of that, once a round.

use std::{
    error::Error,
    io,
    ops::ControlFlow,
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, cpu_seconds},
    report::{Bar, Report},
    runtime,
    stats::{least, median, most},
};
use adit_helper::{Hello, Helper, JobCopy, Search, UnitStatus};
use adit_host::{
    host::{DeviceState, HostEvent, StopHandle},
    source::{Source, SourceCommand, SourceEvent, SourceEvents},
};
use adit_plugin::Algorithm;
use adit_sha256d::Sha256d;
use crossbeam_channel::Receiver;
use rustix::process::Pid;

/// How long one look takes.
const LOOK: Duration = Duration::from_secs(10);
/// How long everything has to start and to come to rest.
const START: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(1);

const DEVICES: usize = 3;

fn main() -> ExitCode {
    let result = if std::env::args().nth(1).as_deref() == Some("--helper") {
        help()
    } else {
        measure(&Arguments::parse(9, &[]))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("idle: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The helper process.
fn help() -> Result<(), Box<dyn Error>> {
    let mut helper = Helper::connect()?;
    helper.hello(&Hello { name: "idle", device: "none", language: "Rust", preferred_unit: 0 });
    helper.serve(&mut Nothing);
    Ok(())
}

/// Knows no algorithm, and is never asked to.
struct Nothing;

impl Search for Nothing {
    fn set_job(&mut self, _: &JobCopy) -> Result<(), UnitStatus> {
        Err(UnitStatus::UnknownAlgorithm)
    }

    fn search(&mut self, _: u64, _: u64, _: &mut dyn FnMut(u64, [u8; 32])) -> Result<(), UnitStatus> {
        Err(UnitStatus::Failed)
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let report =
        Report::begin("idle", arguments, "two workers and one helper process, no job, looks of 10 s");
    let program = std::env::current_exe()?;
    let helper = format!("exec:'{}' --helper", program.display());
    let algorithm: Arc<dyn Algorithm> = Arc::new(Sha256d);
    let host = runtime::host(&["cpu:threads=2".into(), helper], &algorithm)?;
    let (up, ups) = mpsc::channel();
    let looking = {
        let (stop, rounds) = (host.stop_handle(), arguments.rounds);
        thread::spawn(move || look(&stop, rounds, &ups))
    };
    host.run(Box::new(Silent), &mut |event| {
        if let HostEvent::Device { state: DeviceState::Up { pid, .. }, .. } = event {
            let _ = up.send(pid);
        }
        ControlFlow::Continue(())
    })?;
    let looks = looking.join().map_err(|_| "the thread that looks panicked")??;
    let of = |field: fn(&Look) -> f64| median(&looks.iter().map(field).collect::<Vec<_>>());
    let both: Vec<f64> = looks.iter().map(|look| look.host + look.helper).collect();
    report.row(
        "% of a core",
        &[
            ("host", of(|look| look.host)),
            ("helper", of(|look| look.helper)),
            ("lowest", least(&both)),
            ("highest", most(&both)),
            ("others", of(|look| look.others)),
        ],
    );
    report.bar("host and helper, % of a core", median(&both), Bar::AtMost(1.0));
    Ok(())
}

/// Percent of a core that was used meanwhile.
struct Look {
    host: f64,
    helper: f64,
    others: f64,
}

/// Waits until every device is up, looks, and stops the host.
fn look(stop: &StopHandle, rounds: usize, ups: &mpsc::Receiver<u32>) -> io::Result<Vec<Look>> {
    let own = std::process::id();
    let mut helper = None;
    for _ in 0..DEVICES {
        match ups.recv_timeout(START) {
            Ok(pid) if pid != own => helper = Pid::from_raw(pid as i32),
            Ok(_) => {}
            Err(_) => {
                stop.stop();
                return Err(io::Error::other("not every device came up"));
            }
        }
    }
    let Some(helper) = helper else {
        stop.stop();
        return Err(io::Error::other("no helper came up"));
    };
    thread::sleep(SETTLE);
    let mut looks = Vec::new();
    for _ in 0..rounds {
        let (begin, others) = (Instant::now(), Others::watch());
        let before = (cpu_seconds(None), cpu_seconds(Some(helper)));
        thread::sleep(LOOK);
        let percent = |seconds: f64| 100.0 * seconds / begin.elapsed().as_secs_f64();
        let host = percent(cpu_seconds(None) - before.0);
        let helper = percent(cpu_seconds(Some(helper)) - before.1);
        looks.push(Look { host, helper, others: (100.0 * others.cores() - helper).max(0.0) });
    }
    let lives = cpu_seconds(Some(helper)) > 0.0;
    stop.stop();
    if lives { Ok(looks) } else { Err(io::Error::other("the helper is gone")) }
}

/// Has no job for anybody.
struct Silent;

impl Source for Silent {
    fn name(&self) -> String {
        "silent".into()
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        while !matches!(commands.recv(), Ok(SourceCommand::Stop) | Err(_)) {}
        events.send(SourceEvent::Ended(Ok(())));
    }
}
