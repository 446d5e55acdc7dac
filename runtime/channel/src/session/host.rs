//! The host's end of a session.

use std::{
    mem::offset_of,
    sync::{Arc, atomic::Ordering},
};

use adit_abi::{self as abi, DeviceRegion, DeviceStatus, HostRegion, JobSlot, LAYOUT_VERSION};
use adit_memory::{Options, Region, Segment};
use adit_ring::{
    board::BoardWriter,
    slot::{Consumer, Full, Producer, SleepOn},
};

use super::{
    ControlState, DeviceMessage, PeerError, SessionError, Sizes, Unit,
    layout::{BOARD_WORDS, Layout},
    message::{field_text, to_bytes, to_words},
    view::{MappedRing, View},
};
use crate::futex::Futex;

/// Where a session's memory comes from.
#[derive(Clone, Debug)]
pub enum Backing {
    /// This process' heap: the device is a thread.
    Heap,
    /// Sealed memory files: the device is another process. With a name for /proc and with wishes.
    Memfd(String, Options),
}

/// The device's half of a new session.
#[derive(Debug)]
pub enum PeerRegions {
    /// For [`super::DeviceSession::attach`] in this process.
    Mapped {
        /// Read-only for the device.
        host_region: Arc<Region>,
        /// The device's own.
        device_region: Arc<Region>,
    },
    /// To hand to another process.
    Segments {
        /// Can be mapped read-only and nothing else.
        host_region: Segment,
        /// The device's own; its size is sealed.
        device_region: Segment,
    },
}

/// A header to put on the job board.
#[derive(Clone, Copy, Debug)]
pub struct Board<'a> {
    /// Which generation it is.
    pub generation: u64,
    /// The algorithm's number.
    pub algorithm: u32,
    /// The header, 1 to 512 bytes.
    pub header: &'a [u8],
    /// Where the nonce stands.
    pub nonce_offset: u32,
    /// 4 or 8.
    pub nonce_width: u32,
    /// Report digests not above this, little-endian.
    pub target: [u8; 32],
}

/// What a device said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloInfo {
    /// The helper's name.
    pub name: String,
    /// The device's name.
    pub device: String,
    /// The helper's language or toolkit.
    pub language: String,
    /// Its process id as it sees it.
    pub pid: u32,
    /// Nonces it likes at once; 0 for no preference.
    pub preferred_unit: u64,
    /// It fences at each publish.
    pub fenced: bool,
}

/// Heartbeat and counters at one moment; nothing here is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Rises while the device lives.
    pub heartbeat: u64,
    /// The generation it hashes.
    pub generation: u64,
    /// Nonces hashed in this session.
    pub hashes: u64,
    /// Units finished in this session.
    pub units: u64,
    /// Errors met in this session.
    pub errors: u64,
    /// Thousandths of a degree Celsius.
    pub temperature_mc: Option<i32>,
    /// Milliwatts.
    pub power_mw: Option<u32>,
}

/// The host's end: writes the host region, reads the device region.
#[derive(Debug)]
pub struct HostSession {
    own: View,
    peer: View,
    layout: Layout,
    id: u64,
    work: Producer<MappedRing>,
    solutions: Consumer<MappedRing>,
    next_board_slot: u32,
    futex: Futex,
}

impl HostSession {
    /// A session whose number is `id`, and the device's half of it. It begins in [`ControlState::Run`].
    ///
    /// # Errors
    /// [`SessionError`]: sizes out of range, or no memory.
    pub fn new(id: u64, sizes: Sizes, backing: &Backing) -> Result<(Self, PeerRegions), SessionError> {
        let layout = Layout::new(sizes)?;
        let futex = Futex::new();
        let (own, peer, regions) = match backing {
            Backing::Heap => {
                let host_region = Arc::new(Region::heap(layout.host_size)?);
                let device_region = Arc::new(Region::heap(layout.device_size)?);
                let regions = PeerRegions::Mapped {
                    host_region: Arc::clone(&host_region),
                    device_region: Arc::clone(&device_region),
                };
                (host_region, device_region, regions)
            }
            Backing::Memfd(name, options) => {
                let (own, host_region) =
                    adit_memory::create_owned(&format!("{name}-host"), layout.host_size, options)?;
                let (peer, device_region) =
                    adit_memory::create_for_peer(&format!("{name}-device"), layout.device_size, options)?;
                (Arc::new(own), Arc::new(peer), PeerRegions::Segments { host_region, device_region })
            }
        };
        let (own, peer) = (View::new(own), View::new(peer));
        write_header(&own, &layout, id, futex);
        let work = MappedRing::new(
            &own,
            layout.work_offset,
            sizes.work_slots as usize,
            &peer,
            offset_of!(DeviceRegion, work_reader),
        );
        let solutions = MappedRing::new(
            &peer,
            layout.solution_offset,
            sizes.solution_slots as usize,
            &own,
            offset_of!(HostRegion, solution_reader),
        );
        let bad = |error: adit_ring::slot::BadCapacity| SessionError::Sizes(error.to_string());
        let session = Self {
            work: Producer::new(work).map_err(bad)?,
            solutions: Consumer::new(solutions).map_err(bad)?,
            own,
            peer,
            layout,
            id,
            next_board_slot: 0,
            futex,
        };
        Ok((session, regions))
    }

