//! Channels over `tcp://` beside bare sockets, and what compression does to a slow link.
//!
//! `cargo run --release -p adit-benches --bin net -- [--json] [--rounds N] [stream] [trip] [shaped] [copy] [cast]`
//!
//! Two threads of this process, pinned, each to a core of its own. Every contest takes its turn in each round;
//! every message is numbered, and what arrives is checked for order and summed. `shaped` makes two network
//! namespaces with a veth pair between them, shaped to 1 Gbit/s by a token bucket; it needs root, `ip` and
//! `tc`, and says so where it cannot.

use std::{error::Error, process::ExitCode};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, two_cores},
    net::{Contest, Link, Payload, ShapedLink, cast, run},
    report::{Bar, Report},
    stats::{least, median, most},
};
use adit_channel::{Compression, Driver, Waiting};
use adit_topology::pin_current_thread;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WORDS: [&str; 5] = ["stream", "trip", "shaped", "copy", "cast"];

fn main() -> ExitCode {
    match measure(&Arguments::parse(9, &WORDS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("net: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<()> {
    let cores = two_cores();
    let how = format!("two threads, pinned to cores {} and {}", cores[0], cores[1]);
    let report = Report::begin("net", arguments, &how);
    let others = Others::watch();
    let wanted = |word| arguments.words.is_empty() || arguments.has(word);
    if wanted("stream") {
        streams(&report, arguments.rounds, cores)?;
    }
    if wanted("trip") {
        trips(&report, arguments.rounds, cores)?;
    }
    if wanted("copy") {
        copies(&report, arguments.rounds, cores)?;
    }
    if wanted("cast") {
        casts(&report, arguments.rounds, cores[0])?;
    }
    if wanted("shaped") {
        shaped(&report, arguments.rounds, cores)?;
    }
    report.others(others.cores());
    Ok(())
}

/// Runs all contests in turns; the medians.
fn rounds(
    report: &Report,
    unit: (&str, f64),
    rounds: usize,
    cores: [u32; 2],
    link: &Link,
    contests: &[(&str, Contest)],
) -> Result<Vec<f64>> {
    let mut figures = vec![Vec::new(); contests.len()];
    for _ in 0..rounds {
        for ((_, contest), figures) in contests.iter().zip(&mut figures) {
            figures.push(run(contest, link, cores)? * unit.1);
        }
    }
    for ((name, _), figures) in contests.iter().zip(&figures) {
        report
            .row(name, &[(unit.0, median(figures)), ("lowest", least(figures)), ("highest", most(figures))]);
    }
    Ok(figures.iter().map(|figures| median(figures)).collect())
}

/// Messages of 64 bytes, as many as go.
fn streams(report: &Report, count: usize, cores: [u32; 2]) -> Result<()> {
    let stream = |driver, batch| Contest::Stream { driver, batch, bytes: 64, messages: 1_500_000 };
    let contests = [
        ("bare sockets, 64 KiB a write", Contest::BareStream { messages: 1_500_000 }),
        ("sockets, single", stream(Driver::Sockets, 1)),
        ("sockets, batches of 64", stream(Driver::Sockets, 64)),
        ("io_uring, single", stream(Driver::IoUring, 1)),
        ("io_uring, batches of 64", stream(Driver::IoUring, 64)),
    ];
    let medians = rounds(report, ("M msg/s", 1e-6), count, cores, &Link::Loopback, &contests)?;
    for (at, (name, _)) in contests.iter().enumerate().skip(1) {
        report.bar(&format!("tcp 64 B, {name}, M msg/s"), medians[at], Bar::AtLeast(3.0));
    }
    Ok(())
}

/// One message of 64 bytes in flight.
fn trips(report: &Report, count: usize, cores: [u32; 2]) -> Result<()> {
    let trip = |driver, waiting| Contest::Trip { driver, waiting, trips: 5_000 };
    let contests = [
        ("bare sockets, blocking", Contest::BareTrip { trips: 5_000 }),
        ("sockets, park", trip(Driver::Sockets, Waiting::Park)),
        ("sockets, spin then park", trip(Driver::Sockets, Waiting::SpinThenPark)),
        ("sockets, spin", trip(Driver::Sockets, Waiting::Spin)),
        ("io_uring, park", trip(Driver::IoUring, Waiting::Park)),
        ("io_uring, spin then park", trip(Driver::IoUring, Waiting::SpinThenPark)),
        ("io_uring, spin", trip(Driver::IoUring, Waiting::Spin)),
    ];
    let medians = rounds(report, ("us", 1e6), count, cores, &Link::Loopback, &contests)?;
    for (at, (name, _)) in contests.iter().enumerate().skip(1) {
        // The bare sockets block; ends that spin are beside such that are asked again and again in `adit bench channel`, and such
        // that spin first win by not sleeping.
        if name.ends_with(", park") {
            let bar = Bar::AtMost(1.25);
            report.bar(&format!("round trip, {name}, to bare sockets"), medians[at] / medians[0], bar);
        }
    }
    Ok(())
}

/// Where sending without a copy begins to pay.
fn copies(report: &Report, count: usize, cores: [u32; 2]) -> Result<()> {
    for kib in [16, 64, 256, 1024] {
        let send = |driver, zero_copy| Contest::Bulk {
            driver,
            zero_copy,
            compression: Compression::None,
            payload: Payload::Random,
            bytes: kib << 10,
            messages: (256 << 10) / kib,
        };
        let contests = [
            ("sockets", send(Driver::Sockets, false)),
            ("io_uring", send(Driver::IoUring, false)),
            ("io_uring, not copied", send(Driver::IoUring, true)),
        ];
        let names: Vec<String> = contests.iter().map(|(name, _)| format!("{kib} KiB, {name}")).collect();
        let contests: Vec<(&str, Contest)> =
            names.iter().zip(contests).map(|(name, (_, contest))| (&name[..], contest)).collect();
        rounds(report, ("GB/s", (kib << 10) as f64 * 1e-9), count, cores, &Link::Loopback, &contests)?;
    }
    Ok(())
}

/// Batches of 64 bytes each through `udp://`, sent and taken by one thread.
fn casts(report: &Report, count: usize, core: u32) -> Result<()> {
    const BATCHES: [usize; 4] = [1, 16, 100, 1000];
    const MESSAGES: u64 = 100_000;
    pin_current_thread(core)?;
    let mut halves = BATCHES.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..count {
        for (batch, (sending, receiving)) in BATCHES.iter().zip(&mut halves) {
            let each = 1e9 / MESSAGES as f64;
            let figures = cast(*batch, MESSAGES).map_err(|error| -> Box<dyn Error> { error })?;
            sending.push(figures.sending * each);
            receiving.push(figures.receiving * each);
        }
    }
    for (batch, (sending, receiving)) in BATCHES.iter().zip(&halves) {
        for (which, figures) in [("sent", sending), ("taken", receiving)] {
            let name = format!("udp, batches of {batch}, {which}");
            let figures =
                [("ns a message", median(figures)), ("lowest", least(figures)), ("highest", most(figures))];
            report.row(&name, &figures);
        }
    }
    Ok(())
}

/// Messages of 64 KiB through a link of 1 Gbit/s.
fn shaped(report: &Report, count: usize, cores: [u32; 2]) -> Result<()> {
    let link = match ShapedLink::new() {
        Ok(link) => Link::Shaped(link),
        Err(why) => {
            eprintln!("net: the shaped link is skipped: {why}");
            return Ok(());
        }
    };
    let send = |compression, payload| Contest::Bulk {
        driver: Driver::Auto,
        zero_copy: false,
        compression,
        payload,
        bytes: 64 << 10,
        messages: 800,
    };
    let contests = [
        ("plain, text", send(Compression::None, Payload::Text)),
        ("lz4, text", send(Compression::Lz4, Payload::Text)),
        ("snappy, text", send(Compression::Snappy, Payload::Text)),
        ("zstd -3, text", send(Compression::Zstd { level: -3 }, Payload::Text)),
        ("zstd 1, text", send(Compression::Zstd { level: 1 }, Payload::Text)),
        ("zstd 3, text", send(Compression::Zstd { level: 3 }, Payload::Text)),
        ("plain, random", send(Compression::None, Payload::Random)),
        ("lz4, random", send(Compression::Lz4, Payload::Random)),
        ("zstd 1, random", send(Compression::Zstd { level: 1 }, Payload::Random)),
    ];
    let medians = rounds(report, ("MB/s", 65_536e-6), count, cores, &link, &contests)?;
    report.bar("lz4 to plain on text", medians[1] / medians[0], Bar::AtLeast(1.0));
    report.bar("lz4 to plain on random data", medians[7] / medians[6], Bar::AtLeast(0.97));
    Ok(())
}
