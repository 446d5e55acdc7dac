//! The CUDA helper on an NVIDIA GPU. Skipped, and said so, where there is none: `tests/cuda` has a fake driver.

mod common;

use std::path::PathBuf;

use common::gpu;

fn helper() -> Option<PathBuf> {
    gpu::helper("cuda", "an NVIDIA GPU with its driver and NVRTC is one")
}

#[test]
fn the_helper_conforms() {
    let Some(helper) = helper() else { return };
    gpu::assert_conforms("cuda", &helper);
}

#[test]
fn it_finds_what_the_cpu_finds() {
    if helper().is_some() {
        gpu::search_many("cuda:0");
    }
}

#[test]
fn it_finds_it_for_headers_that_nobody_chose() {
    if helper().is_some() {
        gpu::search_random("cuda:0");
    }
}

#[test]
fn a_device_that_is_not_there_is_named() {
    if helper().is_some() {
        gpu::assert_missing_is_named("cuda");
    }
}
