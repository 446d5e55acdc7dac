//! The world around the engine: virtual time, a host that does what it is told, devices that may not.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    fmt::Write,
    time::Duration,
};

use adit_host::engine::{Action, Assignment, DeviceId, Engine, Event};

use crate::{
    chance::Chance,
    device::Device,
    message::Message,
    oracle::Oracle,
    scenario::{MICROSECOND, MILLISECOND, Order, SECOND, Scenario, Vice},
    tally::Tally,
};

/// Steps that are shown when something is wrong.
const SHOWN: usize = 30;
/// No seed needs more.
const MOST_STEPS: u64 = 100_000;
/// The last job ends before this much time is over.
const PATIENCE: u64 = 300 * SECOND;

/// What will happen.
enum Happening {
    /// The host starts a device.
    Boot(DeviceId),
    /// A message reaches the host.
    Deliver { device: DeviceId, session: u64, message: Message },
    /// A unit reaches a device.
    Receive { device: DeviceId, session: u64, assignment: Assignment },
    /// A device sees the new generation.
    Raise { device: DeviceId, session: u64, generation: u64 },
    /// A device has something to say.
    Speak { device: DeviceId, session: u64, work: u64 },
    /// Trouble, of a kind that is thrown then.
    Trouble { device: DeviceId, session: u64 },
    /// The host notices that a device is gone.
    Lost { device: DeviceId, session: u64 },
    /// The source speaks, if it has not gone further.
    Order(usize),
}

struct Entry(Reverse<(u64, u64)>, Happening);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// What a run came to, for sums over all seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub tally: Tally,
    pub crashes: u64,
    /// Devices with a vice that harms.
    pub liars: u64,
    /// Those of them that were distrusted at least once.
    pub caught: u64,
    /// Of devices that hash a part of some units and say that they hashed all: those that were caught.
    pub skippers_caught: u64,
    /// Those that were not, although they claimed a good many such units.
    pub skippers_missed: u64,
    /// Folded over all actions: two runs of a seed must agree.
    pub fingerprint: u64,
}

pub struct World {
    seed: u64,
    chance: Chance,
    now: u64,
    numbered: u64,
    queue: BinaryHeap<Entry>,
    engine: Engine,
    oracle: Oracle,
    devices: Vec<Device>,
    scenario: Scenario,
    next_order: usize,
    key: u64,
    last_order_at: u64,
    actions: Vec<Action>,
    trace: VecDeque<(u64, Event, Vec<Action>)>,
    full_trace: bool,
    outcome: Outcome,
}

impl World {
    pub fn new(seed: u64, full_trace: bool) -> Self {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::new(seed, &mut chance);
        let profiles = scenario.devices.iter().cloned();
        let totals = scenario.devices.iter().map(|profile| profile.vice.is_some_and(|vice| vice.is_total()));
        let mut world = Self {
            seed,
            chance,
            now: 0,
            numbered: 0,
            queue: BinaryHeap::new(),
            engine: Engine::new(scenario.config),
            oracle: Oracle::new(scenario.config, totals),
            devices: profiles.enumerate().map(|(id, profile)| Device::new(id, profile)).collect(),
            scenario,
            next_order: 0,
            key: 0,
            last_order_at: u64::MAX,
            actions: Vec::new(),
            trace: VecDeque::new(),
            full_trace,
            outcome: Outcome::default(),
        };
        for id in 0..world.devices.len() {
            world.after(world.devices[id].profile.first_boot, Happening::Boot(id));
        }
        let first_order = world.chance.between(0, MILLISECOND);
        world.after(first_order, Happening::Order(0));
        world
    }

    /// Runs to the end of the last job and a while longer.
    pub fn run(&mut self) -> Result<Outcome, String> {
        let mut linger = u64::MAX;
        while let Some(Entry(Reverse((at, _)), happening)) = self.queue.pop() {
            self.now = at;
            self.happen(happening)?;
            let ended = self.next_order == self.scenario.orders.len() && self.oracle.is_exhausted();
            linger = if ended { linger.min(self.now + 50 * MILLISECOND) } else { u64::MAX };
            if self.now > linger {
                break;
            }
            if self.oracle.tally.steps > MOST_STEPS || self.now > self.last_order_at.saturating_add(PATIENCE)
            {
                return Err("no end of it: the last job is not exhausted".into());
            }
        }
        if linger == u64::MAX {
            return Err("nothing more happens and the last job is not exhausted".into());
        }
        self.oracle.end(&self.engine)?;
        self.outcome.tally = self.oracle.tally;
        for device in &self.devices {
            let lies = device.profile.vice.is_some_and(|vice| !vice.is_harmless());
            self.outcome.liars += u64::from(lies);
            self.outcome.caught += u64::from(lies && device.faults > 0);
            if device.profile.vice == Some(Vice::SkipsAPart) && self.scenario.config.canary_interval > 0 {
                let enough = 6 * u64::from(self.scenario.config.canary_interval.max(2));
                let escaped = device.faults == 0 && self.oracle.skips(device.id) >= enough;
                self.outcome.skippers_caught += u64::from(device.faults > 0);
                self.outcome.skippers_missed += u64::from(escaped);
            }
        }
        Ok(self.outcome)
    }

