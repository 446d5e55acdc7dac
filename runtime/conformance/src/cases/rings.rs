//! Full rings, small rings, sleeping sides. spec: SES-3.1, SES-3.2, SES-3.3, SES-3.4

use std::time::{Duration, Instant};

use adit_channel::session::Sizes;
use adit_plugin::Target;

use super::rings;
use crate::{
    fault::{Checked, fault},
    host::Context,
    ledger::Expect,
    oracle::Job,
};

/// spec: SES-3.1, SES-5.1, SES-5.3
pub(super) fn ring_wrap(context: &mut Context<'_>) -> Checked {
    let smallest = Sizes { board_slots: 1, ..rings(2, 2) };
    for (sizes, units) in [(rings(8, 16), 300), (smallest, 40)] {
        let mut host = context.open(sizes)?;
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
    host.until("while the solution ring fills", Duration::from_secs(3), |host| host.regions.unread() == 16)?;

    let before = host.beats();
    host.pass("while the solution ring is full", Duration::from_secs(1))?;
    let beats = host.beats() - before;
    if beats < 5 {
        let what =
            format!("{beats} heartbeats in a second with a full solution ring; expected: one every 100 ms");
        return Err(fault("SES-6.1", what));
    }
    host.reading = true;
    host.finish("after the solution ring was full")
}

/// Heartbeats are far apart, so that a wake that gets lost is seen. spec: SES-3.3, SES-3.4
pub(super) fn sleep_and_wake(context: &mut Context<'_>) -> Checked {
    const ROUNDS: u64 = 20;
    /// A loaded machine may spoil so many.
    const SPOILED: usize = 2;
    const LIMIT: Duration = Duration::from_millis(250);
    let mut host = context.open(Sizes { heartbeat_ms: 5000, ..Sizes::default() })?;
    let known = host.meet()?;
    let posted = host.publish(&Job::new(known, 6, Target::MAX));
    let (mut slow, mut forgotten, mut longest) = (0, 0, Duration::ZERO);
    for round in 0..ROUNDS {
        host.pass("before a unit that wakes it", Duration::from_millis(40))?;
        host.regions.arm();
        let begin = Instant::now();
        host.send(&posted, round, 1, Expect::Work)?;
        let slept_through = host.regions.sleep(LIMIT);
        forgotten += usize::from(slept_through);
        host.until("after a unit that wakes it", 10 * LIMIT, |host| host.ledger.open() == 0)?;
        let took = begin.elapsed();
        // A host that slept through the answer does not know when it came.
        slow += usize::from(took > LIMIT && !slept_through);
        longest = longest.max(took);
        if host.ledger.open() > 0 || slow > SPOILED {
            let what =
                format!("a unit for a sleeping helper took {} ms; expected: 250 at most", took.as_millis());
            return Err(fault("SES-3.3", what));
        }
    }
    if forgotten > SPOILED {
        let what = format!("{forgotten} of {ROUNDS} times it did not wake the host that slept on its answer");
        return Err(fault("SES-3.4", what));
    }
    context.notes.push(format!("slowest answer of a sleeping helper: {:.2} ms", longest.as_secs_f64() * 1e3));
    host.finish("after waking")
}
