//! The helpers of `examples` conform.

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().expect("examples")
}

#[test]
fn the_c_helper_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("helper");
    let built = Command::new("cc")
        .args(["-std=c11", "-O2", "-I"])
        .arg(examples().join("../runtime/abi/include"))
        .arg("-o")
        .arg(&helper)
        .arg(examples().join("c/helper.c"))
        .status()
        .expect("a C compiler named cc");
    assert!(built.success(), "examples/c/helper.c does not compile");
    common::conforms(&common::command(&[helper.to_str().unwrap()]));
}

#[test]
fn the_python_helper_conforms() {
    let helper = examples().join("python/helper.py");
    common::conforms(&common::command(&["python3", helper.to_str().unwrap()]));
}
