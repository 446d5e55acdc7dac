//! Where things stand in the two regions.

use std::mem::{offset_of, size_of};

use adit_abi::{FIXED_SIZE, HostHeader, JobSlot, MAX_BOARD_SLOTS, MAX_REGION_SIZE, MAX_RING_SLOTS, Slot};

use super::{AttachError, SessionError};

/// How many slots a session has; each a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Job board: 1 to 1024. At least twice the units outstanding, so that none loses its header.
    pub board_slots: u32,
    /// Work ring: 2 to 65,536.
    pub work_slots: u32,
    /// Solution ring: 2 to 65,536.
    pub solution_slots: u32,
    /// How often the device must raise its heartbeat, in milliseconds: 10 to 10,000.
    pub heartbeat_ms: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { board_slots: 16, work_slots: 16, solution_slots: 256, heartbeat_ms: 100 }
    }
}

/// Offsets and sizes, consistent and in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub sizes: Sizes,
    pub board_offset: usize,
    pub work_offset: usize,
    pub solution_offset: usize,
    pub host_size: usize,
    pub device_size: usize,
}

impl Layout {
    pub fn new(sizes: Sizes) -> Result<Self, SessionError> {
        check_sizes(&sizes).map_err(SessionError::Sizes)?;
        let board_offset = FIXED_SIZE as usize;
        let work_offset = board_offset + sizes.board_slots as usize * size_of::<JobSlot>();
        let host_size = work_offset + sizes.work_slots as usize * size_of::<Slot>();
        let solution_offset = FIXED_SIZE as usize;
        let device_size = solution_offset + sizes.solution_slots as usize * size_of::<Slot>();
        Ok(Self { sizes, board_offset, work_offset, solution_offset, host_size, device_size })
    }

    /// Takes a host header's word for it, after checking each number against the memory there is.
    pub fn from_header(header: &HostHeader, host_len: usize, device_len: usize) -> Result<Self, AttachError> {
        let sizes = Sizes {
            board_slots: header.board_slots,
            work_slots: header.work_slots,
            solution_slots: header.solution_slots,
            heartbeat_ms: header.heartbeat_ms,
        };
        check_sizes(&sizes).map_err(AttachError::Header)?;
        let part = |name: &str, offset: u32, slots: u32, slot: usize, len: usize| {
            let offset = offset as usize;
            let end = offset + slots as usize * slot;
            if offset < FIXED_SIZE as usize || !offset.is_multiple_of(64) || end > len {
                let what = format!("the {name} at {offset}..{end} of a region of {len} bytes");
                return Err(AttachError::Header(what));
            }
            Ok(offset)
        };
        Ok(Self {
            sizes,
            board_offset: part(
                "job board",
                header.board_offset,
                sizes.board_slots,
                size_of::<JobSlot>(),
                host_len,
            )?,
            work_offset: part(
                "work ring",
                header.work_offset,
                sizes.work_slots,
                size_of::<Slot>(),
                host_len,
            )?,
            solution_offset: part(
                "solution ring",
                header.solution_offset,
                sizes.solution_slots,
                size_of::<Slot>(),
                device_len,
            )?,
            host_size: host_len,
            device_size: device_len,
        })
    }

    /// Offset of a board slot in the host region.
    pub fn board_slot(&self, slot: u32) -> usize {
        self.board_offset + slot as usize * size_of::<JobSlot>()
    }
}

/// A board slot's words after its sequence.
pub(super) const BOARD_WORDS: usize =
    (offset_of!(JobSlot, reserved) - offset_of!(JobSlot, generation)) / size_of::<u64>();

fn check_sizes(sizes: &Sizes) -> Result<(), String> {
    let power = |name: &str, value: u32, least: u32, most: u32| {
        if value.is_power_of_two() && (least..=most).contains(&value) {
            Ok(())
        } else {
            Err(format!("{name} is {value}; it must be a power of two from {least} to {most}"))
        }
    };
    power("board_slots", sizes.board_slots, 1, MAX_BOARD_SLOTS)?;
    power("work_slots", sizes.work_slots, 2, MAX_RING_SLOTS)?;
    power("solution_slots", sizes.solution_slots, 2, MAX_RING_SLOTS)?;
    if !(10..=10_000).contains(&sizes.heartbeat_ms) {
        return Err(format!("heartbeat_ms is {}; it must be 10 to 10000", sizes.heartbeat_ms));
    }
    Ok(())
}

const _: () = {
    let board = MAX_BOARD_SLOTS as u64 * size_of::<JobSlot>() as u64;
    let ring = MAX_RING_SLOTS as u64 * size_of::<Slot>() as u64;
    assert!(FIXED_SIZE as u64 + board + ring <= MAX_REGION_SIZE);
};
