//! Rates over numbers of threads and sizes of units.

use std::{sync::Barrier, thread, time::Instant};

use adit_plugin::{Algorithm, Target};
use adit_topology::pin_current_thread;

use crate::measure::median;

/// How often each combination is measured.
const ROUNDS: usize = 5;

/// One combination's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// How many threads.
    pub threads: usize,
    /// Nonces of each call of a search.
    pub unit: u64,
    /// Of all threads together: the median of some rounds.
    pub hashes_per_s: f64,
}

/// Measures `variant` (the algorithm's own search where there is none to choose) on the first `threads` of `cpus`, for
/// each of `threads`, with units of each size; each round of a combination takes about `seconds`.
///
/// # Errors
/// When no searcher can be made; says why.
pub fn tune(
    algorithm: &dyn Algorithm,
    variant: Option<&str>,
    cpus: &[u32],
    threads: &[usize],
    units: &[u64],
    seconds: f64,
) -> Result<Vec<Point>, String> {
    let mut points = Vec::new();
    for &threads in threads {
        let team: Vec<u32> = cpus.iter().copied().cycle().take(threads).collect();
        let rates = rates(algorithm, variant, &team, units, seconds)?;
        points.extend(units.iter().zip(rates).map(|(&unit, hashes_per_s)| Point {
            threads,
            unit,
            hashes_per_s,
        }));
    }
    Ok(points)
}

/// For each size, the median of the rounds' rates, threads added up.
fn rates(
    algorithm: &dyn Algorithm,
    variant: Option<&str>,
    cpus: &[u32],
    units: &[u64],
    seconds: f64,
) -> Result<Vec<f64>, String> {
    let barrier = Barrier::new(cpus.len());
    let logs: Vec<Vec<f64>> = thread::scope(|scope| {
        let run = |&cpu: &u32| {
            let barrier = &barrier;
            scope.spawn(move || work(algorithm, variant, cpu, units, seconds, barrier))
        };
        let running: Vec<_> = cpus.iter().map(run).collect();
        let ended =
            running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned()));
        ended.collect::<Result<Vec<_>, _>>()?.into_iter().collect::<Result<_, _>>()
    })?;
    let at = |size: usize| {
        let round = |round: usize| logs.iter().map(|log| log[round * units.len() + size]).sum();
        median((0..ROUNDS).map(round).collect())
    };
    Ok((0..units.len()).map(at).collect())
}

/// One thread's rates: all sizes by turns, so that a clock that falls does so for all.
fn work(
    algorithm: &dyn Algorithm,
    variant: Option<&str>,
    cpu: u32,
    units: &[u64],
    seconds: f64,
    barrier: &Barrier,
) -> Result<Vec<f64>, String> {
    // Refused where the system says so; the figures are then those of wherever it runs.
    let _ = pin_current_thread(cpu);
    let made = match variant {
        Some(name) => algorithm.searcher_of(name),
        None => Some(algorithm.searcher()),
    };
    let header = vec![0; algorithm.layout().header_len];
    let mut rates = Vec::with_capacity(ROUNDS * units.len());
    let mut searcher = made;
    if let Some(searcher) = &mut searcher {
        searcher.set_job(&header, &Target([0; 32])).map_err(|error| error.to_string())?;
    }
    for _ in 0..ROUNDS {
        for &unit in units {
            // All wait, also one that has no searcher: the others must not wait for it for ever.
            barrier.wait();
            let Some(searcher) = &mut searcher else { continue };
            let (begin, mut hashes) = (Instant::now(), 0);
            while hashes == 0 || begin.elapsed().as_secs_f64() < seconds {
                searcher.search(0, unit - 1, &mut |_, _| {});
                hashes += unit;
            }
            rates.push(hashes as f64 / begin.elapsed().as_secs_f64());
        }
    }
    if searcher.is_none() {
        return Err(format!("{} has no searcher of {}", algorithm.name(), variant.unwrap_or("its own")));
    }
    Ok(rates)
}
