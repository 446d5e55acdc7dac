//! What goes together, and what does not.

use adit_ring::stream::{BadCapacity, Framing, MAX_CAPACITY, MIN_CAPACITY};

use super::Builder;
use crate::{
    endpoint::{MAX_RECEIVERS, OnFull, OpenFailure},
    lane::{MAX_ARENA, Mode, Spec},
    uri::{Transport, Uri},
};

impl Builder {
    /// The same, with what all ends must agree on.
    pub(super) fn checked(&self) -> Result<Self, OpenFailure> {
        Ok(Self { spec: self.check()?, ..self.clone() })
    }

    fn check(&self) -> Result<Spec, OpenFailure> {
        let capacity = self.spec.capacity;
        if !capacity.is_power_of_two() || !(MIN_CAPACITY..=MAX_CAPACITY).contains(&capacity) {
            return Err(OpenFailure::Capacity(BadCapacity(capacity)));
        }
        let over_udp = self.uri.transport() == Transport::Udp;
        // Whatever is sent there reaches all.
        let mode = if over_udp && self.spec.mode == Mode::Broadcast { Mode::Mpsc } else { self.spec.mode };
        let overwrites = matches!(self.on_full, OnFull::OverwriteOldest | OnFull::Latest);
        if overwrites && mode != Mode::Broadcast {
            return Err(OpenFailure::Unsupported(if over_udp {
                "over udp:// nothing is overwritten: what the network does not take waits, or is lost"
            } else {
                "only a broadcast overwrites the oldest or keeps the latest"
            }));
        }
        if self.measure && mode == Mode::Broadcast {
            return Err(OpenFailure::Unsupported("a broadcast does not measure latency"));
        }
        if self.measure && matches!(self.uri.transport(), Transport::Tcp | Transport::Unix | Transport::Udp) {
            return Err(OpenFailure::Unsupported(
                "latencies are measured within a machine's memory (memory://, ipc://): no frame carries a time",
            ));
        }
        self.check_mode()?;
        self.check_arena()?;
        self.check_slots()?;
        if self.spec.kind.arena() > 0 {
            return Err(OpenFailure::Kind(
                "an arena is asked for with `arena`, not by the message's kind".into(),
            ));
        }
        self.spec.kind.check().map_err(|error| OpenFailure::Kind(error.0.into()))?;
        let longest = match mode {
            Mode::Broadcast => adit_ring::broadcast::longest(capacity),
            _ => adit_ring::stream::longest_fixed(capacity),
        };
        let size = match self.spec.kind.framing() {
            Framing::Fixed(size) => Some(size),
            Framing::Records => None,
        };
        match size {
            Some(size) if size > longest => Err(OpenFailure::Kind(format!(
                "messages of {size} bytes do not fit a capacity of {capacity}, which takes {longest}"
            ))),
            _ if self.measure && matches!(self.uri.transport(), Transport::File | Transport::Shm) => {
                Err(OpenFailure::Kind("a channel that survives its processes cannot measure latency".into()))
            }
            _ => {
                let kind = self.spec.kind.clone().measured(self.measure);
                let kind = if self.arena == 0 { kind } else { kind.with_arena(self.arena) };
                Ok(Spec { kind, mode, ..self.spec })
            }
        }
    }

    /// Which modes a transport carries.
    fn check_mode(&self) -> Result<(), OpenFailure> {
        let wrong = match (self.uri.transport(), self.spec.mode) {
            (_, mode) if !self.others.is_empty() && (mode != Mode::Mpmc || !self.is_connected()) => {
                "several addresses (also_at) are of receivers that senders call, in Mpmc over tcp:// and unix://"
            }
            _ if !self.others.iter().all(Uri::is_connected) => {
                "also_at takes addresses of tcp:// and unix://"
            }
            _ if self.others.len() >= MAX_RECEIVERS => "a sender calls 64 receivers at most",
            (_, Mode::Spsc | Mode::Mpsc)
            | (Transport::Udp, Mode::Broadcast)
            | (Transport::Memory | Transport::Ipc | Transport::Tcp | Transport::Unix, _) => return Ok(()),
            (Transport::Udp, _) => "of a udp:// channel each receiver gets everything: open it as Broadcast",
            (Transport::File | Transport::Shm, _) => {
                "channels that survive their processes (file://, shm://) have one receiver"
            }
        };
        Err(OpenFailure::Unsupported(wrong))
    }

    fn check_slots(&self) -> Result<(), OpenFailure> {
        let wrong = if !self.spec.kind.has_slots() {
            return Ok(());
        } else if !matches!(self.uri.transport(), Transport::Memory | Transport::Ipc) {
            "slots are for memory:// and ipc://, whose ends live at the same time: open it with `of`"
        } else if self.measure {
            "latencies are not measured in channels of slots: open it with `of`"
        } else if self.on_full != OnFull::default() {
            "on_full is for channels that are opened with `of`; try_send says when there is no room in slots"
        } else if !matches!(self.spec.mode, Mode::Spsc | Mode::Mpsc) {
            "slots are for one receiver (Spsc, Mpsc): open it with `of`"
        } else if self.publish_every != 0 {
            "what stands in a slot is published by itself: publish_every is for channels that are opened with `of`"
        } else {
            return Ok(());
        };
        Err(OpenFailure::Unsupported(wrong))
    }

    fn check_arena(&self) -> Result<(), OpenFailure> {
        let wrong = if self.arena == 0 {
            return Ok(());
        } else if self.spec.kind.size().is_some() {
            "an arena is for messages of any length"
        } else if matches!(self.uri.transport(), Transport::Tcp | Transport::Unix | Transport::Udp) {
            "channels on networks (tcp://, unix://, udp://) have no arena"
        } else if self.arena > MAX_ARENA {
            "an arena has 1 TiB at most"
        } else if self.spec.capacity < 2 * MIN_CAPACITY {
            "a ring beside an arena has 128 bytes at least"
        } else {
            return Ok(());
        };
        Err(OpenFailure::Unsupported(wrong))
    }
}
