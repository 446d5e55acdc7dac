//! What the ends of channels cost that wait asleep.
//!
//! `cargo run --release -p adit-benches --bin channel-idle -- [--json] [--rounds N]`
//!
//! A receiver waits for a message that does not come, and a sender for room that nobody makes, each at an `ipc://`
//! channel and in the default way, which is asleep after some microseconds. The CPU time of the process, all
//! threads together, is read before and after ten seconds of that, once a round.

use std::{
    error::Error,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, cpu_seconds},
    report::{Bar, Report},
    stats::{least, median, most},
};
use adit_channel::{Builder, Channel, SendError};

/// How long one look takes.
const LOOK: Duration = Duration::from_secs(10);

/// How long the ends have to fall asleep.
const SETTLE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    match measure(&Arguments::parse(3, &[])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("channel-idle: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let report = Report::begin("channel-idle", arguments, "a receiver and a sender asleep, looks of 10 s");
    let directory = tempfile::tempdir()?;
    let channel = |name: &str| -> Result<Builder, Box<dyn Error>> {
        Ok(Channel::builder(&format!("ipc://{name}"))?.directory(directory.path().join("adit")))
    };
    let (empty, full) = (channel("empty")?, channel("full")?);
    let (mut receiver, _silent) = (empty.receiver()?, empty.sender()?);
    let (_deaf, mut sender) = (full.receiver()?, full.sender()?);
    while sender.try_send(&[0; 56]).is_ok() {}
    // Longer than all looks; both are looked at once, at the end.
    let all = SETTLE + (LOOK + Duration::from_secs(1)) * arguments.rounds as u32;
    let receiving = thread::spawn(move || receiver.wait(all));
    let sending = thread::spawn(move || sender.send(&[0; 56], all));
    thread::sleep(SETTLE);
    let (mut used, mut others) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (begin, before, watch) = (Instant::now(), cpu_seconds(None), Others::watch());
        thread::sleep(LOOK);
        used.push(100.0 * (cpu_seconds(None) - before) / begin.elapsed().as_secs_f64());
        others.push(watch.cores());
    }
    if receiving.is_finished() || sending.is_finished() {
        return Err("an end did not wait as long as it was looked at".into());
    }
    let figures = [
        ("median", median(&used)),
        ("lowest", least(&used)),
        ("highest", most(&used)),
        ("others", median(&others)),
    ];
    report.row("% of a core", &figures);
    report.bar("both ends, % of a core", median(&used), Bar::AtMost(0.1));
    if receiving.join().map_err(|_| "the receiver panicked")?? {
        return Err("a message came that nobody sent".into());
    }
    match sending.join().map_err(|_| "the sender panicked")? {
        Err(SendError::TimedOut) => Ok(()),
        other => Err(format!("the sender waited for room and got {other:?}").into()),
    }
}
