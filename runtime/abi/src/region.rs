//! The two regions' fixed parts. spec: SES-1.1, SES-1.2, SES-1.3

use crate::{DeviceStatus, layout};

/// Version of this layout. A host and a device work together when theirs are equal.
pub const LAYOUT_VERSION: u32 = 1;
/// First eight bytes of a host region: `ADITHOST`.
pub const HOST_MAGIC: u64 = 0x5453_4f48_5449_4441;
/// First eight bytes of a device region whose header is complete: `ADITDEV` and a zero.
pub const DEVICE_MAGIC: u64 = 0x0056_4544_5449_4441;
/// Size of either region's fixed part, and where the parts with a variable size begin.
pub const FIXED_SIZE: u32 = 512;
/// The largest region that either side accepts: 64 MiB.
pub const MAX_REGION_SIZE: u64 = 67_108_864;
/// The largest number of slots in a ring; the smallest is 2, and it is always a power of two.
pub const MAX_RING_SLOTS: u32 = 65_536;
/// The largest number of job board slots; the smallest is 1, and it is always a power of two.
pub const MAX_BOARD_SLOTS: u32 = 1024;

/// Flag in a header: this side issues a full fence between publishing a slot and looking whether the
/// peer sleeps. Without it, this side has registered for `membarrier(GLOBAL_EXPEDITED)`.
pub const FLAG_FENCED: u32 = 1;

/// Control state: hash.
pub const CONTROL_RUN: u32 = 1;
/// Control state: keep everything, hash nothing until it says run again.
pub const CONTROL_PAUSE: u32 = 2;
/// Control state: give back what is unfinished and end.
pub const CONTROL_STOP: u32 = 3;

/// Device state: ready for work.
pub const DEVICE_READY: u32 = 0;
/// Device state: the host's layout version is not the device's.
pub const DEVICE_VERSION_MISMATCH: u32 = 1;
/// Device state: the host region's header makes no sense to the device.
pub const DEVICE_BAD_REGION: u32 = 2;
/// Device state: the device failed its own test and offers nothing.
pub const DEVICE_FAILED: u32 = 3;

/// Environment variable that holds the host region's file descriptor number.
pub const ENV_HOST_FD: &str = "ADIT_HOST_FD";
/// Environment variable that holds the device region's file descriptor number.
pub const ENV_DEVICE_FD: &str = "ADIT_DEVICE_FD";
/// Environment variable that holds the file descriptor number of the bundle of kernels (`docs/spec/kernel.md`).
pub const ENV_KERNELS_FD: &str = "ADIT_KERNELS_FD";

/// What the host says of the session, once, before the device sees the region.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct HostHeader {
    /// [`HOST_MAGIC`].
    pub magic: u64,
    /// The layout version the host speaks: [`LAYOUT_VERSION`].
    pub version: u32,
    /// Size of this header: 256. A later version may add fields behind.
    pub header_size: u32,
    /// Number of this session, unique in the host's life; the device repeats it.
    pub session_id: u64,
    /// Features the host offers; none are defined in version 1.
    pub features: u64,
    /// Size of the host region in bytes.
    pub region_size: u64,
    /// Size of the device region in bytes.
    pub device_region_size: u64,
    /// Where the job board begins in the host region; a multiple of 64.
    pub board_offset: u32,
    /// Slots of the job board; a power of two.
    pub board_slots: u32,
    /// Where the work ring begins in the host region; a multiple of 64.
    pub work_offset: u32,
    /// Slots of the work ring; a power of two, at least 2.
    pub work_slots: u32,
    /// Where the solution ring begins in the device region; a multiple of 64.
    pub solution_offset: u32,
    /// Slots of the solution ring; a power of two, at least 2.
    pub solution_slots: u32,
    /// The device raises its heartbeat at least this often, in milliseconds.
    pub heartbeat_ms: u32,
    /// The host's process id, for logs.
    pub host_pid: u32,
    /// [`FLAG_FENCED`] or 0.
    pub flags: u32,
    /// Not read by a device of version 1; may hold anything.
    pub reserved: [u8; 172],
}

