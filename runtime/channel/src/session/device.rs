//! The device's end of a session.

use std::{
    mem::offset_of,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use adit_abi::{self as abi, DeviceRegion, DeviceStatus, HostRegion, JobSlot, LAYOUT_VERSION};
use adit_memory::Region;
use adit_ring::{
    Misbehaved,
    board::BoardReader,
    slot::{Consumer, Producer},
};

use super::{
    AttachError, ControlState, DeviceMessage, LiveGeneration, LogLevel, Sizes, Unit, UnitDone, UnitStatus,
    layout::{BOARD_WORDS, Layout},
    message::{to_bytes, to_words},
    view::{MappedRing, View},
};
use crate::futex::Futex;

/// How long a device that was told to stop tries to get its last messages, all of them, into a full ring.
const FAREWELL: Duration = Duration::from_millis(500);

/// How long a device goes without a look whether its host lives, whatever its heartbeat. spec: SES-1.5
const WATCH_EVERY: Duration = Duration::from_millis(200);

/// What a device says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Hello<'a> {
    /// The helper's name; 48 bytes are kept.
    pub name: &'a str,
    /// The device's name; 80 bytes are kept.
    pub device: &'a str,
    /// The helper's language or toolkit; 16 bytes are kept.
    pub language: &'a str,
    /// Nonces it likes at once; 0 for no preference.
    pub preferred_unit: u64,
}

/// A job board entry, copied and checked.
#[derive(Clone, Debug)]
pub struct JobCopy {
    /// Its generation; 0 before anything was read.
    pub generation: u64,
    /// The algorithm's number.
    pub algorithm: u32,
    /// Where the nonce stands.
    pub nonce_offset: usize,
    /// 4 or 8.
    pub nonce_width: usize,
    /// Report digests not above this.
    pub target: [u8; 32],
    header: [u8; abi::MAX_HEADER as usize],
    header_len: usize,
}

impl Default for JobCopy {
    fn default() -> Self {
        Self {
            generation: 0,
            algorithm: 0,
            nonce_offset: 0,
            nonce_width: 4,
            target: [0; 32],
            header: [0; abi::MAX_HEADER as usize],
            header_len: 0,
        }
    }
}

impl JobCopy {
    /// The header.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header[..self.header_len]
    }
}

/// The device's end: reads the host region, writes the device region.
#[derive(Debug)]
pub struct DeviceSession {
    host: View,
    own: View,
    layout: Layout,
    id: u64,
    units: Consumer<MappedRing>,
    solutions: Producer<MappedRing>,
    futex: Futex,
    heartbeat: u64,
    hashes: u64,
    finished: u64,
    errors: u64,
    watch: HostWatch,
    /// When a stopped host first left no room.
    farewell: Option<Instant>,
}

impl DeviceSession {
    /// Attaches to the two regions. The host region's header is checked against the memory it stands in.
    ///
    /// # Errors
    /// [`AttachError`] says what is wrong. For a version this device does not speak, the device region says
    /// so to the host too.
    pub fn attach(host: Arc<Region>, device: Arc<Region>) -> Result<Self, AttachError> {
        let (host, own) = (View::new(host), View::new(device));
        let fixed = abi::FIXED_SIZE as usize;
        if host.len() < fixed || own.len() < fixed {
            let what = format!("regions of {} and {} bytes; {fixed} are the least", host.len(), own.len());
            return Err(AttachError::Header(what));
        }
        let futex = Futex::new();
        let header = read_header(&host);
        let refuse = |error: AttachError, state: u32| {
            write_device_header(&own, header.session_id, state, futex, None);
            error
        };
        if header.magic != abi::HOST_MAGIC {
            return Err(AttachError::NotASession { magic: header.magic });
        }
        if header.version != LAYOUT_VERSION {
            return Err(refuse(AttachError::Version { host: header.version }, abi::DEVICE_VERSION_MISMATCH));
        }
        let layout = Layout::from_header(&header, host.len(), own.len())
            .map_err(|error| refuse(error, abi::DEVICE_BAD_REGION))?;
        let units = MappedRing::new(
            &host,
            layout.work_offset,
            layout.sizes.work_slots as usize,
            &own,
            offset_of!(DeviceRegion, work_reader),
        );
        let solutions = MappedRing::new(
            &own,
            layout.solution_offset,
            layout.sizes.solution_slots as usize,
            &host,
            offset_of!(HostRegion, solution_reader),
        );
        let bad = |error: adit_ring::slot::BadCapacity| AttachError::Header(error.to_string());
        let session = Self {
            units: Consumer::new(units).map_err(bad)?,
            solutions: Producer::new(solutions).map_err(bad)?,
            host,
            own,
            layout,
            id: header.session_id,
            futex,
            heartbeat: 0,
            hashes: 0,
            finished: 0,
            errors: 0,
            watch: HostWatch::default(),
            farewell: None,
        };
        session.set_sensors(None, None);
        Ok(session)
    }

