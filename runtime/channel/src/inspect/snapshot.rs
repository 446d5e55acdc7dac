//! What a channel's listening end tells an onlooker, and its bytes (spec: INS-1.3).
//!
//! ```text
//!  request: 16 bytes                answer: 256 bytes, then 192 for each lane; words of 8 bytes
//!    0  magic "ADITLOOK"              0  magic "ADITSEEN"     10  flags: 1 latency is measured
//!    8  version                       1  version              11  senders that ever joined
//!                                     2  pid                  12  lanes that are retired, then of them:
//!  a lane: 24 words                   3  mode                 13  messages and bytes sent,
//!    0  number                        4  capacity             15  messages and bytes received, drops
//!    1  sender's pid                  5  size, alignment      18  latency: count, mean, p50, p90, p99, most
//!    2  flags: 1 closed, 2 dead       6  length of the name   24  type name, padded with zeros
//!    3  bytes that wait               7  lanes in this answer
//!    4  six counters of the sender    8  lanes left out
//!   10  six counters of the receiver  9  nanoseconds of CLOCK_MONOTONIC
//!   16  latency, as above
//!   22  zero
//! ```

use std::time::Duration;

use crate::{
    endpoint::OpenFailure,
    lane::{Counters, MAX_TYPE_NAME, MessageKind, Mode},
};

/// Of the request and the answer; magic and version stay where they are in every version.
const VERSION: u64 = 1;

/// The most lanes in one answer.
pub const MAX_LANES: usize = 512;

pub(crate) const REQUEST: usize = 16;

/// The longest answer.
pub(crate) const MAX_ANSWER: usize = (START + MAX_LANES * LANE) * 8;

const START: usize = 32;
const LANE: usize = 24;
const NAME: usize = 24;

const ASK: u64 = u64::from_le_bytes(*b"ADITLOOK");
const SEEN: u64 = u64::from_le_bytes(*b"ADITSEEN");

/// One look at a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The process that listens, as it says: the receiver's, and in a broadcast the sender's.
    pub pid: u32,
    /// How many may send and receive.
    pub mode: Mode,
    /// What every message is.
    pub kind: MessageKind,
    /// Bytes of a lane.
    pub capacity: u64,
    /// When the look was taken: the machine's monotonic clock.
    pub time: Duration,
    /// Senders that ever joined, or a broadcast's receivers.
    pub joined: u64,
    /// What lanes did that are retired; in a broadcast, of what was sent all.
    pub retired: Retired,
    /// The lanes, oldest first.
    pub lanes: Vec<LaneSnapshot>,
    /// Lanes that did not fit: more than [`MAX_LANES`].
    pub left_out: u64,
    /// Of all lanes that are there; `None` where the channel does not measure it.
    pub latency: Option<LatencySummary>,
}

/// Sums over lanes that are retired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    /// How many lanes.
    pub lanes: u64,
    /// Messages that were sent.
    pub sent_messages: u64,
    /// Bytes of them.
    pub sent_bytes: u64,
    /// Messages that were received.
    pub received_messages: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Messages that were dropped because there was no room.
    pub drops: u64,
}

/// One look at a lane, or at what a broadcast's receiver takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSnapshot {
    /// The number of the join: it names the lane as long as the listening end lives.
    pub number: u64,
    /// The sender's process, as the kernel says; in a broadcast the receiver's.
    pub sender: u32,
    /// That end closed it; a lane is being drained.
    pub closed: bool,
    /// The process of that end is gone; a lane is being drained.
    pub dead: bool,
    /// Bytes that wait to be read, headers included.
    pub depth: u64,
    /// What the sender counted.
    pub sent: Counters,
    /// What the receiver counted.
    pub received: Counters,
    /// From sending to reading; `None` where the channel does not measure it.
    pub latency: Option<LatencySummary>,
}

/// A distribution of one-way latencies, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencySummary {
    /// Messages that were measured; not all are.
    pub count: u64,
    /// Their mean.
    pub mean: u64,
    /// Half of them took no longer.
    pub p50: u64,
    /// Nine of ten took no longer.
    pub p90: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// None took longer.
    pub most: u64,
}

impl Snapshot {
    /// Messages that were ever sent, and their bytes. In a broadcast each counts once.
    #[must_use]
    pub fn sent(&self) -> (u64, u64) {
        let retired = (self.retired.sent_messages, self.retired.sent_bytes);
        if self.mode == Mode::Broadcast {
            return retired;
        }
        self.lanes.iter().fold(retired, |sum, lane| add(sum, (lane.sent.messages, lane.sent.bytes)))
    }

    /// Messages that were ever received, and their bytes.
    #[must_use]
    pub fn received(&self) -> (u64, u64) {
        let retired = (self.retired.received_messages, self.retired.received_bytes);
        self.lanes.iter().fold(retired, |sum, lane| add(sum, (lane.received.messages, lane.received.bytes)))
    }

