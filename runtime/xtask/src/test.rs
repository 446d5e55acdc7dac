//! `cargo xtask test`: everything that CI runs, cheapest first, stopping at the first failure.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::{
    generate, numa,
    setup::{self, Scope},
    tidy,
    workspace::Workspace,
};

/// One step of the tests.
pub struct Step {
    /// What `cargo xtask test NAME` calls it.
    pub name: &'static str,
    /// Whether it compiles the workspace, so that the system's libraries must be there.
    builds: bool,
    action: Action,
}

enum Action {
    /// A chore of this program, and the command that runs it alone.
    Chore(&'static str, fn(&Workspace) -> Result<()>),
    /// A chore that this system may lack what is needed for.
    Optional(&'static str, fn(&Workspace) -> Result<numa::Outcome>),
    /// A cargo command.
    Cargo(&'static [&'static str]),
    /// A cargo command with flags added to `RUSTFLAGS` or `RUSTDOCFLAGS`.
    Flagged { variable: &'static str, flags: &'static str, args: &'static [&'static str] },
    /// Like `Flagged`, for tests that filters pick, each by a process of its own, all at once: that one of them picked nothing
    /// is a failure too.
    Picked {
        variable: &'static str,
        flags: &'static str,
        args: &'static [&'static str],
        filters: &'static [&'static [&'static str]],
    },
}

/// Models that take as long as all others do.
const LOOM_SLOW: &[&str] = &["lanes_loom_tests", "stream::arena::loom_tests"];
const LOOM_REST: &[&str] = &["loom", "--skip", LOOM_SLOW[0], "--skip", LOOM_SLOW[1]];

