//! `adit mine`: jobs from a source, shares to it, until told otherwise.

use std::{ops::ControlFlow, path::Path, process::ExitCode, sync::Arc, thread, time::Duration};

use adit_channel::session::LogLevel;
use adit_host::{
    device::{Care, CpuSpec, DevicePlan, DeviceSpec, SpecError, gpu},
    host::{DeviceState, Host, HostConfig, HostEvent, StopHandle},
    source::{
        Devchain, Replay, Source,
        stratum::{StratumOptions, StratumSource, without_user},
    },
};
use adit_plugin::Algorithm;
use anyhow::{Context as _, Result, anyhow, bail};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    Usage,
    algorithms::Algorithms,
    arguments::{Devices, Mine},
    aside, choices, output,
    status::Status,
};

/// How long the end waits for a reader of what was written.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub fn run(arguments: &Mine) -> Result<ExitCode> {
    let algorithms = Algorithms::load(&arguments.plugins)?;
    let algorithm = algorithms.named(&arguments.algorithm)?;
    // A file of jobs may name any algorithm, other sources have jobs of one alone.
    let known =
        if arguments.pool.starts_with("replay:") { &algorithms.all } else { &vec![algorithm.clone()] };
    let source = source(arguments, algorithm, known)?;
    let host = host(&arguments.devices, known)?;
    stop_on_signals(&host)?;
    if let Some(duration) = arguments.duration {
        stop_after(host.stop_handle(), duration)?;
    }
    let json = arguments.json.json;
    // The host waits for its observer, and devices wait for the host.
    aside::begin(json).context("no thread for standard output")?;
    let mut status = Status::new(source.name(), json);
    let mut accepted = 0;
    let mut observer = |event: HostEvent<'_>| {
        match output::event(&event) {
            Some(value) if json => output::line(&value),
            _ => status.tell(&event),
        }
        if let HostEvent::Share { verdict, .. } = &event {
            accepted += u64::from(verdict.accepted);
        }
        if arguments.blocks.is_some_and(|blocks| accepted >= blocks) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let result = host.run(source, &mut observer);
    aside::last();
    status.clear();
    if result.is_err() {
        aside::wait(LAST_WORDS);
    }
    let summary = result?;
    if json {
        output::line(&output::done(&summary));
    } else {
        status.summary(&summary);
    }
    match aside::wait(LAST_WORDS) {
        0 => Ok(ExitCode::SUCCESS),
        lines => bail!("nobody read the last {lines} lines of standard output; they are lost"),
    }
}

fn source(
    arguments: &Mine,
    algorithm: Arc<dyn Algorithm>,
    known: &[Arc<dyn Algorithm>],
) -> Result<Box<dyn Source>> {
    let (pool, shown) = (arguments.pool.as_str(), without_user(&arguments.pool));
    if pool == "devchain" {
        return Ok(Box::new(Devchain::new(algorithm, arguments.block_time)));
    }
    if let Some(file) = pool.strip_prefix("replay:") {
        let replay = Replay::open(Path::new(file), known);
        return Ok(Box::new(replay.map_err(|error| Usage(format!("--pool: {error}")))?));
    }
    if pool.starts_with("stratum") {
        let user = arguments.user.as_deref();
        let user = user.ok_or_else(|| Usage(format!("--pool {shown} needs --user, often WALLET.WORKER")))?;
        let options = StratumOptions::new(pool, user, &arguments.pass, algorithm);
        return Ok(Box::new(StratumSource::new(options).map_err(|error| Usage(format!("--pool: {error}")))?));
    }
    let what =
        format!("--pool {shown}: unknown; known are stratum+tcp://HOST:PORT, replay:FILE and devchain");
    Err(Usage(what).into())
}

/// A host with the devices that the command line names, whose jobs are of these algorithms.
pub fn host(arguments: &Devices, algorithms: &[Arc<dyn Algorithm>]) -> Result<Host> {
    let specs = if arguments.devices.is_empty() { every_device() } else { arguments.devices.clone() };
    let choices = choices::for_devices(&specs, algorithms);
    let plans = DevicePlan::from_specs_with(&specs, algorithms, &choices);
    let plans = plans.map_err(|error| match error {
        // No mistake of whoever started this: it may be right to try again.
        SpecError::Silent(why) => anyhow!("--device: {why}"),
        error => Usage(format!("--device: {error}")).into(),
    })?;
    let stuck_after = arguments.stuck_after;
    let slow_after = Care::default().slow_after.min(stuck_after / 2);
    // A beat may come late by a few intervals on a busy machine and still not be missed.
    let heartbeat_ms = (stuck_after.as_millis() / 10).clamp(10, 100) as u32;
    let care = Care { stuck_after, slow_after, heartbeat_ms, ..Care::default() };
    Ok(Host::new(HostConfig { care, ..HostConfig::default() }, plans)?)
}

/// The CPU and every GPU; says which kinds of GPU are there and cannot be listed.
fn every_device() -> Vec<DeviceSpec> {
    let (gpus, errors) = gpu::every();
    // Nobody asked for them by name, so the others work; but a GPU that is idle should not be so in silence.
    errors.iter().for_each(|error| complain!("{error}"));
    let gpus = gpus.into_iter().map(DeviceSpec::Gpu);
    [DeviceSpec::Cpu(CpuSpec::default())].into_iter().chain(gpus).collect()
}

/// Ends the host in an orderly way on Ctrl-C; a second one ends the program.
pub fn stop_on_signals(host: &Host) -> Result<()> {
    let stop = host.stop_handle();
    // What whoever started this has ignored (`nohup`, or a shell's `&` in a script) stays ignored.
    let ignored = ignored_signals();
    let handled = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & 1 << (signal - 1) == 0);
    let mut signals = Signals::new(handled).context("signals cannot be handled")?;
    let watch = move || {
        for (count, signal) in signals.forever().enumerate() {
            stop.stop();
            if count > 0 {
                std::process::exit(128 + signal);
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(watch).context("no thread for signals")?;
    Ok(())
}

/// A bit for each signal that is ignored, the first for number 1.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn stop_after(stop: StopHandle, duration: Duration) -> Result<()> {
    let wait = move || {
        thread::sleep(duration);
        stop.stop();
    };
    thread::Builder::new().name("duration".into()).spawn(wait).context("no thread for --duration")?;
    Ok(())
}

/// What went wrong with a device or a source, on standard error.
pub fn complain(event: &HostEvent<'_>) {
    match event {
        HostEvent::Log { level, from, text } if *level <= LogLevel::Warn => complain!("{from}: {text}"),
        HostEvent::Device { device, state: DeviceState::Quarantined { reason } } => {
            complain!("{device} is left out: {reason}");
        }
        HostEvent::Device { device, state: DeviceState::Down { reason, retry_in: Some(wait) } } => {
            complain!("{device} is down: {reason}; again in {:.2} s", wait.as_secs_f64());
        }
        _ => {}
    }
}
