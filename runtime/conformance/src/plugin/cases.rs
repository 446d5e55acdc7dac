//! The cases, as they are played in the child.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Barrier,
    thread,
    time::Instant,
};

use adit_plugin::{Algorithm, DevBlock, Digest, Searcher, Target};

use super::{PluginFinding, hits::Job};

/// One case of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PluginCase {
    /// The file is loaded and its table checked.
    Load,
    /// The digest is a function of the header.
    Digest,
    /// Headers of a development chain.
    DevHeader,
    /// Every nonce is a hit.
    EveryHit,
    /// Some nonces are hits.
    SomeHits,
    /// No nonce is a hit.
    NoHits,
    /// Single nonces and the ends of the nonce space.
    EdgeRanges,
    /// A digest that equals the target, and one just above.
    ExactTarget,
    /// The same search again.
    Repeat,
    /// Jobs by turns.
    JobSwitch,
    /// Searches that are stopped.
    Stop,
    /// Searchers on several threads.
    Threads,
    /// Many searchers, made, moved and ended.
    Searchers,
}

/// How many nonces a case compares at most.
const MOST: u64 = 1500;
/// And at least, however slow the hash.
const LEAST: u64 = 24;
/// How often a search may ask on whether it is wanted once it was told that it is not.
const PATIENCE: u64 = 16;
/// How long the oracle may take for one range, in seconds.
const SECONDS: f64 = 0.15;

/// And all rounds of a case of one variant together, about.
const ROUNDS_SECONDS: f64 = 4.0;

impl PluginCase {
    /// Every case, in the order in which they are best run.
    pub const ALL: &[Self] = &[
        Self::Load,
        Self::Digest,
        Self::DevHeader,
        Self::EveryHit,
        Self::SomeHits,
        Self::NoHits,
        Self::EdgeRanges,
        Self::ExactTarget,
        Self::Repeat,
        Self::JobSwitch,
        Self::Stop,
        Self::Threads,
        Self::Searchers,
    ];

    /// Its name on command lines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Digest => "digest",
            Self::DevHeader => "dev-header",
            Self::EveryHit => "every-hit",
            Self::SomeHits => "some-hits",
            Self::NoHits => "no-hits",
            Self::EdgeRanges => "edge-ranges",
            Self::ExactTarget => "exact-target",
            Self::Repeat => "repeat",
            Self::JobSwitch => "job-switch",
            Self::Stop => "stop",
            Self::Threads => "threads",
            Self::Searchers => "searchers",
        }
    }

    /// What it does and expects, in a sentence.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::Load => "The file loads, and its table and functions make sense.",
            Self::Digest => {
                "The same header has the same digest, on four threads at once; another has another."
            }
            Self::DevHeader => "Headers of a development chain differ with parent, height and roll, nonce 0.",
            Self::EveryHit => "Every nonce is a hit: each is reported once, in order, with its digest.",
            Self::SomeHits => {
                "One nonce in eight is a hit: from odd starts and with odd counts, exactly those."
            }
            Self::NoHits => "No nonce is a hit, and none is reported; nor without a job.",
            Self::EdgeRanges => "Single nonces, and ranges that begin and end with the nonce space.",
            Self::ExactTarget => {
                "A digest that equals the target is a hit, one that is above it by 1 is not."
            }
            Self::Repeat => "The same search finds the same again, with this searcher and with others.",
            Self::JobSwitch => "Two jobs by turns, whose nonces hold garbage: each finds its own hits.",
            Self::Stop => {
                "A search that may be stopped has missed nothing up to its last hit, and asks no more then."
            }
            Self::Threads => "Four searchers with a job each, on four threads at once.",
            Self::Searchers => "Searchers are made on one thread and used on others, many after each other.",
        }
    }

    /// The clauses of docs/spec/plugin.md that it checks.
    #[must_use]
    pub fn clauses(&self) -> &'static [&'static str] {
        match self {
            Self::Load => &["PLG-1.1", "PLG-1.2", "PLG-1.3", "PLG-3.2", "PLG-5.1"],
            Self::Digest => &["PLG-2.1", "PLG-3.1"],
            Self::DevHeader => &["PLG-3.3"],
            Self::EveryHit | Self::SomeHits | Self::NoHits | Self::EdgeRanges | Self::ExactTarget => {
                &["PLG-4.3"]
            }
            Self::Repeat => &["PLG-3.1", "PLG-4.3"],
            Self::JobSwitch => &["PLG-4.2", "PLG-4.3"],
            Self::Stop => &["PLG-5.4"],
            Self::Threads | Self::Searchers => &["PLG-2.1", "PLG-4.1"],
        }
    }

    /// Plays the case with a plugin that is loaded.
    pub(super) fn play(self, algorithm: &dyn Algorithm) -> Result<(), PluginFinding> {
        match self {
            Self::Load => Ok(()),
            Self::Digest => digests(algorithm),
            Self::DevHeader => headers(algorithm),
            _ => searchers(algorithm).into_iter().try_for_each(|(variant, make)| {
                let seconds = cost(algorithm);
                let bench = Bench { algorithm, variant, make: &make, most: most(seconds), seconds };
                match self {
                    Self::EveryHit => bench.check(0, Target::MAX, &[(0, bench.most)]),
                    Self::SomeHits => bench.some_hits(),
                    Self::NoHits => bench.no_hits(),
                    Self::EdgeRanges => bench.edges(),
                    Self::ExactTarget => bench.exact(),
                    Self::Repeat => bench.repeat(),
                    Self::JobSwitch => bench.switch(),
                    Self::Stop => bench.stop(),
                    Self::Threads => bench.threads(),
                    _ => bench.many(),
                }
            }),
        }
    }
}

