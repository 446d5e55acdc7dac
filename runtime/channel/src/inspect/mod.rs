//! What the channels of this user are doing, seen from outside.
//!
//! An onlooker connects to the socket of an `ipc://` channel and asks; the listening process answers with
//! numbers: who has joined, what each lane's ends counted, how much waits. Nothing is mapped and nothing is
//! slowed down: the counters stand in memory that the listening process reads anyway, and the thread that
//! answers is the one that lets senders in. Only processes of the same user are asked and answered.
//!
//! [`look`] asks all channels at once and waits no longer than it is told, so that a process which was stopped
//! is one line without numbers and not a hang. [`clean`] removes what processes left that died.
//!
//! ```
//! use std::time::Duration;
//! use adit_channel::{Channel, inspect};
//!
//! let directory = tempfile::tempdir()?;
//! let channel = Channel::builder("ipc://seen")?.directory(directory.path().join("adit"));
//! let (receiver, mut sender) = (channel.receiver()?, channel.sender()?);
//! sender.try_send(b"one")?;
//!
//! let looks = inspect::look(&directory.path().join("adit"), Duration::from_secs(5))?;
//! let snapshot = looks[0].state.as_ref().expect("its watching thread answers");
//! assert_eq!((looks[0].name.as_str(), snapshot.sent()), ("seen", (1, 3)));
//! assert_eq!(snapshot.lanes[0].sender, std::process::id());
//! # drop(receiver);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clean;
pub(crate) mod snapshot;

use std::{
    fmt, fs, io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

pub use self::{
    clean::{Leftover, clean, leftovers},
    snapshot::{LaneSnapshot, LatencySummary, MAX_LANES, Retired, Snapshot},
};
use crate::{
    endpoint::OpenFailure,
    transport::ipc::{
        self,
        inspect::{Asked, Knock, knock},
    },
};

/// The most channels that one look shows.
pub const MAX_CHANNELS: usize = 4096;

/// So many are asked at a time, so that descriptors last.
const AT_A_TIME: usize = 256;

/// A channel's name and what a look at it gave.
#[derive(Debug)]
pub struct Look {
    /// The name in its URI.
    pub name: String,
    /// Its socket.
    pub path: PathBuf,
    /// The process that listens, as the kernel says; `None` if none was reached.
    pub pid: Option<u32>,
    /// What it answered, or why there is no answer.
    pub state: Result<Snapshot, Unseen>,
}

/// Why a channel was not seen.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unseen {
    /// The process that listens did not answer in time: it is stopped, or has no time.
    NoAnswer,
    /// Nobody listens: the process that did has died. [`clean`] removes the file.
    Dead,
    /// The process that listened hung up instead of answering: it closed, or died, in this moment, or too many were
    /// looking.
    Left,
    /// Another user listens.
    Foreign {
        /// That user.
        uid: u32,
    },
    /// The look failed.
    Failed(OpenFailure),
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => f.write_str("no answer"),
            Self::Dead => f.write_str("dead: nobody listens"),
            Self::Left => f.write_str("it closed, or died, while it was looked at"),
            Self::Foreign { uid } => write!(f, "user {uid} listens, not this one"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unseen {}

/// The directory where the sockets of this user's channels live, if they are not put elsewhere.
#[must_use]
pub fn default_directory() -> PathBuf {
    ipc::default_directory()
}

/// Looks at the channels in `directory`, at most [`MAX_CHANNELS`], sorted by name; waits at most `patience` for
/// each 256 of them.
///
/// A directory that does not exist has none.
///
/// # Errors
/// The directory cannot be read.
pub fn look(directory: &Path, patience: Duration) -> io::Result<Vec<Look>> {
    let mut places = sockets(directory)?;
    places.truncate(MAX_CHANNELS);
    let mut looks = Vec::new();
    for places in places.chunks(AT_A_TIME) {
        looks.extend(look_at(places, patience));
    }
    Ok(looks)
}

/// Name and path of what may be a channel's socket, sorted.
fn sockets(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    use std::os::unix::fs::FileTypeExt as _;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(file) = entry.file_name().into_string() else { continue };
        let Some(name) = file.strip_suffix(ipc::ENDING) else { continue };
        // What is gone by now was closed in this moment.
        if entry.file_type().is_ok_and(|kind| kind.is_socket()) {
            found.push((name.to_owned(), entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn look_at(places: &[(String, PathBuf)], patience: Duration) -> Vec<Look> {
    let mut waiting: Vec<(usize, Asked)> = Vec::new();
    let mut looks: Vec<Option<Look>> = Vec::new();
    for (name, path) in places {
        let (pid, state) = match knock(path) {
            Ok(Knock::Gone) => {
                looks.push(None);
                continue;
            }
            Ok(Knock::Asked(asked)) => {
                let pid = asked.pid;
                waiting.push((looks.len(), asked));
                (Some(pid), Unseen::NoAnswer)
            }
            Ok(Knock::Busy) => (None, Unseen::NoAnswer),
            Ok(Knock::Dead) => (None, Unseen::Dead),
            Ok(Knock::Foreign(uid)) => (None, Unseen::Foreign { uid }),
            Err(error) => (None, Unseen::Failed(error)),
        };
        looks.push(Some(Look { name: name.clone(), path: path.clone(), pid, state: Err(state) }));
    }
    let began = Instant::now();
    loop {
        waiting.retain(|(at, asked)| {
            let state = match asked.answer() {
                Ok(None) => return true,
                Ok(Some(snapshot)) => Ok(snapshot),
                Err(OpenFailure::Left { .. }) => Err(Unseen::Left),
                Err(error) => Err(Unseen::Failed(error)),
            };
            if let Some(look) = &mut looks[*at] {
                look.state = state;
            }
            false
        });
        let left = patience.saturating_sub(began.elapsed());
        if waiting.is_empty() || left.is_zero() {
            break;
        }
        let mut fds: Vec<_> = waiting
            .iter()
            .map(|(_, asked)| PollFd::from_borrowed_fd(asked.socket().as_fd(), PollFlags::IN))
            .collect();
        match poll(&mut fds, Timespec::try_from(left).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // No memory for a moment.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    looks.into_iter().flatten().collect()
}
