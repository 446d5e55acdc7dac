//! What pools say, in order and out of order.

use super::*;

#[test]
fn the_handshake_goes_in_order() {
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.method(), "mining.configure");
    assert_eq!(bench.sent[0]["params"][1]["version-rolling.mask"], "1fffe000");
    bench.answer(json!({ "version-rolling": true, "version-rolling.mask": "ffffffff" }));
    assert_eq!(bench.method(), "mining.subscribe");
    assert_eq!(bench.sent[1]["params"], json!([AGENT]));
    // Numbers as strings, and a job before we are let in.
    bench.answer(json!([[], "0A0B0C0D", "4"]));
    assert_eq!(bench.method(), "mining.authorize");
    assert_eq!(bench.sent[2]["params"], json!(["user", "pass"]));
    bench.call("mining.notify", notify("a", false));
    assert!(bench.job().clean, "the first job is always clean");
    assert_eq!(bench.job().key, 1);
    bench.answer(json!(true));
    assert!(bench.session.is_authorized());
    assert!(bench.ends.is_empty());
    // Only the bits that miners may change are rolled.
    assert_eq!(bench.session.live.mask, Some(VERSION_MASK));
}

#[test]
fn pools_without_version_rolling_are_remembered() {
    // Refused, unknown, ignored.
    for ignore in [false, true] {
        let mut bench = Bench::new();
        bench.open();
        if ignore {
            bench.pass(5 * SECOND);
        } else {
            bench.say(&json!({ "id": "1", "result": null, "error": [-3, "Method not found", null] }));
        }
        assert_eq!(bench.method(), "mining.subscribe");
        bench.close();
        bench.open();
        assert_eq!(bench.method(), "mining.subscribe");
    }
    // Hung up on: believed when it works without, asked again when it does not either.
    let mut bench = Bench::new();
    bench.open();
    bench.close();
    bench.open();
    assert_eq!(bench.method(), "mining.subscribe");
    bench.close();
    bench.open();
    assert_eq!(bench.method(), "mining.configure");
    bench.close();
    bench.open();
    bench.answer(json!([[], "00", 4]));
    // Now it is certain, whatever happens to later connections.
    for _ in 0..3 {
        bench.close();
        bench.open();
        assert_eq!(bench.method(), "mining.subscribe");
    }
}

#[test]
fn a_refused_user_ends_the_source_only_the_first_time() {
    for refusal in [
        json!({ "id": 3, "result": false, "error": null }),
        json!({ "id": 3, "result": null, "error": [24, "bad user\u{1b}[2J", null] }),
    ] {
        let mut bench = Bench::new();
        bench.open();
        bench.answer(json!({}));
        bench.answer(json!([[], "00", 4]));
        bench.say(&refusal);
        assert!(
            bench.ends[0].starts_with("for good: the pool refuses the user \"user\""),
            "{:?}",
            bench.ends
        );
        assert!(!bench.ends[0].contains('\u{1b}'));
    }
    let mut bench = Bench::at_work();
    bench.close();
    bench.open();
    bench.answer(json!({ "version-rolling": false }));
    bench.answer(json!([[], "00", 4]));
    bench.answer(json!(false));
    assert!(bench.ends[0].starts_with("the pool refuses"), "{:?}", bench.ends);
}

#[test]
fn difficulty_and_extranonce_hold_from_the_next_job_on() {
    let mut bench = Bench::at_work();
    bench.call("mining.set_difficulty", json!([2]));
    bench.call("mining.notify", notify("a", true));
    let first = bench.job().clone();
    let half: Target = format!("000000007fff8{}", "0".repeat(51)).parse().unwrap();
    assert_eq!(first.target, half);
    let header = first.space.header(0);
    bench.call("mining.set_difficulty", json!(["0.5"]));
    bench.call("mining.set_extranonce", json!(["ffff", 2]));
    assert_eq!(bench.job().key, first.key);
    bench.submit(first.key, 0, 7);
    assert_eq!(bench.sent.last().unwrap()["params"][2], "00000000");
    bench.call("mining.notify", notify("b", false));
    let second = bench.job().clone();
    assert_eq!(second.key, first.key + 1);
    assert!(second.target > first.target && !second.clean);
    assert_ne!(second.space.header(0)[36..68], header[36..68]);
    bench.submit(second.key, 0, 7);
    assert_eq!(bench.sent.last().unwrap()["params"][2], "0000");
    bench.submit(first.key, 0, 8);
    assert_eq!(bench.sent.last().unwrap()["params"][2], "00000000");
    for bad in [json!([0]), json!([-1]), json!(["NaN"]), json!(["inf"]), json!([1e300])] {
        bench.call("mining.set_difficulty", bad);
        assert!(matches!(bench.events.last(), Some(SourceEvent::Notice(_))));
    }
    bench.call("mining.notify", notify("c", false));
    assert_eq!(bench.job().target, second.target);
}

#[test]
fn rolled_versions_are_submitted_and_masks_hold_at_once() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let job = bench.job().clone();
    bench.submit(job.key, 3, 0xb295_7c02);
    assert_eq!(
        bench.sent.last().unwrap()["params"],
        json!(["user", "a", "00000000", "504e86b9", "b2957c02", "00006000"])
    );
    assert_eq!(job.space.header(3)[..4], 0x2000_6000u32.to_le_bytes());
    bench.call("mining.set_version_mask", json!(["00002000"]));
    let again = bench.job().clone();
    assert_eq!((again.key, again.clean, again.name.as_str()), (job.key + 1, false, "a"));
    assert!(again.first_roll > 0);
    bench.submit(job.key, 2, 1);
    assert!(bench.refusal().contains("withdrawn"), "{}", bench.refusal());
    bench.submit(job.key, 1, 1);
    assert_eq!(bench.sent.last().unwrap()["params"][5], "00002000");
}

