//! The engine under a seeded simulator: virtual time, devices that crash, stall and lie, sources that change
//! their mind; after every step an oracle says what must have been decided.
//!
//! `ADIT_SIM_SEEDS=n` runs that many seeds, `ADIT_SIM_SEED=n` runs this one and shows every step.

mod chance;
mod device;
mod message;
mod oracle;
mod positions;
mod scenario;
mod tally;
mod toy;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use world::{Outcome, World};

const SEEDS: u64 = 10_000;
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// Runs a seed; what went wrong, with the last steps before it.
fn run(seed: u64, full_trace: bool) -> Result<Outcome, String> {
    let mut world = World::new(seed, full_trace);
    let wrong = match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(Ok(outcome)) => return Ok(outcome),
        Ok(Err(wrong)) => wrong,
        Err(_) => "panicked".into(),
    };
    Err(format!("{}seed {seed}: {wrong}\n(ADIT_SIM_SEED={seed} shows every step)", world.story()))
}

/// Adds up many seeds; ends at the first that fails.
fn run_all(next: &AtomicU64, seeds: u64) -> Result<(Outcome, u64), String> {
    let (mut sum, mut total) = (Outcome::default(), 0);
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return Ok((sum, total));
        }
        let outcome = run(seed, false).inspect_err(|_| next.store(seeds, Ordering::Relaxed))?;
        sum = add(sum, outcome);
        total += 1;
    }
}

fn add(a: Outcome, b: Outcome) -> Outcome {
    Outcome {
        tally: a.tally.and(b.tally),
        crashes: a.crashes + b.crashes,
        liars: a.liars + b.liars,
        caught: a.caught + b.caught,
        skippers_caught: a.skippers_caught + b.skippers_caught,
        skippers_missed: a.skippers_missed + b.skippers_missed,
        fingerprint: a.fingerprint ^ b.fingerprint,
    }
}

#[test]
fn the_engine_keeps_its_promises() {
    if let Some(seed) = number("ADIT_SIM_SEED") {
        let outcome = run(seed, true).unwrap_or_else(|wrong| panic!("{wrong}"));
        println!("{outcome:?}");
        return;
    }
    let seeds = number("ADIT_SIM_SEEDS").unwrap_or(SEEDS);
    let (began, next) = (Instant::now(), AtomicU64::new(0));
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| run_all(&next, seeds))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread of seeds")).collect()
    });
    let mut sum = Outcome::default();
    for result in results {
        sum = add(sum, result.unwrap_or_else(|wrong| panic!("{wrong}")).0);
    }
    let Outcome { tally, crashes, liars, caught, skippers_caught, skippers_missed, .. } = sum;
    println!(
        "{seeds} seeds in {:.1?}: {} events, {} units, {crashes} crashes, {} solutions, {} jobs exhausted \
         ({} complete), {caught} of {liars} liars caught, faults {:?}, {} positions revoked, {skippers_caught} \
         skippers caught, {skippers_missed} missed",
        began.elapsed(),
        tally.steps,
        tally.units,
        tally.shares,
        tally.exhausted,
        tally.complete,
        tally.faults,
        tally.revoked,
    );
    if seeds >= 1000 {
        assert!(
            tally.faults.iter().all(|count| *count > 0),
            "the devices do not do everything that is wrong"
        );
        assert!(skippers_missed * 20 <= skippers_caught, "canaries find too few that hash a part");
    }
}

#[test]
fn a_seed_is_the_same_twice() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| run(seed, false).unwrap_or_else(|wrong| panic!("{wrong}")));
        assert_eq!(first, second, "seed {seed}");
    }
}