    /// Its sizes.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.layout.sizes
    }

    /// How this device knows whether its host lives; without it, it takes it for granted. Asked several times
    /// a second, hashing or not. spec: SES-1.5
    pub fn watch_host(&mut self, lives: impl FnMut() -> bool + Send + 'static) {
        self.watch.lives = Some(Box::new(lives));
    }

    /// Whether the host lives, as far as is known.
    #[inline]
    pub fn host_lives(&mut self) -> bool {
        self.watch.look()
    }

    /// Completes the device header and tells the host. spec: SES-1.3
    pub fn hello(&mut self, hello: &Hello<'_>) {
        write_device_header(&self.own, self.id, abi::DEVICE_READY, self.futex, Some(hello));
        self.beat();
        self.push(DeviceMessage::Hello);
    }

    /// What the host wants. spec: SES-2.1
    #[inline]
    #[must_use]
    pub fn control(&self) -> ControlState {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, state);
        ControlState::from_word(self.host.half(offset).load(Ordering::Relaxed))
    }

    /// The lowest generation that is alive: to be looked at between sub-batches. spec: SES-2.2
    #[inline]
    #[must_use]
    pub fn live_generation(&self) -> u64 {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, generation);
        self.host.word(offset).load(Ordering::Relaxed)
    }

    /// The same for others to look at.
    #[must_use]
    pub fn live(&self) -> LiveGeneration {
        LiveGeneration::new(&self.host)
    }

    /// The next unit, waiting for it at most `timeout`; beats once. `None`: nothing yet, look at
    /// [`control`](Self::control).
    ///
    /// # Errors
    /// [`Misbehaved`]: the host region is broken; end.
    pub fn next_unit(&mut self, timeout: Duration) -> Result<Option<Unit>, Misbehaved> {
        self.beat();
        let before = self.units.position();
        let unit = self.try_next_unit()?;
        // What was no unit was sent to wake this end, which looks before it sleeps.
        if unit.is_some() || timeout.is_zero() || self.units.position() != before {
            return Ok(unit);
        }
        // Half a beat leaves room for being late.
        self.units.wait(&self.futex, timeout.min(self.heartbeat_interval() / 2).min(WATCH_EVERY));
        self.try_next_unit()
    }

    /// The next unit, if it is there; neither waits nor beats.
    ///
    /// # Errors
    /// As [`next_unit`](Self::next_unit).
    #[inline]
    pub fn try_next_unit(&mut self) -> Result<Option<Unit>, Misbehaved> {
        while let Some(payload) = self.units.try_pop()? {
            let unit = Unit::from_payload(&payload);
            if unit.is_some() {
                return Ok(unit);
            }
        }
        // Whoever asks like this may sleep in its own way. spec: SES-3.2
        self.units.catch_up();
        Ok(None)
    }

    /// How long this device may go without a beat.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.layout.sizes.heartbeat_ms))
    }

    /// Copies the header that `unit` is about. spec: SES-4.1, SES-4.2
    ///
    /// # Errors
    /// How to end the unit: [`UnitStatus::Stale`] or [`UnitStatus::Invalid`].
    pub fn read_job(&self, unit: &Unit, into: &mut JobCopy) -> Result<(), UnitStatus> {
        if unit.board_slot >= self.layout.sizes.board_slots || unit.last_nonce().is_none() {
            return Err(UnitStatus::Invalid);
        }
        if unit.generation < self.live_generation() {
            return Err(UnitStatus::Stale);
        }
        let at = self.layout.board_slot(unit.board_slot);
        let sequence = self.host.word(at + offset_of!(JobSlot, sequence));
        let guarded = self.host.words(at + offset_of!(JobSlot, generation), BOARD_WORDS);
        let mut words = [0; BOARD_WORDS];
        // A torn slot is being replaced: whatever unit pointed at it is stale.
        if !BoardReader::new(sequence, guarded).try_read(&mut words) || words[0] != unit.generation {
            return Err(UnitStatus::Stale);
        }
        fill(into, &words, unit)
    }

    /// Reports a nonce whose digest meets the target; waits while the ring is full. Returns `false` when it was
    /// not sent: the host is gone, or stops the session and takes no more.
    pub fn solution(&mut self, unit_id: u64, nonce: u64, digest: [u8; 32]) -> bool {
        self.push(DeviceMessage::Solution { unit_id, nonce, digest })
    }

    /// Reports the end of a unit; waits while the ring is full. Returns `false` as [`solution`](Self::solution).
    #[inline]
    pub fn done(&mut self, done: UnitDone) -> bool {
        self.finished += 1;
        self.status(offset_of!(DeviceStatus, units), self.finished);
        self.push_payload(&done.to_payload())
    }

    /// Sends text to the host's log.
    pub fn log(&mut self, level: LogLevel, text: &str) {
        for message in DeviceMessage::log(level, text) {
            self.push(message);
        }
    }

    /// Reports an error that the device survives; 40 bytes of `text` are kept.
    pub fn error(&mut self, code: u32, unit_id: u64, text: &str) {
        self.errors += 1;
        self.status(offset_of!(DeviceStatus, errors), self.errors);
        self.push(DeviceMessage::error(code, unit_id, text));
    }

    /// Says that this device lives. spec: SES-6.1
    #[inline]
    pub fn beat(&mut self) {
        self.heartbeat += 1;
        self.status(offset_of!(DeviceStatus, heartbeat), self.heartbeat);
    }

    /// Says which generation is being hashed; 0 for none.
    pub fn set_generation(&self, generation: u64) {
        self.status(offset_of!(DeviceStatus, generation), generation);
    }

    /// Counts hashes; to be called between sub-batches.
    #[inline]
    pub fn count(&mut self, hashes: u64) {
        self.hashes = self.hashes.wrapping_add(hashes);
        self.status(offset_of!(DeviceStatus, hashes), self.hashes);
    }

    /// Tells temperature (thousandths of a degree Celsius) and power (milliwatts).
    pub fn set_sensors(&self, temperature_mc: Option<i32>, power_mw: Option<u32>) {
        let low = temperature_mc.unwrap_or(abi::TEMPERATURE_UNKNOWN) as u32;
        let high = power_mw.unwrap_or(abi::POWER_UNKNOWN);
        self.status(offset_of!(DeviceStatus, temperature_mc), u64::from(low) | u64::from(high) << 32);
    }

    #[inline]
    fn status(&self, field: usize, value: u64) {
        self.own.word(offset_of!(DeviceRegion, status) + field).store(value, Ordering::Relaxed);
    }

    /// Pushes and wakes the host; while the ring is full it waits, beating, as long as the host may still
    /// read.
    fn push(&mut self, message: DeviceMessage) -> bool {
        self.push_payload(&message.to_payload())
    }

    #[inline]
    fn push_payload(&mut self, payload: &[u64; 7]) -> bool {
        if self.solutions.try_push(payload).is_err() && !self.push_slowly(payload) {
            return false;
        }
        self.solutions.wake(1, &self.futex);
        true
    }

    #[cold]
    fn push_slowly(&mut self, payload: &[u64; 7]) -> bool {
        loop {
            if self.control() == ControlState::Stop
                && self.farewell.get_or_insert_with(Instant::now).elapsed() > FAREWELL
            {
                return false;
            }
            if !self.host_lives() {
                return false;
            }
            self.beat();
            std::thread::sleep(Duration::from_micros(100));
            if self.solutions.try_push(payload).is_ok() {
                return true;
            }
        }
    }
}

