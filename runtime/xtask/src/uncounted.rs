//! `cargo xtask uncounted`: what counters cost. Nobody can turn them off, so the same benchmark is built twice, once with
//! channels whose ends count nothing in the shared region (`--cfg uncounted`), and the two run in turns.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::workspace::Workspace;

/// How often each runs.
const TURNS: usize = 15;

/// A build, and where it goes.
const BUILDS: [(&str, &str); 2] =
    [("--cfg counted", "target/counted"), ("--cfg uncounted", "target/uncounted")];

/// Prints for each kind of throughput the median of the rates with counters, without, and of the ratio of two runs
/// that follow each other.
///
/// # Errors
/// A build or a run failed.
pub fn run(workspace: &Workspace) -> Result<()> {
    let programs = BUILDS.map(|(flags, folder)| build(workspace, flags, folder));
    let [counted, uncounted] = programs;
    let (counted, uncounted) = (counted?, uncounted?);
    let mut rates: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for turn in 0..TURNS {
        eprintln!("uncounted: turn {} of {TURNS}", turn + 1);
        let with = measure(workspace, &counted)?;
        let mut without = measure(workspace, &uncounted)?;
        for (name, rate) in with {
            if let Some(other) = without.remove(&name) {
                rates.entry(name).or_default().push((rate, other));
            }
        }
    }
    ensure!(!rates.is_empty(), "channel-hot printed no rates");
    for (name, pairs) in rates {
        let of = |pick: fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        let (with, without, ratio) = (of(|pair| pair.0), of(|pair| pair.1), of(|pair| pair.0 / pair.1));
        println!("{name:<28} counted {with:>8.1}  uncounted {without:>8.1}  ratio {ratio:.3}");
    }
    Ok(())
}

fn build(workspace: &Workspace, flags: &str, folder: &str) -> Result<PathBuf> {
    let status = workspace
        .cargo()
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", flags)
        .args([
            "build",
            "--release",
            "--package",
            "adit-benches",
            "--bin",
            "channel-hot",
            "--target-dir",
            folder,
        ])
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "channel-hot does not build with {flags} ({status})");
    Ok(workspace.root.join(folder).join("release/channel-hot"))
}

/// Runs the benchmark for one round; its rates in messages a second, by name.
fn measure(workspace: &Workspace, program: &PathBuf) -> Result<BTreeMap<String, f64>> {
    let output = std::process::Command::new(program)
        .args(["--json", "--rounds", "3"])
        .current_dir(&workspace.root)
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let mut rates = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line).context("channel-hot printed no JSON")?;
        if let (Some(what), Some(rate)) = (line["what"].as_str(), line["median"].as_f64())
            && what.ends_with("M/s")
        {
            rates.insert(what.to_owned(), rate);
        }
    }
    Ok(rates)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
    }
}
