//! `adit channels`: what the channels of this user are doing.

mod json;
mod kept;
mod process;
mod table;

use std::{
    collections::HashMap,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use adit_channel::inspect::{self, Look, Snapshot};
use anyhow::{Context as _, Result};

use crate::{
    Usage,
    arguments::{ChannelAction, Channels},
    output,
    screen::{Screen, print},
};

/// How long a process may take to answer; one that is stopped never does.
const PATIENCE: Duration = Duration::from_millis(500);

/// Between two looks that people wait for.
const ONCE: Duration = Duration::from_millis(250);

/// Between two looks of `--watch`.
const WATCH: Duration = Duration::from_secs(1);

/// Runs the command.
pub fn run(arguments: &Channels) -> Result<ExitCode> {
    check(arguments)?;
    let directory = arguments.directory.clone().unwrap_or_else(inspect::default_directory);
    match &arguments.action {
        Some(ChannelAction::Kept { files, remove }) => kept::run(files.as_deref(), *remove, arguments.json),
        Some(ChannelAction::Clean) => clean(&directory, arguments.json),
        None => show(&directory, arguments),
    }
}

/// What is said must mean something.
fn check(arguments: &Channels) -> Result<(), Usage> {
    let wrong = match &arguments.action {
        Some(ChannelAction::Kept { .. }) if arguments.directory.is_some() => {
            "--directory is where sockets are, and channels that are kept have none: say kept --files DIR"
        }
        Some(_) if arguments.watch || arguments.interval.is_some() => {
            "--watch and --interval are for showing channels: leave them out before clean and kept"
        }
        _ => return Ok(()),
    };
    Err(Usage(wrong.into()))
}

fn clean(directory: &Path, json: bool) -> Result<ExitCode> {
    let removed =
        inspect::clean(directory).with_context(|| format!("cannot clean {}", directory.display()))?;
    for leftover in &removed {
        if json {
            output::line(&json::removed(leftover));
        } else {
            print(&format!("removed the {} {}\n", leftover.what, leftover.path.display()));
        }
    }
    if removed.is_empty() && !json {
        print(&format!("nothing is left behind in {}\n", directory.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(directory: &Path, arguments: &Channels) -> Result<ExitCode> {
    let interval = arguments.interval.unwrap_or(if arguments.watch { WATCH } else { ONCE });
    let mut before = Before::default();
    let mut screen = Screen::new();
    let mut first = true;
    loop {
        let began = Instant::now();
        let looks = inspect::look(directory, PATIENCE)
            .with_context(|| format!("cannot look into {}", directory.display()))?;
        let seen: Vec<Seen<'_>> = looks.iter().map(|look| before.see(look)).collect();
        // Rates take two looks; where nothing answers there is nothing to wait for.
        let done = !arguments.watch && (!first || looks.iter().all(|look| look.state.is_err()));
        if !first || done {
            if arguments.json {
                seen.iter().for_each(|seen| output::line(&json::channel(seen)));
            } else {
                let lines = table::lines(directory, arguments.directory.is_some(), &seen);
                if arguments.watch && screen.is_terminal() {
                    screen.draw(&lines);
                } else {
                    print(&(lines.join("\n") + "\n"));
                }
            }
        }
        if done {
            return Ok(ExitCode::SUCCESS);
        }
        output::end_without_reader();
        before.keep(&looks);
        // The second look, which makes the first rates of many, comes soon.
        let pause = if first && arguments.watch { interval.min(ONCE) } else { interval };
        std::thread::sleep(pause.saturating_sub(began.elapsed()));
        first = false;
    }
}

/// A look, and how fast it went since the one before.
struct Seen<'a> {
    look: &'a Look,
    rates: Option<Rates>,
}

/// A second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    sent_messages: f64,
    sent_bytes: f64,
    received_messages: f64,
    received_bytes: f64,
}

/// What was seen before, by name.
#[derive(Default)]
struct Before(HashMap<String, Snapshot>);

impl Before {
    fn see<'a>(&self, look: &'a Look) -> Seen<'a> {
        let now = look.state.as_ref().ok();
        let rates = now.zip(self.0.get(&look.name)).and_then(|(now, before)| Rates::between(before, now));
        Seen { look, rates }
    }

    fn keep(&mut self, looks: &[Look]) {
        let answered = looks.iter().filter_map(|look| Some((look.name.clone(), look.state.as_ref().ok()?)));
        self.0 = answered.map(|(name, snapshot)| (name, snapshot.clone())).collect();
    }
}

impl Rates {
    /// `None` between two channels of the same name.
    fn between(before: &Snapshot, now: &Snapshot) -> Option<Self> {
        let seconds = now.time.checked_sub(before.time)?.as_secs_f64();
        if before.pid != now.pid || seconds <= 0.0 {
            return None;
        }
        let ((sent, sent_bytes), (received, received_bytes)) = (now.sent(), now.received());
        let rate = |now: u64, before: u64| Some(now.checked_sub(before)? as f64 / seconds);
        Some(Self {
            sent_messages: rate(sent, before.sent().0)?,
            sent_bytes: rate(sent_bytes, before.sent().1)?,
            received_messages: rate(received, before.received().0)?,
            received_bytes: rate(received_bytes, before.received().1)?,
        })
    }
}
