//! The hash rate of the whole runtime, beside the same searcher called in a bare loop.
//!
//! `cargo run --release -p adit-benches --bin overhead -- [--json] [--rounds N] [--normal] [--NAME ...]`
//!
//! Names of algorithms choose among them; without, all are measured.
//!
//! Both search the same range on the same core with the same priority, in turns, and must find the same. The
//! rate is that of the wall clock; the CPU time says what other programs cannot disturb, and in the runtime's
//! counts everything that the host does beside hashing.

use std::{error::Error, ops::ControlFlow, process::ExitCode, sync::Arc, thread, time::Instant};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, cpu_seconds, two_cores},
    report::{Bar, Report},
    runtime,
    stats::{least, median, most, ratios},
};
use adit_blake2s_kda::Blake2sKda;
use adit_host::{host::HostEvent, job::NonceRange, source::FixedSource};
use adit_plugin::{Algorithm, Target};
use adit_scrypt::Scrypt;
use adit_sha256d::Sha256d;
use adit_topology::{Priority, pin_current_thread, set_current_thread_priority};
use adit_uhash::Uhash;

/// How long one run should take.
const SECONDS: f64 = 2.5;
/// How long a call of the search takes at least in the bare loop.
const CALL: f64 = 0.03;
/// About how many hits a run has at most, so that there is something to compare.
const HITS: f64 = 32.0;
/// What part of a run the host may spend on hashing hits again: a miner has one in minutes, and what is to be
/// measured is the host around the hashing.
const AGAIN: f64 = 0.004;

/// What one run did.
struct Run {
    rate: f64,
    /// Hashes for a second of this process' CPU time.
    cpu_rate: f64,
    hits: u64,
    /// The nonces found, added up.
    sum: u64,
}

/// One of a run's figures.
type Figure = fn(&Run) -> f64;

/// Where and how politely.
#[derive(Clone, Copy)]
struct Place {
    core: u32,
    priority: Priority,
}

/// What every run of an algorithm hashes.
#[derive(Clone, Copy)]
struct Work {
    count: u64,
    /// Nonces of one call in the bare loop.
    chunk: u64,
    /// Leading zero bits of a hit.
    bits: u32,
}

fn main() -> ExitCode {
    let algorithms: [Arc<dyn Algorithm>; 4] =
        [Arc::new(Sha256d), Arc::new(Blake2sKda), Arc::new(Scrypt), Arc::new(Uhash)];
    let arguments = Arguments::parse(9, &["--normal", "--sha256d", "--blake2s-kda", "--scrypt", "--uhash"]);
    let wanted = |algorithm: &&Arc<dyn Algorithm>| arguments.has(&format!("--{}", algorithm.name()));
    let all = !algorithms.iter().any(|algorithm| wanted(&algorithm));
    let priority = if arguments.has("--normal") { Priority::Normal } else { Priority::Idle };
    let place = Place { core: two_cores()[1], priority };
    let how = format!("one worker thread on core {}, priority {:?}", place.core, place.priority);
    let report = Report::begin("overhead", &arguments, &how);
    let mut asked = algorithms.iter().filter(|algorithm| all || wanted(algorithm));
    let result = asked.try_for_each(|algorithm| compare(algorithm, place, arguments.rounds, &report));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overhead: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(
    algorithm: &Arc<dyn Algorithm>,
    place: Place,
    rounds: usize,
    report: &Report,
) -> Result<(), Box<dyn Error>> {
    let work = work(algorithm, place)?;
    let others = Others::watch();
    let (mut bares, mut hosts) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who is first takes turns, so that a machine that gets slower or faster favours nobody.
        if round % 2 == 0 {
            bares.push(bare(algorithm, place, work)?);
            hosts.push(hosted(algorithm, place, work)?);
        } else {
            hosts.push(hosted(algorithm, place, work)?);
            bares.push(bare(algorithm, place, work)?);
        }
    }
    let found = (bares[0].hits, bares[0].sum);
    if bares.iter().chain(&hosts).any(|run| (run.hits, run.sum) != found) {
        return Err(format!("{}: not every run found the same", algorithm.name()).into());
    }
    let of = |runs: &[Run], field: Figure| runs.iter().map(field).collect::<Vec<_>>();
    for (what, runs) in [("bare loop", &bares), ("host", &hosts)] {
        let rate = median(&of(runs, |run| run.rate));
        let cpu = median(&of(runs, |run| run.cpu_rate));
        let what = format!("{}, {what}", algorithm.name());
        report.row(&what, &[("kH/s", rate / 1e3), ("kH per CPU s", cpu / 1e3), ("hits", found.0 as f64)]);
    }
    let name = algorithm.name();
    let fields: [(&str, Figure); 2] =
        [("host to bare loop", |run| run.rate), ("the same, by CPU time", |run| run.cpu_rate)];
    for (what, field) in fields {
        let ratios = ratios(&of(&hosts, field), &of(&bares, field));
        let what = format!("{name}: {what}");
        report.row(&what, &[("lowest", least(&ratios)), ("highest", most(&ratios))]);
        report.bar(&what, median(&ratios), Bar::AtLeast(0.99));
    }
    report.others(others.cores());
    Ok(())
}

