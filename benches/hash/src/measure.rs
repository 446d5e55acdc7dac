//! Turns of all variants and of the reference, on one thread or several.

use std::{hint::black_box, sync::Barrier, thread, time::Instant};

use adit_plugin::{
    Algorithm, Searcher, Target,
    bench::{Bench, Bound, Unit},
};
use adit_topology::pin_current_thread;

use crate::IssueRates;

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A turn of one candidate takes at least this, in seconds.
    pub turn: f64,
    /// The turns of all candidates together take about this, in seconds.
    pub budget: f64,
    /// The most turns of a candidate.
    pub turns: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { turn: 0.0005, budget: 4.0, turns: 401 }
    }
}

/// The fewest turns, whatever they take: a median of less is none.
const FEWEST: usize = 7;

/// Threads, each pinned to one of these processors where it may be.
#[derive(Clone, Debug)]
pub struct Team {
    /// One thread for each; may name a processor twice.
    pub cpus: Vec<u32>,
}

/// The figures of one variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The variant's name; the algorithm's where it has none to choose from.
    pub variant: &'static str,
    /// How many threads hashed.
    pub threads: usize,
    /// The median of the turns.
    pub hashes_per_s: f64,
    /// What the machine allows, where the algorithm states a bound and this processor has the unit.
    pub bound_per_s: Option<f64>,
    /// The median of the turns' own shares of their bounds, in percent.
    pub percent_of_bound: Option<f64>,
    /// What `ratio` is to.
    pub reference: Option<&'static str>,
    /// To the reference on as many threads: the median of the turns' ratios.
    pub ratio: Option<f64>,
    /// Clock cycles of one thread for a hash, where they can be counted.
    pub cycles: Option<f64>,
    /// The rate of each turn.
    pub turns: Vec<f64>,
    /// Whether it found the hits that the algorithm's digest says there are, and its rates are numbers.
    pub valid: bool,
}

impl Measured {
    /// This variant's rate to another's of the same measurement: the median of the turns' ratios; none where there
    /// are no turns.
    #[must_use]
    pub fn to(&self, other: &Self) -> Option<f64> {
        let ratio = median(self.turns.iter().zip(&other.turns).map(|(rate, by)| rate / by).collect());
        ratio.is_finite().then_some(ratio)
    }
}

/// Measures every variant that this processor supports, in turns.
///
/// # Errors
/// When there is nothing to measure, or a thread could not run; says why.
pub fn measure(algorithm: &dyn Algorithm, team: &Team, pace: &Pace) -> Result<Vec<Measured>, String> {
    let bench = algorithm.bench();
    let names = names(algorithm);
    if names.is_empty() {
        return Err(format!("{} has no variant that works on this processor", algorithm.name()));
    }
    let plan = plan(algorithm, &bench, &names, pace)?;
    let threads = team.cpus.len().max(1);
    let barrier = Barrier::new(threads);
    let logs: Vec<Log> = thread::scope(|scope| {
        let run = |at: usize| {
            let (cpu, bench, names, plan, barrier) =
                (team.cpus.get(at).copied(), &bench, &names, &plan, &barrier);
            scope.spawn(move || work(algorithm, bench, names, plan, cpu, barrier))
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let ended =
            running.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned()));
        ended.collect::<Result<_, String>>()
    })?;
    let reference = bench.reference.as_ref().map(|reference| reference.name);
    let first = usize::from(reference.is_some());
    let of = |at: usize, name: &'static str| {
        let measured = figures(&logs, at + first, name, &bench, reference);
        let valid = measured.hashes_per_s.is_finite() && is_right(algorithm, name);
        Measured { valid, ..measured }
    };
    Ok(names.iter().enumerate().map(|(at, name)| of(at, name)).collect())
}

/// Whether a variant finds what the algorithm's digest says is to be found: one of four nonces.
fn is_right(algorithm: &dyn Algorithm, variant: &str) -> bool {
    const NONCES: u64 = 64;
    let mut header: Vec<u8> = (0..algorithm.layout().header_len).map(|at| at as u8).collect();
    let target = Target::from_zero_bits(2);
    let Some(mut searcher) = searcher(algorithm, variant) else { return false };
    if searcher.set_job(&header, &target).is_err() {
        return false;
    }
    let mut found = Vec::new();
    searcher.search(0, NONCES - 1, &mut |nonce, digest| found.push((nonce, digest)));
    let mut digest = |nonce| {
        algorithm.layout().set_nonce(&mut header, nonce);
        algorithm.digest(&header).ok().filter(|digest| digest.meets(&target))
    };
    let right = (0..NONCES).filter_map(|nonce| digest(nonce).map(|digest| (nonce, digest)));
    found == right.collect::<Vec<_>>()
}

