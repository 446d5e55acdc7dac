//! Plugins: those that work find what the built-in algorithm finds, and those that do not are named.

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use common::*;

/// A plugin of a C file, compiled as the examples say.
fn compiled(source: &str, name: &str, more: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.so", std::process::id()));
    let status = c_compiler()
        .args(["-std=c11", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&path)
        .arg("-I")
        .arg(root().join("runtime/abi/include"))
        .args(more)
        .arg(root().join(source))
        .status()
        .expect("a C compiler is needed: `cargo xtask setup` installs one");
    assert!(status.success());
    path
}

fn c_plugin(test: &str) -> PathBuf {
    compiled("examples/plugin-c/sha256d.c", test, &[])
}

fn broken(fault: &str) -> PathBuf {
    compiled("runtime/cli/tests/broken/plugin.c", fault, &[&format!("-DFAULT=F_{fault}")])
}

/// The Rust example, which `cargo xtask test` builds before the tests.
fn rust_plugin() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name("libadit_example_plugin.so");
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins --lib` makes it", path.display());
    path
}

/// `adit search` over the vector's header.
fn found(algorithm: &str, plugins: &[&Path]) -> Vec<(u64, String)> {
    let mut command = adit();
    command.args(["search", "--json", "--algorithm", algorithm, "--header", BITCOIN.trim()]);
    command.args(["--target", &zero_bits(16), "--start", "0", "--count", "140000"]);
    command.args(plugins.iter().flat_map(|file| ["--plugin", file.to_str().unwrap()]));
    let output = finish(&mut command, 120);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    hits(&lines(&output))
}

#[test]
fn the_c_plugin_finds_what_the_rust_one_and_the_built_in_one_find() {
    let (c, rust) = (c_plugin("finds"), rust_plugin());
    let built_in = found("sha256d", &[]);
    assert_eq!(built_in.iter().map(|hit| hit.0).collect::<Vec<_>>(), [88_156, 128_273, 135_214]);
    // Both at once, and each at work in turn.
    assert_eq!(found("sha256d-c", &[&c, &rust]), built_in);
    assert_eq!(found("sha256d-rust", &[&c, &rust]), built_in);
}

#[test]
fn a_plugin_mines_and_verifies_and_is_listed() {
    let plugin = c_plugin("mines");
    let plugin = plugin.to_str().unwrap();
    let mut command = adit();
    command.args(["mine", "--json", "--blocks", "2", "--algorithm", "sha256d-c", "--plugin", plugin]);
    let output = finish(command.args(["--block-time", "0.2"]), 60);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(lines(&output).last().unwrap()["accepted"], 2);

    let verify = ["verify", "--json", "--algorithm", "sha256d-c", "--header", BITCOIN.trim()];
    let output = finish(adit().args(verify).args(["--plugin", plugin]), 20);
    let digest = "00000000000000001e8d6829a8a21adc5d38d0a473b144b6765798e61f98bd1d";
    assert_eq!(lines(&output)[0]["digest"], digest);

    let output = finish(adit().args(["devices", "--json", "--plugin", plugin]), 20);
    assert!(text(&output.stdout).contains("\"sha256d-c\""), "{}", text(&output.stdout));
}

#[test]
fn a_bad_plugin_is_named_with_its_fault() {
    for (fault, named) in [
        ("null_table", "adit_plugin_entry returned null [PLG-1.1]"),
        ("magic", "instead of ADITPLUG [PLG-1.2]"),
        ("version", "it speaks version 2 of the plugin interface, this adit version 1"),
        ("size", "struct_size is 64 instead of 128"),
        ("no_digest", "its function `digest` is null [PLG-1.3]"),
        ("no_search", "its function `search` is null [PLG-1.3]"),
        ("bad_name", "its name is \"Not Plain\"; lower case"),
        ("bad_layout", "its nonce, 4 bytes at 78, ends behind the header of 80 bytes"),
        ("too_many_variants", "variant_count is 1000, at most 32"),
        ("two_variants_alike", "two variants are called plain [PLG-3.2]"),
        ("digest_fails", "digest of a header of 80 bytes: it returned 77, which is no status [PLG-3.1]"),
        ("digest_varies", "for one header [PLG-3.1]"),
        ("no_searcher", "says it made one, and gives null [PLG-4.1]"),
        ("takes_short_headers", "set_job took a header of another length; it must say ADIT_PLUGIN_INVALID"),
        ("zero_group", "describe says a group of 0 nonces"),
        ("kernels_without_source", "the extension adit.kernels/1: it has no source [PLG-5.5]"),
        (
            "kernels_in_no_group",
            "28 constants, groups of 0, 1 lanes, 0 bytes of scratch and 4096 nonces of a test are",
        ),
        ("kernels_of_much_scratch", "67108868 bytes of scratch and 4096 nonces of a test are not what"),
        ("kernels_in_no_ascii", "the source wgsl is not ASCII [PLG-5.5]"),
        ("duplicate_name", "another algorithm is called sha256d already"),
        ("duplicate_id", "the algorithm sha256d has the number \"SHAD\" already"),
    ] {
        let file = broken(fault);
        refused(&file, &[named]);
    }
}

#[test]
fn what_is_no_plugin_is_named_too() {
    refused(Path::new("/no/such/plugin.so"), &["cannot read the file", "No such file"]);
    let folder = tempfile::tempdir().unwrap();
    let no_object = folder.path().join("text.so");
    std::fs::write(&no_object, "this is no shared object").unwrap();
    refused(&no_object, &["not a shared object for this machine"]);
    refused(folder.path(), &["not a shared object"]);
    std::fs::write(folder.path().join("empty.c"), "int nothing;\n").unwrap();
    let other = folder.path().join("other.so");
    let mut compiler = c_compiler();
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&other).arg(folder.path().join("empty.c"));
    assert!(compiler.status().unwrap().success());
    refused(&other, &["it does not export adit_plugin_entry"]);
    let twice = c_plugin("twice");
    let file = twice.to_str().unwrap();
    let output = finish(adit().args(["devices", "--plugin", file, "--plugin", file]), 20);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("another algorithm is called sha256d-c already"));
}

/// What `adit conform --plugin` says of each case: its name and that of the fault.
fn conformance(file: &Path, more: &[&str]) -> Vec<(String, Option<String>)> {
    let output = finish(adit().args(["conform", "--json", "--plugin"]).arg(file).args(more), 200);
    let lines = lines(&output);
    let cases: Vec<_> = events(&lines, "case")
        .into_iter()
        .map(|case| {
            let fault = case["fault"].as_str().map(str::to_owned);
            assert_eq!(fault.is_none(), case["outcome"] == "passed", "{case}");
            println!("{case}");
            (case["case"].as_str().unwrap().to_owned(), fault)
        })
        .collect();
    let failed = cases.iter().filter(|case| case.1.is_some()).count();
    assert_eq!(lines.last().unwrap()["failed"], failed);
    assert_eq!(output.status.code(), Some(i32::from(failed > 0)));
    cases
}

#[test]
fn good_plugins_conform() {
    // The last can be stopped.
    for file in [c_plugin("conforms"), rust_plugin(), broken("stops")] {
        let cases = conformance(&file, &[]);
        assert!(cases.len() >= 12 && cases.iter().all(|case| case.1.is_none()), "{cases:?}");
    }
}

#[test]
fn each_broken_plugin_is_reported_by_the_name_of_its_fault() {
    for (fault, case, name) in [
        ("version", "load", "abi-version"),
        ("size", "load", "abi-size"),
        ("no_digest", "load", "null-function"),
        ("digest_fails", "load", "bad-function"),
        ("digest_varies", "load", "not-deterministic"),
        ("crashes", "every-hit", "crash"),
        ("late_crash", "threads", "crash"),
        ("exits", "every-hit", "exit"),
        ("hangs", "every-hit", "hang"),
        ("misses", "every-hit", "missed-hit"),
        ("invents", "no-hits", "wrong-hit"),
        ("invents", "some-hits", "wrong-digest"),
        ("out_of_range", "every-hit", "out-of-range"),
        ("wrong_digest", "every-hit", "wrong-digest"),
        ("ignores_target", "some-hits", "wrong-hit"),
        ("varies", "repeat", "not-deterministic"),
        ("twice", "every-hit", "repeated-hit"),
        ("out_of_order", "every-hit", "out-of-order"),
        ("one_dev_header", "dev-header", "wrong-header"),
        ("stop_misses", "stop", "missed-hit"),
        ("stop_is_deaf", "stop", "not-stopped"),
    ] {
        let limit = if fault == "hangs" { "3" } else { "60" };
        let cases = conformance(&broken(fault), &["--filter", case, "--case-limit", limit]);
        assert_eq!(cases, [(case.to_owned(), Some(name.to_owned()))], "{fault}");
    }
    // Two searchers in one piece of memory: any of several faults, but never a pass.
    let cases = conformance(&broken("shares_state"), &["--filter", "threads"]);
    assert!(cases[0].1.is_some(), "{cases:?}");
}

#[test]
fn a_variant_is_forced_or_refused_with_those_there_are() {
    let portable = finish(&mut search("sha256d", &zero_bits(16), 0, 90_000, &["cpu:variant=portable"]), 60);
    assert_eq!(hits(&lines(&portable)).len(), 1);
    for (algorithm, variant) in [("sha256d", "zebra"), ("blake2s-kda", "sha-ni")] {
        let device = format!("cpu:variant={variant}");
        let output = finish(&mut search(algorithm, &zero_bits(16), 0, 9, &[&device]), 20);
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(variant) && error.contains("portable"), "{error}");
        assert!(error.contains(&format!("of {algorithm}")), "{error}");
    }
}

/// The command line is refused, and the error names the file and each of `named`.
fn refused(file: &Path, named: &[&str]) {
    let output = finish(adit().args(["devices", "--plugin"]).arg(file), 20);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    for part in named.iter().copied().chain([file.to_str().unwrap(), "--plugin"]) {
        assert!(error.contains(part), "{part:?} is not in {error}");
    }
}

#[test]
fn a_file_that_was_cut_off_and_a_pipe_are_refused_before_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(c_plugin("cut")).unwrap();
    let refused = |file: &Path, what: &str| {
        let mut command = adit();
        command.args(["verify", "--algorithm", "sha256d", "--header", BITCOIN.trim(), "--plugin"]).arg(file);
        let output = finish(&mut command, 20);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}: {error}");
        assert!(error.contains(what) && error.contains(file.to_str().unwrap()), "{error}");
    };
    let file = folder.path().join("cut.so");
    for len in (100..whole.len() / 4).step_by(whole.len() / 40) {
        std::fs::write(&file, &whole[..len]).unwrap();
        refused(&file, "cut off");
    }
    let pipe = folder.path().join("pipe.so");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    refused(&pipe, "no regular file");
}
