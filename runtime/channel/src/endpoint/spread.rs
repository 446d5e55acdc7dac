//! A sender with a lane to each of many receivers: the idle one gets the next message.
//! spec: CHN-6.1

use std::{
    any::Any,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use adit_memory::{Pages, Report};
use adit_ring::park::{Park as _, SleepOn};

use super::{
    Departed, SendError, Waiting,
    wait::{Pause, Wait},
};
use crate::{
    futex::Futex,
    lane::{Claim, Counters, DisconnectCause, Spec, WriterLane},
    sleeper::Watchword,
};

/// A receiver that is not idle gets no more than so many bytes ahead, if nothing else is said.
pub const DEFAULT_CREDIT: u64 = 4096;

/// Of its credit a receiver gets such a part before the sender looks at the others.
const RUNS: u64 = 8;

/// The most receivers of a channel at one time.
pub const MAX_RECEIVERS: usize = 64;

/// Lanes to receivers that joined and that the sender has not taken over yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lanes: Mutex<Vec<WriterLane>>,
    /// How many ever joined; a sender sleeps on it.
    arrivals: AtomicU64,
    futex: Futex,
}

impl Outbox {
    /// Hands a lane to the sender and wakes it.
    pub fn put(&self, lane: WriterLane) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.push(lane);
        self.arrivals.fetch_add(1, Ordering::Release);
        drop(lanes);
        self.futex.wake(&self.arrivals);
    }

    /// How many ever joined.
    pub fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::Acquire)
    }

    fn take(&self, into: &mut Vec<WriterLane>) -> u64 {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut lanes);
        self.arrivals()
    }

    fn sleep_on(&self, seen: u64) -> Option<SleepOn<'_>> {
        (self.arrivals() == seen).then_some(SleepOn { word: &self.arrivals, expected: seen as u32 })
    }
}

/// The sending end of a channel with many receivers.
#[derive(Debug)]
pub(crate) struct SpreadSender {
    lanes: Vec<WriterLane>,
    /// Where the next message goes; it may be out of range.
    current: usize,
    /// So many bytes go there before the others are looked at.
    left: u64,
    credit: u64,
    outbox: Arc<Outbox>,
    /// The outbox's number when it was last looked at.
    seen: u64,
    longest: usize,
    /// Of each message, if it is fixed.
    size: Option<usize>,
    publish_every: u64,
    waiting: Waiting,
    futex: Futex,
    departed: Departed,
    last: Option<DisconnectCause>,
    /// Of lanes that are gone, and what this end counted for no lane.
    retired: Counters,
    /// What is said of the placement while there is no lane.
    report: Report,
    /// What the transport holds for as long as this end lives.
    _hold: Box<dyn Any + Send>,
}

impl SpreadSender {
    pub fn new(
        outbox: Arc<Outbox>,
        hold: Box<dyn Any + Send>,
        spec: &Spec,
        credit: u64,
        publish_every: u64,
        waiting: Waiting,
    ) -> Self {
        let size = spec.kind.size().map(|size| size as usize);
        Self {
            lanes: Vec::new(),
            current: 0,
            left: 0,
            credit,
            outbox,
            seen: 0,
            longest: size.unwrap_or(adit_ring::stream::longest(spec.capacity)),
            size,
            publish_every,
            waiting,
            futex: Futex::new(),
            departed: Departed::default(),
            last: None,
            retired: Counters::default(),
            report: Report { asked: Pages::Normal, got: Pages::Normal, notes: Vec::new(), node: None },
            _hold: hold,
        }
    }

    pub fn longest(&self) -> usize {
        self.longest
    }

    pub fn receivers(&mut self) -> usize {
        self.look();
        self.lanes.len()
    }

    /// Where the lane is that joined last.
    pub fn placement(&self) -> &Report {
        self.lanes.last().map_or(&self.report, WriterLane::placement)
    }

    pub fn departed(&self) -> Departed {
        self.departed
    }

