//! What a measurement is good for: this processor, its microcode, this kernel, this build.

use std::{env, fs, os::unix::fs::MetadataExt as _};

use adit_topology::{allowed_cpus, format_cpu_list};
use serde::{Deserialize, Serialize};

/// When one of these changes, what was measured before counts no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The processor's name.
    pub cpu: String,
    /// Its microcode, as the kernel names it.
    pub microcode: String,
    /// The kernel's release.
    pub kernel: String,
    /// The program's version, size and time.
    pub build: String,
    /// The processors that it might use: how many threads are best depends on them.
    #[serde(default)]
    pub cpus: String,
}

impl Key {
    /// That of this machine and this program. What cannot be found out is empty.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
            value.unwrap_or_default().to_owned()
        };
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: field("model name"),
            microcode: field("microcode"),
            kernel: kernel.trim().to_owned(),
            build: build(),
            cpus: format_cpu_list(&allowed_cpus()),
        }
    }
}

/// A copy of a program is the same build, and has its size and time; another build has another time.
fn build() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match env::current_exe().and_then(fs::metadata) {
        Ok(file) => format!("{version} {} {}.{:09}", file.size(), file.mtime(), file.mtime_nsec()),
        Err(_) => version.to_owned(),
    }
}
