//! `cargo xtask mine`: from a fresh checkout to hashing with one command.

use std::{ffi::OsString, os::unix::process::CommandExt, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    setup::{self, Scope},
    workspace::Workspace,
};

/// Sets up, then becomes `cargo run`, which in turn becomes `adit mine` once that is built: so signals
/// and the exit code are the miner's own. Until then only standard error is written to, because with
/// `--json` somebody parses standard output.
pub fn run(workspace: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    setup::run(Scope::Build)?;
    let error = workspace
        .cargo()
        .args(["run", "--release", "--package", "adit-cli", "--bin", "adit", "--", "mine"])
        .args(args)
        .exec();
    Err(error).context("cannot start cargo")
}
