//! The sending end of a channel, whatever its mode.

use std::{
    ptr::NonNull,
    time::{Duration, Instant},
};

use adit_memory::Report;
use adit_ring::stream::{FULL_SLOT_WORDS, SLOT_WORDS, Slot};
use zerocopy::{Immutable, IntoBytes};

use super::{
    BatchError, Claim, Departed, OnFull, Pushed, SendError, sender::LaneSender, spread::SpreadSender,
};
use crate::{
    broadcast::BroadcastSender,
    lane::{Counters, InTurn},
    sleeper::{BACKSTOP, Parked, Watch},
    transport::net::NetworkReport,
};

/// The sending end of a channel.
///
/// With one receiver it is one lane. With several it is a lane to each, and a message goes to one that is idle,
/// if there is one. In a broadcast it is one ring that all receivers read. Dropping it publishes what is sent
/// and closes it; receivers get everything first.
///
/// ```
/// use std::time::Duration;
/// use adit_channel::{Channel, SendError};
///
/// let channel = Channel::builder("memory://sender-example")?.capacity(256);
/// let mut sender = channel.sender()?;
/// sender.try_send(b"copied")?;
/// let mut claim = sender.claim(8)?;
/// claim.write(0, b"in place");
/// claim.commit();
/// // Nobody receives, so the lane fills up.
/// while sender.try_send(&[0; 56]).is_ok() {}
/// assert_eq!(sender.send(&[0; 56], Duration::from_millis(1)), Err(SendError::TimedOut));
/// assert_eq!(sender.counters().stalls, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Sender {
    kind: SenderKind,
    on_full: OnFull,
    /// What a future that waits for room has left.
    pub(super) parked: Option<Parked>,
    /// For a message of how many bytes.
    pub(super) parked_for: usize,
}

#[derive(Debug)]
#[repr(u8)]
#[expect(clippy::large_enum_variant, reason = "the largest is the one whose every nanosecond counts")]
pub(super) enum SenderKind {
    /// To one receiver.
    Lane(LaneSender),
    /// To one of many.
    Spread(Box<SpreadSender>),
    /// To all of many.
    Broadcast(Box<BroadcastSender>),
}

/// Calls the same on whatever the end is.
macro_rules! each {
    ($kind:expr, $end:ident => $call:expr) => {
        match $kind {
            SenderKind::Lane($end) => $call,
            SenderKind::Spread($end) => $call,
            SenderKind::Broadcast($end) => $call,
        }
    };
}

mod batch;

impl Sender {
    /// What was found when this end was opened on a network: driver, peer, and options that the system does not
    /// have; `None`: it is on none.
    #[must_use]
    pub fn network(&self) -> Option<&NetworkReport> {
        match &self.kind {
            SenderKind::Lane(lane) => lane.network(),
            SenderKind::Spread(spread) => spread.network(),
            SenderKind::Broadcast(broadcast) => broadcast.network(),
        }
    }

    pub(super) fn new(kind: SenderKind, on_full: OnFull) -> Self {
        Self { kind, on_full, parked: None, parked_for: 0 }
    }