type Make<'a> = Box<dyn Fn() -> Box<dyn Searcher> + Sync + 'a>;

/// Each variant that works here, and how to make its searchers; the algorithm's own where there is none to choose.
fn searchers(algorithm: &dyn Algorithm) -> Vec<(&'static str, Make<'_>)> {
    let variants = algorithm.variants();
    if variants.is_empty() {
        return vec![("the search", Box::new(|| algorithm.searcher()))];
    }
    let supported = variants.into_iter().filter(|variant| variant.supported);
    let make = |name: &'static str| -> Make<'_> {
        Box::new(move || algorithm.searcher_of(name).unwrap_or_else(|| panic!("no searcher of {name}")))
    };
    supported.map(|variant| (variant.name, make(variant.name))).collect()
}

/// How long a digest takes, in seconds.
fn cost(algorithm: &dyn Algorithm) -> f64 {
    let header = header(algorithm, 0);
    let begin = Instant::now();
    for _ in 0..4 {
        let _ = algorithm.digest(&header);
    }
    begin.elapsed().as_secs_f64() / 4.0
}

/// How many nonces to compare, by the time of a digest.
fn most(seconds: f64) -> u64 {
    ((SECONDS / seconds.max(1e-9)) as u64).clamp(LEAST, MOST)
}

fn header(algorithm: &dyn Algorithm, roll: u64) -> Vec<u8> {
    algorithm.dev_header(&block(1, 5, roll))
}

fn block(parent: u8, height: u64, roll: u64) -> DevBlock<'static> {
    static PARENTS: [Digest; 3] = [Digest([0; 32]), Digest([1; 32]), Digest([2; 32])];
    const TARGET: Target = Target([0x7f; 32]);
    DevBlock {
        parent: &PARENTS[usize::from(parent)],
        height,
        time_us: 1_700_000_000_000_000,
        roll,
        target: &TARGET,
    }
}

/// spec: PLG-3.1
fn digests(algorithm: &dyn Algorithm) -> Result<(), PluginFinding> {
    let count = (most(cost(algorithm)) / 4).max(8);
    let all = |reverse: bool| {
        let mut rolls: Vec<u64> = (0..count).collect();
        if reverse {
            rolls.reverse();
        }
        let mut digests: Vec<(u64, Digest)> = rolls
            .into_iter()
            .map(|roll| (roll, algorithm.digest(&header(algorithm, roll)).unwrap_or_default()))
            .collect();
        digests.sort_by_key(|it| it.0);
        digests
    };
    let first = all(false);
    let others: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|at| scope.spawn(move || all(at % 2 == 0))).collect();
        threads.into_iter().map(|it| it.join().unwrap_or_default()).collect()
    });
    if others.iter().any(|other| *other != first) {
        let what = "the digest of a header was another when four threads hashed it [PLG-2.1, PLG-3.1]";
        return Err(PluginFinding::new("not-deterministic", what));
    }
    let same = first.windows(2).filter(|pair| pair[0].1 == pair[1].1).count();
    if same > 0 {
        let what = format!("{same} of {count} different headers have their neighbour's digest [PLG-3.1]");
        return Err(PluginFinding::new("wrong-digest", what));
    }
    Ok(())
}

