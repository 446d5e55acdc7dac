//! A region as a file, for faults that no session of `adit-channel` makes.

use std::{fs::File, mem::offset_of, os::unix::fs::FileExt as _, thread::sleep, time::Duration};

use adit_abi::{
    CONTROL_PAUSE, CONTROL_RUN, CONTROL_STOP, Control, DEVICE_BAD_REGION, DEVICE_MAGIC, DeviceHeader,
    DeviceRegion, FIXED_SIZE, HostHeader, HostRegion, JobSlot, MESSAGE_WORK, ReaderCursor, Slot,
};
use adit_channel::session::Unit;

use super::open;

/// One of the two regions.
pub struct ByHand {
    file: File,
}

/// What was copied of a board slot.
pub struct Copied {
    pub algorithm: u32,
    pub nonce_offset: usize,
    pub header: Vec<u8>,
    pub target: [u8; 32],
}

impl ByHand {
    /// The region whose descriptor's number this variable has.
    pub fn new(variable: &str) -> Self {
        Self { file: open(variable, variable == adit_abi::ENV_DEVICE_FD).into() }
    }

    fn bytes<const COUNT: usize>(&self, offset: usize) -> [u8; COUNT] {
        let mut bytes = [0; COUNT];
        self.file.read_exact_at(&mut bytes, offset as u64).expect("inside the region");
        bytes
    }

    fn word(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.bytes(offset))
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset as u64).expect("inside the region");
    }

    /// Garbage all over.
    pub fn scribble(&self, len: usize) {
        self.write(0, &vec![0xa5; len]);
    }

    /// A refusal for whoever has made the other region.
    pub fn refuse(&self) {
        self.write(offset_of!(DeviceHeader, state), &DEVICE_BAD_REGION.to_le_bytes());
        self.write(0, &DEVICE_MAGIC.to_le_bytes());
    }

    /// Takes the session's id out of the device's header.
    pub fn forget_session(&self) {
        self.write(offset_of!(DeviceHeader, session_id), &[0; 8]);
    }

    /// Whether the host wants one of the three things that there are.
    pub fn knows_state(&self) -> bool {
        let at = offset_of!(HostRegion, control) + offset_of!(Control, state);
        matches!(self.half(at), CONTROL_RUN | CONTROL_PAUSE | CONTROL_STOP)
    }

    /// How far the host says it has read.
    pub fn solution_head(&self) -> u64 {
        self.word(offset_of!(HostRegion, solution_reader) + offset_of!(ReaderCursor, head))
    }

    fn half(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.bytes(offset))
    }

    /// Of the host's region: the message at this position, if it is there, and the unit that it is.
    pub fn unit(&self, position: u64) -> Option<Option<Unit>> {
        let slots = self.half(offset_of!(HostHeader, work_slots));
        let at = self.half(offset_of!(HostHeader, work_offset)) as usize + slot_offset(position, slots);
        if self.word(at + offset_of!(Slot, sequence)) != position + 1 {
            return None;
        }
        let words: [u64; 5] = std::array::from_fn(|word| self.word(at + 8 * word));
        let [head, generation, unit_id, nonce_start, nonce_count] = words;
        let unit = Unit { board_slot: (head >> 32) as u32, generation, unit_id, nonce_start, nonce_count };
        Some((head as u32 == MESSAGE_WORK).then_some(unit))
    }

    /// Of the device's region: announces a sleep, sleeps, and only then says how much was read.
    pub fn sleep_and_say(&self, received: u64) {
        let reader = offset_of!(DeviceRegion, work_reader);
        self.write(reader + offset_of!(ReaderCursor, waiting), &(received + 1).to_le_bytes());
        sleep(Duration::from_millis(150));
        self.write(reader + offset_of!(ReaderCursor, waiting), &[0; 8]);
        self.write(reader + offset_of!(ReaderCursor, head), &received.to_le_bytes());
    }

    /// Of the device's region: publishes a message, and wakes nobody.
    pub fn message(&self, position: u64, slots: u32, words: &[u64]) {
        // Where the host puts the ring is in its header; this helper is tried where it comes first.
        let at = FIXED_SIZE as usize + slot_offset(position, slots);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.write(at, &bytes);
        self.write(at + offset_of!(Slot, sequence), &(position + 1).to_le_bytes());
    }

    /// Of the host's region: one look at the slot's sequence, which may be `odd`, and a copy of whatever stands in the slot then, in
    /// two halves.
    pub fn board_slot(&self, unit: &Unit, odd: bool) -> Option<Copied> {
        const HALF: usize = offset_of!(JobSlot, header) + 64;
        let at = self.half(offset_of!(HostHeader, board_offset)) as usize
            + unit.board_slot as usize * size_of::<JobSlot>();
        if self.word(at + offset_of!(JobSlot, sequence)) % 2 == 1 && !odd {
            return None;
        }
        let mut copy = [0; size_of::<JobSlot>()];
        copy[..HALF].copy_from_slice(&self.bytes::<HALF>(at));
        sleep(Duration::from_millis(1));
        let rest: [u8; size_of::<JobSlot>() - HALF] = self.bytes(at + HALF);
        copy[HALF..].copy_from_slice(&rest);
        let half =
            |offset: usize| u32::from_le_bytes(copy[offset..offset + 4].try_into().expect("four bytes"));
        let generation = offset_of!(JobSlot, generation);
        if copy[generation..generation + 8] != unit.generation.to_le_bytes() {
            return None;
        }
        let header = offset_of!(JobSlot, header);
        let target = offset_of!(JobSlot, target);
        Some(Copied {
            algorithm: half(offset_of!(JobSlot, algorithm)),
            nonce_offset: half(offset_of!(JobSlot, nonce_offset)) as usize,
            header: copy[header..header + half(offset_of!(JobSlot, header_len)) as usize].to_vec(),
            target: copy[target..target + 32].try_into().expect("a target's bytes"),
        })
    }
}

fn slot_offset(position: u64, slots: u32) -> usize {
    (position & (u64::from(slots) - 1)) as usize * size_of::<Slot>()
}
