//! The generated header means to a C compiler what this crate means to Rust.

use std::{env, fmt::Write as _, fs, path::Path, process::Command};

use adit_abi::LAYOUTS;

/// A C file that compiles only when every size and offset is the same.
fn assertions() -> String {
    let mut c = String::from("#include <stddef.h>\n#include \"adit.h\"\n");
    for layout in LAYOUTS.iter().copied().flatten() {
        let name = format!("Adit{}", layout.name);
        writeln!(c, "_Static_assert(sizeof({name}) == {}, \"{name}\");", layout.size).unwrap();
        for (field, offset, size) in layout.fields {
            writeln!(c, "_Static_assert(offsetof({name}, {field}) == {offset}, \"{name}.{field}\");")
                .unwrap();
            writeln!(c, "_Static_assert(sizeof((({name} *)0)->{field}) == {size}, \"{name}.{field}\");")
                .unwrap();
        }
    }
    for (name, value) in [
        ("ADIT_HOST_MAGIC", adit_abi::HOST_MAGIC),
        ("ADIT_DEVICE_MAGIC", adit_abi::DEVICE_MAGIC),
        ("ADIT_LANE_MAGIC", adit_abi::LANE_MAGIC),
        ("ADIT_LANE_RING_OFFSET", adit_abi::LANE_RING_OFFSET.into()),
        ("ADIT_LAYOUT_VERSION", adit_abi::LAYOUT_VERSION.into()),
        ("ADIT_FIXED_SIZE", adit_abi::FIXED_SIZE.into()),
        ("ADIT_MESSAGE_DONE", adit_abi::MESSAGE_DONE.into()),
    ] {
        writeln!(c, "_Static_assert({name} == {value}ull, \"{name}\");").unwrap();
    }
    c
}

fn compile(source: &str, directory: &Path) -> std::process::Output {
    let file = directory.join("layout.c");
    fs::write(&file, source).unwrap();
    // It may have arguments: `CC="ccache gcc"`.
    let compiler = env::var("CC").unwrap_or_default();
    let mut words = compiler.split_whitespace();
    Command::new(words.next().unwrap_or("cc"))
        .args(words)
        .args(["-std=c11", "-Wall", "-Werror", "-c", "-o"])
        .arg(directory.join("layout.o"))
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(&file)
        .output()
        .expect("a C compiler is needed for this test: `cargo xtask setup` installs one")
}

#[test]
fn the_header_has_the_same_layout() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = assertions();
    let output = compile(&source, directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // The test can fail: one byte off is noticed.
    let wrong = source.replacen("AditHostHeader) == 256", "AditHostHeader) == 257", 1);
    assert_ne!(wrong, source);
    assert!(!compile(&wrong, directory).status.success());
}

#[test]
fn magics_are_the_letters_they_claim() {
    assert_eq!(&adit_abi::HOST_MAGIC.to_le_bytes(), b"ADITHOST");
    assert_eq!(&adit_abi::DEVICE_MAGIC.to_le_bytes(), b"ADITDEV\0");
    assert_eq!(&adit_abi::LANE_MAGIC.to_le_bytes(), b"ADITLANE");
}
