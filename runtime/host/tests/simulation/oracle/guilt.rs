//! Whether the engine blames a device with reason, and in time.

use adit_channel::session::UnitStatus;
use adit_host::engine::DeviceId;

use super::{MAX_REFUSALS, Oracle};

impl Oracle {
    /// A device is blamed for a canary only when it really kept quiet about a hit.
    pub(super) fn is_guilty(
        &self,
        number: u64,
        status: UnitStatus,
        hashes: u64,
        nonce: u64,
    ) -> Result<(), String> {
        let unit = &self.units[&number];
        let offset = nonce.wrapping_sub(unit.nonce_start);
        let claimed = matches!(status, UnitStatus::Complete | UnitStatus::Stale | UnitStatus::Stopped);
        let alive = self.jobs.iter().any(|live| live.job.key == unit.job);
        let hit = unit.digest(nonce).meets(&unit.header.target);
        if alive && claimed && offset < hashes && hit && !unit.reported.contains(&nonce) {
            return Ok(());
        }
        Err(format!("unit {number}: no guilt in nonce {nonce} (job alive: {alive}, a hit: {hit})"))
    }

    /// One that hashes nothing is caught by its next canary, and its restarts put that off by a unit or two.
    pub(super) fn liar_in_time(&mut self, id: DeviceId, missing: u64, given: u64) -> Result<(), String> {
        let interval = self.config.canary_interval;
        let device = &mut self.devices[id];
        device.skips += u64::from(missing > 0);
        device.lies = if missing == given { device.lies + 1 } else { 0 };
        if interval > 0 && !device.trusted && device.total && device.lies > interval.max(2) + 1 {
            return Err(format!("device {id} claimed {} units without hashing, and no canary", device.lies));
        }
        Ok(())
    }

    /// A device is blamed for canaries that it did not search only when there can have been so many.
    pub(super) fn declined(&self, id: DeviceId) -> Result<(), String> {
        let device = &self.devices[id];
        let has_canaries = !device.trusted && self.config.canary_interval > 0;
        if has_canaries && device.early >= MAX_REFUSALS {
            return Ok(());
        }
        Err(format!("device {id} ended {} live units early, which were not all canaries", device.early))
    }
}