    pub fn counters(&self) -> Counters {
        let mut sum = self.retired;
        for lane in &self.lanes {
            sum.add(&lane.counters());
        }
        sum
    }

    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_quietly(message)?;
        self.lanes[self.current].wake();
        Ok(())
    }

    #[inline]
    pub fn push_quietly(&mut self, message: &[u8]) -> Result<(), SendError> {
        let size = self.choose(message.len())?;
        self.lanes[self.current].push_quietly(message)?;
        self.left -= size.min(self.left);
        Ok(())
    }

    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        let size = self.choose(len)?;
        self.left -= size.min(self.left);
        Ok(self.lanes[self.current].claim(len)?)
    }

    /// Whether a message of `len` bytes has room now.
    pub fn room(&mut self, len: usize) -> Result<(), SendError> {
        self.choose(len).map(drop)
    }

    /// Makes a lane with room the current one; returns what the message takes.
    #[inline]
    fn choose(&mut self, len: usize) -> Result<u64, SendError> {
        match self.size {
            Some(size) if len != size => return Err(SendError::WrongSize { len, size }),
            _ if len > self.longest => return Err(SendError::TooLong { len, most: self.longest }),
            _ => {}
        }
        let size = len as u64 + 8;
        if self.left < size || self.lanes[self.current].room(len).is_err() {
            self.choose_next(len, size)?;
        }
        Ok(size)
    }

    /// The first lane from the next one on whose receiver has read everything; if there is none, the one that is
    /// least behind and within its credit.
    #[inline(never)]
    fn choose_next(&mut self, len: usize, size: u64) -> Result<(), SendError> {
        if let Some(lane) = self.lanes.get_mut(self.current) {
            lane.flush();
        }
        self.left = 0;
        self.look();
        let mut best = None;
        for step in 1..=self.lanes.len() {
            let at = (self.current + step) % self.lanes.len();
            let lane = &mut self.lanes[at];
            let ahead = lane.outstanding();
            let may = ahead == 0 || ahead + size <= self.credit;
            if may && best.is_none_or(|(least, _)| ahead < least) && lane.room(len).is_ok() {
                best = Some((ahead, at));
            }
            if matches!(best, Some((0, _))) {
                break;
            }
        }
        let Some((ahead, at)) = best else {
            return Err(match self.last {
                Some(cause) if self.lanes.is_empty() => SendError::Disconnected { cause },
                _ => SendError::Full,
            });
        };
        self.current = at;
        // At least this message, whatever the credit.
        self.left = (self.credit / RUNS).min(self.credit - self.credit.min(ahead)).max(size);
        Ok(())
    }

    /// Takes over who joined, and retires who is gone.
    fn look(&mut self) {
        if self.outbox.arrivals() != self.seen {
            let before = self.lanes.len();
            self.seen = self.outbox.take(&mut self.lanes);
            for lane in &mut self.lanes[before..] {
                lane.publish_every(self.publish_every);
            }
        }
        let mut at = 0;
        while at < self.lanes.len() {
            match self.lanes[at].gone() {
                Some(cause) => self.retire(at, cause),
                None => at += 1,
            }
        }
    }

    /// What the receiver had and did not finish is lost with it: nobody can say how far it was with the message
    /// in its hands, so no other gets it.
    #[cold]
    fn retire(&mut self, at: usize, cause: DisconnectCause) {
        match cause {
            DisconnectCause::Closed => self.departed.closed += 1,
            DisconnectCause::PeerDied => self.departed.died += 1,
        }
        self.last = Some(cause);
        let lane = self.lanes.remove(at);
        let mut counters = lane.counters();
        counters.lost += counters.messages.saturating_sub(lane.messages_read());
        self.retired.add(&counters);
        self.left = 0;
        if at < self.current {
            self.current -= 1;
        }
    }

    pub fn flush(&mut self) {
        self.lanes.iter_mut().for_each(WriterLane::flush);
    }

    pub fn begin_batch(&mut self) {
        let every = self.credit;
        self.lanes.iter_mut().for_each(|lane| lane.publish_every(every));
    }

    pub fn end_batch(&mut self) {
        let every = self.publish_every;
        self.lanes.iter_mut().for_each(|lane| lane.publish_every(every));
        self.flush();
    }

    #[cold]
    pub fn wait(&mut self, len: usize, timeout: Duration) -> Result<(), SendError> {
        self.stalled();
        self.flush();
        let mut wait = Wait::new(self.waiting, timeout);
        loop {
            match self.room(len) {
                Err(SendError::Full) => {}
                other => return other,
            }
            match wait.pause() {
                Pause::Look => {}
                Pause::Park(time) => self.park(len, time),
                Pause::Over => return Err(SendError::TimedOut),
            }
        }
    }

    /// Sleeps until a receiver has read enough, left or joined, at most `time`.
    fn park(&mut self, len: usize, time: Duration) {
        let ahead = self.announce(len);
        let words = self.lanes.iter().map(|lane| lane.sleep_for(len, ahead));
        let words = words.chain([self.outbox.sleep_on(self.seen)]);
        // A `None` among them means that there is something to see at once.
        if let Some(words) = words.collect::<Option<Vec<_>>>() {
            self.futex.wait_any(words.into_iter(), time);
        }
        self.disarm();
    }

    /// Announces a sleep until there is room, and says what ends it; nothing: there is something to see at
    /// once. Then: [`disarm`](Self::disarm).
    pub fn arm(&mut self, len: usize) -> Option<Vec<Watchword>> {
        let ahead = self.announce(len);
        let lanes =
            self.lanes.iter().map(|lane| Some(Watchword::new(lane.sleep_for(len, ahead)?, lane.link())));
        let outbox = Arc::clone(&self.outbox) as Arc<dyn Send + Sync>;
        let arrivals = self.outbox.sleep_on(self.seen).map(|on| Watchword::new(on, outbox));
        lanes.chain([arrivals]).collect()
    }

    /// Returns how many bytes a receiver may not have read, so that it gets a message of `len`.
    fn announce(&mut self, len: usize) -> u64 {
        let ahead = self.credit.saturating_sub(len as u64 + 8);
        self.lanes.iter_mut().for_each(|lane| lane.arm_for(len, ahead));
        self.futex.heavy_fence();
        ahead
    }

    /// Takes the announcement back.
    pub fn disarm(&mut self) {
        self.lanes.iter_mut().for_each(WriterLane::disarm);
    }

    /// Waits until `count` receive, at most `timeout`; returns whether they do.
    pub fn wait_for_receivers(&mut self, count: usize, timeout: Duration) -> bool {
        let mut wait = Wait::new(self.waiting, timeout);
        while self.receivers() < count {
            match wait.pause() {
                Pause::Look => {}
                Pause::Over => return false,
                Pause::Park(time) => {
                    if let Some(on) = self.outbox.sleep_on(self.seen) {
                        self.futex.wait(on.word, on.expected, time);
                    }
                }
            }
        }
        true
    }

    pub fn stalled(&mut self) {
        self.retired.stalls += 1;
    }

    pub fn dropped(&mut self) {
        self.retired.drops += 1;
    }
}
