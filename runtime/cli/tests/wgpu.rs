//! The wgpu helper on whatever Vulkan this machine has: Mesa's lavapipe is enough. Skipped, and said so, where there is none.

mod common;

use std::{path::PathBuf, process::Command};

use common::*;

fn helper() -> Option<PathBuf> {
    gpu::helper("wgpu", "mesa-vulkan-drivers makes the CPU one")
}

#[test]
fn the_helper_conforms() {
    let Some(helper) = helper() else { return };
    gpu::assert_conforms("wgpu", &helper);
}

#[test]
fn it_finds_what_the_cpu_finds() {
    if helper().is_some() {
        gpu::search_many("wgpu:0");
    }
}

#[test]
fn it_finds_it_for_headers_that_nobody_chose() {
    if helper().is_some() {
        gpu::search_random("wgpu:0");
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    if helper().is_some() {
        gpu::assert_missing_is_named("wgpu");
    }
}

#[test]
fn devices_are_listed_with_their_driver() {
    if helper().is_none() {
        return;
    }
    let lines = lines(&finish(adit().args(["devices", "--json"]), 60));
    let devices = events(&lines, "device");
    let found = devices.iter().find(|line| line["device"] == "wgpu:0").expect("no device wgpu:0");
    assert!(found["name"].as_str().is_some_and(|name| !name.is_empty()), "{found}");
    assert!(found["driver"].as_str().is_some_and(|driver| !driver.is_empty()), "{found}");
    assert!(found["memory"].as_u64().is_some_and(|bytes| bytes > 1 << 20), "{found}");
}

#[test]
fn without_a_driver_it_says_what_to_install() {
    let path = std::path::Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("adit-helper-wgpu");
    // The loader's own way to be told of no driver at all.
    let output = finish(
        Command::new(path).arg("list").env("VK_ICD_FILENAMES", "/none").env("VK_DRIVER_FILES", "/none"),
        60,
    );
    assert_eq!(output.status.code(), Some(6));
    let said = text(&output.stderr);
    assert!(said.contains("no Vulkan device") && said.contains("mesa-vulkan-drivers"), "{said}");
}

#[test]
fn it_is_measured() {
    if helper().is_none() {
        return;
    }
    let mut command = adit();
    command.args(["bench", "device", "--json", "--device", "wgpu:0", "--algorithm", "blake2s-kda"]);
    let output = finish(command.args(["--launch-us", "2000", "--seconds", "0.2"]), 100);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&output);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((&line["event"], &line["device"]), (&"result".into(), &"wgpu:0".into()), "{line}");
    for name in ["hashes_per_s", "nonces_per_launch", "helper_cpus", "copied_back_per_s"] {
        assert!(line[name].as_f64().is_some_and(|number| number > 0.0), "{name}: {line}");
    }
    let (switch, answer) = (&line["job_switch_us"], &line["first_answer_us"]);
    assert!(switch["p50"].as_f64() > Some(0.0) && switch["p99"].as_f64() >= switch["p50"].as_f64(), "{line}");
    // What is timed longer is longer, also in the middle and at the end.
    for part in ["p50", "p99"] {
        assert!(answer[part].as_f64() >= switch[part].as_f64(), "{line}");
    }
    assert!(line["bound_per_s"].is_null() && line["percent_of_bound"].is_null(), "{line}");
}