    /// Messages that were ever dropped because there was no room.
    #[must_use]
    pub fn drops(&self) -> u64 {
        if self.mode == Mode::Broadcast {
            return self.retired.drops;
        }
        self.lanes.iter().fold(self.retired.drops, |sum, lane| sum.saturating_add(lane.sent.drops))
    }

    /// Bytes that wait to be read in all lanes together.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.lanes.iter().fold(0, |sum: u64, lane| sum.saturating_add(lane.depth))
    }

    /// The most bytes that ever waited in one of the lanes that are there.
    #[must_use]
    pub fn depth_most(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.received.depth.max(lane.depth)).max().unwrap_or(0)
    }

    /// The bytes of an answer. Lanes beyond [`MAX_LANES`] are counted as left out.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let shown = self.lanes.len().min(MAX_LANES);
        let mut words = vec![0_u64; START];
        let name = self.kind.name().as_bytes();
        let fixed = [
            SEEN,
            VERSION,
            self.pid.into(),
            self.mode.to_number().into(),
            self.capacity,
            u64::from(self.kind.size_or_arena()) | u64::from(self.kind.alignment_and_flag()) << 32,
            name.len() as u64,
            shown as u64,
            self.left_out + (self.lanes.len() - shown) as u64,
            self.time.as_nanos() as u64,
            u64::from(self.latency.is_some()),
            self.joined,
        ];
        words[..12].copy_from_slice(&fixed);
        let Retired { lanes, sent_messages, sent_bytes, received_messages, received_bytes, drops } =
            self.retired;
        words[12..18].copy_from_slice(&[
            lanes,
            sent_messages,
            sent_bytes,
            received_messages,
            received_bytes,
            drops,
        ]);
        words[18..24].copy_from_slice(&latency_words(self.latency));
        for lane in &self.lanes[..shown] {
            let flags = u64::from(lane.closed) | u64::from(lane.dead) << 1;
            words.extend([lane.number, lane.sender.into(), flags, lane.depth]);
            words.extend(counter_words(&lane.sent));
            words.extend(counter_words(&lane.received));
            words.extend(latency_words(lane.latency));
            words.extend([0; 2]);
        }
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        bytes[NAME * 8..][..name.len()].copy_from_slice(name);
        bytes
    }

    /// Reads what a listening process answered.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, OpenFailure> {
        let wrong = |what: &str| OpenFailure::Peer(format!("its answer of {} bytes {what}", bytes.len()));
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_le_bytes(std::array::from_fn(|at| word[at])))
            .collect();
        match words[..] {
            [SEEN, VERSION, ..] => {}
            [SEEN, version, ..] => {
                let (ours, theirs) = (VERSION.to_string(), version.to_string());
                return Err(OpenFailure::Mismatch { what: "version of inspection", ours, theirs });
            }
            _ => return Err(wrong("does not begin with ADITSEEN")),
        }
        let lanes = words.get(7).copied().unwrap_or(0);
        // spec: INS-1.4
        if lanes > MAX_LANES as u64 || bytes.len() != (START + lanes as usize * LANE) * 8 {
            return Err(wrong("has not the right length"));
        }
        let pid = u32::try_from(words[2]).map_err(|_| wrong("has an impossible pid"))?;
        let mode = u32::try_from(words[3]).ok().and_then(Mode::from_number);
        let mode = mode.ok_or_else(|| wrong("has an unknown mode"))?;
        let name = usize::try_from(words[6]).ok().filter(|length| *length <= MAX_TYPE_NAME);
        let name = name.and_then(|length| std::str::from_utf8(&bytes[NAME * 8..][..length]).ok());
        let name = name.ok_or_else(|| wrong("has no type name"))?;
        let kind = MessageKind::from_parts(name.to_owned(), words[5] as u32, (words[5] >> 32) as u32);
        kind.check().map_err(|_| wrong("has an impossible message type"))?;
        let measured = words[10] & 1 != 0;
        Ok(Self {
            pid,
            mode,
            kind,
            capacity: words[4],
            time: Duration::from_nanos(words[9]),
            joined: words[11],
            retired: Retired {
                lanes: words[12],
                sent_messages: words[13],
                sent_bytes: words[14],
                received_messages: words[15],
                received_bytes: words[16],
                drops: words[17],
            },
            lanes: words[START..].chunks_exact(LANE).map(|words| lane(words, measured)).collect(),
            left_out: words[8],
            latency: measured.then(|| latency(&words[18..])),
        })
    }
}

/// The bytes of a request. spec: INS-1.1
pub(crate) fn request() -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..8].copy_from_slice(&ASK.to_le_bytes());
    bytes[8..].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// Whether a guest's first bytes ask for a look, in whatever version.