/// All steps, in the order in which they run.
pub const STEPS: &[Step] = &[
    Step { name: "fmt", builds: false, action: Action::Cargo(&["fmt", "--all", "--check"]) },
    Step { name: "tidy", builds: false, action: Action::Chore("cargo xtask tidy", tidy::run) },
    Step {
        name: "generate",
        builds: false,
        action: Action::Chore("cargo xtask generate --check", |workspace| generate::run(workspace, true)),
    },
    Step {
        name: "clippy",
        builds: true,
        action: Action::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    // A workspace of its own, which a change of a ring breaks unseen otherwise. The fuzzer itself needs a C++ compiler, and is
    // left out.
    Step {
        name: "fuzz",
        builds: true,
        action: Action::Flagged {
            variable: "RUSTFLAGS",
            flags: "--cfg fuzzing",
            args: &[
                "clippy",
                "--manifest-path",
                "fuzz/Cargo.toml",
                "--no-default-features",
                "--bins",
                "--locked",
                "--",
                "-D",
                "warnings",
            ],
        },
    },
    // Integration tests start these as other processes, and load plugins. With the tests, so that both have the same features
    // of what they depend on, and nothing is built twice.
    Step {
        name: "build",
        builds: true,
        action: Action::Cargo(&["build", "--workspace", "--bins", "--lib", "--tests", "--examples"]),
    },
    Step { name: "test", builds: true, action: Action::Cargo(&["test", "--workspace"]) },
    Step {
        name: "loom",
        builds: true,
        action: Action::Picked {
            variable: "RUSTFLAGS",
            flags: "--cfg loom",
            // A folder of its own: other flags would rebuild everything, there and back.
            args: &[
                "test",
                "--release",
                "--package",
                "adit-ring",
                "--lib",
                "--target-dir",
                "target/loom",
                "--",
                // Each execution of a model maps stacks anew: two threads of one process wait for each other with it, and
                // take twice as long as one. Two processes do not.
                "--test-threads=1",
            ],
            filters: &[LOOM_SLOW, LOOM_REST],
        },
    },
    Step {
        name: "doc",
        builds: true,
        action: Action::Flagged {
            variable: "RUSTDOCFLAGS",
            flags: "-D warnings",
            args: &["doc", "--workspace", "--no-deps"],
        },
    },
    Step { name: "numa", builds: true, action: Action::Optional("cargo xtask numa-test", numa::run) },
];

/// Runs the steps named, or all. The last line on standard output is `N passed, M failed`.
pub fn run(workspace: &Workspace, names: &[String]) -> ExitCode {
    let chosen: Vec<&Step> =
        STEPS.iter().filter(|step| names.is_empty() || names.iter().any(|name| name == step.name)).collect();
    if chosen.iter().any(|step| step.builds)
        && let Err(error) = setup::run(Scope::Tests)
    {
        println!("xtask: setup: {error:#}\n\n0 passed, 1 failed");
        return ExitCode::FAILURE;
    }

    let mut done: Vec<(&Step, Duration, Result<Done>)> = Vec::new();
    for step in &chosen {
        println!("\n==> {}: {}", step.name, command_line(&step.action));
        let start = Instant::now();
        let result = perform(workspace, &step.action);
        let failed = result.is_err();
        done.push((step, start.elapsed(), result));
        if failed {
            break;
        }
    }
    let (text, success) = summary(&chosen, &done);
    print!("\n{text}");
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What became of a step that did not fail.
enum Done {
    Passed,
    /// Says why, and what to do.
    Skipped(String),
}

/// The table at the end, and whether all went well.
fn summary(chosen: &[&Step], done: &[(&Step, Duration, Result<Done>)]) -> (String, bool) {
    let mut text = String::new();
    let (mut passed, mut failed) = (0, 0);
    for (step, time, result) in done {
        let (word, count) = match result {
            Ok(Done::Passed) => ("passed", &mut passed),
            Ok(Done::Skipped(_)) => ("skipped", &mut 0),
            Err(_) => ("FAILED", &mut failed),
        };
        *count += 1;
        text += &format!("{:<10} {word:<8} {:>7.1} s\n", step.name, time.as_secs_f64());
    }
    for step in &chosen[done.len()..] {
        text += &format!("{:<10} not run\n", step.name);
    }
    for (step, _, result) in done {
        if let Ok(Done::Skipped(why)) = result {
            text += &format!("\n{} was skipped: {why}\n", step.name);
        }
        if let Err(error) = result {
            text += &format!("\n{}: {error:#}\nto see it again: {}\n", step.name, command_line(&step.action));
        }
    }
    text += &format!("\n{passed} passed, {failed} failed\n");
    (text, failed == 0)
}

/// The command that does the same from a shell.
fn command_line(action: &Action) -> String {
    match action {
        Action::Chore(line, _) | Action::Optional(line, _) => (*line).to_owned(),
        Action::Cargo(args) => format!("cargo {}", args.join(" ")),
        Action::Flagged { variable, flags, args } => {
            format!("{variable}=\"{flags}\" cargo {}", args.join(" "))
        }
        Action::Picked { variable, flags, args, filters } => {
            let args = args.join(" ");
            let lines = filters
                .iter()
                .map(|filter| format!("{variable}=\"{flags}\" cargo {args} {}", filter.join(" ")));
            lines.collect::<Vec<_>>().join(" & ")
        }
    }
}

fn perform(workspace: &Workspace, action: &Action) -> Result<Done> {
    match action {
        Action::Optional(_, chore) => {
            return Ok(match chore(workspace)? {
                numa::Outcome::Passed(_) => Done::Passed,
                numa::Outcome::Skipped(why) => Done::Skipped(why),
            });
        }
        Action::Chore(_, chore) => chore(workspace),
        Action::Cargo(args) => finish(workspace.cargo().args(*args)),
        Action::Flagged { variable, flags, args } => {
            finish(with_flags(&mut workspace.cargo(), variable, flags).args(*args))
        }
        Action::Picked { variable, flags, args, filters } => {
            let run = |filter: &&[&str]| {
                count_tests(with_flags(&mut workspace.cargo(), variable, flags).args(*args).args(*filter))
            };
            for (passed, filter) in at_once(filters, run)?.into_iter().zip(*filters) {
                ensure!(passed > 0, "`{}` picked no test, so nothing was checked", filter.join(" "));
            }
            Ok(())
        }
    }
    .map(|()| Done::Passed)
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo failed ({status})");
    Ok(())
}

/// What `run` makes of each, all at once.
fn at_once<T: Sync>(items: &[T], run: impl Fn(&T) -> Result<u64> + Sync) -> Result<Vec<u64>> {
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = items.iter().map(|item| scope.spawn(move || run(item))).collect();
        let results = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("it panicked"))?);
        results.collect()
    })
}

