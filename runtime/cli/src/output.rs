//! What goes to standard output, with `--json` one object a line, flushed, and nothing else; and to standard error.

use std::{
    fmt,
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
};

use adit_channel::session::LogLevel;
use adit_host::{
    host::{DeviceState, HostEvent, RateLine, Summary},
    source::Verdict,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use crate::aside;

/// Prints a line. A reader that has gone away ends the program quietly, as it does in pipes.
pub fn line(value: &Value) {
    text(&value.to_string());
}

/// Prints a line of text, as [`line()`] does.
pub fn text(value: &str) {
    show(format_args!("{value}"));
}

/// What `println!` is elsewhere, but as [`line()`] does it.
macro_rules! say {
    ($($argument:tt)*) => { $crate::output::show(format_args!($($argument)*)) };
}

/// What `eprintln!` is elsewhere, after the program's name; where nobody can be told, nothing is said.
macro_rules! complain {
    ($($argument:tt)*) => { $crate::output::complaint(format_args!($($argument)*)) };
}

/// Prints a line of text, as [`line()`] does: what [`say!`] calls.
pub fn show(value: fmt::Arguments<'_>) {
    print(format_args!("{value}\n"));
}

/// Writes to standard output, or leaves that to the [thread](aside) that does it. A reader that has gone away ends the
/// program quietly; whatever else keeps it from being written is told, and is a failure: a file that lacks something must
/// not pass for whole.
pub fn print(value: fmt::Arguments<'_>) {
    if !aside::put(value) {
        write(value);
    }
}

/// As [`print()`], at once.
pub fn write(value: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    match write!(out, "{value}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            if !GOES_ON.load(Ordering::Relaxed) {
                std::process::exit(0);
            }
        }
        Err(error) => {
            complain!("cannot write to standard output, where something is missing now: {error}");
            std::process::exit(1)
        }
    }
}

/// Whether the program goes on when nobody reads what it says.
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// From now on a reader that goes away does not end the program: its status is the answer.
pub fn go_on_without_reader() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// Ends the program as [`print()`] does if the reader has gone away, for who may have nothing to write for long.
pub fn end_without_reader() {
    let out = io::stdout();
    let mut on = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut on, Some(&now)).is_ok() && on[0].revents().contains(PollFlags::ERR) {
        std::process::exit(0);
    }
}

/// Prints a line to standard error: what [`complain!`] calls.
pub fn complaint(value: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "adit: {value}");
}

/// An event of the host as JSON; `None` for what only people want.
pub fn event(event: &HostEvent<'_>) -> Option<Value> {
    Some(match event {
        HostEvent::Job { key, name, algorithm, target, clean } => json!({
            "event": "job", "job": key, "name": name, "algorithm": algorithm,
            "target": target.to_string(), "clean": clean,
        }),
        HostEvent::Solution { device, share } => json!({
            "event": "solution", "nonce": share.nonce, "digest": share.digest.to_string(),
            "device": device, "job": share.job, "roll": share.roll, "share": share.id,
        }),
        HostEvent::Share { device, verdict } => share(device, verdict),
        HostEvent::Device { device, state } => device_state(device, *state),
        HostEvent::Rate { devices, total, hashes, elapsed } => json!({
            "event": "rate", "hashes_per_s": total.round(), "hashes": hashes,
            "seconds": elapsed.as_secs_f64(),
            "devices": devices.iter().map(rate).collect::<Vec<_>>(),
        }),
        HostEvent::Connection { text, retry_in } => json!({
            "event": "connection", "up": retry_in.is_none(), "text": text,
            "retry_in": retry_in.map(|wait| wait.as_secs_f64()),
        }),
        HostEvent::Log { level, from, text } => json!({
            "event": "log", "level": level_name(*level), "from": from, "text": text,
        }),
        _ => return None,
    })
}

fn share(device: &str, verdict: &Verdict) -> Value {
    json!({
        "event": "share", "share": verdict.share, "device": device, "accepted": verdict.accepted,
        "block": verdict.block, "reason": verdict.reason,
    })
}

fn device_state(device: &str, state: DeviceState<'_>) -> Value {
    let mut value = json!({ "event": "device", "device": device, "state": state_name(state) });
    match state {
        DeviceState::Starting { place } => value["place"] = json!(place),
        DeviceState::Up { helper, name, language, pid } => {
            value["helper"] = json!(helper);
            value["name"] = json!(name);
            value["language"] = json!(language);
            value["pid"] = json!(pid);
        }
        DeviceState::Down { reason, retry_in } => {
            value["reason"] = json!(reason);
            value["retry_in"] = json!(retry_in.map(|wait| wait.as_secs_f64()));
        }
        DeviceState::Quarantined { reason } => value["reason"] = json!(reason),
        DeviceState::Slow | DeviceState::Healthy => {}
    }
    value
}

fn rate(line: &RateLine<'_>) -> Value {
    let stats = &line.stats;
    json!({
        "device": line.device, "up": line.up, "hashes_per_s": stats.rate.round(), "hashes": stats.hashes,
        "units": stats.units, "lost": stats.lost, "solutions": stats.solutions, "faults": stats.faults,
        "errors": stats.errors, "canaries": stats.canaries, "latency_s": stats.latency,
        "trend": stats.trend(), "error_rate": stats.error_rate(),
        "temperature_c": line.status.and_then(|status| status.temperature_mc).map(|mc| f64::from(mc) / 1000.0),
        "power_w": line.status.and_then(|status| status.power_mw).map(|mw| f64::from(mw) / 1000.0),
    })
}

/// The last line of `mine`.
pub fn done(summary: &Summary) -> Value {
    json!({
        "event": "done", "hashes": summary.hashes, "solutions": summary.solutions,
        "accepted": summary.accepted, "rejected": summary.rejected, "blocks": summary.blocks,
        "seconds": summary.seconds,
        "hashes_per_s": (summary.hashes as f64 / summary.working_seconds.max(1e-9)).round(),
    })
}

/// A device's state in a word.
pub fn state_name(state: DeviceState<'_>) -> &'static str {
    match state {
        DeviceState::Starting { .. } => "starting",
        DeviceState::Up { .. } => "up",
        DeviceState::Slow => "slow",
        DeviceState::Healthy => "healthy",
        DeviceState::Down { .. } => "down",
        DeviceState::Quarantined { .. } => "quarantined",
    }
}

/// A log level in a word.
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
    }
}
