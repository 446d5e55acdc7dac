//! How an onlooker is answered: the listening process reads the lanes' counters and sends their numbers, so
//! that nobody maps anybody's memory for it.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use adit_memory::Region;
use rustix::{
    io::{Errno, retry_on_intr},
    net::{RecvFlags, SendFlags, connect, recv, send},
    process::geteuid,
    time::{ClockId, clock_gettime},
};

use super::socket;
use crate::{
    endpoint::OpenFailure,
    inspect::{
        LaneSnapshot, Retired, Snapshot,
        snapshot::{MAX_ANSWER, request},
    },
    lane::{LaneView, Link, Spec, of_broadcast},
    latency::Latency,
    transport::Credentials,
};

/// The lanes of one listening end.
#[derive(Debug, Default)]
pub(super) struct Views(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    joined: u64,
    lanes: Vec<(u64, u32, LaneView)>,
    retired: Retired,
}

/// A lane is shown until this is dropped; then its last numbers count as retired.
#[derive(Debug)]
pub(super) struct Shown {
    views: Arc<Views>,
    number: u64,
}

impl Views {
    /// Shows a lane of the sender with this pid, or of a broadcast's receiver.
    pub fn add(
        self: &Arc<Self>,
        spec: &Spec,
        writer: Arc<Region>,
        reader: Arc<Region>,
        link: Arc<Link>,
        peer: u32,
    ) -> Shown {
        let view = LaneView::new(writer, reader, spec, link);
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = inner.joined;
        inner.joined += 1;
        inner.lanes.push((number, peer, view));
        Shown { views: Arc::clone(self), number }
    }

    /// `own` is the region of a broadcast's sender.
    fn snapshot(&self, spec: &Spec, own: Option<&Arc<Region>>) -> Snapshot {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Option<Latency> = None;
        let lanes = inner.lanes.iter().map(|(number, sender, view)| {
            let (look, latency) = (view.look(), view.latency());
            match (&mut all, &latency) {
                (Some(all), Some(latency)) => all.add(latency),
                (all, Some(latency)) => *all = Some(latency.clone()),
                _ => {}
            }
            LaneSnapshot {
                number: *number,
                sender: *sender,
                closed: look.closed,
                dead: look.dead,
                depth: look.depth,
                sent: look.sent,
                received: look.received,
                latency: latency.map(|latency| latency.summary()),
            }
        });
        let lanes = lanes.collect();
        let mut retired = inner.retired;
        if let Some(own) = own {
            // It is the same for all receivers, and there where there is none. spec: INS-1.5
            let sent = of_broadcast(own);
            (retired.sent_messages, retired.sent_bytes, retired.drops) =
                (sent.messages, sent.bytes, sent.drops);
        }
        Snapshot {
            pid: std::process::id(),
            mode: spec.mode,
            kind: spec.kind.clone(),
            capacity: spec.capacity as u64,
            time: now(),
            joined: inner.joined,
            retired,
            lanes,
            left_out: 0,
            latency: spec.kind.is_measured().then(|| all.map(|all| all.summary()).unwrap_or_default()),
        }
    }

    /// Answers a guest who asked for a look.
    pub fn answer(&self, socket: impl AsFd, spec: &Spec, own: Option<&Arc<Region>>) {
        let bytes = self.snapshot(spec, own).to_bytes();
        // The longest answer fits the buffer of a socket. A guest who is gone already does not mind.
        let _ = send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut inner = self.views.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = inner.lanes.iter().position(|(number, ..)| *number == self.number) else { return };
        let look = inner.lanes.remove(at).2.look();
        let retired = &mut inner.retired;
        retired.lanes += 1;
        let sums = [
            (&mut retired.sent_messages, look.sent.messages),
            (&mut retired.sent_bytes, look.sent.bytes),
            (&mut retired.received_messages, look.received.messages),
            (&mut retired.received_bytes, look.received.bytes),
            (&mut retired.drops, look.sent.drops),
        ];
        for (sum, value) in sums {
            // A sender may say what it likes.
            *sum = sum.saturating_add(value);
        }
    }
}

fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.try_into().unwrap_or(0), now.tv_nsec.try_into().unwrap_or(0))
}

/// What a first knock at a socket file gives.
#[derive(Debug)]
pub(crate) enum Knock {
    /// Somebody listens and was asked.
    Asked(Asked),
    /// The file is there, and nobody listens.
    Dead,
    /// The file is gone.
    Gone,
    /// Somebody listens who takes no more connections now.
    Busy,
    /// It is another user's.
    Foreign(u32),
}

/// A question on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    socket: OwnedFd,
    path: PathBuf,
    /// The process that listens, as the kernel says.
    pub pid: u32,
}

/// Asks whoever listens at `path` for a look; waits for nothing.
pub(crate) fn knock(path: &Path) -> Result<Knock, OpenFailure> {
    let step = || format!("look at {}", path.display());
    let socket = socket::new()?;
    let address = rustix::net::SocketAddrUnix::new(path).map_err(OpenFailure::system(step()))?;
    match connect(&socket, &address) {
        Ok(()) => {}
        Err(Errno::AGAIN) => return Ok(Knock::Busy),
        Err(Errno::CONNREFUSED) => return Ok(Knock::Dead),
        Err(Errno::NOENT) => return Ok(Knock::Gone),
        Err(error) => return Err(OpenFailure::system(step())(error)),
    }
    let peer = Credentials::of(&socket).map_err(OpenFailure::system("ask who listens"))?;
    if peer.uid != geteuid().as_raw() {
        return Ok(Knock::Foreign(peer.uid));
    }
    match send(&socket, &request(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
        Ok(_) => Ok(Knock::Asked(Asked { socket, path: path.to_owned(), pid: peer.pid })),
        Err(Errno::AGAIN) => Ok(Knock::Busy),
        // It hung up: it ended in this moment, or has too many guests.
        Err(Errno::PIPE | Errno::CONNRESET) => Ok(Knock::Busy),
        Err(error) => Err(OpenFailure::system(step())(error)),
    }
}

impl Asked {
    /// The answer; `None`: not yet.
    pub fn answer(&self) -> Result<Option<Snapshot>, OpenFailure> {
        // One more, so that a longer answer is seen to be longer.
        let mut bytes = vec![0; MAX_ANSWER + 1];
        match retry_on_intr(|| recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT)) {
            Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => {
                Err(OpenFailure::Left { place: self.path.display().to_string() })
            }
            Ok((len, _)) => Snapshot::from_bytes(&bytes[..len]).map(Some),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(OpenFailure::system("receive an answer")(error)),
        }
    }

    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }
}
