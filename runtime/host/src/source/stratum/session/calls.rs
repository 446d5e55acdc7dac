//! What the pool asks and tells of itself.

use super::*;
use crate::{
    job::{HeaderSpace, NonceRange},
    source::stratum::{message::Call, work::StratumSpace},
};

/// The error code for anything that has none of its own.
const OTHER: i64 = 20;

impl Session {
    pub(super) fn call(&mut self, id: Option<Value>, call: Call) {
        match call {
            Call::Notify(notify) => self.notify(*notify),
            Call::SetDifficulty(difficulty) => self.set_difficulty(difficulty),
            Call::SetExtranonce(extranonce) => {
                // Before the answer to mining.subscribe there is none that could be replaced.
                if self.live.extranonce.is_some() {
                    self.live.extranonce = Some(extranonce);
                }
            }
            Call::SetVersionMask(mask) => self.set_version_mask(mask & VERSION_MASK),
            Call::Reconnect { host, port, wait } => {
                return self.asked_to_reconnect(id, host.as_deref(), port, wait);
            }
            Call::GetVersion => return self.reply(id, Ok(json!(AGENT))),
            Call::ShowMessage(text) => self.notice(format!("the pool says: {text}")),
            Call::Ping => return self.reply(id, Ok(json!("pong"))),
            Call::Pong => return,
            Call::Unknown(_) => return self.reply(id, Err("unknown method")),
        }
        self.reply(id, Ok(json!(true)));
    }

    /// Answers a call that wants an answer.
    fn reply(&mut self, id: Option<Value>, outcome: Result<Value, &str>) {
        if let Some(id) = id {
            let (result, error) = match outcome {
                Ok(result) => (result, Value::Null),
                Err(why) => (Value::Null, json!([OTHER, why, null])),
            };
            self.send(&json!({ "id": id, "result": result, "error": error }));
        }
    }

    fn set_difficulty(&mut self, difficulty: f64) {
        match difficulty::target(&self.one, difficulty) {
            Some(target) => self.live.target = Some(target),
            None => self.notice(format!("the pool set the difficulty {difficulty:e}, which cannot be")),
        }
    }

    fn notify(&mut self, notify: Notify) {
        let target = self.live.target.unwrap_or(self.one);
        if self.live.extranonce.is_some() {
            self.start_job(notify, target);
        } else {
            self.live.early = Some((notify, target));
        }
    }

    pub(super) fn start_job(&mut self, notify: Notify, target: Target) {
        let Some(extranonce) = self.live.extranonce.clone() else {
            return;
        };
        // A connection's first job replaces whatever the host knows from the one before.
        let clean = notify.clean || self.live.current.is_none();
        let mask = self.live.mask.unwrap_or(0);
        let space = StratumSpace::new(notify, extranonce, mask, self.options.ntime_range);
        let mut first_roll = 0;
        let mut nonces = NonceRange::all(&*self.options.algorithm);
        if let Some(first) = &self.options.first {
            nonces = first.nonces.unwrap_or(nonces);
            match space.roll_of(&first.roll) {
                Some(roll) => first_roll = roll,
                None => self.notice(format!("a job has no header {:?}: it is searched whole", first.roll)),
            }
        }
        self.emit(space, target, clean, first_roll, nonces);
    }

    fn emit(
        &mut self,
        space: StratumSpace,
        target: Target,
        clean: bool,
        first_roll: u64,
        nonces: NonceRange,
    ) {
        let space = Arc::new(space);
        let job = Job {
            key: self.next_key,
            name: text::shown(&space.notify().id),
            algorithm: self.options.algorithm.clone(),
            target,
            clean,
            space: space.clone(),
            first_roll,
            nonces,
        };
        self.next_key += 1;
        self.live.jobs.add(job.key, space, clean);
        self.live.current = Some(job.clone());
        self.outputs.push(Output::Event(SourceEvent::Job(job)));
    }

    /// A new mask holds at once, so the job at hand begins again under it, half-way through its headers,
    /// where the search under the old mask has not been.
    fn set_version_mask(&mut self, mask: u32) {
        match self.live.mask {
            None => self.notice("the pool set a version mask that was not asked for".into()),
            Some(old) if old == mask => {}
            Some(_) => {
                self.live.mask = Some(mask);
                if let (Some(space), Some(job)) = (self.live.jobs.latest(), &self.live.current) {
                    let (space, target, nonces) = (space.with_mask(mask), job.target, job.nonces);
                    let first_roll = space.rolls() / 2;
                    self.emit(space, target, false, first_roll, nonces);
                }
            }
        }
    }

    fn asked_to_reconnect(&mut self, id: Option<Value>, host: Option<&str>, port: Option<u16>, wait: u64) {
        match host {
            Some(other) if !self.host.is_host(other) => {
                self.notice(format!(
                    "refused the pool's order to go to another host, {:?}",
                    text::shown(other)
                ));
                self.reply(id, Err("only the same host is accepted"));
            }
            _ => {
                self.reply(id, Ok(json!(true)));
                let wait = Duration::from_secs(wait).min(self.options.timeouts.backoff_most);
                self.reconnect(Reconnect { reason: "the pool asked for it".into(), wait, port });
            }
        }
    }
}
