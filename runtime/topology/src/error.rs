//! What can go wrong, in words for the person who has to act on it.

use std::{error::Error, fmt, io};

use crate::{cpu_list::format_cpu_list, thread::Priority};

/// Everything that this crate's functions can fail with.
#[derive(Debug)]
pub enum TopologyError {
    /// A list such as `0-3,8` could not be read.
    CpuList {
        /// The list as given, shortened when it is long.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A synthetic description was refused.
    Synthetic {
        /// The description as given, shortened when it is long.
        description: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A thread could not be pinned.
    Pin {
        /// The cpu that was asked for.
        cpu: u32,
        /// The cpus that this process may use.
        allowed: Vec<u32>,
        /// The kernel's answer; `None` when the kernel was not asked because the cpu is not allowed.
        source: Option<io::Error>,
    },
    /// The scheduling class of a thread could not be changed.
    Priority {
        /// The class that was asked for.
        wanted: Priority,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Not one cpu could be found, by any means.
    Undetected {
        /// Why each way failed, in the order they were tried.
        reasons: Vec<String>,
    },
}

impl TopologyError {
    pub(crate) fn cpu_list(text: &str, reason: impl Into<String>) -> Self {
        Self::CpuList { text: clip(text), reason: reason.into() }
    }

    pub(crate) fn synthetic(description: &str, reason: impl Into<String>) -> Self {
        Self::Synthetic { description: clip(description), reason: reason.into() }
    }
}

/// At most 80 characters of what the user gave, so that an error stays one line.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuList { text, reason } => {
                write!(f, "cpu list {text:?}: {reason}; write ids and ranges like \"0-3,8\"")
            }
            Self::Synthetic { description, reason } => write!(
                f,
                "synthetic machine {description:?}: {reason}; write levels from the outside in, like \
                 \"numa:2 core:4 pu:1\""
            ),
            Self::Pin { cpu, allowed, source } => {
                match source {
                    None => write!(f, "cannot pin a thread to cpu {cpu}: this process may not use it")?,
                    Some(error) => write!(f, "cannot pin a thread to cpu {cpu}: {error}")?,
                }
                write!(f, "; allowed cpus: {}", format_cpu_list(allowed))
            }
            Self::Priority { wanted: Priority::Idle, source } => {
                write!(f, "cannot give this thread the idle scheduling class: {source}")
            }
            Self::Priority { wanted: Priority::Normal, source } => write!(
                f,
                "cannot give this thread the normal scheduling class back: {source}; leaving the idle class \
                 needs RLIMIT_NICE or CAP_SYS_NICE on some systems"
            ),
            Self::Undetected { reasons } => {
                write!(f, "no cpu could be found on this machine: {}", reasons.join("; "))
            }
        }
    }
}

/// The message says the cause, so there is no [`source`](Error::source) that would say it again.
impl Error for TopologyError {}
