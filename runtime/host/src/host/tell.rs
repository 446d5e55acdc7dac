//! What the running host tells its observer.

use std::ops::ControlFlow;

use adit_channel::session::LogLevel;

use super::{DeviceState, HostEvent, RateLine, run::Running};
use crate::engine::DeviceId;

/// A log line that goes on for longer is cut.
const LONGEST_LINE: usize = 4096;

impl Running<'_, '_> {
    pub(super) fn report(&mut self) {
        let devices: Vec<RateLine<'_>> = self
            .links
            .iter()
            .enumerate()
            .map(|(at, link)| {
                let live = link.session.as_ref();
                RateLine {
                    device: link.name(),
                    up: live.is_some_and(|live| live.up),
                    stats: self.engine.stats(at),
                    status: live.map(|live| live.session.status()),
                }
            })
            .collect();
        let total = devices.iter().filter(|line| line.up).map(|line| line.stats.rate).sum();
        let (hashes, elapsed) = (self.engine.hashes(), self.begin.elapsed());
        if (self.observer)(HostEvent::Rate { devices: &devices, total, hashes, elapsed }).is_break() {
            self.mailbox.stop();
        }
    }

    pub(super) fn log_part(&mut self, device: DeviceId, level: LogLevel, more: bool, bytes: &[u8]) {
        let link = &mut self.links[device];
        link.partial_line.push_str(&String::from_utf8_lossy(bytes));
        if !more || link.partial_line.len() > LONGEST_LINE {
            let line: String = std::mem::take(&mut link.partial_line);
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.log(level, Some(device), &line);
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, device: Option<DeviceId>, text: &str) {
        let from = device.map_or("source", |device| self.links[device].name());
        if (self.observer)(HostEvent::Log { level, from, text }).is_break() {
            self.mailbox.stop();
        }
    }

    pub(super) fn tell_device(&mut self, device: DeviceId, state: DeviceState<'_>) {
        let device = self.links[device].name();
        if (self.observer)(HostEvent::Device { device, state }).is_break() {
            self.mailbox.stop();
        }
    }

    pub(super) fn tell(&mut self, event: HostEvent<'_>) {
        if let ControlFlow::Break(()) = (self.observer)(event) {
            self.mailbox.stop();
        }
    }
}
