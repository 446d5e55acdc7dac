//! Versions of the peers and of the compiler, as Cargo resolved them: none is typed in by hand.

use std::{env, process::Command};

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    println!("cargo::rustc-env=ADIT_BENCH_RUSTC={}", said.split_whitespace().nth(1).unwrap_or("unknown"));
    println!("cargo::rustc-env=ADIT_BENCH_PEERS={}", peers());
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
}

/// `name version` of each dependency of this package, with commas in between.
#[cfg(feature = "peers")]
fn peers() -> String {
    let target = env::var("TARGET").expect("Cargo says for what it builds");
    let ask = |offline: &[&str]| {
        let options = [&["--locked", "--filter-platform", &target], offline].concat();
        cargo_metadata::MetadataCommand::new()
            .features(cargo_metadata::CargoOpt::SomeFeatures(vec!["peers".into()]))
            .other_options(options.into_iter().map(str::to_owned).collect::<Vec<_>>())
            .exec()
    };
    // What is built is there; only where other members' dependencies were never fetched, Cargo must fetch.
    let metadata =
        ask(&["--offline"]).or_else(|_| ask(&[])).expect("Cargo describes a workspace that it is building");
    let own = metadata.root_package().expect("a build script belongs to a package").id.clone();
    let resolve = metadata.resolve.as_ref().expect("dependencies were asked for");
    let node = resolve.nodes.iter().find(|node| node.id == own).expect("the package is resolved");
    let versions = node.dependencies.iter().map(|id| {
        let package = &metadata[id];
        format!("{} {}", package.name, package.version)
    });
    versions.collect::<Vec<_>>().join(",")
}

#[cfg(not(feature = "peers"))]
fn peers() -> String {
    String::new()
}
