//! Full rings, small rings, sleeping sides. spec: SES-3.1, SES-3.2, SES-3.3, SES-3.4

use std::time::{Duration, Instant};

use adit_channel::session::Sizes;
use adit_plugin::Target;

use super::rings;
use crate::{
    fault::{Checked, fault},
    host::{Context, Host},
    ledger::Expect,
    oracle::Job,
    regions::Regions,
};

/// spec: SES-3.1, SES-5.1, SES-5.3
pub(super) fn ring_wrap(context: &mut Context<'_>) -> Checked {
    let smallest = Sizes { board_slots: 1, ..rings(2, 2) };
    for (sizes, units) in [(rings(8, 16), 300), (smallest, 40)] {
        let mut host = context.open_on(Regions::apart(sizes)?, true)?;
        let known = host.meet()?;
        let posted = host.publish(&Job::new(known, 4, Target::from_zero_bits(1)));
        for unit in 0..units {
            host.send(&posted, 10 * unit, 1 + unit % 7, Expect::Work)?;
        }
        host.finish("with many small units")?;
    }
    Ok(())
}

/// spec: SES-3.2, SES-5.2, SES-6.1
pub(super) fn full_solution_ring(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(rings(16, 16))?;
    let known = host.meet()?;
    let posted = host.publish(&Job::new(known, 5, Target::MAX));
    host.reading = false;
    host.send(&posted, 0, 2000, Expect::Work)?;
    fills(&mut host)?;

    let before = host.beats();
    host.pass("while the solution ring is full", Duration::from_secs(1))?;
    let beats = host.beats() - before;
    if beats < 5 {
        let what =
            format!("{beats} heartbeats in a second with a full solution ring; expected: one every 100 ms");
        return Err(fault("SES-6.1", what));
    }
    host.reading = true;
    host.finish("after the solution ring was full")?;
    drop(host);
    impossible_head(context)?;
    head_that_goes_back(context)
}

/// The host's head says more than was ever sent: the helper keeps to the last one that could be, which leaves room in a
/// ring that it has hardly used. spec: SES-3.2
fn impossible_head(context: &Context<'_>) -> Checked {
    const LIE: u64 = 1 << 40;
    const DOING: &str = "while the solution ring's head is nonsense";
    let regions = Regions::new(rings(16, 64))?;
    regions.show_head(LIE);
    let mut host = context.open_on(regions, true)?;
    let known = host.meet()?;
    let posted = host.publish(&Job::new(known, 19, Target::MAX));
    host.reading = false;
    host.regions.show_head(LIE);
    host.send(&posted, 0, 1000, Expect::Work)?;
    if !host.until(DOING, Duration::from_secs(2), |host| host.regions.unread() > 0)? {
        let what =
            format!("nothing came while the host's head was {LIE}; expected: that the helper ignores it");
        return Err(fault("SES-3.2", what));
    }
    host.pass(DOING, Duration::from_millis(200))?;
    host.regions.show_head(host.regions.taken());
    host.reading = true;
    // What was written over is found here.
    host.finish("after the solution ring's head was nonsense")
}

/// The host's head goes back to where it was. The helper has seen the higher one, for it has used its room. spec: SES-3.2
fn head_that_goes_back(context: &Context<'_>) -> Checked {
    let mut host = context.open(rings(16, 16))?;
    let known = host.meet()?;
    let posted = host.publish(&Job::new(known, 20, Target::MAX));
    host.reading = false;
    // Three hits and the end find no room.
    host.send(&posted, 0, 19, Expect::Work)?;
    fills(&mut host)?;
    let before = host.regions.taken();
    (host.reading, host.regions.quiet) = (true, true);
    host.until("with a full ring", Duration::from_secs(2), |host| host.regions.taken() == before + 16)?;
    host.regions.show_head(before + 16);
    host.finish("with room for the rest of a unit")?;

    host.regions.show_head(before);
    // Four and ten are less than sixteen.
    host.send(&posted, 100, 9, Expect::Work)?;
    let ended = |host: &mut Host| host.ledger.open() == 0;
    if !host.until("after the solution ring's head went back", Duration::from_secs(2), ended)? {
        let what = format!(
            "it stopped sending when the host's head went from {} back to {before}; expected: that it ignores that",
            before + 16
        );
        return Err(fault("SES-3.2", what));
    }
    host.regions.quiet = false;
    host.regions.show_head(host.regions.taken());
    host.verify()
}

