//! Which crate may depend on which: docs/ARCHITECTURE.md draws the arrows, this table holds them.

use std::fs;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::Finding;
use crate::workspace::Workspace;

/// What the crates in a folder may depend on. Folders are patterns: `plugins/*` is any folder in `plugins`,
/// and `*` is any folder. The first rule that fits a crate counts, so that a new plugin needs no edit here.
struct Rule {
    folder: &'static str,
    /// In its library and programs.
    may_use: &'static [&'static str],
    /// In its tests as well.
    tests_may_use: &'static [&'static str],
}

const CONFORMANCE: &str = "runtime/conformance";

const RULES: &[Rule] = &[
    Rule { folder: "runtime/abi", may_use: &[], tests_may_use: &[] },
    Rule { folder: "runtime/ring", may_use: &["runtime/abi"], tests_may_use: &[CONFORMANCE] },
    Rule { folder: "plugins/api", may_use: &["runtime/abi"], tests_may_use: &[] },
    Rule { folder: "runtime/topology", may_use: &[], tests_may_use: &[] },
    Rule { folder: "runtime/memory", may_use: &["runtime/topology"], tests_may_use: &[CONFORMANCE] },
    Rule {
        folder: "runtime/channel",
        may_use: &["runtime/abi", "runtime/ring", "runtime/memory"],
        tests_may_use: &[CONFORMANCE],
    },
    Rule {
        folder: "gpu-helpers/sdk",
        may_use: &["runtime/abi", "runtime/channel"],
        tests_may_use: &[CONFORMANCE, "runtime/ring", "runtime/memory"],
    },
    Rule {
        folder: "gpu-helpers/*",
        may_use: &["gpu-helpers/sdk", "runtime/abi", "runtime/channel"],
        tests_may_use: &[CONFORMANCE, "plugins/*"],
    },
    // Plugins never see the host.
    Rule { folder: "plugins/*", may_use: &["plugins/api"], tests_may_use: &[CONFORMANCE] },
    // The host knows no algorithm, but its tests hash something real.
    Rule {
        folder: "runtime/host",
        may_use: &[
            "runtime/abi",
            "runtime/ring",
            "runtime/memory",
            "runtime/channel",
            "runtime/topology",
            "plugins/api",
        ],
        tests_may_use: &[CONFORMANCE, "plugins/*"],
    },
    // The exceptions to "nothing depends on conformance and benches": `adit conform` and `adit bench` are
    // their command lines.
    Rule {
        folder: "runtime/cli",
        may_use: &[
            "runtime/host",
            "runtime/channel",
            "runtime/memory",
            "runtime/topology",
            "runtime/abi",
            "plugins/*",
            "benches/*",
            CONFORMANCE,
        ],
        tests_may_use: &[],
    },
    Rule {
        folder: "examples/*",
        may_use: &["gpu-helpers/sdk", "plugins/*", "runtime/channel"],
        tests_may_use: &[CONFORMANCE],
    },
    Rule { folder: CONFORMANCE, may_use: &["*"], tests_may_use: &["*"] },
    Rule { folder: "benches", may_use: &["*", "benches/*"], tests_may_use: &["*"] },
    // What `adit bench` measures; what they share knows nothing of what is measured.
    Rule { folder: "benches/report", may_use: &["runtime/topology"], tests_may_use: &[] },
    Rule {
        folder: "benches/*",
        may_use: &[
            "benches/report",
            "runtime/abi",
            "runtime/channel",
            "runtime/memory",
            "runtime/ring",
            "runtime/topology",
            "plugins/*",
        ],
        tests_may_use: &[],
    },
    Rule { folder: "runtime/xtask", may_use: &["*"], tests_may_use: &["*"] },
];

/// Folders that `*` never means: nothing may depend on them unless a rule names them.
const NAMED_ONLY: &[&str] = &["benches", "runtime/xtask"];

/// Whether the folder, or one that it is in, is such a one.
fn is_named_only(folder: &str) -> bool {
    NAMED_ONLY
        .iter()
        .any(|named| folder.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// An arrow of the workspace.
struct Arrow<'a> {
    /// The dependent's name and folder.
    from: (&'a str, &'a str),
    /// The dependency's name and folder.
    to: (&'a str, &'a str),
    kind: DependencyKind,
}

/// Compares what `cargo metadata` says with the rules.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let metadata = MetadataCommand::new()
        .current_dir(&workspace.root)
        .no_deps()
        .exec()
        .context("cargo metadata cannot describe the workspace")?;
    let root = metadata.workspace_root.as_path();
    let relative = |path: &cargo_metadata::camino::Utf8Path| {
        path.strip_prefix(root).map_or_else(|_| path.to_string(), |path| path.to_string())
    };
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let folder = relative(package.manifest_path.parent().unwrap_or(root));
        let manifest = format!("{folder}/Cargo.toml");
        if rule_of(&folder).is_none() {
            findings.push(Finding::new(
                &manifest,
                1,
                format!("no rule says what {} may depend on", package.name),
                "add its folder to RULES in runtime/xtask/src/tidy/arrows.rs",
            ));
            continue;
        }
        for (name, path, kind) in local_dependencies(package) {
            let to = relative(path);
            let arrow = Arrow { from: (&package.name, &folder), to: (name, &to), kind };
            if let Some((what, remedy)) = judge(&arrow) {
                let line = line_of(&workspace.root.join(&manifest), name);
                findings.push(Finding::new(&manifest, line, what, remedy));
            }
        }
    }
    Ok(findings)
}

