//! Jobs that die while a kernel runs, and helpers that do.

use std::{
    io::{BufReader, Read as _},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// A launch of the fake takes a tenth of a second and more; one that looks at the generation ends as soon as the job does.
#[test]
fn a_kernel_sees_for_itself_that_its_job_is_dead() {
    for fault in [
        // The session's page is mapped for the GPU; the driver does not take such a page, or tells no address.
        "",
        "cuMemHostRegister:1:801",
        "cuMemHostGetDevicePointer:1:801",
    ] {
        let mut command = adit();
        command.env("LD_LIBRARY_PATH", fakes()).env("FAKE_CUDA_FAIL", fault);
        command.args(["bench", "device", "--json", "--device", "cuda:0", "--algorithm", "uhash"]);
        let output = finish(command.args(["--launch-us", "2000", "--seconds", "0.2"]), 200);
        assert!(output.status.success(), "{fault}: {}", text(&output.stderr));
        let line = &lines(&output)[0];
        let launch = line["nonces_per_launch"].as_f64().unwrap() / line["hashes_per_s"].as_f64().unwrap();
        let switch = line["job_switch_us"]["p50"].as_f64().unwrap() / 1e6;
        // What is left is a nonce's launch and its digest, some hundredths of a second each.
        assert!(switch < launch * 0.75, "{fault}: a switch takes {switch} s, a launch {launch} s: {line}");
    }
}

/// The helper of a search, once it has found something.
fn wait_for_helper(host: &mut Child, from: &mut impl std::io::BufRead, lines: &mut String) -> Pid {
    while !lines.contains("\"cuda0\"") {
        assert!(from.read_line(lines).unwrap() > 0, "the search ended first: {lines}");
    }
    let limit = Instant::now() + Duration::from_secs(10);
    while Instant::now() < limit {
        for task in std::fs::read_dir(format!("/proc/{}/task", host.id())).unwrap().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let program = std::fs::read_link(format!("/proc/{child}/exe"));
                if program.is_ok_and(|program| program.ends_with("adit-helper-cuda")) {
                    return Pid::from_raw(child.parse().unwrap()).unwrap();
                }
            }
        }
    }
    panic!("there is no helper");
}

#[test]
fn a_helper_that_is_killed_or_frozen_loses_nothing() {
    let count = 4_000_000;
    let expected = hits(&search(&["cpu:threads=1"], &[], count));
    for signal in [Signal::KILL, Signal::STOP] {
        let mut command = searching(&["cuda:0", &python_helper()], &[], count);
        let mut host =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut from = BufReader::new(host.stdout.take().unwrap());
        let mut found = String::new();
        let helper = wait_for_helper(&mut host, &mut from, &mut found);
        kill_process(helper, signal).unwrap();
        from.read_to_string(&mut found).unwrap();
        let status = host.wait().unwrap();
        assert_eq!(
            hits(&Output { status, stdout: found.into_bytes(), stderr: Vec::new() }),
            expected,
            "{signal:?}"
        );
    }
}
