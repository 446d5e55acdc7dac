//! A simulated device: a queue of units, one that it works on, and what it says of it and when.

use std::{collections::VecDeque, ops::Range};

use adit_channel::session::UnitStatus;
use adit_host::engine::{Assignment, DeviceId, Event};

use crate::{
    chance::Chance,
    message::Message,
    scenario::{MICROSECOND, Profile, Vice},
    toy::{hash, prefix},
};

/// The least time from one unit to the next.
const OVERHEAD: u64 = 20 * MICROSECOND;

/// The unit in work: what will be said of it, nanoseconds after its start, the end last.
pub struct Work {
    /// Unlike that of any other work of this device.
    pub id: u64,
    started: u64,
    assignment: Assignment,
    script: VecDeque<(u64, Message)>,
}

pub struct Device {
    pub id: DeviceId,
    pub profile: Profile,
    /// Rises with each start; what is meant for an earlier session is dropped.
    pub session: u64,
    /// Its process runs.
    pub alive: bool,
    /// The host believes that it runs.
    pub up: bool,
    /// Times it was distrusted.
    pub faults: u64,
    pub inbox: VecDeque<Assignment>,
    pub work: Option<Work>,
    /// Of a unit that it ended.
    past_unit: u64,
    generation: u64,
    works: u64,
    /// Those of this session.
    session_works: u64,
}

impl Device {
    pub fn new(id: DeviceId, profile: Profile) -> Self {
        Self {
            id,
            profile,
            session: 0,
            alive: false,
            up: false,
            faults: 0,
            inbox: VecDeque::new(),
            work: None,
            past_unit: 0,
            generation: 0,
            works: 0,
            session_works: 0,
        }
    }

    /// A new process; `generation` is what it reads in its host region.
    pub fn boot(&mut self, generation: u64) {
        self.end_session();
        (self.generation, self.session_works) = (generation, 0);
        (self.alive, self.up) = (true, true);
    }

    /// The process is gone, the host knows.
    pub fn end_session(&mut self) {
        self.session += 1;
        (self.alive, self.up) = (false, false);
        self.inbox.clear();
        self.work = None;
    }

    /// Begins the next unit when idle; says when the first message of it is due.
    pub fn begin(&mut self, now: u64, chance: &mut Chance) -> Option<u64> {
        if !self.alive || self.work.is_some() {
            return None;
        }
        let assignment = self.inbox.pop_front()?;
        self.works += 1;
        self.session_works += 1;
        let script = self.script(&assignment, chance).into();
        self.work = Some(Work { id: self.works, started: now, assignment, script });
        self.due()
    }

    /// Whether it would rather crash than begin its next unit.
    pub fn flees(&self) -> bool {
        let idle = self.alive && self.work.is_none() && !self.inbox.is_empty();
        idle && self.profile.vice == Some(Vice::Flees)
            && self.works >= self.profile.good_units
            && self.session_works >= 2
    }

    /// When the next message is due.
    pub fn due(&self) -> Option<u64> {
        let work = self.work.as_ref()?;
        work.script.front().map(|(offset, _)| work.started + offset)
    }

    /// The message that is due; after the last the device is idle.
    pub fn speak(&mut self) -> Option<Message> {
        let work = self.work.as_mut()?;
        let (_, message) = work.script.pop_front()?;
        if work.script.is_empty() {
            self.past_unit = work.assignment.unit;
            self.work = None;
        }
        Some(message)
    }

    /// Generations below are dead: what it says at once.
    pub fn raise(&mut self, generation: u64, now: u64) -> Vec<Message> {
        self.generation = self.generation.max(generation);
        let stale =
            self.work.as_ref().is_some_and(|work| work.assignment.header.generation < self.generation);
        if stale { self.cut(now, UnitStatus::Stale) } else { Vec::new() }
    }

    /// It was told to stop: what it says before it exits.
    pub fn stop(&mut self, now: u64) -> Vec<Message> {
        let mut messages = self.cut(now, UnitStatus::Stopped);
        let id = self.id;
        let stopped = |held: Assignment| Message::plain(done(id, held.unit, UnitStatus::Stopped, 0));
        messages.extend(self.inbox.drain(..).map(stopped));
        messages
    }

    /// Ends the unit in work before its time.
    fn cut(&mut self, now: u64, status: UnitStatus) -> Vec<Message> {
        let Some(mut work) = self.work.take() else { return Vec::new() };
        let elapsed = now - work.started;
        let hashed = (elapsed / self.profile.pace).min(work.assignment.nonce_count);
        let mut messages = Vec::new();
        while work.script.front().is_some_and(|(due, _)| *due <= elapsed) {
            messages.extend(work.script.pop_front().map(|(_, message)| message));
        }
        let Some((_, last)) = work.script.pop_back() else { return messages };
        let truly = last.truly.start.min(hashed)..last.truly.end.min(hashed);
        self.past_unit = work.assignment.unit;
        messages.push(Message { event: done(self.id, work.assignment.unit, status, hashed), truly });
        messages
    }

