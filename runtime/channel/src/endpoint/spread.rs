//! A sender with a lane to each of many receivers: the idle one gets the next message.
//! spec: CHN-6.1

mod sleep;

use std::{
    any::Any,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::Arc,
    time::Duration,
};

use adit_memory::{Pages, Report};
use adit_ring::{park::Park as _, stream::Slot};

use super::{
    Departed, Outbox, SendError, Waiting,
    claim::Room,
    credit::Credit,
    sender::claim_far,
    wait::{Pause, Wait},
};
use crate::{
    futex::Futex,
    lane::{Counters, DisconnectCause, InTurn, Spec, WriterLane},
    transport::net::NetworkReport,
};

/// A lane, and how much its receiver may have ahead.
#[derive(Debug)]
struct Spoke {
    lane: WriterLane,
    credit: Credit,
}

impl Spoke {
    /// Bytes that the receiver has not read, in the ring and in the arena; how fast it reads tells its credit. What a
    /// transport gathers that keeps up is as good as read, unless the credit is a number that was said.
    fn look_ahead(&mut self) -> u64 {
        let gathers = self.credit.is_measured() && self.lane.keeps_up();
        let ahead = if gathers { 0 } else { self.lane.outstanding() };
        self.credit.look(self.lane.sent() - ahead, ahead == 0);
        ahead
    }

    /// How many bytes the receiver may not have read, so that it gets a message of `len`.
    fn may_be_ahead(&self, len: usize) -> u64 {
        let size = len as u64 + 8;
        let credit = match self.lane.is_far(len) {
            // A descriptor is what the ring takes, with its header.
            true => self.credit.bytes_for_long(len as u64 + 24),
            false => self.credit.bytes(),
        };
        credit.saturating_sub(size)
    }
}

impl Deref for Spoke {
    type Target = WriterLane;

    fn deref(&self) -> &WriterLane {
        &self.lane
    }
}

impl DerefMut for Spoke {
    fn deref_mut(&mut self) -> &mut WriterLane {
        &mut self.lane
    }
}

/// The sending end of a channel with many receivers.
#[derive(Debug)]
pub(crate) struct SpreadSender {
    lanes: Vec<Spoke>,
    /// Where the next message goes; it may be out of range.
    current: usize,
    /// So many bytes go there before the others are looked at.
    left: u64,
    /// The current lane was found to have room for a message of this length, and nothing was done since.
    found: Option<usize>,
    /// What was asked for.
    credit: Option<u64>,
    /// Of a lane's ring, in bytes.
    capacity: u64,
    /// Of a lane's arena.
    arena: u64,
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
    network: Option<NetworkReport>,
}

impl Drop for SpreadSender {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

impl SpreadSender {
    pub fn new(
        outbox: Arc<Outbox>,
        hold: Box<dyn Any + Send>,
        spec: &Spec,
        credit: Option<u64>,
        publish_every: u64,
        waiting: Waiting,
    ) -> Self {
        let size = spec.kind.size().map(|size| size as usize);
        Self {
            lanes: Vec::new(),
            current: 0,
            left: 0,
            found: None,
            credit,
            capacity: spec.capacity as u64,
            arena: spec.kind.arena() as u64,
            outbox,
            seen: 0,
            longest: match spec.kind.arena() {
                0 => size.unwrap_or(adit_ring::stream::longest(spec.capacity)),
                arena => arena,
            },
            size,
            publish_every,
            waiting,
            futex: Futex::new(),
            departed: Departed::default(),
            last: None,
            retired: Counters::default(),
            report: Report { asked: Pages::Normal, got: Pages::Normal, notes: Vec::new(), node: None },
            _hold: hold,
            network: None,
        }
    }

    pub fn on_network(mut self, report: Option<NetworkReport>) -> Self {
        self.network = report;
        self
    }