/// Finds out how much makes a run of [`SECONDS`]. The first searcher of a process measures which variant is the fastest.
fn work(algorithm: &Arc<dyn Algorithm>, place: Place) -> Result<Work, Box<dyn Error>> {
    let group = algorithm.searcher().group();
    let end = algorithm.layout().nonce_end().min(u128::from(u64::MAX)) as u64;
    let mut work = Work { count: group, chunk: group, bits: 255 };
    let mut rate = bare(algorithm, place, work)?.rate;
    // Twice at least: the first run of all touches its memory for the first time.
    for _ in 0..20 {
        let run = bare(algorithm, place, work)?;
        rate = run.rate;
        if work.count as f64 / rate >= CALL {
            break;
        }
        work = Work { count: work.count * 2, chunk: work.chunk * 2, ..work };
    }
    // Whole groups, so that none of the runs hashes a rest as slowly as a group.
    let count = ((rate * SECONDS) as u64).min(end) / group * group;
    let hits = (SECONDS * AGAIN / algorithm.digest_cost().as_secs_f64()).clamp(2.0, HITS);
    // No more than that, and half of it at least.
    let bits = ((count as f64 / hits) as u64).max(1).next_power_of_two().ilog2();
    Ok(Work { count, bits, ..work })
}

fn bare(algorithm: &Arc<dyn Algorithm>, place: Place, work: Work) -> Result<Run, Box<dyn Error>> {
    let algorithm = Arc::clone(algorithm);
    let Work { count, chunk, bits } = work;
    let run = move || -> Result<Run, String> {
        pin_current_thread(place.core).map_err(|error| error.to_string())?;
        set_current_thread_priority(place.priority).map_err(|error| error.to_string())?;
        let mut searcher = algorithm.searcher();
        let job = runtime::job(&algorithm, 1, Target::from_zero_bits(bits), range(count));
        searcher.set_job(&job.space.header(0), &job.target).map_err(|error| error.to_string())?;
        let (mut hits, mut sum, mut start) = (0, 0u64, 0);
        let (cpu, begin) = (cpu_seconds(None), Instant::now());
        while start < count {
            let last = (start + chunk).min(count) - 1;
            searcher.search(start, last, &mut |nonce, _| {
                hits += 1;
                sum = sum.wrapping_add(nonce);
            });
            start = last + 1;
        }
        let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds(None) - cpu);
        Ok(Run { rate: count as f64 / seconds, cpu_rate: count as f64 / cpu, hits, sum })
    };
    thread::spawn(run).join().map_err(|_| "the bare loop panicked")?.map_err(Into::into)
}

fn hosted(algorithm: &Arc<dyn Algorithm>, place: Place, work: Work) -> Result<Run, Box<dyn Error>> {
    let Work { count, bits, .. } = work;
    let priority = if place.priority == Priority::Idle { "idle" } else { "normal" };
    let device = format!("cpu:threads=1,cores={},priority={priority}", place.core);
    let job = runtime::job(algorithm, 1, Target::from_zero_bits(bits), range(count));
    let (mut hits, mut sum) = (0, 0u64);
    let cpu = cpu_seconds(None);
    let host = runtime::host(&[device], algorithm)?;
    let summary = host.run(Box::new(FixedSource(job)), &mut |event| {
        if let HostEvent::Solution { share, .. } = event {
            hits += 1;
            sum = sum.wrapping_add(share.nonce);
        }
        ControlFlow::Continue(())
    })?;
    let cpu = cpu_seconds(None) - cpu;
    if summary.hashes != count {
        return Err(format!("{} hashes instead of {count}", summary.hashes).into());
    }
    let rate = count as f64 / summary.working_seconds;
    Ok(Run { rate, cpu_rate: count as f64 / cpu, hits, sum })
}

fn range(count: u64) -> NonceRange {
    NonceRange { start: 0, end: count.into() }
}
