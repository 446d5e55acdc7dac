//! How long messages take from one end to the other, where a channel asks for it.
//!
//! The sender stamps a message now and then ([`adit_ring::stamp`]), and the receiver counts what it finds in a
//! histogram in its own region. Both stand in the rest of the first page of the regions, so that a channel which
//! does not measure has the same layout.
//!
//! ```text
//!  writer's region:  512  stamps                     reader's region:  1024  sum, most, buckets
//! ```

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;
use adit_ring::stamp::{STAMP_WORDS, STAMPS, Stamp, StampReader, StampWriter};
use rustix::time::{ClockId, clock_gettime};

use super::memory::Words;
use crate::latency::{BUCKETS, Latency, bucket_of};

const STAMPS_AT: usize = 512;
const HISTOGRAM_AT: usize = 1024;
const HISTOGRAM_WORDS: usize = 2 + BUCKETS;

const _: () = assert!(STAMPS_AT + STAMP_WORDS * 8 <= 4096 && HISTOGRAM_AT + HISTOGRAM_WORDS * 8 <= 4096);

/// Between two stamps lie at least so many nanoseconds, or the distance doubles.
const OFTEN: u64 = 50_000;

/// And at most so many, or it halves.
const SELDOM: u64 = 200_000;

/// After so many each message is stamped, until they come fast.
const RARE: u64 = 5_000_000;

/// The longest distance, in bytes.
const FARTHEST: u64 = 256 << 10;

/// After so many wakes the next message is stamped: each of them costs far more than a stamp.
pub(super) const WAKES: u64 = 16;

/// Decides which messages are stamped. spec: INS-2.2
#[derive(Debug)]
pub(super) struct Stamper {
    writer: StampWriter<Words>,
    /// Bytes from one stamp to the next.
    distance: u64,
    last: u64,
}

impl Stamper {
    pub fn new(own: &Arc<Region>) -> Self {
        let words = Words::new(Arc::clone(own), STAMPS_AT, STAMP_WORDS);
        Self { writer: StampWriter::new(words), distance: 1, last: 0 }
    }

    /// Stamps the message that is written next, at `position`; returns where the next stamp is due. The reader has
    /// read as far as `head`.
    #[cold]
    pub fn stamp(&mut self, position: u64, head: u64) -> u64 {
        let time = now();
        let since = time.saturating_sub(self.last);
        if since < OFTEN {
            self.distance = (self.distance * 2).min(FARTHEST);
        } else if since > RARE {
            self.distance = 1;
        } else if since > SELDOM {
            self.distance = (self.distance / 2).max(1);
        }
        self.last = time;
        self.writer.stamp(Stamp { position, time }, head);
        position + self.distance
    }
}

/// Counts what stamps tell. spec: INS-2.3
#[derive(Debug)]
pub(super) struct Meter {
    stamps: StampReader<Words>,
    histogram: Words,
}

impl Meter {
    pub fn new(own: &Arc<Region>, peer: &Arc<Region>) -> Self {
        let stamps = StampReader::new(Words::new(Arc::clone(peer), STAMPS_AT, STAMP_WORDS));
        Self { stamps, histogram: histogram_words(own) }
    }

    /// Counts the stamps up to `head`, where a message is read now; returns where the next stamped one is, as far
    /// as is known of those that are published.
    #[inline]
    pub fn read_to(&mut self, head: u64) -> u64 {
        self.read_at(head, now)
    }

    /// Counts the stamps of messages that were read together, of a batch that began at `time` and ended before `position`.
    pub fn read_batch(&mut self, position: u64, time: u64) {
        if let Some(last) = position.checked_sub(1) {
            self.read_at(last, || time);
        }
    }

    /// As [`read_to`](Self::read_to), of messages that were read at `time`.
    fn read_at(&mut self, head: u64, time: impl Fn() -> u64) -> u64 {
        // A writer that breaks the rules may have more and more of them.
        for _ in 0..STAMPS {
            match self.stamps.look() {
                None => break,
                Some(stamp) if stamp.position > head => return stamp.position,
                Some(stamp) => {
                    self.stamps.take();
                    self.count(time().saturating_sub(stamp.time));
                }
            }
        }
        u64::MAX
    }

    #[cold]
    fn count(&self, nanoseconds: u64) {
        let [sum, most, buckets @ ..] = &self.histogram[..] else { return };
        // This end alone writes them.
        sum.store(sum.load(Ordering::Relaxed).saturating_add(nanoseconds), Ordering::Relaxed);
        most.store(most.load(Ordering::Relaxed).max(nanoseconds), Ordering::Relaxed);
        let bucket = &buckets[bucket_of(nanoseconds)];
        bucket.store(bucket.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    pub fn latency(&self) -> Latency {
        latency(&self.histogram)
    }
}

/// Where a reader counts latencies.
pub(super) fn histogram_words(reader: &Arc<Region>) -> Words {
    Words::new(Arc::clone(reader), HISTOGRAM_AT, HISTOGRAM_WORDS)
}

/// What a reader has counted so far.
pub(super) fn latency(histogram: &Words) -> Latency {
    let mut words = histogram.iter().map(|word| word.load(Ordering::Relaxed));
    let (sum, most) = (words.next().unwrap_or(0), words.next().unwrap_or(0));
    Latency::from_parts(sum, most, words.collect())
}

/// As stamps have it.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}
