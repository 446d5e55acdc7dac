//! The protocol without a network: lines and times in, [`Output`]s out.
//!
//! ```text
//!           open            answer, error          answer               answer yes
//!  closed ───────▶ configure ─────────▶ subscribe ────────▶ authorize ───────────▶ at work
//!                     │      or 5 s         │                   │ no: End              │
//!                     └── closed here: ─────┴───────────────────┴──────────────────────┘
//!                         next time without      Reconnect, then close, then open again
//! ```
//!
//! Jobs are taken from the answer to `mining.subscribe` on: a pool may send them before it authorizes.
//! A session outlives its connections, because job numbers go on rising and because it remembers
//! whether the pool can be asked for version rolling.

mod answers;
mod calls;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use adit_plugin::Target;
use serde_json::{Value, json};

use super::{
    difficulty,
    endpoint::Endpoint,
    message::{self, Extranonce, Message, Notify},
    notices::Notices,
    options::StratumOptions,
    shares::Jobs,
    text,
};
use crate::{
    job::{Job, JobKey, Share},
    source::{SourceEvent, Verdict},
};

/// The version bits that miners may change (BIP 320).
const VERSION_MASK: u32 = 0x1fff_e000;
/// Shares that may wait for the pool's answer.
const MAX_PENDING: usize = 256;
/// Lines in a row that may be malformed before the connection is given up.
const MAX_MALFORMED: u32 = 64;
/// What the pool is told this program is.
const AGENT: &str = concat!("adit/", env!("CARGO_PKG_VERSION"));

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Write this line, whose end is part of it.
    Send(String),
    /// Tell the host.
    Event(SourceEvent),
    /// Drop the connection, call [`Session::close`] and come back later.
    Reconnect(Reconnect),
    /// The configuration cannot work: stop for good.
    End(String),
}

/// How to come back.
#[derive(Debug)]
pub struct Reconnect {
    /// Why, for people.
    pub reason: String,
    /// Not sooner than this.
    pub wait: Duration,
    /// To another port of the same host.
    pub port: Option<u16>,
}

/// The protocol's state; times are since any fixed moment.
pub struct Session {
    options: Arc<StratumOptions>,
    one: Target,
    host: Endpoint,
    next_key: JobKey,
    rolling: Rolling,
    authorized_before: bool,
    notices: Notices,
    now: Duration,
    live: Live,
    outputs: Vec<Output>,
}

/// Whether this pool can be asked for version rolling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rolling {
    /// Nothing speaks against it.
    Ask,
    /// The connection was lost over the question: tried without, once.
    Suspect,
    /// The pool does not know it.
    Never,
}

/// What lives as long as a connection.
#[derive(Default)]
struct Live {
    open: bool,
    peer: String,
    next_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    heard: Duration,
    malformed: u32,
    extranonce: Option<Extranonce>,
    authorized: bool,
    mask: Option<u32>,
    /// For the jobs that follow.
    target: Option<Target>,
    /// A job that came before the answer to `mining.subscribe`, and its target.
    early: Option<(Notify, Target)>,
    jobs: Jobs,
    /// The job that the host was last told of; its number is the last one given.
    current: Option<Job>,
}

/// A request that the pool has not answered yet.
struct Waiting {
    ask: Ask,
    deadline: Duration,
}

/// What was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Configure,
    Subscribe,
    Authorize,
    /// A share, by [`Share::id`].
    Submit(u64),
}

impl Session {
    /// A session that has no connection yet. `one` is the target of difficulty 1.
    pub fn new(options: Arc<StratumOptions>, one: Target, host: Endpoint) -> Self {
        Self {
            options,
            one,
            host,
            next_key: 1,
            rolling: Rolling::Ask,
            authorized_before: false,
            notices: Notices::new(),
            now: Duration::ZERO,
            live: Live::default(),
            outputs: Vec::new(),
        }
    }

    /// A connection is up; `peer` names it for people.
    pub fn open(&mut self, now: Duration, peer: String) -> Vec<Output> {
        self.now = now;
        self.live = Live { open: true, peer, heard: now, next_id: 1, ..Live::default() };
        if self.rolling == Rolling::Ask {
            let wish = json!([
                ["version-rolling"],
                {
                    "version-rolling.mask": format!("{VERSION_MASK:08x}"),
                    "version-rolling.min-bit-count": 2
                }
            ]);
            self.request(Ask::Configure, "mining.configure", wish);
        } else {
            self.subscribe();
        }
        self.take()
    }