/// Asks now and then whether the host lives.
#[derive(Default)]
struct HostWatch {
    lives: Option<Box<dyn FnMut() -> bool + Send>>,
    asked: Option<Instant>,
    gone: bool,
}

impl HostWatch {
    fn look(&mut self) -> bool {
        let Some(lives) = &mut self.lives else { return true };
        let now = Instant::now();
        if !self.gone && self.asked.is_none_or(|asked| now.duration_since(asked) >= WATCH_EVERY) {
            self.asked = Some(now);
            self.gone = !lives();
        }
        !self.gone
    }
}

impl std::fmt::Debug for HostWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostWatch").field("gone", &self.gone).finish_non_exhaustive()
    }
}

fn read_header(host: &View) -> abi::HostHeader {
    let magic = host.load(0);
    let words = host.copy::<10>(8);
    let (low, high) = (|at: usize| words[at] as u32, |at: usize| (words[at] >> 32) as u32);
    abi::HostHeader {
        magic,
        version: low(0),
        header_size: high(0),
        session_id: words[1],
        features: words[2],
        region_size: words[3],
        device_region_size: words[4],
        board_offset: low(5),
        board_slots: high(5),
        work_offset: low(6),
        work_slots: high(6),
        solution_offset: low(7),
        solution_slots: high(7),
        heartbeat_ms: low(8),
        host_pid: high(8),
        flags: low(9),
        reserved: [0; 172],
    }
}

