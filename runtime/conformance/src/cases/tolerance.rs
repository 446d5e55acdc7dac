//! What a helper must not look at, must skip and must refuse. spec: SES-1.2, SES-5.4

use std::mem::offset_of;

use adit_abi::{self as abi, Control, HostHeader, HostRegion, JobSlot, ReaderCursor, Slot};
use adit_channel::session::Sizes;
use adit_plugin::Target;

use crate::{
    entry::Entry,
    fault::Checked,
    host::{Context, Host},
    ledger::Expect,
    noise::Noise,
    oracle::{Job, Known},
    regions::Regions,
};

/// spec: SES-1.2, SES-4.2
pub(super) fn garbage_in_reserved(context: &mut Context<'_>) -> Checked {
    let regions = Regions::apart(Sizes::default())?;
    let mut noise = Noise::new(1);
    scatter(&regions, &mut noise);
    let mut host = context.open_on(regions, true)?;
    host.garbage = [noise.next(), noise.next()];
    host.meet()?;
    for roll in 0..4 {
        good_units(&mut host, 300 + roll)?;
    }
    Ok(())
}

/// Fills all that a device of version 1 has no use for.
fn scatter(regions: &Regions, noise: &mut Noise) {
    let own = &regions.own;
    let mut fill = |offset: usize, bytes: usize| {
        for offset in (offset..offset + bytes).step_by(4) {
            own.store32(offset, noise.next() as u32);
        }
    };
    let control = offset_of!(HostRegion, control);
    // What the files' sizes are is what counts.
    fill(offset_of!(HostHeader, region_size), 16);
    fill(offset_of!(HostHeader, host_pid), 4);
    fill(offset_of!(HostHeader, reserved), 172);
    fill(control + offset_of!(Control, reserved0), 4);
    fill(control + offset_of!(Control, reserved), 48);
    fill(offset_of!(HostRegion, solution_reader) + offset_of!(ReaderCursor, reserved), 48);
    fill(offset_of!(HostRegion, reserved), 128);
    for slot in 0..regions.sizes.board_slots {
        fill(regions.board_slot(slot), size_of::<JobSlot>());
        // Half of the unused slots look as if they were being written; none is close to the counter's end.
        let sequence = regions.board_slot(slot) + offset_of!(JobSlot, sequence);
        own.store(sequence, own.load(sequence) >> 8);
    }
    // Payloads that were never published.
    for slot in 0..u64::from(regions.sizes.work_slots) {
        fill(regions.work_slot(slot), offset_of!(Slot, sequence));
    }
    own.store(offset_of!(HostHeader, features), u64::MAX);
    let flags = own.load32(offset_of!(HostHeader, flags));
    own.store32(offset_of!(HostHeader, flags), flags | !abi::FLAG_FENCED);
}

/// A unit of each algorithm that the helper knows, checked like all.
fn good_units(host: &mut Host, roll: u64) -> Checked {
    for known in host.known.clone() {
        let posted = host.publish(&Job::new(known, roll, Target::from_zero_bits(4)));
        host.send(&posted, 1000, 1500, Expect::Work)?;
    }
    host.finish("with a good unit")
}

/// spec: SES-5.4
pub(super) fn unknown_algorithm(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    let known = host.meet()?;
    for algorithm in [*b"????", [0; 4], [0xff; 4]] {
        let change = |entry: &mut Entry| entry.algorithm = u32::from_le_bytes(algorithm);
        let posted = host.publish_entry(change, &Job::new(known, 10, Target::MAX));
        host.send(&posted, 0, 100, Expect::UnknownAlgorithm)?;
        host.finish("with an unknown algorithm")?;
        good_units(&mut host, 11)?;
    }
    Ok(())
}

