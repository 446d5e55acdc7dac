//! `file://` and `shm://`: channels that survive their processes.
//!
//! The channel is a kept segment ([`adit_memory::Home`]): a file, or a named segment of the system's shared
//! memory. Whoever comes first makes it; each end takes the lock of its part, and the kernel gives it back when
//! that process dies. So there is no socket and nobody to ask: an end whose lock is free is taken over, and goes
//! on where the cursors in the segment say that it stood.
//!
//! ```text
//!  channel.ring        superblock │ reader's part │ writer's part        one sender
//!  channel.ring        superblock                                        many senders: what they agree on
//!  channel.ring.0 ...  superblock │ reader's part │ writer's part        a lane for each, and for the next
//! ```
//!
//! A sender that leaves, or dies, leaves its lane to the next one: there are as many as ever were there at the
//! same time. Specification: `docs/spec/segment.md`.

mod clean;
mod format;
mod presence;
mod scan;

use std::{any::Any, path::Path, sync::Arc, time::Duration};

use adit_memory::{Access, Home, Kept, KeptError, KeptLock, PART, Region};
use rustix::process::geteuid;

pub use self::clean::{KeptChannel, KeptLane, clean, list_files, list_shared};
pub(crate) use self::presence::Presence;
use self::{
    format::{LONGEST, READER_AT, WRITER_AT, check, lane_len, writer_len},
    scan::Scan,
};
use crate::{
    endpoint::{Inbox, MAX_SENDERS, OpenFailure},
    lane::{self, Mode, ReaderLane, Side, Spec, WriterLane},
};

/// The lock of the sending end.
const SENDER: u32 = 0;

/// The lock of the receiving end.
const RECEIVER: u32 = 1;

/// The lock of who removes the segment.
const CLEANER: u32 = 2;

/// How often a segment is looked for that is removed or made by others at the same time.
const TRIES: usize = 16;

/// How long to wait before looking again at one that is being removed.
const WHILE_CLEANED: Duration = Duration::from_millis(2);

/// What the names of this user's named segments begin with.
fn shared_prefix() -> String {
    format!("adit-{}-", geteuid().as_raw())
}

/// Where the channel of a `shm://` name lives.
pub(crate) fn shared_home(name: &str) -> Result<Home, OpenFailure> {
    Ok(Home::shared(&format!("{}{name}.ring", shared_prefix()))?)
}

/// Where the channel of a `file://` path lives.
pub(crate) fn file_home(path: &str) -> Home {
    Home::file(Path::new(path))
}

/// The sending end: of the one lane, or of the first lane that has no living sender.
pub(crate) fn sender(home: &Home, spec: &Spec) -> Result<WriterLane, OpenFailure> {
    match spec.mode {
        Mode::Spsc => {
            let most = 1;
            writer(home, spec)?.ok_or(OpenFailure::SendersTaken { most })
        }
        // Modes with many receivers are refused when the channel is built.
        _ => {
            for _ in 0..TRIES {
                let anchor = open_or_make(home, spec, format::ANCHOR_LEN)?;
                let lane = first_free(home, spec)?;
                // Who removed the channel meanwhile may have removed the lanes before this one, without which no receiver
                // finds it: they are looked for again.
                if anchor.is_current() {
                    return Ok(lane);
                }
            }
            Err(KeptError::Replaced { path: home.path().to_owned() }.into())
        }
    }
}

// spec: SEG-3.2
/// The first lane without a living sender, of a channel of many.
fn first_free(home: &Home, spec: &Spec) -> Result<WriterLane, OpenFailure> {
    for number in 0..MAX_SENDERS {
        if let Some(lane) = writer(&lane_home(home, number)?, spec)? {
            return Ok(lane);
        }
    }
    Err(OpenFailure::SendersTaken { most: MAX_SENDERS })
}

/// The receiver's inbox, and what it must hold.
pub(crate) fn receiver(home: &Home, spec: &Spec) -> Result<(Arc<Inbox>, Box<dyn Any + Send>), OpenFailure> {
    match spec.mode {
        Mode::Spsc => {
            let Some((kept, lock)) = take(home, spec, lane_len(spec), RECEIVER)? else {
                return Err(OpenFailure::ReceiverTaken);
            };
            let inbox = Arc::new(Inbox::new(spec.mode));
            inbox.put(reader(&kept, spec)?);
            Ok((inbox, Box::new(lock)))
        }
        // Modes with many receivers are refused when the channel is built.
        _ => {
            let Some((_, lock)) = take(home, spec, format::ANCHOR_LEN, RECEIVER)? else {
                return Err(OpenFailure::ReceiverTaken);
            };
            let mut scan = Scan::new(home.clone(), spec.clone());
            let mut lanes = Vec::new();
            while let Some(lane) = scan.find()? {
                lanes.push(lane);
            }
            let inbox = Arc::new(Inbox::with_source(spec.mode, Box::new(scan)));
            lanes.into_iter().for_each(|lane| inbox.put(lane));
            Ok((inbox, Box::new(lock)))
        }
    }
}

