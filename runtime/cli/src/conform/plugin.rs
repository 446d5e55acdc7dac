//! `adit conform --plugin`: each case in a child, which is this program again.

use std::{env, path::Path, process::Command, process::ExitCode, time::Duration};

use adit_conformance::plugin::{PluginCase, PluginReport, play as play_case, run as run_case};
use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{Usage, arguments::Conform, output};

/// Plays every case, or those of the filter, and says what came of each.
pub fn run(file: &Path, arguments: &Conform) -> Result<ExitCode> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let cases: Vec<PluginCase> =
        PluginCase::ALL.iter().copied().filter(|case| case.name().contains(filter)).collect();
    if cases.is_empty() {
        return Err(Usage(format!("--filter {filter}: no case of a plugin has this in its name")).into());
    }
    let this =
        env::current_exe().context("this program cannot find itself, to start it again for each case")?;
    let limit = arguments.case_limit;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    // A plugin that cannot be loaded fails every case alike: once is enough.
    let mut unusable = false;
    for case in cases {
        if unusable {
            skipped += 1;
            skip(case, arguments.json.json);
            continue;
        }
        let mut child = Command::new(&this);
        child.arg("conform").arg("--plugin").arg(file).args(["--play", case.name()]);
        child.args(["--case-limit", &limit.as_secs_f64().to_string()]);
        let report = run_case(&mut child, case, limit);
        match report.fault {
            Some(_) => failed += 1,
            None => passed += 1,
        }
        unusable = case == PluginCase::Load && report.fault.is_some();
        tell(&report, arguments.json.json);
    }
    if arguments.json.json {
        output::line(&json!({ "event": "done", "passed": passed, "failed": failed, "skipped": skipped }));
    } else {
        say!("{passed} passed, {failed} failed, {skipped} skipped");
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Tells of a case that a plugin which cannot be loaded is not put to.
fn skip(case: PluginCase, json: bool) {
    let why = "the plugin cannot be loaded";
    if json {
        output::line(&json!({
            "event": "case", "case": case.name(), "description": case.description(), "outcome": "skipped",
            "fault": null, "text": why, "notes": [], "seconds": 0.0, "clauses": case.clauses(),
        }));
        return;
    }
    say!("{:<8} {:<22} {:>6} s  {why}", "skipped", case.name(), "-");
}

fn tell(report: &PluginReport, json: bool) {
    let PluginReport { case, fault, seconds, notes } = report;
    let outcome = if fault.is_some() { "failed" } else { "passed" };
    if json {
        output::line(&json!({
            "event": "case", "case": case.name(), "description": case.description(), "outcome": outcome,
            "fault": fault.as_ref().map(|fault| &fault.name), "text": fault.as_ref().map(|fault| &fault.what),
            "notes": notes, "seconds": seconds, "clauses": case.clauses(),
        }));
        return;
    }
    say!("{outcome:<8} {:<22} {seconds:>6.2} s  {}", case.name(), case.description());
    for line in fault.iter().map(ToString::to_string).chain(notes.iter().cloned()) {
        say!("         {line}");
    }
}

/// The child's side.
pub fn play(file: &Path, case: &str, limit: Duration) -> Result<ExitCode> {
    let found = PluginCase::ALL.iter().copied().find(|known| known.name() == case);
    let case = found.ok_or_else(|| Usage(format!("--play {case}: no case of a plugin has this name")))?;
    play_case(file, case, limit).context("the verdict cannot be told")?;
    Ok(ExitCode::SUCCESS)
}
