//! Runs the plan.

use std::{
    io,
    time::{Duration, Instant},
};

use adit_bench_report::{
    row::{Metric, Place, Row},
    stats::{Summary, histogram},
};
use hdrhistogram::Histogram;
use serde_json::{Map, json};

use crate::{
    calibrate::Calibration,
    folder::Folder,
    lines::Lines,
    order::{Order, Role},
    plan::{Cell, Group},
    race::{self, Race},
    rest::Meeting,
    table::{Contestant, Peer, Work},
    trip::Trips,
    versions,
    worker::{Worker, WorkerCommand},
};

/// Messages a second.
pub const RATE: Metric = Metric { name: "msg_per_s", unit: "msg/s", more_is_better: true };

/// Nanoseconds there and back.
pub const TRIP: Metric = Metric { name: "ns_round_trip", unit: "ns", more_is_better: false };

/// Rounds of trips for one of throughput, each as much shorter: where the lines of a round lie matters more than
/// how often they are crossed.
const TRIP_ROUNDS: usize = 3;

/// A contestant that failed so often is not asked again.
const PATIENCE: usize = 2;

/// How long and how often.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Rounds of throughput.
    pub rounds: usize,
    /// How long one round lasts.
    pub round: Duration,
    /// The cores to put ends on.
    pub cores: Vec<u32>,
    /// Bytes of a queue; see [`Order::ring`].
    pub ring: usize,
}

/// Where a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The group that is measured.
    pub group: &'a Group,
    /// So many turns are over.
    pub done: usize,
    /// Of so many.
    pub all: usize,
    /// How long the rest will take, if it goes on like this.
    pub left: Duration,
}

/// The means of a run: other processes, memory between them, a folder.
#[derive(Debug)]
pub struct Field<'a> {
    contestants: &'a [Contestant],
    pace: &'a Pace,
    command: &'a WorkerCommand,
    workers: Vec<Worker>,
    lines: Lines,
    directory: Folder,
    memory: Folder,
    rounds: u64,
    /// For the order of turns.
    chance: u64,
}

/// What a cell came to so far.
#[derive(Debug)]
struct Results {
    figures: Vec<f64>,
    each: Option<Histogram<u64>>,
    messages: u64,
    invalid: usize,
    failures: Vec<String>,
}

/// One turn.
enum Turn {
    Race(Race),
    Trips(Trips),
}

impl<'a> Field<'a> {
    /// Prepares a run.
    ///
    /// # Errors
    /// There is no memory or no folder for temporary files.
    pub fn new(
        contestants: &'a [Contestant],
        pace: &'a Pace,
        command: &'a WorkerCommand,
    ) -> io::Result<Self> {
        Ok(Self {
            contestants,
            pace,
            command,
            workers: Vec::new(),
            lines: Lines::create()?,
            directory: Folder::new()?,
            memory: Folder::in_memory()?,
            rounds: 0,
            chance: u64::from(std::process::id()) | 1,
        })
    }

