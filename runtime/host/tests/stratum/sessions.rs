//! Well-behaved pools, and how the source starts, stops and is refused.

use std::{sync::Arc, time::Duration};

use adit_host::{
    job::NonceRange,
    source::{
        Source, SourceEvent,
        stratum::{Roll, RollStart, StratumConfigError, StratumOptions, StratumSource, StratumTimeouts},
    },
};
use adit_plugin::{Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target};
use adit_sha256d::Sha256d;
use serde_json::json;

use crate::harness::{Host, Pool, limited, notify, options, timeouts};

#[test]
fn versions_are_rolled_where_the_pool_allows() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.accept();
        let configure = peer.expect("mining.configure");
        assert_eq!(
            configure["params"],
            json!([
                ["version-rolling"],
                { "version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 2 }
            ])
        );
        peer.answer(&configure, &json!({ "version-rolling": true, "version-rolling.mask": "18000000" }));
        peer.welcome("aabb");
        peer.call("mining.notify", &notify("v", true));
        let job = host.job();
        host.submit(&job, 3, 1, Digest::default());
        let submit = peer.expect("mining.submit");
        assert_eq!(
            submit["params"],
            json!(["slush.miner1", "v", "00000000", "504e86b9", "00000001", "18000000"])
        );
        peer.answer(&submit, &json!(true));
        assert!(host.verdict().accepted);
        host.stop();
        peer.expect_end();
    });
}

#[test]
fn difficulty_and_extranonce_change_with_the_next_job() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let first = host.job();
        peer.call("mining.set_difficulty", &json!([1024.5]));
        peer.call("mining.set_extranonce", &json!(["02", 6]));
        host.submit(&first, 0, 1, Digest::default());
        assert_eq!(peer.expect("mining.submit")["params"][2], "00000000");
        peer.call("mining.notify", &notify("b", false));
        let second = host.job();
        assert!(second.target < first.target);
        assert_eq!(second.key, first.key + 1);
        host.submit(&second, 0, 1, Digest::default());
        assert_eq!(peer.expect("mining.submit")["params"][2], "000000000000");
        host.stop();
    });
}

#[test]
fn a_refused_user_ends_the_source() {
    limited(|| {
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.accept();
        let configure = peer.expect("mining.configure");
        peer.answer(&configure, &json!({}));
        let subscribe = peer.expect("mining.subscribe");
        peer.answer(&subscribe, &json!([[], "01", 4]));
        let authorize = peer.expect("mining.authorize");
        peer.say(&json!({ "id": authorize["id"], "result": false, "error": [24, "Unknown user", null] }));
        let why = host.ended().unwrap_err();
        assert_eq!(why, "the pool refuses the user \"slush.miner1\": Unknown user (code 24)");
        peer.expect_end();
    });
}

#[test]
fn stopping_is_quick_at_any_moment() {
    limited(|| {
        // Nobody listens: between two attempts.
        let port = Pool::new().port();
        let long = StratumTimeouts {
            backoff_first: Duration::from_secs(600),
            backoff_most: Duration::from_secs(600),
            ..timeouts()
        };
        let host = Host::with(StratumOptions { timeouts: long, ..options(port) });
        assert!(host.disconnected().starts_with("cannot connect"));
        host.stop();
        // The pool says nothing.
        let pool = Pool::new();
        let host = Host::start(&pool);
        let mut peer = pool.accept();
        peer.expect("mining.configure");
        host.stop();
        peer.expect_end();
        // At once.
        Host::start(&pool).stop();
        // With a share that waits: it is answered first.
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let job = host.job();
        host.submit(&job, 0, 1, Digest::default());
        peer.expect("mining.submit");
        let seen = host.stop_and_see();
        assert!(seen.iter().any(|event| matches!(event, SourceEvent::Verdict(verdict) if !verdict.accepted)));
    });
}

#[test]
fn a_share_that_is_on_its_way_at_the_end_is_judged_by_the_pool() {
    limited(|| {
        let pool = Pool::new();
        let mut host = Host::start(&pool);
        let mut peer = pool.welcome("01");
        peer.call("mining.notify", &notify("a", true));
        let job = host.job();
        host.submit(&job, 0, 1, Digest::default());
        let submit = peer.expect("mining.submit");
        let answering = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            peer.answer(&submit, &json!(true));
            peer.expect_end();
        });
        let seen = host.stop_and_see();
        assert!(seen.iter().any(|event| matches!(event, SourceEvent::Verdict(verdict) if verdict.accepted)));
        answering.join().unwrap();
    });
}

/// SHA-256d in all but what a test changes.
struct Odd {
    layout: Layout,
    one: Option<Target>,
}

impl Algorithm for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }

    fn id(&self) -> u32 {
        0
    }

    fn layout(&self) -> Layout {
        self.layout
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        Sha256d.digest(header)
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Sha256d.searcher()
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        Sha256d.dev_header(block)
    }

    fn stratum_difficulty_one(&self) -> Option<Target> {
        self.one
    }
}

#[test]
fn options_that_cannot_work_are_refused() {
    let refused = |change: &dyn Fn(&mut StratumOptions)| {
        let mut options = options(1);
        change(&mut options);
        StratumSource::new(options).unwrap_err()
    };
    let good = Sha256d.layout();
    let one = Sha256d.stratum_difficulty_one();
    let wide = Layout { header_len: 80, nonce_offset: 72, nonce_width: 8 };
    for layout in [wide, Layout { header_len: 76, ..good }] {
        let error = refused(&|options| options.algorithm = Arc::new(Odd { layout, one }));
        assert_eq!(error, StratumConfigError::Layout("odd"));
    }
    let error = refused(&|options| options.algorithm = Arc::new(Odd { layout: good, one: None }));
    assert_eq!(error, StratumConfigError::Difficulty("odd"));
    let error = refused(&|options| options.url = "stratum+ssl://pool.example".into());
    assert!(error.to_string().contains("encrypted"), "{error}");
    let error = refused(&|options| options.timeouts.silence = Duration::ZERO);
    assert_eq!(error, StratumConfigError::Timeout);
    for nonces in [NonceRange { start: 5, end: 5 }, NonceRange { start: 0, end: (1 << 32) + 1 }] {
        let roll = Roll { extranonce2: 0, ntime: 0, version: 0 };
        let error = refused(&|options| options.first = Some(RollStart { roll, nonces: Some(nonces) }));
        assert_eq!(error, StratumConfigError::Nonces);
    }
    let source = StratumSource::new(options(3333)).unwrap();
    assert_eq!(source.name(), "stratum+tcp://127.0.0.1:3333");
    assert!(!format!("{source:?}").contains("password"));
}
