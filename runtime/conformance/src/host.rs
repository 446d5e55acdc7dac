//! Plays the host: one session with one fresh helper, every message checked as it comes.

use std::{
    cell::RefCell,
    mem::offset_of,
    process::ExitStatus,
    rc::Rc,
    time::{Duration, Instant},
};

use adit_abi::{self as abi, DeviceHeader, DeviceStatus};
use adit_channel::session::Sizes;
use adit_host::device::spawn::CommandLine;
use adit_plugin::Target;

use crate::{
    entry::Entry,
    fault::{Checked, Stop, failure, fault},
    helper::Helper,
    ledger::{Expect, Ledger, Said},
    message::{Message, Unit},
    noise::Noise,
    oracle::{Job, Known},
    pulse::{APART, Pulse},
    regions::Regions,
};

/// How long a helper has for its hello, unless told otherwise. spec: SES-1.3
pub(crate) const HELLO: Duration = Duration::from_secs(10);
/// How long units may take that were sized to take a second at most.
pub(crate) const UNITS: Duration = Duration::from_secs(20);
/// One look at the rings when there was nothing.
const NAP: Duration = Duration::from_micros(300);
/// What helpers said last is kept up to so many lines.
const LAST_WORDS: usize = 10;
/// Generations begin here: above what 32 bits hold.
const FIRST_GENERATION: u64 = 1 << 40;

/// What a case runs in.
pub(crate) struct Context<'a> {
    pub command: &'a CommandLine,
    /// The processors that helpers are kept on from now on; none: those of the command.
    pub cpus: Vec<u32>,
    pub deadline: Instant,
    /// How long a helper has for its hello.
    pub hello_within: Duration,
    /// What is worth knowing of a case that passed.
    pub notes: Vec<String>,
    /// What helpers said last; for cases that failed.
    pub last_words: Rc<RefCell<Vec<String>>>,
}

impl Context<'_> {
    /// Starts a helper and waits for its hello.
    pub fn open(&self, sizes: Sizes) -> Checked<Host> {
        self.open_on(Regions::new(sizes)?, true)
    }

    /// The same on regions that were made before, and perhaps changed.
    pub fn open_on(&self, regions: Regions, die_with_host: bool) -> Checked<Host> {
        let mut host = self.start(regions, die_with_host)?;
        host.greet()?;
        Ok(host)
    }

    /// Starts a helper.
    pub fn start(&self, regions: Regions, die_with_host: bool) -> Checked<Host> {
        let cpus = if self.cpus.is_empty() { &self.command.cpus } else { &self.cpus };
        let command = CommandLine { cpus: cpus.clone(), ..self.command.clone() };
        let helper = Helper::start(&command, &regions, die_with_host)?;
        Ok(Host {
            generation: FIRST_GENERATION,
            boards: vec![0; regions.sizes.board_slots as usize],
            next_board: 0,
            pulse: Pulse::new(regions.sizes.heartbeat_ms),
            regions,
            helper,
            ledger: Ledger::default(),
            known: Vec::new(),
            deadline: self.deadline,
            hello_within: self.hello_within,
            last_words: Rc::clone(&self.last_words),
            greeted: false,
            reading: true,
            may_end: false,
            unasked: 0,
            garbage: [0; 2],
        })
    }
}

/// A job on the board.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub job: Job,
    pub slot: u32,
    pub generation: u64,
}

/// One session.
pub(crate) struct Host {
    pub regions: Regions,
    pub helper: Helper,
    pub ledger: Ledger,
    /// Algorithms that the helper knows, after [`meet`](Self::meet).
    pub known: Vec<Known>,
    /// Whether messages are read.
    pub reading: bool,
    /// Whether the helper may end now.
    pub may_end: bool,
    /// Messages that are neither log lines nor errors.
    pub unasked: u64,
    /// Stands in the reserved words of units.
    pub garbage: [u64; 2],
    generation: u64,
    /// Each board slot's generation.
    boards: Vec<u64>,
    next_board: u32,
    pulse: Pulse,
    deadline: Instant,
    hello_within: Duration,
    last_words: Rc<RefCell<Vec<String>>>,
    greeted: bool,
}

impl Host {
    /// Waits for the hello and looks at the header behind it. spec: SES-1.3
    fn greet(&mut self) -> Checked {
        let within = self.hello_within;
        if !self.until("before its hello", within, |host| host.greeted)? {
            return Err(fault("SES-1.3", format!("no hello within {} s", within.as_secs_f64())));
        }
        let peer = &self.regions.peer;
        let magic = peer.load(offset_of!(DeviceHeader, magic));
        if magic != abi::DEVICE_MAGIC {
            let what = format!("it said hello, but its header begins with {magic:#018x}, not with ADITDEV");
            return Err(fault("SES-1.3", what));
        }
        let version = peer.load32(offset_of!(DeviceHeader, version));
        let state = peer.load32(offset_of!(DeviceHeader, state));
        if version != abi::LAYOUT_VERSION || state != abi::DEVICE_READY {
            let what = format!("it said hello with version {version} and state {state}; expected: 1 and 0");
            return Err(fault("SES-1.2", what));
        }
        let session = peer.load(offset_of!(DeviceHeader, session_id));
        if session != self.regions.id {
            let what =
                format!("its header has session_id {session:#x}; the host's is {:#x}", self.regions.id);
            return Err(fault("SES-1.3", what));
        }
        Ok(())
    }

