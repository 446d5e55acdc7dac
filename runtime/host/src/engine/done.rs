//! What becomes of a unit that ends.

use std::{sync::Arc, time::Duration};

use adit_channel::session::UnitStatus;

use super::{Action, DeviceId, Engine, Fault, MAX_REFUSALS, device::Lease, space::Span};
use crate::job::JobKey;

impl Engine {
    pub(super) fn done(
        &mut self,
        id: DeviceId,
        unit: u64,
        status: UnitStatus,
        hashes: u64,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if !self.device(id).up {
            return;
        }
        let device = &mut self.devices[id];
        let Some(at) = device.leases.iter().position(|lease| lease.unit == unit) else {
            return self.distrust(id, Fault::UnknownUnit { unit }, actions);
        };
        let given = device.leases[at].count();
        if hashes > given || (status == UnitStatus::Complete && hashes != given) {
            return self.distrust(id, Fault::WrongCount { said: hashes, given }, actions);
        }
        if let Some(fault) = self.judge_canary(id, at, status, hashes) {
            return self.distrust(id, fault, actions);
        }
        let sizing = self.sizing();
        let device = &mut self.devices[id];
        let lease = device.leases.remove(at);
        let took = now.saturating_sub(device.last_done.max(lease.sent));
        device.last_done = now;
        let latency = now.saturating_sub(lease.sent);
        // Of a job before, which may have been of another algorithm, the pace says nothing.
        let is_current = self.algorithm == Some(lease.header.algorithm.id());
        if is_current {
            device.stats.unit_done(hashes, took, latency);
        } else {
            device.stats.unit_counted(hashes, latency);
        }
        if !matches!(status, UnitStatus::Complete | UnitStatus::UnknownAlgorithm) && self.declines(id, &lease)
        {
            return self.distrust_with(id, lease, Fault::Refuses(status), actions);
        }
        let device = &mut self.devices[id];
        match status {
            UnitStatus::Complete => {
                device.refusals = 0;
                device.cautious = device.cautious.saturating_sub(1);
                // A remainder at the end of a header is no measure of anything.
                if is_current && given * 2 > device.unit_size {
                    let took = device.stats.time_for(given).unwrap_or(took);
                    let next = sizing.next(given, took, device.cautious > 0);
                    device.unit_size =
                        if given < device.unit_size { device.unit_size.max(next) } else { next };
                }
                self.searched(id, lease.job, lease.span);
            }
            UnitStatus::Stopped | UnitStatus::Stale => {
                if status == UnitStatus::Stopped {
                    device.stopped.get_or_insert(now);
                }
                self.cut_short(id, lease, hashes, status, actions);
            }
            UnitStatus::UnknownAlgorithm => self.unable(id, lease, actions),
            UnitStatus::Invalid | UnitStatus::Failed => self.refused(id, lease, status, actions),
        }
        self.check_exhausted(actions);
    }

    /// Whether a unit that ends shows that its device does not search; a canary that it found proves the
    /// opposite. Of a dead job the host no longer looks at what is found, so nothing follows from it.
    fn judge_canary(&mut self, id: DeviceId, at: usize, status: UnitStatus, hashes: u64) -> Option<Fault> {
        let lease = &self.devices[id].leases[at];
        let canary = lease.canary.filter(|_| self.is_alive(lease.job))?;
        let claimed = matches!(status, UnitStatus::Complete | UnitStatus::Stopped | UnitStatus::Stale);
        if claimed && !canary.seen && canary.nonce - lease.nonce_start < hashes {
            return Some(Fault::MissedCanary { nonce: canary.nonce });
        }
        if status == UnitStatus::Complete {
            let device = &mut self.devices[id];
            device.stats.canaries += 1;
            device.declined = 0;
            // Nobody searches these again.
            for (key, span) in std::mem::take(&mut device.unproven) {
                if let Some(live) = self.job(key) {
                    live.forget_found(&span);
                }
            }
        }
        None
    }

    /// Whether a unit that ended early is one canary too many that its device did not search: its next unit is a canary
    /// again, so that not to search it is no way past one.
    fn declines(&mut self, id: DeviceId, lease: &Lease) -> bool {
        if lease.canary.is_none_or(|canary| canary.seen) || !self.is_alive(lease.job) {
            return false;
        }
        let device = &mut self.devices[id];
        device.until_canary = 0;
        device.declined += 1;
        device.declined >= MAX_REFUSALS
    }

    /// As [`distrust`](Self::distrust), of a device whose lease was taken from it already.
    fn distrust_with(&mut self, id: DeviceId, lease: Lease, reason: Fault, actions: &mut Vec<Action>) {
        self.devices[id].declined = 0;
        self.give_back(lease.job, lease.span);
        self.distrust(id, reason, actions);
    }

    /// A whole lease was searched.
    fn searched(&mut self, id: DeviceId, key: JobKey, span: Span) {
        let device = &mut self.devices[id];
        let remember = !device.trusted && self.config.canary_interval > 0;
        let Some(live) = self.jobs.iter_mut().find(|live| live.job.key == key) else { return };
        if remember {
            device.unproven.push((key, span.clone()));
        } else {
            live.forget_found(&span);
        }
        live.space.complete(span);
    }

    /// The first `hashes` positions of a lease were searched, the rest goes back.
    fn cut_short(
        &mut self,
        id: DeviceId,
        lease: Lease,
        hashes: u64,
        status: UnitStatus,
        actions: &mut Vec<Action>,
    ) {
        if !self.is_alive(lease.job) {
            return;
        }
        let middle = lease.span.start + u128::from(hashes);
        if hashes > 0 {
            self.searched(id, lease.job, lease.span.start..middle);
        }
        self.give_back(lease.job, middle..lease.span.end);
        // A live job's unit is never stale: a device that says so again and again does no work.
        if status == UnitStatus::Stale {
            self.count_refusal(id, status, actions);
        }
    }

    fn unable(&mut self, id: DeviceId, lease: Lease, actions: &mut Vec<Action>) {
        let (algorithm, job) = (Arc::clone(&lease.header.algorithm), lease.job);
        let unseen = lease.canary.is_some_and(|canary| !canary.seen);
        self.give_back(job, lease.span);
        let device = self.device(id);
        if unseen {
            // To know no algorithm for as long as a canary lasts is no way past it.
            device.until_canary = 0;
        }
        if device.unable.replace(algorithm.id()) != Some(algorithm.id()) {
            actions.push(Action::Unable { device: id, algorithm: algorithm.name() });
        }
    }

    fn refused(&mut self, id: DeviceId, lease: Lease, status: UnitStatus, actions: &mut Vec<Action>) {
        let sizing = self.sizing();
        let device = self.device(id);
        device.unit_size = sizing.clamp(device.unit_size / 2);
        device.stats.lost += 1;
        self.give_back(lease.job, lease.span);
        self.count_refusal(id, status, actions);
    }

    fn count_refusal(&mut self, id: DeviceId, status: UnitStatus, actions: &mut Vec<Action>) {
        let device = self.device(id);
        device.refusals += 1;
        if device.refusals >= MAX_REFUSALS {
            self.distrust(id, Fault::Refuses(status), actions);
        }
    }
}
