//! What the driver refuses, when, and what becomes of it.

use super::*;
use crate::devices::list;

#[test]
fn without_a_driver_it_says_so() {
    let output = finish(Command::new(helper()).arg("list").env_remove("LD_LIBRARY_PATH"), 60);
    if output.status.success() {
        return skipped("there is an NVIDIA driver here");
    }
    let said = text(&output.stderr);
    match output.status.code() {
        Some(6) => assert!(said.contains("no NVIDIA driver"), "{said}"),
        Some(5) => assert!(said.contains("CUDA_ERROR") || said.contains("no CUDA compiler"), "{said}"),
        other => panic!("{other:?}: {said}"),
    }
}

#[test]
fn each_error_of_the_driver_is_named_with_its_call() {
    // A driver without a GPU is nothing to speak of, and says so in two ways.
    for without in [("FAKE_CUDA_COUNT", "0"), ("FAKE_CUDA_FAIL", "cuInit:1:100")] {
        let output = list(&[without]);
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(0), ""), "{without:?}");
    }
    for (fault, call, name) in [
        ("cuInit:1:999", "cuInit", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDeviceGetCount:1:999", "cuDeviceGetCount", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDeviceGet:1:999", "cuDeviceGet: ", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDeviceGetAttribute:1:999", "cuDeviceGetAttribute: ", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDeviceTotalMem:1:999", "cuDeviceTotalMem: ", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDeviceGetName:1:999", "cuDeviceGetName: ", "CUDA_ERROR_UNKNOWN (999)"),
        ("cuDriverGetVersion:1:999", "cuDriverGetVersion: ", "CUDA_ERROR_UNKNOWN (999)"),
    ] {
        let output = list(&[("FAKE_CUDA_FAIL", fault)]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{fault}: {said}");
        assert!(said.contains(call) && said.contains(name), "{fault}: {said}");
    }
}

/// Its tests would fail again, so it is not started again; and people hear what was wrong.
#[test]
fn a_gpu_that_computes_wrongly_is_left_out_at_once() {
    let output = search(&["cuda:0"], &[("FAKE_CUDA_WRONG", "1")], 60_000);
    let log = text(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("cuda0 is left out: exited with status 4: "), "{log}");
    assert!(log.contains("no algorithm passes its tests") && !log.contains("cuda0 is down"), "{log}");
}

/// So would its launches, if a work group has no room on it, whatever is free.
#[test]
fn a_gpu_that_is_too_small_for_the_kernels_is_left_out_at_once() {
    let output = search(&["cuda:0"], &[("FAKE_CUDA_FAIL", "cuLaunchKernel:1+:701")], 60_000);
    let log = text(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("cuda0 is left out: exited with status 4: "), "{log}");
    assert!(log.contains("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES (701)") && !log.contains("is down"), "{log}");
}

/// Another program may give its memory back.
#[test]
fn a_gpu_without_free_memory_is_tried_again() {
    for (fault, value, said) in [
        ("FAKE_CUDA_FAIL", "cuModuleLoadData:1+:2", "cuModuleLoadData: CUDA_ERROR_OUT_OF_MEMORY (2)"),
        ("FAKE_NVRTC_MEMORY", "1", "nvrtcCompileProgram: NVRTC_ERROR_OUT_OF_MEMORY"),
    ] {
        let mut command = adit();
        // Nothing compiled is kept there.
        command.env("LD_LIBRARY_PATH", fakes()).env(fault, value).env("XDG_CACHE_HOME", fakes().join(fault));
        let output = finish(command.args(["mine", "--json", "--duration", "4", "--device", "cuda:0"]), 60);
        let log = text(&output.stdout);
        assert!(log.contains("exited with status 5") && log.contains("not enough device memory"), "{log}");
        assert!(log.contains(said) && !log.contains("quarantined"), "{log}");
    }
}

/// In the host's log, so that people can look it up. Of calls at work the first after the self-test fails, about: how many
/// follow depends on how fast the machine is.
#[test]
fn a_lost_gpu_says_which_call_failed() {
    for (fault, said) in [
        ("cuDevicePrimaryCtxRetain:1:999", "cuDevicePrimaryCtxRetain: CUDA_ERROR_UNKNOWN (999)"),
        ("cuCtxSetFlags:1:999", "cuCtxSetFlags: CUDA_ERROR_UNKNOWN (999)"),
        ("cuStreamCreate:1:999", "cuStreamCreate: CUDA_ERROR_UNKNOWN (999)"),
        ("cuMemAlloc:2:999", "cuMemAlloc of a job: CUDA_ERROR_UNKNOWN (999)"),
        ("cuMemHostAlloc:1:999", "cuMemHostAlloc of results: CUDA_ERROR_UNKNOWN (999)"),
        ("cuModuleLoadData:1:999", "cuModuleLoadData: CUDA_ERROR_UNKNOWN (999)"),
        (
            "cuOccupancy:1:999",
            "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags of search: CUDA_ERROR_UNKNOWN",
        ),
        ("cuModuleGetFunction:2:999", "cuModuleGetFunction: CUDA_ERROR_UNKNOWN (999)"),
        ("cuMemcpyHtoDAsync:2:999", "cuMemcpyHtoDAsync of a job: CUDA_ERROR_UNKNOWN (999)"),
        ("cuMemcpyDtoDAsync:9:999", "cuMemcpyDtoDAsync of results: CUDA_ERROR_UNKNOWN (999)"),
        ("cuLaunchKernel:20:719", "cuLaunchKernel of |CUDA_ERROR_LAUNCH_FAILED (719)"),
        ("cuEventCreate:12:999", "cuEventCreate: CUDA_ERROR_UNKNOWN (999)"),
        ("cuEventRecord:12:999", "cuEventRecord: CUDA_ERROR_UNKNOWN (999)"),
        // An error that a kernel brought about comes with the wait for it: an ECC error, one that a driver's reset leaves.
        ("cuEventSynchronize:16:214", "cuEventSynchronize of |CUDA_ERROR_ECC_UNCORRECTABLE (214)"),
        ("cuEventSynchronize:16:46", "cuEventSynchronize of |CUDA_ERROR_DEVICE_UNAVAILABLE (46)"),
    ] {
        // The first time; then it is well.
        let marker = fakes().join(format!("once-{}", fault.replace(':', "-")));
        let faults = [("FAKE_CUDA_FAIL", fault), ("FAKE_CUDA_FAIL_ONCE", marker.to_str().unwrap())];
        let output = search(&["cuda:0"], &faults, 60_000);
        let log = text(&output.stderr);
        // Of several that such a call is made for, it does not matter which was the one.
        let all = said.split('|').all(|part| log.contains(part));
        assert!(output.status.success() && all, "{fault}: {log}");
        assert!(log.contains("cuda0 is down"), "{fault}: {log}");
    }
}

#[test]
fn a_lost_gpu_says_what_the_driver_tells_of_it() {
    for (xid, said) in [
        (Some("79"), "(214); Xid 79, the GPU has fallen off the bus"),
        (Some("9999"), "(214); Xid 9999"),
        (None, "CUDA_ERROR_ECC_UNCORRECTABLE (214)"),
    ] {
        let marker = fakes().join(format!("once-xid-{}", xid.unwrap_or("none")));
        let mut faults = vec![
            ("FAKE_CUDA_FAIL", "cuEventSynchronize:16:214"),
            ("FAKE_CUDA_FAIL_ONCE", marker.to_str().unwrap()),
        ];
        faults.extend(xid.map(|number| ("FAKE_NVML_XID", number)));
        let output = search(&["cuda:0"], &faults, 60_000);
        let log = text(&output.stderr);
        assert!(output.status.success() && log.contains(said), "{xid:?}: {log}");
        assert_eq!(log.contains("Xid"), xid.is_some(), "{log}");
    }
}

/// By itself: no restart, and nobody else.
#[test]
fn where_memory_is_short_launches_shrink_and_the_work_goes_on() {
    let expected = hits(&search(&["cpu:threads=1"], &[], 60_000));
    for fault in ["cuLaunchKernel:20:2", "cuEventSynchronize:16:2", "cuLaunchKernel:19:2,cuLaunchKernel:20:2"]
    {
        let output = search(&["cuda:0"], &[("FAKE_CUDA_FAIL", fault)], 60_000);
        assert_eq!(hits(&output), expected, "{fault}");
        assert!(!text(&output.stderr).contains("is down"), "{fault}: {}", text(&output.stderr));
    }
    // Scratch is asked for three quarters of the memory, and there is less: an algorithm that needs much of it.
    let header = "5a".repeat(68);
    let uhash = |device: &str, fault: &str| {
        let mut command = adit();
        command.env("LD_LIBRARY_PATH", fakes()).env("FAKE_CUDA_FAIL", fault);
        command.args(["search", "--json", "--device", device, "--algorithm", "uhash", "--header", &header]);
        command.args(["--target", &zero_bits(4), "--start", "0", "--count", "40"]);
        finish(&mut command, 100)
    };
    let output = uhash("cuda:0", "cuMemAlloc:9:2");
    assert!(!text(&output.stderr).contains("is down"), "{}", text(&output.stderr));
    assert_eq!(hits(&output), hits(&uhash("cpu:threads=1", "")));
}

/// Whatever fails, and whenever: the search ends with every hit, by the CPU where the GPU cannot.
#[test]
fn no_error_loses_a_hit() {
    let count = 400_000;
    let expected = hits(&search(&["cpu:threads=1"], &[], count));
    for fault in [
        // Fails at once, in each start.
        "cuDevicePrimaryCtxRetain:1:999",
        "cuStreamCreate:2:2",
        "cuMemHostAlloc:1:2",
        "cuModuleLoadData:1+:2",
        // Fails at work: out of memory shrinks the launch, anything else ends the helper.
        "cuLaunchKernel:20:2",
        "cuLaunchKernel:20:701",
        "cuLaunchKernel:20:719",
        "cuEventSynchronize:16:214",
        "cuMemcpyDtoHAsync:12:719",
        "cuStreamSynchronize:20:999",
        // The kernel hangs: the host kills the helper for want of a heartbeat.
        "cuEventSynchronize:16:hang",
    ] {
        let output = search(&["cuda:0", "cpu:threads=1"], &[("FAKE_CUDA_FAIL", fault)], count);
        assert_eq!(hits(&output), expected, "{fault}");
    }
}
