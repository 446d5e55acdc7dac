//! The OpenCL helper on whatever OpenCL this machine has: PoCL is enough. Skipped, and said so, where there is none.

mod common;

use std::{path::PathBuf, process::Command};

use common::*;

/// The helper, if there is a device for it.
fn helper() -> Option<PathBuf> {
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("adit-helper-opencl");
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    let output = finish(Command::new(&path).arg("list"), 60);
    if output.status.success() && !output.stdout.is_empty() {
        return Some(path);
    }
    let why = text(&output.stderr);
    eprintln!("skipped: no OpenCL device here; pocl-opencl-icd makes the CPU one. {}", why.trim());
    None
}

/// All hits as nonce and digest, in rising order.
fn hits(
    device: &str,
    algorithm: &str,
    header: &str,
    target: &str,
    start: u64,
    count: u64,
) -> Vec<(u64, String)> {
    let (start, count) = (start.to_string(), count.to_string());
    let output = finish(
        adit()
            .args(["search", "--json", "--device", device, "--algorithm", algorithm, "--header", header])
            .args(["--target", target, "--start", &start, "--count", &count]),
        300,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&output);
    let hits = events(&lines, "solution")
        .into_iter()
        .map(|line| (line["nonce"].as_u64().unwrap(), line["digest"].as_str().unwrap().to_owned()));
    let mut hits: Vec<_> = hits.collect();
    hits.sort();
    hits
}

/// Searches a few nonces of an algorithm with a hash that takes milliseconds, against the CPU.
fn search_one(algorithm: &str) {
    let header = if algorithm == "scrypt" { BITCOIN.trim().to_owned() } else { "5a".repeat(68) };
    let carry = if algorithm == "scrypt" { (1 << 32) - 40 } else { (1 << 32) - 6 };
    for (target, start, count) in [(zero_bits(4), 0, 24), (zero_bits(0), carry, 12)] {
        let [cpu, opencl] = ["cpu:threads=1", "opencl:0"]
            .map(|device| hits(device, algorithm, &header, &target, start, count));
        assert_eq!(opencl, cpu, "{algorithm} from {start}");
    }
}

#[test]
fn the_helper_conforms() {
    let Some(helper) = helper() else { return };
    // Fills the cache of compiled kernels: `adit conform` waits for a hello as long as the specification says.
    for algorithm in ["scrypt", "uhash"] {
        search_one(algorithm);
    }
    let kernels = finish(adit().arg("kernels"), 60);
    let file =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kernels-{}.json", std::process::id()));
    std::fs::write(&file, &kernels.stdout).unwrap();
    let output = finish(
        adit().env("ADIT_KERNELS", &file).args(["conform", "--json", "--"]).arg(helper).args(["run", "0"]),
        500,
    );
    let _ = std::fs::remove_file(&file);
    let lines = lines(&output);
    for case in events(&lines, "case") {
        assert_eq!(case["outcome"], "passed", "{case}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn it_finds_what_the_cpu_finds() {
    if helper().is_none() {
        return;
    }
    let carry = (1 << 32) - 3000;
    for (algorithm, header, target, start, count, least) in [
        ("sha256d", BITCOIN, zero_bits(16), 0, 100_000, 1),
        ("sha256d", BITCOIN, zero_bits(4), (1 << 32) - 40_000, 40_000, 2000),
        ("sha256d", BITCOIN, zero_bits(64), 0, 50_000, 0),
        ("blake2s-kda", CHAINWEB, zero_bits(16), 0, 100_000, 1),
        ("blake2s-kda", CHAINWEB, zero_bits(8), carry, 6000, 10),
        ("blake2s-kda", CHAINWEB, zero_bits(0), u64::MAX - 1999, 2000, 2000),
        ("blake2s-kda", CHAINWEB, zero_bits(8), (1 << 48) - 3000, 6000, 10),
    ] {
        let (header, target) = (header.trim(), target.as_str());
        let [cpu, opencl] =
            ["cpu:threads=1", "opencl:0"].map(|device| hits(device, algorithm, header, target, start, count));
        assert_eq!(opencl, cpu, "{algorithm} {target} from {start}");
        assert!(cpu.len() >= least, "{algorithm} {target} from {start}: {} hits", cpu.len());
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    if helper().is_none() {
        return;
    }
    let output = finish(adit().args(["mine", "--duration", "1", "--device", "opencl:99"]), 60);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("opencl:99 is not there"), "{}", text(&output.stderr));
}