pub(crate) fn is_request(bytes: &[u8]) -> bool {
    bytes.len() == REQUEST && bytes.starts_with(&ASK.to_le_bytes())
}

fn add(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.saturating_add(b.0), a.1.saturating_add(b.1))
}

fn counter_words(counters: &Counters) -> [u64; 6] {
    let Counters { messages, bytes, stalls, wakes, drops, lost: _, depth } = *counters;
    [messages, bytes, stalls, wakes, drops, depth]
}

fn counters(words: &[u64]) -> Counters {
    Counters {
        // Of broadcasts and of senders to many, of which no lane tells it.
        lost: 0,
        messages: words[0],
        bytes: words[1],
        stalls: words[2],
        wakes: words[3],
        drops: words[4],
        depth: words[5],
    }
}

fn latency_words(latency: Option<LatencySummary>) -> [u64; 6] {
    let LatencySummary { count, mean, p50, p90, p99, most } = latency.unwrap_or_default();
    [count, mean, p50, p90, p99, most]
}

fn latency(words: &[u64]) -> LatencySummary {
    LatencySummary {
        count: words[0],
        mean: words[1],
        p50: words[2],
        p90: words[3],
        p99: words[4],
        most: words[5],
    }
}

fn lane(words: &[u64], measured: bool) -> LaneSnapshot {
    LaneSnapshot {
        number: words[0],
        sender: words[1] as u32,
        closed: words[2] & 1 != 0,
        dead: words[2] & 2 != 0,
        depth: words[3],
        sent: counters(&words[4..10]),
        received: counters(&words[10..16]),
        latency: measured.then(|| latency(&words[16..22])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn snapshot(lanes: usize, measured: bool) -> Snapshot {
        let latency = LatencySummary { count: 9, mean: 300, p50: 250, p90: 400, p99: 900, most: 1000 };
        let latency = measured.then_some(latency);
        let counters =
            |messages| Counters { messages, bytes: 64, stalls: 3, wakes: 4, drops: 5, lost: 0, depth: 6 };
        let lane = |number: usize| LaneSnapshot {
            number: number as u64,
            sender: 77,
            closed: number % 2 == 1,
            dead: number % 3 == 1,
            depth: 8,
            sent: counters(10),
            received: counters(9),
            latency,
        };
        Snapshot {
            pid: 4711,
            mode: Mode::Mpsc,
            kind: MessageKind::fixed("sample::Frame", 48, 16),
            capacity: 1 << 20,
            time: Duration::from_nanos(123_456_789),
            joined: 12,
            retired: Retired {
                lanes: 2,
                sent_messages: 100,
                sent_bytes: 200,
                received_messages: 90,
                received_bytes: 180,
                drops: 7,
            },
            lanes: (0..lanes).map(lane).collect(),
            left_out: 0,
            latency,
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        for (lanes, measured) in [(0, false), (1, true), (MAX_LANES, true), (3, false)] {
            let written = snapshot(lanes, measured);
            assert_eq!(Snapshot::from_bytes(&written.to_bytes()).unwrap(), written);
        }
    }

    #[test]
    fn lanes_that_do_not_fit_are_counted() {
        let bytes = snapshot(MAX_LANES + 5, false).to_bytes();
        assert_eq!(bytes.len(), MAX_ANSWER);
        let read = Snapshot::from_bytes(&bytes).unwrap();
        assert_eq!((read.lanes.len(), read.left_out), (MAX_LANES, 5));
    }

    #[test]
    fn sums_are_over_all_lanes_and_those_that_are_gone() {
        let snapshot = snapshot(3, false);
        assert_eq!(snapshot.sent(), (130, 392));
        assert_eq!(snapshot.received(), (117, 372));
        assert_eq!((snapshot.drops(), snapshot.depth(), snapshot.depth_most()), (22, 24, 8));
    }

    #[test]
    fn another_version_says_both() {
        let mut bytes = snapshot(0, false).to_bytes();
        bytes[8] = 9;
        let error = Snapshot::from_bytes(&bytes).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "the version of inspection differs: this side asks for 1, the other side has 9;"
            ),
            "{error}"
        );
        assert!(is_request(&request()));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(
            at in 0..(START + 2 * LANE) * 8,
            value in any::<u64>(),
            len in 0..(START + 3 * LANE) * 8,
            noise in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut bytes = snapshot(2, true).to_bytes();
            let whole = bytes.len();
            let end = (at + 8).min(whole);
            bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
            if let Ok(read) = Snapshot::from_bytes(&bytes) {
                let _ = (read.sent(), read.received(), read.drops(), read.depth(), read.depth_most());
            }
            bytes.resize(len, 0);
            prop_assert!(len == whole || Snapshot::from_bytes(&bytes).is_err());
            prop_assert!(Snapshot::from_bytes(&noise).is_err());
            prop_assert!(!is_request(&noise));
        }
    }
}
