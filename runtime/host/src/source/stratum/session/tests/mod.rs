//! The session as a pure state machine.

mod pools;
mod random;
mod shares;

use adit_plugin::Digest;
use adit_sha256d::Sha256d;

use super::*;
use crate::source::stratum::StratumSource;

const SECOND: Duration = Duration::from_secs(1);

/// A session, and all that came out of it so far.
struct Bench {
    session: Session,
    now: Duration,
    sent: Vec<Value>,
    events: Vec<SourceEvent>,
    ends: Vec<String>,
    shares: u64,
}

impl Bench {
    fn new() -> Self {
        let options =
            StratumOptions::new("stratum+tcp://pool.example:3333", "user", "pass", Arc::new(Sha256d));
        let source = StratumSource::new(options).unwrap();
        Self {
            session: Session::new(Arc::new(source.options), source.one, source.endpoint),
            now: SECOND,
            sent: Vec::new(),
            events: Vec::new(),
            ends: Vec::new(),
            shares: 0,
        }
    }

    /// A bench whose pool rolls versions and has let us in.
    fn at_work() -> Self {
        let mut bench = Self::new();
        bench.open();
        bench.answer(json!({ "version-rolling": true, "version-rolling.mask": "00006000" }));
        bench.answer(json!([[["mining.notify", "1"]], "0a0b0c0d", 4]));
        bench.answer(json!(true));
        bench
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(line) => {
                    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line: {line:?}");
                    self.sent.push(serde_json::from_str(&line).unwrap());
                }
                Output::Event(event) => {
                    if let SourceEvent::Job(job) = &event {
                        check_job(job);
                    }
                    self.events.push(event);
                }
                Output::Reconnect(reconnect) => self.ends.push(reconnect.reason),
                Output::End(why) => self.ends.push(format!("for good: {why}")),
            }
        }
    }

    fn open(&mut self) {
        let outputs = self.session.open(self.now, "pool".into());
        self.take(outputs);
    }

    fn close(&mut self) {
        let outputs = self.session.close(self.now);
        self.take(outputs);
    }

    fn raw(&mut self, line: &[u8]) {
        let outputs = self.session.line(self.now, line);
        self.take(outputs);
    }

    fn say(&mut self, value: &Value) {
        self.raw(value.to_string().as_bytes());
    }

    fn call(&mut self, method: &str, params: Value) {
        self.say(&json!({ "id": null, "method": method, "params": params }));
    }

    /// Answers the request that was sent last.
    fn answer(&mut self, result: Value) {
        let id = self.sent.last().unwrap()["id"].clone();
        self.say(&json!({ "id": id, "result": result, "error": null }));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let outputs = self.session.tick(self.now);
        self.take(outputs);
    }

    fn submit(&mut self, job: JobKey, roll: u64, nonce: u64) {
        self.shares += 1;
        let share = Share { id: self.shares, job, roll, nonce, digest: Digest::default() };
        let outputs = self.session.submit(self.now, &share);
        self.take(outputs);
    }

    fn method(&self) -> &str {
        self.sent.last().unwrap()["method"].as_str().unwrap()
    }

    fn job(&self) -> &Job {
        let jobs = self.events.iter().rev().filter_map(|event| match event {
            SourceEvent::Job(job) => Some(job),
            _ => None,
        });
        jobs.into_iter().next().unwrap()
    }

    /// The last event, which must be a verdict that turns its share down.
    fn refusal(&self) -> &str {
        match self.events.last().unwrap() {
            SourceEvent::Verdict(verdict) if !verdict.accepted => verdict.reason.as_deref().unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn check_job(job: &Job) {
    assert!(job.space.rolls() >= 1);
    assert!(job.first_roll < job.space.rolls());
    for roll in [0, job.first_roll, job.space.rolls() - 1] {
        assert_eq!(job.space.header(roll).len(), 80);
    }
}

fn notify(id: &str, clean: bool) -> Value {
    let parent = "4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000";
    json!([id, parent, "0100", "02", ["11".repeat(32)], "20000000", "1c2ac4af", "504e86b9", clean])
}
