//! `adit devices` and `adit topology`.

use std::process::ExitCode;

use adit_host::device::{
    DevicePlan, DeviceSpec,
    gpu::{Found, GpuApi, GpuDevice, GpuError},
};
use adit_plugin::{Algorithm, scratch::Pages};
use adit_topology::Machine;
use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    Usage,
    algorithms::Algorithms,
    arguments::{DeviceList, Json, Kernels, Topology},
    choices::{self, Known},
    output,
    status::rate_text,
};

/// Lists the devices that `--device cpu` means here, and how to name others.
pub fn devices(arguments: &DeviceList) -> Result<ExitCode> {
    let algorithms = Algorithms::load(&arguments.plugins)?;
    let cpu: DeviceSpec = "cpu".parse()?;
    let plans = DevicePlan::from_specs(&[cpu], &algorithms.all)?;
    let machine = Machine::detect().ok();
    let model = machine.as_ref().and_then(|machine| machine.model.as_deref()).unwrap_or("unknown processor");
    let names = algorithms.names();
    for plan in plans {
        if arguments.json.json {
            output::line(&json!({
                "event": "device", "device": plan.name, "kind": "cpu", "name": model,
                "place": plan.place(), "algorithms": names,
            }));
        } else {
            say!("{:<6} {:<10} {model}  ({})", plan.name, plan.place(), names.join(", "));
        }
    }
    choices_of(&algorithms, &arguments.json);
    gpus(&arguments.json);
    if !arguments.json.json {
        say!("A helper process is a device too: --device exec:COMMAND");
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists what each GPU helper finds; one that is not installed is left out, one that fails is named.
fn gpus(arguments: &Json) {
    for api in GpuApi::ALL {
        let found = match api.found() {
            Ok(found) => found,
            Err(GpuError::NoHelper(_)) => continue,
            Err(error) => Found { devices: Vec::new(), complaints: vec![error] },
        };
        for device in &found.devices {
            if arguments.json { output::line(&facts(api, device)) } else { gpu(api, device) }
        }
        for error in &found.complaints {
            if arguments.json {
                output::line(
                    &json!({ "event": "device_error", "kind": api.name(), "error": error.to_string() }),
                );
            } else {
                say!("{:<6} {error}", api.name());
            }
        }
    }
}

fn facts(api: GpuApi, device: &GpuDevice) -> Value {
    json!({
        "event": "device", "device": format!("{}:{}", api.name(), device.number), "kind": api.name(),
        "name": device.name, "driver": device.driver, "gpu": device.gpu, "memory": device.memory, "pci": device.pci,
        "numa_node": device.place().node,
        "temperature_c": device.temperature_mc.map(|mc| f64::from(mc) / 1000.0),
        "power_w": device.power_mw.map(|mw| f64::from(mw) / 1000.0), "utilisation_percent": device.utilisation,
    })
}

/// What is unknown is left out.
fn gpu(api: GpuApi, device: &GpuDevice) {
    let name = format!("{}:{}", api.name(), device.number);
    let place = match (&device.pci, device.place().node) {
        (Some(pci), Some(node)) => format!("{pci} node {node}"),
        (Some(pci), None) => pci.clone(),
        (None, _) => if device.gpu { "GPU" } else { "no GPU" }.into(),
    };
    let known = [
        Some(format!("{:.1} GiB", device.memory as f64 / (1_u64 << 30) as f64)),
        Some(device.driver.clone()),
        device.temperature_mc.map(|mc| format!("{} C", mc / 1000)),
        device.power_mw.map(|mw| format!("{:.1} W", f64::from(mw) / 1000.0)),
        device.utilisation.map(|percent| format!("{percent} % busy")),
    ];
    let known: Vec<_> = known.into_iter().flatten().collect();
    say!("{name:<9} {place:<7} {}  ({})", device.name, known.join(", "));
}

/// Which variant each algorithm's workers take here, and since when that is known.
fn choices_of(algorithms: &Algorithms, arguments: &Json) {
    let mut notes = Vec::new();
    let known = choices::of(&algorithms.all, &mut notes);
    for (algorithm, known) in algorithms.all.iter().zip(&known) {
        let Known { variant, hashes_per_s, threads, unit, kept } = known;
        let variants = algorithm.variants();
        let supported: Vec<_> = variants.iter().filter(|it| it.supported).map(|it| it.name).collect();
        let pages = pages(&**algorithm, variant);
        if arguments.json {
            output::line(&json!({
                "event": "choice", "algorithm": algorithm.name(), "variant": variant, "variants": supported,
                "hashes_per_s": hashes_per_s, "threads": threads, "unit": unit, "kept": kept,
                "scratchpads": pages.map(|pages| pages.to_string()),
            }));
            continue;
        }
        let rate = hashes_per_s.map_or_else(String::new, |rate| format!(", {} a thread", rate_text(rate)));
        let tuned = match (threads, unit) {
            (Some(threads), Some(unit)) => format!(", {threads} threads, first unit {unit}"),
            _ => String::new(),
        };
        let since = if *kept { "measured before" } else { "measured now" };
        let name = if variant.is_empty() { "one variant" } else { variant };
        let pages = pages.map_or_else(String::new, |pages| format!(", scratchpads on {pages}"));
        say!(
            "{:<14} {name}{rate}{tuned}{pages}  ({since}; there are {})",
            algorithm.name(),
            supported.join(", ")
        );
    }
    for note in notes {
        complain!("{note}");
    }
}

/// What a worker's scratchpads are on, where it has some.
fn pages(algorithm: &dyn Algorithm, variant: &str) -> Option<Pages> {
    if algorithm.variants().is_empty() {
        return algorithm.searcher().scratch();
    }
    algorithm.searcher_of(variant)?.scratch()
}

/// Shows the machine, which processors `--device cpu` would take, and which pairs the ends of channels.
pub fn topology(arguments: &Topology) -> Result<ExitCode> {
    let machine = match &arguments.synthetic {
        None => Machine::detect()?,
        Some(description) => Machine::synthetic(description).map_err(|error| Usage(error.to_string()))?,
    };
    let workers = machine.worker_cpus(machine.allowed_core_count());
    let pairs = machine.pairs();
    if arguments.json.json {
        let line = json!({ "event": "topology", "machine": machine, "workers": workers, "pairs": pairs });
        output::line(&line);
        return Ok(ExitCode::SUCCESS);
    }
    say!("{machine}");
    say!("workers of --device cpu: {}", adit_topology::format_cpu_list(&workers));
    say!("pairs for channels, the nearest first (sender, receiver, what they share, node of the ring):");
    for pair in &pairs {
        let node = pair.node.map_or_else(|| "unknown".into(), |node| node.to_string());
        say!("  cpu {:<4} cpu {:<4} {:<16} node {node}", pair.producer, pair.consumer, pair.share);
    }
    if pairs.is_empty() {
        say!("  none: this process may use one cpu, which both ends have to share");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the bundle of kernels.
pub fn kernels(arguments: &Kernels) -> Result<ExitCode> {
    match adit_host::device::kernels::bundle(&Algorithms::load(&arguments.plugins)?.all) {
        Some(bundle) => output::text(&bundle),
        None => anyhow::bail!("no algorithm has kernels"),
    }
    Ok(ExitCode::SUCCESS)
}
