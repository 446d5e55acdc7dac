//! The whole runtime, as the command line starts it.

use std::{error::Error, sync::Arc};

use adit_host::{
    device::DevicePlan,
    host::{Host, HostConfig},
    job::{Job, JobKey, NonceRange, SingleHeader},
};
use adit_plugin::{Algorithm, Target};

/// A host with devices as people write them: `cpu:threads=1`.
///
/// # Errors
/// A device that cannot be meant.
pub fn host(devices: &[String], algorithm: &Arc<dyn Algorithm>) -> Result<Host, Box<dyn Error>> {
    let specs: Result<Vec<_>, _> = devices.iter().map(|device| device.parse()).collect();
    let plans = DevicePlan::from_specs(&specs?, &[Arc::clone(algorithm)])?;
    Ok(Host::new(HostConfig::default(), plans)?)
}

/// A clean job with one header, whose first eight bytes are `key`.
///
/// # Panics
/// The algorithm's header has fewer than eight bytes.
#[must_use]
pub fn job(algorithm: &Arc<dyn Algorithm>, key: JobKey, target: Target, nonces: NonceRange) -> Job {
    let mut header = vec![7; algorithm.layout().header_len];
    header[..8].copy_from_slice(&key.to_le_bytes());
    Job {
        key,
        name: format!("bench {key}"),
        algorithm: Arc::clone(algorithm),
        target,
        clean: true,
        space: Arc::new(SingleHeader(header)),
        first_roll: 0,
        nonces,
    }
}
