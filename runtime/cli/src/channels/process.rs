//! What the system says of a process, for people.

use std::fs;

/// A process's name and whether it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// As `ps` shows it; empty if there is no such process, or none that may be seen.
    pub command: String,
    /// It was stopped by a signal or a debugger.
    pub stopped: bool,
}

/// Looks a process up.
pub fn process(pid: u32) -> Process {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Process::default() };
    parse(&text).unwrap_or_default()
}

/// `PID (NAME) STATE ...`, where the name may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let (begin, end) = (stat.find('(')?, stat.rfind(')')?);
    let state = stat.get(end + 1..)?.trim_start().chars().next()?;
    let command = crate::channels::table::plain(stat.get(begin + 1..end)?);
    Some(Process { command, stopped: matches!(state, 'T' | 't') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_brackets_are_read() {
        let parsed = |text| parse(text).map(|process| (process.command, process.stopped));
        assert_eq!(parsed("12 (a) b) T 1 2"), Some(("a) b".into(), true)));
        assert_eq!(parsed("12 (x\u{1b}[2J) S 1"), Some(("x?[2J".into(), false)));
        assert_eq!(parsed("12 nothing"), None);
        assert!(!process(std::process::id()).command.is_empty());
    }
}
