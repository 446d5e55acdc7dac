//! Where the workspace is, and how cargo is called in it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// The workspace that this program was started in.
pub struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub root: PathBuf,
}

impl Workspace {
    /// Finds the root from this crate's own folder, as `cargo run` tells it.
    pub fn here() -> Result<Self> {
        let folder =
            env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&folder).ancestors().nth(2).context("this crate is not in runtime/xtask")?;
        Ok(Self { root: root.to_owned() })
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> Result<PathBuf> {
        let metadata = cargo_metadata::MetadataCommand::new().current_dir(&self.root).no_deps().exec();
        Ok(metadata.context("cargo metadata cannot describe the workspace")?.target_directory.into())
    }

    /// A command that runs cargo in the root, without the variables that `cargo run` set for this program:
    /// they describe this package, and would only confuse another.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        if env::var_os("CARGO_INCREMENTAL").is_none() {
            // What makes the next build of a crate shorter makes this one half as long again.
            command.env("CARGO_INCREMENTAL", "0");
        }
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Whether a program of this name is in `PATH`.
pub fn in_path(name: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}
