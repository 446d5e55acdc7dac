//! Generations and pauses. spec: SES-2.1, SES-2.2, SES-4.1

use std::time::{Duration, Instant};

use adit_abi as abi;
use adit_channel::session::Sizes;

use super::stop::busy;
use crate::{
    fault::{Checked, fault, skip},
    host::{Context, Host, UNITS},
    ledger::Expect,
    oracle::{Job, Known, target_for},
};

/// A dead unit may go on for so long; 10 ms are what hardware should allow.
const STALE: Duration = Duration::from_secs(1);

/// spec: SES-2.2, SES-4.1, SES-5.3
pub(super) fn job_switch_storm(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    let known = host.meet()?;
    let rate = host.rate(known)?;
    let units = storm(&mut host, known, rate)?;

    let longest = dead_units(&mut host, rate)?;
    let (mut complete, mut stale) = (0, 0);
    for done in host.ledger.iter().filter_map(|sent| sent.done) {
        complete += u32::from(done.status == abi::UNIT_COMPLETE);
        stale += u32::from(done.status == abi::UNIT_STALE);
    }
    context.notes.push(format!("{units} units in the storm; {complete} of all complete, {stale} stale"));
    context.notes.push(format!("slowest end of a dead unit: {:.1} ms", longest.as_secs_f64() * 1e3));
    Ok(())
}

/// A new job every 4 ms, some of them killing those before; the last unit completes.
fn storm(host: &mut Host, known: Known, rate: f64) -> Checked<u64> {
    let begin = Instant::now();
    let long = ((rate * 0.02) as u64).clamp(64, known.most_nonces());
    let mut units = 0;
    for roll in 100.. {
        let count = if roll % 4 == 0 { 24 } else { long };
        let posted = host.publish(&Job::new(known, roll, target_for(6.0, count as f64)));
        if roll % 3 != 0 {
            host.raise();
        }
        units += u64::from(host.try_send(&posted, roll, count, Expect::Work).is_some());
        host.pass("in a storm of jobs", Duration::from_millis(4))?;
        if begin.elapsed() > Duration::from_millis(1500) {
            break;
        }
    }
    let last = host.publish(&Job::new(known, 99, target_for(20.0, long as f64)));
    host.raise();
    let id = host.send(&last, 0, long, Expect::Work)?;
    host.finish("after a storm of jobs")?;
    let done = host.ledger.get(id).and_then(|sent| sent.done);
    if done.is_none_or(|done| done.status != abi::UNIT_COMPLETE) {
        return Err(fault("SES-5.3", "the last unit after a storm of jobs did not complete"));
    }
    Ok(units + 1)
}

/// How long units of a dead generation go on, at most.
fn dead_units(host: &mut Host, rate: f64) -> Checked<Duration> {
    let mut longest = Duration::ZERO;
    for roll in 0..5 {
        busy(host, rate)?;
        let known = host.known[0];
        host.publish(&Job::new(known, 200 + roll, target_for(0.0, 1.0)));
        let begin = Instant::now();
        // No message tells of it.
        host.raise();
        if !host.until("with a dead unit", STALE, |host| host.ledger.open() == 0)? {
            let what =
                format!("{} units went on for more than 1 s after their generation died", host.ledger.open());
            return Err(fault("SES-2.2", what));
        }
        longest = longest.max(begin.elapsed());
    }
    host.verify()?;
    Ok(longest)
}

/// spec: SES-2.1, SES-6.1
pub(super) fn pause_and_resume(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    let known = host.meet()?;
    let rate = host.rate(known)?;
    // Two seconds of work, or more if that was measured wrong.
    let mut count = 2.0 * rate;
    let id = loop {
        let id = paused(&mut host, known, count)?;
        if host.ledger.open() > 0 {
            break id;
        }
        if count >= known.most_nonces() as f64 {
            return Err(skip("the helper is too fast: the largest unit there is ended before the pause"));
        }
        host.control(abi::CONTROL_RUN);
        host.verify()?;
        count *= 8.0;
    };
    stands_still(&mut host)?;

    host.control(abi::CONTROL_RUN);
    if !host.until("after a pause", UNITS, |host| host.ledger.open() == 0)? {
        return Err(fault(
            "SES-2.1",
            format!("unit {id} did not end within {} s of the pause", UNITS.as_secs()),
        ));
    }
    host.finish("after a pause")?;
    let done = host.ledger.get(id).and_then(|sent| sent.done);
    if done.is_none_or(|done| done.status != abi::UNIT_COMPLETE) {
        return Err(fault("SES-2.1", "the unit did not complete after the pause"));
    }
    comes_in_a_pause(&mut host, known)
}

/// A unit for a helper that was idle when its pause began.
fn comes_in_a_pause(host: &mut Host, known: Known) -> Checked {
    host.control(abi::CONTROL_PAUSE);
    host.pass("while it comes to its pause", Duration::from_millis(200))?;
    let posted = host.publish(&Job::new(known, 8, target_for(10.0, 1000.0)));
    host.send(&posted, 0, 1000, Expect::Work)?;
    stands_still(host)?;
    host.control(abi::CONTROL_RUN);
    host.finish("with a unit that came in a pause")
}

/// Sends a unit of about `count` nonces and pauses the helper in the middle, if it is not over by then.
fn paused(host: &mut Host, known: Known, count: f64) -> Checked<u64> {
    let count = (count as u64).clamp(1000, known.most_nonces());
    let posted = host.publish(&Job::new(known, 7, target_for(400.0, count as f64)));
    let id = host.send(&posted, 0, count, Expect::Work)?;
    host.pass("before a pause", Duration::from_millis(200))?;
    host.control(abi::CONTROL_PAUSE);
    host.pass("while it comes to its pause", Duration::from_millis(400))?;
    Ok(id)
}

/// Half a second without hashes, with heartbeats.
fn stands_still(host: &mut Host) -> Checked {
    let (hashes, beats, found) = (host.hashes(), host.beats(), host.unasked);
    host.pass("in a pause", Duration::from_millis(600))?;
    let (hashed, found) = (host.hashes().wrapping_sub(hashes), host.unasked - found);
    if hashed > 0 || found > 0 {
        let what = format!("in a pause it hashed {hashed} nonces and sent {found} messages; expected: none");
        return Err(fault("SES-2.1", what));
    }
    let beats = host.beats() - beats;
    if beats < 3 {
        let what = format!("{beats} heartbeats in 600 ms of a pause; expected: one every 100 ms");
        return Err(fault("SES-6.1", what));
    }
    Ok(())
}
