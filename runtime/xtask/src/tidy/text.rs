//! What must not stand in a file: left-over work, untidy white space, and places that only one machine has.

use super::{Finding, Source, tokens::RustFile};

/// Macros that mark unfinished work, and why they go.
const LEFT_OVER: &[(&str, &str)] =
    &[("todo", "do it"), ("unimplemented", "return an error that says so"), ("dbg", "remove it, or trace")];

/// Absolute paths of somebody's machine. In pieces, so that this file does not hold them.
const HOMES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Where packages come from is the business of whoever installs them.
const REGISTRIES: &[&str] = &[
    concat!("static.crates", ".io"),
    concat!("index.crates", ".io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("registry.npm", "js.org"),
    concat!("proxy.", "golang.org"),
    concat!("deb.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
];

/// The only source of packages that Cargo.lock may name.
const LOCKED_SOURCE: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// Checks any text file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |line: usize, what: String, remedy: &str| {
        findings.push(Finding::new(&source.path, line, what, remedy));
    };
    let spaced = source.is(&["rs", "md", "py"]);
    let locks = source.path.ends_with("Cargo.lock");
    // Not `lines`, which takes a carriage return for part of the line's end.
    for (index, line) in source.text.split('\n').enumerate() {
        if spaced && line.ends_with([' ', '\t', '\r']) {
            report(index + 1, "white space at the end of the line".into(), "remove it");
        }
        if spaced && line.contains('\t') {
            report(index + 1, "a tab".into(), "use spaces");
        }
        for home in HOMES.iter().filter(|home| has_path(line, home)) {
            report(index + 1, format!("`{home}` is a path of one machine"), "make it relative");
        }
        for host in REGISTRIES.iter().filter(|host| line.contains(**host)) {
            report(index + 1, format!("names the package registry {host}"), "leave it to the user's tools");
        }
        if locks && line.strip_prefix("source = ").is_some_and(|from| from.trim_matches('"') != LOCKED_SOURCE)
        {
            report(
                index + 1,
                "a package that is not from the public registry".into(),
                "depend on a published version",
            );
        }
    }
    findings
}

/// Whether `path` stands in the line as an absolute path, not as the inside of a longer one.
fn has_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(position, _)| {
        !line[..position].ends_with(|c: char| c.is_alphanumeric() || "._-~*})$".contains(c))
    })
}

/// Checks what only Rust's tokens show.
pub fn check_rust(file: &RustFile) -> Vec<Finding> {
    let path = &file.source.path;
    let mut findings = Vec::new();
    for (name, remedy) in LEFT_OVER {
        for open in ["(", "[", "{"] {
            for line in file.lines_with(&[name, "!", open]) {
                findings.push(Finding::new(path, line, format!("`{name}!`"), *remedy));
            }
        }
    }
    for line in file.lines_with(&["#", "[", "ignore"]) {
        let remedy = "make the test run everywhere, or return early where it cannot";
        findings.push(Finding::new(path, line, "an ignored test checks nothing", remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::source;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&source(path, text)).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn white_space_is_tidy() {
        assert_eq!(findings("a.md", "fine\nnot \n\tnot\n").len(), 2);
        assert_eq!(findings("a.rs", "not\r\n").len(), 1);
        assert!(findings("Makefile", "a:\n\tb \n").is_empty());
    }

    #[test]
    fn no_machine_is_named() {
        assert_eq!(findings("a.toml", &format!("path = \"{}x\"", HOMES[0])).len(), 1);
        assert_eq!(findings("a.sh", &format!("cd {}", HOMES[1])).len(), 1);
        assert!(findings("a.md", &format!("see docs{}queue.md", HOMES[0])).is_empty());
        assert_eq!(findings("a.yml", &format!("url: https://{}/simple", REGISTRIES[2])).len(), 1);
    }

    #[test]
    fn locked_packages_are_published_ones() {
        let lock =
            format!("source = \"{LOCKED_SOURCE}\"\nsource = \"registry+https://mirror.example/index\"\n");
        let found = findings("Cargo.lock", &lock);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("Cargo.lock:2:"), "{found:?}");
    }

    #[test]
    fn unfinished_work_is_found_in_code_only() {
        let text = "//! todo!()\nfn f() { let todo = \"dbg!(x)\"; if todo != x { todo!() } }\n\
                    fn g() { m!(dbg![1]); unimplemented! {} }\n#[test]\n#[ignore = \"slow\"]\nfn t() {}\n";
        let source = source("a.rs", text);
        let mut lines: Vec<usize> =
            check_rust(&RustFile::parse(&source).unwrap()).iter().map(|finding| finding.line).collect();
        lines.sort();
        assert_eq!(lines, [2, 3, 3, 5]);
    }
}