/// Waits until the solution ring of 16 is full.
fn fills(host: &mut Host) -> Checked {
    let full = |host: &mut Host| host.regions.unread() == 16;
    if host.until("while the solution ring fills", Duration::from_secs(3), full)? {
        return Ok(());
    }
    let what = format!(
        "{} messages in a solution ring of 16 after 3 s; expected: a full ring",
        host.regions.unread()
    );
    Err(fault("SES-5.2", what))
}

/// Heartbeats are far apart, so that a wake that gets lost is seen. spec: SES-3.3, SES-3.4
pub(super) fn sleep_and_wake(context: &mut Context<'_>) -> Checked {
    const HALF: u64 = 10;
    /// A loaded machine may spoil so many.
    const SPOILED: usize = 2;
    /// How long the host sleeps.
    const LIMIT: Duration = Duration::from_millis(250);
    /// Half of the units take no longer, besides their hashing: a helper that is not woken looks every few milliseconds.
    const USUAL: Duration = Duration::from_millis(50);
    /// Hashing of a unit without a hit, so that the host sleeps when its end comes.
    const HASHING: Duration = Duration::from_millis(10);
    let mut host = context.open(Sizes { heartbeat_ms: 5000, ..Sizes::default() })?;
    let known = host.meet()?;
    let nonces = (host.rate(known)? * HASHING.as_secs_f64()) as u64;
    let (mut forgotten, mut times) = (0, Vec::new());
    // The first message of an answer is a solution, or the unit's end.
    for (target, count) in
        [(Target::MAX, 1), (Target::from_zero_bits(60), nonces.clamp(1, known.most_nonces()))]
    {
        let posted = host.publish(&Job::new(known, 6, target));
        for round in 0..HALF {
            host.pass("before a unit that wakes it", Duration::from_millis(40))?;
            says_all(&mut host)?;
            host.regions.arm();
            let begin = Instant::now();
            host.send(&posted, round, count, Expect::Work)?;
            let slept_through = host.regions.sleep(LIMIT);
            forgotten += usize::from(slept_through);
            host.until("after a unit that wakes it", 10 * LIMIT, |host| host.ledger.open() == 0)?;
            let took = begin.elapsed();
            if host.ledger.open() > 0 {
                let what =
                    format!("a unit for a sleeping helper has not ended after {} ms", took.as_millis());
                return Err(fault("SES-3.3", what));
            }
            // A host that slept through the answer does not know when it came.
            if !slept_through {
                times.push(if count == 1 { took } else { took.saturating_sub(HASHING) });
            }
        }
    }
    if forgotten > SPOILED {
        let what =
            format!("{forgotten} of {} times it did not wake the host that slept on its answer", 2 * HALF);
        return Err(fault("SES-3.4", what));
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    if median > USUAL {
        let what = format!(
            "units for a sleeping helper took {:.0} ms, the median of {}; expected: 50 at most",
            ms(median),
            times.len()
        );
        return Err(fault("SES-3.3", what));
    }
    let what =
        format!("answers of a sleeping helper: {:.2} ms, the slowest {:.2} ms", ms(median), ms(longest));
    context.notes.push(what);
    host.finish("after waking")
}

/// What has nothing to do has published its head, and before it announced its sleep. spec: SES-3.2
fn says_all(host: &mut Host) -> Checked {
    let (mut looked, mut late) = (Instant::now(), false);
    let said = |host: &mut Host| {
        let sent = host.regions.sent();
        let waits = host.regions.helper_waits() == sent + 1;
        if host.regions.read_by_helper() == sent {
            return true;
        }
        // Two looks: the announcement may be seen a moment before the head.
        late = waits && looked.elapsed() > Duration::from_millis(5);
        if !waits {
            looked = Instant::now();
        }
        late
    };
    let seen = host.until("before it sleeps", Duration::from_secs(2), said)?;
    let (head, sent) = (host.regions.read_by_helper(), host.regions.sent());
    if seen && !late {
        return Ok(());
    }
    let doing = if late { "while it sleeps" } else { "without work" };
    Err(fault(
        "SES-3.2",
        format!("{doing} its head in the work ring is {head}; expected: {sent}, all that was sent"),
    ))
}
