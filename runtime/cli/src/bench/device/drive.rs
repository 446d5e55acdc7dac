//! A helper at work for the benchmark: a session, without the host around it.

use std::{
    collections::HashMap,
    io::Read as _,
    time::{Duration, Instant},
};

use adit_channel::session::{
    Backing, Board, ControlState, DeviceMessage, HostSession, PeerRegions, Sizes, Unit, UnitDone, UnitStatus,
};
use adit_host::device::spawn::HelperProcess;
use adit_plugin::{DevBlock, Digest, Target};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::Pid;

use super::Contest;

/// A driver may compile for as long.
const HELLO_WITHIN: Duration = Duration::from_secs(180);
/// A unit of the benchmark takes a fraction of a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// A job switch is known that well.
const LOOK_EVERY: Duration = Duration::from_micros(20);

/// A helper that has said hello.
pub struct Driven<'a> {
    contest: &'a Contest,
    session: HostSession,
    process: HelperProcess,
    generation: u64,
    slot: u32,
    next_unit: u64,
    next_nonce: u64,
    /// What the helper logged as a name and a number.
    numbers: HashMap<String, u64>,
    line: Vec<u8>,
}

impl<'a> Driven<'a> {
    pub fn start(contest: &'a Contest, launch_us: u32) -> Result<Self> {
        let backing = Backing::Memfd("adit-bench-device".into(), Default::default());
        let (session, regions) =
            HostSession::new(u64::from(launch_us) | 1 << 32, Sizes::default(), &backing)?;
        let PeerRegions::Segments { host_region, device_region } = regions else {
            bail!("a session for another process has no descriptors");
        };
        let kernels = Some(&contest.kernels);
        let command = contest.command(launch_us);
        let process = HelperProcess::spawn(&command, &host_region, &device_region, kernels, true)?;
        let mut driven = Self {
            contest,
            session,
            process,
            generation: 0,
            slot: 0,
            next_unit: 1,
            next_nonce: 0,
            numbers: HashMap::new(),
            line: Vec::new(),
        };
        let until = Instant::now() + HELLO_WITHIN;
        while !matches!(driven.message(until).context("before its hello")?, DeviceMessage::Hello) {}
        Ok(driven)
    }

    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.process.id() as i32)
    }

    /// A new job, which ends the one before: with a hit at every nonce, or with none.
    pub fn publish(&mut self, hits: bool) -> Result<()> {
        self.generation += 1;
        self.next_nonce = 0;
        let algorithm = &self.contest.algorithm;
        let target = if hits { Target::MAX } else { Target::from_zero_bits(200) };
        let block = DevBlock {
            parent: &Digest([0xa5; 32]),
            height: self.generation,
            time_us: 1 << 50,
            roll: self.generation,
            target: &target,
        };
        let header = algorithm.dev_header(&block);
        let layout = algorithm.layout();
        self.slot = self.session.publish(&Board {
            generation: self.generation,
            algorithm: algorithm.id(),
            header: &header,
            nonce_offset: layout.nonce_offset as u32,
            nonce_width: layout.nonce_width as u32,
            target: target.0,
        })?;
        self.session.raise_generation(self.generation);
        Ok(())
    }

    /// Sends a unit of the job, the nonces after those of the last; its number. Begins anew where nonces end.
    pub fn send(&mut self, nonces: u64) -> Result<u64> {
        let most = if self.contest.algorithm.layout().nonce_width == 4 { 1 << 32 } else { u64::MAX };
        let nonces = nonces.clamp(1, most);
        if self.next_nonce > most - nonces {
            self.next_nonce = 0;
        }
        let unit = Unit {
            board_slot: self.slot,
            generation: self.generation,
            unit_id: self.next_unit,
            nonce_start: self.next_nonce,
            nonce_count: nonces,
        };
        self.session.send(&unit).map_err(|_| anyhow!("it does not take its units"))?;
        self.next_unit += 1;
        self.next_nonce = self.next_nonce.wrapping_add(nonces);
        Ok(unit.unit_id)
    }

    /// The next unit that ends; stale ones too.
    pub fn done(&mut self) -> Result<UnitDone> {
        let until = Instant::now() + ANSWER_WITHIN;
        loop {
            if let DeviceMessage::Done(done) = self.message(until)? {
                let fine = matches!(done.status, UnitStatus::Complete | UnitStatus::Stale);
                ensure!(fine, "a unit ended otherwise: {}", done.status);
                return Ok(done);
            }
        }
    }

    /// The next unit that ends, calling `working` before that when the device is first seen to work for the live job. A
    /// device that was quick with a short unit may not have been seen.
    pub fn done_after(&mut self, mut working: impl FnMut()) -> Result<UnitDone> {
        let until = Instant::now() + ANSWER_WITHIN;
        while !self.session.wait(Duration::ZERO) && Instant::now() < until {
            if self.session.status().generation == self.generation {
                working();
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.done()
    }

    /// Tells the helper to stop; what it logged.
    pub fn stop(mut self) -> Result<HashMap<String, u64>> {
        self.session.set_control(ControlState::Stop);
        let until = Instant::now() + STOP_WITHIN;
        while self.message(until).is_ok() {}
        ensure!(Instant::now() < until, "it does not stop");
        Ok(self.numbers)
    }

    fn message(&mut self, until: Instant) -> Result<DeviceMessage> {
        loop {
            if let Some(message) = self.session.poll()? {
                if let DeviceMessage::Log { more, text, .. } = &message {
                    self.line.extend(text.as_bytes());
                    if !more {
                        self.keep_line();
                    }
                }
                return Ok(message);
            }
            if self.session.wait(Duration::from_millis(50)) {
                continue;
            }
            if self.process.try_wait()?.is_some() && !self.session.wait(Duration::ZERO) {
                bail!("its helper ended: {}", self.complaint());
            }
            ensure!(Instant::now() < until, "its helper does not answer");
        }
    }

    fn keep_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        if let Some((name, number)) = line.split_once(' ')
            && let Ok(number) = number.parse()
        {
            self.numbers.insert(name.into(), number);
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.process.stderr.take() {
            let _ = stderr.take(1 << 16).read_to_string(&mut text);
        }
        text.trim().to_owned()
    }
}
