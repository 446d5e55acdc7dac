//! `adit bench device`: what a device reaches through its helper, beside what its arithmetic allows.

mod drive;
mod rounds;

use std::{os::fd::OwnedFd, process::ExitCode, sync::Arc, time::Duration};

use adit_bench_report::stats::Summary;
use adit_host::device::{
    DeviceSpec, GpuSpec,
    gpu::{Found, GpuApi, GpuDevice},
    kernels,
    spawn::CommandLine,
};
use adit_plugin::Algorithm;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use self::rounds::{Rates, Switches};
use crate::{Usage, algorithms::Algorithms, arguments::BenchDevice, output, status::rate_text};

/// Lengths of launches if none is asked for, in microseconds.
const LAUNCHES: [u32; 3] = [500, 2000, 8000];

pub fn run(arguments: &BenchDevice) -> Result<ExitCode> {
    let algorithms = Algorithms::load(&arguments.plugins)?;
    let chosen = match &arguments.algorithm {
        Some(name) => {
            let chosen = algorithms.named(name)?;
            if chosen.kernels().is_none() {
                return Err(Usage(format!("--algorithm {name}: it has no kernels for GPUs")).into());
            }
            vec![chosen]
        }
        None => algorithms.all,
    };
    let launches = if arguments.launches.is_empty() { &LAUNCHES[..] } else { &arguments.launches };
    let mut contests = Vec::new();
    for spec in &arguments.devices {
        let DeviceSpec::Gpu(spec) = spec else {
            let what = "--device: this measures devices of GPU helpers: cuda, opencl, wgpu; \
                        for the CPU there is `adit bench hash`";
            return Err(Usage(what.into()).into());
        };
        contests.extend(devices(spec)?.into_iter().map(|device| (spec.api, device)));
    }
    for (api, device) in &contests {
        let name = format!("{}:{}", api.name(), device.number);
        if !arguments.json.json {
            say!("{name}: {} ({})\n{}", device.name, device.driver, heading());
        }
        for algorithm in &chosen {
            measure(*api, device, algorithm, launches, arguments)
                .with_context(|| format!("{name}, {}", algorithm.name()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The devices that a specification means.
fn devices(spec: &GpuSpec) -> Result<Vec<GpuDevice>> {
    let Found { mut devices, complaints } = spec.api.found().map_err(|error| anyhow!(error.to_string()))?;
    complaints.iter().for_each(|complaint| complain!("{complaint}"));
    if let Some(numbers) = &spec.numbers {
        if let Some(missing) = numbers.iter().find(|one| devices.iter().all(|device| device.number != **one))
        {
            let what = format!("device {}:{missing} is not there", spec.api.name());
            // One that does not answer now may be what was asked for.
            ensure!(complaints.is_empty(), what);
            return Err(Usage(what).into());
        }
        devices.retain(|device| numbers.contains(&device.number));
    }
    if devices.is_empty() {
        bail!("device {}: its helper finds none on this machine", spec.api.name());
    }
    Ok(devices)
}

/// A device, and what it hashes.
struct Contest {
    command: CommandLine,
    kernels: OwnedFd,
    algorithm: Arc<dyn Algorithm>,
}

impl Contest {
    fn command(&self, launch_us: u32) -> CommandLine {
        let mut command = self.command.clone();
        command.arguments.extend(["--launch-us".into(), launch_us.to_string(), "--statistics".into()]);
        command
    }
}

/// A line for each length of launches.
fn measure(
    api: GpuApi,
    device: &GpuDevice,
    algorithm: &Arc<dyn Algorithm>,
    launches: &[u32],
    arguments: &BenchDevice,
) -> Result<()> {
    let bundle = kernels::bundle(std::slice::from_ref(algorithm));
    let (Some(bundle), Some(own)) = (bundle, algorithm.kernels()) else { return Ok(()) };
    let helper = api.helper().context("its helper is gone")?;
    let contest = Contest {
        command: api.command(&helper, device),
        kernels: kernels::file(&bundle)?,
        algorithm: Arc::clone(algorithm),
    };
    let name = format!("{}:{}", api.name(), device.number);
    let bound = device.bound(own.operations);
    for &launch_us in launches {
        let rates = rounds::rates(&contest, launch_us, arguments.seconds)?;
        let switches = rounds::switches(&contest, launch_us, arguments.seconds)?;
        let line = Line { name: &name, algorithm: algorithm.name(), launch_us, bound, rates, switches };
        if arguments.json.json {
            output::line(&line.json());
        } else {
            say!("{}", line.row());
        }
    }
    Ok(())
}

/// A result.
struct Line<'a> {
    name: &'a str,
    algorithm: &'a str,
    launch_us: u32,
    bound: Option<f64>,
    rates: Rates,
    switches: Switches,
}

impl Line<'_> {
    fn percent(&self) -> Option<f64> {
        self.bound.map(|bound| 100.0 * Summary::of(&self.rates.hashes_per_s).median / bound)
    }

    fn json(&self) -> Value {
        let Summary { median, min, max, rounds, .. } = Summary::of(&self.rates.hashes_per_s);
        let us = |time: Duration| time.as_nanos() as f64 / 1e3;
        json!({
            "event": "result", "device": self.name, "algorithm": self.algorithm, "launch_us": self.launch_us,
            "nonces_per_launch": self.rates.nonces_per_launch, "hashes_per_s": median, "min": min, "max": max,
            "rounds": rounds, "bound_per_s": self.bound, "percent_of_bound": self.percent(),
            "helper_cpus": self.rates.helper_cpus, "host_cpus": self.rates.host_cpus,
            "copied_back_per_s": self.rates.copied_back_per_s,
            "job_switch_us": { "p50": us(self.switches.switch.p50), "p99": us(self.switches.switch.p99),
                               "switches": self.switches.count },
            "first_answer_us": { "p50": us(self.switches.answer.p50), "p99": us(self.switches.answer.p99) },
        })
    }

    fn row(&self) -> String {
        let rates = &self.rates;
        let percent = self.percent().map_or_else(|| "-".into(), |percent| format!("{percent:.1} %"));
        let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        format!(
            "{:<14}{:>8}{:>12.0}{:>14}{:>9}{:>8.2}{:>8.2}{:>11.0}{:>12}{:>10}{:>12}",
            self.algorithm,
            self.launch_us,
            rates.nonces_per_launch,
            rate_text(Summary::of(&rates.hashes_per_s).median),
            percent,
            rates.helper_cpus,
            rates.host_cpus,
            rates.copied_back_per_s,
            ms(self.switches.switch.p50),
            ms(self.switches.switch.p99),
            ms(self.switches.answer.p99),
        )
    }
}

fn heading() -> String {
    format!(
        "{:<14}{:>8}{:>12}{:>14}{:>9}{:>8}{:>8}{:>11}{:>12}{:>10}{:>12}",
        "algorithm",
        "launch",
        "nonces",
        "rate",
        "of bound",
        "helper",
        "host",
        "back",
        "p50 switch",
        "p99",
        "p99 answer"
    ) + "\n"
        + &format!(
            "{:<14}{:>8}{:>12}{:>14}{:>9}{:>8}{:>8}{:>11}{:>12}{:>10}{:>12}",
            "", "us", "a launch", "", "", "cpus", "cpus", "bytes/s", "ms", "ms", "ms"
        )
}
