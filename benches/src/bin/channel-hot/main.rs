//! The path of one message through a channel: 64 bytes at a time beside other rings, one in flight beside two
//! cache lines and a futex, a mebibyte at a time beside memcpy.
//!
//! `cargo run --release -p adit-benches --features peers --bin channel-hot -- [--json] [--rounds N] [starved]`
//!
//! What is `ipc` runs between two processes: this program starts itself again as the far end. Both are pinned,
//! each to a core of its own. Every payload is written, and summed by who receives it. An end that finds nothing
//! to do pauses for a while before it looks again, so that work gathers (saturated); with `starved` it looks
//! again at once.

mod contests;
mod far;
#[cfg(feature = "peers")]
mod peers;

use std::{error::Error, process::ExitCode};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, two_cores},
    report::{Bar, Report},
    stats::{least, median, most},
};

use contests::{Bench, MANY};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--far", directory, lines, core, pauses] => far::run(directory, lines, core, pauses),
        _ => measure(&Arguments::parse(9, &["starved"])),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("channel-hot: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let cores = two_cores();
    let pauses = if arguments.has("starved") { 0 } else { 64 };
    let how = format!("cores {} and {}; {pauses} pauses between looks that find nothing", cores[0], cores[1]);
    let report = Report::begin("channel-hot", arguments, &how);
    let mut bench = Bench::start(cores, pauses)?;
    let others = Others::watch();
    let all = contests::all();
    let mut results = vec![Vec::new(); all.len()];
    for _ in 0..arguments.rounds {
        for ((_, _, contest), results) in all.iter().zip(&mut results) {
            results.push(contest(&mut bench)?);
        }
    }
    bench.end()?;
    for ((name, unit, _), results) in all.iter().zip(&results) {
        report.row(
            &format!("{name}, {unit}"),
            &[("median", median(results)), ("lowest", least(results)), ("highest", most(results))],
        );
    }
    let of = |wanted: &str| {
        let at = all.iter().position(|(name, ..)| *name == wanted);
        at.map_or(f64::NAN, |at| median(&results[at]))
    };
    let best = ["rtrb", "gil", "nexus-queue"].map(of).into_iter().fold(f64::NAN, f64::max);
    report.bar("ipc to the fastest of the others", of("ipc, single") / best, Bar::AtLeast(0.95));
    report.bar("ipc in batches to it", of("ipc, batches") / best, Bar::AtLeast(1.05));
    report.bar("memory to it", of("memory, single") / best, Bar::AtLeast(1.0));
    report.bar("round trip to two lines, spinning", of("ipc trip") / of("two lines"), Bar::AtMost(1.1));
    report.bar("round trip to futex, parked", of("ipc trip, parked") / of("futex"), Bar::AtMost(1.3));
    report.bar("MPSC, two, to crossbeam-channel", of("MPSC, two") / of("crossbeam, two"), Bar::AtLeast(5.0));
    report.bar("MPSC, one, to SPSC", of("MPSC, one") / of("memory, single"), Bar::AtLeast(0.9));
    report.bar("1 MiB over ipc to memcpy", of("ipc, 1 MiB") / of("memcpy"), Bar::AtLeast(0.9));
    report.others(others.cores());
    if !arguments.json {
        println!("  {MANY} messages of 64 bytes a round");
    }
    Ok(())
}
