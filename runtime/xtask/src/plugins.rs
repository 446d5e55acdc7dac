//! `cargo xtask plugins`: the algorithms of this workspace as shared objects.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// Builds every algorithm in `plugins/` that has the feature `plugin`, and gathers them in `target/plugins`.
pub fn run(workspace: &Workspace) -> Result<()> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(&workspace.root)
        .no_deps()
        .exec()
        .context("cargo metadata cannot describe the workspace")?;
    let out = metadata.target_directory.join("plugins");
    fs::create_dir_all(&out).with_context(|| format!("cannot make {out}"))?;
    let mut made: Vec<PathBuf> = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.features.contains_key("plugin")) {
        build(workspace, package.name.as_str(), &[])?;
        let file = format!("lib{}.so", package.name.replace('-', "_"));
        let to = out.join(&file);
        // A new file and a rename: a process may have the old one loaded.
        let draft = out.join(format!("{file}.new"));
        fs::copy(metadata.target_directory.join("release").join(&file), &draft)
            .with_context(|| format!("cargo did not make {file}"))?;
        fs::rename(&draft, &to)?;
        made.push(to.into());
    }
    ensure!(!made.is_empty(), "no crate of the workspace has the feature `plugin`");
    for file in made {
        println!("{}", file.display());
    }
    Ok(())
}

/// Builds one algorithm's shared object, with more arguments for cargo.
pub fn build(workspace: &Workspace, package: &str, more: &[&str]) -> Result<()> {
    let mut cargo = workspace.cargo();
    // As another crate type, and not in the manifest: who links the algorithm into a program needs no
    // shared object.
    cargo.args(["rustc", "--release", "--lib", "--features", "plugin", "--crate-type", "cdylib"]);
    let status = cargo.args(["--package", package]).args(more).status().context("cannot start cargo")?;
    ensure!(status.success(), "{package} cannot be built as a shared object ({status})");
    Ok(())
}
