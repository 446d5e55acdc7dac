//! What is printed for what users get wrong: status 2, what, where, and what to do.

mod common;

use std::process::Stdio;

use common::*;

fn refused(arguments: &[&str], named: &[&str]) {
    let output = finish(adit().args(arguments), 20);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
    for word in named {
        assert!(error.contains(word), "{arguments:?}: {word:?} is not in {error}");
    }
}

#[test]
fn mistakes_are_named() {
    let (header, target) = (BITCOIN.trim(), &zero_bits(16)[..]);
    let search = |extra: &[&str], named: &[&str]| {
        let mut arguments = vec!["search", "--algorithm", "sha256d"];
        arguments.extend(extra);
        refused(&arguments, named);
    };
    let range = ["--start", "0", "--count", "9"];
    search(&[&["--header", "00", "--target", target], &range[..]].concat(), &["--header", "1 bytes", "80"]);
    search(
        &[&["--header", "0g", "--target", target], &range[..]].concat(),
        &["--header", "'g'", "position 1"],
    );
    search(&[&["--header", "000", "--target", target], &range[..]].concat(), &["--header", "3 hex digits"]);
    search(&[&["--header", header, "--target", "ff"], &range[..]].concat(), &["--target", "64 hex digits"]);
    let past = ["--header", header, "--target", target, "--start", "4294967295", "--count", "2"];
    search(&past, &["--start", "4294967296", "2^32"]);
    let none = ["--header", header, "--target", target, "--start", "0", "--count", "0"];
    search(&none, &["--count"]);
    refused(&["mine", "--algorithm", "md5"], &["md5", "sha256d", "blake2s-kda"]);
    refused(&["mine", "--pool", "http://x"], &["http://x", "stratum+tcp", "devchain"]);
    refused(&["mine", "--pool", "stratum+tcp://127.0.0.1:1"], &["--user"]);
    refused(&["mine", "--pool", "stratum+tcp://:x", "--user", "u"], &["--pool"]);
    refused(&["mine", "--pool", "replay:/no/such/file"], &["/no/such/file"]);
    refused(&["mine", "--device", "gpu"], &["gpu", "exec:COMMAND"]);
    refused(&["bench", "device", "--device", "cpu"], &["GPU helpers", "adit bench hash"]);
    refused(&["mine", "--device", "cpu:cores=4000"], &["4000", "allowed"]);
    refused(&["mine", "--blocks", "0"], &["--blocks"]);
    refused(&["mine", "--duration=-1"], &["--duration"]);
    refused(&["conform"], &["COMMAND"]);
    refused(&["channels", "kept", "--directory", "/tmp"], &["--directory", "--files"]);
    refused(&["channels", "--watch", "clean"], &["--watch"]);
    refused(&["conform", "--filter", "zebra", "--", "true"], &["zebra"]);
    refused(&[], &["Usage"]);
}

#[test]
fn verify_tells_by_its_status() {
    let verify = |target: &str| {
        let arguments =
            ["verify", "--json", "--algorithm", "sha256d", "--header", BITCOIN.trim(), "--target", target];
        let output = finish(adit().args(arguments), 20);
        (output.status.code(), lines(&output).remove(0))
    };
    let digest = "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d";
    let (code, line) = verify(digest);
    assert_eq!((code, &line["digest"], &line["meets"]), (Some(0), &digest.into(), &true.into()));
    let below = digest.replace("bd1d", "bd1c");
    let (code, line) = verify(&below);
    assert_eq!((code, &line["meets"]), (Some(1), &false.into()));
}

#[test]
fn devices_and_topology_are_lines_of_json() {
    for command in ["devices", "topology"] {
        let output = finish(adit().args([command, "--json"]), 20);
        assert!(output.status.success());
        assert!(!lines(&output).is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    use std::process::Stdio;
    let mut child = search("sha256d", &zero_bits(0), 0, 200_000, &["cpu"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = finish_child(child, 30);
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}

#[test]
fn a_reader_that_goes_away_ends_a_listing_quietly() {
    let mut child = adit().args(["topology"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

/// The kernel's own full disk.
fn full() -> Stdio {
    std::fs::File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn output_that_cannot_be_written_is_a_failure_and_told() {
    let verify = ["verify", "--algorithm", "sha256d", "--header", BITCOIN.trim()];
    let mine = ["mine", "--device", "cpu:threads=1", "--blocks", "1"];
    let json = ["topology", "--json"];
    for arguments in [&verify[..], &mine, &json, &["channels", "kept"]] {
        let child = adit().args(arguments).stdout(full()).stderr(Stdio::piped()).spawn().unwrap();
        let output = finish_child(child, 30);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains("cannot write to standard output"), "{arguments:?}: {error}");
    }
}

#[test]
fn an_error_that_nobody_can_be_told_is_no_crash() {
    let child =
        adit().args(["verify", "--algorithm", "md5", "--header", "00"]).stderr(full()).spawn().unwrap();
    assert_eq!(finish_child(child, 20).status.code(), Some(2));
}

#[test]
fn a_directory_that_is_not_there_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let output = finish(adit().args(["channels", "kept", "--files"]).arg(&missing), 20);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.matches("missing").count(), 1, "{error}");
    let output = finish(adit().args(["channels", "--directory"]).arg(&missing), 20);
    assert!(text(&output.stdout).contains("which is not there"), "{}", text(&output.stdout));
}