/// The writing end of a lane; `None`: a living process has it.
fn writer(home: &Home, spec: &Spec) -> Result<Option<WriterLane>, OpenFailure> {
    let Some((kept, lock)) = take(home, spec, lane_len(spec), SENDER)? else { return Ok(None) };
    let own = part(&kept, spec, Side::Writer, Access::ReadWrite)?;
    let peer = part(&kept, spec, Side::Reader, Access::ReadOnly)?;
    let mut lane = WriterLane::resume(spec, own, peer).map_err(|error| corrupt(home, error))?;
    lane.hold(lock);
    Ok(Some(lane))
}

/// The reading end of a lane, whose lock, or whose channel's, this process has.
fn reader(kept: &Arc<Kept>, spec: &Spec) -> Result<ReaderLane, OpenFailure> {
    let own = part(kept, spec, Side::Reader, Access::ReadWrite)?;
    let peer = part(kept, spec, Side::Writer, Access::ReadOnly)?;
    let presence = Presence::new(Arc::clone(kept));
    ReaderLane::resume(spec, peer, own, presence).map_err(|error| corrupt(kept.home(), error))
}

/// Maps one end's part and checks what stands at its beginning.
fn part(kept: &Arc<Kept>, spec: &Spec, side: Side, access: Access) -> Result<Arc<Region>, OpenFailure> {
    let (at, len) = match side {
        Side::Writer => (WRITER_AT, writer_len(spec)),
        Side::Reader => (READER_AT, PART),
    };
    let region = Arc::new(kept.map(at, len, access)?);
    lane::check_header(&region, side, spec).map_err(|what| corrupt(kept.home(), what))?;
    Ok(region)
}

/// Opens a segment and takes one of its locks; `None`: a living process has it.
fn take(
    home: &Home,
    spec: &Spec,
    len: usize,
    lock: u32,
) -> Result<Option<(Arc<Kept>, KeptLock)>, OpenFailure> {
    for _ in 0..TRIES {
        let kept = open_or_make(home, spec, len)?;
        // spec: SEG-2.1
        let mut taken = kept.lock(lock)?;
        if taken.is_none() {
            if kept.is_locked(CLEANER)? {
                std::thread::sleep(WHILE_CLEANED);
                continue;
            }
            // A cleaner that met somebody may have let go in between.
            taken = kept.lock(lock)?;
        }
        // spec: SEG-2.2
        // It may have been removed between its opening and its locking.
        if kept.is_current() {
            return Ok(taken.map(|lock| (kept, lock)));
        }
    }
    Err(KeptError::Replaced { path: home.path().to_owned() }.into())
}

/// Opens the segment of `len` bytes at `home`, made if there is none.
fn open_or_make(home: &Home, spec: &Spec, len: usize) -> Result<Arc<Kept>, OpenFailure> {
    for _ in 0..TRIES {
        match home.open(PART, LONGEST) {
            Ok(kept) => {
                check(&kept, spec, len)?;
                return Ok(Arc::new(kept));
            }
            Err(KeptError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        match home.create(len, |made| format::fill(made, spec)) {
            Ok(made) => return Ok(Arc::new(made)),
            // Another made it first.
            Err(KeptError::Exists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(KeptError::Replaced { path: home.path().to_owned() }.into())
}

// spec: SEG-3.1
/// The lane of that number, of a channel of many senders.
fn lane_home(anchor: &Home, number: usize) -> Result<Home, OpenFailure> {
    let mut name = anchor.path().file_name().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    if anchor.is_shared() {
        return Ok(Home::shared(&name.to_string_lossy())?);
    }
    Ok(Home::file(anchor.path().with_file_name(name)))
}

fn corrupt(home: &Home, what: impl std::fmt::Display) -> OpenFailure {
    OpenFailure::Corrupt { path: home.path().to_owned(), what: what.to_string() }
}

/// Reads a superblock.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    format::fuzz(bytes);
}
