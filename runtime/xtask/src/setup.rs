//! `cargo xtask setup`: finds what the system lacks and installs it, or says how.
//!
//! Everything is said on standard error: `cargo xtask mine --json` runs this first.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};

use crate::workspace::in_path;

/// What is about to be done, which decides what is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Build and run the workspace's programs.
    Build,
    /// Build, run and test.
    Tests,
    /// The same, with GPU helpers on the CPU.
    GpuTests,
}

/// One thing that the workspace needs from the system, and its package in each distribution.
struct Need {
    what: &'static str,
    /// Succeeds when it is there. A first word `$NAME:word` means the variable NAME, or else `word`.
    probe: &'static [&'static str],
    scope: Scope,
    apt: &'static str,
    dnf: &'static str,
    zypper: &'static str,
    pacman: &'static str,
    apk: &'static str,
    why: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        what: "pkg-config",
        probe: &["$PKG_CONFIG:pkg-config", "--version"],
        scope: Scope::Build,
        apt: "pkg-config",
        dnf: "pkgconf-pkg-config",
        zypper: "pkgconf-pkg-config",
        pacman: "pkgconf",
        apk: "pkgconf",
        why: "builds find the system's libraries with it",
    },
    Need {
        what: "hwloc 2, with headers",
        probe: &["$PKG_CONFIG:pkg-config", "--exists", "hwloc >= 2.0 hwloc < 3.0"],
        scope: Scope::Build,
        apt: "libhwloc-dev",
        dnf: "hwloc-devel",
        zypper: "hwloc-devel",
        pacman: "hwloc",
        apk: "hwloc-dev",
        why: "adit-topology reads with it what the machine looks like",
    },
    Need {
        what: "libudev, with headers",
        probe: &["$PKG_CONFIG:pkg-config", "--exists", "libudev"],
        scope: Scope::Build,
        apt: "libudev-dev",
        dnf: "systemd-devel",
        zypper: "libudev-devel",
        pacman: "systemd-libs",
        apk: "eudev-dev",
        why: "hwloc is linked against it",
    },
    Need {
        what: "a C compiler",
        probe: &["$CC:cc", "--version"],
        scope: Scope::Build,
        apt: "gcc libc6-dev",
        dnf: "gcc",
        zypper: "gcc",
        pacman: "gcc",
        apk: "build-base",
        why: "Rust links with it, and the tests compile adit.h",
    },
    Need {
        what: "Python 3",
        probe: &["python3", "--version"],
        scope: Scope::Tests,
        apt: "python3",
        dnf: "python3",
        zypper: "python3",
        pacman: "python",
        apk: "python3",
        why: "the tests run the Python helper",
    },
    Need {
        what: "an OpenCL device",
        probe: &["sh", "-c", OPENCL_THERE],
        scope: Scope::GpuTests,
        apt: "ocl-icd-libopencl1 pocl-opencl-icd",
        dnf: "ocl-icd pocl",
        zypper: "libOpenCL1 pocl",
        pacman: "ocl-icd pocl",
        apk: "opencl-icd-loader pocl",
        why: "the tests of adit-helper-opencl are skipped without one; PoCL has the CPU",
    },
    Need {
        what: "a Vulkan device",
        probe: &["sh", "-c", VULKAN_THERE],
        scope: Scope::GpuTests,
        apt: "libvulkan1 mesa-vulkan-drivers",
        dnf: "vulkan-loader mesa-vulkan-drivers",
        zypper: "libvulkan1 Mesa-vulkan-device-select libvulkan_lvp",
        pacman: "vulkan-icd-loader vulkan-swrast",
        apk: "vulkan-loader mesa-vulkan-swrast",
        why: "the tests of adit-helper-wgpu are skipped without one; Mesa's lavapipe has the CPU",
    },
];

/// A loader and a driver behind it: by their files, for no program need be there that asks them.
/// What names an OpenCL driver stays when the driver is removed, so the library is looked for that it names.
const OPENCL_THERE: &str = "PATH=$PATH:/usr/sbin:/sbin; ldconfig -p | grep -q libOpenCL.so.1 || exit 1
    for named in /etc/OpenCL/vendors/*.icd; do
        library=$(head -n 1 \"$named\") && [ -n \"$library\" ] || continue
        [ -e \"$library\" ] && exit 0
        # Without its version: the loader's list has but the first number of it.
        library=${library##*/}
        ldconfig -p | grep -qF \"${library%%.so*}.so\" && exit 0
    done
    exit 1";