/// The variant's searcher; the algorithm's own where there is nothing to choose.
fn searcher(algorithm: &dyn Algorithm, variant: &str) -> Option<Box<dyn Searcher>> {
    if algorithm.variants().is_empty() { Some(algorithm.searcher()) } else { algorithm.searcher_of(variant) }
}

/// The variants that work here; the algorithm's own name where there is nothing to choose.
fn names(algorithm: &dyn Algorithm) -> Vec<&'static str> {
    let variants = algorithm.variants();
    if variants.is_empty() {
        return vec![algorithm.name()];
    }
    variants.into_iter().filter(|variant| variant.supported).map(|variant| variant.name).collect()
}

/// Hashes of a turn for each candidate, the reference first, and how many turns there are.
struct Plan {
    counts: Vec<u64>,
    turns: usize,
}

fn plan(
    algorithm: &dyn Algorithm,
    bench: &Bench,
    names: &[&'static str],
    pace: &Pace,
) -> Result<Plan, String> {
    let (mut counts, mut seconds) = (Vec::new(), 0.0);
    let candidates = Candidates::new(algorithm, bench, names);
    for at in 0..candidates.count() {
        let mut candidate = candidates.make(at)?;
        candidate.warm();
        let mut count = candidate.group();
        let mut took = candidate.time(count);
        while took < pace.turn {
            count *= 2;
            took = candidate.time(count);
        }
        counts.push(count);
        seconds += took;
    }
    let turns = ((pace.budget / seconds.max(1e-9)) as usize).clamp(FEWEST, pace.turns.max(FEWEST));
    Ok(Plan { counts, turns })
}

/// What hashes in turns.
enum Candidate<'a> {
    Reference { bench: &'a Bench, algorithm: &'a dyn Algorithm, header: Vec<u8> },
    Variant(Box<dyn Searcher>),
}

/// The candidates of a measurement in the order of their turns, the reference first.
struct Candidates<'a> {
    algorithm: &'a dyn Algorithm,
    bench: &'a Bench,
    names: &'a [&'static str],
    header: Vec<u8>,
}

impl<'a> Candidates<'a> {
    fn new(algorithm: &'a dyn Algorithm, bench: &'a Bench, names: &'a [&'static str]) -> Self {
        let header = (0..algorithm.layout().header_len).map(|at| at as u8).collect();
        Self { algorithm, bench, names, header }
    }

    fn count(&self) -> usize {
        usize::from(self.bench.reference.is_some()) + self.names.len()
    }

    /// Makes one of them for a turn. Its memory is that of the candidate before, which is gone: where scratchpads lie
    /// and what others left of them in the caches favours nobody.
    fn make(&self, at: usize) -> Result<Candidate<'a>, String> {
        let (algorithm, bench) = (self.algorithm, self.bench);
        let variant = match at.checked_sub(usize::from(bench.reference.is_some())) {
            None => return Ok(Candidate::Reference { bench, algorithm, header: self.header.clone() }),
            Some(variant) => self.names[variant],
        };
        let mut searcher =
            searcher(algorithm, variant).ok_or_else(|| format!("no searcher of {variant} can be made"))?;
        // What a pool asks of a share at least: nothing passes the kernel's test but once in 2^32.
        searcher.set_job(&self.header, &Target::from_zero_bits(40)).map_err(|error| error.to_string())?;
        Ok(Candidate::Variant(searcher))
    }
}

