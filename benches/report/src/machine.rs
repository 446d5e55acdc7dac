//! The machine that a figure comes from, and what else it did meanwhile.

use std::{fs, time::Instant};

use adit_topology::{Machine, allowed_cpus, format_cpu_list};
use rustix::process::Pid;

/// The CPU's name as the kernel has it.
#[must_use]
pub fn cpu_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown".into(), |line| line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// The kernel's release.
#[must_use]
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").map_or("unknown".into(), |text| text.trim().to_owned())
}

/// How much memory there is.
#[must_use]
pub fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or("unknown".into(), |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// The cores that this process may use, as people write them.
#[must_use]
pub fn cores() -> String {
    format_cpu_list(&allowed_cpus())
}

/// Two cores to put two ends on, physical ones if there are; the same one twice on a machine with one.
#[must_use]
pub fn two_cores() -> [u32; 2] {
    let cores = Machine::detect().map(|machine| machine.worker_cpus(2)).unwrap_or_else(|_| allowed_cpus());
    let first = cores.first().copied().unwrap_or(0);
    [first, cores.get(1).copied().unwrap_or(first)]
}

/// CPU time of a process, all its threads together, in seconds; `None` for this process. Zero when it is
/// gone.
#[must_use]
pub fn cpu_seconds(process: Option<Pid>) -> f64 {
    let mut clock = libc::CLOCK_PROCESS_CPUTIME_ID;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let pid = process.map_or(0, |pid| pid.as_raw_nonzero().get());
    // SAFETY: both calls write one value of the type they are given, through pointers to live locals.
    let result =
        unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) | libc::clock_gettime(clock, &raw mut time) };
    if result == 0 { time.tv_sec as f64 + time.tv_nsec as f64 / 1e9 } else { 0.0 }
}

/// How much other programs, and the machine below a virtual one, ran meanwhile.
#[derive(Debug)]
pub struct Others {
    begin: Instant,
    busy: f64,
    own: f64,
}

impl Others {
    /// Begins to look.
    #[must_use]
    pub fn watch() -> Self {
        Self { begin: Instant::now(), busy: busy_seconds(), own: own_seconds() }
    }

    /// Cores that others kept busy since then, on average. Helpers count as own once they have ended.
    #[must_use]
    pub fn cores(&self) -> f64 {
        let (busy, own) = (busy_seconds() - self.busy, own_seconds() - self.own);
        ((busy - own) / self.begin.elapsed().as_secs_f64()).max(0.0)
    }
}

/// What all processors did since boot but rest, stolen time included.
fn busy_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> =
        text.lines().next().unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
    // user nice system idle iowait irq softirq steal
    let rest: f64 = ticks.iter().skip(3).take(2).sum();
    let all: f64 = ticks.iter().take(8).sum();
    (all - rest) / rustix::param::clock_ticks_per_second() as f64
}

/// This process and its children that have ended.
fn own_seconds() -> f64 {
    // SAFETY: `rusage` is a plain C struct of integers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes one `rusage` through a pointer to a live local.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) } != 0 {
        return cpu_seconds(None);
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    cpu_seconds(None) + seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_name_and_this_process_uses_time() {
        assert_ne!(kernel(), "unknown");
        assert_ne!(memory(), "unknown");
        assert!(!cores().is_empty());
        let before = cpu_seconds(None);
        while cpu_seconds(None) <= before {}
        assert!(busy_seconds() > 0.0 && own_seconds() > before);
    }
}