    /// The longest message that the channel takes.
    #[must_use]
    pub fn longest(&self) -> usize {
        each!(&self.kind, end => end.longest())
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::TimedOut`].
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.try_send(message),
            SenderKind::Spread(spread) => spread.push(message),
            SenderKind::Broadcast(broadcast) => broadcast.push(message),
        }
    }

    /// Sends a message of the one size that all have, if that needs no look at anything else.
    #[inline(always)]
    pub(super) fn send_in_turn(&mut self, message: &[u8]) -> InTurn {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.send_in_turn(message),
            SenderKind::Spread(spread) => spread.push_in_turn(message),
            SenderKind::Broadcast(_) => InTurn::NoTurn,
        }
    }

    /// As [`send_in_turn`](Self::send_in_turn), in a channel of slots.
    #[inline(always)]
    pub(super) fn send_in_slot(&mut self, message: &[u64; SLOT_WORDS]) -> InTurn {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.send_in_slot(message),
            SenderKind::Spread(_) | SenderKind::Broadcast(_) => InTurn::NoTurn,
        }
    }

    /// As [`try_send_first`](Self::try_send_first), in a channel of slots.
    #[cold]
    pub(super) fn try_send_first_in_slot(&mut self, message: &[u8]) -> Result<(), SendError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.try_send_first_in_slot(message),
            SenderKind::Spread(_) | SenderKind::Broadcast(_) => self.try_send_first(message),
        }
    }

    /// As [`send_in_slot`](Self::send_in_slot), a message that fills its slot.
    #[inline(always)]
    pub(super) fn send_in_full_slot(&mut self, message: &[u64; FULL_SLOT_WORDS]) -> InTurn {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.send_in_full_slot(message),
            SenderKind::Spread(_) | SenderKind::Broadcast(_) => InTurn::NoTurn,
        }
    }

    /// As [`try_send_first`](Self::try_send_first), a message that fills its slot.
    #[cold]
    pub(super) fn try_send_first_in_full_slot(
        &mut self,
        message: &[u64; FULL_SLOT_WORDS],
    ) -> Result<(), SendError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.try_send_first_in_full_slot(message),
            SenderKind::Spread(_) | SenderKind::Broadcast(_) => {
                unreachable!("channels of slots have one receiver: that is checked when they are opened")
            }
        }
    }

    /// What to say after [`InTurn::Gone`].
    #[cold]
    pub(super) fn disconnected(&self) -> SendError {
        match &self.kind {
            SenderKind::Lane(lane) => lane.disconnected(),
            SenderKind::Spread(_) | SenderKind::Broadcast(_) => {
                unreachable!("they tell it when the next is sent")
            }
        }
    }

    /// As [`try_send`](Self::try_send), where all messages have the length of this one: begins a turn.
    #[cold]
    pub(super) fn try_send_first(&mut self, message: &[u8]) -> Result<(), SendError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.try_send_first(message),
            SenderKind::Spread(spread) => spread.push_first(message),
            SenderKind::Broadcast(broadcast) => broadcast.push(message),
        }
    }

    /// Sends messages of `size` bytes, which all of the channel's have, as far as there is room now, and says
    /// how many.
    #[inline(always)]
    pub(crate) fn try_send_run(&mut self, size: usize, messages: &[u8]) -> Result<usize, SendError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.try_send_run(size, messages),
            _ => self.try_send_each(size, messages),
        }
    }

    /// Sends messages of `size` bytes, which all of the channel's have, one for each that `next` gives, as long as there
    /// is room; says how many. Without room `next` is not asked.
    #[inline(always)]
    pub(super) fn try_send_iter<M: IntoBytes + Immutable>(
        &mut self,
        mut next: impl FnMut() -> Option<M>,
    ) -> Result<usize, SendError> {
        // Nothing that is not inlined is given `next`, so that what it counts with stays in registers.
        let fill = |slot: Slot<'_>| match next() {
            Some(message) => {
                slot.fill(message.as_bytes());
                true
            }
            None => false,
        };
        match &mut self.kind {
            SenderKind::Lane(lane) => return lane.try_send_each(size_of::<M>(), fill),
            SenderKind::Spread(spread) => return spread.push_each(size_of::<M>(), fill),
            SenderKind::Broadcast(_) => {}
        }
        let mut sent = 0;
        loop {
            match self.room_now(size_of::<M>()) {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
            let Some(message) = next() else { break };
            self.send_quietly(message.as_bytes())?;
            sent += 1;
        }
        self.call();
        Ok(sent)
    }

    /// Wakes who waits for what was sent quietly, as sending each of it would have: a transport may still gather it.
    #[inline(never)]
    fn call(&mut self) {
        match &mut self.kind {
            SenderKind::Broadcast(broadcast) => broadcast.wake(),
            _ => self.flush(),
        }
    }

    #[inline(never)]
    fn room_now(&mut self, len: usize) -> Result<(), SendError> {
        each!(&mut self.kind, end => end.room(len))
    }

    fn try_send_each(&mut self, size: usize, messages: &[u8]) -> Result<usize, SendError> {
        let mut sent = 0;
        for message in messages.chunks_exact(size) {
            match self.send_quietly(message) {
                Ok(()) => sent += 1,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.call();
        Ok(sent)
    }

    /// As [`try_send_run`](Self::try_send_run), waiting at most `timeout` for room for each.
    pub(super) fn send_run(
        &mut self,
        size: usize,
        messages: &[u8],
        timeout: Duration,
    ) -> Result<usize, BatchError> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.send_run(size, messages, timeout),
            _ => self.send_batch(messages.chunks_exact(size), timeout),
        }
    }

    /// Sends a message, waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`].
    #[inline]
    pub fn send(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        if let SenderKind::Lane(lane) = &mut self.kind {
            return lane.send(message, timeout);
        }
        match self.try_send(message) {
            Err(SendError::Full) => self.wait_and(message.len(), timeout, |this| this.try_send(message)),
            other => other,
        }
    }

