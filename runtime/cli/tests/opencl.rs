//! The OpenCL helper on whatever OpenCL this machine has: PoCL is enough. Skipped, and said so, where there is none.

mod common;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
};

use common::{gpu, *};

fn helper() -> Option<PathBuf> {
    gpu::helper("opencl", "pocl-opencl-icd makes the CPU one")
}

#[test]
fn the_helper_conforms() {
    let Some(helper) = helper() else { return };
    gpu::assert_conforms("opencl", &helper);
}

#[test]
fn it_finds_what_the_cpu_finds() {
    if helper().is_some() {
        gpu::search_many("opencl:0");
    }
}

#[test]
fn it_finds_it_for_headers_that_nobody_chose() {
    if helper().is_some() {
        gpu::search_random("opencl:0");
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    if helper().is_some() {
        gpu::assert_missing_is_named("opencl");
    }
}

/// A library before the one that is here, which it is linked with.
fn scarce() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scarce-{}.so", std::process::id()));
    let status = c_compiler()
        .args([
            "-std=gnu11",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-Wl,--no-as-needed",
            "-o",
        ])
        .arg(&path)
        .arg(root().join("runtime/cli/tests/common/scarce.c"))
        .args(["-l:libOpenCL.so.1", "-ldl"])
        .status()
        .expect("a C compiler is needed: `cargo xtask setup` installs one");
    assert!(status.success());
    path
}

#[test]
fn where_memory_is_short_scratch_shrinks_until_it_fits() {
    if helper().is_none() {
        return;
    }
    let library = scarce();
    let search = |device: &str, claims: &str| {
        let mut command = adit();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env("OPENCL_DYLIB_PATH", &library).env("SCARCE_CLAIMS", claims);
        command.args(["search", "--json", "--device", device, "--algorithm", "scrypt", "--start", "0"]);
        command.args(["--header", BITCOIN.trim(), "--target", &zero_bits(4), "--count", "200"]);
        command.spawn().unwrap()
    };
    let expected = hits(&lines(&finish_child(search("cpu:threads=1", "0"), 100)));
    assert!(!expected.is_empty());
    for claims in ["0", "3"] {
        let output = finish_child(search("opencl:0", claims), 100);
        assert!(!text(&output.stderr).contains("is down"), "{claims}: {}", text(&output.stderr));
        assert_eq!(hits(&lines(&output)), expected, "{claims}");
    }
    // Not even a group fits: the helper says so, is started again, as there may be memory later, and nothing is made up.
    let mut host = search("opencl:0", "1000000");
    let (lines_of, said) = (BufReader::new(host.stderr.take().unwrap()).lines(), std::sync::mpsc::channel());
    let reader = std::thread::spawn(move || {
        lines_of.map_while(Result::ok).for_each(|line| drop(said.0.send(line)));
    });
    let (mut wanted, limit) = (2, std::time::Duration::from_secs(100));
    while wanted > 0 {
        let line = said.1.recv_timeout(limit).expect("it is not said twice that there is no room");
        let tells = line.contains("clEnqueueWriteBuffer of scratch") && line.contains("again in");
        wanted -= u32::from(tells);
    }
    host.kill().unwrap();
    let output = host.wait_with_output().unwrap();
    reader.join().unwrap();
    assert!(lines(&output).iter().all(|line| line["event"] != "solution"));
    let _ = std::fs::remove_file(library);
}
