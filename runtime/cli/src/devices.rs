//! `adit devices` and `adit topology`.

use std::process::ExitCode;

use adit_host::device::{DevicePlan, DeviceSpec};
use adit_topology::Machine;
use anyhow::Result;
use serde_json::json;

use crate::{algorithms, arguments::Json, output};

/// Lists the devices that `--device cpu` means here, and how to name others.
pub fn devices(arguments: &Json) -> Result<ExitCode> {
    let cpu: DeviceSpec = "cpu".parse()?;
    let plans = DevicePlan::from_specs(&[cpu], &algorithms::all())?;
    let machine = Machine::detect().ok();
    let model = machine.as_ref().and_then(|machine| machine.model.as_deref()).unwrap_or("unknown processor");
    let names: Vec<_> = algorithms::all().iter().map(|algorithm| algorithm.name()).collect();
    for plan in plans {
        if arguments.json {
            output::line(&json!({
                "event": "device", "device": plan.name, "kind": "cpu", "name": model,
                "place": plan.place(), "algorithms": names,
            }));
        } else {
            println!("{:<6} {:<10} {model}  ({})", plan.name, plan.place(), names.join(", "));
        }
    }
    if !arguments.json {
        println!("A helper process is a device too: --device exec:COMMAND");
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the machine, and which processors `--device cpu` would take.
pub fn topology(arguments: &Json) -> Result<ExitCode> {
    let machine = Machine::detect()?;
    let workers = machine.worker_cpus(machine.core_count());
    if arguments.json {
        output::line(&json!({ "event": "topology", "machine": machine, "workers": workers }));
    } else {
        println!("{machine}");
        println!("workers of --device cpu: {}", adit_topology::format_cpu_list(&workers));
    }
    Ok(ExitCode::SUCCESS)
}
