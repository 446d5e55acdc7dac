//! Whatever is started instead of a helper, the outcome is a clean failure, in time, and nothing is left.

mod common;

use std::{fs, time::Instant};

use adit_conformance::{Case, CommandLine, Outcome, run, select};
use common::{broken, command, shown};

/// Runs one case and expects a failure that says this; returns the notes.
#[track_caller]
fn fails(command: &CommandLine, case: Case, part: &str) -> Vec<String> {
    let begin = Instant::now();
    let report = shown(run(command, case));
    assert!(begin.elapsed().as_secs() < 15, "{command}: took {:?}", begin.elapsed());
    match report.outcome {
        Outcome::Failed(text) => assert!(text.contains(part), "{command}, {case}: {text}"),
        other => panic!("{command}, {case}: {other:?}"),
    }
    report.notes
}

/// Children of this process, zombies included.
fn children() -> Vec<String> {
    let me = std::process::id().to_string();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|process| fs::read_to_string(process.path().join("stat")).ok());
    let is_mine = |stat: &String| {
        let after_name = &stat[stat.rfind(')').unwrap() + 1..];
        after_name.split_ascii_whitespace().nth(1) == Some(&me)
    };
    stats.filter(is_mine).collect()
}

/// One test, so that every child of this process is one that it started.
#[test]
fn failures_are_clean() {
    let missing = command(&["./there-is-no-such-helper"]);
    for case in select(None) {
        fails(&missing, case, "cannot start the helper");
    }
    fails(&command(&["/"]), Case::Hello, "cannot start the helper");
    fails(
        &command(&["true"]),
        Case::KnownVectors,
        "the helper ended by itself (exit status: 0), before its hello",
    );
    fails(&command(&["true"]), Case::BadRegion, "exit status 0; expected: another [SES-1.2]");

    let notes = fails(&broken("crashes-at-once"), Case::Hello, "(exit status: 7), before its hello");
    assert_eq!(notes, ["standard error: broken-helper: as I was told"]);
    fails(&broken("crashes-at-once"), Case::OtherVersion, "it wrote no header");
    let notes = fails(&broken("crashes-at-work"), Case::RingWrap, "the helper ended by itself (signal: 6");
    assert!(notes.iter().any(|note| note.contains("my device is on fire")), "{notes:?}");

    fails(&broken("writes-garbage"), Case::Hello, "[SES-3.");
    fails(&broken("writes-garbage"), Case::HostDeath, "[SES-3.");

    // Most of their time is waiting.
    std::thread::scope(|scope| {
        let mute = broken("never-says-hello");
        scope.spawn(move || fails(&mute, Case::Hello, "no hello within 10 s [SES-1.3]"));
        let mute = broken("never-says-hello");
        fails(&mute, Case::OtherVersion, "still running after 5 s; expected: exit [SES-1.2]");
    });
    assert_eq!(children(), Vec::<String>::new());
}
