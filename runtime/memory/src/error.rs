//! What can go wrong, in words for the person who has to act on it.

use std::{error::Error, fmt, io};

/// Everything that this crate's functions can fail with.
#[derive(Debug)]
#[non_exhaustive]
pub enum MemoryError {
    /// A region of no bytes was asked for.
    ZeroLength,
    /// More was asked for than this process can get.
    TooLarge {
        /// The bytes asked for.
        len: usize,
        /// The bytes that could be had.
        available: u64,
    },
    /// The kernel refused one step.
    System {
        /// The step, as "cannot ..." goes on.
        step: &'static str,
        /// The bytes that it was about.
        len: usize,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The descriptor is not a memfd.
    NotMemfd,
    /// The memfd could still change its size under its readers.
    Unsealed {
        /// The seals that it lacks.
        missing: &'static str,
        /// Its size at the time.
        len: u64,
    },
    /// The memfd was to be mapped writable, but its owner sealed it against that.
    WriteSealed {
        /// Its size.
        len: u64,
    },
    /// Reserved huge pages that somebody else may give back are no memory to read from.
    RevocableHugePages {
        /// Its size.
        len: u64,
    },
    /// The size of the memfd is not one that the receiver takes.
    WrongSize {
        /// Its size.
        len: u64,
        /// The most that the receiver takes.
        max_len: usize,
        /// The page size that it must be a multiple of.
        page: u64,
    },
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLength => f.write_str("a region of 0 bytes was asked for; ask for at least 1 byte"),
            Self::TooLarge { len, available } => write!(
                f,
                "a region of {len} bytes was asked for, but only {available} bytes are available; ask for \
                 less, free memory or raise the memory limit"
            ),
            Self::System { step, len, source } => {
                write!(f, "cannot {step} ({len} bytes): {source}; {}", advice(source))
            }
            Self::NotMemfd => f.write_str(
                "the descriptor is not a memfd (a file cannot be sealed); pass one made by memfd_create",
            ),
            Self::Unsealed { missing, len } => write!(
                f,
                "the memfd of {len} bytes lacks {missing}, so its peer could cut it off under its readers; \
                 seal it before sending it"
            ),
            Self::WriteSealed { len } => write!(
                f,
                "the memfd of {len} bytes is sealed against writing and cannot be mapped writable; map it \
                 read-only, it is the other side's to write"
            ),
            Self::RevocableHugePages { len } => write!(
                f,
                "the memfd of {len} bytes has huge pages that its writer could give back under its readers; \
                 use normal or transparent pages for it"
            ),
            Self::WrongSize { len, max_len, page } => write!(
                f,
                "the memfd has {len} bytes, but 1 to {max_len} bytes in whole pages of {page} are taken; \
                 check that both sides agree on the sizes"
            ),
        }
    }
}

/// What to do about the kernel's commonest answers.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOMEM | libc::ENOSPC | libc::EDQUOT) => "ask for less, or free memory",
        Some(libc::EMFILE | libc::ENFILE) => "close descriptors, or raise the limit (ulimit -n)",
        Some(libc::EPERM | libc::EACCES) => "check the seals and the limits of this process",
        Some(libc::ENOSYS) => "this needs Linux 5.1 or newer",
        _ => "check the arguments and the kernel's log",
    }
}

/// The message says the cause, so there is no [`source`](Error::source) that would say it again.
impl Error for MemoryError {}

/// For `map_err`: the step that failed, and with how many bytes.
pub(crate) fn failed<E: Into<io::Error>>(step: &'static str, len: usize) -> impl FnOnce(E) -> MemoryError {
    move |source| MemoryError::System { step, len, source: source.into() }
}
