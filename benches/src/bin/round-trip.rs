//! One unit in flight over a session, host to helper process and back, beside its floors.
//!
//! `cargo run --release -p adit-benches --bin round-trip -- [--json] [--rounds N]`
//!
//! This program starts itself again as the helper. Both processes are pinned, each to a core of its own, and
//! run every contest: the floors are measured between the same two processes on the same two cores.

use std::{
    error::Error,
    io::Read as _,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, two_cores},
    ping::{Contest, Near, far_end},
    report::{Bar, Report},
    shared::Lines,
    stats::{histogram, least, median, most},
};
use adit_channel::session::{Backing, DeviceMessage, HostSession, PeerRegions, Sizes};
use adit_helper::{Hello, Helper};
use adit_host::device::spawn::{CommandLine, HelperProcess};
use adit_memory::Options;
use adit_topology::pin_current_thread;

/// Trips of a round: half a millisecond, so that most rounds meet nobody else.
const SPINNING_TRIPS: u64 = 2_000;
const SLEEPING_TRIPS: u64 = 200;

const HELLO_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let result = match (words.next().as_deref(), words.next(), words.next()) {
        (Some("--helper"), Some(lines), Some(core)) => help(Path::new(&lines), &core),
        _ => measure(&Arguments::parse(301, &[])),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("round-trip: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The helper process.
fn help(lines: &Path, core: &str) -> Result<(), Box<dyn Error>> {
    pin_current_thread(core.parse()?)?;
    let lines = Lines::open(lines)?;
    let mut helper = Helper::connect()?;
    helper.hello(&Hello { name: "round-trip", device: "none", language: "Rust", preferred_unit: 0 });
    far_end(&lines, helper.session());
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let cores = two_cores();
    let how = format!("two processes, pinned to cores {} and {}", cores[0], cores[1]);
    let report = Report::begin("round-trip", arguments, &how);
    // Before this thread is pinned, or the helper inherits that.
    let (mut near, mut process) = start(cores[1])?;
    pin_current_thread(cores[0])?;
    let others = Others::watch();
    let mut means = Contest::ALL.map(|_| Vec::new());
    let mut each = Contest::ALL.map(|_| histogram());
    for _ in 0..arguments.rounds {
        for (at, contest) in Contest::ALL.into_iter().enumerate() {
            let trips = if contest.sleeps() { SLEEPING_TRIPS } else { SPINNING_TRIPS };
            means[at].push(near.run(contest, trips, None)?);
            near.run(contest, trips, Some(&mut each[at]))?;
        }
    }
    near.end();
    process.wait()?;
    let of = |contest: Contest| &means[Contest::ALL.iter().position(|one| *one == contest).unwrap_or(0)][..];
    for ((contest, means), each) in Contest::ALL.into_iter().zip(&means).zip(&each) {
        let percentile = |quantile| each.value_at_quantile(quantile) as f64;
        report.row(
            contest.name(),
            &[
                ("median ns", median(means)),
                ("lowest", least(means)),
                ("highest", most(means)),
                ("p50", percentile(0.5)),
                ("p99", percentile(0.99)),
                ("p99.9", percentile(0.999)),
                ("max", each.max() as f64),
            ],
        );
    }
    let ratio = |above, below| median(of(above)) / median(of(below));
    report.bar(
        "session to two lines, spinning",
        ratio(Contest::Session, Contest::TwoLines),
        Bar::AtMost(1.15),
    );
    report.bar("session to futex, asleep", ratio(Contest::SessionAsleep, Contest::Futex), Bar::AtMost(1.5));
    report.others(others.cores());
    Ok(())
}

/// Starts the helper and waits for its hello.
fn start(core: u32) -> Result<(Near, HelperProcess), Box<dyn Error>> {
    let lines = Lines::create()?;
    let backing = Backing::Memfd("round-trip".into(), Options::default());
    let (mut host, regions) = HostSession::new(1, Sizes::default(), &backing)?;
    let PeerRegions::Segments { host_region, device_region } = regions else {
        return Err("a session for another process has descriptors".into());
    };
    let command = CommandLine {
        program: std::env::current_exe()?.to_string_lossy().into_owned(),
        arguments: vec!["--helper".into(), lines.path().to_string_lossy().into_owned(), core.to_string()],
        ..CommandLine::default()
    };
    let mut process = HelperProcess::spawn(&command, &host_region, &device_region, None, true)?;
    let until = Instant::now() + HELLO_WITHIN;
    while host.poll()? != Some(DeviceMessage::Hello) {
        if let Some(status) = process.try_wait()? {
            let mut said = String::new();
            if let Some(stderr) = &mut process.stderr {
                stderr.read_to_string(&mut said)?;
            }
            return Err(format!("the helper ended, {status}: {said}").into());
        }
        if Instant::now() > until {
            return Err("the helper said no hello".into());
        }
        host.wait(Duration::from_millis(50));
    }
    Ok((Near::new(lines, host), process))
}