/// Runs a `cargo test`, passing its standard output on, and counts the tests that passed.
fn count_tests(command: &mut Command) -> Result<u64> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let Some(output) = child.stdout.take() else { bail!("cargo has no standard output") };
    let mut passed = 0;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read cargo's output")?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        passed += passed_in(&line);
    }
    std::io::stdout().flush()?;
    let status = child.wait()?;
    ensure!(status.success(), "cargo failed ({status})");
    Ok(passed)
}

/// How many tests a line of the test harness says to have passed.
fn passed_in(line: &str) -> u64 {
    line.strip_prefix("test result: ok. ")
        .and_then(|rest| rest.split_once(" passed"))
        .and_then(|(count, _)| count.parse().ok())
        .unwrap_or(0)
}

/// Adds to what the caller's environment already has. Cargo's `CARGO_ENCODED_` form wins over the plain one
/// where both are set, so it is added to when it is there.
fn with_flags<'a>(command: &'a mut Command, variable: &str, flags: &str) -> &'a mut Command {
    let encoded = format!("CARGO_ENCODED_{variable}");
    match env::var(&encoded) {
        Ok(present) => command.env(encoded, joined(&present, &flags.replace(' ', "\x1f"), "\x1f")),
        Err(_) => command.env(variable, joined(&env::var(variable).unwrap_or_default(), flags, " ")),
    }
}

fn joined(present: &str, added: &str, separator: &str) -> String {
    if present.is_empty() { added.to_owned() } else { format!("{present}{separator}{added}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_the_steps() {
        let chosen: Vec<&Step> = STEPS.iter().collect();
        let all: Vec<_> =
            STEPS.iter().map(|step| (step, Duration::from_millis(1500), Ok(Done::Passed))).collect();
        let (text, success) = summary(&chosen, &all);
        assert!(success);
        assert_eq!(text.lines().last(), Some(format!("{} passed, 0 failed", STEPS.len()).as_str()));

        let two = vec![
            (&STEPS[0], Duration::ZERO, Ok(Done::Passed)),
            (&STEPS[1], Duration::ZERO, Err(anyhow!("three findings"))),
        ];
        let (text, success) = summary(&chosen, &two);
        assert!(!success);
        assert_eq!(text.lines().last(), Some("1 passed, 1 failed"));
        assert!(text.contains("three findings\nto see it again: cargo xtask tidy"), "{text}");
        assert!(text.contains("doc        not run"), "{text}");
    }

    #[test]
    fn a_step_that_was_skipped_did_not_pass() {
        let done = vec![
            (&STEPS[0], Duration::ZERO, Ok(Done::Passed)),
            (&STEPS[1], Duration::ZERO, Ok(Done::Skipped("nothing to run it with".into()))),
        ];
        let (text, success) = summary(&[&STEPS[0], &STEPS[1]], &done);
        assert!(success);
        assert!(
            text.contains("skipped ") && text.contains("tidy was skipped: nothing to run it with"),
            "{text}"
        );
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed"));
    }

    #[test]
    fn flags_are_added_to_those_of_the_caller() {
        assert_eq!(joined("", "--cfg loom", " "), "--cfg loom");
        assert_eq!(joined("-C target-cpu=native", "--cfg loom", " "), "-C target-cpu=native --cfg loom");
    }

    #[test]
    fn passed_tests_are_counted() {
        assert_eq!(passed_in("test result: ok. 12 passed; 0 failed; 0 ignored"), 12);
        assert_eq!(passed_in("test ring::tests::loom_one_each ... ok"), 0);
    }
}