fn local_dependencies(
    package: &Package,
) -> impl Iterator<Item = (&str, &cargo_metadata::camino::Utf8Path, DependencyKind)> {
    package.dependencies.iter().filter_map(|dependency| {
        dependency.path.as_deref().map(|path| (dependency.name.as_str(), path, dependency.kind))
    })
}

fn line_of(manifest: &std::path::Path, name: &str) -> usize {
    let text = fs::read_to_string(manifest).unwrap_or_default();
    text.lines().position(|line| line.trim_start().starts_with(name)).map_or(1, |index| index + 1)
}

fn rule_of(folder: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| fits(rule.folder, folder))
}

fn fits(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => !is_named_only(folder),
        Some(prefix) => folder.strip_prefix(prefix).is_some_and(|name| !name.contains('/')),
        None => pattern == folder,
    }
}

/// What is wrong with an arrow and what is allowed instead, or nothing.
fn judge(arrow: &Arrow) -> Option<(String, String)> {
    let rule = rule_of(arrow.from.1)?;
    let in_tests = arrow.kind == DependencyKind::Development;
    let mut allowed = rule.may_use.to_vec();
    if in_tests {
        allowed.extend(rule.tests_may_use);
    }
    if allowed.iter().any(|pattern| fits(pattern, arrow.to.1)) {
        return None;
    }
    let kind = if in_tests { " (for its tests)" } else { "" };
    let what = format!("{} may not depend on {}{kind}", arrow.from.0, arrow.to.0);
    let remedy = if allowed.is_empty() {
        "it may depend on no crate of this workspace".to_owned()
    } else {
        format!("allowed are {}", allowed.join(", "))
    };
    Some((what, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(from: &str, to: &str, kind: DependencyKind) -> Option<String> {
        judge(&Arrow { from: ("from", from), to: ("to", to), kind })
            .map(|(what, remedy)| what + "; " + &remedy)
    }

    fn normal(from: &str, to: &str) -> Option<String> {
        verdict(from, to, DependencyKind::Normal)
    }

    #[test]
    fn arrows_point_down() {
        assert_eq!(normal("runtime/channel", "runtime/ring"), None);
        assert_eq!(
            normal("runtime/ring", "runtime/channel").as_deref(),
            Some("from may not depend on to; allowed are runtime/abi")
        );
        assert!(normal("runtime/abi", "runtime/ring").unwrap().contains("no crate"));
        assert!(verdict("runtime/ring", "runtime/host", DependencyKind::Build).is_some());
        assert!(normal("runtime/memory", "benches").is_some());
    }

    #[test]
    fn a_new_plugin_or_helper_needs_no_new_rule() {
        assert_eq!(normal("plugins/brand-new", "plugins/api"), None);
        assert!(normal("plugins/brand-new", "runtime/host").is_some());
        assert!(normal("plugins/api", "plugins/brand-new").is_some());
        assert_eq!(normal("gpu-helpers/brand-new", "gpu-helpers/sdk"), None);
        assert_eq!(normal("runtime/cli", "plugins/brand-new"), None);
        assert!(rule_of("runtime/brand-new").is_none());
        assert!(rule_of("plugins/deep/inside").is_none());
    }

    #[test]
    fn conformance_is_for_tests_and_for_the_command_line() {
        assert!(normal("runtime/host", CONFORMANCE).is_some());
        assert_eq!(verdict("runtime/host", CONFORMANCE, DependencyKind::Development), None);
        assert_eq!(normal("runtime/cli", CONFORMANCE), None);
        assert_eq!(normal(CONFORMANCE, "runtime/host"), None);
        assert!(normal(CONFORMANCE, "runtime/xtask").is_some());
    }

    #[test]
    fn benches_are_for_the_command_line_alone() {
        assert_eq!(normal("runtime/cli", "benches/channel"), None);
        assert_eq!(normal("benches", "benches/report"), None);
        assert_eq!(normal("benches/channel", "runtime/ring"), None);
        for from in ["runtime/channel", "runtime/host", CONFORMANCE, "plugins/sha256d", "examples/rust"] {
            assert!(normal(from, "benches/channel").is_some(), "{from}");
        }
        assert!(normal("benches/report", "runtime/channel").is_some());
        assert!(normal("benches/channel", "runtime/host").is_some());
    }

    #[test]
    fn the_host_meets_algorithms_only_in_its_tests() {
        assert!(normal("runtime/host", "plugins/sha256d").is_some());
        assert_eq!(verdict("runtime/host", "plugins/sha256d", DependencyKind::Development), None);
    }
}
