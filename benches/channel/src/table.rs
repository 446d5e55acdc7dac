//! Who is measured. A new mode or transport is a line here.

use crate::{
    adit,
    floor::Floor,
    order::{Mode, Order},
    queue::{Named, Pair, named_end},
    race::{End, Race, pair_race},
    stream,
    trip::{Trips, named_near, pair_trips},
};

/// One contestant in one mode over one transport.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// As programs call it.
    pub name: &'static str,
    /// What it is, if it is not this project's.
    pub peer: Peer,
    /// How messages travel: `memory` within a process, `ipc` through memory between processes, or the kernel's name
    /// for it.
    pub transport: &'static str,
    /// How many may send and receive.
    pub mode: Mode,
    /// So many do.
    pub senders: usize,
    /// So many do.
    pub receivers: usize,
    /// Whether it sends and takes several messages at once.
    pub batches: bool,
    /// In which contests it is.
    pub contests: Contests,
    /// How it is run.
    pub work: Work,
}

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// This project's.
    Own,
    /// The machine's.
    Floor,
    /// This package's.
    Package(&'static str),
    /// The standard library's.
    Std,
    /// The kernel's.
    Kernel,
}

/// In which contests a contestant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contests {
    /// Throughput of all sizes, and round trips, both ends spinning.
    All,
    /// The same, and round trips, both ends asleep.
    Own,
    /// The same of 64-byte messages.
    OwnSmall,
    /// The same of messages that a slot takes.
    Slots,
    /// Throughput of all sizes.
    Throughput,
    /// Throughput of 64-byte messages.
    Small,
    /// Round trips, both ends spinning.
    Spinning,
    /// Round trips, both ends asleep.
    Parked,
    /// Round trips, both.
    Trips,
}

/// How a contestant is run.
#[derive(Clone, Copy)]
pub enum Work {
    /// Both ends are made together.
    Pair {
        /// A round of throughput.
        race: fn(&Order) -> Result<Race, String>,
        /// A round of trips.
        trips: fn(&Order) -> Result<Trips, String>,
    },
    /// The ends find each other by name.
    Named {
        /// One end.
        end: End,
        /// The end that holds the watch in a round of trips.
        near: fn(&Order) -> Result<Trips, String>,
        /// Whether each end but one is in another process.
        processes: bool,
    },
    /// A floor of round trips, between processes.
    Floor(Floor),
    /// A floor of one thread.
    Alone(fn(&Order) -> Result<Race, String>),
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pair { .. } => "Pair",
            Self::Named { processes: true, .. } => "Named, processes",
            Self::Named { .. } => "Named, threads",
            Self::Floor(_) => "Floor",
            Self::Alone(_) => "Alone",
        })
    }
}

impl Work {
    /// Ends that are made together, in one process.
    #[must_use]
    pub fn pair<Q: Pair>() -> Self {
        Self::Pair { race: pair_race::<Q>, trips: pair_trips::<Q> }
    }

    /// Ends that find each other by name, in threads.
    #[must_use]
    pub fn threads<Q: Named>() -> Self {
        Self::Named { end: named_end::<Q>, near: named_near::<Q>, processes: false }
    }

    /// Ends that find each other by name, in processes.
    #[must_use]
    pub fn processes<Q: Named>() -> Self {
        Self::Named { end: named_end::<Q>, near: named_near::<Q>, processes: true }
    }
}

impl Contestant {
    pub(crate) fn new(name: &'static str, peer: Peer, transport: &'static str, work: Work) -> Self {
        Self {
            name,
            peer,
            transport,
            mode: Mode::Spsc,
            senders: 1,
            receivers: 1,
            batches: false,
            contests: Contests::All,
            work,
        }
    }

    pub(crate) fn mode(self, mode: Mode, senders: usize, receivers: usize) -> Self {
        Self { mode, senders, receivers, ..self }
    }

    pub(crate) fn batches(self) -> Self {
        Self { batches: true, ..self }
    }

    pub(crate) fn only(self, contests: Contests) -> Self {
        Self { contests, ..self }
    }

    /// Whether it is somebody else's.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        !matches!(self.peer, Peer::Own | Peer::Floor)
    }

    /// Whether it is in another process but for one end.
    #[must_use]
    pub fn has_workers(&self) -> bool {
        matches!(self.work, Work::Named { processes: true, .. } | Work::Floor(_))
    }
}

/// All of them; peers only in builds that have them. The same in every process of a run.
#[must_use]
pub fn contestants() -> Vec<Contestant> {
    let mut all = floors();
    all.extend(own());
    #[cfg(feature = "peers")]
    all.extend(crate::peers::contestants());
    all
}

