//! `adit bench hash`: hash rates of every variant, beside the machine's bound and a reference.

use std::{process::ExitCode, sync::Arc};

use adit_bench_hash::{LOADED, Measured, Pace, Pair, Team, measure};
use adit_bench_report::{
    html::{self, Page},
    machine,
    row::{Metric, Place, Row},
    stats::Summary,
};
use adit_host::plugin;
use adit_plugin::Algorithm;
use adit_topology::{Machine, format_cpu_list};
use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

use crate::{
    Usage,
    algorithms::{Algorithms, built_in},
    arguments::{BenchHash, Plugins},
    files, output,
    status::rate_text,
};

pub fn run(arguments: &BenchHash) -> Result<ExitCode> {
    let algorithms = contestants(&arguments.plugins)?;
    let chosen = match &arguments.algorithm {
        Some(name) => vec![algorithms.named(name)?],
        None => algorithms.all,
    };
    let machine = Machine::detect()?;
    let cpus = machine.worker_cpus(usize::MAX);
    let counts = match arguments.threads {
        // A turn is shorter than a turn of the scheduler's: threads that share a processor would each seem to have it.
        Some(threads) if threads > cpus.len() => {
            let what = format!("--threads {threads}: this process may use {} processors", cpus.len());
            return Err(Usage(what).into());
        }
        Some(threads) => vec![threads],
        None if machine.allowed_core_count() > 1 => vec![1, machine.allowed_core_count()],
        None => vec![1],
    };
    let report = arguments.report.as_deref().map(files::Page::begin).transpose()?;
    let others = machine::Others::watch();
    let (mut rows, mut best, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    if !arguments.json.json {
        let model = machine.model.as_deref().unwrap_or("unknown processor");
        say!("{model}, workers on cpus {}\n{}", format_cpu_list(&cpus), heading());
    }
    for algorithm in chosen {
        for &threads in &counts {
            let team = Team { cpus: cpus[..threads].to_vec() };
            let measured = measure(&*algorithm, &team, &pace(threads));
            let measured = measured.map_err(|what| anyhow!("{}: {what}", algorithm.name()))?;
            for one in &measured {
                rows.push(report_row(algorithm.name(), one));
                if !one.valid {
                    failed.push(format!("{} {}", algorithm.name(), one.variant));
                }
                if arguments.json.json {
                    output::line(&line(algorithm.name(), one));
                } else {
                    say!("{}", row(algorithm.name(), one));
                }
            }
            twins(algorithm.name(), &measured, arguments.json.json);
            best.extend(sentence(algorithm.name(), &measured));
        }
    }
    if let Some(report) = &report {
        let page = page(rows, best, others.cores());
        report.write(&html::render(&page))?;
    }
    if !failed.is_empty() {
        bail!("these could not be measured: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// The algorithms that are measured: one that is built in and loaded as well is measured both ways.
fn contestants(plugins: &Plugins) -> Result<Algorithms> {
    let mut all = built_in();
    for file in &plugins.plugins {
        let others: Vec<Arc<dyn Algorithm>> = Vec::new();
        let loaded = plugin::load(file, &others).map_err(|error| Usage(format!("--plugin: {error}")))?;
        let loaded = loaded.algorithm;
        match all.iter_mut().find(|one| one.name() == loaded.name()) {
            Some(linked) => {
                let pair = Pair::new(Arc::clone(linked), loaded);
                *linked =
                    Arc::new(pair.map_err(|what| Usage(format!("--plugin {}: {what}", file.display())))?);
            }
            None => all.push(loaded),
        }
    }
    Ok(Algorithms { all })
}

/// A line for each variant that is linked in and loaded: how fast the loaded one is beside the other.
fn twins(algorithm: &str, measured: &[Measured], json: bool) {
    for loaded in measured {
        let Some(name) = loaded.variant.strip_suffix(LOADED) else { continue };
        let Some(linked) = measured.iter().find(|one| one.variant == name) else { continue };
        let ratio = loaded.to(linked);
        if json {
            output::line(&json!({
                "event": "pair", "algorithm": algorithm, "variant": name, "threads": loaded.threads,
                "loaded_to_linked": ratio,
            }));
        } else {
            let ratio = ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.4}"));
            say!("{algorithm} {name}, threads {}: loaded to linked in {ratio}", loaded.threads);
        }
    }
}

/// The fastest variant in a sentence.
fn sentence(algorithm: &str, measured: &[Measured]) -> Option<String> {
    let best =
        measured.iter().filter(|one| one.valid).max_by(|a, b| a.hashes_per_s.total_cmp(&b.hashes_per_s))?;
    let threads = if best.threads == 1 { "1 thread".into() } else { format!("{} threads", best.threads) };
    let rate = rate_text(best.hashes_per_s);
    let mut sentence = format!("{algorithm}, {threads}: {} is the fastest, {rate}", best.variant);
    if let Some(percent) = best.percent_of_bound {
        sentence += &format!(", {percent:.1} % of its bound");
    }
    if let (Some(ratio), Some(reference)) = (best.ratio, best.reference) {
        sentence += &format!(", {ratio:.2} times {reference}");
    }
    Some(sentence + ".")
}

fn report_row(algorithm: &str, one: &Measured) -> Row {
    let rate = Metric { name: "hashes_per_s", unit: "H/s", more_is_better: true };
    let name = format!("{algorithm}/{}/{}", one.variant, one.threads);
    let mut row = Row::new(&name, rate, Summary::of(&one.turns), one.valid);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    row.notes = vec![
        ("Cycles a hash", or_dash(one.cycles.map(|cycles| format!("{cycles:.1}")))),
        ("Percent of bound", or_dash(one.percent_of_bound.map(|percent| format!("{percent:.1} %")))),
        ("Ratio", or_dash(one.ratio.map(|ratio| format!("{ratio:.2}")))),
        ("Reference", or_dash(one.reference.map(str::to_owned))),
    ];
    row.place = Place {
        plot: algorithm.into(),
        label: one.variant.into(),
        series: if one.threads == 1 { "1 thread".into() } else { format!("{} threads", one.threads) },
    };
    row
}

fn page(rows: Vec<Row>, best: Vec<String>, others: f64) -> Page {
    let pairs = |pairs: &[(&str, String)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let terms = [
        (
            "Rate",
            "The median of short turns, in which variants, reference and issue rates are measured.".into(),
        ),
        (
            "Percent of bound",
            "Of the rate that the variant's instructions allow at the issue rates of the same turn.".into(),
        ),
        ("Ratio", "To the reference, another program's digest, on as many threads.".into()),
    ];
    Page {
        title: "Hash rates, measured".into(),
        summary: best,
        facts: pairs(&[
            ("Processor", machine::cpu_model()),
            ("Cores", machine::cores()),
            ("Memory", machine::memory()),
            ("Kernel", format!("Linux {}", machine::kernel())),
            ("Other programs", format!("kept {others:.2} cores busy meanwhile")),
        ]),
        terms: pairs(&terms),
        bars: Vec::new(),
        rows,
    }
}

/// Several threads need longer turns, so that they hash at the same time for nearly all of them.
fn pace(threads: usize) -> Pace {
    let usual = Pace::default();
    if threads > 1 { Pace { turn: 4.0 * usual.turn, ..usual } } else { usual }
}

fn line(algorithm: &str, one: &Measured) -> Value {
    json!({
        "event": "result", "algorithm": algorithm, "variant": one.variant, "threads": one.threads,
        "hashes_per_s": one.hashes_per_s, "bound_per_s": one.bound_per_s,
        "percent_of_bound": one.percent_of_bound, "reference": one.reference, "ratio": one.ratio,
        "valid": one.valid,
    })
}

fn heading() -> String {
    format!(
        "{:<14}{:<13}{:>7}{:>12}{:>14}{:>14}{:>10}{:>8}  reference",
        "algorithm", "variant", "threads", "MH/s", "ns/hash", "cycles", "of bound", "ratio"
    )
}

fn row(algorithm: &str, one: &Measured) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    format!(
        "{algorithm:<14}{:<13}{:>7}{:>12}{:>14.1}{:>14}{:>10}{:>8}  {}",
        one.variant,
        one.threads,
        megahashes(one.hashes_per_s),
        1e9 * one.threads as f64 / one.hashes_per_s,
        or_dash(one.cycles.map(|cycles| format!("{cycles:.1}"))),
        or_dash(one.percent_of_bound.map(|percent| format!("{percent:.1} %"))),
        or_dash(one.ratio.map(|ratio| format!("{ratio:.2}"))),
        if one.valid {
            one.reference.unwrap_or("-")
        } else {
            "NOT VALID: it misses hits, or its digests are wrong"
        },
    )
}

/// With as many digits as say something, from hundreds of hashes to thousands of millions.
fn megahashes(rate: f64) -> String {
    let rate = rate / 1e6;
    match rate {
        1.0.. => format!("{rate:.2}"),
        0.001.. => format!("{rate:.5}"),
        _ => format!("{rate:.7}"),
    }
}
