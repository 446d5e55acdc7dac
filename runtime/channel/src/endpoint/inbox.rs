//! Where new lanes wait for the receiver, and how many there may be.

use std::os::fd::OwnedFd;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use adit_ring::park::{Park as _, SleepOn};

use super::OpenFailure;
use crate::{
    futex::{Futex, MAX_WORDS},
    lane::{Mode, ReaderLane},
};

/// The most senders of a channel at one time.
pub const MAX_SENDERS: usize = 64;

/// The most lanes, those of senders that are gone but not drained included: with the inbox's own word, as many
/// as a receiver can sleep on.
const MAX_LANES: usize = MAX_WORDS - 1;

/// A place among a limited number; given back when dropped.
#[derive(Debug)]
pub(crate) struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    /// A place, if fewer than `most` are taken.
    pub fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| (count < most).then_some(count + 1))
            .ok()
            .map(|_| Self(Arc::clone(taken)))
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Where lanes come from that nobody announces.
pub(crate) trait LaneSource: Send + std::fmt::Debug {
    /// A lane that was not there before. It is asked often, and need not look each time.
    fn next_lane(&mut self) -> Option<Result<ReaderLane, OpenFailure>>;
}

/// Lanes that joined and that the receiver has not taken over yet.
#[derive(Debug)]
pub(crate) struct Inbox {
    mode: Mode,
    lanes: Mutex<Vec<ReaderLane>>,
    /// How many ever joined; a receiver sleeps on it.
    arrivals: AtomicU64,
    /// How many of them were taken over or closed; written under the lock.
    taken: AtomicU64,
    /// How many are being let in.
    expected: AtomicUsize,
    senders: Arc<AtomicUsize>,
    undrained: Arc<AtomicUsize>,
    futex: Futex,
    source: Option<Mutex<Box<dyn LaneSource>>>,
    /// Lanes of the source that could not be used.
    unusable: AtomicU64,
    /// Rung as well when a lane joins, for a receiver that sleeps on sockets.
    bell: Option<Arc<OwnedFd>>,
}

impl Inbox {
    /// An inbox whose lanes come from `source` too.
    pub fn with_source(mode: Mode, source: Box<dyn LaneSource>) -> Self {
        Self { source: Some(Mutex::new(source)), ..Self::new(mode) }
    }

    /// An inbox whose lanes are a network's.
    pub fn with_bell(mode: Mode, bell: OwnedFd) -> Self {
        Self { bell: Some(Arc::new(bell)), ..Self::new(mode) }
    }

    pub fn bell(&self) -> Option<&Arc<OwnedFd>> {
        self.bell.as_ref()
    }

    pub fn new(mode: Mode) -> Self {
        Self {
            bell: None,
            mode,
            lanes: Mutex::default(),
            arrivals: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            expected: AtomicUsize::new(0),
            senders: Arc::default(),
            undrained: Arc::default(),
            futex: Futex::new(),
            source: None,
            unusable: AtomicU64::new(0),
        }
    }

    /// Whether lanes may come that nobody announces.
    pub fn has_source(&self) -> bool {
        self.source.is_some()
    }

    /// Looks whether the source has new lanes.
    pub fn look(&self) {
        let Some(source) = &self.source else { return };
        let mut source = source.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(lane) = source.next_lane() {
            match lane {
                Ok(lane) => self.put(lane),
                Err(_) => drop(self.unusable.fetch_add(1, Ordering::Relaxed)),
            }
        }
    }

    /// How many lanes of the source could not be used.
    pub fn unusable(&self) -> u64 {
        self.unusable.load(Ordering::Relaxed)
    }

    /// Places for one more sender and its lane: the sender's is given back when it leaves, the lane's when it
    /// is drained.
    pub fn tickets(&self) -> Result<(Ticket, Ticket), OpenFailure> {
        let most = if self.mode.is_merged() { MAX_SENDERS } else { 1 };
        let sender = Ticket::take(&self.senders, most).ok_or(OpenFailure::SendersTaken { most })?;
        let lane =
            Ticket::take(&self.undrained, MAX_LANES).ok_or(OpenFailure::SendersTaken { most: MAX_LANES })?;
        Ok((sender, lane))
    }

    /// A sender is being let in, which hears of it before its lane is put here: while the guard lives, the receiver does not
    /// say that all have gone.
    pub fn expect(&self) -> Expected<'_> {
        self.expected.fetch_add(1, Ordering::AcqRel);
        Expected(self)
    }

    /// Whether somebody comes, or has come.
    pub fn is_due(&self) -> bool {
        // In this order: a lane is put before it is expected no more.
        self.expected.load(Ordering::Acquire) > 0 || self.has_lanes()
    }

    /// Hands a lane to the receiver and wakes it.
    pub fn put(&self, lane: ReaderLane) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.push(lane);
        self.arrivals.fetch_add(1, Ordering::Release);
        if let Some(bell) = &self.bell {
            // Under the lock, as it is heard: a bell that is rung for what was taken already would never be.
            // It can only fail when it has been rung 2^64 times without being heard.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
        drop(lanes);
        self.futex.wake(&self.arrivals);
    }

    /// Whether senders have many receivers to choose from.
    pub fn is_spread(&self) -> bool {
        self.mode.is_spread()
    }

    /// Whether a lane waits.
    #[inline(always)]
    pub fn has_lanes(&self) -> bool {
        self.arrivals.load(Ordering::Acquire) != self.taken.load(Ordering::Relaxed)
    }

    /// Whether a lane waits, or may come unannounced.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.source.is_some() | self.has_lanes()
    }

    /// Whether a receiver that has `lanes` may take over another now.
    pub fn may_take(&self, lanes: usize) -> bool {
        self.mode.is_merged() || lanes == 0
    }

    /// Moves the oldest lane, or where many may send all of them, to the end of `into`.
    pub fn take(&self, into: &mut Vec<ReaderLane>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = if self.mode.is_merged() { lanes.len() } else { lanes.len().min(1) };
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        into.extend(lanes.drain(..count));
        if let Some(bell) = self.bell.as_ref().filter(|_| lanes.is_empty()) {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
    }

    /// Closes the lanes that nobody took over.
    pub fn clear(&self) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        self.taken.fetch_add(lanes.len() as u64, Ordering::Relaxed);
        let closed = std::mem::take(&mut *lanes);
        // To close them calls wakers and waits for writers to wake: not under the lock.
        drop(lanes);
        drop(closed);
    }

    /// What to sleep on until a lane joins; `None`: one has.
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let expected = self.taken.load(Ordering::Relaxed) as u32;
        (!self.has_lanes()).then_some(SleepOn { word: &self.arrivals, expected })
    }
}

/// Somebody is being let in.
#[derive(Debug)]
pub(crate) struct Expected<'a>(&'a Inbox);

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.0.expected.fetch_sub(1, Ordering::AcqRel);
    }
}
