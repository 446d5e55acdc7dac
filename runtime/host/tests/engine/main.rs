//! What the engine does, one behaviour a test; `simulation` looks for what nobody thought of.

#![allow(clippy::single_range_in_vec_init, reason = "a ledger with one span")]

#[path = "../simulation/toy.rs"]
#[allow(dead_code, reason = "the simulator uses all of it")]
mod toy;

mod bench;
mod patience;

use std::{sync::Arc, time::Duration};

use adit_channel::session::UnitStatus;
use adit_host::{
    engine::{Action, Assignment, Config, DeviceId, Engine, Event, Fault, MAX_LEASES, Sizing},
    job::{Job, JobKey, NonceRange, Share},
};
use adit_plugin::{Digest, Target};
use bench::*;
use toy::{NARROW, Rolls, WIDE, hash, one_in, prefix};

#[test]
fn a_device_holds_a_unit_and_the_next() {
    let (mut bench, first) = Bench::started(NO_CANARIES, 1 << 30, 0);
    assert_eq!(first.len(), 2);
    assert_eq!((first[0].nonce_start, first[1].nonce_start), (0, first[0].nonce_count));
    let next = bench.complete(0, &first[0]);
    assert_eq!(next.len(), 1, "the next is sent while the second is in work");
    assert!(next[0].unit > first[1].unit);
}

#[test]
fn a_device_that_comes_later_gets_units_at_once() {
    let (mut bench, _) = Bench::started(NO_CANARIES, 1 << 30, 0);
    assert_eq!(bench.up(1).len(), 2);
}

#[test]
fn unit_size_goes_where_the_rate_says() {
    let (mut bench, mut held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    let per_nonce = Duration::from_micros(5);
    for _ in 0..8 {
        let unit = held.remove(0);
        bench.now += per_nonce * unit.nonce_count as u32;
        held.extend(bench.complete(0, &unit));
    }
    let settled = held[1].nonce_count as f64;
    assert!((18_000.0..=22_000.0).contains(&settled), "{settled}, 20000 nonces take the 100 ms");
    for _ in 0..20 {
        let slow = held.remove(0);
        bench.now += 4 * per_nonce * slow.nonce_count as u32;
        held.extend(bench.complete(0, &slow));
    }
    let slowed = held[1].nonce_count as f64;
    assert!((4_500.0..=5_600.0).contains(&slowed), "{slowed}, it slowed down fourfold");
}

#[test]
fn the_preferred_unit_is_the_first_within_limits() {
    let mut bench = Bench::new(NO_CANARIES);
    for (device, preferred, first) in [(0, 500, 500), (1, 1, SIZING.least), (2, u64::MAX, SIZING.most)] {
        bench.step(Event::DeviceUp { device, trusted: false, preferred_unit: preferred });
        bench.job(job(device as u64 + 1, 1 << 30, 0));
        assert_eq!(bench.sent_to(device)[0].nonce_count, first);
    }
}

#[test]
fn a_lost_unit_is_leased_again_and_halves_the_size() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    bench.down(0);
    assert_eq!(bench.engine.ledger(1).unwrap().returned, [0..100, 100..200]);
    let again = bench.up(0);
    assert!(again.iter().all(|unit| unit.nonce_count == 50 && unit.nonce_start < 200), "{again:?}");
    assert!(again[0].unit > held[1].unit, "under a new number");
    assert_eq!(bench.engine.stats(0).lost, 2);
}

#[test]
fn a_failed_unit_goes_to_another_device_and_halves_the_size() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    let next = bench.end(0, &held[0], UnitStatus::Failed, 0);
    assert_eq!((next[0].nonce_start, next[0].nonce_count), (0, 50));
    assert_eq!(bench.up(1)[0].nonce_start, 50, "what is left of it");
}

#[test]
fn the_ledger_shows_where_every_position_is() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    bench.up(1);
    bench.complete(0, &held[0]);
    bench.down(1);
    let ledger = bench.engine.ledger(1).unwrap();
    assert_eq!(ledger.searched, [0..100]);
    // A full unit that took no time: the next is four times as large.
    assert_eq!(ledger.leased, [100..200, 400..800]);
    assert_eq!(ledger.returned, [200..300, 300..400]);
    assert_eq!(bench.engine.ledger(2), None);
}

#[test]
fn a_stopped_unit_counts_as_far_as_it_came_and_no_other_follows() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    assert!(bench.end(0, &held[0], UnitStatus::Stopped, 30).is_empty(), "its session stops");
    let ledger = bench.engine.ledger(1).unwrap();
    assert_eq!((&ledger.searched[..], &ledger.returned[..]), (&[0..30][..], &[30..100][..]));
    assert_eq!(bench.up(0).len(), 2, "a new session");
}

