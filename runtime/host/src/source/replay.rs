//! Jobs from a file, with the nonces that must be found in them.
//!
//! Each line is a JSON object; empty lines and lines that begin with `#` are left out:
//!
//! ```json
//! {"algorithm":"sha256d","header":"0100…","target":"0000ffff…","start":0,"count":100000,"nonces":[88156]}
//! ```
//!
//! `header` is hex as hashed, `target` 64 hex digits, most significant first; `start` is 0 if left out.

use std::{collections::BTreeSet, fmt, fs::File, io, io::Read as _, path::Path, sync::Arc};

use adit_plugin::{Algorithm, Target};
use crossbeam_channel::Receiver;
use serde::Deserialize;

use super::{Source, SourceCommand, SourceEvent, SourceEvents, Verdict};
use crate::job::{Job, JobKey, NonceRange, SingleHeader};

/// Larger files are refused.
const LARGEST_FILE: u64 = 16 << 20;

/// So much of what was wrong is told at the end; the rest is counted.
const MOST_TOLD: usize = 10;

/// A source that plays jobs from a file.
#[derive(Debug)]
pub struct Replay {
    name: String,
    jobs: Vec<Recorded>,
}

#[derive(Debug)]
struct Recorded {
    line: usize,
    job: Job,
    nonces: BTreeSet<u64>,
}

/// A replay file that cannot be played.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    Read(String, io::Error),
    /// It is larger than 16 MiB.
    TooLarge(String),
    /// A line that makes no sense.
    Line {
        /// The file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There is no job in it.
    Empty(String),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(file, error) => write!(f, "cannot read {file}: {error}"),
            Self::TooLarge(file) => write!(f, "{file} is larger than {} MiB", LARGEST_FILE >> 20),
            Self::Line { file, line, what } => write!(f, "{file}:{line}: {what}"),
            Self::Empty(file) => write!(f, "{file} has no jobs"),
        }
    }
}

impl std::error::Error for ReplayError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    algorithm: String,
    header: String,
    target: String,
    #[serde(default)]
    start: u64,
    count: u64,
    nonces: BTreeSet<u64>,
}

impl Replay {
    /// Reads a file; its algorithms are looked up by name in `algorithms`.
    ///
    /// # Errors
    /// [`ReplayError`] names the line.
    pub fn open(path: &Path, algorithms: &[Arc<dyn Algorithm>]) -> Result<Self, ReplayError> {
        let name = path.display().to_string();
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text));
        read.map_err(|error| ReplayError::Read(name.clone(), error))?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(ReplayError::TooLarge(name));
        }
        let mut jobs = Vec::new();
        for (at, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let recorded = parse(text, at + 1, jobs.len() as JobKey + 1, algorithms);
            let place = |what| ReplayError::Line { file: name.clone(), line: at + 1, what };
            jobs.push(recorded.map_err(place)?);
        }
        if jobs.is_empty() { Err(ReplayError::Empty(name)) } else { Ok(Self { name, jobs }) }
    }
}

fn parse(
    text: &str,
    line: usize,
    key: JobKey,
    algorithms: &[Arc<dyn Algorithm>],
) -> Result<Recorded, String> {
    let Line { algorithm, header, target, start, count, nonces } =
        serde_json::from_str(text).map_err(|error| no_line(&error))?;
    let known = || algorithms.iter().map(|known| known.name()).collect::<Vec<_>>().join(", ");
    let algorithm = algorithms
        .iter()
        .find(|known| known.name() == algorithm)
        .ok_or_else(|| format!("unknown algorithm {algorithm:?}; known are {}", known()))?;
    let header = crate::hex::decode(&header).map_err(|error| format!("header: {error}"))?;
    algorithm.layout().check(&header).map_err(|error| format!("header: {error}"))?;
    let target: Target = target.parse().map_err(|error| format!("target: {error}"))?;
    let end = u128::from(start) + u128::from(count);
    if count == 0 || end > algorithm.layout().nonce_end() {
        return Err(format!("start {start} and count {count} are no range of this algorithm's nonces"));
    }
    if let Some(nonce) = nonces.iter().find(|nonce| !(u128::from(start)..end).contains(&u128::from(**nonce)))
    {
        return Err(format!("nonces: {nonce} is not in the range of start {start} and count {count}"));
    }
    let job = Job {
        key,
        name: format!("line {line}"),
        algorithm: Arc::clone(algorithm),
        target,
        clean: true,
        space: Arc::new(SingleHeader(header)),
        first_roll: 0,
        nonces: NonceRange { start, end },
    };
    Ok(Recorded { line, job, nonces })
}

/// What is wrong with a line, without the number that it has when it is alone.
fn no_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("column {}: {what}", error.column()),
        None => text,
    }
}

impl Source for Replay {
    fn name(&self) -> String {
        format!("replay of {}", self.name)
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        let mut wrong = Vec::new();
        for recorded in self.jobs {
            let key = recorded.job.key;
            events.send(SourceEvent::Job(recorded.job));
            let mut missing = recorded.nonces;
            loop {
                match commands.recv() {
                    Ok(SourceCommand::Submit(share)) => {
                        let accepted = share.job == key && missing.remove(&share.nonce);
                        let reason = (!accepted).then(|| format!("nonce {} is not in the file", share.nonce));
                        if !accepted {
                            wrong.push(format!(
                                "line {}: found nonce {}, which is not in the file",
                                recorded.line, share.nonce
                            ));
                        }
                        let verdict = Verdict { share: share.id, accepted, reason, block: false };
                        events.send(SourceEvent::Verdict(verdict));
                    }
                    Ok(SourceCommand::Exhausted(job)) if job == key => break,
                    Ok(SourceCommand::Exhausted(_)) => {}
                    Ok(SourceCommand::Stop) | Err(_) => {
                        return events.send(SourceEvent::Ended(verdict(&self.name, wrong)));
                    }
                }
            }
            wrong.extend(
                missing.iter().map(|nonce| format!("line {}: did not find nonce {nonce}", recorded.line)),
            );
        }
        events.send(SourceEvent::Ended(verdict(&self.name, wrong)));
    }
}

/// What a replay ends with: what was wrong, if anything was.
fn verdict(name: &str, mut wrong: Vec<String>) -> Result<(), String> {
    let more = wrong.len().saturating_sub(MOST_TOLD);
    wrong.truncate(MOST_TOLD);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}: {}", wrong.join("; "))) }
}