impl Candidate<'_> {
    fn group(&self) -> u64 {
        match self {
            Self::Reference { .. } => 1,
            Self::Variant(searcher) => searcher.group(),
        }
    }

    /// Fetches scratchpads, which are new: at work they are not.
    fn warm(&mut self) {
        let group = self.group();
        match self {
            Self::Variant(searcher) if searcher.scratch().is_none() => {}
            _ => {
                self.time(group);
            }
        }
    }

    /// Seconds for `count` hashes.
    fn time(&mut self, count: u64) -> f64 {
        let start = Instant::now();
        match self {
            Self::Variant(searcher) => searcher.search(0, count - 1, &mut |nonce, _| {
                black_box(nonce);
            }),
            Self::Reference { bench, algorithm, header } => {
                let Some(reference) = &bench.reference else { return f64::NAN };
                for nonce in 0..count {
                    algorithm.layout().set_nonce(header, nonce);
                    black_box((reference.digest)(header));
                }
            }
        }
        start.elapsed().as_secs_f64()
    }
}

/// The core's rates in a turn, and those of each candidate.
type Turn = (IssueRates, Vec<f64>);

/// One of a turn's figures.
type FigureOf<'a> = dyn Fn(&Turn) -> f64 + 'a;

/// One thread's turns.
struct Log {
    turns: Vec<Turn>,
}

