//! A session that once found a block of a public test chain, done again to the byte.

use std::{ops::ControlFlow, sync::Arc};

use adit_host::{
    device::DevicePlan,
    host::{HostConfig, HostEvent},
    job::NonceRange,
    source::stratum::{Roll, RollStart, StratumOptions, StratumSource},
};
use adit_plugin::{Algorithm, Digest};
use adit_sha256d::Sha256d;
use serde_json::json;

use crate::harness::{Host, Pool, limited, options};

const HEADER: &str = "02000000f8b6164d19e2f65a2aae448f787fe66d61e57a48c0c6771b1e920b440000000032414daa\
    9ddac879fd2c62839b9ba710a3546363a5f5e22915d90dc3b1699deced864e50afc42a1c027c95b2";
const DIGEST: &str = "000000002076870fe65a2b6eeed84fa892c0db924f1482243a6247d931dcab32";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The pool: gives the job, takes one share, hashes its own header for it.
fn pool(pool: &Pool) {
    let mut peer = pool.accept();
    let configure = peer.expect("mining.configure");
    peer.say(&json!({ "error": [20, "Not supported.", null], "id": configure["id"], "result": null }));
    let subscribe = peer.expect("mining.subscribe");
    let ids =
        json!([["mining.set_difficulty", "b4b6693b72a50c7116db18d6497cac52"], ["mining.notify", "ae68"]]);
    peer.answer(&subscribe, &json!([ids, "08000002", 4]));
    peer.call("mining.set_difficulty", &json!([1]));
    peer.call(
        "mining.notify",
        &json!([
            "bf",
            "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000",
            "01000000010000000000000000000000000000000000000000000000000000000000000000ffffff\
                ff20020862062f503253482f04b8864e5008",
            "072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef990\
                3327048ed988ac00000000",
            [],
            "00000002",
            "1c2ac4af",
            "504e86b9",
            false
        ]),
    );
    let authorize = peer.expect("mining.authorize");
    assert_eq!(authorize["params"], json!(["slush.miner1", "password"]));
    peer.answer(&authorize, &json!(true));

    let submit = peer.expect("mining.submit");
    assert_eq!(submit["params"], json!(["slush.miner1", "bf", "00000001", "504e86ed", "b2957c02"]));
    let digest = Sha256d.digest(&bytes(HEADER)).unwrap();
    let one = Sha256d.stratum_difficulty_one().unwrap();
    peer.answer(&submit, &json!(digest.meets(&one)));
    peer.expect_end();
}

/// Where the recorded share lies, with `range` nonces of its header.
fn first(nonces: NonceRange) -> Option<RollStart> {
    let roll = Roll { extranonce2: 1, ntime: 0x504e_86ed - 0x504e_86b9, version: 0 };
    Some(RollStart { roll, nonces: Some(nonces) })
}

/// The whole host: engine, ring, worker, verification, source.
#[test]
fn a_host_given_the_range_submits_exactly_that_share() {
    limited(|| {
        let listener = Pool::new();
        let nonces = NonceRange { start: 0xb290_0000, end: 0xb298_0000 };
        let options = StratumOptions { first: first(nonces), ..options(listener.port()) };
        let server = std::thread::spawn(move || pool(&listener));
        let algorithm: Arc<dyn Algorithm> = Arc::new(Sha256d);
        let devices = DevicePlan::from_specs(&["cpu:threads=1".parse().unwrap()], &[algorithm]).unwrap();
        let host = adit_host::host::Host::new(HostConfig::default(), devices).unwrap();
        let source = Box::new(StratumSource::new(options).unwrap());
        let summary = host.run(source, &mut |event| match event {
            HostEvent::Share { .. } => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        let summary = summary.unwrap();
        assert_eq!((summary.solutions, summary.accepted, summary.rejected), (1, 1, 0));
        server.join().unwrap();
    });
}

#[test]
fn the_share_of_the_recorded_session_is_found_and_taken() {
    limited(|| {
        let listener = Pool::new();
        let nonces = NonceRange { start: 0xb295_7bf0, end: 0xb295_7c10 };
        let mut host = Host::with(StratumOptions { first: first(nonces), ..options(listener.port()) });
        let server = std::thread::spawn(move || pool(&listener));

        let job = host.job();
        assert_eq!((job.name.as_str(), job.clean, job.nonces), ("bf", true, nonces));
        assert_eq!(job.target, Sha256d.stratum_difficulty_one().unwrap());
        let mut header = job.space.header(job.first_roll);
        let layout = job.algorithm.layout();
        let mut found = Vec::new();
        for nonce in nonces.start..nonces.end as u64 {
            layout.set_nonce(&mut header, nonce);
            let digest = job.algorithm.digest(&header).unwrap();
            if digest.meets(&job.target) {
                found.push((nonce, digest));
                assert_eq!(header, bytes(HEADER));
            }
        }
        let digest: Digest = Digest(DIGEST.parse::<adit_plugin::Target>().unwrap().0);
        assert_eq!(found, [(0xb295_7c02, digest)]);
        let id = host.submit(&job, job.first_roll, found[0].0, digest);
        let verdict = host.verdict();
        assert_eq!((verdict.share, verdict.accepted, verdict.reason), (id, true, None));
        host.stop();
        server.join().unwrap();
    });
}
