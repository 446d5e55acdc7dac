//! The two regions and their rings, as the host sees them. spec: SES-1.1, SES-3.1, SES-3.2, SES-3.3, SES-3.4
//!
//! | field | written by | in |
//! |---|---|---|
//! | work slots, `control`, board, `solution_reader` | this side | the host region |
//! | solution slots, `work_reader`, header, status | the helper | the device region |
//! | `tail`, `cached_head`, `head` | this side | private |

use std::{
    mem::{offset_of, size_of},
    sync::atomic::{AtomicU64, Ordering, fence},
    time::Duration,
};

use adit_abi::{self as abi, Control, DeviceRegion, HostHeader, HostRegion, JobSlot, ReaderCursor, Slot};
use adit_channel::session::Sizes;
use adit_memory::{Options, Segment, create_for_peer, create_owned};
use rustix::{
    io::Errno,
    thread::{
        MembarrierCommand,
        futex::{self, Flags, Timespec},
        membarrier,
    },
};

use crate::{
    entry::Entry,
    fault::{Checked, failure, fault},
    message::Payload,
    raw::Words,
};

const SEQUENCE: usize = offset_of!(Slot, sequence);
const SOLUTION_READER: usize = offset_of!(HostRegion, solution_reader);
const WORK_READER: usize = offset_of!(DeviceRegion, work_reader);
const CONTROL: usize = offset_of!(HostRegion, control);

/// Both regions, and this side's places in their rings.
#[derive(Debug)]
pub(crate) struct Regions {
    pub own: Words,
    pub peer: Words,
    pub segments: [Segment; 2],
    pub sizes: Sizes,
    pub id: u64,
    /// Whether messages are taken without a word.
    pub quiet: bool,
    places: Places,
    tail: u64,
    cached_head: u64,
    head: u64,
}

/// Where things stand. spec: SES-1.1
#[derive(Clone, Copy, Debug)]
struct Places {
    board: usize,
    work: usize,
    solution: usize,
    host_len: usize,
    device_len: usize,
}

impl Places {
    /// One behind the other, as short as can be.
    fn close(sizes: &Sizes) -> Self {
        let board = abi::FIXED_SIZE as usize;
        let work = board + sizes.board_slots as usize * size_of::<JobSlot>();
        let solution = abi::FIXED_SIZE as usize;
        Self {
            board,
            work,
            solution,
            host_len: work + sizes.work_slots as usize * size_of::<Slot>(),
            device_len: solution + sizes.solution_slots as usize * size_of::<Slot>(),
        }
    }

    /// In another order, with gaps, in files that are longer than they need be.
    fn apart(sizes: &Sizes) -> Self {
        let work = abi::FIXED_SIZE as usize + 64;
        let board = work + sizes.work_slots as usize * size_of::<Slot>() + 192;
        let solution = abi::FIXED_SIZE as usize + 320;
        Self {
            board,
            work,
            solution,
            host_len: board + sizes.board_slots as usize * size_of::<JobSlot>() + 8192,
            device_len: solution + sizes.solution_slots as usize * size_of::<Slot>() + 8192,
        }
    }
}

impl Regions {
    /// New regions with a whole host header. spec: SES-1.1
    pub fn new(sizes: Sizes) -> Checked<Self> {
        Self::placed(sizes, Places::close(&sizes))
    }

    /// The same in an order that no host of this project uses, as every host may. spec: SES-1.2
    pub fn apart(sizes: Sizes) -> Checked<Self> {
        Self::placed(sizes, Places::apart(&sizes))
    }

    fn placed(sizes: Sizes, places: Places) -> Checked<Self> {
        static SESSIONS: AtomicU64 = AtomicU64::new(1);
        let no_memory = |error| failure(format!("no memory for a session: {error}"));
        let options = Options::default();
        let (own, host) = create_owned("adit-conform-host", places.host_len, &options).map_err(no_memory)?;
        let (peer, device) =
            create_for_peer("adit-conform-device", places.device_len, &options).map_err(no_memory)?;
        // Above 2^63, where a signed or a floating-point number goes wrong.
        let id = 0xad17_0000_0000_0000 | SESSIONS.fetch_add(1, Ordering::Relaxed);
        let regions = Self {
            own: Words::new(own),
            peer: Words::new(peer),
            segments: [host, device],
            sizes,
            id,
            quiet: false,
            places,
            tail: 0,
            cached_head: 0,
            head: 0,
        };
        regions.write_header();
        Ok(regions)
    }

