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
    apart::Apart,
    entry::Entry,
    fault::{Checked, Stop},
    host::{Context, Host},
    ledger::Expect,
    noise::Noise,
    oracle::{Job, Known},
};

/// How long boards are torn, at least.
const TIME: Duration = Duration::from_millis(700);
/// So many looks of a helper that ran at the same time shall have met a slot that was not whole, as half of all do.
const MET: usize = 400;
/// How long boards are torn, at most.
const LONGEST: Duration = Duration::from_secs(7);
/// How long the slot changes, until the helper says something.
const READING: Duration = Duration::from_millis(5);
/// And stands still for so many turns of a loop at most, some tenths of a microsecond.
const WHOLE: u64 = 64;
/// A change that took longer was interrupted: what the helper read meanwhile stood still, whole or not.
const INTERRUPTED: Duration = Duration::from_micros(20);

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
    let apart = Apart::begin();
    context.cpus.clone_from(&apart.helper);
    let mut host = context.open(Sizes { board_slots: 1, ..rings(16, 256) })?;
    let known = host.meet()?;
    let (begin, mut noise) = (Instant::now(), Noise::new(30));
    let mut ends = Ends::default();
    while begin.elapsed() < if ends.met < MET { LONGEST } else { TIME } {
        torn_unit(&mut host, known, &mut noise, &mut ends).map_err(blame)?;
    }
    let Ends { units, complete, met } = ends;
    context.notes.push(format!(
        "{units} units, {complete} of all complete, the others stale; {met} of these by a look during the change"
    ));
    if met < MET {
        context.notes.push(format!(
            "that is too few to tell, of {MET}: run it where host and helper have a processor each"
        ));
    }
    Ok(())
}

/// How units ended.
#[derive(Default)]
struct Ends {
    units: usize,
    complete: usize,
    /// Stale, and the slot changed all the time until then.
    met: usize,
}

fn torn_unit(host: &mut Host, known: Known, noise: &mut Noise, ends: &mut Ends) -> Checked {
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
    let id = host.send(&posted, noise.next() >> 33, 1, Expect::Work)?;
    let changed = change(host, posted.slot, &entries, noise);
    host.finish("with a board slot that changed while it was read")?;
    let ended = host.ledger.get(id).and_then(|sent| sent.done).map(|done| done.status);
    ends.units += 1;
    ends.complete += usize::from(ended == Some(abi::UNIT_COMPLETE));
    ends.met += usize::from(changed && ended == Some(abi::UNIT_STALE));
    Ok(())
}

/// Writes them in turn until the helper says something; whether it did so without a break.
fn change(host: &Host, slot: u32, entries: &[Entry; 2], noise: &mut Noise) -> bool {
    let begin = Instant::now();
    let (mut before, mut longest) = (begin, Duration::ZERO);
    while host.regions.unread() == 0 && before - begin < READING {
        for entry in entries {
            host.regions.write_board(slot, entry);
            // As long as it takes to write it, so that it is whole in half of all looks.
            for _ in 0..noise.next() % WHOLE {
                spin_loop();
            }
        }
        let now = Instant::now();
        longest = longest.max(now - before);
        before = now;
    }
    before > begin && longest < INTERRUPTED
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