/// Writes everything, the magic last.
fn write_device_header(own: &View, session: u64, state: u32, futex: Futex, hello: Option<&Hello<'_>>) {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let mut words = [0; 31];
    words[0] = pair(LAYOUT_VERSION, size_of::<abi::DeviceHeader>() as u32);
    words[1] = session;
    words[3] = pair(std::process::id(), state);
    if let Some(hello) = hello {
        words[4] = hello.preferred_unit;
        words[5..7].copy_from_slice(&to_words::<2>(cut(hello.language, 16)));
        words[7..13].copy_from_slice(&to_words::<6>(cut(hello.name, 48)));
        words[13..23].copy_from_slice(&to_words::<10>(cut(hello.device, 80)));
    }
    words[23] = u64::from(if futex.is_fenced() { abi::FLAG_FENCED } else { 0 });
    for (word, value) in own.words(8, words.len()).iter().zip(words) {
        word.store(value, Ordering::Relaxed);
    }
    own.word(0).store(abi::DEVICE_MAGIC, Ordering::Release);
}

/// The beginning of a text, cut between characters.
fn cut(text: &str, most: usize) -> &[u8] {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text.as_bytes()[..end]
}

fn fill(into: &mut JobCopy, words: &[u64; BOARD_WORDS], unit: &Unit) -> Result<(), UnitStatus> {
    let (low, high) = (|at: usize| words[at] as u32 as usize, |at: usize| (words[at] >> 32) as usize);
    let (header_len, nonce_offset, nonce_width) = (high(1), low(2), high(2));
    let fits = header_len <= abi::MAX_HEADER as usize
        && matches!(nonce_width, 4 | 8)
        && nonce_offset.checked_add(nonce_width).is_some_and(|end| end <= header_len);
    let last = unit.last_nonce().ok_or(UnitStatus::Invalid)?;
    if !fits || (nonce_width == 4 && last > u64::from(u32::MAX)) {
        return Err(UnitStatus::Invalid);
    }
    into.generation = words[0];
    into.algorithm = words[1] as u32;
    into.nonce_offset = nonce_offset;
    into.nonce_width = nonce_width;
    into.target = to_bytes(&words[3..7]);
    into.header = to_bytes(&words[7..]);
    into.header_len = header_len;
    Ok(())
}