fn work(
    algorithm: &dyn Algorithm,
    bench: &Bench,
    names: &[&'static str],
    plan: &Plan,
    cpu: Option<u32>,
    barrier: &Barrier,
) -> Log {
    if let Some(cpu) = cpu {
        // Refused where the system says so; the figures are then those of wherever it runs.
        let _ = pin_current_thread(cpu);
    }
    let candidates = Candidates::new(algorithm, bench, names);
    let mut turns = Vec::with_capacity(plan.turns);
    for _ in 0..plan.turns {
        barrier.wait();
        let issue = IssueRates::measure();
        // Nobody makes a candidate, or ends one, while others measure: all threads share the tables of pages.
        barrier.wait();
        let mut rates = Vec::with_capacity(plan.counts.len());
        for (at, &count) in plan.counts.iter().enumerate() {
            // The same call succeeded when the plan was made; where it does not now, the others must not wait for ever.
            let mut candidate = candidates.make(at).ok();
            barrier.wait();
            rates.push(candidate.as_mut().map_or(f64::NAN, |candidate| {
                candidate.warm();
                count as f64 / candidate.time(count)
            }));
            barrier.wait();
        }
        turns.push((issue, rates));
    }
    Log { turns }
}

fn figures(
    logs: &[Log],
    at: usize,
    variant: &'static str,
    bench: &Bench,
    reference: Option<&'static str>,
) -> Measured {
    let turns = logs.iter().map(|log| log.turns.len()).min().unwrap_or(0);
    // Threads add up, turn by turn.
    let sum = |turn: usize, of: &FigureOf| -> f64 { logs.iter().map(|log| of(&log.turns[turn])).sum() };
    let each = |of: &FigureOf| -> Vec<f64> { (0..turns).map(|turn| sum(turn, of)).collect() };
    let rates = each(&|turn| turn.1[at]);
    let bounds = each(&|turn| bound(&bench.bounds, variant, &turn.0));
    let cycles = each(&|turn| turn.0.cycles);
    let ratios =
        |below: &[f64]| -> Vec<f64> { rates.iter().zip(below).map(|(rate, by)| rate / by).collect() };
    let ratio = reference.map(|_| median(ratios(&each(&|turn| turn.1[0]))));
    let cycles = median(cycles.iter().zip(&rates).map(|(cycles, rate)| cycles / rate).collect());
    let known = |value: f64| value.is_finite().then_some(value);
    Measured {
        variant,
        threads: logs.len(),
        hashes_per_s: median(rates.clone()),
        bound_per_s: known(median(bounds.clone())),
        percent_of_bound: known(100.0 * median(ratios(&bounds))),
        reference,
        ratio: ratio.and_then(known),
        cycles: known(cycles),
        turns: rates,
        valid: false,
    }
}

/// The tightest of a variant's bounds, in hashes a second; not a number where there is none.
fn bound(bounds: &[Bound], variant: &str, issue: &IssueRates) -> f64 {
    let of = |bound: &Bound| {
        bound.hashes_per_s(match bound.unit {
            Unit::Vector512 => issue.adds_512,
            Unit::Rotate512 => issue.rotates_512,
            Unit::Vector256 => issue.adds_256,
            Unit::Shift256 => issue.shifts_256,
            Unit::Sha256Rounds => issue.sha256_rounds,
            Unit::AesRound => issue.aes_rounds,
        })
    };
    // `min` of numbers takes the other for what is none, so one unit that is unknown must not go unnoticed.
    let rates: Vec<f64> = bounds.iter().filter(|bound| bound.variant == variant).map(of).collect();
    if rates.is_empty() || rates.iter().any(|rate| rate.is_nan()) {
        return f64::NAN;
    }
    rates.into_iter().fold(f64::INFINITY, f64::min)
}

/// The middle one; not a number when one of them is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() || values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use adit_plugin::{DevBlock, Digest, Hits, Layout, LayoutError};

    use super::*;

    fn rates(adds_512: f64, rotates_512: f64) -> IssueRates {
        IssueRates {
            cycles: 1.0,
            adds_512,
            rotates_512,
            adds_256: f64::NAN,
            shifts_256: f64::NAN,
            sha256_rounds: f64::NAN,
            aes_rounds: f64::NAN,
        }
    }

    #[test]
    fn the_tightest_bound_counts() {
        let bound_of = |unit, count| Bound { variant: "a", unit, count, hashes: 4 };
        let bounds = [bound_of(Unit::Vector512, 100), bound_of(Unit::Rotate512, 80)];
        assert_eq!(bound(&bounds, "a", &rates(1000.0, 400.0)), 20.0);
        assert_eq!(bound(&bounds, "a", &rates(200.0, 400.0)), 8.0);
        assert!(bound(&bounds, "b", &rates(200.0, 400.0)).is_nan());
        assert!(bound(&[bound_of(Unit::AesRound, 1)], "a", &rates(1.0, 1.0)).is_nan());
    }

    /// Its digest is the nonce; its searcher leaves out every so-many-th.
    struct Counting(u64);

    struct Search(u64, Target);

    impl Algorithm for Counting {
        fn name(&self) -> &'static str {
            "counting"
        }

        fn id(&self) -> u32 {
            u32::from_le_bytes(*b"CNTG")
        }

        fn layout(&self) -> Layout {
            Layout { header_len: 8, nonce_offset: 0, nonce_width: 8 }
        }

        fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
            self.layout().check(header)?;
            let mut digest = Digest([0; 32]);
            // The last byte is the most significant one.
            digest.0[31] = header[0] << 3;
            Ok(digest)
        }

        fn searcher(&self) -> Box<dyn Searcher> {
            Box::new(Search(self.0, Target::MAX))
        }

        fn dev_header(&self, _: &DevBlock<'_>) -> Vec<u8> {
            vec![0; 8]
        }
    }

    impl Searcher for Search {
        fn set_job(&mut self, _: &[u8], target: &Target) -> Result<(), LayoutError> {
            self.1 = *target;
            Ok(())
        }

        fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
            for nonce in (start..=last).filter(|nonce| nonce % self.0 != self.0 - 1) {
                let digest = Counting(1).digest(&nonce.to_le_bytes()).unwrap();
                if digest.meets(&self.1) {
                    hits(nonce, digest);
                }
            }
        }
    }

    #[test]
    fn what_misses_a_hit_is_not_valid() {
        assert!(is_right(&Counting(1000), "counting"));
        assert!(!is_right(&Counting(3), "counting"));
    }

    #[test]
    fn figures_are_medians_of_turns_and_sums_of_threads() {
        let turn = |reference: f64, rate: f64| (rates(100.0, f64::NAN), vec![reference, rate]);
        let log = || Log { turns: vec![turn(1.0, 4.0), turn(2.0, 10.0), turn(1.0, 5.0)] };
        let bounds = vec![Bound { variant: "a", unit: Unit::Vector512, count: 10, hashes: 1 }];
        let bench = Bench { bounds, reference: None };
        let measured = figures(&[log(), log()], 1, "a", &bench, Some("other 1.0"));
        assert_eq!((measured.threads, measured.hashes_per_s), (2, 10.0));
        assert_eq!((measured.bound_per_s, measured.percent_of_bound), (Some(20.0), Some(50.0)));
        assert_eq!((measured.ratio, measured.reference), (Some(5.0), Some("other 1.0")));
        let unbound = figures(&[log()], 1, "b", &bench, None);
        assert_eq!((unbound.bound_per_s, unbound.ratio), (None, None));
    }
}
