//! What the ends of channels cost that wait asleep.
//!
//! `cargo run --release -p adit-benches --bin channel-idle -- [--json] [--rounds N]`
//!
//! Receivers wait for messages that do not come (of one sender, of many, of a broadcast), and senders for room that nobody
//! makes (to one receiver, to many), each at an `ipc://` channel, and of one and to one at a `tcp://` one with either driver,
//! all in the default way, which is asleep after some microseconds. Each receiver has got one message before. The CPU time
//! of the process, all threads together, is read before and after ten seconds of that, once a round.

use std::{
    error::Error,
    process::ExitCode,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, cpu_seconds},
    report::{Bar, Report},
    stats::{least, median, most},
};
use adit_channel::{Builder, Channel, Driver, Mode, NetworkOptions, Receiver, SendError, Sender};

const MESSAGE: [u8; 56] = [0; 56];

/// A channel is full when there was no room for so long: a connection's window may open a little more after some hundred
/// milliseconds.
const FILLED: Duration = Duration::from_secs(2);

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
        Report::begin("channel-idle", arguments, "five receivers and four senders asleep, looks of 10 s");
    let directory = tempfile::tempdir()?;
    let channel = |name: &str, mode: Mode| -> Result<Builder, Box<dyn Error>> {
        let builder = Channel::builder(&format!("ipc://{name}"))?;
        Ok(builder.mode(mode).directory(directory.path().join("adit")))
    };
    // Longer than all looks; all ends are looked at once, at the end.
    let all = SETTLE + (LOOK + Duration::from_secs(1)) * arguments.rounds as u32;
    let (mut empties, mut fulls) = (Vec::new(), Vec::new());
    for (name, mode) in [("one", Mode::Spsc), ("many", Mode::Mpsc), ("all", Mode::Broadcast)] {
        empties.push(empty(&channel(&format!("from-{name}"), mode)?)?);
    }
    for (name, mode) in [("one", Mode::Spsc), ("many", Mode::Spmc)] {
        fulls.push(full(empty(&channel(&format!("to-{name}"), mode)?)?)?);
    }
    for driver in [Driver::Auto, Driver::Sockets] {
        empties.push(over_tcp(driver)?);
        fulls.push(full(over_tcp(driver)?)?);
    }
    // The other ends do nothing, and are there until the end.
    let (mut silent, mut deaf) = (Vec::new(), Vec::new());
    let (mut receiving, mut sending) = (Vec::new(), Vec::new());
    for (mut receiver, sender) in empties {
        silent.push(sender);
        receiving.push(thread::spawn(move || receiver.wait(all)));
    }
    for (receiver, mut sender) in fulls {
        deaf.push(receiver);
        sending.push(thread::spawn(move || sender.send(&MESSAGE, all)));
    }
    thread::sleep(SETTLE);
    let (mut used, mut others_used) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let (begin, before, watch) = (Instant::now(), cpu_seconds(None), Others::watch());
        thread::sleep(LOOK);
        used.push(100.0 * (cpu_seconds(None) - before) / begin.elapsed().as_secs_f64());
        others_used.push(watch.cores());
    }
    // Anybody who ended before was not asleep all the time.
    let early =
        receiving.iter().map(JoinHandle::is_finished).chain(sending.iter().map(JoinHandle::is_finished));
    let early: Vec<usize> = early.enumerate().filter_map(|(at, finished)| finished.then_some(at)).collect();
    if !early.is_empty() {
        let receivers =
            receiving.into_iter().filter(JoinHandle::is_finished).map(|end| format!("{:?}", end.join()));
        let senders =
            sending.into_iter().filter(JoinHandle::is_finished).map(|end| format!("{:?}", end.join()));
        let what: Vec<_> = receivers.chain(senders).collect();
        return Err(format!(
            "ends {early:?} did not wait as long as they were looked at: {}",
            what.join(", ")
        )
        .into());
    }
    let figures = [
        ("median", median(&used)),
        ("lowest", least(&used)),
        ("highest", most(&used)),
        ("others", median(&others_used)),
    ];
    report.row("% of a core", &figures);
    report.bar("all nine ends, % of a core", median(&used), Bar::AtMost(0.1));
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

/// The ends of a channel that is empty, after one message.
fn empty(channel: &Builder) -> Result<(Receiver, Sender), Box<dyn Error>> {
    let sender = channel.sender();
    let mut receiver = channel.receiver()?;
    let mut sender = sender.or_else(|_| channel.sender())?;
    // A broadcast's sender takes receivers over when it looks.
    while sender.receivers() == 0 || !receiver.wait_for_sender(Duration::from_millis(1)) {}
    one_message((receiver, sender))
}

/// The same over TCP, on a port of the system's choice.
fn over_tcp(driver: Driver) -> Result<(Receiver, Sender), Box<dyn Error>> {
    let mut options = NetworkOptions::default();
    options.driver = driver;
    let receiver = Channel::builder("tcp://127.0.0.1:0")?.network(options.clone()).receiver()?;
    let address = receiver.network().ok_or("it is on no network")?.address.clone();
    one_message((receiver, Channel::builder(&address)?.network(options).sender()?))
}

fn one_message((mut receiver, mut sender): (Receiver, Sender)) -> Result<(Receiver, Sender), Box<dyn Error>> {
    sender.send(&MESSAGE, FILLED)?;
    match receiver.recv(&mut [0; 56], Duration::from_secs(5))? {
        Some(_) => Ok((receiver, sender)),
        None => Err("a message did not come".into()),
    }
}

/// Sends until nothing has room any more, on the way neither.
fn full((receiver, mut sender): (Receiver, Sender)) -> Result<(Receiver, Sender), Box<dyn Error>> {
    loop {
        match sender.send(&MESSAGE, FILLED) {
            Ok(()) => {}
            Err(SendError::TimedOut) => return Ok((receiver, sender)),
            Err(error) => return Err(error.into()),
        }
    }
}