#[test]
fn a_stale_unit_of_a_dead_job_is_no_fault() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    let next = bench.job(job(2, 1 << 30, 0));
    assert!(matches!(bench.actions[0], Action::RaiseGeneration(g) if g <= next[0].header.generation
        && g > held[0].header.generation));
    for unit in &held {
        assert!(bench.end(0, unit, UnitStatus::Stale, 17).is_empty());
        assert_eq!(bench.fault(), None);
    }
    assert_eq!(bench.engine.ledger(1), None);
    assert!(bench.engine.ledger(2).unwrap().searched.is_empty());
}

#[test]
fn one_that_does_not_know_the_algorithm_waits_for_another_job() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    assert!(bench.end(0, &held[0], UnitStatus::UnknownAlgorithm, 0).is_empty());
    assert!(matches!(bench.actions[..], [Action::Unable { device: 0, algorithm: "narrow" }]));
    bench.end(0, &held[1], UnitStatus::UnknownAlgorithm, 0);
    assert!(bench.actions.is_empty(), "once is enough: {:?}", bench.actions);
    assert_eq!(bench.up(1)[0].nonce_count, 100, "others go on");
    assert_eq!(bench.job(job(2, 1 << 30, 0)).len(), 2, "it is asked again");
}

#[test]
fn one_that_refuses_everything_is_distrusted() {
    let (mut bench, mut held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    for _ in 0..7 {
        let unit = held.remove(0);
        held.extend(bench.end(0, &unit, UnitStatus::Invalid, 0));
        assert_eq!(bench.fault(), None);
    }
    bench.end(0, &held[0], UnitStatus::Invalid, 0);
    assert_eq!(bench.fault(), Some(Fault::Refuses(UnitStatus::Invalid)));
    assert!(bench.complete(0, &held[1]).is_empty() && bench.actions.is_empty(), "nothing is taken from it");
}

#[test]
fn each_solution_is_submitted_once() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 16);
    let nonce = hits(&held[0])[0];
    bench.solution(0, &held[0], nonce);
    let share = bench.shares()[0];
    assert_eq!((share.job, share.roll, share.nonce), (1, 0, nonce));
    assert_eq!(share.digest, hash(prefix(&held[0].header.bytes), nonce));
    assert!(bench.solution(0, &held[0], nonce).is_empty(), "a duplicate is no fault and no share");
    bench.down(0);
    let again = bench.up(1).into_iter().find(|unit| hits(unit).contains(&nonce)).unwrap();
    assert!(bench.solution(1, &again, nonce).is_empty(), "nor is it one for whoever searches it again");
    assert_eq!(bench.engine.stats(0).solutions + bench.engine.stats(1).solutions, 1);
}

#[test]
fn a_solution_that_comes_after_a_clean_job_is_dropped() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 16);
    bench.job(job(2, 1 << 30, 16));
    assert!(bench.solution(0, &held[0], hits(&held[0])[0]).is_empty());
    bench.step(Event::NoJob);
    assert!(matches!(bench.actions[..], [Action::RaiseGeneration(_)]), "{:?}", bench.actions);
    assert!(bench.complete(0, &held[0]).is_empty(), "and there is nothing to do");
}

#[test]
fn a_job_that_is_not_clean_leaves_the_units_of_the_one_before_their_worth() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 16);
    assert!(bench.job(Job { clean: false, ..job(2, 1 << 30, 16) }).is_empty(), "the device has two units");
    bench.solution(0, &held[0], hits(&held[0])[0]);
    assert_eq!(bench.shares()[0].job, 1);
    assert_eq!(bench.complete(0, &held[0])[0].header.job, 2);
    assert_eq!(bench.engine.ledger(1).unwrap().searched, [0..100]);
}

#[test]
fn what_is_wrong_with_a_solution_is_said() {
    type Misdeed = fn(&Assignment) -> Event;
    let cases: [(Misdeed, Fault); 5] = [
        (|unit| solution(unit.unit, 3, Digest([0; 32])), Fault::WrongDigest { nonce: 3 }),
        (|unit| solution(unit.unit, 3, hash(prefix(&unit.header.bytes), 3)), Fault::AboveTarget { nonce: 3 }),
        (|unit| solution(unit.unit, 100, Digest([0; 32])), Fault::OutsideUnit { nonce: 100, unit: 1 }),
        (|_| solution(77, 3, Digest([0; 32])), Fault::UnknownUnit { unit: 77 }),
        (
            |unit| Event::Done { device: 0, unit: unit.unit, status: UnitStatus::Complete, hashes: 99 },
            Fault::WrongCount { said: 99, given: 100 },
        ),
    ];
    for (event, fault) in cases {
        let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
        bench.step(event(&held[0]));
        assert_eq!(bench.fault(), Some(fault));
        assert_eq!(bench.engine.ledger(1).unwrap().returned.len(), 2, "its leases go back");
        assert_eq!(bench.engine.stats(0).faults, 1);
    }
}

