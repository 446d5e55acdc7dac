//! `adit conform`: is this program a helper, this shared object a plugin?

mod plugin;

use std::process::ExitCode;

use adit_conformance::{Outcome, run_patiently, select};
use adit_host::device::spawn::CommandLine;
use anyhow::Result;
use serde_json::json;

use crate::{Usage, arguments::Conform, output};

pub fn run(arguments: &Conform) -> Result<ExitCode> {
    output::go_on_without_reader();
    if let Some(file) = &arguments.plugin {
        return match &arguments.play {
            Some(case) => plugin::play(file, case, arguments.case_limit),
            None => plugin::run(file, arguments),
        };
    }
    let command = CommandLine::from_words(arguments.command.iter().cloned());
    let command = command.ok_or_else(|| Usage("give a helper to check behind --".into()))?;
    let filter = arguments.filter.as_deref();
    let cases = select(filter);
    if cases.is_empty() {
        let what = format!("--filter {}: no case has this in its name", filter.unwrap_or_default());
        return Err(Usage(what).into());
    }
    let (mut passed, mut failed, mut skipped, mut unknown) = (0, 0, 0, 0);
    for case in cases {
        let report = run_patiently(&command, case, arguments.hello_within);
        let (word, text) = match &report.outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Failed(text) => ("failed", Some(text)),
            Outcome::Skipped(text) => ("skipped", Some(text)),
        };
        match report.outcome {
            Outcome::Passed => passed += 1,
            Outcome::Failed(_) => failed += 1,
            Outcome::Skipped(_) => skipped += 1,
        }
        unknown += u32::from(report.knows_nothing);
        if arguments.json.json {
            output::line(&json!({
                "event": "case", "case": case.name(), "description": case.description(), "outcome": word,
                "text": text, "notes": report.notes, "seconds": report.seconds, "clauses": case.clauses(),
            }));
        } else {
            say!("{word:<8} {:<22} {:>6.2} s  {}", case.name(), report.seconds, case.description());
            for line in text.into_iter().chain(&report.notes) {
                say!("         {line}");
            }
        }
    }
    if arguments.json.json {
        output::line(&json!({ "event": "done", "passed": passed, "failed": failed, "skipped": skipped }));
    } else {
        say!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    if unknown > 0 {
        // A helper that reads the algorithm from the wrong place says so too.
        complain!(
            "{unknown} cases hash, and this helper knows no algorithm that can be checked: that is no pass"
        );
    }
    Ok(ExitCode::from(u8::from(failed > 0 || unknown > 0)))
}