/// What the device must look at between sub-batches: one cache line.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Control {
    /// [`CONTROL_RUN`], [`CONTROL_PAUSE`] or [`CONTROL_STOP`].
    pub state: u32,
    /// Zero.
    pub reserved0: u32,
    /// The lowest generation that is still alive: work of a lower one is dropped. Only rises.
    pub generation: u64,
    /// May hold anything.
    pub reserved: [u8; 48],
}

/// Where the reader of a ring stands; written by the reader, in the reader's region: one cache line.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ReaderCursor {
    /// Messages consumed; may lag by at most a quarter of the ring. Only rises.
    pub head: u64,
    /// Position + 1 that the reader sleeps on, 0 while it is awake.
    pub waiting: u64,
    /// May hold anything.
    pub reserved: [u8; 48],
}

/// The host region's fixed part.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct HostRegion {
    /// Written once.
    pub header: HostHeader,
    /// Written whenever the host changes its mind.
    pub control: Control,
    /// The host's place in the solution ring.
    pub solution_reader: ReaderCursor,
    /// May hold anything.
    pub reserved: [u8; 128],
}

/// What a device says of itself, once.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct DeviceHeader {
    /// [`DEVICE_MAGIC`]; written last, after everything else in this header.
    pub magic: u64,
    /// The layout version the device speaks.
    pub version: u32,
    /// Size of this header: 256.
    pub header_size: u32,
    /// The host header's `session_id`.
    pub session_id: u64,
    /// Features the device takes; none are defined in version 1.
    pub features: u64,
    /// The device's process id as it sees it, for logs.
    pub pid: u32,
    /// [`DEVICE_READY`] or why there will be no session.
    pub state: u32,
    /// Nonces the device likes to get at once; 0 when it does not mind.
    pub preferred_unit: u64,
    /// Language or toolkit of the helper: UTF-8, zero-padded.
    pub language: [u8; 16],
    /// Name of the helper: UTF-8, zero-padded.
    pub name: [u8; 48],
    /// Name of the device: UTF-8, zero-padded.
    pub device: [u8; 80],
    /// [`FLAG_FENCED`] or 0.
    pub flags: u32,
    /// Zero.
    pub reserved: [u8; 60],
}

/// The device region's fixed part.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct DeviceRegion {
    /// Written once.
    pub header: DeviceHeader,
    /// The device's place in the work ring.
    pub work_reader: ReaderCursor,
    /// Heartbeat and counters.
    pub status: DeviceStatus,
    /// Zero.
    pub reserved: [u8; 128],
}

layout! {
    HostHeader: 256 align 8 { magic @ 0, version @ 8, header_size @ 12, session_id @ 16, features @ 24, region_size @ 32, device_region_size @ 40, board_offset @ 48, board_slots @ 52, work_offset @ 56, work_slots @ 60, solution_offset @ 64, solution_slots @ 68, heartbeat_ms @ 72, host_pid @ 76, flags @ 80, reserved @ 84 }
    Control: 64 align 8 { state @ 0, reserved0 @ 4, generation @ 8, reserved @ 16 }
    ReaderCursor: 64 align 8 { head @ 0, waiting @ 8, reserved @ 16 }
    HostRegion: 512 align 8 { header @ 0, control @ 256, solution_reader @ 320, reserved @ 384 }
    DeviceHeader: 256 align 8 { magic @ 0, version @ 8, header_size @ 12, session_id @ 16, features @ 24, pid @ 32, state @ 36, preferred_unit @ 40, language @ 48, name @ 64, device @ 112, flags @ 192, reserved @ 196 }
    DeviceRegion: 512 align 8 { header @ 0, work_reader @ 256, status @ 320, reserved @ 384 }
}