    /// Measures all groups and hands on each row when its group is done.
    pub fn run(
        &mut self,
        groups: &[Group],
        mut progress: impl FnMut(&Progress<'_>),
        mut row: impl FnMut(Row),
    ) {
        let turns = |group: &Group| group.cells.len() * (self.rounds_of(group) + 1);
        let all: usize = groups.iter().map(turns).sum();
        let (mut done, begin) = (0, Instant::now());
        for group in groups {
            let mut told = |turns: usize| {
                done += turns;
                let left = begin.elapsed().mul_f64((all - done) as f64 / done.max(1) as f64);
                progress(&Progress { group, done, all, left });
            };
            told(0);
            for (cell, results) in group.cells.iter().zip(self.group(group, &mut told)) {
                row(self.row(group, cell, results));
            }
        }
    }

    fn rounds_of(&self, group: &Group) -> usize {
        let trips = group.cells.iter().any(Cell::is_trip);
        if trips { self.pace.rounds * TRIP_ROUNDS } else { self.pace.rounds }
    }

    fn group(&mut self, group: &Group, told: &mut impl FnMut(usize)) -> Vec<Results> {
        let mut results: Vec<_> = group
            .cells
            .iter()
            .map(|cell| {
                let results = self.calibrate(cell);
                told(1);
                results
            })
            .collect();
        let mut turns: Vec<usize> = (0..group.cells.len()).collect();
        for _ in 0..self.rounds_of(group) {
            self.shuffle(&mut turns);
            for at in &turns {
                self.turn_into(&group.cells[*at], &mut results[*at]);
                told(1);
            }
        }
        results
    }

    /// Another order in each round, so that nobody always follows the same one.
    fn shuffle(&mut self, turns: &mut [usize]) {
        for at in (1..turns.len()).rev() {
            // Xorshift: any order will do.
            self.chance ^= self.chance << 13;
            self.chance ^= self.chance >> 7;
            self.chance ^= self.chance << 17;
            turns.swap(at, (self.chance % (at as u64 + 1)) as usize);
        }
    }

    fn turn_into(&mut self, cell: &Cell, results: &mut Results) {
        if results.failures.len() >= PATIENCE {
            return;
        }
        let turn = self.turn(cell, results.messages);
        [&self.directory, &self.memory].into_iter().for_each(Folder::remove_rings);
        match turn {
            Ok(Turn::Race(race)) => {
                results.figures.push(race.per_second);
                results.invalid += usize::from(!race.valid);
            }
            Ok(Turn::Trips(trips)) => {
                results.figures.push(trips.mean);
                results.invalid += usize::from(!trips.valid);
                let sum = results.each.get_or_insert_with(histogram);
                // The same bounds, so it fits.
                let _ = sum.add(&trips.each);
            }
            Err(failure) => {
                results.failures.push(failure);
                // One that hangs must not answer the next order.
                self.workers.clear();
            }
        }
    }

    /// Finds how many messages make a round.
    fn calibrate(&mut self, cell: &Cell) -> Results {
        let contestant = &self.contestants[cell.contestant];
        let mut results =
            Results { figures: Vec::new(), each: None, messages: 0, invalid: 0, failures: Vec::new() };
        let (round, least) = if cell.is_trip() {
            (self.pace.round / TRIP_ROUNDS as u32, 16)
        } else {
            (self.pace.round, 4 * cell.batch as u64)
        };
        let mut calibration = Calibration::new(if cell.bytes > 1 << 16 { 16 } else { 256 }, least, round);
        loop {
            let per_second = match self.turn(cell, calibration.messages()) {
                Ok(Turn::Race(race)) => race.per_second / contestant.senders as f64,
                Ok(Turn::Trips(trips)) => 1e9 / trips.mean,
                Err(failure) => {
                    results.failures = vec![failure; PATIENCE];
                    self.workers.clear();
                    break;
                }
            };
            if !calibration.turn(per_second) {
                break;
            }
        }
        results.messages = calibration.messages();
        results
    }

    fn order(&mut self, cell: &Cell, messages: u64) -> Order {
        let contestant = &self.contestants[cell.contestant];
        self.rounds += 1;
        let mut order = Order {
            contestant: cell.contestant,
            bytes: cell.bytes,
            batch: cell.batch,
            regime: cell.regime,
            mode: contestant.mode,
            senders: contestant.senders,
            receivers: contestant.receivers,
            messages,
            warm: 0,
            round: self.rounds,
            directory: self.directory.path(),
            memory: self.memory.path(),
            lines: self.lines.path(),
            cores: self.pace.cores.clone(),
            ring: self.pace.ring,
        };
        // Twice through the queue, and not much longer than a fifth of the round.
        let twice = 2 * order.slots() as u64;
        // Where there are several receivers, the first that is warm begins, and what warms the others is not counted: little.
        let part = if order.receivers > 1 { 50 } else { 5 };
        order.warm =
            if cell.is_trip() { twice.min(messages / 10).max(32) } else { twice.min(messages / part) };
        order.messages += order.warm;
        order
    }

    fn turn(&mut self, cell: &Cell, messages: u64) -> Result<Turn, String> {
        let order = self.order(cell, messages);
        match (self.contestants[cell.contestant].work, cell.is_trip()) {
            (Work::Pair { race, .. }, false) => race(&order).map(Turn::Race),
            (Work::Pair { trips, .. }, true) => trips(&order).map(Turn::Trips),
            (Work::Alone(race), false) => race(&order).map(Turn::Race),
            (Work::Named { end, processes: false, .. }, false) => {
                race::named_race(&order, end).map(Turn::Race)
            }
            (Work::Named { end, near, processes: false }, true) => {
                let answer = || end(&order, Role::Answerer).map(|_| ());
                race::two(answer, || near(&order)).map(Turn::Trips)
            }
            (Work::Named { end, processes: true, .. }, false) => self.race(&order, end).map(Turn::Race),
            (Work::Named { near, processes: true, .. }, true) => {
                self.trips(&order, || near(&order)).map(Turn::Trips)
            }
            (Work::Floor(floor), true) => self.trips(&order, || floor.near_end(&order)).map(Turn::Trips),
            (Work::Alone(_), true) | (Work::Floor(_), false) => Err("no such contest".into()),
        }
    }

    /// Worker `at`, started if there is none.
    fn worker(&mut self, at: usize) -> Result<&mut Worker, String> {
        while self.workers.len() <= at {
            self.workers.push(Worker::start(self.command)?);
        }
        Ok(&mut self.workers[at])
    }

    /// One receiver here, every other end in a process of its own.
    fn race(&mut self, order: &Order, end: race::End) -> Result<Race, String> {
        if order.has_company() {
            Meeting::new(order)?.reset();
        }
        let senders = (0..order.senders).map(Role::Sender);
        let roles: Vec<_> = senders.chain((1..order.receivers).map(Role::Receiver)).collect();
        for (at, role) in roles.iter().enumerate() {
            self.worker(at)?.order(order, *role)?;
        }
        let near = apart(|| race::receiver(end, order, 0));
        let mut accounts = vec![near];
        for at in 0..roles.len() {
            accounts.extend(self.worker(at)?.answer().transpose());
        }
        race::judge(order, &accounts.into_iter().collect::<Result<Vec<_>, _>>()?)
    }

    fn trips(
        &mut self,
        order: &Order,
        near: impl FnOnce() -> Result<Trips, String> + Send,
    ) -> Result<Trips, String> {
        self.worker(0)?.order(order, Role::Answerer)?;
        let trips = apart(near);
        self.worker(0)?.answer().and(trips)
    }

    fn row(&self, group: &Group, cell: &Cell, results: Results) -> Row {
        let contestant = &self.contestants[cell.contestant];
        let metric = if cell.is_trip() { TRIP } else { RATE };
        let mut summary = Summary::of(&results.figures);
        let valid = results.invalid == 0 && results.failures.is_empty() && summary.rounds > 0;
        let mut row = Row::new(contestant.name, metric, summary, valid);
        if let Some(each) = &results.each {
            let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
            row.percentiles = quantiles.map(|(name, at)| (name, each.value_at_quantile(at) as f64)).to_vec();
            summary.p99 = each.value_at_quantile(0.99) as f64;
            row.summary = summary;
        }
        row.peer = versions::peer(contestant);
        row.floor = contestant.peer == Peer::Floor;
        row.details = details(contestant, cell);
        row.reason = match (results.failures.first(), results.invalid) {
            (Some(failure), _) => Some(failure.clone()),
            (None, 0) => None,
            (None, count) => Some(format!("in {count} rounds what arrived is not what was sent")),
        };
        row.place = Place {
            plot: group.title.to_string(),
            label: label(contestant),
            series: match (contestant.batches || !row.floor, cell.batch) {
                _ if cell.is_trip() => String::new(),
                (false, _) => String::new(),
                (true, 1) => "one by one".into(),
                (true, _) => "in batches".into(),
            },
        };
        row
    }
}

fn details(contestant: &Contestant, cell: &Cell) -> Map<String, serde_json::Value> {
    let mut details = Map::new();
    details.insert("transport".into(), json!(contestant.transport));
    details.insert("mode".into(), json!(contestant.mode.name()));
    details.insert("bytes".into(), json!(cell.bytes));
    details.insert("batch".into(), json!(cell.batch));
    details.insert("regime".into(), json!(cell.regime.name()));
    details
}

/// For people: whose, how, where.
fn label(contestant: &Contestant) -> String {
    let Contestant { name, transport, .. } = contestant;
    match contestant.peer {
        Peer::Own => match name.split_once(':') {
            None => format!("{name} {transport}"),
            Some((name, rest)) => format!("{name} {transport}, {}", rest.replace('-', " ")),
        },
        Peer::Floor => name.trim_start_matches("floor:").replace('-', " "),
        _ => (*name).to_owned(),
    }
}

/// In a thread of its own, which the near end pins.
fn apart<T: Send>(near: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        scope.spawn(near).join().unwrap_or_else(|_| Err("the near end panicked".into()))
    })
}