/// spec: SES-5.1, SES-5.4
pub(super) fn invalid_unit(context: &mut Context<'_>) -> Checked {
    const FOUR: u64 = 1 << 32;
    let mut host = context.open(Sizes::default())?;
    let known = host.meet()?;
    let mut units: Vec<(Known, u64, u64)> = vec![
        (known, 0, 0),
        (known, u64::MAX, 0),
        (known, u64::MAX - 3, 10),
        (known, u64::MAX, 2),
        (known, 2, u64::MAX),
    ];
    if host.known.contains(&Known::Sha256d) {
        let four = [(FOUR - 5, 10), (FOUR, 1), (5, FOUR), (u64::MAX, 1)];
        units.extend(four.map(|(start, count)| (Known::Sha256d, start, count)));
    }
    for (known, start, count) in units {
        let posted = host.publish(&Job::new(known, 12, Target::MAX));
        host.send(&posted, start, count, Expect::Invalid)?;
        host.finish(&format!("with a unit of {count} nonces from {start}, {known}"))?;
        good_units(&mut host, 13)?;
    }
    for slot in [host.regions.sizes.board_slots, u32::MAX] {
        let mut posted = host.publish(&Job::new(known, 14, Target::MAX));
        posted.slot = slot;
        host.send(&posted, 0, 100, Expect::Invalid)?;
        host.finish(&format!("with a unit of board slot {slot}"))?;
        good_units(&mut host, 15)?;
    }
    nonsense_on_board(&mut host, known)
}

/// Entries that no host publishes: refused, and nothing is read or written out of bounds.
fn nonsense_on_board(host: &mut Host, known: Known) -> Checked {
    type Change = fn(&mut Entry);
    let changes: [(&str, Change); 8] = [
        ("a header of 0 bytes", |entry| entry.header_len = 0),
        ("a header of 513 bytes", |entry| entry.header_len = 513),
        ("a header of 2^32 - 1 bytes", |entry| entry.header_len = u32::MAX),
        ("a header of 4 bytes more than its algorithm's", |entry| entry.header_len += 4),
        ("a header of 512 bytes", |entry| entry.header_len = 512),
        ("a nonce of 3 bytes", |entry| entry.nonce_width = 3),
        ("a nonce that ends behind its header", |entry| entry.nonce_offset = entry.header_len - 1),
        ("a nonce at 2^32 - 1", |entry| entry.nonce_offset = u32::MAX),
    ];
    for (what, change) in changes {
        let posted = host.publish_entry(change, &Job::new(known, 16, Target::MAX));
        host.send(&posted, 0, 100, Expect::Invalid)?;
        host.finish(&format!("with a board slot of {what}"))?;
        good_units(host, 17)?;
    }
    // Two reasons: which of them is looked at first is the helper's own affair.
    let both = |entry: &mut Entry| (entry.algorithm, entry.header_len) = (u32::from_le_bytes(*b"????"), 513);
    let posted = host.publish_entry(both, &Job::new(known, 16, Target::MAX));
    host.send(&posted, 0, 100, Expect::Refused)?;
    host.finish("with a header of 513 bytes of an unknown algorithm")?;
    good_units(host, 17)
}

/// spec: SES-5.4
pub(super) fn unknown_message(context: &mut Context<'_>) -> Checked {
    const KINDS: [u32; 8] = [
        abi::MESSAGE_NONE,
        abi::MESSAGE_SOLUTION,
        abi::MESSAGE_DONE,
        abi::MESSAGE_HELLO,
        7,
        99,
        0x8000_0001,
        u32::MAX,
    ];
    let mut host = context.open(Sizes::default())?;
    let known = host.meet()?;
    let posted = host.publish(&Job::new(known, 18, Target::from_zero_bits(1)));
    for round in 0..20 {
        for kind in KINDS {
            // Else as good as a unit.
            let unit =
                [u64::from(kind) | u64::from(posted.slot) << 32, posted.generation, 4711, round, 10, 0, 0];
            let room = |host: &mut Host| host.regions.push(&unit);
            host.until("with messages of unknown kinds", crate::host::UNITS, room)?;
        }
        host.send(&posted, 100 * round, 20, Expect::Work)?;
    }
    host.finish("with messages of unknown kinds")
}