    fn write_header(&self) {
        let own = &self.own;
        let registered = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
        let words = [
            (offset_of!(HostHeader, version), abi::LAYOUT_VERSION),
            (offset_of!(HostHeader, header_size), size_of::<HostHeader>() as u32),
            (offset_of!(HostHeader, board_offset), self.places.board as u32),
            (offset_of!(HostHeader, board_slots), self.sizes.board_slots),
            (offset_of!(HostHeader, work_offset), self.places.work as u32),
            (offset_of!(HostHeader, work_slots), self.sizes.work_slots),
            (offset_of!(HostHeader, solution_offset), self.places.solution as u32),
            (offset_of!(HostHeader, solution_slots), self.sizes.solution_slots),
            (offset_of!(HostHeader, heartbeat_ms), self.sizes.heartbeat_ms),
            (offset_of!(HostHeader, host_pid), std::process::id()),
            // Fences at each publish whether it says so or not.
            (offset_of!(HostHeader, flags), if registered { 0 } else { abi::FLAG_FENCED }),
        ];
        for (offset, value) in words {
            own.store32(offset, value);
        }
        own.store(offset_of!(HostHeader, session_id), self.id);
        own.store(offset_of!(HostHeader, region_size), own.len() as u64);
        own.store(offset_of!(HostHeader, device_region_size), self.peer.len() as u64);
        self.set_control(abi::CONTROL_RUN);
        own.store(offset_of!(HostHeader, magic), abi::HOST_MAGIC);
    }

    /// What the host wants. spec: SES-2.1
    pub fn set_control(&self, state: u32) {
        self.own.store32(CONTROL + offset_of!(Control, state), state);
    }

    /// Whether it wants the session to go on: whatever else it says means stop. spec: SES-2.1
    pub fn is_going_on(&self) -> bool {
        let state = self.own.load32(CONTROL + offset_of!(Control, state));
        matches!(state, abi::CONTROL_RUN | abi::CONTROL_PAUSE)
    }

    /// The lowest generation that is alive. spec: SES-2.2
    pub fn set_generation(&self, generation: u64) {
        self.own.store(CONTROL + offset_of!(Control, generation), generation);
    }

    pub fn generation(&self) -> u64 {
        self.own.load(CONTROL + offset_of!(Control, generation))
    }

    /// Where a board slot begins.
    pub fn board_slot(&self, slot: u32) -> usize {
        self.places.board + slot as usize * size_of::<JobSlot>()
    }

    /// Where a work slot begins.
    pub fn work_slot(&self, position: u64) -> usize {
        let index = position & (u64::from(self.sizes.work_slots) - 1);
        self.places.work + index as usize * size_of::<Slot>()
    }

    fn solution_slot(&self, position: u64) -> usize {
        let index = position & (u64::from(self.sizes.solution_slots) - 1);
        self.places.solution + index as usize * size_of::<Slot>()
    }

    /// Replaces a board slot.
    pub fn write_board(&self, slot: u32, entry: &Entry) {
        entry.write(&self.own, self.board_slot(slot));
    }

    /// Publishes a message and wakes the helper if it sleeps on it; `false` when the ring is full.
    /// spec: SES-3.1, SES-3.4
    pub fn push(&mut self, payload: &Payload) -> bool {
        let slots = u64::from(self.sizes.work_slots);
        if self.tail - self.cached_head >= slots {
            return false;
        }
        let at = self.work_slot(self.tail);
        for (word, value) in payload.iter().enumerate() {
            self.own.store(at + 8 * word, *value);
        }
        self.tail += 1;
        self.own.store(at + SEQUENCE, self.tail);
        fence(Ordering::SeqCst);
        if self.helper_waits() == self.tail {
            let _ = futex::wake(self.own.half(at + SEQUENCE), Flags::empty(), i32::MAX as u32);
        }
        true
    }

    /// Looks at how far the helper says it has read. spec: SES-3.2
    pub fn check_head(&mut self) -> Checked {
        let head = self.read_by_helper();
        if !(self.cached_head..=self.tail).contains(&head) {
            let what = format!(
                "its head in the work ring went to {head}; it was {}, and {} messages were sent",
                self.cached_head, self.tail
            );
            return Err(fault("SES-3.2", what));
        }
        self.cached_head = head;
        Ok(())
    }

