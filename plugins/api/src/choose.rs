//! Which variant of a search is the fastest here, by measurement.
//!
//! A CPU's name says little: clocks fall under wide vectors, a virtual machine hides what it runs
//! on, a neighbour shares the core. So each variant searches for a moment, in turns, and its best
//! turn counts: noise only ever makes a turn longer.

use std::time::{Duration, Instant};

use crate::{Algorithm, Searcher, Target};

/// Turns that each variant gets at most.
const TURNS: u32 = 20;

/// Turns after which a variant that is clearly slower gets no more.
const TRIAL_TURNS: u32 = 3;

/// How long a turn should take; with the search for its length, a variant costs less than 50 ms.
const TURN: Duration = Duration::from_micros(1500);

/// What all turns of a variant may take together: fewer turns where a hash takes longer than a turn should.
const ALL_TURNS: Duration = Duration::from_millis(50);

/// How much longer than the fastest a variant may take for a hash and still get turns.
const CLEARLY_SLOWER: f64 = 1.25;

/// The variant that was found to search fastest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Its name.
    pub variant: &'static str,
    /// What one thread hashed in its best turn; `None` when there was nothing to choose, so nothing was measured.
    pub hashes_per_s: Option<f64>,
}

/// The name of the variant that searches fastest, of those this CPU supports: [`choice`] without its rate.
#[must_use]
pub fn fastest(algorithm: &dyn Algorithm) -> Option<&'static str> {
    choice(algorithm).map(|choice| choice.variant)
}

/// The variant that searches fastest, of those this CPU supports.
///
/// Takes up to 50 ms for each of them, or three [groups](Searcher::group) of nonces where those take longer, and
/// nothing when there are less than two. None when the algorithm has no variant that works here.
///
/// ```
/// use std::sync::OnceLock;
///
/// use adit_plugin::{Algorithm, Searcher, choose};
///
/// /// What `Algorithm::searcher` may be made of.
/// fn searcher(algorithm: &dyn Algorithm) -> Option<Box<dyn Searcher>> {
///     static FASTEST: OnceLock<Option<&'static str>> = OnceLock::new();
///     let name = FASTEST.get_or_init(|| choose::fastest(algorithm));
///     algorithm.searcher_of((*name)?)
/// }
/// ```
#[must_use]
pub fn choice(algorithm: &dyn Algorithm) -> Option<Choice> {
    let runs = algorithm.variants().into_iter().filter(|variant| variant.supported).filter_map(|variant| {
        let searcher = algorithm.searcher_of(variant.name)?;
        Some(Run::new(variant.name, searcher))
    });
    let mut runs: Vec<Run> = runs.collect();
    if runs.len() > 1 {
        let last = u64::try_from(algorithm.layout().nonce_end() - 1).unwrap_or(u64::MAX);
        let header = vec![0; algorithm.layout().header_len];
        runs.retain_mut(|run| run.prepare(&header, last));
        compete(&mut runs);
    }
    let best = runs.into_iter().min_by(|a, b| a.best.total_cmp(&b.best))?;
    Some(Choice { variant: best.name, hashes_per_s: best.best.is_finite().then(|| 1.0 / best.best) })
}

/// Gives turns until they or the time are used up, or one variant is left; how many turns.
fn compete(runs: &mut Vec<Run>) -> u32 {
    for turn in 1..=TURNS {
        runs.iter_mut().for_each(Run::turn);
        if turn < TRIAL_TURNS {
            continue;
        }
        let best = runs.iter().map(|run| run.best).fold(f64::INFINITY, f64::min);
        runs.retain(|run| run.best <= CLEARLY_SLOWER * best);
        if runs.len() < 2 || runs.iter().any(|run| run.spent >= ALL_TURNS) {
            return turn;
        }
    }
    TURNS
}

/// A variant under measurement.
struct Run {
    name: &'static str,
    searcher: Box<dyn Searcher>,
    /// Nonces of a turn.
    nonces: u64,
    /// Seconds for a nonce in the best turn so far.
    best: f64,
    /// On all turns so far.
    spent: Duration,
}

impl Run {
    fn new(name: &'static str, searcher: Box<dyn Searcher>) -> Self {
        Self { name, searcher, nonces: 1, best: f64::INFINITY, spent: Duration::ZERO }
    }