    fn script(&mut self, given: &Assignment, chance: &mut Chance) -> Vec<(u64, Message)> {
        let count = given.nonce_count;
        if given.header.generation < self.generation {
            return self.end(given, OVERHEAD, UnitStatus::Stale, 0, 0..0);
        }
        if self.profile.lacks == Some(given.header.algorithm.id()) {
            return self.end(given, OVERHEAD, UnitStatus::UnknownAlgorithm, 0, 0..0);
        }
        if chance.percent(self.profile.hiccup_percent) {
            let status = chance.one_of(&[UnitStatus::Failed, UnitStatus::Invalid, UnitStatus::Stale]);
            return self.end(given, OVERHEAD, status, 0, 0..0);
        }
        let shows = self.works > self.profile.good_units && chance.percent(self.profile.vice_percent);
        match self.profile.vice.filter(|_| shows) {
            Some(vice) => self.misbehave(vice, given, chance),
            None => self.search(given, 0..count),
        }
    }

    /// Only the end.
    fn end(
        &self,
        given: &Assignment,
        after: u64,
        status: UnitStatus,
        hashes: u64,
        truly: Range<u64>,
    ) -> Vec<(u64, Message)> {
        vec![(after, Message { event: done(self.id, given.unit, status, hashes), truly })]
    }

    /// Every hit of a part of the unit, each when it is found, and the end of the whole unit.
    fn search(&self, given: &Assignment, part: Range<u64>) -> Vec<(u64, Message)> {
        let prefix = prefix(&given.header.bytes);
        let mut script = Vec::new();
        for offset in part.clone() {
            let nonce = given.nonce_start + offset;
            let digest = hash(prefix, nonce);
            if digest.meets(&given.header.target) {
                let event = Event::Solution { device: self.id, unit: given.unit, nonce, digest };
                script.push(((offset + 1) * self.profile.pace, Message::plain(event)));
            }
        }
        let after = (given.nonce_count * self.profile.pace).max(OVERHEAD);
        script.extend(self.end(given, after, UnitStatus::Complete, given.nonce_count, part));
        script
    }

    fn misbehave(&self, vice: Vice, given: &Assignment, chance: &mut Chance) -> Vec<(u64, Message)> {
        let count = given.nonce_count;
        let mut script = self.search(given, 0..count);
        let last = script.len() - 1;
        match vice {
            Vice::WrongDigest => match script[0].1.event {
                Event::Solution { ref mut digest, .. } => digest.0[0] ^= 1 << chance.between(0, 7),
                _ => {
                    self.tell(&mut script, given.unit, given.nonce_start, |digest| digest.0 = [0; 32], given)
                }
            },
            Vice::AboveTarget => {
                let misses =
                    |nonce: &u64| !hash(prefix(&given.header.bytes), *nonce).meets(&given.header.target);
                if let Some(nonce) = (0..count).map(|offset| given.nonce_start + offset).find(misses) {
                    self.tell(&mut script, given.unit, nonce, |_| (), given);
                }
            }
            Vice::OutsideUnit => {
                let before = given.nonce_start.wrapping_sub(1);
                let nonce = if chance.percent(50) { before } else { given.nonce_start.wrapping_add(count) };
                self.tell(&mut script, given.unit, nonce, |_| (), given);
            }
            Vice::UnknownUnit => {
                let unit = if chance.percent(50) { self.past_unit } else { given.unit + 1000 };
                if chance.percent(50) {
                    self.tell(&mut script, unit, given.nonce_start, |_| (), given);
                } else {
                    script[last].1.event = done(self.id, unit, UnitStatus::Complete, count);
                }
            }
            Vice::NeverSearches | Vice::Flees => {
                return self.end(given, OVERHEAD, UnitStatus::Complete, count, 0..0);
            }
            Vice::SkipsAPart => {
                let start = chance.between(0, count - 1);
                return self.search(given, start..chance.between(start, count));
            }
            Vice::WrongCount => {
                let (status, hashes) = chance.one_of(&[
                    (UnitStatus::Complete, count - 1),
                    (UnitStatus::Complete, count + 1),
                    (UnitStatus::Stopped, count + 1),
                    (UnitStatus::Stale, u64::MAX),
                ]);
                script[last].1.event = done(self.id, given.unit, status, hashes);
            }
            Vice::EndsTwice => script.push((script[last].0, script[last].1.clone())),
            Vice::ClaimsStale | Vice::ClaimsStopped => {
                let status = if vice == Vice::ClaimsStale { UnitStatus::Stale } else { UnitStatus::Stopped };
                let hashes = chance.one_of(&[0, count / 2, count, count, count, count]);
                return self.end(given, OVERHEAD, status, hashes, 0..0);
            }
            Vice::Repeats => {
                let twice = |said: (u64, Message)| [said.clone(), said];
                let end = script.pop();
                script = script.into_iter().flat_map(twice).chain(end).collect();
            }
            Vice::Refuses(status) => return self.end(given, OVERHEAD, status, 0, 0..0),
        }
        script
    }

    /// A solution before all others.
    fn tell(
        &self,
        script: &mut Vec<(u64, Message)>,
        unit: u64,
        nonce: u64,
        spoil: impl FnOnce(&mut adit_plugin::Digest),
        given: &Assignment,
    ) {
        let mut digest = hash(prefix(&given.header.bytes), nonce);
        spoil(&mut digest);
        let event = Event::Solution { device: self.id, unit, nonce, digest };
        script.insert(0, (0, Message::plain(event)));
    }
}

fn done(device: DeviceId, unit: u64, status: UnitStatus, hashes: u64) -> Event {
    Event::Done { device, unit, status, hashes }
}
