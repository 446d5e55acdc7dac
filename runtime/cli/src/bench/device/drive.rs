//! A helper at work for the benchmark: a session, without the host around it.

use std::{
    collections::HashMap,
    io::Read as _,
    num::NonZeroU64,
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
/// So much is kept of what a helper complains of.
const COMPLAINT: usize = 1 << 12;

/// A helper that has said hello.
pub struct Driven<'a> {
    contest: &'a Contest,
    session: HostSession,
    process: HelperProcess,
    generation: u64,
    slot: u32,
    next_unit: u64,
    next_nonce: u64,
    /// The header of the live job.
    header: Vec<u8>,
    /// The last solution: unit, nonce and digest.
    solution: Option<(u64, u64, [u8; 32])>,
    /// What the helper logged as a name and a number.
    numbers: HashMap<String, u64>,
    line: Vec<u8>,
    /// The last of what the helper wrote to standard error.
    complaint: Vec<u8>,
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
            header: Vec::new(),
            solution: None,
            numbers: HashMap::new(),
            line: Vec::new(),
            complaint: Vec::new(),
        };
        if let Some(stderr) = &driven.process.stderr {
            rustix::io::ioctl_fionbio(stderr, true).context("cannot read its helper's standard error")?;
        }
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
        self.header = header;
        Ok(())
    }

    /// Whether the last solution came for this unit, of the live job, and is right. Takes as long as a digest.
    pub fn found(&self, unit: u64) -> bool {
        let Some((_, nonce, digest)) = self.solution.filter(|(of, ..)| *of == unit) else { return false };
        let (algorithm, mut header) = (&self.contest.algorithm, self.header.clone());
        algorithm.layout().set_nonce(&mut header, nonce);
        algorithm.digest(&header).is_ok_and(|right| right.0 == digest)
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
        // Else a sleep takes 50 us more than it says; to look again and again would take a processor from devices that are one.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
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
                match &message {
                    DeviceMessage::Log { more, text, .. } => {
                        self.line.extend(text.as_bytes());
                        if !more {
                            self.keep_line();
                        }
                    }
                    DeviceMessage::Solution { unit_id, nonce, digest } => {
                        self.solution = Some((*unit_id, *nonce, *digest));
                    }
                    _ => {}
                }
                return Ok(message);
            }
            self.drain();
            if self.session.wait(Duration::from_millis(50)) {
                continue;
            }
            if let Some(status) = self.process.try_wait()?
                && !self.session.wait(Duration::ZERO)
            {
                self.drain();
                let text = String::from_utf8_lossy(&self.complaint);
                bail!("its helper ended ({status}): {}", text.trim());
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

    /// Takes what the helper wrote to standard error, so that it never waits for a reader.
    fn drain(&mut self) {
        let Some(stderr) = &mut self.process.stderr else { return };
        let mut chunk = [0; 4096];
        // Bounded: one that writes without end keeps nobody here.
        for _ in 0..64 {
            match stderr.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.complaint.extend_from_slice(&chunk[..count]),
            }
        }
        let surplus = self.complaint.len().saturating_sub(COMPLAINT);
        self.complaint.drain(..surplus);
    }
}
