//! A job board that is ahead of a unit, or does not stand still. spec: SES-2.2, SES-4.1

use std::{
    hint::spin_loop,
    mem::offset_of,
    time::{Duration, Instant},
};

use adit_abi::{self as abi, JobSlot};
use adit_channel::session::Sizes;
use adit_plugin::Target;

use super::rings;
use crate::{
    entry::Entry,
    fault::{Checked, Stop},
    host::{Context, Host},
    ledger::Expect,
    noise::Noise,
    oracle::{Job, Known},
};

/// How long boards are torn, at least.
const TIME: Duration = Duration::from_millis(700);
/// So many looks shall have met a slot that was not whole: half of all do, unless others have the processors.
const MET: usize = 400;
/// How long boards are torn, at most.
const LONGEST: Duration = Duration::from_secs(7);
/// How long the slot changes, until the helper says something.
const READING: Duration = Duration::from_millis(5);
/// And stands still for so many turns of a loop at most, some tenths of a microsecond.
const WHOLE: u64 = 64;

/// spec: SES-2.2, SES-4.1, SES-5.4
pub(super) fn stale_units(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes { board_slots: 4, ..Sizes::default() })?;
    let known = host.meet()?;
    let job = |roll| Job::new(known, roll, Target::MAX);

    let replaced = host.publish(&job(40));
    for roll in 41..45 {
        host.publish(&job(roll));
    }
    host.send(&replaced, 0, 100, Expect::Stale)?;
    host.finish("with a unit whose board slot has another job")?;

    let posted = host.publish(&job(45));
    let at = host.regions.board_slot(posted.slot) + offset_of!(JobSlot, sequence);
    let even = host.regions.own.load(at);
    host.regions.own.store(at, even + 1);
    host.send(&posted, 0, 100, Expect::Stale)?;
    host.finish("with a board slot that is being written")?;
    host.regions.own.store(at, even + 2);
    host.send(&posted, 0, 100, Expect::Work)?;
    host.finish("with that board slot, whole again")?;

    let dead = host.publish(&job(46));
    let unknown = |entry: &mut Entry| entry.algorithm = u32::from_le_bytes(*b"????");
    let dead_and_unknown = host.publish_entry(unknown, &job(47));
    host.publish(&job(48));
    host.raise();
    host.send(&dead, 0, 100, Expect::Stale)?;
    host.send(&dead_and_unknown, 0, 100, Expect::Stale)?;
    host.send(&dead, 0, 0, Expect::Invalid)?;
    host.finish("with units of a dead generation")
}

/// Two jobs take turns in the one board slot while a unit of the first is read. Whatever it reports must be that job's: a
/// copy that is a mixture has another header, or a target that nothing meets.
///
/// spec: SES-4.1, SES-5.2
pub(super) fn torn_board(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes { board_slots: 1, ..rings(16, 256) })?;
    let known = host.meet()?;
    let (begin, mut noise) = (Instant::now(), Noise::new(30));
    let (mut units, mut enough) = (0, TIME);
    while begin.elapsed() < enough {
        torn_unit(&mut host, known, &mut noise).map_err(blame)?;
        units += 1;
        if begin.elapsed() >= TIME {
            enough = if ended(&host, abi::UNIT_STALE) < MET { LONGEST } else { TIME };
        }
    }
    let complete = ended(&host, abi::UNIT_COMPLETE);
    context.notes.push(format!("{units} units, {complete} of all complete, the others stale"));
    Ok(())
}

/// How many units ended so.
fn ended(host: &Host, status: u32) -> usize {
    host.ledger.iter().filter_map(|sent| sent.done).filter(|done| done.status == status).count()
}

fn torn_unit(host: &mut Host, known: Known, noise: &mut Noise) -> Checked {
    let mut job = |target| {
        let mut header = vec![0; known.plugin().layout().header_len];
        noise.fill(&mut header);
        Job { algorithm: known, header, target }
    };
    let (first, second) = (job(Target::MAX), job(Target::from_zero_bits(60)));
    let posted = host.publish(&first);
    // The slot has a newer generation: to end stale is right, too.
    let newer = host.publish(&second).generation;
    let entries = [second.entry(newer), first.entry(posted.generation)];
    host.regions.write_board(posted.slot, &entries[1]);
    host.send(&posted, noise.next() >> 33, 1, Expect::Work)?;
    let begin = Instant::now();
    while host.regions.unread() == 0 && begin.elapsed() < READING {
        for entry in &entries {
            host.regions.write_board(posted.slot, entry);
            // As long as it takes to write it, so that it is whole in half of all looks.
            for _ in 0..noise.next() % WHOLE {
                spin_loop();
            }
        }
    }
    host.finish("with a board slot that changed while it was read")
}

/// Wrong hits are the fault of a torn copy here.
fn blame(stop: Stop) -> Stop {
    match stop {
        Stop::Fault(what) => {
            Stop::Fault(format!("{what}, of a board slot that changed while it was read [SES-4.1]"))
        }
        other => other,
    }
}
