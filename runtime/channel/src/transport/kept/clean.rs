//! Which channels survived, and removing those that nobody uses.

use std::{fmt, path::Path, sync::Arc};

use adit_memory::{Home, Kept, KeptError, KeptLock, PART};

use super::{
    CLEANER, RECEIVER, SENDER,
    format::{self, LONGEST, READER_AT, WRITER_AT},
    lane_home, shared_prefix,
};
use crate::{
    endpoint::{MAX_SENDERS, OpenFailure},
    lane::{self, Mode},
    uri::Transport,
};

/// What the names of channels end with; of files only those that are listed from a directory.
const ENDING: &str = ".ring";

/// A channel that survives its processes, as it was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeptChannel {
    /// Its URI.
    pub uri: String,
    /// Where it is.
    pub home: Home,
    /// How many may send.
    pub mode: Mode,
    /// Bytes of each lane's ring.
    pub capacity: usize,
    /// The name of the message type.
    pub kind: String,
    /// Each lane; one where one may send.
    pub lanes: Vec<KeptLane>,
    /// Whether a living process receives.
    pub receiver: bool,
}

/// A lane of a [`KeptChannel`], as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptLane {
    /// Whether a living process sends.
    pub sender: bool,
    /// The process that sends, or that sent last; 0: none ever did.
    pub sender_pid: u64,
    /// The process that receives, or that received last; 0: none ever did.
    pub receiver_pid: u64,
    /// Bytes that were sent and not received, as far as the receiver said so.
    pub unread: u64,
}

impl KeptChannel {
    /// Whether a living process has an end of it.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.receiver || self.lanes.iter().any(|lane| lane.sender)
    }

    /// Bytes that were sent and not received, of all lanes.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.lanes.iter().fold(0, |sum, lane| sum.saturating_add(lane.unread))
    }
}

impl fmt::Display for KeptChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} bytes unread", self.uri, self.mode, self.unread())
    }
}

/// The channels of this user among the named segments: those of `shm://` names.
///
/// What cannot be read as a channel is left out: [`clean`] would not touch it either.
///
/// # Errors
/// [`OpenFailure::Kept`]: the segments cannot be listed.
pub fn list_shared() -> Result<Vec<KeptChannel>, OpenFailure> {
    let prefix = shared_prefix();
    let homes = Home::list(None, |name| name.starts_with(&prefix) && name.ends_with(ENDING))?;
    Ok(homes.iter().filter_map(|home| look(home).ok()).collect())
}

/// The channels among the files of a directory whose names end with `.ring`.
///
/// # Errors
/// [`OpenFailure::Kept`]: the directory cannot be listed.
pub fn list_files(directory: &Path) -> Result<Vec<KeptChannel>, OpenFailure> {
    let homes = Home::list(Some(directory), |name| name.ends_with(ENDING))?;
    Ok(homes.iter().filter_map(|home| look(home).ok()).collect())
}

/// Removes a channel that no living process has an end of, with whatever was not received; returns whether it
/// did. Whoever comes later makes a new one.
///
/// # Errors
/// [`OpenFailure`]: it is no channel (any more), or the system refused to remove it.
pub fn clean(home: &Home) -> Result<bool, OpenFailure> {
    // spec: SEG-2.4
    let anchor = Arc::new(home.open(PART, LONGEST)?);
    let (spec, _) = format::read(&anchor)?;
    let mut locks = Vec::new();
    if !lock_all(&anchor, &mut locks)? {
        return Ok(false);
    }
    if spec.mode == Mode::Mpsc {
        for number in 0..MAX_SENDERS {
            match lane_home(home, number)?.open(PART, LONGEST) {
                Ok(lane) => {
                    if !lock_all(&Arc::new(lane), &mut locks)? {
                        return Ok(false);
                    }
                }
                Err(KeptError::Missing { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    // The last lane first, so that what is left after a death begins with the first, and the anchor last.
    let mut segments: Vec<&Arc<Kept>> = locks.iter().map(KeptLock::kept).collect();
    segments.dedup_by(|a, b| Arc::ptr_eq(a, b));
    for segment in segments.into_iter().rev() {
        segment.remove()?;
    }
    Ok(true)
}

/// Takes all locks of a segment, if nobody has one.
fn lock_all(kept: &Arc<Kept>, locks: &mut Vec<KeptLock>) -> Result<bool, OpenFailure> {
    for part in [CLEANER, SENDER, RECEIVER] {
        let Some(lock) = kept.lock(part)? else { return Ok(false) };
        locks.push(lock);
    }
    Ok(true)
}

/// Reads what a channel says of itself, without taking part in it.
fn look(home: &Home) -> Result<KeptChannel, OpenFailure> {
    let anchor = home.open(PART, LONGEST)?;
    let (spec, _) = format::read(&anchor)?;
    let mut lanes = Vec::new();
    match spec.mode {
        Mode::Spsc => lanes.push(look_at_lane(&anchor)?),
        _ => {
            for number in 0..MAX_SENDERS {
                match lane_home(home, number)?.open(PART, LONGEST) {
                    Ok(lane) => lanes.push(look_at_lane(&lane)?),
                    Err(KeptError::Missing { .. }) => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    let path = home.path().to_string_lossy();
    let uri = match path.rsplit_once('/').and_then(|(_, name)| name.strip_prefix(&shared_prefix())) {
        Some(name) if home.is_shared() => {
            format!("{}://{}", Transport::Shm.scheme(), name.strip_suffix(ENDING).unwrap_or(name))
        }
        _ => format!("{}://{path}", Transport::File.scheme()),
    };
    Ok(KeptChannel {
        uri,
        mode: spec.mode,
        capacity: spec.capacity,
        kind: spec.kind.to_string(),
        lanes,
        receiver: anchor.is_locked(RECEIVER)?,
        home: home.clone(),
    })
}

fn look_at_lane(kept: &Kept) -> Result<KeptLane, OpenFailure> {
    let word = |at: usize| -> Result<u64, OpenFailure> {
        let mut bytes = [0; 8];
        kept.read_at(&mut bytes, at as u64)?;
        Ok(u64::from_le_bytes(bytes))
    };
    // The head first: it never passes a tail that is read later.
    let head = word(READER_AT + lane::CURSOR)?;
    Ok(KeptLane {
        sender: kept.is_locked(SENDER)?,
        sender_pid: word(WRITER_AT + lane::PID)?,
        receiver_pid: word(READER_AT + lane::PID)?,
        unread: word(WRITER_AT + lane::CURSOR)?.saturating_sub(head),
    })
}
