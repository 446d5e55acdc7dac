//! The CUDA helper on a fake driver, where something is to end in time: a test binary of its own, so that no other test has the
//! processors. What is dead is to end within a second, who is told to stop within two, and a launch of the fake driver takes as long as a
//! processor does.

mod common;

use std::path::Path;

use common::{gpu::fakes, *};

#[test]
fn dead_units_and_helpers_that_are_told_to_stop_end_in_time() {
    let helper = Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("adit-helper-cuda");
    assert!(helper.exists(), "{} is missing: `cargo build --workspace --bins` makes it", helper.display());
    let kernels = finish(adit().arg("kernels"), 60);
    let file = fakes().join("kernels-storm.json");
    std::fs::write(&file, &kernels.stdout).unwrap();
    for (cases, one) in
        [("job-switch", "job-switch-storm"), ("stop", "stop-in-the-middle"), ("host-death", "host-death")]
    {
        let mut command = adit();
        command.env("ADIT_KERNELS", &file).env("LD_LIBRARY_PATH", fakes());
        // It compiles and tests its kernels first.
        command.args(["conform", "--hello-within", "60", "--filter", cases, "--"]);
        let output = finish(command.arg(&helper).arg("run"), 200);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        assert!(text(&output.stdout).contains(one), "{}", text(&output.stdout));
    }
}
