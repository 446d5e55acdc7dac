//! Faults are found, by the cases that are there for them and under their names.

mod common;

use std::collections::HashSet;

use adit_conformance::{Case, Outcome, run};
use common::{broken, conforms, failures, shown};

/// Cases that look at hits; each of them checks every digest and misses none.
const WITH_HITS: &[Case] = &[
    Case::KnownVectors,
    Case::EdgeRanges,
    Case::ManyHits,
    Case::RingWrap,
    Case::FullSolutionRing,
    Case::JobSwitchStorm,
    Case::PauseAndResume,
    Case::StopInTheMiddle,
    Case::GarbageInReserved,
    Case::UnknownAlgorithm,
    Case::InvalidUnit,
    Case::UnknownMessage,
    Case::SleepAndWake,
];

#[test]
fn a_correct_helper_passes_every_case() {
    conforms(&broken("correct"));
}

#[test]
fn a_helper_that_never_stops_fails_that_case_alone() {
    fails_exactly(
        "never-stops",
        &[Case::StopInTheMiddle],
        &["did not stop while idle: still running 2 s after STOP [SES-2.1]"],
    );
}

#[test]
fn a_wrong_digest_is_named_wherever_there_are_hits() {
    fails_exactly("wrong-digest", WITH_HITS, &["digest of nonce ", ", it says ", "[SES-4.2]"]);
    let Outcome::Failed(text) = run(&broken("wrong-digest"), Case::KnownVectors).outcome else {
        unreachable!()
    };
    let right = "00005fe15caade915c8b381e911caeccd3b4b3654797662c102ff2d1ea0cc9de";
    assert!(
        text.starts_with(&format!("digest of nonce 3426 (blake2s-kda) is {right}, it says 0000")),
        "{text}"
    );
}

#[test]
fn skipped_nonces_are_named_wherever_there_are_hits() {
    fails_exactly("skips-nonces", WITH_HITS, &["missed ", " hits among ", "[SES-5.2]"]);
    let Outcome::Failed(text) = run(&broken("skips-nonces"), Case::ManyHits).outcome else { unreachable!() };
    assert!(
        text.starts_with("missed 2500 of 5000 hits among 5000 nonces of blake2s-kda from 77, first nonce 78"),
        "{text}"
    );
}

#[test]
fn each_other_fault_is_found_by_its_case() {
    for (mode, case, part) in [
        ("repeats-hits", Case::KnownVectors, "was reported twice [SES-5.2]"),
        ("repeats-hits", Case::ManyHits, "more solutions now than can be true [SES-5.2]"),
        ("ignores-pause", Case::PauseAndResume, "; expected: none [SES-2.1]"),
        (
            "ignores-generation",
            Case::JobSwitchStorm,
            "units went on for more than 1 s after their generation died [SES-2.2]",
        ),
        ("ignores-death", Case::HostDeath, "its host died while idle: still running 3 s later [SES-1.5]"),
        ("spins", Case::Silence, " of a processor; expected: less than 20 % [SES-3.3]"),
        ("no-heartbeat", Case::Hello, "[SES-6.1]"),
        ("no-heartbeat", Case::Silence, "[SES-6.1]"),
    ] {
        match shown(run(&broken(mode), case)).outcome {
            Outcome::Failed(text) => assert!(text.contains(part), "{mode}, {case}: {text}"),
            other => panic!("{mode}, {case}: {other:?}"),
        }
    }
}

/// Exactly these cases fail, and each text has these parts.
#[track_caller]
fn fails_exactly(mode: &str, cases: &[Case], parts: &[&str]) {
    let failures = failures(&broken(mode));
    let found: HashSet<Case> = failures.iter().map(|(case, _)| *case).collect();
    assert_eq!(found, cases.iter().copied().collect(), "{mode}: {failures:#?}");
    for (case, text) in failures {
        assert!(parts.iter().all(|part| text.contains(part)), "{mode}, {case}: {text}");
    }
}
