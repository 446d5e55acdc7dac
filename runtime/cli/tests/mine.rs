//! `adit mine` on chains and files of this machine.

mod common;

use std::{
    fs,
    io::Read as _,
    process::Stdio,
    time::{Duration, Instant},
};

use common::*;

#[test]
fn three_blocks_of_the_local_chain() {
    let python = python_helper();
    for (algorithm, devices) in [("sha256d", vec!["cpu"]), ("blake2s-kda", vec!["cpu:threads=1", &python])] {
        let mut command = adit();
        command.args(["mine", "--blocks", "3", "--json", "--algorithm", algorithm]);
        command.args(devices.iter().flat_map(|device| ["--device", device]));
        let output = finish(&mut command, 60);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let lines = lines(&output);
        let accepted = events(&lines, "share").into_iter().filter(|share| share["accepted"] == true);
        assert_eq!(accepted.count(), 3);
        let done = lines.last().unwrap();
        assert_eq!((&done["event"], &done["blocks"]), (&"done".into(), &3.into()));
        for kind in ["job", "solution", "device"] {
            assert!(!events(&lines, kind).is_empty(), "no {kind} event");
        }
        // Every solution is true: an independent command says so.
        let solution = events(&lines, "solution")[0];
        assert_eq!(solution["digest"].as_str().unwrap().len(), 64);
    }
}

#[test]
fn a_duration_ends_it() {
    let begin = Instant::now();
    let output = finish(adit().args(["mine", "--duration", "1.5", "--json"]), 30);
    assert!(output.status.success());
    assert!((1.4..6.0).contains(&begin.elapsed().as_secs_f64()), "{:?}", begin.elapsed());
    let lines = lines(&output);
    assert!(!events(&lines, "rate").is_empty());
    assert!(lines.last().unwrap()["hashes"].as_u64().unwrap() > 0);
}

/// Neither from mining nor from its end.
#[test]
fn who_reads_nothing_keeps_it_from_nothing() {
    let mut command = adit();
    command.args(["mine", "--json", "--duration", "3", "--block-time", "0.01", "--device", "cpu:threads=1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    rustix::pipe::fcntl_setpipe_size(child.stdout.as_ref().unwrap(), 4096).unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    let (_, rest) = said.split_once("nobody read the last ").unwrap();
    let lines: u32 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(lines > 50, "it mined on: {said}");
}

#[test]
fn a_recorded_file_is_replayed_and_judged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs");
    let line = |nonces: &str| {
        let (header, target) = (BITCOIN.trim(), zero_bits(16));
        format!(
            "# recorded\n{{\"algorithm\":\"sha256d\",\"header\":\"{header}\",\"target\":\"{target}\",\"count\":100000,\"nonces\":{nonces}}}\n"
        )
    };
    let mine = |nonces: &str| {
        fs::write(&file, line(nonces)).unwrap();
        finish(adit().args(["mine", "--json", "--pool", &format!("replay:{}", file.display())]), 60)
    };
    let right = mine("[88156]");
    assert!(right.status.success(), "{}", text(&right.stderr));
    assert_eq!(lines(&right).last().unwrap()["accepted"], 1);
    let missing = mine("[88156, 5]");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("did not find nonce 5"), "{}", text(&missing.stderr));
    let unexpected = mine("[]");
    assert!(text(&unexpected.stderr).contains("88156"), "{}", text(&unexpected.stderr));
    let broken = mine("oops");
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("jobs:2"), "{}", text(&broken.stderr));
}

/// Rule 4: a helper that lies is found out, named and left out; the others finish the work.
fn is_found_out(lie: [&str; 2], named: &str) {
    let directory = tempfile::tempdir().unwrap();
    let liar = directory.path().join("liar.py");
    let honest = fs::read_to_string(root().join("examples/python/helper.py")).unwrap();
    let lying = honest.replacen(lie[0], lie[1], 1);
    assert_ne!(honest, lying, "the Python helper has no {:?} any more", lie[0]);
    fs::write(&liar, lying).unwrap();
    let device = format!("exec:python3 {}", liar.display());
    // Alone at first, so that it surely gets its units; then with one that does the work.
    let output = finish(&mut search("blake2s-kda", &zero_bits(12), 0, 20_000_000, &[&device]), 60);
    let error = text(&output.stderr);
    assert!(output.status.code() == Some(1) && error.contains(named), "{error}");
    let count = 30_000_000;
    let output =
        finish(&mut search("blake2s-kda", &zero_bits(12), 0, count, &[&device, "cpu:threads=1"]), 120);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let alone = finish(&mut search("blake2s-kda", &zero_bits(12), 0, count, &["cpu"]), 120);
    assert_eq!(hits(&lines(&output)), hits(&lines(&alone)));
}

#[test]
fn a_helper_with_wrong_digests_is_left_out() {
    is_found_out(["unit_id, nonce, digest)", "unit_id, nonce, bytes(32))"], "wrong digest");
}

#[test]
fn a_helper_that_keeps_hits_for_itself_is_left_out() {
    is_found_out(["for nonce, digest in hits:", "for nonce, digest in []:"], "which the host knew of");
}

#[test]
fn a_file_of_jobs_that_makes_no_sense_is_refused_where_it_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jobs");
    let (header, target) = (BITCOIN.trim(), zero_bits(16));
    let job = |rest: &str| {
        format!("{{\"algorithm\":\"sha256d\",\"header\":\"{header}\",\"target\":\"{target}\",{rest}}}")
    };
    for (line, what) in [
        ("{\"algorithm\" \"sha256d\"}".to_owned(), "jobs:3: column 14: expected `:`"),
        (job("\"start\":5,\"count\":10,\"nonces\":[15]"), "jobs:3: nonces: 15 is not in the range"),
        (job("\"start\":5,\"count\":10,\"nonces\":[4]"), "jobs:3: nonces: 4 is not in the range"),
        (job("\"start\":4294967295,\"count\":2,\"nonces\":[]"), "jobs:3: start 4294967295 and count 2"),
    ] {
        fs::write(&file, format!("# recorded\n\n{line}\n")).unwrap();
        let output = finish(adit().args(["mine", "--pool", &format!("replay:{}", file.display())]), 20);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(what), "{}", text(&output.stderr));
    }
}
