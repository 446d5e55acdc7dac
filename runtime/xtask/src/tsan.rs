//! `cargo xtask tsan`: threads that write and read messages as plain memory, in place, through rings and `memory://`
//! channels of every mode, under the thread sanitizer; and then, to see that it would have told, the same with bugs
//! planted in the rings.
//!
//! What it can judge here is limited:
//!
//! * The words of a ring are atomics, and long copies are one instruction that it does not see into: only
//!   `tests/plain.rs` of both crates, which go around both, give it something to compare.
//! * It knows no fences. With `--cfg tsan` the rings' acquire loads have the order themselves.
//! * The standard library is not built for it (that takes its source and a nightly compiler): contended mutexes,
//!   scopes of threads and the last drop of an `Arc` look like races. Tests that are made of these cannot be run so,
//!   and `runtime/channel/tsan.supp` names what is passed over.

use std::{
    env,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace::Workspace;

/// The only one with prebuilt run-time libraries of the sanitizer that this was tried on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What all builds have.
const FLAGS: &str = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg tsan";

/// The tests, one after the other: what the harness does between threads is not seen.
const TESTS: &[&str] = &["--", "--test-threads=1"];

/// What the sanitizer says of a race.
const RACE: &str = "WARNING: ThreadSanitizer: data race";

/// Orders that are weakened, one at a time, in the ring alone: the sanitizer must find each.
const PLANTED: &[&str] = &["release", "acquire"];

/// Runs the tests, then the planted bugs.
///
/// # Errors
/// A race, or a planted bug that was not found.
pub fn run(workspace: &Workspace) -> Result<()> {
    ensure!(
        cfg!(all(target_arch = "x86_64", target_os = "linux")),
        "the thread sanitizer is run on {TARGET} alone"
    );
    let status =
        cargo(workspace, "", &["--package", "adit-channel"]).status().context("cannot start cargo")?;
    ensure!(status.success(), "the thread sanitizer found something, or a test failed ({status})");
    for order in PLANTED {
        let planted = format!(" --cfg planted --cfg planted=\"{order}\"");
        let mut command = cargo(workspace, &planted, &["--no-fail-fast"]);
        let output = command.stdout(Stdio::null()).output().context("cannot start cargo")?;
        let races = String::from_utf8_lossy(&output.stderr).matches(RACE).count();
        if output.status.success() || races == 0 {
            bail!("every {order} order is planted to be relaxed, and the sanitizer did not find it");
        }
        println!("tsan: with every {order} order relaxed: {races} races found, as it must be");
    }
    Ok(())
}

/// A `cargo test` of the ring and of what reads plain memory, with more packages and flags.
fn cargo(workspace: &Workspace, flags: &str, more: &[&str]) -> Command {
    let mut command = workspace.cargo();
    let supp = workspace.root.join("runtime/channel/tsan.supp");
    let given = env::var("RUSTFLAGS").unwrap_or_default();
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", format!("{given} {FLAGS}{flags}").trim_start())
        .env("TSAN_OPTIONS", format!("suppressions={} report_signal_unsafe=0", supp.display()))
        .args(["test", "--target", TARGET, "--target-dir", "target/tsan"])
        .args(["--package", "adit-ring", "--test", "plain"])
        .args(more)
        .args(TESTS);
    command
}
