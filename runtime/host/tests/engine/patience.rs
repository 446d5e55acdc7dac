//! How long a device is believed.

use super::*;

#[test]
fn what_is_said_again_is_not_hashed_again() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 16);
    let share = hits(&held[0])[0];
    bench.solution(0, &held[0], share);
    // Wrong now, and nobody looks.
    assert!(bench.step(solution(held[0].unit, share, Digest([0; 32]))).is_empty());

    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    for _ in 0..2 {
        let unit = held.remove(0);
        held.extend(bench.search(0, &unit));
    }
    for nonce in hits(&held[0]) {
        bench.solution(0, &held[0], nonce);
        assert!(bench.step(solution(held[0].unit, nonce, Digest([0; 32]))).is_empty());
    }
    bench.complete(0, &held[0]);
    assert_eq!((bench.fault(), bench.engine.stats(0).canaries), (None, 1));
}

#[test]
fn one_that_searches_no_canary_is_distrusted() {
    let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
    let mut canaries = 0;
    while bench.fault().is_none() {
        let next = held.remove(0);
        let is_canary = next.header.target > one_in(u64::MAX);
        canaries += u32::from(is_canary);
        assert!(canaries <= 8);
        held.extend(match is_canary {
            true => bench.end(0, &next, UnitStatus::Failed, 0),
            false => bench.search(0, &next),
        });
    }
    assert_eq!((bench.fault(), canaries), (Some(Fault::Refuses(UnitStatus::Failed)), 8));
    assert!(bench.engine.ledger(1).unwrap().searched.is_empty(), "what it never proved is searched again");
}

#[test]
fn one_whose_heart_beats_and_that_ends_nothing_is_overdue() {
    let (mut bench, held) = Bench::started(NO_CANARIES, 1 << 30, 0);
    let second = 1000 * MS;
    let overdue = |bench: &Bench, seconds| bench.engine.overdue(0, seconds * second).is_some();
    assert!(!overdue(&bench, 600) && overdue(&bench, 601), "nobody knows its rate");
    bench.now = second;
    bench.complete(0, &held[0]);
    assert!(!overdue(&bench, 61) && overdue(&bench, 62), "it has done a hundred a second");
    let rate = |bench: &Bench, seconds| bench.engine.rate(0, seconds * second).round();
    assert_eq!([1, 2, 3, 11, 101].map(|seconds| rate(&bench, seconds)), [100.0, 100.0, 100.0, 10.0, 1.0]);
    bench.end(0, &held[1], UnitStatus::Stopped, 0);
    assert!(!overdue(&bench, 11) && overdue(&bench, 12), "it said that it stops");
    bench.down(0);
    assert_eq!((overdue(&bench, 1000), rate(&bench, 2)), (false, 0.0));
}

#[test]
fn what_was_learnt_of_one_algorithm_is_not_believed_of_another() {
    let (mut bench, mut held) = Bench::started(NO_CANARIES, 1 << 40, 0);
    for _ in 0..8 {
        let unit = held.remove(0);
        held.extend(bench.complete(0, &unit));
    }
    assert!(held.last().unwrap().nonce_count > 10_000);
    assert!(bench.job(job(2, 1 << 40, 0))[0].nonce_count > 10_000, "the same algorithm");
    let sent = bench.job(Job { algorithm: Arc::new(WIDE), ..job(3, 1 << 40, 0) });
    assert_eq!(sent[0].nonce_count, 100);
    // One of the job before, as far as it came.
    bench.now += MS;
    bench.end(0, &held[1], UnitStatus::Stale, held[1].nonce_count / 2);
    assert_eq!(bench.engine.rate(0, bench.now), 0.0);
}

/// To know no algorithm while a canary is there, or to wait until its job is over, is no way past it.
#[test]
fn a_canary_that_was_not_searched_comes_again() {
    let is_canary = |unit: &Assignment| unit.header.target > one_in(u64::MAX);
    for waits in [false, true] {
        let (mut bench, mut held) = Bench::started(CANARIES, 1 << 30, 0);
        while !is_canary(&held[0]) {
            let next = held.remove(0);
            held.extend(bench.search(0, &next));
        }
        if !waits {
            bench.end(0, &held[0], UnitStatus::UnknownAlgorithm, 0);
        }
        let again = bench.job(job(2, 1 << 30, 0));
        assert!(again.iter().any(is_canary), "waits: {waits}");
    }
}
