//! The calling thread: where it may run, where it must run, and how politely.

use std::{fs, io, sync::OnceLock};

use crate::{cpu_list::parse_cpu_list, error::TopologyError};

/// How much the calling thread insists on cpu time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Priority {
    /// The ordinary class (`SCHED_OTHER`).
    Normal,
    /// Only what nobody else wants (`SCHED_IDLE`): for workers on a machine that people use.
    Idle,
}

/// The cpus that this process may use, by ascending id.
///
/// Read once, when first asked, from the affinity of the process's main thread, and kept: pinning a thread
/// must not make the process look smaller to the next caller. Every function of this crate that pins asks
/// first. Empty only when neither `/proc` nor the scheduler answers.
#[must_use]
pub fn allowed_cpus() -> Vec<u32> {
    static ALLOWED: OnceLock<Vec<u32>> = OnceLock::new();
    ALLOWED.get_or_init(|| allowed_by_proc().unwrap_or_else(allowed_by_scheduler)).clone()
}

/// `/proc/self` is the main thread; its list has no upper limit, unlike `cpu_set_t` with its 1024 cpus.
fn allowed_by_proc() -> Option<Vec<u32>> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let allowed = parse_cpu_list(line).ok()?;
    let online = fs::read_to_string("/sys/devices/system/cpu/online").ok();
    Some(those_online(allowed, online.and_then(|list| parse_cpu_list(list.trim()).ok())))
}

/// Without a cpuset the list names places for cpus too, in which there is none or one that is off.
fn those_online(allowed: Vec<u32>, online: Option<Vec<u32>>) -> Vec<u32> {
    let Some(online) = online else { return allowed };
    let there: Vec<u32> = allowed.iter().copied().filter(|cpu| online.contains(cpu)).collect();
    if there.is_empty() { allowed } else { there }
}

fn allowed_by_scheduler() -> Vec<u32> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.into_iter().filter_map(|core| u32::try_from(core.id).ok()).collect()
}

/// Makes the calling thread run on `cpu` and nowhere else.
///
/// # Errors
///
/// [`TopologyError::Pin`], whose text names the allowed cpus, when `cpu` is not one of [`allowed_cpus`] or
/// the kernel refuses.
pub fn pin_current_thread(cpu: u32) -> Result<(), TopologyError> {
    let allowed = allowed_cpus();
    if !allowed.contains(&cpu) {
        return Err(TopologyError::Pin { cpu, allowed, source: None });
    }
    // A `cpu_set_t` ends there, and core_affinity indexes into it without asking.
    if cpu >= libc::CPU_SETSIZE as u32 {
        let source = io::Error::new(io::ErrorKind::Unsupported, "only cpus below 1024 can be pinned to");
        return Err(TopologyError::Pin { cpu, allowed, source: Some(source) });
    }
    if core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize }) {
        return Ok(());
    }
    let source = io::Error::last_os_error();
    Err(TopologyError::Pin { cpu, allowed, source: Some(source) })
}

/// Changes the scheduling class of the calling thread; threads that it starts later inherit it.
///
/// # Errors
///
/// [`TopologyError::Priority`] when the kernel refuses.
pub fn set_current_thread_priority(priority: Priority) -> Result<(), TopologyError> {
    // As wide as a register, which is what the system call takes.
    let policy = libc::c_long::from(match priority {
        Priority::Normal => libc::SCHED_OTHER,
        Priority::Idle => libc::SCHED_IDLE,
    });
    let caller: libc::c_long = 0;
    // Both classes demand a static priority of 0.
    // SAFETY: `sched_param` is a plain C struct of integers, for which all zeros is a value.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // The system call and not the wrapper: musl's wrapper refuses always.
    // SAFETY: the kernel reads one `sched_param` through a pointer that is valid for the whole call, and
    // writes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_setscheduler, caller, policy, &raw const parameters) };
    if result == 0 {
        return Ok(());
    }
    Err(TopologyError::Priority { wanted: priority, source: io::Error::last_os_error() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn policy() -> i32 {
        // SAFETY: takes no pointers; thread 0 is the caller.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn a_thread_runs_where_it_is_pinned() {
        for cpu in allowed_cpus() {
            thread::spawn(move || {
                pin_current_thread(cpu).unwrap();
                // SAFETY: takes no arguments.
                let here = unsafe { libc::sched_getcpu() };
                assert_eq!(here, cpu as i32);
                assert_eq!(core_affinity::get_core_ids().unwrap().len(), 1);
            })
            .join()
            .unwrap();
        }
    }

    #[test]
    fn a_pinned_thread_still_knows_all_allowed_cpus_and_can_move() {
        let all = allowed_cpus();
        thread::spawn(move || {
            pin_current_thread(all[0]).unwrap();
            assert_eq!(allowed_cpus(), all);
            pin_current_thread(all[all.len() - 1]).unwrap();
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused_with_the_list() {
        for cpu in [1023, 1024, 5000, u32::MAX] {
            let error = pin_current_thread(cpu).unwrap_err();
            assert!(matches!(error, TopologyError::Pin { source: None, .. }));
            let text = error.to_string();
            assert!(text.contains(&format!("cpu {cpu}")), "{text}");
            assert!(text.contains(&crate::format_cpu_list(&allowed_cpus())), "{text}");
        }
    }

    #[test]
    fn both_ways_name_the_same_cpus() {
        assert_eq!(allowed_by_proc().unwrap(), allowed_cpus());
        thread::spawn(|| assert_eq!(allowed_by_scheduler(), allowed_cpus())).join().unwrap();
    }

    #[test]
    fn places_without_a_cpu_are_not_allowed_ones() {
        assert_eq!(those_online(vec![0, 1, 2, 3], Some(vec![0, 2, 9])), [0, 2]);
        assert_eq!(those_online(vec![0, 1], None), [0, 1]);
        assert_eq!(those_online(vec![4], Some(vec![0])), [4], "nothing is known then");
    }

    #[test]
    fn idle_and_back() {
        thread::spawn(|| {
            set_current_thread_priority(Priority::Idle).unwrap();
            assert_eq!(policy(), libc::SCHED_IDLE);
            match set_current_thread_priority(Priority::Normal) {
                Ok(()) => assert_eq!(policy(), libc::SCHED_OTHER),
                // Who may not raise its priority may not leave the idle class.
                Err(TopologyError::Priority { wanted: Priority::Normal, source }) => {
                    assert_eq!(source.raw_os_error(), Some(libc::EPERM));
                    assert_eq!(policy(), libc::SCHED_IDLE);
                }
                Err(error) => panic!("{error}"),
            }
        })
        .join()
        .unwrap();
    }
}