#[test]
fn job_numbers_rise_across_connections() {
    let mut bench = Bench::at_work();
    bench.call("mining.notify", notify("a", true));
    let before = bench.job().key;
    bench.close();
    bench.open();
    bench.answer(json!({ "version-rolling": true, "version-rolling.mask": "1fffe000" }));
    // The job comes before the answer, with the difficulty that was in force then.
    bench.call("mining.set_difficulty", json!([2]));
    bench.call("mining.notify", notify("b", false));
    bench.call("mining.set_difficulty", json!([4]));
    assert_eq!(bench.job().key, before);
    bench.answer(json!([[], "01", 8]));
    assert_eq!((bench.job().key, bench.job().clean), (before + 1, true));
    assert_eq!(bench.job().target.leading_zeros(), 33);
}

#[test]
fn the_pool_asks_and_is_answered() {
    let mut bench = Bench::at_work();
    for (method, result, error) in [
        ("client.get_version", json!(AGENT), Value::Null),
        ("mining.ping", json!("pong"), Value::Null),
        ("mining.set_goal", Value::Null, json!([20, "unknown method", null])),
    ] {
        bench.say(&json!({ "id": "x", "method": method }));
        assert_eq!(*bench.sent.last().unwrap(), json!({ "id": "x", "result": result, "error": error }));
        let sent = bench.sent.len();
        bench.call(method, json!([]));
        bench.say(&json!({ "id": "y".repeat(1000), "method": method, "params": {} }));
        assert_eq!(bench.sent.len(), sent);
    }
    bench.call("client.show_message", json!(["hello\u{1b}"]));
    assert!(
        matches!(bench.events.last(), Some(SourceEvent::Notice(text)) if text == "the pool says: hello ")
    );
}

#[test]
fn only_the_same_host_is_gone_to() {
    let mut bench = Bench::at_work();
    bench.call("client.reconnect", json!(["elsewhere.example", 3333, 0]));
    assert!(bench.ends.is_empty());
    assert!(matches!(bench.events.last(), Some(SourceEvent::Notice(text)) if text.contains("elsewhere")));
    let line = json!({ "method": "client.reconnect", "params": ["POOL.example", "4444", "100000"] });
    let outputs = bench.session.line(bench.now, line.to_string().as_bytes());
    let [Output::Reconnect(reconnect)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((reconnect.port, reconnect.wait), (Some(4444), 60 * SECOND));
    // Nothing is done any more on a connection that is given up.
    bench.call("mining.notify", notify("a", true));
    assert!(!bench.events.iter().any(|event| matches!(event, SourceEvent::Job(_))));
}

#[test]
fn silence_and_nonsense_cost_the_connection() {
    let mut bench = Bench::at_work();
    bench.pass(299 * SECOND);
    bench.raw(b"  ");
    bench.pass(299 * SECOND);
    assert!(bench.ends.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.ends, ["the pool has been silent for 300s"]);

    let mut bench = Bench::at_work();
    for _ in 0..63 {
        bench.raw(b"\xff\xfe");
    }
    bench.call("mining.pong", json!([]));
    bench.raw("[".repeat(60_000).as_bytes());
    assert!(bench.ends.is_empty());
    assert!(bench.events.len() <= 12, "notices are rationed: {}", bench.events.len());
    for _ in 0..63 {
        bench.raw(b"{}");
    }
    assert_eq!(bench.ends, ["64 lines in a row made no sense"]);
}

#[test]
fn bad_parameters_are_named() {
    let mut bench = Bench::at_work();
    let long = notify("a", true);
    let mut cases = vec![(json!([]), "no job id"), (json!({}), "no job id")];
    for (at, value, words) in [
        (0, json!("x".repeat(257)), "job id"),
        (1, json!("00"), "previous hash"),
        (1, json!(5), "previous hash"),
        (2, json!("0"), "odd"),
        (3, json!("zz"), "no hex digit"),
        (4, json!("11"), "merkle branches"),
        (4, json!(vec!["11".repeat(32); 33]), "33 merkle branches"),
        (4, json!([["a"]]), "merkle branch"),
        (5, json!("123456789"), "version"),
        (6, json!(null), "network target"),
        (7, json!("-1"), "time"),
    ] {
        let mut params = long.clone();
        params[at] = value;
        cases.push((params, words));
    }
    for (params, words) in cases {
        bench.now += 60 * SECOND;
        bench.call("mining.notify", params);
        let Some(SourceEvent::Notice(text)) = bench.events.last() else { panic!("{words}") };
        assert!(text.contains(words), "{text}");
    }
    for (one, size) in [(json!("00".repeat(33)), json!(4)), (json!("00"), json!(0)), (json!("00"), json!(17))]
    {
        bench.now += 60 * SECOND;
        bench.call("mining.set_extranonce", json!([one, size]));
        assert!(
            matches!(bench.events.last(), Some(SourceEvent::Notice(text)) if text.contains("extranonce"))
        );
    }
    assert!(!bench.events.iter().any(|event| matches!(event, SourceEvent::Job(_))));
    assert!(bench.ends.is_empty());
}