const VULKAN_THERE: &str = "PATH=$PATH:/usr/sbin:/sbin; ldconfig -p | grep -q libvulkan.so.1 && { ls /usr/share/vulkan/icd.d/*.json || ls /etc/vulkan/icd.d/*.json; }";

/// A package manager that is named to people, but only apt-get is run.
struct Manager {
    program: &'static str,
    install: &'static str,
    package: fn(&Need) -> &'static str,
}

const OTHER_MANAGERS: &[Manager] = &[
    Manager { program: "dnf", install: "dnf install", package: |need| need.dnf },
    Manager { program: "zypper", install: "zypper install", package: |need| need.zypper },
    Manager { program: "pacman", install: "pacman -S --needed", package: |need| need.pacman },
    Manager { program: "apk", install: "apk add", package: |need| need.apk },
];

/// Longest time for one call of apt-get, in seconds: it downloads a few megabytes.
const APT_LIMIT_SECONDS: u32 = 900;
/// Package lists older than this are fetched again first: mirrors drop superseded packages.
const LISTS_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Where apt-get keeps its package lists.
const LISTS: &str = "/var/lib/apt/lists";

/// Makes sure that everything `scope` needs is there.
pub fn run(scope: Scope) -> Result<()> {
    let missing = missing(scope);
    if missing.is_empty() {
        eprintln!("setup: nothing is missing");
        return Ok(());
    }
    for need in &missing {
        eprintln!("setup: missing: {}: {}", need.what, need.why);
    }
    if !in_path("apt-get") {
        bail!("{}", advice_without_apt(&missing));
    }
    install(&packages(&missing, |need| need.apt))?;

    let still = self::missing(scope);
    if !still.is_empty() {
        let names: Vec<_> = still.iter().map(|need| need.what).collect();
        bail!(
            "apt-get succeeded, but still not found: {}; look at PATH, PKG_CONFIG_PATH, PKG_CONFIG_LIBDIR \
             and CC, or at this system's package versions",
            names.join("; ")
        );
    }
    eprintln!("setup: done");
    Ok(())
}

fn missing(scope: Scope) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.scope <= scope && !probe(need.probe)).collect()
}