    /// Finds out which algorithms the helper knows; the first one is the one to work with.
    pub fn meet(&mut self) -> Checked<Known> {
        for known in Known::ALL {
            let posted = self.publish(&Job::new(known, 0, Target::from_zero_bits(60)));
            let id = self.send(&posted, 5, 40, Expect::Probe)?;
            self.finish("with its first unit")?;
            let done = self.ledger.get(id).and_then(|sent| sent.done);
            if done.is_some_and(|done| done.status == abi::UNIT_COMPLETE) {
                self.known.push(known);
            }
        }
        self.known.first().copied().ok_or_else(|| {
            let names: Vec<&str> = Known::ALL.iter().map(|known| known.plugin().name()).collect();
            Stop::Unknown(format!("the helper knows none of {}", names.join(", ")))
        })
    }

    /// Measures how many nonces the helper hashes in a second.
    pub fn rate(&mut self, known: Known) -> Checked<f64> {
        let posted = self.publish(&Job::new(known, 1, Target::from_zero_bits(60)));
        let mut count = 256;
        loop {
            let begin = Instant::now();
            self.send(&posted, 0, count, Expect::Work)?;
            self.finish("with a unit that measures its rate")?;
            let seconds = begin.elapsed().as_secs_f64();
            if seconds > 0.04 || count * 4 > known.most_nonces() {
                return Ok(count as f64 / seconds);
            }
            count *= 4;
        }
    }

    /// Puts a job on the board as the newest generation; older ones stay alive. spec: SES-4.1
    pub fn publish(&mut self, job: &Job) -> Posted {
        self.publish_entry(|_| {}, job)
    }

    /// The same, with an entry that is not what the job says.
    pub fn publish_entry(&mut self, change: impl FnOnce(&mut Entry), job: &Job) -> Posted {
        self.generation += 1;
        let (generation, slot) = (self.generation, self.next_board);
        let mut entry = job.entry(generation);
        self.spoil(&mut entry);
        change(&mut entry);
        self.next_board = (slot + 1) % self.regions.sizes.board_slots;
        self.boards[slot as usize] = generation;
        self.regions.write_board(slot, &entry);
        Posted { job: job.clone(), slot, generation }
    }

    /// With garbage asked for, fills whatever a device must not look at. spec: SES-1.2, SES-4.2
    fn spoil(&self, entry: &mut Entry) {
        if self.garbage == [0; 2] {
            return;
        }
        let mut noise = Noise::new(entry.generation);
        noise.fill(&mut entry.reserved);
        noise.fill(&mut entry.header[entry.header_len as usize..]);
        noise.fill(&mut entry.header[entry.nonce_offset as usize..][..entry.nonce_width as usize]);
    }

    /// Declares every generation but the newest dead. spec: SES-2.2
    pub fn raise(&self) {
        self.regions.set_generation(self.generation);
    }

    /// Run, pause or stop; wakes the helper. spec: SES-2.1
    pub fn control(&mut self, state: u32) {
        self.regions.set_control(state);
        // A full ring has messages to read: such a helper does not sleep.
        self.regions.push(&[u64::from(abi::MESSAGE_NONE), 0, 0, 0, 0, 0, 0]);
    }

    /// Sends a unit, waiting while the ring is full; returns its id.
    pub fn send(&mut self, posted: &Posted, start: u64, count: u64, expect: Expect) -> Checked<u64> {
        let mut id = self.try_send(posted, start, count, expect);
        if id.is_none() {
            self.until("while the work ring is full", UNITS, |host| {
                id = host.try_send(posted, start, count, expect);
                id.is_some()
            })?;
        }
        id.ok_or_else(|| fault("SES-3.2", format!("the work ring stayed full for {} s", UNITS.as_secs())))
    }

    /// Sends a unit if there is room.
    pub fn try_send(&mut self, posted: &Posted, start: u64, count: u64, expect: Expect) -> Option<u64> {
        let id = self.ledger.next_id();
        let unit = Unit { board_slot: posted.slot, generation: posted.generation, id, start, count };
        self.regions.push(&unit.payload(self.garbage)).then(|| {
            self.ledger.add(unit, posted.job.clone(), expect, self.regions.sent());
            id
        })
    }

    /// Waits until every unit has ended, and holds their hits against the oracle. spec: SES-5.2, SES-5.3
    pub fn finish(&mut self, doing: &str) -> Checked {
        self.finish_within(doing, UNITS)
    }

