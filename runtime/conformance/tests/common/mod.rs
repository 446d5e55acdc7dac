//! Shared by the tests of this crate.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};

use adit_conformance::{Case, CaseReport, CommandLine, Outcome, run};

/// The broken helper in one of its modes.
pub fn broken(mode: &str) -> CommandLine {
    command(&[env!("CARGO_BIN_EXE_broken-helper"), mode])
}

/// A command from its words.
pub fn command(words: &[&str]) -> CommandLine {
    CommandLine::from_words(words.iter().map(|&word| word.to_owned())).expect("a program")
}

/// Runs every case and shows what came of it; two at a time, since most of their time is waiting.
pub fn run_all(command: &CommandLine) -> Vec<CaseReport> {
    in_pairs(Case::ALL, |&case| shown(run(command, case)))
}

/// What is made of each item, in their order, by two threads that take the next in turn.
pub fn in_pairs<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let taken = std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, make(item)))
        });
        taken.collect::<Vec<(usize, R)>>()
    };
    let mut made = std::thread::scope(|scope| {
        let second = scope.spawn(work);
        let mut made = work();
        made.extend(second.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        made
    });
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, made)| made).collect()
}

/// Prints a report, for whoever reads the output of a test that failed.
pub fn shown(report: CaseReport) -> CaseReport {
    println!("{:<20} {:6.2} s  {:?} {:?}", report.case, report.seconds, report.outcome, report.notes);
    report
}

/// Every case passes.
#[track_caller]
pub fn conforms(command: &CommandLine) {
    let reports = run_all(command);
    let total: f64 = reports.iter().map(|report| report.seconds).sum();
    println!("{command}: {total:.1} s");
    let failed: Vec<_> = reports.iter().filter(|report| report.outcome != Outcome::Passed).collect();
    assert!(failed.is_empty(), "{command}: {failed:#?}");
}

/// The cases that fail, with their texts.
pub fn failures(command: &CommandLine) -> Vec<(Case, String)> {
    let failed = |report: CaseReport| match report.outcome {
        Outcome::Failed(why) => Some((report.case, why)),
        _ => None,
    };
    run_all(command).into_iter().filter_map(failed).collect()
}