fn probe(words: &[&str]) -> bool {
    let program: String = match words[0].strip_prefix('$').and_then(|rest| rest.split_once(':')) {
        Some((variable, otherwise)) => env::var(variable).unwrap_or_else(|_| otherwise.into()),
        None => words[0].into(),
    };
    // A variable may have arguments too: `CC="ccache gcc"`.
    let mut program = program.split_whitespace();
    program.next().is_some_and(|name| succeeds(Command::new(name).args(program).args(&words[1..])))
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn packages(needs: &[&Need], package: impl Fn(&Need) -> &'static str) -> Vec<&'static str> {
    needs.iter().flat_map(|need| package(need).split(' ')).collect()
}

fn advice_without_apt(missing: &[&Need]) -> String {
    match OTHER_MANAGERS.iter().find(|manager| in_path(manager.program)) {
        Some(manager) => format!(
            "only apt-get is run from here; install what is missing with: {} {}",
            manager.install,
            packages(missing, manager.package).join(" ")
        ),
        None => {
            let names: Vec<_> = missing.iter().map(|need| need.what).collect();
            format!("no known package manager here; install: {}", names.join("; "))
        }
    }
}

/// Installs with apt-get, as root or through a sudo that asks nothing.
pub fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    let prefix: &[&str] = if is_root() {
        &[]
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        bail!(
            "installing needs root; run this, then try again: sudo apt-get update && sudo apt-get {}",
            arguments.join(" ")
        );
    };

    // Where an update fails, one of several mirrors may be to blame, and the package come from another: so
    // the installation decides.
    let update = || {
        if let Err(error) = apt_get(prefix, &["update"]) {
            eprintln!("setup: {error:#}\nsetup: going on with the package lists there are");
        }
    };
    let fresh = lists_are_fresh(Path::new(LISTS), SystemTime::now());
    if !fresh {
        update();
    }
    match apt_get(prefix, &arguments) {
        Err(error) if fresh => {
            eprintln!("setup: {error:#}\nsetup: once more, with fresh package lists");
            update();
            apt_get(prefix, &arguments)
        }
        result => result,
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether the newest package list is young enough to install from.
fn lists_are_fresh(folder: &Path, now: SystemTime) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
        .filter_map(|entry| entry.metadata().ok()?.modified().ok())
        .max()
        // A list from the future is not old.
        .is_some_and(|newest| now.duration_since(newest).is_ok_and(|age| age < LISTS_MAX_AGE) || newest > now)
}

/// How apt-get finds its way out, as `NAME=value`.
fn proxies(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let names = ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"];
    names.iter().filter_map(|name| variable(name).map(|value| format!("{name}={value}"))).collect()
}

/// Runs apt-get under a time limit and keeps its output for the error. `timeout` stands inside sudo,
/// because only root may end root's processes.
fn apt_get(prefix: &[&str], arguments: &[&str]) -> Result<()> {
    let limit = APT_LIMIT_SECONDS.to_string();
    let mut words = prefix.to_vec();
    // sudo forgets them.
    let proxies = proxies(|name| env::var(name).ok());
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    words.extend(proxies.iter().map(String::as_str));
    words.extend(["timeout", "--kill-after=30", &limit, "apt-get"]);
    words.extend(["-o", "DPkg::Lock::Timeout=120"]);
    words.extend(arguments);
    let shown = [prefix, &["apt-get"], arguments].concat();
    eprintln!("setup: running: {}", shown.join(" "));
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", words[0]))?;
    explain(&output, arguments)
}

fn explain(output: &Output, arguments: &[&str]) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let what = match output.status.code() {
        Some(124 | 137) => format!("was ended after {APT_LIMIT_SECONDS} s"),
        _ => format!("failed ({})", output.status),
    };
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(30)..].join("\n  ");
    bail!("apt-get {} {what}; the end of its output:\n  {end}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_probe_is_the_program_or_the_variable_that_names_it() {
        assert!(probe(&["true"]));
        assert!(!probe(&["false"]));
        assert!(!probe(&["no-such-program-here"]));
        assert!(probe(&["$ADIT_NO_SUCH_VARIABLE:true"]));
    }

    #[test]
    fn every_need_has_a_package_everywhere() {
        let all: Vec<&Need> = NEEDS.iter().collect();
        for manager in OTHER_MANAGERS {
            let names = packages(&all, manager.package);
            assert!(names.len() >= NEEDS.len() && names.iter().all(|name| !name.is_empty()));
        }
        assert_eq!(packages(&all[3..4], |need| need.apt), ["gcc", "libc6-dev"]);
    }

    #[test]
    fn lists_are_stale_when_absent_or_old() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        assert!(!lists_are_fresh(&folder.path().join("absent"), now));
        fs::write(folder.path().join("lock"), "").unwrap();
        assert!(!lists_are_fresh(folder.path(), now));
        fs::write(folder.path().join("host_dists_main_binary-amd64_Packages.lz4"), "").unwrap();
        assert!(lists_are_fresh(folder.path(), now));
        assert!(!lists_are_fresh(folder.path(), now + 2 * LISTS_MAX_AGE));
    }

    #[test]
    fn a_failure_shows_what_apt_get_said() {
        let output = |code: i32| Output {
            status: std::process::ExitStatus::from_raw(code << 8),
            stdout: b"Reading package lists\n".to_vec(),
            stderr: b"E: Unable to locate package\n".to_vec(),
        };
        assert!(explain(&output(0), &["update"]).is_ok());
        let error = explain(&output(100), &["update"]).unwrap_err().to_string();
        assert!(error.contains("Unable to locate") && error.contains("100"), "{error}");
        assert!(explain(&output(124), &["update"]).unwrap_err().to_string().contains("900 s"));
    }
}