    pub fn network(&self) -> Option<&NetworkReport> {
        self.network.as_ref()
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
        self.lanes.last().map_or(&self.report, |lane| lane.placement())
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

    /// Sends a message of the one size that all have, if a lane was chosen for it already, whose receiver is there.
    #[inline(always)]
    pub fn push_in_turn(&mut self, message: &[u8]) -> InTurn {
        let lane = self.lanes.get_mut(self.current).filter(|lane| !lane.is_dead());
        match lane.map(|lane| lane.lane.push_in_turn(message)) {
            Some(InTurn::Pushed) => InTurn::Pushed,
            Some(InTurn::Gone) => self.take_back(message.len()),
            Some(InTurn::NoTurn) | None => InTurn::NoTurn,
        }
    }

    /// The receiver of the current lane has not said that it has read the last message, of `len` bytes. One that closed
    /// says all that it has read, so that this may go elsewhere; one that died may have had it in its hands, and a
    /// transport may have handed it over without knowing yet.
    #[cold]
    fn take_back(&mut self, len: usize) -> InTurn {
        let lane = &mut self.lanes[self.current];
        if lane.gone() != Some(DisconnectCause::Closed) || lane.push_out() {
            return InTurn::Pushed;
        }
        self.retire(self.current, DisconnectCause::Closed);
        // None, where nothing is counted.
        let counted = &mut self.retired;
        counted.messages = counted.messages.saturating_sub(1);
        counted.bytes = counted.bytes.saturating_sub(len as u64);
        counted.lost = counted.lost.saturating_sub(1);
        InTurn::NoTurn
    }

    /// Sends a message of the one size that all have, and chooses where those after it go.
    pub fn push_first(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push(message)?;
        self.lanes[self.current].begin_turn(self.left);
        // What is not sent in that turn may go elsewhere.
        self.left = 0;
        Ok(())
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

    /// Sends messages of the one size that all have, each written in place by `fill`, as long as there is room and
    /// `fill` says that there is one; says how many. Those that go one behind the other to one receiver are published
    /// together.
    #[inline(always)]
    pub fn push_each(
        &mut self,
        size: usize,
        mut fill: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<usize, SendError> {
        let (mut sent, mut more) = (0, true);
        while more {
            match self.choose(size) {
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
                Ok(taken) => {
                    let most = (self.left / taken).max(1);
                    let count = self.lanes[self.current].push_each(size, most as usize, |slot| {
                        more = fill(slot);
                        more
                    })?;
                    self.left -= (count as u64 * taken).min(self.left);
                    sent += count;
                }
            }
        }
        Ok(sent)
    }

    pub fn claim(&mut self, len: usize) -> Result<Room<'_>, SendError> {
        let size = match self.found.take() {
            // Who waited for room has it, also if the receiver has gone in between, as it may go after the claim: the others
            // may have none.
            Some(found) if found == len && self.lanes[self.current].room(len).is_ok() => len as u64 + 8,
            _ => self.choose(len)?,
        };
        self.left -= size.min(self.left);
        match self.lanes[self.current].lane.claim(len) {
            Ok(claim) => Ok(Room::Lane(claim)),
            Err(no_room) => claim_far(no_room),
        }
    }

    /// Where the arenas are, of the lanes in the order in which receivers joined.
    pub fn arenas(&self) -> Vec<NonNull<[u8]>> {
        self.lanes.iter().filter_map(|lane| lane.arena_memory()).collect()
    }

    /// Whether a message of `len` bytes has room now.
    pub fn room(&mut self, len: usize) -> Result<(), SendError> {
        self.choose(len)?;
        self.found = Some(len);
        Ok(())
    }

    /// Makes a lane with room the current one; returns what the message takes.
    #[inline]
    fn choose(&mut self, len: usize) -> Result<u64, SendError> {
        self.found = None;
        match self.size {
            Some(size) if len != size => return Err(SendError::WrongSize { len, size }),
            _ if len > self.longest => return Err(SendError::TooLong { len, most: self.longest }),
            _ => {}
        }
        let size = len as u64 + 8;
        let goes_on = self.left >= size && {
            let lane = &mut self.lanes[self.current];
            lane.room(len).is_ok() && lane.gone().is_none()
        };
        if !goes_on {
            self.choose_next(len, size)?;
        }
        Ok(size)
    }

    /// The first lane from the next one on whose receiver has read everything; if there is none, the one that is
    /// least behind and within its credit.
    #[inline(never)]
    fn choose_next(&mut self, len: usize, size: u64) -> Result<(), SendError> {
        if let Some(lane) = self.lanes.get_mut(self.current) {
            lane.publish();
        }
        self.left = 0;
        self.look();
        let best = match self.least_behind(len) {
            // What a transport gathered may be all that is ahead.
            None if self.push_out() => self.least_behind(len),
            best => best,
        };
        let Some((ahead, at)) = best else {
            // A head that cannot be gives nothing back: the next look retires its lane.
            self.lanes.iter().for_each(|lane| lane.doubt_reader());
            return Err(match self.last {
                Some(cause) if self.lanes.is_empty() => SendError::Disconnected { cause },
                _ => SendError::Full,
            });
        };
        self.current = at;
        let credit = &self.lanes[at].credit;
        // At least this message, whatever the credit.
        self.left = credit.turn().min(credit.bytes().saturating_sub(ahead)).max(size);
        Ok(())
    }

    /// How far behind who gets the next message of `len` bytes is, and where its lane is.
    fn least_behind(&mut self, len: usize) -> Option<(u64, usize)> {
        let mut best = None;
        for step in 1..=self.lanes.len() {
            let at = (self.current + step) % self.lanes.len();
            let lane = &mut self.lanes[at];
            lane.begin_turn(0);
            let ahead = lane.look_ahead();
            let may = ahead <= lane.may_be_ahead(len);
            if may && best.is_none_or(|(least, _)| ahead < least) && lane.room(len).is_ok() {
                best = Some((ahead, at));
            }
            if matches!(best, Some((0, _))) {
                break;
            }
        }
        best
    }

    /// Hands over what transports gathered; returns whether there are any.
    fn push_out(&mut self) -> bool {
        self.lanes.iter_mut().fold(false, |any, lane| lane.push_out() | any)
    }

    /// Takes over who joined, and retires who is gone.
    fn look(&mut self) {
        if self.outbox.arrivals() != self.seen {
            let mut arrived = Vec::new();
            self.seen = self.outbox.take(&mut arrived);
            self.departed.add(&self.outbox.take_forgotten());
            for mut lane in arrived {
                lane.publish_every(self.publish_every);
                self.lanes.push(Spoke { lane, credit: Credit::new(self.credit, self.capacity + self.arena) });
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
        self.departed.count(cause);
        self.last = Some(cause);
        let lane = self.lanes.remove(at);
        let mut counters = lane.counters();
        counters.lost += counters.messages.saturating_sub(lane.messages_read());
        self.retired.add(&counters);
        self.left = 0;
        self.found = None;
        if at < self.current {
            self.current -= 1;
        }
    }

    pub fn flush(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.flush());
    }

    pub fn begin_batch(&mut self) {
        let every = self.capacity;
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
        let mut wait = Wait::new(self.waiting, timeout).hearing_all();
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

    /// Counted with the first lane, where others can see it.
    pub fn stalled(&mut self) {
        match self.lanes.first_mut() {
            Some(lane) => lane.stalled(),
            None => self.retired.stalls += 1,
        }
    }

    /// As [`stalled`](Self::stalled).
    pub fn dropped(&mut self) {
        match self.lanes.first_mut() {
            Some(lane) => lane.dropped(),
            None => self.retired.drops += 1,
        }
    }
}
