//! QEMU and a kernel: where they are, and how to get them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::FOLDER;
use crate::{
    setup,
    workspace::{Workspace, in_path},
};

const QEMU: &str = "qemu-system-x86_64";

/// Packages that depend on the newest kernel for virtual machines: Debian's and Ubuntu's.
const KERNEL_PACKAGES: [&str; 2] = ["linux-image-cloud-amd64", "linux-image-virtual"];

/// QEMU: what `ADIT_NUMA_QEMU` names, or the one in `PATH`.
pub fn qemu() -> Option<PathBuf> {
    match env::var_os("ADIT_NUMA_QEMU") {
        Some(path) => Some(path.into()),
        None => in_path(QEMU).then(|| QEMU.into()),
    }
}

/// A kernel: what `ADIT_NUMA_KERNEL` names, one that `setup --numa` fetched, or this machine's own.
pub fn kernel(workspace: &Workspace) -> Option<PathBuf> {
    if let Some(path) = env::var_os("ADIT_NUMA_KERNEL") {
        return Some(path.into());
    }
    [workspace.root.join(FOLDER).join("kernel/boot"), PathBuf::from("/boot")]
        .iter()
        .find_map(|folder| newest(folder))
}

/// The kernel image of the highest name in a folder that can be read.
fn newest(folder: &Path) -> Option<PathBuf> {
    let mut images: Vec<PathBuf> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("vmlinuz-"))
        .map(|entry| entry.path())
        .filter(|path| fs::File::open(path).is_ok())
        .collect();
    images.sort_unstable();
    images.pop()
}

/// Installs QEMU with apt-get and unpacks a kernel's package into the target folder; nothing is installed of
/// the kernel.
pub fn set_up(workspace: &Workspace) -> Result<()> {
    if qemu().is_none() {
        ensure!(in_path("apt-get"), "only apt-get is run from here; install {QEMU}");
        setup::install(&["qemu-system-x86"])?;
    }
    if let Some(kernel) = kernel(workspace) {
        eprintln!("setup: {} is there", kernel.display());
        return Ok(());
    }
    if !in_path("apt-get") || !in_path("dpkg-deb") {
        bail!(
            "no kernel is in /boot, and only Debian's packages are fetched from here; set ADIT_NUMA_KERNEL"
        );
    }
    let folder = workspace.root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let known = |name| said(Command::new("apt-cache").args(["depends", name])).ok();
    let package = KERNEL_PACKAGES.into_iter().filter_map(known).find_map(|text| dependency(&text));
    let package = package.with_context(|| {
        let names = KERNEL_PACKAGES.join(" and no ");
        format!("apt-cache knows no {names}; run apt-get update, or set ADIT_NUMA_KERNEL")
    })?;
    eprintln!("setup: fetching {package}");
    said(Command::new("apt-get").args(["download", &package]).current_dir(&folder))?;
    for entry in fs::read_dir(&folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&package) && name.ends_with(".deb") {
            said(Command::new("dpkg-deb").arg("-x").arg(entry.path()).arg(folder.join("kernel")))?;
            fs::remove_file(entry.path()).context("cannot remove the package")?;
        }
    }
    let found = kernel(workspace).with_context(|| format!("{package} has no kernel in it"))?;
    eprintln!("setup: {} is there", found.display());
    Ok(())
}

/// The kernel's own package: "  Depends: linux-image-6.1.0-1-cloud-amd64".
fn dependency(text: &str) -> Option<String> {
    let mut names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.find(|name| name.starts_with("linux-image-")).map(str::to_owned)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_of_a_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(&folder.path().join("missing")), None);
        assert_eq!(newest(folder.path()), None);
        for name in ["vmlinuz-6.1", "vmlinuz-6.12", "initrd.img-6.12"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(newest(folder.path()), Some(folder.path().join("vmlinuz-6.12")));
    }

    #[test]
    fn the_kernels_package_is_found_in_what_apt_says() {
        let text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-1-cloud-amd64\n";
        assert_eq!(dependency(text).as_deref(), Some("linux-image-6.1.0-1-cloud-amd64"));
        assert_eq!(dependency("linux-image-cloud-amd64\n"), None);
    }
}
