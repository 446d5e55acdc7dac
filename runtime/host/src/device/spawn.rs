//! Starts a helper process with its half of a session.
//!
//! spec: SES-1.4, SES-1.5
//!
//! The child gets two descriptors, a pipe as its life line, and a group of its own (so that Ctrl-C reaches
//! the host alone). It dies with the thread that started it: `PR_SET_PDEATHSIG` counts threads, so a
//! supervisor thread starts its helper itself and outlives it.
#![allow(unsafe_code)]

use std::{
    fmt, io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, ChildStderr, ChildStdin, Command, Stdio},
};

use adit_memory::Segment;
use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, set_parent_process_death_signal},
    thread::{CpuSet, sched_setaffinity},
};

/// A program and its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// What to execute: a path, or a name to be found in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The processors that it is kept on; empty: wherever this process may run.
    pub cpus: Vec<u32>,
}

impl CommandLine {
    /// From program and arguments; `None` when there is no program.
    #[must_use]
    pub fn from_words(mut words: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self { program: words.next()?, arguments: words.collect(), cpus: Vec::new() })
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = std::iter::once(&self.program).chain(&self.arguments).map(String::as_str);
        match shlex::try_join(words) {
            Ok(line) => f.write_str(&line),
            Err(_) => f.write_str(&self.program),
        }
    }
}

/// A helper could not be started.
#[derive(Debug)]
pub struct SpawnError {
    /// What was to be started.
    pub command: CommandLine,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start the helper `{}`: {}", self.command, self.source)?;
        match self.source.kind() {
            io::ErrorKind::NotFound => f.write_str("; give its path, or a name that is in PATH"),
            io::ErrorKind::PermissionDenied => f.write_str("; is it executable?"),
            _ => Ok(()),
        }
    }
}

/// The message says the cause, so there is no [`source`](std::error::Error::source) that would say it again.
impl std::error::Error for SpawnError {}

fn cpu_set(cpus: &[u32]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    let known = cpus.iter().map(|cpu| *cpu as usize).filter(|cpu| *cpu < CpuSet::MAX_CPU);
    known.for_each(|cpu| set.set(cpu));
    (set.count() > 0).then_some(set)
}

/// A running helper. Killed and waited for when dropped.
#[derive(Debug)]
pub struct HelperProcess {
    child: Child,
    /// Readable when the process has ended.
    pub pidfd: OwnedFd,
    /// Closing it tells the helper that the host is gone.
    pub life_line: Option<ChildStdin>,
    /// What the helper writes to standard error.
    pub stderr: Option<ChildStderr>,
}

impl HelperProcess {
    /// Starts `command` with its half of a session, and the [bundle](super::kernels) if there is one. With `die_with_host` the kernel kills it when the
    /// calling thread ends.
    ///
    /// # Errors
    /// [`SpawnError`] says what could not be started and why.
    pub fn spawn(
        command: &CommandLine,
        host_region: &Segment,
        device_region: &Segment,
        kernels: Option<&OwnedFd>,
        die_with_host: bool,
    ) -> Result<Self, SpawnError> {
        let failed = |source| SpawnError { command: command.clone(), source };
        let kernels = kernels.map(AsRawFd::as_raw_fd);
        let descriptors = [Some(host_region.fd().as_raw_fd()), Some(device_region.fd().as_raw_fd()), kernels];
        let parent = rustix::process::getpid();
        let cpus = cpu_set(&command.cpus);
        let mut process = Command::new(&command.program);
        process
            .args(&command.arguments)
            .env(adit_abi::ENV_HOST_FD, host_region.fd().as_raw_fd().to_string())
            .env(adit_abi::ENV_DEVICE_FD, device_region.fd().as_raw_fd().to_string())
            .envs(kernels.map(|number| (adit_abi::ENV_KERNELS_FD, number.to_string())))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        // SAFETY: between fork and exec the closure makes system calls alone: it allocates nothing, takes no
        // lock, and the descriptors it names are open in the child because the segments outlive `spawn`.
        unsafe {
            process.pre_exec(move || {
                for descriptor in descriptors.into_iter().flatten() {
                    fcntl_setfd(BorrowedFd::borrow_raw(descriptor), FdFlags::empty())?;
                }
                if die_with_host {
                    set_parent_process_death_signal(Some(Signal::KILL))?;
                    if rustix::process::getppid() != Some(parent) {
                        return Err(io::Error::from(io::ErrorKind::BrokenPipe));
                    }
                }
                if let Some(cpus) = &cpus {
                    // Better anywhere than nowhere, should the system have taken them away.
                    let _ = sched_setaffinity(None, cpus);
                }
                Ok(())
            });
        }
        let mut child = process.spawn().map_err(failed)?;
        let (life_line, stderr) = (child.stdin.take(), child.stderr.take());
        match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self { child, pidfd, life_line, stderr }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(error.into()))
            }
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it and whatever it started in its group; nothing happens if it is gone.
    pub fn kill(&mut self) {
        // The child is not waited for yet, so its number, which is its group's too, cannot be another's.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.kill();
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Only when somebody else waited for it.
    pub fn try_wait(&mut self) -> io::Result<Option<std::process::ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end; call [`kill`](Self::kill) first, or it may take for ever.
    ///
    /// # Errors
    /// As [`try_wait`](Self::try_wait).
    pub fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait()
    }
}

impl Drop for HelperProcess {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use adit_channel::session::{Backing, HostSession, PeerRegions, Sizes};
    use adit_topology::{allowed_cpus, format_cpu_list};

    use super::*;

    #[test]
    fn a_helper_runs_on_the_processors_that_are_named() {
        let allowed = allowed_cpus();
        // None of these exist: it runs all the same.
        let none = vec![CpuSet::MAX_CPU as u32 - 1, u32::MAX];
        for (cpus, expected) in [
            (vec![], &allowed[..]),
            (none, &allowed[..]),
            (allowed[allowed.len() - 1..].to_vec(), &allowed[allowed.len() - 1..]),
        ] {
            let backing = Backing::Memfd("adit-spawn".into(), Default::default());
            let (_host, regions) = HostSession::new(1, Sizes::default(), &backing).unwrap();
            let PeerRegions::Segments { host_region, device_region } = regions else { panic!() };
            let words = ["sleep", "100"].map(String::from).into_iter();
            let command = CommandLine { cpus, ..CommandLine::from_words(words).unwrap() };
            let process = HelperProcess::spawn(&command, &host_region, &device_region, None, true).unwrap();
            let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
            let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
            assert_eq!(list.trim(), format_cpu_list(expected), "{:?}", command.cpus);
        }
    }
}
