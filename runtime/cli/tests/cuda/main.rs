//! The CUDA helper on a fake driver, which compiles its kernels for this CPU and fails when it is told to.

#[path = "../common/mod.rs"]
mod common;

mod devices;
mod errors;
mod keeps;
mod lives;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use common::{gpu::fakes, *};

fn helper() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("adit-helper-cuda");
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    path
}

/// A search on `devices` with the fake driver told to do `faults`.
fn search(devices: &[&str], faults: &[(&str, &str)], count: u64) -> Output {
    finish(&mut searching(devices, faults, count), 200)
}

fn searching(devices: &[&str], faults: &[(&str, &str)], count: u64) -> Command {
    let mut command = adit();
    command.env("LD_LIBRARY_PATH", fakes()).envs(faults.iter().copied());
    command.args(["search", "--json", "--stuck-after", "1", "--algorithm", "sha256d", "--start", "0"]);
    command.args(["--header", BITCOIN.trim(), "--target", &zero_bits(12), "--count", &count.to_string()]);
    for device in devices {
        command.args(["--device", device]);
    }
    command
}

fn hits(output: &Output) -> Vec<u64> {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let lines = lines(output);
    let mut hits: Vec<_> =
        events(&lines, "solution").into_iter().map(|line| line["nonce"].as_u64().unwrap()).collect();
    hits.sort_unstable();
    hits
}

#[test]
fn it_finds_what_the_cpu_finds_and_conforms() {
    assert_eq!(hits(&search(&["cuda:0"], &[], 60_000)), hits(&search(&["cpu:threads=1"], &[], 60_000)));
    let kernels = finish(adit().arg("kernels"), 60);
    let file = fakes().join("kernels.json");
    std::fs::write(&file, &kernels.stdout).unwrap();
    // Those that are to end in time have the processors to themselves: `cuda_storm`.
    for case in ["known-vectors", "edge-ranges", "many-hits"] {
        let mut command = adit();
        command.env("ADIT_KERNELS", &file).env("LD_LIBRARY_PATH", fakes());
        // It compiles and tests its kernels first, on a processor that others use as well.
        command.args(["conform", "--hello-within", "60", "--filter", case, "--"]);
        let output = finish(command.arg(helper()).arg("run"), 200);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    }
}

#[test]
fn a_gpu_that_computes_wrongly_is_not_offered() {
    for (fault, said) in [
        (("FAKE_CUDA_WRONG", "1"), "no algorithm passes its tests"),
        (("FAKE_NVRTC_REFUSE", "atomicAdd"), "this word is refused"),
    ] {
        let file = fakes().join(format!("kernels-{}.json", fault.0));
        std::fs::write(&file, finish(adit().arg("kernels"), 60).stdout).unwrap();
        let mut command = adit();
        command.env("ADIT_KERNELS", &file).env("LD_LIBRARY_PATH", fakes()).env(fault.0, fault.1);
        // Nothing compiled is kept there.
        command.env("XDG_CACHE_HOME", fakes().join(fault.0));
        let output = finish(command.args(["conform", "--filter", "hello", "--"]).arg(helper()), 60);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(said), "{}", text(&output.stdout));
    }
}

#[test]
fn it_finds_it_for_headers_that_nobody_chose() {
    gpu::search_random("fake:cuda:0");
}

/// One multiprocessor of 64 lanes at 1.98 GHz, as the fake says of itself.
#[test]
fn its_bound_is_worked_out_and_what_is_copied_is_counted() {
    let mut command = adit();
    command.env("LD_LIBRARY_PATH", fakes()).args(["bench", "device", "--json", "--device", "cuda:0"]);
    command.args(["--algorithm", "sha256d", "--launch-us", "1000", "--seconds", "0.2"]);
    let output = finish(&mut command, 100);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&output);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let number = |name: &str| line[name].as_f64().unwrap_or_else(|| panic!("{name}: {line}"));
    let kernels: serde_json::Value =
        serde_json::from_slice(&finish(adit().arg("kernels"), 60).stdout).unwrap();
    let algorithms = kernels["algorithms"].as_array().unwrap();
    let sha256d = algorithms.iter().find(|one| one["name"] == "sha256d").unwrap();
    let bound = 64.0 * 1.98e9 / sha256d["operations"].as_f64().unwrap();
    assert!((number("bound_per_s") / bound - 1.0).abs() < 1e-9, "{line}");
    let percent = 100.0 * number("hashes_per_s") / bound;
    assert!((number("percent_of_bound") / percent - 1.0).abs() < 1e-9, "{line}");
    // Without a hit, sixteen bytes a launch; a launch of the fake takes about as long as it should.
    let launches = number("hashes_per_s") / number("nonces_per_launch");
    let bytes = number("copied_back_per_s") / launches;
    assert!((4.0..64.0).contains(&bytes), "{bytes} bytes a launch: {line}");
}