    /// Waits for room and sends, again and again: of many receivers the one that had room may go in between.
    #[cold]
    fn wait_and(
        &mut self,
        len: usize,
        timeout: Duration,
        mut send: impl FnMut(&mut Self) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let began = Instant::now();
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            self.wait(len, left)?;
            match send(self) {
                Err(SendError::Full) if left.is_zero() => return Err(SendError::TimedOut),
                Err(SendError::Full) => {}
                other => return other,
            }
        }
    }

    pub(super) fn wait(&mut self, len: usize, timeout: Duration) -> Result<(), SendError> {
        each!(&mut self.kind, end => end.wait(len, timeout))
    }

    /// Sends a message, doing as [`OnFull`] says if there is no room.
    ///
    /// # Errors
    /// [`SendError`].
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<Pushed, SendError> {
        match self.on_full {
            OnFull::Block(timeout) => self.send(message, timeout)?,
            OnFull::DropNewest => match self.try_send(message) {
                Err(SendError::Full) => {
                    each!(&mut self.kind, end => end.dropped());
                    return Ok(Pushed::Dropped);
                }
                other => other?,
            },
            // The other two are of broadcasts, which are never full then.
            OnFull::Fail | OnFull::OverwriteOldest | OnFull::Latest => {
                self.try_send(message).inspect_err(|error| self.count_full(*error))?;
            }
        }
        Ok(Pushed::Sent)
    }

    fn count_full(&mut self, error: SendError) {
        if error == SendError::Full {
            each!(&mut self.kind, end => end.stalled());
        }
    }

    /// Claims room for a message of `len` bytes, to be filled in place, if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::TimedOut`].
    #[inline(always)]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        Ok(Claim::new(match &mut self.kind {
            SenderKind::Lane(lane) => lane.claim(len)?,
            SenderKind::Spread(spread) => spread.claim(len)?,
            SenderKind::Broadcast(broadcast) => broadcast.claim(len)?.into(),
        }))
    }

    /// As [`claim`](Self::claim), waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`].
    pub fn claim_within(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        match self.room_now(len) {
            Err(SendError::Full) => self.wait_and(len, timeout, |this| this.room_now(len))?,
            other => other?,
        }
        // Room that was found stays: this is the only writer.
        self.claim(len)
    }

    /// Sends, and leaves the waking to [`flush`](Self::flush).
    #[inline(never)]
    fn send_quietly(&mut self, message: &[u8]) -> Result<(), SendError> {
        each!(&mut self.kind, end => end.push_quietly(message))
    }

    /// Publishes what was sent and wakes the receiver; see [`publish_every`](super::Builder::publish_every).
    pub fn flush(&mut self) {
        each!(&mut self.kind, end => end.flush());
    }

    /// How many receivers have joined and are not known to be gone. With one receiver: 1, until it is gone.
    #[must_use]
    pub fn receivers(&mut self) -> usize {
        each!(&mut self.kind, end => end.receivers())
    }

    /// Waits until `count` receivers have joined, at most `timeout`; returns whether they have.
    pub fn wait_for_receivers(&mut self, count: usize, timeout: Duration) -> bool {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.receivers() >= count,
            SenderKind::Spread(spread) => spread.wait_for_receivers(count, timeout),
            SenderKind::Broadcast(broadcast) => broadcast.wait_for_receivers(count, timeout),
        }
    }

    /// The pages and the NUMA node of the ring, as the kernel says. With several receivers: of the lane to the
    /// one that joined last.
    #[must_use]
    pub fn placement(&self) -> &Report {
        each!(&self.kind, end => end.placement())
    }

    /// Where this end's arena is, and how long, if the channel has [one](super::Builder::arena): both are multiples of
    /// 2 MiB, so that a device can pin it; of a channel that [survives its processes](crate::kept) the address is one of
    /// a page alone. It stays there while this end lives; what lies in it is touched through
    /// claims alone. Where there are [several](Self::arenas): that of the receiver that joined last.
    #[must_use]
    pub fn arena(&self) -> Option<NonNull<[u8]>> {
        self.arenas().pop()
    }

    /// Where all arenas of this end are: with [`Mode::Spmc`](super::Mode::Spmc) and [`Mode::Mpmc`](super::Mode::Mpmc)
    /// one for each receiver, in the order in which they joined. Such a one is there until this end notices that its
    /// receiver is gone, which it does when it next sends, claims or counts [receivers](Self::receivers).
    #[must_use]
    pub fn arenas(&self) -> Vec<NonNull<[u8]>> {
        match &self.kind {
            SenderKind::Lane(lane) => lane.arena().into_iter().collect(),
            SenderKind::Spread(spread) => spread.arenas(),
            SenderKind::Broadcast(broadcast) => broadcast.arena_memory().into_iter().collect(),
        }
    }

    /// How many receivers are gone, and why.
    #[must_use]
    pub fn departed(&self) -> Departed {
        each!(&self.kind, end => end.departed())
    }

    /// What this end counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        each!(&self.kind, end => end.counters())
    }

    /// Whether a message of `len` bytes has room now.
    pub(super) fn has_room(&mut self, len: usize) -> Result<bool, SendError> {
        if let SenderKind::Lane(lane) = &mut self.kind {
            return lane.has_room(len);
        }
        match each!(&mut self.kind, end => end.room(len)) {
            Ok(()) => Ok(true),
            Err(SendError::Full) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Announces a sleep until there is room, and says what ends it; nothing: there is something to see at
    /// once. Then: [`disarm`](Self::disarm).
    pub(super) fn arm(&mut self, len: usize) -> Option<Watch> {
        match &mut self.kind {
            SenderKind::Lane(lane) => lane.watch(len),
            SenderKind::Spread(spread) => Some(spread.arm(len)?.into()),
            // Who leaves is told by no word.
            SenderKind::Broadcast(broadcast) => {
                Some(Watch { within: Some(BACKSTOP), ..vec![broadcast.arm(len)?].into() })
            }
        }
    }

    /// Whether the announcement stands.
    pub(super) fn is_armed(&self) -> bool {
        match &self.kind {
            SenderKind::Lane(lane) => lane.is_armed(),
            SenderKind::Spread(spread) => spread.is_armed(),
            // It is looked at again and again.
            SenderKind::Broadcast(_) => true,
        }
    }

    /// Takes the announcement back.
    pub(super) fn disarm(&mut self) {
        each!(&mut self.kind, end => end.disarm());
    }

    /// Counts a wait for room and publishes what was sent: a reader frees nothing that it does not see.
    pub(super) fn stalled(&mut self) {
        each!(&mut self.kind, end => end.stalled());
        self.flush();
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> [u64; 6] {
        match &self.kind {
            SenderKind::Lane(lane) => lane.shown(),
            _ => unreachable!("tests ask lanes alone"),
        }
    }
}
