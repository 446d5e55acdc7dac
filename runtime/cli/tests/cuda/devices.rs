//! What is told of a GPU before it works.

use super::*;

pub fn list(faults: &[(&str, &str)]) -> Output {
    finish(
        Command::new(helper()).arg("list").env("LD_LIBRARY_PATH", fakes()).envs(faults.iter().copied()),
        60,
    )
}

fn devices(libraries: &Path, faults: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = adit();
    command.arg("devices").args(arguments).env("LD_LIBRARY_PATH", libraries).envs(faults.iter().copied());
    let output = finish(&mut command, 60);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn gpu_of(output: &Output) -> serde_json::Value {
    let lines = lines(output);
    let found = events(&lines, "device").into_iter().find(|line| line["device"] == "cuda:0").cloned();
    found.expect("no device cuda:0")
}

#[test]
fn a_gpu_is_shown_with_all_that_is_known_of_it() {
    let gpu = gpu_of(&devices(fakes(), &[], &["--json"]));
    for (name, value) in [
        ("name", "fake GPU".into()),
        ("driver", "570.0, CUDA 12.8".into()),
        ("memory", (576_u64 << 20).into()),
        ("pci", "0000:3b:00.0".into()),
        ("temperature_c", 41.0.into()),
        ("power_w", 72.5.into()),
        ("utilisation_percent", serde_json::json!(93)),
    ] {
        assert_eq!(gpu[name], value, "{gpu}");
    }
    assert!(gpu["numa_node"].is_null() || gpu["numa_node"].is_u64(), "{gpu}");
    let shown = text(&devices(fakes(), &[], &[]).stdout);
    let line = shown.lines().find(|line| line.starts_with("cuda:0")).unwrap();
    for part in ["0000:3b:00.0", "fake GPU", "0.6 GiB", "570.0, CUDA 12.8", "41 C", "72.5 W", "93 % busy"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn what_a_gpu_does_not_tell_is_unknown_and_no_error() {
    for (function, field) in [
        ("nvmlDeviceGetTemperature", "temperature_c"),
        ("nvmlDeviceGetPowerUsage", "power_w"),
        ("nvmlDeviceGetUtilizationRates", "utilisation_percent"),
    ] {
        let gpu = gpu_of(&devices(fakes(), &[("FAKE_NVML_FAIL", function)], &["--json"]));
        assert!(gpu[field].is_null(), "{function}: {gpu}");
        let told = ["temperature_c", "power_w", "utilisation_percent"].map(|field| !gpu[field].is_null());
        assert_eq!(told.iter().filter(|told| **told).count(), 2, "{function}: {gpu}");
    }
    // NVML that does not know the GPU, does not start, or is not there at all.
    let without = fakes().join("without-nvml");
    std::fs::create_dir_all(&without).unwrap();
    for library in ["libcuda.so", "libnvrtc.so"] {
        let _ = std::os::unix::fs::symlink(fakes().join(library), without.join(library));
    }
    for (libraries, fault) in
        [(fakes(), "nvmlDeviceGetHandleByPciBusId"), (fakes(), "nvmlInit"), (&without, "")]
    {
        let gpu = gpu_of(&devices(libraries, &[("FAKE_NVML_FAIL", fault)], &["--json"]));
        assert_eq!((&gpu["name"], &gpu["gpu"]), (&"fake GPU".into(), &true.into()), "{fault}: {gpu}");
        for field in ["temperature_c", "power_w", "utilisation_percent"] {
            assert!(gpu[field].is_null(), "{fault}: {gpu}");
        }
    }
}

#[test]
fn its_sensors_are_told_while_it_works() {
    let mut command = adit();
    command.env("LD_LIBRARY_PATH", fakes()).args(["mine", "--json", "--duration", "4", "--device", "cuda:0"]);
    let output = finish(&mut command, 60);
    let lines = lines(&output);
    let told = events(&lines, "rate").into_iter().any(|line| {
        let device = line["devices"].as_array().and_then(|devices| devices.first()).unwrap_or(line);
        device["temperature_c"] == 41.0 && device["power_w"] == 72.5
    });
    assert!(told, "{}", text(&output.stdout));
}

/// Without `--device` every GPU is used, and the CPU; those that are processors in disguise are not.
#[test]
fn without_a_wish_the_gpu_is_used_too() {
    let mut command = adit();
    command.env("LD_LIBRARY_PATH", fakes()).args(["mine", "--json", "--duration", "1"]);
    let output = finish(&mut command, 60);
    let lines = lines(&output);
    let used = |name: &str| events(&lines, "device").into_iter().any(|line| line["device"] == name);
    assert!(used("cuda0") && used("cpu0"), "{}", text(&output.stdout));
    assert!(!used("opencl0") && !used("wgpu0"), "{}", text(&output.stdout));
}

/// Nor is it silently idle: a driver that is there and fails is told, one that is not there is not.
#[test]
fn without_a_wish_it_says_why_a_gpu_is_not_used() {
    let mine = |environment: &[(&str, &str)]| {
        let mut command = adit();
        command.env_remove("LD_LIBRARY_PATH").envs(environment.iter().copied());
        let output = finish(command.args(["mine", "--json", "--duration", "1"]), 60);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    let fakes = ("LD_LIBRARY_PATH", fakes().to_str().unwrap());
    let said = mine(&[fakes, ("FAKE_CUDA_FAIL", "cuInit:1:999")]);
    let told = said.lines().filter(|line| line.contains("the cuda helper lists no devices"));
    let told: Vec<_> = told.collect();
    assert!(told.len() == 1 && told[0].contains("cuInit: CUDA_ERROR_UNKNOWN (999)"), "{said}");
    let bare = finish(Command::new(helper()).arg("list").env_remove("LD_LIBRARY_PATH"), 60);
    if bare.status.code() == Some(6) {
        assert!(!mine(&[]).contains("the cuda helper"), "no driver is no complaint");
    }
}

/// Of two GPUs the first does not answer: the other is listed, and works.
#[test]
fn a_gpu_that_does_not_answer_keeps_no_other_from_work() {
    let faults = [("FAKE_CUDA_COUNT", "2"), ("FAKE_CUDA_FAIL", "cuDeviceTotalMem:1:999")];
    let output = list(&faults);
    let (listed, said) = (lines(&output), text(&output.stderr));
    assert_eq!(listed.iter().map(|gpu| gpu["number"].as_u64()).collect::<Vec<_>>(), [Some(1)]);
    assert!(said.contains("GPU 0 is left out: ") && said.contains("CUDA_ERROR_UNKNOWN (999)"), "{said}");
    let shown = devices(fakes(), &faults, &["--json"]);
    let shown = lines(&shown);
    let error = events(&shown, "device_error").into_iter().find(|line| line["kind"] == "cuda").cloned();
    let error = error.expect("no device_error");
    assert!(error["error"].as_str().unwrap().contains("GPU 0 is left out"), "{error}");
    assert!(events(&shown, "device").iter().any(|line| line["device"] == "cuda:1"), "{shown:?}");
    // At work it asks after its own alone.
    let found = search(&["cuda:1"], &faults, 60_000);
    assert_eq!(hits(&found), hits(&search(&["cpu:threads=1"], &[], 60_000)));
}

/// Some calls are newer than others: who has not all of them is told, before one that is not there is made.
#[test]
fn a_driver_that_is_too_old_is_named() {
    let output = list(&[("FAKE_CUDA_VERSION", "11040")]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    for part in ["speaks CUDA 11.4", "12.1 (driver 530)", "use opencl or wgpu"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(output.stdout.is_empty());
}
