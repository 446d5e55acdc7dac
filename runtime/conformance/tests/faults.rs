//! Faults are found, by the cases that are there for them and under their names.

mod common;

use std::collections::HashSet;

use adit_conformance::{Case, Outcome, run};
use common::{broken, conforms, failures, in_pairs, shown};

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
    Case::UnknownState,
    Case::GarbageInReserved,
    Case::UnknownAlgorithm,
    Case::InvalidUnit,
    Case::UnknownMessage,
    Case::SleepAndWake,
    Case::StaleUnits,
    Case::TornBoard,
];

#[test]
fn a_correct_helper_passes_every_case() {
    conforms(&broken("correct"));
}

#[test]
fn a_helper_that_never_stops_fails_those_cases_alone() {
    fails_exactly(
        "never-stops",
        &[Case::StopInTheMiddle, Case::UnknownState],
        &["did not stop while idle: still running 2 s after ", "[SES-2.1]"],
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
    let faults = [
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
        ("answers-strangers", Case::NotAHost, "; expected: nothing [SES-1.2]"),
        ("refuses-nameless", Case::BadRegion, "its header has session_id 0x0; the host's is 0xad17"),
        ("refuses-nameless", Case::OtherVersion, "its header has session_id 0x0; the host's is 0xad17"),
        (
            "unknown-state-runs",
            Case::UnknownState,
            "did not stop while idle: still running 2 s after the unknown state 0 [SES-2.1]",
        ),
        ("torn-board", Case::TornBoard, "of a board slot that changed while it was read [SES-4.1]"),
        ("reads-odd-boards", Case::StaleUnits, "ended with UNIT_COMPLETE; expected: UNIT_STALE [SES-4.1]"),
        ("takes-dead-units", Case::StaleUnits, "expected: UNIT_STALE [SES-4.1]"),
        ("believes-head", Case::FullSolutionRing, "; expected: that the helper ignores it [SES-3.2]"),
        ("believes-old-head", Case::FullSolutionRing, "; expected: that it ignores that [SES-3.2]"),
        ("late-head", Case::RingWrap, ", but its head in the work ring is "),
        ("late-head", Case::SleepAndWake, "while it sleeps its head in the work ring is "),
        (
            "wakes-for-hits-alone",
            Case::SleepAndWake,
            "times it did not wake the host that slept on its answer [SES-3.4]",
        ),
        ("dozes", Case::SleepAndWake, "; expected: 50 at most [SES-3.3]"),
    ];
    in_pairs(&faults, |&(mode, case, part)| match shown(run(&broken(mode), case)).outcome {
        Outcome::Failed(text) => assert!(text.contains(part), "{mode}, {case}: {text}"),
        other => panic!("{mode}, {case}: {other:?}"),
    });
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
