//! From a new job to the last device hashing it.
//!
//! `cargo run --release -p adit-benches --bin job-switch -- [--json] [--rounds N]`
//!
//! A source sends a clean job about every 20 ms to a host with two workers, each on a core of its own. A
//! worker begins a job when it first calls the searcher with it. Once with workers of idle priority, which is
//! the default and has to yield to whatever else the machine does, and once with normal ones.

use std::{
    error::Error,
    ops::ControlFlow,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use adit_benches::{
    arguments::Arguments,
    machine::{Others, two_cores},
    report::{Bar, Report},
    runtime,
    stats::histogram,
};
use adit_host::{
    host::HostEvent,
    job::NonceRange,
    source::{Source, SourceCommand, SourceEvent, SourceEvents},
};
use adit_plugin::{Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target};
use adit_scrypt::Scrypt;
use adit_sha256d::Sha256d;
use adit_uhash::Uhash;
use crossbeam_channel::{Receiver, RecvTimeoutError};

/// Jobs of a round.
const JOBS: usize = 100;
/// Jobs before those that count: workers start, units find their size.
const WARM: usize = 25;
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse(6, &[]);
    let [first, second] = two_cores();
    let how = format!("two workers on cores {first} and {second}, a clean job every 20 ms or so");
    let report = Report::begin("job-switch", &arguments, &how);
    let jobs = WARM + arguments.rounds * JOBS;
    let algorithms: [Arc<dyn Algorithm>; 3] = [Arc::new(Sha256d), Arc::new(Scrypt), Arc::new(Uhash)];
    let result = algorithms.iter().try_for_each(|algorithm| {
        ["idle", "normal"].iter().try_for_each(|priority| {
            let device = format!("cpu:threads={WORKERS},cores={first},{second},priority={priority}");
            measure(algorithm, device, priority, jobs, &report)
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("job-switch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(
    inner: &Arc<dyn Algorithm>,
    device: String,
    priority: &str,
    jobs: usize,
    report: &Report,
) -> Result<(), Box<dyn Error>> {
    // The first searcher of a process measures which variant is the fastest.
    drop(inner.searcher());
    let times = Arc::new(Times::new(jobs));
    let algorithm: Arc<dyn Algorithm> =
        Arc::new(Watched { inner: Arc::clone(inner), times: Arc::clone(&times) });
    let priority = format!("{}, {priority}", inner.name());
    let host = runtime::host(&[device], &algorithm)?;
    let others = Others::watch();
    let source = Switching { algorithm, times: Arc::clone(&times) };
    host.run(Box::new(source), &mut |event| {
        if let HostEvent::Job { key, .. } = event {
            times.stamp(&times.jobs[key as usize - 1].heard);
        }
        ControlFlow::Continue(())
    })?;
    let others = others.cores();
    if times.backwards.load(Ordering::Relaxed) > 0 {
        return Err("a worker went back to an older job".into());
    }
    let stages: [(&str, Stage); 3] = [
        ("to the host loop", |switch| Some(switch.heard.load(Ordering::Relaxed))),
        ("to the first worker", |switch| switch.begun().iter().min().copied()),
        ("to the last worker", |switch| {
            (switch.begun().len() == WORKERS).then(|| switch.begun().into_iter().max())?
        }),
    ];
    let mut last = histogram();
    for (what, stage) in stages {
        last.clear();
        let mut missed = 0.0;
        for switch in &times.jobs[WARM..] {
            match stage(switch) {
                Some(at) => last.saturating_record(at - switch.sent.load(Ordering::Relaxed)),
                // It took longer than the next job let it.
                None => {
                    missed += 1.0;
                    last.saturating_record(u64::MAX);
                }
            }
        }
        let us = |quantile| last.value_at_quantile(quantile) as f64 / 1e3;
        let figures =
            [("p50 us", us(0.5)), ("p90", us(0.9)), ("p99", us(0.99)), ("most", us(1.0)), ("never", missed)];
        report.row(&format!("{priority}: {what}"), &figures);
    }
    let ms = |quantile| last.value_at_quantile(quantile) as f64 / 1e6;
    report.bar(&format!("{priority}: new job to last device, p50 ms"), ms(0.5), Bar::AtMost(1.0));
    report.bar(&format!("{priority}: new job to last device, p99 ms"), ms(0.99), Bar::AtMost(5.0));
    report.others(others);
    Ok(())
}

/// When what happened, in nanoseconds.
struct Times {
    epoch: Instant,
    jobs: Vec<Switch>,
    /// Workers that began a job older than their last.
    backwards: AtomicUsize,
    workers: AtomicUsize,
}

/// The moment that ends a stage, if it came.
type Stage = fn(&Switch) -> Option<u64>;

/// One job.
#[derive(Default)]
struct Switch {
    sent: AtomicU64,
    heard: AtomicU64,
    /// For each worker; 0 for never.
    begun: [AtomicU64; WORKERS],
}

impl Switch {
    fn begun(&self) -> Vec<u64> {
        self.begun.iter().map(|at| at.load(Ordering::Relaxed)).filter(|at| *at > 0).collect()
    }
}

impl Times {
    fn new(jobs: usize) -> Self {
        Self {
            epoch: Instant::now(),
            jobs: (0..jobs).map(|_| Switch::default()).collect(),
            backwards: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
        }
    }

    fn stamp(&self, at: &AtomicU64) {
        at.store(self.epoch.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}

/// Sends all jobs and ends.
struct Switching {
    algorithm: Arc<dyn Algorithm>,
    times: Arc<Times>,
}

impl Source for Switching {
    fn name(&self) -> String {
        "job-switch".into()
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        for (at, switch) in self.times.jobs.iter().enumerate() {
            let nonces = NonceRange::all(&*self.algorithm);
            let job = runtime::job(&self.algorithm, at as u64 + 1, Target::from_zero_bits(256), nonces);
            self.times.stamp(&switch.sent);
            events.send(SourceEvent::Job(job));
            // From 17 to 23 ms, out of step with whatever has a period.
            let until = Instant::now() + Duration::from_micros(17_000 + at as u64 * 617 % 6_000);
            loop {
                match commands.recv_deadline(until) {
                    Ok(SourceCommand::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                    Ok(_) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
        }
        events.send(SourceEvent::Ended(Ok(())));
    }
}

/// An algorithm whose searchers say when they begin a job.
struct Watched {
    inner: Arc<dyn Algorithm>,
    times: Arc<Times>,
}

impl Algorithm for Watched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn id(&self) -> u32 {
        self.inner.id()
    }

    fn layout(&self) -> Layout {
        self.inner.layout()
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.inner.digest(header)
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        let worker = self.times.workers.fetch_add(1, Ordering::Relaxed) % WORKERS;
        let times = Arc::clone(&self.times);
        Box::new(Watching { inner: self.inner.searcher(), times, worker, job: 0, begun: true })
    }

    fn digest_cost(&self) -> Duration {
        self.inner.digest_cost()
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        self.inner.dev_header(block)
    }
}

struct Watching {
    inner: Box<dyn Searcher>,
    times: Arc<Times>,
    worker: usize,
    /// The job's key.
    job: u64,
    begun: bool,
}

impl Searcher for Watching {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        self.inner.set_job(header, target)?;
        let job = header.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if job < self.job {
            self.times.backwards.fetch_add(1, Ordering::Relaxed);
        }
        self.begun = job == self.job;
        self.job = job;
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        self.begin();
        self.inner.search(start, last, hits);
    }

    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        self.begin();
        self.inner.search_while(start, last, hits, go_on)
    }

    fn group(&self) -> u64 {
        self.inner.group()
    }
}

impl Watching {
    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.times.stamp(&self.times.jobs[self.job as usize - 1].begun[self.worker]);
        }
    }
}
