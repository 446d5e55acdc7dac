//! `cargo xtask mine`: from a fresh checkout to hashing with one command.

use std::{env, ffi::OsString, fs, io::stderr, os::unix::process::CommandExt, path::Path, process::ExitCode};

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
    build_helpers(workspace);
    let mut cargo = workspace.cargo();
    // Paths among the arguments are meant from where they were typed.
    if let Ok(here) = env::current_dir() {
        cargo.current_dir(here);
    }
    let error = cargo
        .args(["run", "--release", "--manifest-path"])
        .arg(workspace.root.join("Cargo.toml"))
        .args(["--package", "adit-cli", "--bin", "adit", "--", "mine"])
        .args(args)
        .exec();
    Err(error).context("cannot start cargo")
}

/// Helpers for the GPUs that seem to be here: whoever has none need not wait for them. Without them the CPU mines.
fn build_helpers(workspace: &Workspace) {
    let helpers = helpers(Path::new("/"));
    if helpers.is_empty() {
        return;
    }
    let packages = helpers.iter().flat_map(|helper| ["--package", helper]);
    let built = workspace.cargo().args(["build", "--release"]).args(packages).stdout(stderr()).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("xtask: GPU helpers could not be built ({}); mining without them", helpers.join(", "));
    }
}

/// By what drivers leave in the tree of files at `root`.
fn helpers(root: &Path) -> Vec<&'static str> {
    let holds = |folder: &str, is_it: fn(&str) -> bool| {
        let names = fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
        names.into_iter().any(|entry| is_it(&entry.file_name().to_string_lossy()))
    };
    let signs = [
        ("adit-helper-cuda", holds("dev", |name| name == "nvidiactl")),
        ("adit-helper-opencl", holds("etc/OpenCL/vendors", |name| name.ends_with(".icd"))),
        ("adit-helper-wgpu", holds("dev/dri", |name| name.starts_with("renderD"))),
    ];
    signs.into_iter().filter_map(|(helper, is_there)| is_there.then_some(helper)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_built_for_what_is_there() {
        let root = tempfile::tempdir().unwrap();
        assert!(helpers(root.path()).is_empty());
        for (folder, file) in [("dev", "nvidiactl"), ("etc/OpenCL/vendors", "mesa.icd"), ("dev/dri", "card0")]
        {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join(file), "").unwrap();
        }
        assert_eq!(helpers(root.path()), ["adit-helper-cuda", "adit-helper-opencl"]);
        fs::write(root.path().join("dev/dri/renderD128"), "").unwrap();
        assert_eq!(helpers(root.path()).len(), 3);
    }
}