/// spec: PLG-3.3
fn headers(algorithm: &dyn Algorithm) -> Result<(), PluginFinding> {
    let fault = |what: &str| Err(PluginFinding::new("wrong-header", format!("{what} [PLG-3.3]")));
    let first = algorithm.dev_header(&block(1, 5, 0));
    if algorithm.dev_header(&block(1, 5, 0)) != first {
        return fault("the same block has two headers");
    }
    if algorithm.layout().nonce(&first) != 0 {
        return fault("the nonce is not 0");
    }
    for (what, other) in [
        ("another parent", block(2, 5, 0)),
        ("another height", block(1, 6, 0)),
        ("another roll", block(1, 5, 1)),
        ("a roll of 2^63", block(1, 5, 1 << 63)),
    ] {
        if algorithm.dev_header(&other) == first {
            return fault(&format!("a block with {what} has the same header"));
        }
    }
    Ok(())
}

/// A variant under test.
struct Bench<'a> {
    algorithm: &'a dyn Algorithm,
    variant: &'static str,
    make: &'a Make<'a>,
    /// How many nonces to compare.
    most: u64,
    /// Of one digest.
    seconds: f64,
}

impl<'a> Bench<'a> {
    fn job(&self, roll: u64, target: Target) -> Job<'a> {
        Job { algorithm: self.algorithm, variant: self.variant, header: header(self.algorithm, roll), target }
    }

    /// How often something is done with so many nonces each time: less often where a hash is slow, which is no fault.
    fn rounds(&self, usual: u64, nonces: u64) -> u64 {
        // The oracle hashes as many.
        let one = 2.0 * self.seconds * nonces as f64;
        ((ROUNDS_SECONDS / one.max(1e-9)) as u64).clamp(4, usual)
    }

    /// A fresh searcher looks through each range: first nonce and count.
    fn check(&self, roll: u64, target: Target, ranges: &[(u64, u64)]) -> Result<(), PluginFinding> {
        let job = self.job(roll, target);
        let mut searcher = (self.make)();
        job.set(&mut *searcher)?;
        ranges.iter().try_for_each(|&(start, count)| job.check(&mut *searcher, start, start + (count - 1)))
    }

    fn some_hits(&self) -> Result<(), PluginFinding> {
        let part = self.most / 8;
        let ranges: Vec<(u64, u64)> = (0..8).map(|at| (1000 * at + 3 * at, part + at)).collect();
        self.check(1, Target::from_zero_bits(3), &ranges)?;
        // What follows from one group to the next shows where there are several, if the oracle can do as many.
        let groups = 2 * (self.make)().group() + 3;
        if groups > self.most && groups as f64 * self.seconds < 4.0 * SECONDS {
            self.check(1, Target::from_zero_bits(8), &[(0, groups), (7, groups)])?;
        }
        Ok(())
    }

    fn no_hits(&self) -> Result<(), PluginFinding> {
        let mut searcher = (self.make)();
        if let Some(hit) = Job::reported(&mut *searcher, 0, 99).first() {
            let what = format!("nonce {} was reported without a job [PLG-4.3]", hit.0);
            return Err(PluginFinding::new("wrong-hit", what));
        }
        self.check(2, Target([0; 32]), &[(0, self.most)])
    }

    fn edges(&self) -> Result<(), PluginFinding> {
        let last = u64::try_from(self.algorithm.layout().nonce_end() - 1).unwrap_or(u64::MAX);
        let part = self.most / 8;
        let mut ranges =
            vec![(0, 1), (1, 1), (16, 1), (31, 2), (last, 1), (last - 1, 2), (last - part, part + 1)];
        ranges.extend([((1 << 31) - part / 2, part), ((1 << 16) - 3, 6)]);
        if last > 1 << 32 {
            ranges.extend([
                ((1 << 32) - 1, 1),
                (1 << 32, 1),
                ((1 << 32) - part / 2, part),
                ((1 << 48) - 3, 6),
                // A carry out of the lower 16 bits alone, between those.
                ((1 << 40) + (5 << 16) - 3, 6),
            ]);
        }
        self.check(3, Target::MAX, &ranges)?;
        self.check(3, Target::from_zero_bits(1), &ranges)
    }

    /// spec: PLG-4.3
    fn exact(&self) -> Result<(), PluginFinding> {
        for nonce in [0, 7, 8, 17] {
            let mut job = self.job(4, Target::MAX);
            job.target = Target(job.digest(nonce).0);
            let mut searcher = (self.make)();
            job.set(&mut *searcher)?;
            job.check(&mut *searcher, 0, LEAST - 1)?;
            job.target = just_below(job.target);
            job.set(&mut *searcher)?;
            job.check(&mut *searcher, 0, LEAST - 1)?;
        }
        Ok(())
    }

    fn repeat(&self) -> Result<(), PluginFinding> {
        let job = self.job(5, Target::from_zero_bits(2));
        let mut searcher = (self.make)();
        job.set(&mut *searcher)?;
        let last = self.most / 2;
        let first = Job::reported(&mut *searcher, 0, last);
        for round in 0..6 {
            if round == 3 {
                searcher = (self.make)();
                job.set(&mut *searcher)?;
            }
            let again = Job::reported(&mut *searcher, 0, last);
            if again != first {
                let what = format!(
                    "{} found {} hits in 0 ..= {last}, and {} in the same again [PLG-4.3]",
                    self.variant,
                    first.len(),
                    again.len()
                );
                return Err(PluginFinding::new("not-deterministic", what));
            }
        }
        Ok(())
    }

    /// spec: PLG-4.2
    fn switch(&self) -> Result<(), PluginFinding> {
        let mut searcher = (self.make)();
        let layout = self.algorithm.layout();
        for turn in 0..self.rounds(12, LEAST) {
            let bits = [1, 3, 0, 2][turn as usize % 4];
            let mut job = self.job(turn % 3, Target::from_zero_bits(bits));
            layout.set_nonce(&mut job.header, turn.wrapping_mul(0x0123_4567_89ab_cdef));
            job.set(&mut *searcher)?;
            job.check(&mut *searcher, 5 * turn, 5 * turn + LEAST)?;
        }
        Ok(())
    }

    /// spec: PLG-5.4
    fn stop(&self) -> Result<(), PluginFinding> {
        let job = self.job(6, Target::from_zero_bits(1));
        let mut searcher = (self.make)();
        job.set(&mut *searcher)?;
        let last = self.most / 4;
        for allowed in [u64::MAX, 0, 1, 5] {
            let (mut asked, mut hits) = (0, Vec::new());
            let whole =
                searcher.search_while(0, last, &mut |nonce, digest| hits.push((nonce, digest)), &mut || {
                    asked += 1;
                    asked <= allowed
                });
            if asked > allowed.saturating_add(PATIENCE) {
                let what = format!(
                    "{} was told {} times to stop its search, and went on [PLG-5.4]",
                    self.variant,
                    asked - allowed
                );
                return Err(PluginFinding::new("not-stopped", what));
            }
            let searched = if whole { Some(last) } else { hits.last().map(|hit| hit.0) };
            searched.map_or(Ok(()), |searched| job.compare(&hits, 0, searched))?;
        }
        // Nothing of it is left behind.
        job.check(&mut *searcher, 0, last)
    }

    /// spec: PLG-2.1
    fn threads(&self) -> Result<(), PluginFinding> {
        let together = Barrier::new(4);
        let work = |roll: u64| {
            let job = self.job(roll, Target::from_zero_bits(2));
            // One that cannot be made (there is no memory for four, say) keeps nobody waiting.
            let ready = catch_unwind(AssertUnwindSafe(|| {
                let mut searcher = (self.make)();
                job.set(&mut *searcher).map(|()| searcher)
            }));
            // Every job is set before any is searched: one that is in another's place shows at once.
            together.wait();
            let mut searcher = ready.unwrap_or_else(|panic| resume_unwind(panic))?;
            (0..self.rounds(8, LEAST)).try_for_each(|at| job.check(&mut *searcher, 40 * at, 40 * at + LEAST))
        };
        let work = &work;
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|roll| scope.spawn(move || work(roll))).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result.map_err(|finding: PluginFinding| PluginFinding {
                    what: format!("{}; alone it may be right: searchers must share nothing", finding.what),
                    ..finding
                }),
                Err(panic) => resume_unwind(panic),
            })
        })
    }

    /// spec: PLG-4.1
    fn many(&self) -> Result<(), PluginFinding> {
        for round in 0..self.rounds(64, 4) {
            let mut searcher = (self.make)();
            let unused = (self.make)();
            let job = self.job(round % 5, Target::from_zero_bits(1));
            job.set(&mut *searcher)?;
            let moved =
                thread::scope(|scope| scope.spawn(|| job.check(&mut *searcher, round, round + 3)).join());
            moved.unwrap_or_else(|panic| resume_unwind(panic))?;
            drop(unused);
        }
        Ok(())
    }
}

/// The target that is smaller by 1; that of 0 is 0.
fn just_below(target: Target) -> Target {
    let mut bytes = target.0;
    for byte in &mut bytes {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            return Target(bytes);
        }
    }
    target
}