    /// The scenario and the last steps, for people.
    pub fn story(&self) -> String {
        let mut story = String::new();
        let scenario = &self.scenario;
        let _ = writeln!(story, "seed {}\n  {:?}", self.seed, scenario.config);
        for (id, profile) in scenario.devices.iter().enumerate() {
            let _ = writeln!(story, "  device {id}: {profile:?}");
        }
        for (at, event, actions) in &self.trace {
            tell(&mut story, *at, event, actions);
        }
        story
    }

    fn after(&mut self, delay: u64, happening: Happening) {
        self.at(self.now.saturating_add(delay), happening);
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.numbered += 1;
        self.queue.push(Entry(Reverse((at, self.numbered)), happening));
    }

    fn in_session(&self, device: DeviceId, session: u64) -> bool {
        self.devices[device].session == session
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Boot(id) => self.boot(id),
            Happening::Deliver { device, session, message } => {
                // What an earlier session said is dropped once there is a new one.
                if self.in_session(device, session) || !self.devices[device].up {
                    self.step(message)?;
                }
                Ok(())
            }
            Happening::Receive { device, session, assignment } if self.in_session(device, session) => {
                self.devices[device].inbox.push_back(assignment);
                self.begin(device);
                Ok(())
            }
            Happening::Raise { device, session, generation } if self.in_session(device, session) => {
                let said = self.devices[device].raise(generation, self.now);
                said.into_iter().for_each(|message| self.say(device, message));
                self.begin(device);
                Ok(())
            }
            Happening::Speak { device, session, work } if self.in_session(device, session) => {
                self.speak(device, work);
                Ok(())
            }
            Happening::Trouble { device, session } if self.in_session(device, session) => {
                self.trouble(device);
                Ok(())
            }
            Happening::Lost { device, session } if self.in_session(device, session) => self.lost(device),
            Happening::Order(index) if index == self.next_order => self.order(index),
            _ => Ok(()),
        }
    }

    fn boot(&mut self, id: DeviceId) -> Result<(), String> {
        if self.devices[id].up {
            return Ok(());
        }
        self.devices[id].boot(self.oracle.floor());
        let Device { ref profile, session, .. } = self.devices[id];
        let (trusted, preferred_unit) = (profile.trusted, profile.preferred_unit);
        if profile.troubles > 0 {
            let delay = self.chance.scaled(10 * MICROSECOND, 100 * MILLISECOND);
            self.after(delay, Happening::Trouble { device: id, session });
        }
        self.step(Message::plain(Event::DeviceUp { device: id, trusted, preferred_unit }))
    }

    /// A crash, a stall or a stop; the host notices later.
    fn trouble(&mut self, id: DeviceId) {
        let device = &mut self.devices[id];
        device.profile.troubles -= 1;
        self.outcome.crashes += 1;
        if self.chance.percent(25) {
            for message in self.devices[id].stop(self.now) {
                self.say(id, message);
            }
        }
        self.vanish(id);
    }

    /// The process is gone; what it said before is still on its way.
    fn vanish(&mut self, id: DeviceId) {
        let device = &mut self.devices[id];
        device.alive = false;
        device.work = None;
        let session = device.session;
        let notice = self.chance.scaled(MICROSECOND, 50 * MILLISECOND);
        self.after(notice, Happening::Lost { device: id, session });
    }

    fn lost(&mut self, id: DeviceId) -> Result<(), String> {
        self.devices[id].end_session();
        let backoff = self.chance.scaled(10 * MICROSECOND, 50 * MILLISECOND);
        self.after(backoff, Happening::Boot(id));
        self.step(Message::plain(Event::DeviceDown { device: id }))
    }

    fn order(&mut self, index: usize) -> Result<(), String> {
        self.next_order += 1;
        let (order, pause) = self.scenario.orders[index].clone();
        if self.next_order == self.scenario.orders.len() {
            self.last_order_at = self.now;
        } else {
            self.after(pause.at_most, Happening::Order(index + 1));
        }
        match order {
            Order::NoJob => self.step(Message::plain(Event::NoJob)),
            Order::Job(plan) => {
                self.key += 1;
                self.step(Message::plain(Event::Job(plan.job(self.key, self.seed))))
            }
        }
    }

    fn begin(&mut self, id: DeviceId) {
        if self.devices[id].flees() {
            return self.vanish(id);
        }
        if self.devices[id].begin(self.now, &mut self.chance).is_some() {
            self.listen(id);
        }
    }

    /// Comes back when the device has something to say.
    fn listen(&mut self, id: DeviceId) {
        let device = &self.devices[id];
        if let (Some(work), Some(due)) = (&device.work, device.due()) {
            let happening = Happening::Speak { device: id, session: device.session, work: work.id };
            self.at(due, happening);
        }
    }

    fn speak(&mut self, id: DeviceId, work: u64) {
        let device = &mut self.devices[id];
        if device.work.as_ref().is_none_or(|current| current.id != work) {
            return;
        }
        if let Some(message) = device.speak() {
            self.say(id, message);
        }
        self.listen(id);
        self.begin(id);
    }

    fn say(&mut self, id: DeviceId, message: Message) {
        let device = &self.devices[id];
        let (session, latency) = (device.session, device.profile.latency);
        self.after(latency, Happening::Deliver { device: id, session, message });
    }

    fn step(&mut self, message: Message) -> Result<(), String> {
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        self.engine.step(message.event.clone(), Duration::from_nanos(self.now), &mut actions);
        if self.full_trace {
            let mut line = String::new();
            tell(&mut line, self.now, &message.event, &actions);
            eprint!("{line}");
        } else {
            if self.trace.len() == SHOWN {
                self.trace.pop_front();
            }
            self.trace.push_back((self.now, message.event.clone(), actions.clone()));
        }
        self.oracle.step(&message, &actions, &self.engine)?;
        actions.drain(..).for_each(|action| self.act(action));
        self.actions = actions;
        Ok(())
    }

    fn act(&mut self, action: Action) {
        self.fold(&action);
        match action {
            Action::Send { device, assignment } => {
                let Device { ref profile, session, .. } = self.devices[device];
                self.after(profile.latency, Happening::Receive { device, session, assignment });
            }
            Action::RaiseGeneration(generation) => {
                for id in 0..self.devices.len() {
                    let Device { ref profile, session, .. } = self.devices[id];
                    let delay = profile.latency;
                    self.after(delay, Happening::Raise { device: id, session, generation });
                }
            }
            Action::Distrust { device, .. } => self.distrusted(device),
            Action::Exhausted(key) if key == self.key => {
                let waits = self.next_order > 0 && self.scenario.orders[self.next_order - 1].1.or_exhausted;
                if waits {
                    self.after(10 * MICROSECOND, Happening::Order(self.next_order));
                }
            }
            Action::Exhausted(_) | Action::Submit { .. } | Action::Unable { .. } => {}
        }
    }

    /// The host ends the session; the device comes back unless this happened too often.
    fn distrusted(&mut self, id: DeviceId) {
        let device = &mut self.devices[id];
        device.end_session();
        device.faults += 1;
        let (session, again) = (device.session, device.faults < device.profile.patience || id == 0);
        if self.chance.percent(50) {
            // The engine may be told what it knows.
            self.after(5 * MICROSECOND, Happening::Lost { device: id, session });
        }
        if again {
            let backoff = self.chance.scaled(10 * MICROSECOND, 50 * MILLISECOND);
            self.after(backoff, Happening::Boot(id));
        }
    }

    fn fold(&mut self, action: &Action) {
        let word = match action {
            Action::Send { device, assignment } => {
                assignment.unit
                    ^ assignment.nonce_start
                    ^ assignment.nonce_count << 32
                    ^ (*device as u64) << 48
            }
            Action::RaiseGeneration(generation) => *generation,
            Action::Submit { share, .. } => share.nonce ^ share.id << 32,
            Action::Exhausted(key) => *key,
            Action::Distrust { device, .. } | Action::Unable { device, .. } => *device as u64,
        };
        self.outcome.fingerprint = crate::toy::mix(self.outcome.fingerprint ^ word);
    }
}

/// One step in a few lines.
fn tell(story: &mut String, at: u64, event: &Event, actions: &[Action]) {
    let _ = writeln!(story, "{:>12} ns  {event:?}", at);
    for action in actions {
        let _ = match action {
            Action::Send { device, assignment } => writeln!(
                story,
                "                 -> unit {} to {device}: {} nonces from {}, {:?}",
                assignment.unit, assignment.nonce_count, assignment.nonce_start, assignment.header
            ),
            other => writeln!(story, "                 -> {other:?}"),
        };
    }
}