    /// The same for units that may take longer; the case has as much more time.
    pub fn finish_within(&mut self, doing: &str, limit: Duration) -> Checked {
        self.deadline += limit.saturating_sub(UNITS);
        if !self.until(doing, limit, |host| host.ledger.open() == 0)? {
            let what = format!("{} units have not ended after {} s", self.ledger.open(), limit.as_secs());
            return Err(fault("SES-5.3", format!("{what}, {doing}")));
        }
        self.verify()
    }

    /// Holds all hits against the oracle; the time that this takes is not the helper's.
    pub fn verify(&mut self) -> Checked {
        let begin = Instant::now();
        let verdict = self.ledger.verify();
        self.deadline += begin.elapsed();
        verdict
    }

    /// Plays on until `done` or until `limit` is over; says whether it was done. A machine that stood still, and this process
    /// with it, is not the helper's fault: from one look to the next no more counts than [`APART`].
    pub fn until(
        &mut self,
        doing: &str,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> bool,
    ) -> Checked<bool> {
        let (mut looked, mut spent) = (Instant::now(), Duration::ZERO);
        loop {
            self.turn(doing)?;
            if done(self) {
                return Ok(true);
            }
            spent += looked.elapsed().min(APART);
            if spent > limit {
                return Ok(false);
            }
            looked = Instant::now();
        }
    }

    /// Plays on for a while.
    pub fn pass(&mut self, doing: &str, time: Duration) -> Checked {
        self.until(doing, time, |_| false).map(drop)
    }

    /// Waits for the helper's end, which may come from now on.
    pub fn wait_exit(&mut self, doing: &str, limit: Duration) -> Checked<Option<ExitStatus>> {
        self.may_end = true;
        self.until(doing, limit, |host| host.helper.exit().is_some())?;
        let status = self.helper.exit();
        self.turn(doing)?;
        Ok(status)
    }

    /// One look at everything; naps when there was nothing.
    fn turn(&mut self, doing: &str) -> Checked {
        // The end first: what it sent before is still taken.
        let ended = self.helper.exit();
        let messages = self.pump(doing)?;
        if let Some(status) = ended.filter(|_| !self.may_end) {
            return Err(failure(format!("the helper ended by itself ({status}), {doing}")));
        }
        if Instant::now() > self.deadline {
            return Err(failure(format!("the case's time is over, {doing}")));
        }
        if messages == 0 {
            std::thread::sleep(NAP);
        }
        Ok(())
    }

    fn pump(&mut self, doing: &str) -> Checked<usize> {
        self.helper.drain();
        self.regions.check_head()?;
        if self.greeted && !self.may_end && self.regions.is_going_on() {
            self.pulse.look(self.beats(), Instant::now(), doing)?;
        }
        let mut messages = 0;
        while self.reading && messages < 10_000 {
            let Some(payload) = self.regions.take()? else { break };
            messages += 1;
            self.accept(Message::parse(&payload)?)?;
        }
        Ok(messages)
    }

    /// spec: SES-1.3, SES-5.5
    fn accept(&mut self, message: Message) -> Checked {
        if !self.greeted {
            if message != Message::Hello {
                return Err(fault(
                    "SES-1.3",
                    format!("its first message is {}, not a hello", message.name()),
                ));
            }
            self.greeted = true;
            return Ok(());
        }
        match message {
            Message::Nothing => self.unasked += 1,
            Message::Hello => return Err(fault("SES-1.3", "it said hello twice")),
            Message::Log(text) => self.remember(format!("log: {text}")),
            Message::Error { .. } => self.remember(message.name()),
            Message::Solution { unit, nonce, digest } => {
                self.unasked += 1;
                self.ledger.solution(unit, nonce, digest)?;
            }
            Message::Done(done) => {
                self.unasked += 1;
                let said = self.said(done.unit);
                self.ledger.done(done, said)?;
                if let Some(sent) = self.ledger.get(done.unit) {
                    self.regions.check_late(sent.behind)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what the helper says for people; the last of it, for it may say much.
    fn remember(&self, line: String) {
        let mut words = self.last_words.borrow_mut();
        words.push(line);
        let surplus = words.len().saturating_sub(LAST_WORDS);
        words.drain(..surplus);
    }

    fn said(&self, id: u64) -> Said {
        let stop = !self.regions.is_going_on();
        let stale = self.ledger.get(id).is_some_and(|sent| {
            let replaced = self.boards.get(sent.unit.board_slot as usize) != Some(&sent.unit.generation);
            replaced || sent.unit.generation < self.regions.generation()
        });
        Said { stale, stop }
    }

    /// The heartbeat as it is now. spec: SES-6.1
    pub fn beats(&self) -> u64 {
        self.regions.status(offset_of!(DeviceStatus, heartbeat))
    }

    /// The hashes that the helper counts. spec: SES-6.2
    pub fn hashes(&self) -> u64 {
        self.regions.status(offset_of!(DeviceStatus, hashes))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.control(abi::CONTROL_STOP);
        self.helper.end();
        for line in self.helper.last_lines() {
            self.remember(format!("standard error: {line}"));
        }
    }
}
