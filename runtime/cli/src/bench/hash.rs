//! `adit bench hash`: hash rates of every variant, beside the machine's bound and a reference.

use std::{fs, process::ExitCode};

use adit_bench_hash::{Measured, Pace, Team, measure};
use adit_bench_report::{
    html::{self, Page},
    machine,
    row::{Metric, Place, Row},
    stats::Summary,
};
use adit_topology::{Machine, format_cpu_list};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};

use crate::{algorithms::Algorithms, arguments::BenchHash, output};

pub fn run(arguments: &BenchHash) -> Result<ExitCode> {
    let algorithms = Algorithms::load(&arguments.plugins)?;
    let chosen = match &arguments.algorithm {
        Some(name) => vec![algorithms.named(name)?],
        None => algorithms.all,
    };
    let machine = Machine::detect()?;
    let cpus = machine.worker_cpus(usize::MAX);
    let counts = match arguments.threads {
        Some(threads) => vec![threads],
        None if machine.core_count() > 1 && cpus.len() > 1 => vec![1, machine.core_count().min(cpus.len())],
        None => vec![1],
    };
    // Before minutes are spent on what cannot be written.
    if let Some(file) = &arguments.report {
        fs::write(file, "").with_context(|| format!("--report {}", file.display()))?;
    }
    let others = machine::Others::watch();
    let mut rows = Vec::new();
    if !arguments.json.json {
        let model = machine.model.as_deref().unwrap_or("unknown processor");
        println!("{model}, workers on cpus {}\n{}", format_cpu_list(&cpus), heading());
    }
    for algorithm in chosen {
        for &threads in &counts {
            let team = Team { cpus: cpus.iter().copied().cycle().take(threads).collect() };
            let measured = measure(&*algorithm, &team, &pace(threads));
            let measured = measured.map_err(|what| anyhow!("{}: {what}", algorithm.name()))?;
            for one in &measured {
                rows.push(report_row(algorithm.name(), one));
                if arguments.json.json {
                    output::line(&line(algorithm.name(), one));
                } else {
                    println!("{}", row(algorithm.name(), one));
                }
            }
        }
    }
    if let Some(file) = &arguments.report {
        let page = page(rows, others.cores());
        fs::write(file, html::render(&page)).with_context(|| format!("--report {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn report_row(algorithm: &str, one: &Measured) -> Row {
    let rate = Metric { name: "hashes_per_s", unit: "H/s", more_is_better: true };
    let name = format!("{algorithm}/{}/{}", one.variant, one.threads);
    let mut row = Row::new(&name, rate, Summary::of(&one.turns), true);
    row.details.insert("percent of bound".into(), json!(one.percent_of_bound.map(|percent| percent.round())));
    row.details.insert("reference".into(), json!(one.reference));
    row.details.insert("ratio".into(), json!(one.ratio.map(|ratio| (100.0 * ratio).round() / 100.0)));
    row.place = Place {
        plot: algorithm.into(),
        label: one.variant.into(),
        series: format!("{} threads", one.threads),
    };
    row
}

fn page(rows: Vec<Row>, others: f64) -> Page {
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
        summary: vec![format!("{} results.", rows.len())],
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
    })
}

fn heading() -> String {
    format!(
        "{:<14}{:<10}{:>8}{:>12}{:>12}{:>10}{:>10}{:>9}  reference",
        "algorithm", "variant", "threads", "MH/s", "ns/hash", "cycles", "of bound", "ratio"
    )
}

fn row(algorithm: &str, one: &Measured) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    format!(
        "{algorithm:<14}{:<10}{:>8}{:>12}{:>12.1}{:>10}{:>10}{:>9}  {}",
        one.variant,
        one.threads,
        megahashes(one.hashes_per_s),
        1e9 * one.threads as f64 / one.hashes_per_s,
        or_dash(one.cycles.map(|cycles| format!("{cycles:.1}"))),
        or_dash(one.percent_of_bound.map(|percent| format!("{percent:.1} %"))),
        or_dash(one.ratio.map(|ratio| format!("{ratio:.2}"))),
        one.reference.unwrap_or("-"),
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
