//! `cargo xtask planted`: whether loom would have found it. One memory order is weakened everywhere in the rings
//! (`runtime/ring/src/primitive.rs`), and models must fail.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::workspace::Workspace;

/// What is weakened to relaxed, and whose models must all have one that fails.
const PLANTED: &[(&str, &[&str])] = &[
    ("release", &["board::", "slot::", "broadcast::", "stream::loom_tests::", "stream::lanes_loom_tests::"]),
    ("acquire", &["board::", "slot::", "broadcast::", "stream::loom_tests::", "stream::lanes_loom_tests::"]),
    ("fence", &["slot::", "broadcast::", "stream::loom_tests::", "stream::lanes_loom_tests::"]),
];

/// Plants each, one after the other.
///
/// # Errors
/// Models that should have failed did not.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (order, victims) in PLANTED {
        let mut command = workspace.cargo();
        command
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env("RUSTFLAGS", format!("--cfg loom --cfg planted --cfg planted=\"{order}\""))
            .args(["test", "--release", "--package", "adit-ring", "--lib"])
            .args(["--target-dir", "target/planted", "--no-fail-fast", "loom"]);
        let output = command.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let failed: Vec<&str> = text.lines().filter_map(failed_in).collect();
        println!("planted: {order} is relaxed: {} models fail", failed.len());
        for victim in *victims {
            let found = failed.iter().any(|name| name.starts_with(victim));
            ensure!(found, "no model of {victim} failed with every {order} order relaxed:\n{text}");
        }
    }
    Ok(())
}

/// The test that a line of the test harness says to have failed.
fn failed_in(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_from_the_rest() {
        assert_eq!(failed_in("test slot::loom_tests::one ... FAILED"), Some("slot::loom_tests::one"));
        assert_eq!(failed_in("test slot::loom_tests::one ... ok"), None);
        assert_eq!(failed_in("test result: FAILED. 1 passed; 2 failed"), None);
    }
}
