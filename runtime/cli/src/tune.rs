//! `adit tune`: measures afresh, over threads and sizes of units, and keeps what is best.

use std::{process::ExitCode, sync::Arc};

use adit_bench_hash::{Point, tune as measure};
use adit_plugin::Algorithm;
use adit_topology::Machine;
use anyhow::{Result, anyhow};
use serde_json::json;

use crate::{
    algorithms::Algorithms,
    arguments::Tune,
    choices::{self, Kept, Known},
    output,
    status::rate_text,
};

/// How long a unit of the host takes.
const UNIT_SECONDS: f64 = 0.2;
/// How long one round of one combination takes.
const ROUND_SECONDS: f64 = 0.02;
/// A smaller count of threads that reaches so much of the best is taken.
const ENOUGH: f64 = 0.98;
/// Characters of the longest bar.
const BAR: f64 = 40.0;

pub fn run(arguments: &Tune) -> Result<ExitCode> {
    let algorithms = Algorithms::load(&arguments.plugins)?;
    let chosen = match &arguments.algorithm {
        Some(name) => vec![algorithms.named(name)?],
        None => algorithms.all,
    };
    let machine = Machine::detect()?;
    let cpus = machine.worker_cpus(usize::MAX);
    let mut notes = Vec::new();
    let mut kept = Kept::open(&mut notes);
    for algorithm in chosen {
        let known = one(&algorithm, &machine, &cpus, arguments.json.json)?;
        kept.put(&*algorithm, &known);
        // What is known is kept, whatever becomes of the next.
        kept.save(&mut notes);
    }
    // Each algorithm's may be that the same file cannot be written.
    notes.dedup();
    for note in notes {
        complain!("{note}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tunes one algorithm and tells what was seen.
fn one(algorithm: &Arc<dyn Algorithm>, machine: &Machine, cpus: &[u32], json: bool) -> Result<Known> {
    let mut known = choices::measured(&**algorithm);
    let variant = (!known.variant.is_empty()).then_some(known.variant.as_str());
    let failed = |what: String| anyhow!("{}: {what}", algorithm.name());
    // One thread, to know what size a unit of some length has.
    let probe = measure(&**algorithm, variant, cpus, &[1], &[group(&**algorithm, variant)], ROUND_SECONDS);
    let rate = probe.map_err(failed)?.first().map_or(0.0, |point| point.hashes_per_s);
    let units = units(rate, group(&**algorithm, variant));
    let threads = thread_counts(machine.allowed_core_count(), cpus.len());
    let points = measure(&**algorithm, variant, cpus, &threads, &units, ROUND_SECONDS).map_err(failed)?;
    let best = best_threads(&points);
    known.threads = Some(best.threads);
    known.hashes_per_s = Some(best_of(&points, 1).map_or(rate, |point| point.hashes_per_s));
    let first = best.hashes_per_s / best.threads as f64 * UNIT_SECONDS;
    known.unit = Some((first as u64).max(1));
    if json {
        for Point { threads, unit, hashes_per_s } in &points {
            output::line(&json!({
                "event": "point", "algorithm": algorithm.name(), "variant": known.variant, "threads": threads,
                "unit": unit, "hashes_per_s": hashes_per_s,
            }));
        }
        output::line(&json!({
            "event": "choice", "algorithm": algorithm.name(), "variant": known.variant,
            "hashes_per_s": known.hashes_per_s, "threads": known.threads, "unit": known.unit,
        }));
    } else {
        print(algorithm.name(), &known, &points, &threads, &units);
    }
    Ok(known)
}

fn group(algorithm: &dyn Algorithm, variant: Option<&str>) -> u64 {
    let searcher = variant.and_then(|variant| algorithm.searcher_of(variant));
    searcher.map_or(1, |searcher| searcher.group())
}

/// Sizes from one group to what takes about 20 ms, by steps of eight.
fn units(rate: f64, group: u64) -> Vec<u64> {
    let most = (rate * ROUND_SECONDS) as u64;
    let mut units = vec![group];
    while units.len() < 8 && units[units.len() - 1].saturating_mul(8) <= most {
        units.push(units[units.len() - 1] * 8);
    }
    units
}

/// 1, 2, 4 and so on, all cores, and all hardware threads.
fn thread_counts(cores: usize, cpus: usize) -> Vec<usize> {
    let mut counts: Vec<usize> = (0..).map(|power| 1 << power).take_while(|count| *count < cores).collect();
    counts.extend([cores.clamp(1, cpus.max(1)), cpus.max(1)]);
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn best_of(points: &[Point], threads: usize) -> Option<Point> {
    let of = points.iter().filter(|point| point.threads == threads);
    of.max_by(|a, b| a.hashes_per_s.total_cmp(&b.hashes_per_s)).copied()
}

/// The fewest threads that are as good as any.
fn best_threads(points: &[Point]) -> Point {
    let rate = |point: &Point| point.hashes_per_s;
    let most = points.iter().map(rate).fold(0.0, f64::max);
    let enough = points.iter().filter(|point| rate(point) >= ENOUGH * most);
    let fewest = enough.map(|point| point.threads).min().unwrap_or(1);
    best_of(points, fewest).unwrap_or(Point { threads: 1, unit: 1, hashes_per_s: 0.0 })
}

fn print(name: &str, known: &Known, points: &[Point], threads: &[usize], units: &[u64]) {
    say!("{name}, variant {}", if known.variant.is_empty() { "its only one" } else { &known.variant });
    let cells = |of: &dyn Fn(usize) -> String| -> String {
        threads.iter().map(|&threads| format!("{:>14}", of(threads))).collect()
    };
    say!("{:>12}{}", "unit", cells(&|threads| format!("{threads} threads")));
    let rate = |threads: usize, unit: u64| {
        let found = points.iter().find(|point| (point.threads, point.unit) == (threads, unit));
        found.map_or(0.0, |point| point.hashes_per_s)
    };
    for &unit in units {
        say!("{unit:>12}{}", cells(&|threads| rate_text(rate(threads, unit))));
    }
    let most = points.iter().map(|point| point.hashes_per_s).fold(f64::MIN_POSITIVE, f64::max);
    for &threads in threads {
        say!("{threads} threads, by the size of a unit");
        for &unit in units {
            let bar = "#".repeat((BAR * rate(threads, unit) / most).round() as usize);
            say!("{unit:>12} |{bar}");
        }
    }
    let (threads, unit) = (known.threads.unwrap_or(1), known.unit.unwrap_or(1));
    say!("taken: {threads} threads, first unit {unit} nonces\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_threads_are_powers_cores_and_all() {
        assert_eq!(thread_counts(2, 2), [1, 2]);
        assert_eq!(thread_counts(6, 12), [1, 2, 4, 6, 12]);
        assert_eq!(thread_counts(1, 1), [1]);
    }

    #[test]
    fn the_fewest_threads_that_are_as_good_are_taken() {
        let point = |threads, hashes_per_s| Point { threads, unit: 16, hashes_per_s };
        let points = [point(1, 50.0), point(2, 100.0), point(4, 101.0)];
        assert_eq!(best_threads(&points), points[1]);
    }

    #[test]
    fn units_grow_to_what_takes_a_round() {
        assert_eq!(units(1e6, 16), [16, 128, 1024, 8192]);
        assert_eq!(units(10.0, 16), [16]);
    }
}
