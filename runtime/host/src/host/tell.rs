//! What the running host tells its observer.

use std::{ops::ControlFlow, time::Instant};

use adit_channel::session::LogLevel;

use super::{DeviceState, HostEvent, RateLine, run::Running};
use crate::{device::lines::left_out_text, engine::DeviceId};

/// A log line that goes on for longer is cut.
const LONGEST_LINE: usize = 4096;

impl Running<'_, '_> {
    pub(super) fn report(&mut self) {
        let now = self.time();
        let devices: Vec<RateLine<'_>> = self
            .links
            .iter()
            .enumerate()
            .map(|(at, link)| {
                let live = link.session.as_ref();
                RateLine {
                    device: link.name(),
                    up: live.is_some_and(|live| live.up),
                    stats: self.engine.stats(at).at_rate(self.engine.rate(at, now)),
                    status: live.map(|live| live.session.status()),
                }
            })
            .collect();
        // Not `sum()`, whose nothing is -0.0.
        let total = devices.iter().filter(|line| line.up).fold(0.0, |sum, line| sum + line.stats.rate);
        let (hashes, elapsed) = (self.engine.hashes(), self.begin.elapsed());
        if (self.observer)(HostEvent::Rate { devices: &devices, total, hashes, elapsed }).is_break() {
            self.have_enough();
        }
    }

    pub(super) fn log_part(&mut self, device: DeviceId, level: LogLevel, more: bool, bytes: &[u8]) {
        let link = &mut self.links[device];
        link.partial_line.extend_from_slice(bytes);
        if !more || link.partial_line.len() > LONGEST_LINE {
            let line = std::mem::take(&mut link.partial_line);
            let line: String = String::from_utf8_lossy(&line)
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            self.say(level, device, &line);
        }
    }

    /// What a device says through its ring, as long as that is not too much: whoever writes it down has other devices too.
    pub(super) fn say(&mut self, level: LogLevel, device: DeviceId, text: &str) {
        let pass = self.links[device].lines.pass(Instant::now());
        if pass.left_out > 0 {
            self.log(LogLevel::Info, Some(device), &left_out_text(pass.left_out));
        }
        if pass.passes {
            self.log(level, Some(device), text);
        }
    }

    pub(super) fn log(&mut self, level: LogLevel, device: Option<DeviceId>, text: &str) {
        let from = device.map_or("source", |device| self.links[device].name());
        if (self.observer)(HostEvent::Log { level, from, text }).is_break() {
            self.have_enough();
        }
    }

    pub(super) fn tell_device(&mut self, device: DeviceId, state: DeviceState<'_>) {
        let device = self.links[device].name();
        if (self.observer)(HostEvent::Device { device, state }).is_break() {
            self.have_enough();
        }
    }

    /// Whoever watches wants the host to end, and nothing more of it.
    pub(super) fn have_enough(&mut self) {
        self.enough = true;
        self.mailbox.stop();
    }

    pub(super) fn tell(&mut self, event: HostEvent<'_>) {
        if let ControlFlow::Break(()) = (self.observer)(event) {
            self.have_enough();
        }
    }
}
