//! The loop itself.

use std::{
    collections::VecDeque,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use adit_channel::{
    futex::Futex,
    session::{DeviceMessage, HelloInfo, LogLevel},
};
use adit_plugin::Digest;
use adit_ring::park::Park as _;
use crossbeam_channel::{Sender, TrySendError};

use super::{
    DeviceState, HostConfig, HostError, HostEvent, Observer, Summary,
    links::{Link, Live, PULSE_EVERY, Pulse},
};
use crate::{
    device::Mail,
    engine::{Action, DeviceId, Engine, Event},
    mailbox::{Letter, Mailbox},
    source::{SourceCommand, SourceEvent, Verdict},
};

/// Messages taken from one device before the others have their turn.
const TURN: usize = 64;
/// Shares whose device is remembered until the source judges them.
const REMEMBERED: usize = 4096;

/// A host that runs.
pub struct Running<'a, 'o> {
    pub(super) config: HostConfig,
    pub(super) engine: Engine,
    actions: Vec<Action>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) links: Vec<Link>,
    pub(super) commands: Sender<SourceCommand>,
    /// Commands that found the source's queue full; devices are not read until they are through.
    pub(super) waiting: VecDeque<SourceCommand>,
    pub(super) observer: &'a mut Observer<'o>,
    /// Share and device, oldest first.
    shares: VecDeque<(u64, DeviceId)>,
    futex: Futex,
    pub(super) begin: Instant,
    pub(super) working: Option<(Instant, Instant)>,
    next_pulse: Instant,
    next_report: Instant,
    pub(super) summary: Summary,
    /// Whether the observer ended it.
    pub(super) enough: bool,
    /// Whose messages come first; the next, when the source has no room for more.
    turn_of: DeviceId,
    /// When the clock was last looked at.
    looked: Instant,
    /// How long this process stood still so far, between two looks.
    stood: Duration,
    /// How it ends, once it does.
    pub(super) outcome: Option<Result<(), HostError>>,
}

/// So many looks at the clock in a row find a device overdue of which something is unread, before it is given up all the same: a
/// second or more.
const UNREAD: u32 = 20;

/// Two looks at the clock are no further apart, unless this process stands still.
const STOOD_STILL: Duration = Duration::from_secs(1);

impl<'a, 'o> Running<'a, 'o> {
    pub fn new(
        config: HostConfig,
        mailbox: Arc<Mailbox>,
        links: Vec<Link>,
        commands: Sender<SourceCommand>,
        observer: &'a mut Observer<'o>,
    ) -> Self {
        let begin = Instant::now();
        Self {
            engine: Engine::new(config.engine),
            config,
            actions: Vec::with_capacity(64),
            mailbox,
            links,
            commands,
            waiting: VecDeque::with_capacity(64),
            observer,
            shares: VecDeque::with_capacity(64),
            futex: Futex::new(),
            begin,
            working: None,
            next_pulse: begin + PULSE_EVERY,
            next_report: begin + config.report_every,
            summary: Summary {
                whole: false,
                hashes: 0,
                solutions: 0,
                accepted: 0,
                rejected: 0,
                blocks: 0,
                seconds: 0.0,
                working_seconds: 0.0,
            },
            enough: false,
            turn_of: 0,
            looked: begin,
            stood: Duration::ZERO,
            outcome: None,
        }
    }

