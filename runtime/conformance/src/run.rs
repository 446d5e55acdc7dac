//! Runs a case and says what came of it.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::{Duration, Instant},
};

use adit_host::device::spawn::CommandLine;
use serde::Serialize;

use crate::{
    case::Case,
    cases,
    fault::{Stop, failure},
    host::{Context, HELLO},
};

/// So many starts may take as long as they are given before a case has less time for the rest.
const STARTS: u32 = 8;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// The helper does what the spec says.
    Passed,
    /// It does not: what was expected, what was seen, and the clause.
    Failed(String),
    /// The case does not apply to this helper; says why.
    Skipped(String),
}

/// What came of a case, and what is worth knowing besides.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// Which case.
    pub case: Case,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// It hashes, and was skipped because the helper knows no algorithm that can be checked.
    pub knows_nothing: bool,
    /// How long it took.
    pub seconds: f64,
    /// Measured times of a case that passed; the helper's last words for one that failed.
    pub notes: Vec<String>,
}

/// Plays `case` against a fresh helper that `command` starts.
///
/// Never hangs (see [`Case::time_limit`]) and never panics. The helper is told to stop when the case is over,
/// killed with its process group half a second later, and waited for. It must be called on a thread that
/// outlives the call, as every thread does that waits for its result: the kernel kills helpers whose thread
/// ends.
#[must_use]
pub fn run(command: &CommandLine, case: Case) -> CaseReport {
    run_patiently(command, case, HELLO)
}

/// As [`run`], for a helper that may take so long until its hello (10 seconds otherwise): one that compiles kernels first. The
/// case has as much more time, for each of several helpers.
#[must_use]
pub fn run_patiently(command: &CommandLine, case: Case, hello_within: Duration) -> CaseReport {
    let more = hello_within.saturating_sub(HELLO).saturating_mul(STARTS);
    let begin = Instant::now();
    let last_words = Rc::default();
    let mut context = Context {
        command,
        cpus: Vec::new(),
        deadline: begin + case.time_limit().saturating_add(more),
        hello_within,
        notes: Vec::new(),
        last_words: Rc::clone(&last_words),
    };
    let result = catch_unwind(AssertUnwindSafe(|| cases::play(case, &mut context))).unwrap_or_else(|panic| {
        Err(failure(format!("the conformance suite panicked: {}", panic_text(&*panic))))
    });
    let knows_nothing = matches!(result, Err(Stop::Unknown(_)));
    let (outcome, notes) = match result {
        Ok(()) => (Outcome::Passed, context.notes),
        Err(Stop::Fault(what)) => (Outcome::Failed(what), last_words_of(&last_words)),
        Err(Stop::Skip(why) | Stop::Unknown(why)) => (Outcome::Skipped(why), context.notes),
    };
    CaseReport { case, outcome, knows_nothing, seconds: begin.elapsed().as_secs_f64(), notes }
}

fn last_words_of(words: &RefCell<Vec<String>>) -> Vec<String> {
    words.try_borrow().map_or_else(|_| Vec::new(), |words| words.clone())
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
