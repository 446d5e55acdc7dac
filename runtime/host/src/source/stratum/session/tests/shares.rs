//! What becomes of shares.

use super::*;

#[test]
fn every_form_of_an_answer_to_a_share() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let key = bench.job().key;
    let forms = [
        (json!({ "result": true, "error": null }), None),
        (json!({ "result": true }), None),
        (json!({ "result": "true", "error": [] }), None),
        (json!({ "result": { "status": "OK" }, "error": false }), None),
        (json!({ "result": false }), Some("rejected without a reason")),
        (json!({ "result": null, "error": null }), Some("rejected without a reason")),
        (
            json!({ "result": null, "error": [23, "Low difficulty share", null] }),
            Some("Low difficulty share (code 23)"),
        ),
        (json!({ "result": false, "error": [21] }), Some("stale or unknown job (code 21)")),
        (json!({ "error": { "code": "22", "message": "dup" } }), Some("dup (code 22)")),
        (json!({ "error": { "odd": 1 } }), Some("no reason given")),
        (json!({ "error": "no\u{7}" }), Some("no ")),
        (json!({ "error": 25 }), Some("not subscribed (code 25)")),
        (json!({ "error": true }), Some("true")),
    ];
    for (nonce, (form, reason)) in forms.into_iter().enumerate() {
        bench.submit(key, 0, nonce as u64);
        let mut form = form;
        form["id"] = json!(bench.sent.last().unwrap()["id"].to_string());
        bench.say(&form);
        let verdict = Verdict {
            share: bench.shares,
            accepted: reason.is_none(),
            reason: reason.map(Into::into),
            block: false,
        };
        match bench.events.last() {
            Some(SourceEvent::Verdict(got)) => assert_eq!(*got, verdict, "{form}"),
            other => panic!("{form}: {other:?}"),
        }
    }
}

#[test]
fn some_shares_need_no_pool() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let first = bench.job().key;
    bench.submit(first, 0, 1);
    let sent = bench.sent.len();
    for (roll, nonce, why) in
        [(0, 1, "duplicate"), (u64::MAX, 1, "no such header"), (0, 1 << 32, "wider than 32 bits")]
    {
        bench.submit(first, roll, nonce);
        assert!(bench.refusal().contains(why), "{}", bench.refusal());
    }
    bench.call("mining.notify", notify("b", true));
    bench.submit(first, 0, 2);
    assert!(bench.refusal().contains("stale"));
    assert_eq!(bench.sent.len(), sent);
    // Old jobs are forgotten even when the pool never says so.
    let second = bench.job().key;
    for id in 0..40 {
        bench.call("mining.notify", notify(&id.to_string(), false));
    }
    bench.submit(second, 0, 2);
    assert!(bench.refusal().contains("stale"));
}

#[test]
fn pending_shares_are_limited_and_always_answered() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let key = bench.job().key;
    for nonce in 0..256 {
        bench.submit(key, 0, nonce);
    }
    let verdicts =
        |bench: &Bench| bench.events.iter().filter(|event| matches!(event, SourceEvent::Verdict(_))).count();
    assert_eq!(verdicts(&bench), 0);
    bench.submit(key, 0, 256);
    assert!(bench.refusal().contains("256 shares already wait"), "{}", bench.refusal());
    bench.pass(15 * SECOND);
    bench.answer(json!(true));
    assert_eq!(verdicts(&bench), 2);
    bench.submit(key, 0, 256);
    bench.pass(15 * SECOND);
    assert_eq!(verdicts(&bench), 257);
    assert!(bench.refusal().contains("did not answer in 30s"), "{}", bench.refusal());
    bench.close();
    assert_eq!(verdicts(&bench), 258);
    assert_eq!(bench.refusal(), "connection lost before the pool answered");
    assert!(bench.events.iter().any(|event| matches!(event, SourceEvent::NoJob)));
    bench.submit(key, 0, 300);
    assert!(bench.refusal().contains("stale"));
}

/// As when its machine is gone without a word: shares are not sent into nothing for the minutes that a pool may be silent.
#[test]
fn a_pool_that_says_nothing_after_a_share_costs_the_connection() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let key = bench.job().key;
    bench.pass(10 * SECOND);
    bench.submit(key, 0, 1);
    bench.pass(20 * SECOND);
    bench.submit(key, 0, 2);
    assert!(bench.session.awaits_verdicts());
    bench.pass(10 * SECOND);
    assert_eq!(bench.ends, ["the pool has been silent for 30s, since a share was sent"]);
    assert!(!bench.session.awaits_verdicts());

    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let key = bench.job().key;
    bench.submit(key, 0, 1);
    bench.pass(10 * SECOND);
    // It lives, and has its own idea of what to answer.
    bench.call("mining.set_difficulty", json!([1]));
    bench.pass(20 * SECOND);
    assert!(bench.refusal().contains("did not answer in 30s") && bench.ends.is_empty());
}
