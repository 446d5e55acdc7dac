//! The sending end of a channel.

use std::{ptr::NonNull, time::Duration};

use adit_ring::stream::{FULL_SLOT_WORDS, PushError, SLOT_WORDS, Slot};

use super::{
    BatchError, Departed, Report, SendError, Waiting,
    claim::{OtherRoom, Room},
    wait::{Pause, Wait},
};
use crate::{
    lane::{Counters, DisconnectCause, InTurn, NoRoom, Spec, WriterLane},
    sleeper::{BACKSTOP, Watch, Watchword},
    transport::net::NetworkReport,
};

/// What [`Sender::push`](super::Sender::push) does when there is no room. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// Waits so long for room: a stall.
    Block(Duration),
    /// Says so at once.
    Fail,
    /// Drops the message: a drop.
    DropNewest,
    /// Overwrites the oldest message, whoever has not read it: receivers count what they lost. Only in a
    /// broadcast, whose receivers follow the sender in this. Over a connection the oldest is overwritten of what has
    /// not left the sender.
    OverwriteOldest,
    /// As [`OverwriteOldest`](Self::OverwriteOldest), and receivers take the newest message alone: a value
    /// that is replaced. Only in a broadcast.
    Latest,
}

impl Default for OnFull {
    /// Waits as long as it takes.
    fn default() -> Self {
        Self::Block(Duration::MAX)
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pushed {
    /// It is in the channel.
    Sent,
    /// There was no room, and [`OnFull::DropNewest`] was asked for.
    Dropped,
}

/// The sending end of a channel with one receiver: one lane.
#[derive(Debug)]
pub(super) struct LaneSender {
    lane: WriterLane,
    waiting: Waiting,
    publish_every: u64,
    /// Of the whole lane, in bytes.
    capacity: u64,
    network: Option<NetworkReport>,
}

impl LaneSender {
    pub(super) fn new(lane: WriterLane, spec: &Spec, waiting: Waiting, publish_every: u64) -> Self {
        Self { lane, waiting, publish_every, capacity: spec.capacity as u64, network: None }
    }

    pub(super) fn on_network(mut self, report: Option<NetworkReport>) -> Self {
        self.network = report;
        self
    }

    pub(super) fn network(&self) -> Option<&NetworkReport> {
        self.network.as_ref()
    }

    /// The longest message that the channel takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.lane.longest()
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::TimedOut`].
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.lane.push(message).map_err(failed)
    }

    /// Sends a message of the one size that all have, if it belongs to a turn.
    #[inline(always)]
    pub(super) fn send_in_turn(&mut self, message: &[u8]) -> InTurn {
        self.lane.push_in_turn(message)
    }

    /// As [`send_in_turn`](Self::send_in_turn), in a channel of slots.
    #[inline(always)]
    pub(super) fn send_in_slot(&mut self, message: &[u64; SLOT_WORDS]) -> InTurn {
        self.lane.push_in_slot(message)
    }

    /// As [`send_in_slot`](Self::send_in_slot), a message that fills its slot.
    #[inline(always)]
    pub(super) fn send_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> InTurn {
        self.lane.push_in_full_slot(message)
    }

    /// As [`try_send_first`](Self::try_send_first), a message that fills its slot.
    pub(super) fn try_send_first_in_full_slot(
        &mut self,
        message: &[u64; FULL_SLOT_WORDS],
    ) -> Result<(), SendError> {
        self.check()?;
        self.lane.push_first_in_full_slot(message).map_err(failed)
    }

    /// As [`try_send_first`](Self::try_send_first), in a channel of slots.
    pub(super) fn try_send_first_in_slot(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.lane.push_first_in_slot(message).map_err(failed)
    }

    /// Why nobody is there.
    #[cold]
    pub(super) fn disconnected(&self) -> SendError {
        SendError::Disconnected { cause: self.lane.gone().unwrap_or(DisconnectCause::Closed) }
    }

    /// As [`try_send`](Self::try_send), where all messages have the length of this one: begins a turn.
    pub(super) fn try_send_first(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.lane.push_first(message).map_err(failed)
    }

    #[cold]
    fn send_slowly(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.wait(message.len(), timeout)?;
        // This is the only writer, so room that is there stays there.
        self.try_send(message)
    }

    /// Sends messages of `size` bytes, which all of the channel's have, as far as there is room now, and says
    /// how many.
    #[inline(always)]
    pub(super) fn try_send_run(&mut self, size: usize, messages: &[u8]) -> Result<usize, SendError> {
        self.check()?;
        self.lane.push_run(size, messages).map_err(failed)
    }

    /// Sends messages of `size` bytes, which all of the channel's have, each written in place by `fill`, as long as
    /// there is room and `fill` says that there is one; says how many.
    #[inline(always)]
    pub(super) fn try_send_each(
        &mut self,
        size: usize,
        fill: impl FnMut(Slot<'_>) -> bool,
    ) -> Result<usize, SendError> {
        self.check()?;
        self.lane.push_each(size, usize::MAX, fill).map_err(failed)
    }

    /// As [`try_send_run`](Self::try_send_run), waiting at most `timeout` for room for each.
    pub(super) fn send_run(
        &mut self,
        size: usize,
        messages: &[u8],
        timeout: Duration,
    ) -> Result<usize, BatchError> {
        let mut sent = 0;
        while sent * size < messages.len() {
            let result = match self.try_send_run(size, &messages[sent * size..]) {
                Err(SendError::Full) => self.wait(size, timeout).map(|()| 0),
                other => other,
            };
            sent += result.map_err(|error| BatchError { sent, error })?;
        }
        Ok(sent)
    }

    /// Sends a message, waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`].
    #[inline]
    pub fn send(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        match self.try_send(message) {
            Err(SendError::Full) => self.send_slowly(message, timeout),
            other => other,
        }
    }

    /// Claims room for a message of `len` bytes, to be filled in place, if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::TimedOut`].
    #[inline(always)]
    pub fn claim(&mut self, len: usize) -> Result<Room<'_>, SendError> {
        self.check()?;
        match self.lane.claim(len) {
            Ok(claim) => Ok(Room::Lane(claim)),
            Err(no_room) => claim_far(no_room),
        }
    }

