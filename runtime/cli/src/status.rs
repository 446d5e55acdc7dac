//! `adit mine` for people: a few lines that stay in place on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use adit_host::host::{DeviceState, HostEvent, RateLine, Summary};

use crate::{
    output::state_name,
    screen::{Screen, print},
};

/// Plain output gets a rate line this often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
/// Devices listed one by one; the others are summed up.
const MOST_DEVICES: usize = 16;

/// What has been seen so far, and where it stands on the screen.
pub struct Status {
    source: String,
    /// Nothing is written for people.
    silent: bool,
    screen: Screen,
    job: String,
    devices: BTreeMap<String, Row>,
    accepted: u64,
    rejected: u64,
    begin: Instant,
    last_plain: Instant,
}

#[derive(Default)]
struct Row {
    state: &'static str,
    what: String,
    rate: f64,
    solutions: u64,
    accepted: u64,
}

impl Status {
    pub fn new(source: String, silent: bool) -> Self {
        let now = Instant::now();
        Self {
            source,
            silent,
            screen: Screen::new(),
            job: "waiting for a job".into(),
            devices: BTreeMap::new(),
            accepted: 0,
            rejected: 0,
            begin: now,
            last_plain: now,
        }
    }

    /// Takes an event and shows what changed.
    pub fn tell(&mut self, event: &HostEvent<'_>) {
        match event {
            HostEvent::Job { name, algorithm, target, .. } => {
                self.job = format!("{name}, {algorithm}, {}hashes a share", spaced(target.expected_hashes()));
            }
            HostEvent::Solution { device, .. } => self.row(device).solutions += 1,
            HostEvent::Share { device, verdict } => self.share(device, verdict),
            HostEvent::Device { device, state } => self.device(device, *state),
            HostEvent::Rate { devices, total, elapsed, .. } => {
                for line in *devices {
                    self.rate(line);
                }
                self.draw(*total, *elapsed);
            }
            HostEvent::Connection { text, retry_in: None } => self.note(&format!("connected: {text}")),
            HostEvent::Connection { text, retry_in: Some(wait) } => {
                self.note(&format!("disconnected: {text}; again in {:.1} s", wait.as_secs_f64()));
            }
            HostEvent::Log { from, text, .. } => self.note(&format!("{from}: {text}")),
            _ => {}
        }
    }

    fn row(&mut self, device: &str) -> &mut Row {
        self.devices.entry(device.to_owned()).or_default()
    }

    fn share(&mut self, device: &str, verdict: &adit_host::source::Verdict) {
        self.accepted += u64::from(verdict.accepted);
        self.rejected += u64::from(!verdict.accepted);
        if verdict.accepted {
            self.row(device).accepted += 1;
        }
        let what = if verdict.block { "block" } else { "share" };
        let reason = verdict.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let verb = if verdict.accepted { "accepted" } else { "rejected" };
        self.note(&format!("{what} {} of {device} {verb}{reason}", verdict.share));
    }

    fn device(&mut self, device: &str, state: DeviceState<'_>) {
        let row = self.row(device);
        row.state = state_name(state);
        match state {
            DeviceState::Starting { place } => row.what = place.to_owned(),
            DeviceState::Up { helper, name, .. } => row.what = format!("{helper} on {name}"),
            DeviceState::Down { reason, .. } | DeviceState::Quarantined { reason } => {
                row.rate = 0.0;
                let text = format!("{device} is {}: {reason}", state_name(state));
                self.note(&text);
            }
            DeviceState::Slow => self.note(&format!("{device} is slow: its heartbeat is late")),
            DeviceState::Healthy => row.state = "up",
        }
    }

    fn rate(&mut self, line: &RateLine<'_>) {
        let row = self.row(line.device);
        row.rate = if line.up { line.stats.rate } else { 0.0 };
        row.solutions = line.stats.solutions;
    }

    /// A line that stays.
    fn note(&mut self, text: &str) {
        if self.silent {
            return;
        }
        let seconds = self.begin.elapsed().as_secs_f64();
        self.screen.note(&format!("{seconds:>8.1}s  {text}"));
    }

    fn draw(&mut self, total: f64, elapsed: Duration) {
        if self.silent {
            return;
        }
        let shares = format!("{} accepted, {} rejected", self.accepted, self.rejected);
        if !self.screen.is_terminal() {
            if self.last_plain.elapsed() >= PLAIN_EVERY {
                self.last_plain = Instant::now();
                print(&format!(
                    "{:>8.1}s  {}, {shares}, {}\n",
                    elapsed.as_secs_f64(),
                    rate_text(total),
                    self.job
                ));
            }
            return;
        }
        let mut lines = vec![
            format!("{}  {}", self.source, clock(elapsed)),
            format!("  {:>12}   {shares}", rate_text(total)),
            format!("  job: {}", self.job),
        ];
        for (name, row) in self.devices.iter().take(MOST_DEVICES) {
            let rate = rate_text(row.rate);
            lines.push(format!(
                "  {name:<8} {rate:>12}  {:>5} found  {:<11} {}",
                row.solutions, row.state, row.what
            ));
        }
        if let Some(more) = self.devices.len().checked_sub(MOST_DEVICES).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more"));
        }
        self.screen.draw(&lines);
    }

    /// Takes the lines that stay in place off the screen.
    pub fn clear(&mut self) {
        self.screen.clear();
    }

    /// The last lines.
    pub fn summary(&self, summary: &Summary) {
        let rate = summary.hashes as f64 / summary.working_seconds.max(1e-9);
        say!(
            "{}hashes in {}, {}; {} shares accepted ({} blocks), {} rejected",
            spaced(summary.hashes as f64),
            clock(Duration::from_secs_f64(summary.seconds)),
            rate_text(rate),
            summary.accepted,
            summary.blocks,
            summary.rejected,
        );
        for (name, row) in &self.devices {
            say!(
                "  {name:<8} {:>12}  {} found, {} accepted",
                rate_text(row.rate),
                row.solutions,
                row.accepted
            );
        }
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1} s", time.as_secs_f64()),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A rate with a unit: `8.42 MH/s`.
pub fn rate_text(rate: f64) -> String {
    format!("{}H/s", short(rate))
}

/// The same before a word: `12 `, `8.42 M `.
fn spaced(value: f64) -> String {
    short(value).trim_end().to_owned() + " "
}

/// A number with at most three digits before its unit.
pub fn short(value: f64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let mut value = value;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value >= 100.0 || (unit == 0 && value.fract() == 0.0) { 0 } else { 2 };
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(rate_text(8_420_000.0), "8.42 MH/s");
        assert_eq!(short(0.0), "0 ");
        assert_eq!((spaced(0.0), spaced(8.42e6)), ("0 ".to_owned(), "8.42 M ".to_owned()));
        assert_eq!(short(999.9), "1.00 k");
        assert_eq!(short(123_456.0), "123 k");
        assert_eq!(clock(Duration::from_secs(3661)), "1:01:01");
    }
}
