//! What the ends of channels cost that wait asleep.
//!
//! `cargo run --release -p adit-benches --bin channel-idle -- [--json] [--rounds N]`
//!
//! Receivers wait for messages that do not come (of one sender, of many, of a broadcast), and senders for room that nobody
//! makes (to one receiver, to many), each at an `ipc://` channel and in the default way, which is asleep after some
//! microseconds. The CPU time of the process, all threads together, is read before and after ten seconds of that, once a
//! round.

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
use adit_channel::{Builder, Channel, Mode, Receiver, SendError, Sender};

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
    let report =
        Report::begin("channel-idle", arguments, "three receivers and two senders asleep, looks of 10 s");
    let directory = tempfile::tempdir()?;
    let channel = |name: &str, mode: Mode| -> Result<Builder, Box<dyn Error>> {
        let builder = Channel::builder(&format!("ipc://{name}"))?;
        Ok(builder.mode(mode).directory(directory.path().join("adit")))
    };
    // Longer than all looks; all ends are looked at once, at the end.
    let all = SETTLE + (LOOK + Duration::from_secs(1)) * arguments.rounds as u32;
    let (mut others, mut receiving, mut sending) = (Vec::new(), Vec::new(), Vec::new());
    for (name, mode) in [("one", Mode::Spsc), ("many", Mode::Mpsc), ("all", Mode::Broadcast)] {
        let (mut receiver, silent) = empty(&channel(&format!("from-{name}"), mode)?)?;
        others.push(Box::new(silent) as Box<dyn std::any::Any>);
        receiving.push(thread::spawn(move || receiver.wait(all)));
    }
    for (name, mode) in [("one", Mode::Spsc), ("many", Mode::Spmc)] {
        let (mut sender, deaf) = full(&channel(&format!("to-{name}"), mode)?)?;
        others.push(Box::new(deaf));
        sending.push(thread::spawn(move || sender.send(&[0; 56], all)));
    }
    thread::sleep(SETTLE);
    let (mut used, mut others_used) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (begin, before, watch) = (Instant::now(), cpu_seconds(None), Others::watch());
        thread::sleep(LOOK);
        used.push(100.0 * (cpu_seconds(None) - before) / begin.elapsed().as_secs_f64());
        others_used.push(watch.cores());
    }
    if receiving.iter().any(|end| end.is_finished()) || sending.iter().any(|end| end.is_finished()) {
        return Err("an end did not wait as long as it was looked at".into());
    }
    let figures = [
        ("median", median(&used)),
        ("lowest", least(&used)),
        ("highest", most(&used)),
        ("others", median(&others_used)),
    ];
    report.row("% of a core", &figures);
    report.bar("all five ends, % of a core", median(&used), Bar::AtMost(0.1));
    for end in receiving {
        if end.join().map_err(|_| "a receiver panicked")?? {
            return Err("a message came that nobody sent".into());
        }
    }
    for end in sending {
        match end.join().map_err(|_| "a sender panicked")? {
            Err(SendError::TimedOut) => {}
            other => return Err(format!("a sender waited for room and got {other:?}").into()),
        }
    }
    Ok(())
}

/// The ends of a channel through which nothing is sent.
fn empty(channel: &Builder) -> Result<(Receiver, Sender), Box<dyn Error>> {
    let sender = channel.sender();
    let mut receiver = channel.receiver()?;
    let mut sender = sender.or_else(|_| channel.sender())?;
    // A broadcast's sender takes receivers over when it looks.
    while sender.receivers() == 0 || !receiver.wait_for_sender(Duration::from_millis(1)) {}
    Ok((receiver, sender))
}

/// The ends of a channel that is full and stays so.
fn full(channel: &Builder) -> Result<(Sender, Receiver), Box<dyn Error>> {
    let (receiver, mut sender) = empty(channel)?;
    while sender.try_send(&[0; 56]).is_ok() {}
    Ok((sender, receiver))
}