    /// The session's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its sizes.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.layout.sizes
    }

    /// Tells the device to run, pause or stop, and wakes it. spec: SES-2.1
    pub fn set_control(&mut self, state: ControlState) {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, state);
        self.own.half(offset).store(state.to_word(), Ordering::Release);
        self.nudge();
    }

    /// Declares every generation below `generation` dead; never goes back. spec: SES-2.2
    pub fn raise_generation(&mut self, generation: u64) {
        let offset = offset_of!(HostRegion, control) + offset_of!(abi::Control, generation);
        self.own.word(offset).fetch_max(generation, Ordering::Release);
    }

    /// Puts a header on the board and says in which slot. A slot comes round again after as many calls as
    /// the board has slots, so units that are still outstanding by then are stale. spec: SES-4.1
    ///
    /// # Errors
    /// [`SessionError::Board`]: no device could read such an entry.
    pub fn publish(&mut self, board: &Board<'_>) -> Result<u32, SessionError> {
        let (offset, width) = (board.nonce_offset as usize, board.nonce_width as usize);
        let length = board.header.len();
        if length == 0 || length > abi::MAX_HEADER as usize {
            return Err(SessionError::Board(format!(
                "a header of {length} bytes; 1 to {} fit",
                abi::MAX_HEADER
            )));
        }
        if !matches!(width, 4 | 8) || offset + width > length {
            let what = format!("a nonce of {width} bytes at {offset} in a header of {length}");
            return Err(SessionError::Board(what));
        }
        let slot = self.next_board_slot;
        self.next_board_slot = (slot + 1) & (self.layout.sizes.board_slots - 1);
        let mut words = [0; BOARD_WORDS];
        words[0] = board.generation;
        words[1] = u64::from(board.algorithm) | (length as u64) << 32;
        words[2] = u64::from(board.nonce_offset) | u64::from(board.nonce_width) << 32;
        words[3..7].copy_from_slice(&to_words::<4>(&board.target));
        words[7..].copy_from_slice(&to_words::<{ abi::MAX_HEADER as usize / 8 }>(board.header));
        let at = self.layout.board_slot(slot);
        let sequence = self.own.word(at + offset_of!(JobSlot, sequence));
        let guarded = self.own.words(at + offset_of!(JobSlot, generation), BOARD_WORDS);
        BoardWriter::new(sequence, guarded).write(&words);
        Ok(slot)
    }

    /// Sends a unit and wakes the device if it sleeps.
    ///
    /// # Errors
    /// [`Full`]: the device has as many messages as the ring holds.
    #[inline]
    pub fn send(&mut self, unit: &Unit) -> Result<(), Full> {
        self.work.try_push(&unit.to_payload())?;
        self.work.wake(1, &self.futex);
        Ok(())
    }

    /// Takes the device's next message, if there is one.
    ///
    /// # Errors
    /// [`PeerError`]: the device broke the rules; end the session.
    #[inline]
    pub fn poll(&mut self) -> Result<Option<DeviceMessage>, PeerError> {
        match self.solutions.try_pop()? {
            Some(payload) => DeviceMessage::from_payload(&payload).map(Some),
            None => Ok(None),
        }
    }

    /// Looks whether the device has read what makes no sense.
    ///
    /// # Errors
    /// [`PeerError::Ring`].
    pub fn check_peer(&self) -> Result<(), PeerError> {
        Ok(self.work.check_peer()?)
    }

    /// What the device said of itself; to be asked after [`DeviceMessage::Hello`]. spec: SES-1.3
    ///
    /// # Errors
    /// [`PeerError`]: there is no header, or none this host can work with.
    pub fn hello(&self) -> Result<HelloInfo, PeerError> {
        let magic = self.peer.load(offset_of!(abi::DeviceHeader, magic));
        if magic != abi::DEVICE_MAGIC {
            return Err(PeerError::Header(format!("it begins with {magic:#018x}, not with ADITDEV")));
        }
        let bytes = to_bytes::<256>(&self.peer.copy::<32>(0));
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let version = number(offset_of!(abi::DeviceHeader, version));
        if version != LAYOUT_VERSION {
            return Err(PeerError::Version { device: version });
        }
        let state = number(offset_of!(abi::DeviceHeader, state));
        if state != abi::DEVICE_READY {
            return Err(PeerError::Refused { state });
        }
        let session = self.peer.load(offset_of!(abi::DeviceHeader, session_id));
        if session != self.id {
            return Err(PeerError::Header(format!("it answers session {session}, this one is {}", self.id)));
        }
        let text = |at: usize, len: usize| field_text(&bytes[at..at + len]);
        Ok(HelloInfo {
            name: text(offset_of!(abi::DeviceHeader, name), 48),
            device: text(offset_of!(abi::DeviceHeader, device), 80),
            language: text(offset_of!(abi::DeviceHeader, language), 16),
            pid: number(offset_of!(abi::DeviceHeader, pid)),
            preferred_unit: self.peer.load(offset_of!(abi::DeviceHeader, preferred_unit)),
            fenced: number(offset_of!(abi::DeviceHeader, flags)) & abi::FLAG_FENCED != 0,
        })
    }

    /// Heartbeat and counters. spec: SES-6.1
    #[must_use]
    pub fn status(&self) -> Status {
        let words = self.peer.copy::<8>(offset_of!(DeviceRegion, status));
        let at = offset_of!(DeviceStatus, temperature_mc) / 8;
        let (temperature, power) = (words[at] as u32 as i32, (words[at] >> 32) as u32);
        Status {
            heartbeat: words[0],
            generation: words[1],
            hashes: words[2],
            units: words[3],
            errors: words[4],
            temperature_mc: (temperature != abi::TEMPERATURE_UNKNOWN).then_some(temperature),
            power_mw: (power != abi::POWER_UNKNOWN).then_some(power),
        }
    }

    /// Announces that the host is about to sleep until this device says something: then a heavy fence (one
    /// for all sessions), [`sleep_on`](Self::sleep_on), and [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.solutions.arm();
    }

    /// What to sleep on; `None`: there is a message.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        self.solutions.sleep_on()
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.solutions.disarm();
    }

    /// Sleeps until the device says something, at most `timeout`; returns whether it did.
    pub fn wait(&mut self, timeout: std::time::Duration) -> bool {
        self.solutions.wait(&self.futex, timeout)
    }

    /// Wakes the device with an empty message, if it sleeps.
    fn nudge(&mut self) {
        // A full ring has messages to read: such a device is not asleep.
        if self.work.try_push(&[u64::from(abi::MESSAGE_NONE), 0, 0, 0, 0, 0, 0]).is_ok() {
            self.work.wake(1, &self.futex);
        }
    }
}

/// Writes the host header, its magic last. spec: SES-1.1
fn write_header(own: &View, layout: &Layout, id: u64, futex: Futex) {
    let sizes = &layout.sizes;
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let offset = |value: usize| u32::try_from(value).expect("regions are at most 64 MiB");
    let words = [
        pair(LAYOUT_VERSION, size_of::<abi::HostHeader>() as u32),
        id,
        0,
        own.len() as u64,
        layout.device_size as u64,
        pair(offset(layout.board_offset), sizes.board_slots),
        pair(offset(layout.work_offset), sizes.work_slots),
        pair(offset(layout.solution_offset), sizes.solution_slots),
        pair(sizes.heartbeat_ms, std::process::id()),
        u64::from(if futex.is_fenced() { abi::FLAG_FENCED } else { 0 }),
    ];
    for (word, value) in own.words(8, words.len()).iter().zip(words) {
        word.store(value, Ordering::Relaxed);
    }
    let control = offset_of!(HostRegion, control) + offset_of!(abi::Control, state);
    own.half(control).store(abi::CONTROL_RUN, Ordering::Relaxed);
    own.word(0).store(abi::HOST_MAGIC, Ordering::Release);
}