    /// How many messages were sent.
    pub fn sent(&self) -> u64 {
        self.tail
    }

    /// Whether the helper, which has read all messages before `behind`, says so in time. spec: SES-3.2
    pub fn check_late(&self, behind: u64) -> Checked {
        let slots = u64::from(self.sizes.work_slots);
        let late = if slots < 8 { 0 } else { slots / 4 };
        let head = self.read_by_helper();
        if head.saturating_add(late) < behind {
            let what = format!(
                "it answered message {}, but its head in the work ring is {head}; expected: {} at least",
                behind - 1,
                behind - late
            );
            return Err(fault("SES-3.2", what));
        }
        Ok(())
    }

    /// How many messages the helper says it has read.
    pub fn read_by_helper(&self) -> u64 {
        self.peer.load(WORK_READER + offset_of!(ReaderCursor, head))
    }

    /// How many of the helper's messages were read.
    pub fn taken(&self) -> u64 {
        self.head
    }

    /// Says that so many of the helper's messages were read, whether it is so or not.
    pub fn show_head(&self, head: u64) {
        self.own.store(SOLUTION_READER + offset_of!(ReaderCursor, head), head);
    }

    /// The position behind the message that the helper sleeps for; 0: it has announced no sleep. spec: SES-3.3
    pub fn helper_waits(&self) -> u64 {
        self.peer.load(WORK_READER + offset_of!(ReaderCursor, waiting))
    }

    /// Takes the helper's next message, if there is one, and publishes at once how far this side has read, unless it is
    /// [`quiet`](Self::quiet).
    /// spec: SES-3.1, SES-3.2
    pub fn take(&mut self) -> Checked<Option<Payload>> {
        let (slots, at) = (u64::from(self.sizes.solution_slots), self.next_solution());
        let sequence = self.peer.load(at + SEQUENCE);
        if sequence == self.head + 1 {
            let payload = std::array::from_fn(|word| self.peer.load(at + 8 * word));
            self.head += 1;
            if !self.quiet {
                self.show_head(self.head);
            }
            return Ok(Some(payload));
        }
        if sequence == 0 || sequence.wrapping_add(slots) == self.head + 1 {
            return Ok(None);
        }
        if sequence > self.head && (sequence - (self.head + 1)).is_multiple_of(slots) {
            let what = format!("it wrote over message {}, which the host had not read", self.head);
            return Err(fault("SES-3.2", what));
        }
        let what = format!(
            "the slot of message {} has sequence {sequence}; {} makes it that message",
            self.head,
            self.head + 1
        );
        Err(fault("SES-3.1", what))
    }

    /// Messages that stand in the solution ring unread, as far as they are published in a row.
    pub fn unread(&self) -> u64 {
        let slots = u64::from(self.sizes.solution_slots);
        (0..slots)
            .take_while(|ahead| self.solution_sequence(self.head + ahead) == self.head + ahead + 1)
            .count() as u64
    }

    /// Announces that this side is about to sleep until the next message. spec: SES-3.3
    pub fn arm(&self) {
        self.own.store(SOLUTION_READER + offset_of!(ReaderCursor, waiting), self.head + 1);
        if membarrier(MembarrierCommand::GlobalExpedited).is_err() {
            fence(Ordering::SeqCst);
        }
    }

    /// Sleeps until the next message; says whether the helper let it sleep through although the message is
    /// there. Takes the announcement back.
    pub fn sleep(&self, timeout: Duration) -> bool {
        let at = self.next_solution() + SEQUENCE;
        let sequence = self.peer.load(at);
        let mut forgotten = false;
        if sequence != self.head + 1 {
            let timeout =
                Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
            let woken = futex::wait(self.peer.half(at), Flags::empty(), sequence as u32, Some(&timeout));
            forgotten = woken == Err(Errno::TIMEDOUT) && self.peer.load(at) == self.head + 1;
        }
        self.own.store(SOLUTION_READER + offset_of!(ReaderCursor, waiting), 0);
        forgotten
    }

    /// A field of the device's status.
    pub fn status(&self, field: usize) -> u64 {
        self.peer.load(offset_of!(DeviceRegion, status) + field)
    }

    fn next_solution(&self) -> usize {
        self.solution_slot(self.head)
    }

    fn solution_sequence(&self, position: u64) -> u64 {
        self.peer.load(self.solution_slot(position) + SEQUENCE)
    }
}
