//! `cargo xtask bench --check`: no variant may fall behind its reference by more than it ever did.
//!
//! A ratio of two programs that took turns is honest on a noisy machine; a rate is not. The floors stand in
//! `benches/hash/floors.json`, one for each algorithm and variant, on one thread.
//!
//! A reference that looks at compile time for what the processor has is built for this very processor, in a shared
//! object of its algorithm beside which the linked variants are measured.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{plugins, workspace::Workspace};

const FLOORS: &str = "benches/hash/floors.json";

/// The crates whose references are slower when they are built for any processor.
const NATIVE: &[&str] = &["adit-uhash"];

/// Runs `adit bench hash` and compares; what is below its floor is measured once more before it counts.
pub fn check(workspace: &Workspace) -> Result<()> {
    let text =
        fs::read_to_string(workspace.root.join(FLOORS)).with_context(|| format!("cannot read {FLOORS}"))?;
    let floors: BTreeMap<String, f64> =
        serde_json::from_str(&text).with_context(|| format!("{FLOORS} is not a list of floors"))?;
    let natives = natives(workspace)?;
    let mut low = below(&floors, &ratios(workspace, &natives)?);
    if !low.is_empty() {
        println!("once more, because {} of {} are below their floors", low.len(), floors.len());
        let again = below(&floors, &ratios(workspace, &natives)?);
        low.retain(|name| again.contains(name));
    }
    if low.is_empty() { Ok(()) } else { bail!("below the floor of {FLOORS}, twice: {}", low.join(", ")) }
}

/// Builds the algorithms of [`NATIVE`] for this processor; their files.
fn natives(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let target = workspace.target()?.join("native");
    let folder = target.to_str().context("the target folder's path is no text")?;
    let flags = r#"build.rustflags=["-Ctarget-cpu=native"]"#;
    let build = |name: &&str| {
        plugins::build(workspace, name, &["--config", flags, "--target-dir", folder])?;
        Ok(target.join("release").join(format!("lib{}.so", name.replace('-', "_"))))
    };
    NATIVE.iter().map(build).collect()
}

/// Each variant's ratio to its reference, by `algorithm/variant`; `None`: it could not be measured.
fn ratios(workspace: &Workspace, natives: &[PathBuf]) -> Result<BTreeMap<String, Option<f64>>> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "adit-cli", "--bin", "adit", "--"]);
    cargo.args(["bench", "hash", "--threads", "1", "--json"]).stderr(Stdio::inherit());
    natives.iter().for_each(|file| {
        cargo.arg("--plugin").arg(file);
    });
    let output = cargo.output().context("cannot start cargo")?;
    let mut found = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let name = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        if line["event"] == "result" && !line["reference"].is_null() {
            found.insert(format!("{}/{}", name("algorithm"), name("variant")), line["ratio"].as_f64());
        }
    }
    // 1 where a variant could not be measured, which its line says, and for whatever else went wrong.
    let code = output.status.code();
    let explained = code == Some(1) && found.values().any(Option::is_none);
    ensure!(code == Some(0) || explained, "adit bench hash failed ({})", output.status);
    ensure!(!found.is_empty(), "adit bench hash measured nothing");
    Ok(found)
}

/// Prints a line for each floor, and gives those that are missed.
fn below(floors: &BTreeMap<String, f64>, ratios: &BTreeMap<String, Option<f64>>) -> Vec<String> {
    let mut low = Vec::new();
    for (name, floor) in floors {
        match ratios.get(name) {
            None => println!("{name:<24} not on this processor"),
            Some(None) => {
                println!("{name:<24} could not be measured");
                low.push(name.clone());
            }
            Some(Some(ratio)) => {
                let word = if ratio < floor { "BELOW" } else { "holds" };
                println!("{name:<24} {ratio:>8.2}, floor {floor:>6.2}  {word}");
                if ratio < floor {
                    low.push(name.clone());
                }
            }
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_its_floor_is_named() {
        let named = |(name, floor): (&str, f64)| (name.to_owned(), floor);
        let floors = BTreeMap::from([("a/x", 2.0), ("a/y", 3.0), ("b/w", 1.0), ("b/z", 1.0)].map(named));
        let found = [("a/x", Some(2.0)), ("a/y", Some(2.9)), ("b/w", None)];
        let ratios = BTreeMap::from(found.map(|(name, ratio)| (name.to_owned(), ratio)));
        assert_eq!(below(&floors, &ratios), ["a/y", "b/w"]);
    }
}
