//! Pools that do what no pool should.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use adit_host::source::{
    SourceEvent,
    stratum::{StratumOptions, StratumTimeouts},
};
use adit_plugin::Digest;
use serde_json::json;

use crate::harness::{Host, Pool, limited, notify, options, timeouts};

#[test]
fn lines_in_pieces_and_in_heaps() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        let line = json!({ "id": null, "method": "mining.notify", "params": notify("slow", true) });
        for byte in format!("{line}\r\n").bytes() {
            peer.raw(&[byte]);
        }
        assert_eq!(host.job().name, "slow");
        let heap: String = (0..200)
            .map(|id| {
                format!("{}\n", json!({ "method": "mining.notify", "params": notify(&id.to_string(), true) }))
            })
            .collect();
        peer.raw(heap.as_bytes());
        for id in 0..200 {
            assert_eq!(host.job().name, id.to_string());
        }
        host.stop();
    });
}

#[test]
fn garbage_is_noticed_and_survived() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        let garbage: Vec<u8> = (0..=255).filter(|&byte| byte != b'\n').collect();
        let nested = "[".repeat(50_000);
        let wide = format!("[{}1]", "1,".repeat(30_000));
        for line in [&garbage[..], b"\xc3\x28", nested.as_bytes(), wide.as_bytes(), b"{}", b"null", b"\0"] {
            peer.raw(line);
            peer.raw(b"\n");
            assert!(host.notice().contains("makes no sense"));
        }
        for (method, params) in [
            ("mining.notify", json!([1, 2, 3])),
            ("mining.notify", json!({ "job": 1 })),
            ("mining.set_difficulty", json!([{}])),
        ] {
            peer.call(method, &params);
            assert!(host.notice().contains(method));
        }
        // By now notices are rationed; what is right still works.
        for params in [json!([true]), json!("x"), json!(null)] {
            peer.call("mining.set_extranonce", &params);
            peer.say(&json!({ "method": 5, "params": params }));
            peer.say(&json!({ "id": [], "result": params }));
        }
        peer.call("mining.notify", &notify("good", false));
        assert_eq!(host.job().name, "good");
        host.stop();
    });
}

#[test]
fn an_endless_line_is_cut_off_early() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        let block = vec![b'x'; 64 * 1024];
        // What the two kernels' buffers hold is all that can be written.
        let written = (0..1600).take_while(|_| peer.stream.write_all(&block).is_ok()).count();
        assert!(written < 320, "{} MiB were taken", written / 16);
        assert!(host.disconnected().contains("a line of more than 65536 bytes"));
        pool.welcome("02").call("mining.notify", &notify("again", false));
        assert_eq!(host.job().name, "again");
        host.stop();
    });
}

#[test]
fn a_lost_connection_answers_its_shares_and_starts_anew() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let old = host.job();
        host.submit(&old, 0, 1, Digest::default());
        peer.expect("mining.submit");
        peer.raw(b"{\"id\":4,\"resu");
        drop(peer);
        host.no_job();
        let verdict = host.verdict();
        assert_eq!(verdict.reason.as_deref(), Some("connection lost before the pool answered"));
        assert!(!verdict.accepted);
        host.disconnected();
        let mut peer = pool.welcome("02");
        peer.call("mining.notify", &notify("a", false));
        let new = host.job();
        assert!(new.clean && new.key == old.key + 1);
        assert_ne!(new.space.header(0), old.space.header(0));
        host.submit(&old, 0, 2, Digest::default());
        assert!(host.verdict().reason.unwrap().contains("stale"));
        host.stop();
    });
}

#[test]
fn a_pool_that_hangs_up_on_configure_is_asked_without() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.accept();
        peer.expect("mining.configure");
        drop(peer);
        for _ in 0..2 {
            let mut peer = pool.accept();
            let subscribe = peer.expect("mining.subscribe");
            assert!(subscribe["params"][0].as_str().unwrap().starts_with("adit/"));
            peer.answer(&subscribe, &json!([[], "01", 4]));
            peer.expect("mining.authorize");
            peer.call("mining.notify", &notify("a", true));
            host.job();
        }
        host.stop();
    });
}

