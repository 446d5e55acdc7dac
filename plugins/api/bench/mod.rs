//! What the `rate` examples of the algorithms share: hash rates of all variants in turns, beside a
//! reference and the rates at which this core issues instructions.

mod issue;

use std::time::Instant;

use adit_plugin::{Algorithm, Searcher, Target, scratch::Pages};
pub use issue::Issue;

/// Turns that each candidate gets; the printed figure is the median of the turns' figures.
const TURNS: usize = 401;

/// Turns that each candidate gets at least, however long they take.
const FEWEST_TURNS: usize = 21;

/// How long all turns take together, in seconds, unless the fewest take longer.
const ALL_TURNS: f64 = 20.0;

/// How long a turn takes at least, in seconds: so short that where others want the core as well, most
/// turns are not interrupted, and a median of them is that of turns which were not.
const TURN: f64 = 0.000_5;

/// What a variant's bound is made of.
pub struct Bound {
    /// The variant's name.
    pub variant: &'static str,
    /// Seconds for one hash, were every instruction issued at the measured rate.
    pub seconds: fn(&Issue) -> f64,
}

/// Prints a line for each variant, and for the reference, which gives how long `n` hashes take.
pub fn compare(algorithm: &dyn Algorithm, name: &str, reference: &mut dyn FnMut(u64), bounds: &[Bound]) {
    let mut runs = vec![Run::new(name, Box::new(reference), 1, None)];
    for variant in algorithm.variants() {
        match algorithm.searcher_of(variant.name) {
            Some(searcher) => runs.push(Run::of(algorithm, variant.name, searcher)),
            None => println!("{:>12}  not on this CPU", variant.name),
        }
    }
    let mut issues = Vec::new();
    let begin = Instant::now();
    while issues.len() < TURNS && (issues.len() < FEWEST_TURNS || begin.elapsed().as_secs_f64() < ALL_TURNS) {
        let issue = Issue::measure();
        runs.iter_mut().for_each(|run| run.turn(&issue, bounds));
        issues.push(issue);
    }
    let median_of = |field: fn(&Issue) -> f64| median(issues.iter().map(field).collect());
    println!(
        "10^9 a second: cycles {:.2}, 512-bit adds {:.2}, rotations {:.2}, SHA-NI double rounds {:.2}",
        median_of(|issue| issue.cycles) / 1e9,
        median_of(|issue| issue.adds) / 1e9,
        median_of(|issue| issue.rotations) / 1e9,
        median_of(|issue| issue.sha_rounds) / 1e9,
    );
    println!("{} turns", issues.len());
    println!("{:>12} {:>9} {:>9} {:>7} {:>8}", "", "kH/s", "cycles", "ratio", "of bound");
    let first: Vec<f64> = runs[0].rates.clone();
    for run in runs {
        let ratio = median(run.rates.iter().zip(&first).map(|(rate, first)| rate / first).collect());
        let cycles = median(run.rates.iter().zip(&issues).map(|(rate, issue)| issue.cycles / rate).collect());
        let rate = median(run.rates) / 1e3;
        let share = median(run.shares);
        let share = if share.is_nan() { "-".into() } else { format!("{:.1} %", 100.0 * share) };
        let scratch = run.scratch.map_or(String::new(), |pages| format!("  scratchpads on {pages}"));
        println!("{:>12} {rate:>9.3} {cycles:>9.1} {ratio:>7.2} {share:>8}{scratch}", run.name);
    }
}

/// A candidate.
struct Run<'a> {
    name: String,
    hash: Box<dyn FnMut(u64) + 'a>,
    /// Hashes of a turn.
    count: u64,
    /// Hashes a second, one figure a turn.
    rates: Vec<f64>,
    /// Of the bound, where there is one.
    shares: Vec<f64>,
    /// What its memory is on, where it has any.
    scratch: Option<Pages>,
}

impl<'a> Run<'a> {
    /// Turns are of `group` hashes or a multiple.
    fn new(name: &str, hash: Box<dyn FnMut(u64) + 'a>, group: u64, scratch: Option<Pages>) -> Self {
        let (name, rates, shares) = (name.into(), Vec::new(), Vec::new());
        let mut run = Self { name, hash, count: group, rates, shares, scratch };
        while run.time() < TURN {
            run.count *= 2;
        }
        run
    }

    fn of(algorithm: &dyn Algorithm, name: &str, mut searcher: Box<dyn Searcher>) -> Self {
        let header: Vec<u8> = (0..algorithm.layout().header_len).map(|at| at as u8).collect();
        // What a pool asks of a share at least: nothing passes the kernel's test but once in 2^32.
        searcher.set_job(&header, &Target::from_zero_bits(40)).expect("the header has its layout's length");
        let (group, scratch) = (searcher.group(), searcher.scratch());
        let hash = move |count| searcher.search(0, count - 1, &mut |_, _| {});
        Self::new(name, Box::new(hash), group, scratch)
    }

    fn turn(&mut self, issue: &Issue, bounds: &[Bound]) {
        let rate = self.count as f64 / self.time();
        let bound = bounds.iter().find(|bound| bound.variant == self.name);
        self.rates.push(rate);
        self.shares.push(bound.map_or(f64::NAN, |bound| rate * (bound.seconds)(issue)));
    }

    fn time(&mut self) -> f64 {
        let start = Instant::now();
        (self.hash)(self.count);
        start.elapsed().as_secs_f64()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
