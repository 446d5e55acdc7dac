//! Whatever proptest thinks of.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Line(Vec<u8>),
    Submit(u64, u64, u64),
    Pass(u64),
    Reopen,
}

fn valid_line() -> impl Strategy<Value = Vec<u8>> {
    let values = vec![
        json!({ "id": null, "method": "mining.notify", "params": notify("a", true) }),
        json!({ "id": null, "method": "mining.notify", "params": notify("b", false) }),
        json!({ "id": 1, "result": { "version-rolling": true, "version-rolling.mask": "1fffe000" } }),
        json!({ "id": 1, "result": [[], "00", 4], "error": null }),
        json!({ "id": 2, "result": [[], "0102", 16], "error": null }),
        json!({ "id": 2, "result": true, "error": null }),
        json!({ "id": 3, "result": true, "error": null }),
        json!({ "id": 4, "result": null, "error": [21, "stale", null] }),
        json!({ "method": "mining.set_difficulty", "params": [0.001] }),
        json!({ "method": "mining.set_extranonce", "params": ["00ff", 1] }),
        json!({ "method": "mining.set_version_mask", "params": ["00c00000"] }),
        json!({ "method": "client.show_message", "params": ["hi"] }),
        json!({ "method": "client.reconnect", "params": ["", 1, 1] }),
        json!({ "id": 9, "method": "client.get_version", "params": [] }),
    ];
    prop::sample::select(values).prop_map(|value| value.to_string().into_bytes())
}

fn mutated_line() -> impl Strategy<Value = Vec<u8>> {
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..4);
    (valid_line(), mutations).prop_map(|(mut line, mutations)| {
        for (at, byte, kind) in mutations {
            let at = at.index(line.len().max(1)).min(line.len());
            match kind {
                0 if at < line.len() => line[at] = byte,
                1 => line.insert(at, byte),
                _ => line.truncate(at),
            }
        }
        line
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => valid_line().prop_map(Step::Line),
        4 => mutated_line().prop_map(Step::Line),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Line),
        3 => (0..6u64, prop_oneof![0..9u64, any::<u64>()], prop_oneof![0..9u64, any::<u64>()])
            .prop_map(|(job, roll, nonce)| Step::Submit(job, roll, nonce)),
        1 => (0..40u64).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    /// No panic, only whole headers (see [`Bench::take`]), rising job numbers, one verdict a share.
    #[test]
    fn whatever_happens(begin_at_work: bool, steps in prop::collection::vec(step(), 0..60)) {
        let mut bench = if begin_at_work { Bench::at_work() } else { Bench::new() };
        for step in steps {
            match step {
                Step::Line(line) => bench.raw(&line),
                Step::Submit(job, roll, nonce) => bench.submit(job, roll, nonce),
                Step::Pass(seconds) => bench.pass(SECOND * seconds as u32),
                Step::Reopen => {
                    bench.close();
                    bench.open();
                }
            }
        }
        bench.close();
        let mut jobs = 0;
        let mut answered = HashSet::new();
        for event in &bench.events {
            match event {
                SourceEvent::Job(job) => {
                    jobs += 1;
                    prop_assert_eq!(job.key, jobs);
                }
                SourceEvent::Verdict(verdict) => prop_assert!(answered.insert(verdict.share)),
                _ => {}
            }
        }
        prop_assert_eq!(answered.len() as u64, bench.shares);
    }
}
