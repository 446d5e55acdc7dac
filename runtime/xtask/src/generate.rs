//! `cargo xtask generate`: `adit.h` from the crate `runtime/abi`.
//!
//! cbindgen writes the structs and the constants it understands. It silently leaves out what it does not, so
//! every public name is collected here first and looked for in the result afterwards.

mod names;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

use self::names::Names;
use crate::workspace::Workspace;

const HEADER: &str = "runtime/abi/include/adit.h";
const COMMAND: &str = "cargo xtask generate";

const PREAMBLE: &str = "\
/*
 * The bytes of an Adit session, for C. What they mean stands in docs/spec/session.md; that of a plugin's table
 * in docs/spec/plugin.md.
 *
 * Generated from runtime/abi by `cargo xtask generate`: change that crate, not this file.
 */";

/// Writes the header, or with `check` compares it and changes nothing.
pub fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let wanted = header(&workspace.root.join("runtime/abi/src"))?;
    let path = workspace.root.join(HEADER);
    let present = fs::read_to_string(&path).unwrap_or_default();
    if present == wanted {
        eprintln!("generate: {HEADER} is current");
        return Ok(());
    }
    if check {
        bail!("{HEADER} is not what the sources say{}; run: {COMMAND}", first_difference(&present, &wanted));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, wanted).with_context(|| format!("cannot write {HEADER}"))?;
    eprintln!("generate: wrote {HEADER}");
    Ok(())
}

fn first_difference(present: &str, wanted: &str) -> String {
    if present.is_empty() {
        return " (it is absent or empty)".to_owned();
    }
    let same = present.lines().zip(wanted.lines()).take_while(|(left, right)| left == right).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("the end of the file").trim().to_owned();
    format!(" (line {}: `{}` should be `{}`)", same + 1, line(present), line(wanted))
}

/// The header's text for the crate whose sources are in `folder`.
fn header(folder: &Path) -> Result<String> {
    let names = Names::collect(folder)?;
    let bindings = cbindgen::Builder::new()
        .with_config(config(&names))
        .with_src(folder.join("lib.rs"))
        .generate()
        .context("cbindgen cannot read runtime/abi")?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    let text = names.link_in_c(&String::from_utf8(bytes)?);
    let missing = names.missing_in(&text);
    ensure!(
        missing.is_empty(),
        "runtime/abi has public names that C cannot be given: {}. Write constants as integer literals, \
         sums and shifts of them, `uN::MAX`, `uN::from_le_bytes(*b\"...\")` or string literals, and types as \
         `#[repr(C)]` structs; or hide a name that is not part of the layout with `#[doc(hidden)]`",
        missing.join(", ")
    );
    Ok(text)
}

fn config(names: &Names) -> cbindgen::Config {
    cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(PREAMBLE.to_owned()),
        include_guard: Some("ADIT_H".to_owned()),
        after_includes: Some(names.extra_defines()),
        no_includes: true,
        sys_includes: vec!["stdint.h".to_owned()],
        cpp_compat: true,
        style: cbindgen::Style::Both,
        tab_width: 4,
        line_length: 110,
        documentation: true,
        export: cbindgen::ExportConfig {
            include: names.renames().map(|(rust, _)| rust.to_owned()).collect(),
            exclude: names.extra_names().map(str::to_owned).collect(),
            rename: names.renames().map(|(rust, c)| (rust.to_owned(), c.to_owned())).collect(),
            ..Default::default()
        },
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generated(source: &str) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("lib.rs"), "//! Fixture.\nmod part;\npub use part::*;\n").unwrap();
        fs::write(folder.path().join("part.rs"), source).unwrap();
        header(folder.path())
    }

    const GOOD: &str = r#"
        /// Eight letters.
        pub const HOST_MAGIC: u64 = u64::from_le_bytes(*b"ADITHOST");
        /// Where the number is.
        pub const ENV_FD: &str = "ADIT_FD";
        pub const SIZE: u32 = 0x200;
        pub const TWICE: u32 = SIZE * 2;
        pub const NONE: u32 = u32::MAX;
        pub const PLAIN: u32 = 7;
        #[doc(hidden)]
        pub const TABLE: &[&[u8]] = &[];
        const PRIVATE: u8 = 3;
        /// A [`HOST_MAGIC`], a [`Inner`] and its [`Inner::value`].
        #[repr(C)]
        pub struct Outer { pub inner: Inner, pub bytes: [u8; 16], pub wide: u64 }
        #[repr(C)]
        pub struct Inner { pub value: u32, pub more: i16, pub rest: u16 }
        #[cfg(test)]
        mod tests { pub struct Unseen; }
    "#;

    #[test]
    fn structs_and_constants_arrive() {
        let text = generated(GOOD).unwrap();
        for part in [
            "#ifndef ADIT_H",
            "Generated from runtime/abi by `cargo xtask generate`",
            "#include <stdint.h>",
            "#define ADIT_HOST_MAGIC 0x54534f4854494441ull",
            "/**\n * Where the number is.\n */\n#define ADIT_ENV_FD \"ADIT_FD\"",
            "#include <stdint.h>\n\n/**\n * Eight letters.",
            "#define ADIT_SIZE 0x200u\n",
            "#define ADIT_TWICE (ADIT_SIZE * 2)",
            "#define ADIT_PLAIN 7",
            "#define ADIT_NONE UINT32_MAX",
            "typedef struct AditOuter {",
            "struct AditInner inner;",
            "uint8_t bytes[16];",
            "int16_t more;",
            "* A `ADIT_HOST_MAGIC`, an `AditInner` and its `AditInner.value`.",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for part in ["PRIVATE", "TABLE", "Unseen"] {
            assert!(!text.contains(part), "{part} should not be in\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_written_in_c_is_named() {
        let error = generated("pub const DERIVED: u32 = core::mem::size_of::<u64>() as u32;")
            .unwrap_err()
            .to_string();
        assert!(error.contains("DERIVED"), "{error}");
        let error = generated("pub struct Loose { pub a: u32 }").unwrap_err().to_string();
        assert!(error.contains("Loose"), "{error}");
    }

    #[test]
    fn the_first_difference_is_shown() {
        assert!(first_difference("", "a").contains("absent"));
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), " (line 2: `b` should be `c`)");
        assert_eq!(first_difference("a\n", "a\nc\n"), " (line 2: `the end of the file` should be `c`)");
    }
}