    /// Finds out how many nonces make a turn, of at most `last + 1`; says whether the variant takes
    /// the job.
    fn prepare(&mut self, header: &[u8], last: u64) -> bool {
        // A digest of zero: what every variant must do, and no hits.
        if self.searcher.set_job(header, &Target([0; 32])).is_err() {
            return false;
        }
        // What is hashed together anyway is measured together.
        self.nonces = self.searcher.group().min(last);
        while self.is_short() && self.nonces <= last / 2 {
            self.nonces *= 2;
        }
        true
    }

    /// Whether there is time for more in a turn. A run that was interrupted seems long, so two must be.
    fn is_short(&mut self) -> bool {
        self.time() < TURN / 2 || self.time() < TURN / 2
    }

    fn turn(&mut self) {
        let time = self.time();
        self.spent += time;
        self.best = self.best.min(time.as_secs_f64() / self.nonces as f64);
    }

    /// How long the nonces of a turn take.
    fn time(&mut self) -> Duration {
        let start = Instant::now();
        self.searcher.search(0, self.nonces - 1, &mut |_, _| {});
        start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DevBlock, Digest, Hits, Layout, LayoutError, Variant};

    /// An algorithm of nothing but variants: name, support, and what a nonce takes.
    struct Sleepy(&'static [(&'static str, bool, u64)]);

    struct Sleep(u64);

    impl Algorithm for Sleepy {
        fn name(&self) -> &'static str {
            "sleepy"
        }

        fn id(&self) -> u32 {
            0
        }

        fn layout(&self) -> Layout {
            Layout { header_len: 8, nonce_offset: 0, nonce_width: 8 }
        }

        fn digest(&self, _: &[u8]) -> Result<Digest, LayoutError> {
            Ok(Digest::default())
        }

        fn searcher(&self) -> Box<dyn Searcher> {
            Box::new(Sleep(0))
        }

        fn variants(&self) -> Vec<Variant> {
            self.0.iter().map(|&(name, supported, _)| Variant { name, supported }).collect()
        }

        fn searcher_of(&self, variant: &str) -> Option<Box<dyn Searcher>> {
            let found = self.0.iter().find(|(name, supported, _)| *name == variant && *supported);
            found.map(|&(_, _, nanoseconds)| Box::new(Sleep(nanoseconds)) as Box<dyn Searcher>)
        }

        fn dev_header(&self, _: &DevBlock<'_>) -> Vec<u8> {
            vec![0; 8]
        }
    }

    impl Searcher for Sleep {
        fn set_job(&mut self, _: &[u8], _: &Target) -> Result<(), LayoutError> {
            Ok(())
        }

        fn search(&mut self, start: u64, last: u64, _: &mut Hits<'_>) {
            std::thread::sleep(Duration::from_nanos(self.0) * (last - start + 1) as u32);
        }
    }

    #[test]
    fn the_fastest_that_works_here() {
        let variants = Sleepy(&[("slow", true, 4000), ("fast", true, 1000), ("absent", false, 1)]);
        assert_eq!(fastest(&variants), Some("fast"));
    }

    /// Takes a microsecond a nonce, and once, the first time, a hundred turns.
    struct Interrupted(bool);

    impl Searcher for Interrupted {
        fn set_job(&mut self, _: &[u8], _: &Target) -> Result<(), LayoutError> {
            Ok(())
        }

        fn search(&mut self, start: u64, last: u64, _: &mut Hits<'_>) {
            let late = if std::mem::replace(&mut self.0, false) { TURN * 100 } else { Duration::ZERO };
            std::thread::sleep(Duration::from_micros(last - start + 1) + late);
        }
    }

    #[test]
    fn an_interruption_makes_no_turn_short() {
        let mut run = Run::new("interrupted", Box::new(Interrupted(true)));
        assert!(run.prepare(&[0; 8], u64::MAX));
        assert!(run.nonces > 1);
    }

    #[test]
    fn slow_hashes_get_few_turns() {
        let sleep = |name, nanoseconds| Run::new(name, Box::new(Sleep(nanoseconds)));
        assert_eq!(compete(&mut vec![sleep("slow", 40_000_000), sleep("slower", 41_000_000)]), TRIAL_TURNS);
    }

    #[test]
    fn nothing_to_measure() {
        assert_eq!(fastest(&Sleepy(&[])), None);
        assert_eq!(fastest(&Sleepy(&[("absent", false, 1)])), None);
        // An hour a nonce: a single variant is not measured.
        assert_eq!(
            fastest(&Sleepy(&[("only", true, 3_600_000_000_000), ("absent", false, 1)])),
            Some("only")
        );
    }
}