    /// Where the arena is.
    pub fn arena(&self) -> Option<NonNull<[u8]>> {
        self.lane.arena_memory()
    }

    /// Whether a message of `len` bytes has room now.
    pub fn room(&mut self, len: usize) -> Result<(), SendError> {
        Ok(self.lane.room(len)?)
    }

    /// What is sent from now on is published together, as far as there is room.
    pub fn begin_batch(&mut self) {
        self.lane.publish_every(self.capacity);
    }

    pub fn end_batch(&mut self) {
        self.lane.publish_every(self.publish_every);
        self.lane.flush();
    }

    /// Sends, and leaves the waking to [`flush`](Self::flush).
    #[inline]
    pub fn push_quietly(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.lane.push_quietly(message).map_err(failed)
    }

    pub fn receivers(&self) -> usize {
        usize::from(self.lane.gone().is_none())
    }

    pub fn departed(&self) -> Departed {
        let cause = self.lane.gone();
        let is = |which| u64::from(cause == Some(which));
        Departed {
            closed: is(DisconnectCause::Closed),
            died: is(DisconnectCause::PeerDied),
            misbehaved: is(DisconnectCause::Misbehaved),
        }
    }

    pub fn dropped(&mut self) {
        self.lane.dropped();
    }

    /// Publishes what was sent and wakes the receiver; see [`publish_every`](super::Builder::publish_every).
    pub fn flush(&mut self) {
        self.lane.flush();
    }

    /// On which pages and which NUMA node the ring is, as the kernel said after it was made, and why not on
    /// others.
    #[must_use]
    pub fn placement(&self) -> &Report {
        self.lane.placement()
    }

    /// What this end counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.lane.counters()
    }

    #[inline(always)]
    fn check(&self) -> Result<(), SendError> {
        match self.lane.gone() {
            Some(cause) => Err(SendError::Disconnected { cause }),
            None => Ok(()),
        }
    }

    /// Waits for room for a message that is short enough.
    #[cold]
    pub fn wait(&mut self, len: usize, timeout: Duration) -> Result<(), SendError> {
        self.stalled();
        let mut wait = Wait::new(self.waiting, timeout).hearing_all();
        while self.lane.room(len).is_err() {
            if let Some(cause) = self.lane.gone() {
                return Err(SendError::Disconnected { cause });
            }
            match wait.pause() {
                Pause::Look => {}
                Pause::Park(time) => self.lane.park(len, time),
                Pause::Over => return Err(SendError::TimedOut),
            }
        }
        Ok(())
    }

    /// Whether a message of `len` bytes has room now.
    ///
    /// # Errors
    /// All but [`SendError::Full`] and [`SendError::TimedOut`].
    pub(super) fn has_room(&mut self, len: usize) -> Result<bool, SendError> {
        if let Some(cause) = self.lane.gone() {
            return Err(SendError::Disconnected { cause });
        }
        match self.lane.room(len).map_err(failed) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Announces a sleep until there is room, and says what ends it; nothing: there is something to see at
    /// once. Then: [`disarm`](Self::disarm).
    pub(super) fn watch(&mut self, len: usize) -> Option<Watch> {
        let word = self
            .lane
            .arm(len)
            .then(|| self.lane.sleep_on(len))
            .flatten()
            .map(|on| Watchword::new(on, self.lane.link()))?;
        // A reader that was killed before it could wake this end is missed by nobody.
        let within = self.lane.is_kept().then_some(BACKSTOP);
        Some(Watch { within, ..vec![word].into() })
    }

    /// Whether the announcement stands.
    pub(super) fn is_armed(&self) -> bool {
        self.lane.is_armed()
    }

    /// Takes the announcement back.
    pub(super) fn disarm(&mut self) {
        self.lane.disarm();
    }

    /// Counts a wait for room and publishes what was sent: the reader frees nothing that it does not see.
    pub(super) fn stalled(&mut self) {
        self.lane.stalled();
        self.lane.flush();
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> [u64; 6] {
        self.lane.shown()
    }
}

#[cold]
pub(super) fn claim_far(no_room: NoRoom<'_>) -> Result<Room<'_>, SendError> {
    Ok(Room::Other(OtherRoom::Far(no_room.far()?)))
}

#[inline(always)]
fn failed(error: PushError) -> SendError {
    error.into()
}

impl From<NoRoom<'_>> for SendError {
    fn from(no_room: NoRoom<'_>) -> Self {
        no_room.error().into()
    }
}

impl From<PushError> for SendError {
    #[inline(always)]
    fn from(error: PushError) -> Self {
        match error {
            PushError::Full => Self::Full,
            PushError::TooLong { len, most } => Self::TooLong { len, most },
            PushError::WrongSize { len, size } => Self::WrongSize { len, size },
        }
    }
}
