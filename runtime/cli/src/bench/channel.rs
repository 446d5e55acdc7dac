//! `adit bench channel`: throughput and round trips of channels.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use adit_bench_channel::{
    bars::bars,
    measure::{Field, Pace, Progress},
    order::RING,
    plan::{Choice, plan},
    report::page,
    table::contestants,
    versions::has_peers,
    worker::WorkerCommand,
};
use adit_bench_report::{bar::ratios, html, machine, row::Row, table};
use adit_topology::{allowed_cpus, format_cpu_list};
use anyhow::{Context as _, Result};
use rustix::termios::tcgetwinsize;

use crate::{Usage, arguments::BenchChannel, files, output, screen};

/// Rounds and seconds of a round, if nothing else is said.
const USUAL: (usize, f64) = (9, 0.06);

/// The same with `--quick`.
const QUICK: (usize, f64) = (3, 0.015);

pub fn run(arguments: &BenchChannel) -> Result<ExitCode> {
    if arguments.peers && !has_peers() {
        let how = "cargo run --release -p adit-cli --features peers -- bench channel --peers";
        return Err(
            Usage(format!("--peers: this program was built without other channels; try {how}")).into()
        );
    }
    let contestants = contestants();
    let choice = Choice { peers: arguments.peers, only: arguments.only.clone() };
    let groups = plan(&contestants, &choice);
    if groups.is_empty() {
        let only: Vec<_> = choice.only.iter().map(|pattern| format!("--only {pattern}")).collect();
        let what = "nothing is named so; a name is like adit/ipc/spsc/64/1/saturated";
        return Err(Usage(format!("{}: {what}", only.join(" "))).into());
    }
    let pace = pace(arguments)?;
    let command = WorkerCommand {
        program: env::current_exe().context("cannot find this program, to start it again")?,
        arguments: vec!["bench".into(), "channel-end".into()],
    };
    let report = arguments.report.as_deref().map(files::Page::begin).transpose()?;
    let others = machine::Others::watch();
    let mut field = Field::new(&contestants, &pace, &command).context("cannot prepare the benchmark")?;
    let mut bulletin = Bulletin::new();
    let mut rows = Vec::new();
    field.run(
        &groups,
        |progress| bulletin.show(progress),
        |row| {
            if arguments.json.json {
                output::line(&row.json());
            }
            rows.push(row);
        },
    );
    bulletin.clear();
    drop(field);
    let bars = bars(&rows);
    if arguments.json.json {
        output::line(&ratios(&bars));
    } else {
        screen::print(&format!(
            "{}\nbars\n{}\nother programs kept {:.2} cores busy meanwhile\n",
            table::rows(&rows),
            table::bars(&bars),
            others.cores()
        ));
    }
    if let Some(report) = &report {
        let page = page(&rows, &bars, &pace, others.cores());
        report.write(&html::render(&page))?;
    }
    Ok(ExitCode::from(u8::from(!rows.iter().all(|row: &Row| row.valid))))
}

fn pace(arguments: &BenchChannel) -> Result<Pace> {
    let (rounds, seconds) = if arguments.quick { QUICK } else { USUAL };
    let allowed = allowed_cpus();
    let cores = match &arguments.cores {
        None => machine::two_cores().to_vec(),
        Some(cores) => cores.0.clone(),
    };
    if let Some(core) = cores.iter().find(|core| !allowed.contains(core)) {
        let allowed = format_cpu_list(&allowed);
        return Err(Usage(format!("--cores: {core} is not among the cores allowed here, {allowed}")).into());
    }
    Ok(Pace {
        rounds: arguments.rounds.unwrap_or(rounds),
        round: arguments.seconds.unwrap_or(Duration::from_secs_f64(seconds)),
        cores,
        ring: arguments.ring.unwrap_or(RING),
    })
}

/// Tells people where the run is: on a terminal in place, elsewhere a line for each group.
struct Bulletin {
    terminal: bool,
    group: String,
    last: Instant,
}

impl Bulletin {
    /// How often the line on a terminal changes.
    const EVERY: Duration = Duration::from_millis(200);

    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), group: String::new(), last: Instant::now() }
    }

    fn show(&mut self, progress: &Progress<'_>) {
        let title = progress.group.title.to_string();
        let new = title != self.group;
        if !new && (!self.terminal || self.last.elapsed() < Self::EVERY) {
            return;
        }
        self.last = Instant::now();
        let Progress { done, all, left, .. } = progress;
        // Nothing is known of the first one yet.
        let left = match done {
            0 => String::new(),
            _ => format!(", {} s left", left.as_secs()),
        };
        let line = format!("turn {done} of {all}{left}: {title}");
        let mut err = io::stderr().lock();
        let width = tcgetwinsize(&err).map_or(usize::MAX, |size| usize::from(size.ws_col).saturating_sub(1));
        let line: String = line.chars().take(if width == 0 { usize::MAX } else { width }).collect();
        // Nobody may be reading, which is no reason to stop.
        let _ = if self.terminal { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
        self.group = title;
    }

    fn clear(&self) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
