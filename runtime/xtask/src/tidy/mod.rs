//! `cargo xtask tidy`: the rules of this workspace that compilers do not know.
//!
//! Each rule is a module with its table of exceptions at the top. All findings are shown, not only the first.

mod arrows;
mod clauses;
mod lengths;
mod text;
mod tokens;
mod unsafe_use;

use std::{
    fmt, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use self::tokens::RustFile;
use crate::workspace::Workspace;

/// A text file of the workspace.
pub struct Source {
    /// Relative to the root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl Source {
    fn is(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }
}

/// One break of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}; {}", self.path, self.line, self.what, self.remedy)
    }
}

/// Checks every rule. Findings go to standard output; an error says how many there are.
pub fn run(workspace: &Workspace) -> Result<()> {
    let sources = sources(&workspace.root)?;
    let mut findings = arrows::check(workspace)?;
    for source in &sources {
        findings.extend(text::check(source));
        if source.is(&["rs"]) {
            match RustFile::parse(source) {
                Ok(file) => {
                    findings.extend(text::check_rust(&file));
                    findings.extend(lengths::check(&file));
                    findings.extend(unsafe_use::check(&file));
                }
                Err(error) => findings.push(Finding::new(
                    &source.path,
                    error.span().start().line,
                    format!("cannot be parsed: {error}"),
                    "make it compile",
                )),
            }
        }
    }
    findings.extend(unsafe_use::check_forbidden(&sources));
    findings.extend(clauses::check(&sources));

    if findings.is_empty() {
        eprintln!("tidy: {} files, nothing found", sources.len());
        return Ok(());
    }
    findings.sort_by(|left, right| (&left.path, left.line).cmp(&(&right.path, right.line)));
    for finding in &findings {
        println!("{finding}");
    }
    bail!("{} findings", findings.len())
}

/// Every text file that git tracks or would track; without git, every one outside `target` and `.git`.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let listed = Command::new("git")
        .args(["ls-files", "-co", "--exclude-standard", "-z"])
        .current_dir(root)
        .stderr(Stdio::null())
        .output();
    let listed = listed.ok().filter(|output| output.status.success()).map(|output| {
        let names = String::from_utf8_lossy(&output.stdout);
        names.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>()
    });
    let mut paths: Vec<String> = match listed {
        // A repository around this one may leave all of it out.
        Some(paths) if paths.iter().any(|path| path == "Cargo.toml") => paths,
        _ => {
            let mut paths = Vec::new();
            walk(root, "", &mut paths)?;
            paths
        }
    };
    paths.sort();
    paths.dedup();
    let mut sources = Vec::new();
    for path in paths {
        // A tracked file may be deleted, a link may lead elsewhere, and what is not UTF-8 is not text.
        let full = root.join(&path);
        if full.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
            && let Ok(text) =
                String::from_utf8(fs::read(&full).with_context(|| format!("cannot read {path}"))?)
        {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if !entry.file_type()?.is_dir() {
            paths.push(path);
        } else if path != "target" && path != ".git" && name != "__pycache__" {
            walk(root, &path, paths)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source for the rules' tests.
    pub fn source(path: &str, text: impl Into<String>) -> Source {
        Source { path: path.to_owned(), text: text.into() }
    }

    #[test]
    fn a_finding_reads_as_compilers_write_theirs() {
        let finding = Finding::new("a/b.rs", 7, "too long", "split it");
        assert_eq!(finding.to_string(), "a/b.rs:7: too long; split it");
    }

    #[test]
    fn files_are_found_without_git_too() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["src", "target", ".git"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("a.rs"), "").unwrap();
        }
        fs::write(root.path().join("picture"), [0xff, 0xfe]).unwrap();
        let mut paths = Vec::new();
        walk(root.path(), "", &mut paths).unwrap();
        paths.sort();
        assert_eq!(paths, ["picture", "src/a.rs"]);
        let found = sources(root.path()).unwrap();
        assert_eq!(found.iter().map(|source| source.path.as_str()).collect::<Vec<_>>(), ["src/a.rs"]);
    }
}