#[test]
fn exhausted_comes_once_when_the_last_lease_ends() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 80, 0);
    assert_eq!(held.iter().map(|unit| unit.nonce_count).collect::<Vec<_>>(), [40, 20], "it is shared out");
    let last = bench.complete(0, &held[0]);
    assert_eq!(last[0].nonce_count, 10);
    let tail = bench.complete(0, &held[1]);
    bench.complete(0, &last[0]);
    assert!(bench.exhausted().is_empty());
    bench.complete(0, &tail[0]);
    assert_eq!(bench.exhausted(), [1]);
    assert!(bench.up(1).is_empty() && bench.actions.is_empty(), "and nothing more");
    assert_eq!(bench.engine.ledger(1).unwrap().searched, [0..80]);
}

#[test]
fn a_job_with_nothing_to_search_is_exhausted_at_once() {
    let mut bench = Bench::new(NO_CANARIES);
    bench.job(Job { first_roll: 1, ..job(1, 80, 0) });
    assert_eq!(bench.exhausted(), [1]);
}

#[test]
fn the_end_of_a_space_is_shared_among_devices() {
    let mut bench = Bench::new(NO_CANARIES);
    (0..4).for_each(|device| drop(bench.up(device)));
    bench.job(job(1, 200, 0));
    let counts: Vec<_> =
        (0..4).flat_map(|device| bench.sent_to(device)).map(|unit| unit.nonce_count).collect();
    assert_eq!(counts.len(), 8, "everyone has two units");
    assert!(counts.iter().all(|count| *count <= 25), "{counts:?}");
}

const CANARIES: Config = Config { canary_interval: 4, ..NO_CANARIES };

#[test]
fn one_unit_in_so_many_is_a_canary_and_who_searches_finds_it() {
    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    let mut canaries = Vec::new();
    for unit in 0..12 {
        let next = held.remove(0);
        if next.header.target > one_in(u64::MAX) {
            canaries.push(unit);
            assert!(!hits(&next).is_empty());
        }
        held.extend(bench.search(0, &next));
        assert_eq!(bench.fault(), None);
    }
    assert_eq!(canaries, [2, 6, 10]);
    assert_eq!(bench.engine.stats(0).canaries, 3);
    assert_eq!(bench.engine.stats(0).solutions, 0, "a canary is no share");
}

#[test]
fn who_misses_a_canary_has_searched_nothing_since_the_last() {
    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    for _ in 0..3 {
        let unit = held.remove(0);
        held.extend(bench.search(0, &unit));
    }
    let proven = bench.engine.ledger(1).unwrap().searched;
    for _ in 3..7 {
        assert_eq!(bench.fault(), None);
        let unit = held.remove(0);
        held.extend(bench.complete(0, &unit));
    }
    assert!(matches!(bench.fault(), Some(Fault::MissedCanary { .. })));
    let ledger = bench.engine.ledger(1).unwrap();
    // The canary itself is what a device did last; it proves what came before.
    assert_eq!(ledger.searched, [0..200]);
    assert!(ledger.leased.is_empty() && proven[0].end > 200);
    let returned: u128 = ledger.returned.iter().map(|span| span.end - span.start).sum();
    let everything: u128 = ledger.returned.iter().map(|span| span.end).max().unwrap();
    assert_eq!(returned + 200, everything, "all of it is searched again");
}

#[test]
fn a_part_of_a_canary_unit_is_judged_as_a_part() {
    for (status, caught) in
        [(UnitStatus::Stopped, true), (UnitStatus::Stale, true), (UnitStatus::Failed, false)]
    {
        let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
        for _ in 0..2 {
            let unit = held.remove(0);
            held.extend(bench.search(0, &unit));
        }
        bench.end(0, &held[0], status, held[0].nonce_count);
        assert_eq!(bench.fault().is_some(), caught, "{status}");
    }
}

#[test]
fn a_canary_that_dies_with_its_job_blames_nobody() {
    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    for _ in 0..2 {
        let unit = held.remove(0);
        held.extend(bench.search(0, &unit));
    }
    bench.job(job(2, 1 << 30, 0));
    bench.search(0, &held[0]);
    assert_eq!(bench.fault(), None);
}

#[test]
fn a_restart_is_no_way_past_a_canary() {
    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    for _ in 0..2 {
        let unit = held.remove(0);
        held.extend(bench.complete(0, &unit));
    }
    bench.down(0);
    let again = bench.up(0);
    bench.complete(0, &again[0]);
    assert!(matches!(bench.fault(), Some(Fault::MissedCanary { .. })));
    assert!(bench.engine.ledger(1).unwrap().searched.is_empty());
}

#[test]
fn one_that_does_not_answer_holds_a_bounded_number_of_units() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    let mut count = held.len();
    for key in 2..20 {
        bench.now += MS;
        count += bench.job(job(key, 1 << 30, 0)).len();
    }
    assert_eq!(count, MAX_LEASES);
    assert_eq!(bench.end(0, &held[0], UnitStatus::Stale, 0)[0].header.job, 19);
}