#[test]
fn a_pool_that_ignores_configure_is_asked_further() {
    limited(|| {
        let pool = Pool::new();
        let timeouts = StratumTimeouts { configure: Duration::from_millis(150), ..timeouts() };
        let host = Host::with(StratumOptions { timeouts, ..options(pool.port()) });
        let mut peer = pool.accept();
        peer.expect("mining.configure");
        peer.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        host.job();
        host.stop();
    });
}

#[test]
fn shares_are_rejected_in_every_form() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let job = host.job();
        for (nonce, (answer, reason)) in [
            (
                json!({ "result": null, "error": [23, "Low difficulty share", null] }),
                "Low difficulty share (code 23)",
            ),
            (json!({ "result": null, "error": { "code": 21, "message": "Stale" } }), "Stale (code 21)"),
            (json!({ "result": false, "error": null }), "rejected without a reason"),
            (json!({ "result": false, "error": "no" }), "no"),
        ]
        .into_iter()
        .enumerate()
        {
            let id = host.submit(&job, 0, nonce as u64, Digest::default());
            let submit = peer.expect("mining.submit");
            let mut answer = answer;
            answer["id"] = submit["id"].clone();
            peer.say(&answer);
            let verdict = host.verdict();
            assert_eq!((verdict.share, verdict.accepted, verdict.block), (id, false, false));
            assert_eq!(verdict.reason.as_deref(), Some(reason));
        }
        host.stop();
    });
}

#[test]
fn silence_is_not_waited_out() {
    limited(|| {
        let pool = Pool::new();
        let timeouts = StratumTimeouts { silence: Duration::from_millis(300), ..timeouts() };
        let host = Host::with(StratumOptions { timeouts, ..options(pool.port()) });
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        host.job();
        assert!(host.disconnected().contains("silent for 300ms"));
        peer.expect_end();
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("b", true));
        host.job();
        host.stop();
    });
}

#[test]
fn orders_to_go_elsewhere() {
    limited(|| {
        let (pool, other) = (Pool::new(), Pool::new());
        let host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("client.reconnect", &json!(["elsewhere.invalid", 3333, 0]));
        assert!(host.notice().contains("another host, \"elsewhere.invalid\""));
        peer.call("mining.notify", &notify("still here", true));
        assert_eq!(host.job().name, "still here");
        // Another port of the same host is fine, for one attempt.
        peer.call("client.reconnect", &json!(["127.0.0.1", other.port().to_string(), 0]));
        assert_eq!(host.disconnected(), "the pool asked for it");
        drop(other.welcome("01"));
        pool.welcome("01").call("mining.notify", &notify("back", true));
        assert_eq!(host.job().name, "back");
        host.stop();
    });
}

#[test]
fn a_pool_that_does_not_read_cannot_hold_the_source() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        let question =
            format!("{}\n", json!({ "id": "x".repeat(64), "method": "client.get_version" })).repeat(500);
        // It asks and asks, and never reads an answer, until the source gives up.
        let begun = Instant::now();
        while peer.stream.write_all(question.as_bytes()).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the source goes on for ever");
        }
        let reason = host.disconnected();
        assert!(reason.contains("cannot send"), "{reason}");
        host.stop();
    });
}

#[test]
fn a_flood_of_talk_stays_small_and_can_be_stopped() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let flood = std::thread::spawn(move || {
            let talk = format!("{}\n", json!({ "method": "client.show_message", "params": ["buy now"] }))
                .repeat(100);
            while peer.stream.write_all(talk.as_bytes()).is_ok() {}
        });
        let job = host.job();
        // The pool answers it never: whoever stops waits for that a moment, and no longer.
        host.submit(&job, 0, 1, Digest::default());
        host.wait("notice", |event| matches!(event, SourceEvent::Notice(_)).then_some(()));
        std::thread::sleep(Duration::from_millis(300));
        host.stop();
        flood.join().unwrap();
    });
}