    pub fn run(mut self, source: JoinHandle<()>) -> Result<Summary, HostError> {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            let state = DeviceState::Starting { place: &link.place };
            let event = HostEvent::Device { device: link.name(), state };
            if (self.observer)(event).is_break() {
                self.have_enough();
            }
        }
        while self.outcome.is_none() {
            let ticket = self.mailbox.ticket();
            if self.mailbox.is_stopped() {
                self.outcome = Some(Ok(()));
                break;
            }
            let busy = self.letters() | self.flush() | self.messages();
            self.clock();
            if !busy && self.outcome.is_none() {
                self.sleep(ticket);
            }
        }
        self.end(source)
    }

    /// Everything in the mailbox; whether there was anything.
    fn letters(&mut self) -> bool {
        let mut any = false;
        // A bounded number, so that a talkative source does not starve the rings.
        for _ in 0..TURN {
            let Some(letter) = self.mailbox.take() else { break };
            any = true;
            match letter {
                Letter::Device(mail) => self.mail(mail),
                Letter::Source(event) => self.source_event(event),
            }
        }
        any
    }

    fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Session { device, run, session } => {
                self.links[device].session = Some(Live::new(session, run));
                self.links[device].ended = None;
            }
            Mail::Gone { device, reason, retry_in } => self.gone(device, reason, retry_in),
            Mail::Quarantined { device, reason } => {
                self.tell_device(device, DeviceState::Quarantined { reason: &reason });
                self.links[device].lost = Some(reason);
                self.check_devices_left();
            }
            Mail::Line { device, text } => self.log(LogLevel::Info, Some(device), &text),
        }
    }

    fn gone(&mut self, device: DeviceId, reason: String, retry_in: Option<Duration>) {
        self.read_last(device);
        let refusal = self.links[device].session.take().and_then(|live| live.refusal());
        self.links[device].partial_line.clear();
        self.step(Event::DeviceDown { device });
        let reason = self.links[device].ended.take().or(refusal).unwrap_or(reason);
        self.tell_device(device, DeviceState::Down { reason: &reason, retry_in });
    }

    /// What a device published before its death counts, and is no more than a ring; a process that it left behind may go on
    /// writing.
    pub(super) fn read_last(&mut self, device: DeviceId) {
        let slots = self.links[device].session.as_ref().map_or(0, |live| live.session.sizes().solution_slots);
        for _ in 0..=slots as usize / TURN {
            if !self.turn(device) {
                break;
            }
        }
    }

    fn source_event(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Job(job) => {
                self.tell(HostEvent::Job {
                    key: job.key,
                    name: &job.name,
                    algorithm: job.algorithm.name(),
                    target: job.target,
                    clean: job.clean,
                });
                self.links.iter_mut().for_each(|link| link.unable = false);
                self.step(Event::Job(job));
            }
            SourceEvent::NoJob => self.step(Event::NoJob),
            SourceEvent::Verdict(verdict) => self.verdict(&verdict),
            SourceEvent::Connected(to) => self.tell(HostEvent::Connection { text: &to, retry_in: None }),
            SourceEvent::Disconnected { reason, retry_in } => {
                self.tell(HostEvent::Connection { text: &reason, retry_in: Some(retry_in) });
            }
            SourceEvent::Notice(text) => self.log(LogLevel::Info, None, &text),
            SourceEvent::Ended(result) => {
                self.summary.whole = result.is_ok();
                self.outcome = Some(result.map_err(HostError::Source));
            }
        }
    }

    pub(super) fn verdict(&mut self, verdict: &Verdict) {
        let at = self.shares.iter().position(|(share, _)| *share == verdict.share);
        let device = at.and_then(|at| self.shares.remove(at)).map(|(_, device)| device);
        self.summary.accepted += u64::from(verdict.accepted);
        self.summary.rejected += u64::from(!verdict.accepted);
        self.summary.blocks += u64::from(verdict.accepted && verdict.block);
        let device = device.map_or("", |device| self.links[device].name());
        if (self.observer)(HostEvent::Share { device, verdict }).is_break() {
            self.have_enough();
        }
    }

    /// Messages of all devices; whether there were any.
    pub(super) fn messages(&mut self) -> bool {
        let (mut any, count) = (false, self.links.len());
        let first = self.turn_of;
        for device in (0..count).map(|at| (first + at) % count) {
            if !self.waiting.is_empty() {
                // One that finds more than the source has room for must not be the only one that is heard.
                self.turn_of = device;
                break;
            }
            any |= self.turn(device);
        }
        any
    }

    /// Some messages of one device; whether there were any.
    fn turn(&mut self, device: DeviceId) -> bool {
        for taken in 0..TURN {
            let Some(live) = &mut self.links[device].session else { return taken > 0 };
            match live.session.poll() {
                Ok(Some(message)) => self.message(device, message),
                Ok(None) => return taken > 0,
                Err(error) => {
                    self.end_session(device, error.to_string(), true);
                    return true;
                }
            }
        }
        true
    }

    fn message(&mut self, device: DeviceId, message: DeviceMessage) {
        let Some(live) = &mut self.links[device].session else { return };
        if !live.up {
            return match message {
                DeviceMessage::Hello => self.hello(device),
                _ => self.end_session(device, "it spoke before it said hello".into(), true),
            };
        }
        match message {
            DeviceMessage::None => {}
            DeviceMessage::Hello => self.end_session(device, "it said hello twice".into(), true),
            DeviceMessage::Solution { unit_id, nonce, digest } => {
                self.step(Event::Solution { device, unit: unit_id, nonce, digest: Digest(digest) });
            }
            DeviceMessage::Done(done) => {
                let (unit, status, hashes) = (done.unit_id, done.status, done.hashes);
                let before = self.engine.stats(device).units;
                self.step(Event::Done { device, unit, status, hashes });
                if hashes > 0 && self.engine.stats(device).units > before {
                    self.links[device].supervised.count_unit();
                }
                if let Some((_, last)) = &mut self.working {
                    *last = Instant::now();
                }
            }
            DeviceMessage::Log { level, more, text } => self.log_part(device, level, more, text.as_bytes()),
            DeviceMessage::Error { code, unit_id, text } => {
                self.step(Event::Error { device });
                let text = format!("error {code} in unit {unit_id}: {text}");
                self.say(LogLevel::Error, device, &text);
            }
        }
    }

    fn hello(&mut self, device: DeviceId) {
        let Some(live) = &mut self.links[device].session else { return };
        match live.session.hello() {
            Ok(HelloInfo { name, device: hardware, language, pid, preferred_unit, .. }) => {
                live.greet(Instant::now());
                self.links[device].unable = false;
                let state = DeviceState::Up { helper: &name, name: &hardware, language: &language, pid };
                self.tell_device(device, state);
                let trusted = self.links[device].trusted;
                self.step(Event::DeviceUp { device, trusted, preferred_unit });
            }
            Err(error) => self.end_session(device, error.to_string(), false),
        }
    }

    /// Ends a device's session; a fault counts against it.
    fn end_session(&mut self, device: DeviceId, reason: String, fault: bool) {
        self.log(LogLevel::Warn, Some(device), &reason);
        if fault {
            self.links[device].supervised.count_fault();
        }
        self.links[device].end(reason);
        self.step(Event::DeviceDown { device });
    }

    pub(super) fn step(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.engine.step(event, self.time(), &mut actions);
        let mut failed = Vec::new();
        for action in actions.drain(..) {
            self.act(action, &mut failed);
        }
        self.actions = actions;
        for (device, reason) in failed {
            // Once, though more than one unit for it may have failed.
            if self.links[device].session.is_some() {
                self.end_session(device, reason, true);
            }
        }
    }

    fn act(&mut self, action: Action, failed: &mut Vec<(DeviceId, String)>) {
        match action {
            Action::Send { device, assignment } => {
                let now = Instant::now();
                self.working.get_or_insert((now, now));
                let Some(live) = &mut self.links[device].session else { return };
                if let Err(error) = live.send(&assignment) {
                    failed.push((device, error.to_string()));
                }
            }
            Action::RaiseGeneration(generation) => {
                for live in self.links.iter_mut().filter_map(|link| link.session.as_mut()) {
                    live.session.raise_generation(generation);
                }
            }
            Action::Submit { device, share } => {
                self.summary.solutions += 1;
                if self.shares.len() == REMEMBERED {
                    self.shares.pop_front();
                }
                self.shares.push_back((share.id, device));
                let device = self.links[device].name();
                if (self.observer)(HostEvent::Solution { device, share: &share }).is_break() {
                    self.have_enough();
                }
                self.command(SourceCommand::Submit(share));
            }
            Action::Exhausted(key) => self.command(SourceCommand::Exhausted(key)),
            Action::Distrust { device, reason } => {
                let text = reason.to_string();
                self.log(LogLevel::Warn, Some(device), &text);
                self.links[device].supervised.count_fault();
                self.links[device].end(text);
            }
            Action::Unable { device, algorithm } => {
                self.log(
                    LogLevel::Warn,
                    Some(device),
                    &format!("it does not know the algorithm {algorithm}"),
                );
                self.links[device].unable = true;
                self.check_devices_left();
            }
        }
    }

    fn command(&mut self, command: SourceCommand) {
        self.waiting.push_back(command);
        self.flush();
    }

    /// Gives the source what it has room for; whether there was anything.
    pub(super) fn flush(&mut self) -> bool {
        let before = self.waiting.len();
        while let Some(command) = self.waiting.front() {
            match self.commands.try_send(*command) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(TrySendError::Full(_)) => break,
                // It ended; its last event is on its way.
                Err(TrySendError::Disconnected(_)) => self.waiting.clear(),
            }
        }
        self.waiting.len() < before
    }

    fn clock(&mut self) {
        let now = Instant::now();
        // While this process itself stood still, no device could be heard.
        let gap = now.duration_since(self.looked);
        self.looked = now;
        if gap > STOOD_STILL {
            self.stood += gap - STOOD_STILL;
            // Not all of it: were each round as long, one that is stuck would be forgiven for ever.
            let forgiven = gap - STOOD_STILL / 2;
            for live in self.links.iter_mut().filter_map(|link| link.session.as_mut()) {
                live.forgive(forgiven, now);
            }
        }
        if now >= self.next_pulse {
            self.next_pulse = now + PULSE_EVERY;
            (0..self.links.len()).for_each(|device| self.pulse(device, now));
        }
        if now >= self.next_report {
            self.next_report = now + self.config.report_every;
            self.report();
        }
    }

    fn pulse(&mut self, device: DeviceId, now: Instant) {
        let hello_within = self.links[device].hello_within;
        let Some(live) = &mut self.links[device].session else { return };
        let care = self.config.care;
        match live.pulse(now, hello_within, &care) {
            Pulse::Steady => {}
            Pulse::BecameSlow => self.tell_device(device, DeviceState::Slow),
            Pulse::Recovered => self.tell_device(device, DeviceState::Healthy),
            Pulse::Silent => {
                self.end_session(device, format!("it said no hello within {hello_within:?}"), false);
            }
            // A worker of this process that yields to a busy machine is late, not stuck, and could not be killed.
            Pulse::Stuck if self.links[device].trusted => {}
            Pulse::Stuck => {
                self.end_session(device, format!("stuck: no heartbeat for {:?}", care.stuck_after), false);
            }
        }
        let overdue = self.engine.overdue(device, self.time()).filter(|_| !self.links[device].trusted);
        let Some(live) = &mut self.links[device].session else { return };
        let Some(why) = overdue else { return live.overdue = 0 };
        // What it has sent and nobody has read may be the end that is missed; one that never stops sending has its time, too.
        live.overdue += u32::from(self.waiting.is_empty());
        if live.is_read() || live.overdue > UNREAD {
            self.end_session(device, why, false);
        }
    }

    /// Since the beginning, as devices can be judged by it: without what this process stood still.
    pub(super) fn time(&self) -> Duration {
        // What will be counted as that at the next look is none already: this never goes back.
        let now = self.looked.elapsed().saturating_sub(STOOD_STILL);
        self.begin.elapsed().saturating_sub(self.stood + now)
    }

    /// Sleeps until a device or a letter comes, or the clock has something to do.
    fn sleep(&mut self, ticket: u64) {
        let now = Instant::now();
        let timeout = self.next_pulse.min(self.next_report).saturating_duration_since(now);
        let read = self.waiting.is_empty();
        for live in self.links.iter_mut().filter_map(|link| link.session.as_mut()) {
            live.session.arm();
        }
        let live = || self.links.iter().filter(|_| read).filter_map(|link| link.session.as_ref());
        self.futex.heavy_fence();
        if live().all(|live| live.session.sleep_on().is_some()) {
            let rings = live().filter_map(|live| live.session.sleep_on());
            let words = std::iter::once(self.mailbox.sleep_on(ticket)).chain(rings);
            let timeout = if read { timeout } else { timeout.min(Duration::from_millis(1)) };
            self.futex.wait_any(words, timeout);
        }
        self.links.iter().filter_map(|link| link.session.as_ref()).for_each(|live| live.session.disarm());
    }

    pub(super) fn sleep_on_mailbox(&self, ticket: u64, time: Duration) {
        if !time.is_zero() {
            self.futex.wait_any(std::iter::once(self.mailbox.sleep_on(ticket)), time);
        }
    }

    fn check_devices_left(&mut self) {
        let useless = |link: &Link| link.lost.is_some() || link.unable;
        if self.outcome.is_none() && self.links.iter().all(useless) {
            let reason = |link: &Link| {
                let why = link.lost.as_deref().unwrap_or("it does not know the algorithm");
                format!("{}: {why}", link.name())
            };
            self.outcome = Some(Err(HostError::DevicesLost(self.links.iter().map(reason).collect())));
        }
    }
}
