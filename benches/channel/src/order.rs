//! What both ends are told about one round.

use std::{collections::BTreeSet, path::PathBuf};

use serde::{Deserialize, Serialize};

/// How many send and receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One sends, one receives.
    Spsc,
    /// Many send, one receives.
    Mpsc,
    /// One sends, many receive, each message goes to one.
    Spmc,
    /// Many send, many receive, each message goes to one.
    Mpmc,
    /// One sends, many receive, each message goes to all.
    Broadcast,
}

impl Mode {
    /// As programs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spsc => "spsc",
            Self::Mpsc => "mpsc",
            Self::Spmc => "spmc",
            Self::Mpmc => "mpmc",
            Self::Broadcast => "broadcast",
        }
    }
}

/// How the ends are held apart from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Regime {
    /// Senders send as fast as they can. An end that finds nothing to do pauses for 64 pauses of the processor,
    /// so that work gathers meanwhile.
    Saturated,
    /// A sender works before each message, two steps for each of its words (an xor with itself shifted, a
    /// multiplication), each of which needs the one before; a receiver that finds nothing looks again at once. The
    /// channel is nearly always empty.
    Starved,
    /// One message in flight, both ends look again at once.
    Spinning,
    /// One message in flight, both ends sleep in the kernel each time.
    Parked,
}

impl Regime {
    /// As programs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Starved => "starved",
            Self::Spinning => "spinning",
            Self::Parked => "parked",
        }
    }

    /// Pauses of the processor before the next look.
    #[inline(always)]
    #[must_use]
    pub fn pauses(self) -> u32 {
        if self == Self::Saturated { 64 } else { 1 }
    }
}

/// Bytes of the queues of round trips.
const TRIP_RING: usize = 1 << 16;

/// One round of one contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Which of the table.
    pub contestant: usize,
    /// Of a message.
    pub bytes: usize,
    /// How many messages are sent and taken at once.
    pub batch: usize,
    /// How the ends are held apart.
    pub regime: Regime,
    /// How many may send and receive.
    pub mode: Mode,
    /// So many do.
    pub senders: usize,
    /// So many do.
    pub receivers: usize,
    /// Messages of each sender, or round trips.
    pub messages: u64,
    /// The first so many of a receiver, or round trips, are not timed.
    pub warm: u64,
    /// Names the round: no other has it.
    pub round: u64,
    /// Where files and sockets may be put.
    pub directory: PathBuf,
    /// The same, in memory.
    pub memory: PathBuf,
    /// Where the lines of this run are.
    pub lines: PathBuf,
    /// The cores to put ends on.
    pub cores: Vec<u32>,
    /// Bytes of a queue for messages of up to 64 KiB that stream.
    pub ring: usize,
}

/// What [`Order::ring`] is if nothing else is said.
pub const RING: usize = 1 << 20;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Sends; from 0 on.
    Sender(usize),
    /// Receives; from 0 on.
    Receiver(usize),
    /// Answers each message.
    Answerer,
}

impl Order {
    /// Slots of the queue: as many as [`ring`](Self::ring) bytes hold, eight messages of 1 MiB, 64 KiB for round trips.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.ring_bytes() / self.bytes
    }

    /// Bytes of the queue.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        match self.regime {
            // One message is in flight: a ring that stays in a core's own cache, as its floor does.
            Regime::Spinning | Regime::Parked => (8 * self.bytes).next_power_of_two().max(TRIP_RING),
            _ if self.bytes > 1 << 16 => 8 * self.bytes,
            _ => self.ring,
        }
    }

    /// Whether several receivers share the messages, so that none knows how many it will get.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.mode, Mode::Spmc | Mode::Mpmc)
    }

    /// Whether there are several senders or receivers, which [meet](crate::rest::Meeting).
    #[must_use]
    pub fn has_company(&self) -> bool {
        self.senders > 1 || self.receivers > 1
    }

    /// Whether there are more ends than cores, so that an end that waits must let others run.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let cores: BTreeSet<u32> = self.cores.iter().copied().collect();
        self.senders + self.receivers > cores.len()
    }

    /// Where an end runs. With a core for each end, each has one; else senders share the first, receivers the
    /// second.
    #[must_use]
    pub fn core(&self, role: Role) -> u32 {
        let (at, kind) = match role {
            Role::Receiver(at) => (2 * at + 1, 1),
            Role::Sender(at) => (2 * at, 0),
            Role::Answerer => (0, 0),
        };
        // Pairs of ends first, whoever is left over behind them.
        let pairs = self.senders.min(self.receivers);
        let at = if at / 2 < pairs { at } else { pairs + at / 2 };
        self.cores[if self.is_crowded() { kind % self.cores.len() } else { at }]
    }

    /// A name for a thing of this round.
    #[must_use]
    pub fn name(&self, what: &str) -> String {
        format!("{what}-{}-{}", std::process::id(), self.round)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn order(senders: usize, receivers: usize, cores: &[u32]) -> Order {
        Order {
            contestant: 0,
            bytes: 64,
            batch: 1,
            regime: Regime::Saturated,
            mode: Mode::Mpmc,
            senders,
            receivers,
            messages: 1000,
            warm: 10,
            round: 1,
            directory: PathBuf::new(),
            memory: PathBuf::new(),
            lines: PathBuf::new(),
            cores: cores.to_vec(),
            ring: RING,
        }
    }

    #[test]
    fn ends_have_cores_of_their_own_while_there_are_any() {
        let places = |senders, receivers, cores: &[u32]| {
            let order = order(senders, receivers, cores);
            let senders = (0..senders).map(|at| order.core(Role::Sender(at)));
            let receivers = (0..receivers).map(|at| order.core(Role::Receiver(at)));
            (senders.collect::<Vec<_>>(), receivers.collect::<Vec<_>>())
        };
        assert_eq!(places(1, 1, &[4, 5]), (vec![4], vec![5]));
        assert_eq!(places(2, 1, &[4, 5]), (vec![4, 4], vec![5]));
        assert_eq!(places(2, 1, &[4, 5, 6]), (vec![4, 6], vec![5]));
        assert_eq!(places(1, 3, &[0, 1, 2, 3]), (vec![0], vec![1, 2, 3]));
        assert_eq!(places(2, 2, &[0, 1, 2, 3]), (vec![0, 2], vec![1, 3]));
        assert_eq!(places(1, 1, &[7]), (vec![7], vec![7]));
        assert!(order(1, 1, &[7, 7]).is_crowded() && !order(1, 1, &[7, 8]).is_crowded());
    }
}
