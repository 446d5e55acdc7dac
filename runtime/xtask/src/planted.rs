//! `cargo xtask planted`: whether loom would have found it. One memory order is weakened everywhere in the rings
//! (`runtime/ring/src/primitive.rs`), and models must fail.

use std::process::{Command, Stdio};

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
        let listed = loom(workspace, order, &["loom", "--", "--list"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        ensure!(listed.status.success(), "the planted models do not build ({})", listed.status);
        let text = String::from_utf8_lossy(&listed.stdout);
        let models: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(": test")).collect();
        let mut failed = Vec::new();
        for model in &models {
            // Each in a process of its own: one that fails may take the others with it.
            let output = loom(workspace, order, &["--", "--exact", model]).output();
            if !output.context("cannot start cargo")?.status.success() {
                failed.push(*model);
            }
        }
        println!("planted: {order} is relaxed: {} of {} models fail", failed.len(), models.len());
        for victim in *victims {
            let found = failed.iter().any(|name| name.starts_with(victim));
            ensure!(found, "no model of {victim} failed with every {order} order relaxed, but {failed:?}");
        }
    }
    Ok(())
}

/// A `cargo test` of the rings' models with this order weakened.
fn loom(workspace: &Workspace, order: &str, more: &[&str]) -> Command {
    let mut command = workspace.cargo();
    command
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", format!("--cfg loom --cfg planted --cfg planted=\"{order}\""))
        .args(["test", "--release", "--package", "adit-ring", "--lib", "--target-dir", "target/planted"])
        .args(more);
    command
}