fn floors() -> Vec<Contestant> {
    let trips = |name, transport, floor, contests| {
        Contestant::new(name, Peer::Floor, transport, Work::Floor(floor)).only(contests)
    };
    vec![
        trips("floor:one-line", "ipc", Floor::OneLine, Contests::Spinning),
        trips("floor:two-line", "ipc", Floor::TwoLines, Contests::Spinning),
        trips("floor:two-line-read-only", "ipc", Floor::TwoLinesReadOnly, Contests::Spinning),
        trips("floor:futex", "ipc", Floor::Futex, Contests::Parked),
        trips("floor:tcp", "tcp", Floor::Tcp, Contests::Trips),
        Contestant::new("floor:memcpy", Peer::Floor, "memory", Work::Alone(crate::floor::memcpy))
            .only(Contests::Throughput),
        Contestant::new("floor:tcp", Peer::Floor, "tcp", Work::processes::<stream::Tcp>())
            .batches()
            .only(Contests::Throughput),
    ]
}

fn own() -> Vec<Contestant> {
    use adit::{InPlace, Ipc, Kept, Memory, PlainSockets, Shm, Slots, Tcp, Typed, Unix};
    let one = |name, transport, work| Contestant::new(name, Peer::Own, transport, work).batches();
    let memory = |name| one(name, "memory", Work::threads::<Typed<Memory>>());
    let ipc = |name| one(name, "ipc", Work::processes::<Typed<Ipc>>());
    let file = |name| one(name, "file", Work::processes::<Typed<Kept>>());
    let shm = |name| one(name, "shm", Work::processes::<Typed<Shm>>());
    let tcp = |name| one(name, "tcp", Work::processes::<Typed<Tcp>>());
    let unix = |name| one(name, "unix", Work::processes::<Typed<Unix>>());
    let plain = |transport, work| one("adit:plain-sockets", transport, work).only(Contests::OwnSmall);
    vec![
        memory("adit").only(Contests::Own),
        ipc("adit").only(Contests::Own),
        one("adit:slots", "memory", Work::threads::<Slots<Memory>>()).only(Contests::Slots),
        one("adit:slots", "ipc", Work::processes::<Slots<Ipc>>()).only(Contests::Slots),
        shm("adit").only(Contests::Own),
        file("adit").only(Contests::OwnSmall),
        tcp("adit").only(Contests::Own),
        unix("adit").only(Contests::Own),
        plain("tcp", Work::processes::<Typed<PlainSockets<Tcp>>>()),
        plain("unix", Work::processes::<Typed<PlainSockets<Unix>>>()),
        memory("adit").mode(Mode::Mpsc, 2, 1).only(Contests::Throughput),
        ipc("adit").mode(Mode::Mpsc, 2, 1).only(Contests::Throughput),
        shm("adit").mode(Mode::Mpsc, 2, 1).only(Contests::Small),
        tcp("adit").mode(Mode::Mpsc, 2, 1).only(Contests::Throughput),
        unix("adit").mode(Mode::Mpsc, 2, 1).only(Contests::Throughput),
        memory("adit").mode(Mode::Spmc, 1, 2).only(Contests::Throughput),
        ipc("adit").mode(Mode::Spmc, 1, 2).only(Contests::Throughput),
        tcp("adit").mode(Mode::Spmc, 1, 2).only(Contests::Small),
        unix("adit").mode(Mode::Spmc, 1, 2).only(Contests::Small),
        memory("adit").mode(Mode::Mpmc, 2, 2).only(Contests::Throughput),
        ipc("adit").mode(Mode::Mpmc, 2, 2).only(Contests::Throughput),
        tcp("adit").mode(Mode::Mpmc, 2, 2).only(Contests::Small),
        unix("adit").mode(Mode::Mpmc, 2, 2).only(Contests::Small),
        memory("adit").mode(Mode::Broadcast, 1, 2).only(Contests::Throughput),
        ipc("adit").mode(Mode::Broadcast, 1, 2).only(Contests::Throughput),
        tcp("adit").mode(Mode::Broadcast, 1, 2).only(Contests::Small),
        unix("adit").mode(Mode::Broadcast, 1, 2).only(Contests::Small),
        memory("adit:one-sender").mode(Mode::Mpsc, 1, 1).only(Contests::Small),
        ipc("adit:one-sender").mode(Mode::Mpsc, 1, 1).only(Contests::Small),
        one("adit:any-length", "memory", Work::threads::<InPlace<Memory>>()).only(Contests::Small),
        one("adit:any-length", "ipc", Work::processes::<InPlace<Ipc>>()).only(Contests::Small),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let mut names: Vec<_> = contestants()
            .iter()
            .map(|one| (one.name, one.transport, one.mode, format!("{:?}", one.contests)))
            .collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
