//! Rates and job switches of one algorithm on one device.

use std::time::{Duration, Instant};

use adit_bench_report::{
    machine::cpu_seconds,
    stats::{Histogram, histogram},
};
use adit_channel::session::UnitStatus;
use anyhow::{Context as _, Result, ensure};

use super::{Contest, drive::Driven};

/// Rounds of a measurement, whose rates are told.
const ROUNDS: u32 = 5;
/// Units held by the helper.
const UNITS: usize = 4;
/// How long a unit should take: as long as those that the host gives out.
const UNIT: Duration = Duration::from_millis(200);
/// Launches and units find their size meanwhile.
const WARM: Duration = Duration::from_secs(2);
/// Nonces of the first unit: few, for what makes some tens a second.
const FIRST: u64 = 8;
/// A rate is known after so long.
const LONG_ENOUGH: Duration = Duration::from_millis(50);
/// The most job switches of a measurement.
const SWITCHES: u32 = 100;

/// What a device reaches.
pub struct Rates {
    /// Of each round.
    pub hashes_per_s: Vec<f64>,
    /// On average.
    pub nonces_per_launch: f64,
    /// Cores that the helper kept busy; of a device that is the CPU, the kernels too.
    pub helper_cpus: f64,
    /// Cores that this process kept busy.
    pub host_cpus: f64,
    /// Bytes that came from the device a second.
    pub copied_back_per_s: f64,
}

/// From publishing a job, while launches of the job before are in flight.
pub struct Switches {
    /// How many were timed.
    pub count: u64,
    /// Until the device worked for it.
    pub switch: Times,
    /// Until its first unit, of one nonce, had ended with a hit.
    pub answer: Times,
}

/// How long something took.
pub struct Times {
    /// The middle one.
    pub p50: Duration,
    /// Of a hundred, the second longest.
    pub p99: Duration,
}

impl Times {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| Duration::from_nanos(times.value_at_quantile(quantile));
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// Keeps a device busy with one job.
pub fn rates(contest: &Contest, launch_us: u32, seconds: Duration) -> Result<Rates> {
    let mut driven = Driven::start(contest, launch_us)?;
    driven.publish(false)?;
    let begin = Instant::now();
    for _ in 0..UNITS {
        driven.send(FIRST)?;
    }
    let mut next = FIRST;
    let mut feed = |driven: &mut Driven| -> Result<u64> {
        let done = driven.done()?;
        ensure!(done.status == UnitStatus::Complete, "a unit of the live job is stale");
        let ideal = done.hashes as f64 * UNIT.as_secs_f64() / (done.nanoseconds.max(1) as f64 / 1e9);
        next = (ideal as u64).clamp(next / 2, next * 4).max(1);
        driven.send(next)?;
        Ok(done.hashes)
    };
    while begin.elapsed() < WARM {
        feed(&mut driven)?;
    }
    let (mut hashes_per_s, wall) = (Vec::new(), Instant::now());
    let cpu = |pid| (cpu_seconds(pid), cpu_seconds(None));
    let before = cpu(driven.pid());
    for _ in 0..ROUNDS {
        let (begin, mut hashes) = (Instant::now(), 0);
        while begin.elapsed() < seconds / ROUNDS {
            hashes += feed(&mut driven)?;
        }
        hashes_per_s.push(hashes as f64 / begin.elapsed().as_secs_f64());
    }
    let after = cpu(driven.pid());
    let wall = wall.elapsed().as_secs_f64();
    let all = begin.elapsed().as_secs_f64();
    let numbers = driven.stop()?;
    let number = |name: &str| {
        numbers.get(name).map(|number| *number as f64).with_context(|| format!("it does not tell {name}"))
    };
    Ok(Rates {
        hashes_per_s,
        nonces_per_launch: number("nonces")? / number("launches")?.max(1.0),
        helper_cpus: (after.0 - before.0) / wall,
        host_cpus: (after.1 - before.1) / wall,
        copied_back_per_s: number("copied_back")? / all,
    })
}

/// Hashes a second, of a unit that is long enough for its launches to have found their size.
fn rate(driven: &mut Driven) -> Result<f64> {
    let mut nonces = FIRST;
    loop {
        let begin = Instant::now();
        driven.send(nonces)?;
        let done = driven.done()?;
        let seconds = (done.nanoseconds.max(1) as f64 / 1e9).min(begin.elapsed().as_secs_f64());
        if seconds >= LONG_ENOUGH.as_secs_f64() || done.hashes < nonces {
            return Ok(done.hashes as f64 / seconds);
        }
        nonces = nonces.saturating_mul(4);
    }
}

/// Changes jobs while the device is busy.
pub fn switches(contest: &Contest, launch_us: u32, seconds: Duration) -> Result<Switches> {
    let mut driven = Driven::start(contest, launch_us)?;
    let (mut switches, mut answers) = (histogram(), histogram());
    // One unit of the old job must last longer than the wait before the switch.
    driven.publish(false)?;
    let mut rate = rate(&mut driven)?;
    let begin = Instant::now();
    for _ in 0..SWITCHES {
        driven.publish(false)?;
        let busy = [driven.send((rate * 0.5) as u64)?, driven.send((rate * 0.5) as u64)?];
        std::thread::sleep(Duration::from_micros(u64::from(launch_us) * 4).max(Duration::from_millis(2)));
        let moment = Instant::now();
        driven.publish(true)?;
        let first = driven.send(1)?;
        let mut switched = None;
        loop {
            let done = driven.done_after(|| {
                switched.get_or_insert_with(|| moment.elapsed());
            })?;
            if done.unit_id == first {
                ensure!(done.status == UnitStatus::Complete, "a unit of the live job is stale");
                break;
            }
            if busy.contains(&done.unit_id) && done.nanoseconds > 0 && done.hashes > 0 {
                rate = rate.max(done.hashes as f64 / (done.nanoseconds as f64 / 1e9));
            }
        }
        let answered = moment.elapsed();
        ensure!(driven.found(first), "a unit whose nonce is a hit ended without it, or with another digest");
        answers.saturating_record(answered.as_nanos() as u64);
        switches.saturating_record(switched.unwrap_or(answered).as_nanos() as u64);
        if begin.elapsed() > seconds {
            break;
        }
    }
    driven.stop()?;
    Ok(Switches { count: switches.len(), switch: Times::of(&switches), answer: Times::of(&answers) })
}
