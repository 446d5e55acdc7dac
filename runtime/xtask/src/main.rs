//! The workspace's chores: `cargo xtask <command>`.
//!
//! This crate compiles without any system library, because it is what installs them.

#![forbid(unsafe_code)]

mod bench;
mod generate;
mod mine;
mod numa;
mod planted;
mod plugins;
mod setup;
mod test;
mod tidy;
mod tsan;
mod uncounted;
mod workspace;

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::{Result, bail, ensure};

use crate::{setup::Scope, workspace::Workspace};

const USAGE: &str = "\
Usage: cargo xtask <command>

  setup [--numa] [--gpu]
                      install what the workspace needs and this system lacks; --numa: what numa-test needs too;
                      --gpu: drivers that have the CPU as a device, so that GPU helpers are tested without a GPU
  mine [ARGS...]      set up, build, and run `adit mine ARGS...`
  test [STEP...]      set up, then run what CI runs, or only the steps named
  numa-test           placement on an emulated machine with two NUMA nodes, where QEMU and a kernel are there
  planted             whether loom finds memory orders that are too weak: plants some
  tsan                threaded tests of rings and channels under the thread sanitizer
  uncounted           what counters cost a channel: the same benchmark with and without
  generate [--check]  write runtime/abi/include/adit.h, or check that it is current
  bench --check       compare hash rates with their floors
  plugins             build the algorithms as shared objects, in target/plugins
  tidy                check the rules that compilers do not know";

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that `args` name. An error is a failed chore or a wrong call, with a message for people.
fn dispatch(args: &[OsString]) -> Result<ExitCode> {
    let Some((command, rest)) = args.split_first() else {
        eprintln!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let workspace = Workspace::here()?;
    match command.to_str() {
        Some("setup") => {
            let more = words(rest, &["--numa", "--gpu"])?;
            let wanted = |name: &str| more.iter().any(|word| word == name);
            setup::run(if wanted("--gpu") { Scope::GpuTests } else { Scope::Tests })?;
            if wanted("--numa") {
                numa::set_up(&workspace)?;
            }
        }
        Some("mine") => return mine::run(&workspace, rest),
        Some("test") => {
            let names: Vec<&str> = test::STEPS.iter().map(|step| step.name).collect();
            return Ok(test::run(&workspace, &words(rest, &names)?));
        }
        Some("numa-test") => {
            words(rest, &[])?;
            match numa::run(&workspace)? {
                numa::Outcome::Passed(checks) => println!("numa-test: {checks} checks passed"),
                numa::Outcome::Skipped(why) => println!("numa-test: skipped: {why}"),
            }
        }
        Some("planted") => {
            words(rest, &[])?;
            planted::run(&workspace)?;
        }
        Some("tsan") => {
            words(rest, &[])?;
            setup::run(Scope::Tests)?;
            tsan::run(&workspace)?;
        }
        Some("uncounted") => {
            words(rest, &[])?;
            setup::run(Scope::Build)?;
            uncounted::run(&workspace)?;
        }
        Some("generate") => {
            let check = !words(rest, &["--check"])?.is_empty();
            generate::run(&workspace, check)?;
        }
        Some("bench") => {
            ensure!(
                !words(rest, &["--check"])?.is_empty(),
                "the one thing it does is: cargo xtask bench --check"
            );
            setup::run(Scope::Build)?;
            bench::check(&workspace)?;
        }
        Some("plugins") => {
            words(rest, &[])?;
            setup::run(Scope::Build)?;
            plugins::run(&workspace)?;
        }
        Some("tidy") => {
            words(rest, &[])?;
            tidy::run(&workspace)?;
        }
        Some("help" | "--help" | "-h") => println!("{USAGE}"),
        _ => bail!("no command {command:?}\n\n{USAGE}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The arguments as text, each one of `known`.
fn words(args: &[OsString], known: &[&str]) -> Result<Vec<String>> {
    args.iter()
        .map(|arg| match arg.to_str() {
            Some(word) if known.contains(&word) => Ok(word.to_owned()),
            _ if known.is_empty() => bail!("unexpected argument {arg:?}: this command takes none"),
            _ => bail!("unexpected argument {arg:?}; known here: {}", known.join(", ")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_checked_against_what_is_known() {
        let args = ["fmt".into(), "tidy".into()];
        assert_eq!(words(&args, &["fmt", "tidy", "doc"]).unwrap(), ["fmt", "tidy"]);
        let error = words(&args, &["fmt", "doc"]).unwrap_err().to_string();
        assert!(error.contains("tidy") && error.contains("fmt, doc"), "{error}");
        assert!(words(&args, &[]).is_err());
        assert!(words(&[], &[]).unwrap().is_empty());
    }
}