    /// The connection is gone: answers every share that still waits.
    pub fn close(&mut self, now: Duration) -> Vec<Output> {
        self.now = now;
        let live = std::mem::take(&mut self.live);
        let configuring = live.waiting.values().any(|waiting| waiting.ask == Ask::Configure);
        self.rolling = match self.rolling {
            Rolling::Ask if configuring => Rolling::Suspect,
            // It was not the question: the pool is gone either way.
            Rolling::Suspect if live.extranonce.is_none() => Rolling::Ask,
            rolling => rolling,
        };
        if live.current.is_some() {
            self.outputs.push(Output::Event(SourceEvent::NoJob));
        }
        for waiting in live.waiting.into_values() {
            if let Ask::Submit(share) = waiting.ask {
                self.verdict(share, Err("connection lost before the pool answered".into()));
            }
        }
        self.take()
    }

    /// The pool sent a line.
    pub fn line(&mut self, now: Duration, line: &[u8]) -> Vec<Output> {
        self.now = now;
        if self.live.open {
            self.live.heard = now;
            let line = line.trim_ascii();
            if !line.is_empty() {
                self.parsed(message::parse(line));
            }
        }
        self.take()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Output> {
        self.now = now;
        if self.live.open {
            self.expire();
            let silence = self.options.timeouts.silence;
            if self.live.open && now.saturating_sub(self.live.heard) >= silence {
                self.fail(format!("the pool has been silent for {silence:?}"));
            }
        }
        self.take()
    }

    /// The host found a share.
    pub fn submit(&mut self, now: Duration, share: &Share) -> Vec<Output> {
        self.now = now;
        let pending =
            self.live.waiting.values().filter(|waiting| matches!(waiting.ask, Ask::Submit(_))).count();
        if !self.live.open {
            self.verdict(share.id, Err("stale: the connection of its job is gone".into()));
        } else if pending >= MAX_PENDING {
            self.verdict(share.id, Err(format!("{MAX_PENDING} shares already wait for the pool's answer")));
        } else {
            match self.live.jobs.check(share, &self.options.user, self.live.mask) {
                Err(why) => self.verdict(share.id, Err(why)),
                Ok(submission) => {
                    let params = self.live.jobs.submitted(submission);
                    self.request(Ask::Submit(share.id), "mining.submit", params);
                }
            }
        }
        self.take()
    }

    /// The host has searched every header of a job.
    pub fn exhausted(&mut self, now: Duration, key: JobKey) -> Vec<Output> {
        self.now = now;
        if let Some(job) = self.live.current.as_ref().filter(|job| job.key == key) {
            let text = format!("job {}: everything is searched; waiting for the pool's next", job.name);
            self.notice(text);
        }
        self.take()
    }

    /// Whether a share waits for the pool's answer.
    pub fn awaits_verdicts(&self) -> bool {
        self.live.open && self.live.waiting.values().any(|waiting| matches!(waiting.ask, Ask::Submit(_)))
    }

    /// Whether the pool has let us in on the connection that is open.
    pub fn is_authorized(&self) -> bool {
        self.live.authorized
    }

    fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn parsed(&mut self, message: Result<Message, message::Malformed>) {
        match message {
            Ok(message) => {
                self.live.malformed = 0;
                match message {
                    Message::Call { id, call } => self.call(id, call),
                    Message::Answer { id, outcome } => self.answer(id, outcome),
                }
            }
            Err(why) => {
                self.live.malformed += 1;
                self.notice(format!("the pool sent something that makes no sense: {why}"));
                if self.live.malformed >= MAX_MALFORMED {
                    self.fail(format!("{MAX_MALFORMED} lines in a row made no sense"));
                }
            }
        }
    }

    fn subscribe(&mut self) {
        self.request(Ask::Subscribe, "mining.subscribe", json!([AGENT]));
    }

    fn request(&mut self, ask: Ask, method: &str, params: Value) {
        let timeouts = &self.options.timeouts;
        let timeout = if ask == Ask::Configure { timeouts.configure } else { timeouts.response };
        let id = self.live.next_id;
        self.live.next_id += 1;
        self.live.waiting.insert(id, Waiting { ask, deadline: self.now + timeout });
        self.send(&json!({ "id": id, "method": method, "params": params }));
    }

    fn send(&mut self, value: &Value) {
        self.outputs.push(Output::Send(format!("{value}\n")));
    }

    fn verdict(&mut self, share: u64, outcome: Result<(), String>) {
        let accepted = outcome.is_ok();
        let verdict = Verdict { share, accepted, reason: outcome.err(), block: false };
        self.outputs.push(Output::Event(SourceEvent::Verdict(verdict)));
    }

    fn notice(&mut self, text: String) {
        let text = self.notices.allow(self.now, text);
        self.outputs.extend(text.map(|text| Output::Event(SourceEvent::Notice(text))));
    }

    fn fail(&mut self, reason: String) {
        self.reconnect(Reconnect { reason, wait: Duration::ZERO, port: None });
    }

    fn reconnect(&mut self, reconnect: Reconnect) {
        if std::mem::replace(&mut self.live.open, false) {
            self.outputs.push(Output::Reconnect(reconnect));
        }
    }
}
