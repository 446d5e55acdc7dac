//! `adit bench channel`: that it measures what it says and prints what programs read. How fast is not judged.

mod common;

use std::{
    process::Stdio,
    thread::sleep,
    time::{Duration, Instant},
};

use common::*;
use serde_json::Value;

/// Every field of a result, in order.
const FIELDS: [&str; 14] = [
    "event",
    "name",
    "peer",
    "transport",
    "mode",
    "bytes",
    "batch",
    "regime",
    "metric",
    "median",
    "p99",
    "min",
    "max",
    "rounds",
];

fn bench(arguments: &[&str]) -> std::process::Output {
    finish(adit().args(["bench", "channel", "--quick", "--seconds", "0.003"]).args(arguments), 300)
}

fn check(result: &Value) {
    let keys: Vec<&str> = result.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys[..14], FIELDS, "{result}");
    assert_eq!((keys.len(), keys[14]), (15, "valid"), "{result}");
    assert_eq!(result["valid"], true, "{result}");
    let figure = |name: &str| result[name].as_f64().unwrap();
    assert!(figure("min") > 0.0 && figure("min") <= figure("median") && figure("median") <= figure("max"));
    assert!(figure("p99") > 0.0);
}

#[test]
fn results_and_ratios_are_lines_of_json() {
    let place = tempfile::tempdir().unwrap();
    let page = place.path().join("page.html");
    let output = bench(&[
        "--json",
        "--only",
        "adit/*/spsc/64/*/s[ap]*",
        "--only",
        "adit/*/mpsc/1048576/1/starved",
        "--only",
        "adit/ipc/*/64/1/saturated",
        "--only",
        "floor:*/*/*/64/1/*",
        "--report",
        page.to_str().unwrap(),
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&output);
    let results = events(&lines, "result");
    results.iter().for_each(|result| check(result));
    let has = |name: &str, transport: &str, regime: &str| {
        results.iter().any(|one| {
            one["name"] == name
                && one["transport"] == transport
                && one["regime"] == regime
                && one["peer"].is_null()
        })
    };
    for transport in ["memory", "ipc"] {
        for regime in ["saturated", "spinning", "starved"] {
            assert!(has("adit", transport, regime), "{transport} {regime}");
        }
    }
    for mode in ["spsc", "mpsc", "spmc", "mpmc", "broadcast"] {
        assert!(results.iter().any(|one| one["mode"] == mode && one["transport"] == "ipc"), "{mode}");
    }
    for (name, transport, regime) in [
        ("floor:one-line", "ipc", "spinning"),
        ("floor:two-line", "ipc", "spinning"),
        ("floor:futex", "ipc", "parked"),
        ("floor:tcp", "tcp", "parked"),
        ("floor:tcp", "tcp", "saturated"),
        ("floor:memcpy", "memory", "saturated"),
    ] {
        assert!(has(name, transport, regime), "{name} {transport} {regime}");
    }
    let ratios = lines.last().unwrap();
    assert_eq!(ratios["event"], "ratios");
    let trip = &ratios["ipc-round-trip-spinning"];
    assert_eq!(trip["bound"], "<= 1.1");
    assert_eq!(trip["holds"], trip["value"].as_f64().unwrap() <= 1.1);
    // No peer took part, so this one says why it is not known.
    let saturated = &ratios["ipc-spsc-saturated"];
    assert!(saturated["value"].is_null() && saturated["holds"].is_null());
    assert!(saturated["reason"].as_str().unwrap().contains("rtrb"));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("two line"));
    assert!(text(&output.stderr).contains("turn "), "no progress was told");
}

#[test]
fn people_get_a_table() {
    let output = bench(&["--only", "adit/memory/spsc/256/1/saturated", "--rounds", "1"]);
    assert!(output.status.success());
    let text = text(&output.stdout);
    for needed in ["SPSC throughput, 256 B, saturated", "adit memory", "yes", "other programs kept"] {
        assert!(text.contains(needed), "{needed:?} is not in {text}");
    }
}

#[test]
fn mistakes_are_named() {
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--only", "no-such-thing"], &["no-such-thing", "adit/ipc/spsc/64/1/saturated"]),
        (&["--only", "[a"], &["--only"]),
        (&["--cores", "0"], &["--cores", "two cores"]),
        (&["--cores", "0,4000"], &["--cores", "4000", "allowed"]),
        (&["--rounds", "0"], &["--rounds"]),
        (&["--seconds", "0"], &["--seconds"]),
        (&["--ring", "1000000"], &["--ring", "a power of two from 65536"]),
        #[cfg(not(feature = "peers"))]
        (&["--peers"], &["--peers", "--features peers"]),
        #[cfg(feature = "peers")]
        (&["--peers", "--only", "x"], &["x"]),
    ];
    for (arguments, named) in cases {
        let output = finish(adit().args(["bench", "channel"]).args(arguments), 20);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        for word in named {
            assert!(error.contains(word), "{arguments:?}: {word:?} is not in {error}");
        }
    }
    let output = bench(&["--report", "/no/such/folder/page.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/folder/page.html"));
}

/// Their ends would look for each other for ever.
#[test]
fn a_benchmark_that_is_killed_leaves_no_process_behind() {
    let contest = ["bench", "channel", "--only", "adit/ipc/spsc/64/1/*", "--rounds", "50"];
    for wait in 1..8 {
        let mut run = adit().args(contest).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while children(run.id()).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(wait * 40));
        let workers = children(run.id());
        run.kill().unwrap();
        run.wait().unwrap();
        let begun = Instant::now();
        while workers.iter().any(|worker| program(*worker).is_some()) {
            // One that waited for who is to join it would give up after ten.
            assert!(begun.elapsed() < Duration::from_secs(6), "a worker goes on without who ran it");
            sleep(Duration::from_millis(10));
        }
    }
}
