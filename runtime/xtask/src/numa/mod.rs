//! `cargo xtask numa-test`: placement on a machine with two NUMA nodes, which QEMU makes.
//!
//! A Linux kernel with a file system of three files (the guest, the command `adit` and the libraries that they
//! need) runs in an emulated machine of two nodes with two processors each. The guest
//! (`runtime/channel/examples/numa-guest.rs`) places rings, asks its kernel where they are and says what it saw.
//! Nothing is fetched here: what is missing is said, and `cargo xtask setup --numa` installs it.

mod archive;
mod find;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

pub use self::find::set_up;
use crate::workspace::Workspace;

/// The longest time that the machine may run: emulated, on a busy host.
const LIMIT: Duration = Duration::from_secs(300);

/// What the guest begins its lines with.
const GUEST: &str = "numa-guest: ";

/// The folder of what this needs and makes, in the target folder.
const FOLDER: &str = "target/numa";

/// What came of it.
pub enum Outcome {
    /// So many checks passed.
    Passed(u32),
    /// It could not run here; says why, and what to do.
    Skipped(String),
}

/// Runs the machine, if it can be run here.
pub fn run(workspace: &Workspace) -> Result<Outcome> {
    if !cfg!(target_arch = "x86_64") {
        return Ok(Outcome::Skipped(
            "the machine is an x86-64 one, for which this system builds nothing".into(),
        ));
    }
    let (qemu, kernel) = match (find::qemu(), find::kernel(workspace)) {
        (Some(qemu), Some(kernel)) => (qemu, kernel),
        (qemu, kernel) => {
            let missing =
                [("qemu-system-x86_64", qemu.is_none()), ("a Linux kernel to boot", kernel.is_none())];
            let names: Vec<_> =
                missing.iter().filter(|(_, missing)| *missing).map(|(name, _)| *name).collect();
            return Ok(Outcome::Skipped(format!(
                "{} not found; cargo xtask setup --numa installs what is missing, or say where it is \
                 (ADIT_NUMA_QEMU, ADIT_NUMA_KERNEL)",
                names.join(" and ")
            )));
        }
    };
    let archive = build(workspace)?;
    println!("numa-test: {} boots {}", qemu.display(), kernel.display());
    boot(&qemu, &kernel, &archive).map(Outcome::Passed)
}

/// Builds the guest and packs the file system that it runs in.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let builds: [&[&str]; 2] = [
        &["build", "--package", "adit-channel", "--example", "numa-guest"],
        &["build", "--package", "adit-cli", "--bin", "adit"],
    ];
    for arguments in builds {
        let status = workspace.cargo().args(arguments).status().context("cannot start cargo")?;
        ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    }
    let built = workspace.target()?.join("debug");
    let programs = [("init", built.join("examples/numa-guest")), ("bin/adit", built.join("adit"))];
    let mut files = archive::Archive::default();
    let mut libraries = BTreeSet::new();
    for (name, program) in &programs {
        files.file(name, &fs::read(program).with_context(|| format!("cannot read {}", program.display()))?);
        libraries.extend(libraries_of(program)?);
    }
    for library in libraries {
        let bytes = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        files.file(&library.to_string_lossy(), &bytes);
    }
    for folder in ["proc", "sys", "tmp", "dev"] {
        files.folder(folder);
    }
    let folder = workspace.root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join("initramfs.cpio");
    fs::write(&path, files.finish()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The shared libraries of a program and its loader, where they are here.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("cannot start ldd")?;
    ensure!(output.status.success(), "ldd {} failed", program.display());
    let text = String::from_utf8_lossy(&output.stdout);
    // "libc.so.6 => /lib/libc.so.6 (0x7f00)", or "/lib64/ld-linux-x86-64.so.2 (0x7f00)".
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}

/// Runs the machine and reads what its guest says.
fn boot(qemu: &Path, kernel: &Path, archive: &Path) -> Result<u32> {
    let mut command = Command::new(qemu);
    command
        .args([
            "-machine",
            "pc,accel=tcg",
            "-cpu",
            "max",
            "-m",
            "1G",
            "-smp",
            "4,sockets=2,cores=2,threads=1",
        ])
        .args(["-object", "memory-backend-ram,size=512M,id=m0", "-numa", "node,nodeid=0,cpus=0-1,memdev=m0"])
        .args(["-object", "memory-backend-ram,size=512M,id=m1", "-numa", "node,nodeid=1,cpus=2-3,memdev=m1"])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"])
        .args(["-append", "console=ttyS0 quiet panic=-1 hugepages=16"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive);
    let mut machine = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", qemu.display()))?;
    let Some(console) = machine.stdout.take() else { bail!("the machine has no console") };
    let reader = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            println!("  {line}");
            lines.push(line);
        }
        lines
    });
    let began = Instant::now();
    while machine.try_wait()?.is_none() {
        if began.elapsed() > LIMIT {
            machine.kill()?;
            machine.wait()?;
            bail!("the machine did not end within {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let lines = reader.join().map_err(|_| anyhow::anyhow!("the console could not be read"))?;
    judge(&lines)
}

/// How many checks passed, if all did.
fn judge(lines: &[String]) -> Result<u32> {
    let said = || lines.iter().filter_map(|line| line.split_once(GUEST)).map(|(_, said)| said);
    if let Some(failed) = said().find(|line| line.starts_with("FAILED")) {
        bail!("{failed}");
    }
    let passed = said().filter(|line| line.starts_with("ok ")).count();
    match said().next_back() {
        Some(last) if passed > 0 && last == format!("{passed} ok, 0 failed") => Ok(passed as u32),
        _ => bail!("the guest did not come to its end"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_that_came_to_its_end_passed() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let good =
            "boot\nnuma-guest: ok one: 1\n[ 1.0] numa-guest: ok two: 2\nnuma-guest: 2 ok, 0 failed\noff";
        assert_eq!(judge(&lines(good)).unwrap(), 2);
        assert!(judge(&lines("numa-guest: ok one: 1\nKernel panic")).is_err());
        assert!(judge(&lines("numa-guest: 0 ok, 0 failed")).is_err());
        let bad = "numa-guest: ok one: 1\nnuma-guest: FAILED two: 0\nnuma-guest: 1 ok, 1 failed";
        assert_eq!(judge(&lines(bad)).unwrap_err().to_string(), "FAILED two: 0");
    }
}
