//! Where `unsafe` may stand: in crates whose task is memory or a foreign API.

use super::{Finding, Source, tokens::RustFile};

/// Folders whose crates may use it.
const FOLDERS: &[&str] = &[
    "runtime/ring/",
    "runtime/memory/",
    "runtime/channel/",
    "runtime/topology/",
    "gpu-helpers/",
    "benches/",
    "fuzz/",
];

/// Single files of other crates: path and reason.
const FILES: &[(&str, &str)] = &[
    ("runtime/host/src/device/spawn.rs", "what a child does between fork and exec is unsafe to choose"),
    ("runtime/abi/src/plugin.rs", "the types of C's functions say that they are unsafe to call"),
    ("plugins/api/src/export.rs", "gives an algorithm the face of a C plugin"),
    ("runtime/host/src/plugin/open.rs", "loading a shared object runs its code"),
    ("runtime/host/src/plugin/foreign.rs", "calls the functions of a plugin's table"),
    ("runtime/host/src/plugin/extension.rs", "reads what a plugin's extensions point to"),
    ("runtime/host/src/plugin/searcher.rs", "calls the functions of a plugin's searcher"),
    ("plugins/api/testing/allocation.rs", "an allocator that counts is unsafe to be"),
    ("runtime/conformance/src/raw.rs", "a host that lies must be able to write any word of its region"),
];

/// An algorithm's code for one instruction set: its intrinsics are unsafe to call on other processors.
fn is_kernel(path: &str) -> bool {
    path.starts_with("plugins/") && path.contains("/src/variant/")
        || path.starts_with("plugins/api/src/lanes/avx")
}

/// A test with an allocator that counts, which is unsafe to be.
fn counts_allocations(path: &str) -> bool {
    path.contains("/tests/allocation")
}

/// Crates that must forbid it in each of their roots.
const FORBIDDING: &[&str] = &["runtime/abi", "runtime/cli", "runtime/xtask"];

/// Checks one file.
pub fn check(file: &RustFile) -> Vec<Finding> {
    let path = &file.source.path;
    if is_kernel(path)
        || counts_allocations(path)
        || FOLDERS.iter().any(|folder| path.starts_with(folder))
        || FILES.iter().any(|(allowed, _)| allowed == path)
    {
        return Vec::new();
    }
    let finding = |line| {
        Finding::new(
            path,
            line,
            "`unsafe` outside the crates that may use it",
            "move it into one of them (ring, memory, channel, topology, a GPU helper), \
             or list the file in runtime/xtask/src/tidy/unsafe_use.rs with a reason",
        )
    };
    file.lines_with(&["unsafe"]).map(finding).collect()
}

/// Checks that the crates which must forbid it do.
pub fn check_forbidden(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for folder in FORBIDDING {
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = format!("{folder}/{root}");
            let Some(source) = sources.iter().find(|source| source.path == path) else { continue };
            let says_so = RustFile::parse(source).is_ok_and(|file| {
                file.lines_with(&["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"]).next().is_some()
            });
            if !says_so {
                findings.push(Finding::new(
                    &path,
                    1,
                    "this crate must forbid unsafe code",
                    "add `#![forbid(unsafe_code)]` below its documentation",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::source;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let source = source(path, text);
        check(&RustFile::parse(&source).unwrap()).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn only_code_counts() {
        let text =
            "//! unsafe\nconst A: &str = \"unsafe\";\nfn f() {\n    unsafe { g() }\n}\nunsafe fn g() {}\n";
        assert_eq!(lines("runtime/host/src/a.rs", text), [4, 6]);
        assert_eq!(lines("runtime/host/src/a.rs", "m! { x => unsafe { 1 } }"), [1]);
        assert!(lines("runtime/ring/src/a.rs", text).is_empty());
        assert!(lines("gpu-helpers/brand-new/src/main.rs", text).is_empty());
        assert!(lines(FILES[0].0, text).is_empty());
    }

    #[test]
    fn forbidding_crates_say_so() {
        let sources = [
            source("runtime/abi/src/lib.rs", "//! The bytes.\n#![no_std]\n#![forbid(unsafe_code)]\n"),
            source("runtime/cli/src/main.rs", "//! #![forbid(unsafe_code)]\nfn main() {}\n"),
            source("runtime/ring/src/lib.rs", "//! Rings.\n"),
        ];
        let findings = check_forbidden(&sources);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].path, "runtime/cli/src/main.rs");
    }
}
