//! Runs the `adit` binary and its helpers as people do.
#![allow(dead_code, reason = "each test uses its part")]

pub mod gpu;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::Pid;
use serde_json::Value;

/// Chainweb header 0 of the known vectors: first digest with 16 zero bits at nonce 3426.
pub const CHAINWEB: &str = include_str!("chainweb.hex");
/// Bitcoin header 125552: first digest with 16 zero bits at nonce 88156.
pub const BITCOIN: &str = include_str!("bitcoin.hex");

/// The binary under test.
pub fn adit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    // Not the tester's own.
    command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    command
}

/// The C compiler that people named, with its arguments, or the system's.
pub fn c_compiler() -> Command {
    let named = std::env::var("CC").unwrap_or_default();
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

/// Says that a test is skipped, also where what tests print is kept back.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The project's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// `exec:` for the C helper, compiled once.
pub fn c_helper() -> String {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let path = PATH.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("helper-{}", std::process::id()));
        let status = c_compiler()
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&path)
            .arg("-I")
            .arg(root().join("runtime/abi/include"))
            .arg(root().join("examples/c/helper.c"))
            .status()
            .expect("a C compiler is needed: `cargo xtask setup` installs one");
        assert!(status.success());
        path
    });
    format!("exec:{}", path.display())
}

/// `exec:` for the Python helper.
pub fn python_helper() -> String {
    format!("exec:python3 {}", root().join("examples/python/helper.py").display())
}

/// `exec:` for the Rust helper, which `cargo xtask test` builds before the tests.
pub fn rust_helper() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("adit-example-helper");
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    format!("exec:{}", path.display())
}

/// A target of so many zero bits.
pub fn zero_bits(bits: usize) -> String {
    assert!(bits.is_multiple_of(4));
    "0".repeat(bits / 4) + &"f".repeat(64 - bits / 4)
}

/// Runs a command to its end, at most `seconds`.
pub fn finish(command: &mut Command, seconds: u64) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish_child(child, seconds)
}

/// Waits for a child with piped output; ends it when it takes too long.
pub fn finish_child(child: std::process::Child, seconds: u64) -> Output {
    let id = rustix::process::Pid::from_child(&child);
    let (done, waited) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let late = waited.recv_timeout(Duration::from_secs(seconds)).is_err();
        if late {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
        late
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    assert!(!guard.join().unwrap(), "took more than {seconds} s; {}", text(&output.stderr));
    output
}

/// Standard output as JSON lines; anything else on it fails.
pub fn lines(output: &Output) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    text(&output.stdout).lines().map(parse).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The events of one kind.
pub fn events<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == kind).collect()
}

/// Nonce and digest of every solution, sorted.
pub fn hits(lines: &[Value]) -> Vec<(u64, String)> {
    let mut hits: Vec<_> = events(lines, "solution")
        .iter()
        .map(|hit| (hit["nonce"].as_u64().unwrap(), hit["digest"].as_str().unwrap().to_owned()))
        .collect();
    hits.sort();
    hits
}

/// `adit search --json` over a range.
pub fn search(algorithm: &str, target: &str, start: u64, count: u64, devices: &[&str]) -> Command {
    let header = if algorithm == "sha256d" { BITCOIN } else { CHAINWEB };
    let mut command = adit();
    command.args([
        "search",
        "--json",
        "--algorithm",
        algorithm,
        "--header",
        header.trim(),
        "--target",
        target,
    ]);
    command.args(["--start", &start.to_string(), "--count", &count.to_string()]);
    command.args(devices.iter().flat_map(|device| ["--device", device]));
    command
}

/// Processes whose parent is `parent`.
pub fn children(parent: u32) -> Vec<Pid> {
    let mut found = Vec::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{parent}/task")) else { return found };
    for task in tasks.flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let pids = text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        found.extend(pids);
    }
    found
}

/// What a process runs; nothing once it is gone.
pub fn program(process: Pid) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{}/exe", process.as_raw_nonzero())).ok()
}
