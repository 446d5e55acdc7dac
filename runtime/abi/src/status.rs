//! What a device tells all the time, without a message. spec: SES-6.1, SES-6.2

use crate::layout;

/// [`DeviceStatus::temperature_mc`] of a device that has no thermometer.
pub const TEMPERATURE_UNKNOWN: i32 = i32::MIN;
/// [`DeviceStatus::power_mw`] of a device that has no power meter.
pub const POWER_UNKNOWN: u32 = u32::MAX;

/// Heartbeat and counters: one cache line, one writer, read whenever somebody likes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct DeviceStatus {
    /// Raised at least every `heartbeat_ms` while the device lives, with or without work.
    pub heartbeat: u64,
    /// The generation that is being hashed; 0 while none is.
    pub generation: u64,
    /// Nonces hashed in this session.
    pub hashes: u64,
    /// Units finished in this session.
    pub units: u64,
    /// Errors met in this session.
    pub errors: u64,
    /// Temperature in thousandths of a degree Celsius, or [`TEMPERATURE_UNKNOWN`].
    pub temperature_mc: i32,
    /// Power in milliwatts, or [`POWER_UNKNOWN`].
    pub power_mw: u32,
    /// Zero.
    pub reserved: [u64; 2],
}

layout! {
    DeviceStatus: 64 align 8 { heartbeat @ 0, generation @ 8, hashes @ 16, units @ 24, errors @ 32, temperature_mc @ 40, power_mw @ 44, reserved @ 48 }
}
