//! The receiving end of a channel, whatever its mode.

use std::time::{Duration, Instant};

use adit_memory::Report;
use adit_ring::stream::FULL_SLOT_WORDS;

use super::{
    Bytes, Departed, RecvError,
    receiver::{FarFound, LaneReceiver},
};
use crate::{
    broadcast::{BroadcastMessage, BroadcastReceiver},
    lane::{self, Counters, DisconnectCause, Lent, Peek, Slots, Steps},
    sleeper::{Parked, Watch},
    transport::{net::NetworkReport, udp::Datagrams},
};

/// The receiving end of a channel: a lane for each sender, taken in turn, or a place in a broadcast.
///
/// Dropping it closes every lane; what was not received is lost.
///
/// ```
/// use std::time::Duration;
/// use adit_channel::Channel;
///
/// let channel = Channel::builder("memory://receiver-example")?;
/// let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
/// sender.send_batch(["one", "two", "three", "four"], Duration::MAX)?;
///
/// let mut buffer = [0; 16];
/// assert_eq!(receiver.try_recv(&mut buffer)?, Some(3));
/// assert_eq!(receiver.recv(&mut buffer, Duration::from_secs(1))?, Some(3));
/// let message = receiver.read()?.expect("four were sent");
/// assert_eq!(message.to_vec(), b"three");
/// drop(message);
/// assert_eq!(receiver.recv_batch(10, |bytes| assert_eq!(bytes.len(), 4))?, 1);
/// assert_eq!(receiver.try_recv(&mut buffer)?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    pub(super) kind: ReceiverKind,
    /// What a future that waits for a message has left.
    pub(super) parked: Option<Parked>,
}

#[derive(Debug)]
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "the common kind shall not stand behind a pointer")]
pub(super) enum ReceiverKind {
    /// A lane for each sender.
    Lanes(LaneReceiver),
    /// One sender's broadcast.
    Broadcast(Box<BroadcastReceiver>),
}

/// What a look for messages has found. As wide as a word: a byte among the results would have messages, which stand in
/// the same place of a `Result`, taken to pieces.
#[repr(u64)]
pub(super) enum Begun {
    /// One, which was stepped past; [where it is](Receiver::bytes_at).
    Only(usize),
    /// Some, which were lent.
    Turn,
    /// One, which was copied.
    Copied,
    Nothing,
}

use ReceiverKind::{Broadcast, Lanes};

impl Receiver {
    pub(super) fn new(kind: ReceiverKind) -> Self {
        Self { kind, parked: None }
    }

    /// What was found when this end was opened on a network: driver, address, and options that the system does
    /// not have; `None`: it is on none.
    #[must_use]
    pub fn network(&self) -> Option<&NetworkReport> {
        if let Lanes(lanes) = &self.kind { lanes.network() } else { None }
    }

    /// What became of datagrams, of a `udp://` channel; `None`: it is none.
    #[must_use]
    pub fn datagrams(&self) -> Option<Datagrams> {
        if let Lanes(lanes) = &self.kind { lanes.datagrams() } else { None }
    }

    /// The lanes, if it is made of such.
    pub(super) fn lanes_alone(&self) -> Option<&LaneReceiver> {
        match &self.kind {
            Lanes(lanes) => Some(lanes),
            Broadcast(_) => None,
        }
    }

    /// Copies the next message to the start of `into`, if there is one now, and says how long it is.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    #[inline]
    pub fn try_recv(&mut self, into: &mut [u8]) -> Result<Option<usize>, RecvError> {
        if let Lanes(lanes) = &mut self.kind {
            return lanes.try_recv(into);
        }
        let Some(message) = self.read()? else { return Ok(None) };
        let len = message.bytes().len();
        let Some(into) = into.get_mut(..len) else {
            message.keep();
            return Err(RecvError::TooLong { len });
        };
        message.bytes().copy_to(0, into);
        Ok(Some(len))
    }

    /// As [`try_recv`](Self::try_recv), waiting at most `timeout` for a message; `None`: the time is over.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    #[inline]
    pub fn recv(&mut self, into: &mut [u8], timeout: Duration) -> Result<Option<usize>, RecvError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        self.try_recv(into)
    }

    /// The next message, if there is one now, to be read in place.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    #[inline(always)]
    pub fn read(&mut self) -> Result<Option<Message<'_>>, RecvError> {
        Ok(match &mut self.kind {
            Lanes(lanes) => lanes.read()?.map(Message),
            Broadcast(broadcast) => broadcast.read()?.map(|found| Message(Found::Other(found))),
        })
    }

    /// As [`read`](Self::read), waiting at most `timeout` for a message; `None`: the time is over.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    pub fn read_within(&mut self, timeout: Duration) -> Result<Option<Message<'_>>, RecvError> {
        if !self.wait(timeout)? {
            return Ok(None);
        }
        self.read()
    }

    /// Reads in place what is there now, at most `most` messages and of one sender, and says how many. The
    /// sender hears of it once.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    pub fn recv_batch(&mut self, most: usize, each: impl FnMut(Bytes<'_>)) -> Result<usize, RecvError> {
        match &mut self.kind {
            Lanes(lanes) => lanes.recv_batch(most, each),
            Broadcast(broadcast) => broadcast.recv_batch(most, each),
        }
    }

    /// Lends the messages that need no look at anything, in place of what `into` holds; returns whether there are any.
    #[inline(always)]
    pub(super) fn lend<T>(&mut self, into: &mut Lent<T>) -> bool {
        if let Lanes(lanes) = &mut self.kind { lanes.lend(into) } else { false }
    }

    /// Position behind the last message that was handed over, in the ring of whoever sent it.
    pub(super) fn position(&self) -> u64 {
        if let Lanes(lanes) = &self.kind { lanes.position() } else { 0 }
    }

    /// Lends slots, in place of what `into` holds; returns whether there are any.
    pub(super) fn lend_slots(&mut self, into: &mut Option<Slots>, are_full: bool) -> bool {
        if let Lanes(lanes) = &mut self.kind { lanes.lend_slots(into, are_full) } else { false }
    }

    /// A full slot was handed over; `position` is behind it.
    pub(super) fn saw_slot(&self, lent: &mut Slots, position: u64, slot: &[u64; FULL_SLOT_WORDS]) {
        if let Lanes(lanes) = &self.kind {
            lanes.saw_slot(lent, position, slot);
        }
    }

    /// As [`take_back`](Self::take_back).
    pub(super) fn take_slots_back(&mut self, lent: &mut Slots) {
        if let Lanes(lanes) = &mut self.kind {
            lanes.take_slots_back(lent);
        }
    }

    /// Takes back what was lent; before, nothing else is to be asked of this end.
    #[inline(always)]
    pub(super) fn take_back<T>(&mut self, lent: &mut Steps<T>) {
        if let Lanes(lanes) = &mut self.kind {
            lanes.take_back(lent);
        }
    }

    /// The shortest look for some; one that is found alone, of the `size` that all have, is stepped past.
    #[inline(always)]
    pub(super) fn peek(&mut self, size: usize) -> Peek {
        if let Lanes(lanes) = &mut self.kind { lanes.peek(size) } else { Peek::Look }
    }

    /// The message that a [look](Self::peek) stepped past.
    #[inline(always)]
    pub(super) fn bytes_at(&self, place: usize, size: usize) -> Option<Bytes<'_>> {
        if let Lanes(lanes) = &self.kind { lanes.bytes_at(place, size) } else { None }
    }

    /// Looks for messages, waiting at most `timeout`. There are some, which are lent, or one is copied to `into`, whose
    /// length all have, or there is none.
    pub(super) fn begin_turn<T>(
        &mut self,
        lent: &mut Lent<T>,
        into: &mut [u8],
        timeout: Duration,
    ) -> Result<Begun, RecvError> {
        let Lanes(lanes) = &mut self.kind else {
            return Ok(if self.recv(into, timeout)?.is_some() { Begun::Copied } else { Begun::Nothing });
        };
        let found = match timeout {
            Duration::ZERO if lanes.select()? => Peek::Ready,
            Duration::ZERO => Peek::Nothing,
            timeout => lanes.wait_for_one(into.len(), timeout)?,
        };
        Ok(match found {
            Peek::Only(place) => Begun::Only(place),
            Peek::Ready if lanes.lend(lent) => Begun::Turn,
            Peek::Ready if lanes.pop_in_turn(into) => Begun::Copied,
            _ => Begun::Nothing,
        })
    }

    /// Copies messages of `size` bytes, which all have, to `into`, one behind the other: what is there now, of
    /// one sender. Says how many.
    #[inline]
    pub(super) fn try_recv_run(&mut self, size: usize, into: &mut [u8]) -> Result<usize, RecvError> {
        match &mut self.kind {
            Lanes(lanes) => lanes.try_recv_run(size, into),
            Broadcast(broadcast) => {
                let mut pieces = into.chunks_exact_mut(size);
                broadcast.recv_batch(pieces.len(), |bytes| {
                    if let Some(piece) = pieces.next() {
                        bytes.copy_to(0, piece);
                    }
                })
            }
        }
    }

    /// A copy of each message, waiting for it; ends when the senders have closed, and after any error.
    pub fn messages(&mut self) -> Messages<'_> {
        Messages { receiver: Some(self) }
    }

    /// Waits until a message is there, at most `timeout`; returns whether one is.
    ///
    /// # Errors
    /// [`RecvError`].
    #[inline]
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        match &mut self.kind {
            Lanes(lanes) => lanes.wait(timeout),
            Broadcast(broadcast) => Ok(broadcast.is_ready()? || broadcast.wait(timeout)?),
        }
    }

    /// Waits until a sender has joined that is not gone or not drained yet, at most `timeout`; returns whether
    /// one has. What to do after [`RecvError::Disconnected`], to go on with the next one. In a broadcast: until
    /// the sender has seen this receiver, which gets what is sent from then on.
    pub fn wait_for_sender(&mut self, timeout: Duration) -> bool {
        match &mut self.kind {
            Lanes(lanes) => lanes.wait_for_sender(timeout),
            Broadcast(broadcast) => broadcast.wait_for_sender(timeout),
        }
    }

    /// Senders that joined and are not gone or not drained yet. In a broadcast: 1.
    #[must_use]
    pub fn lanes(&self) -> usize {
        match &self.kind {
            Lanes(lanes) => lanes.lanes(),
            Broadcast(_) => 1,
        }
    }

    /// How many senders are gone, and why. In a broadcast there is one, and in a channel that
    /// [survives its processes](crate::kept) lanes wait for their next sender: there nobody is counted as closed or
    /// died, and what became of them is said by [`RecvError::Disconnected`].
    #[must_use]
    pub fn departed(&self) -> Departed {
        match &self.kind {
            Lanes(lanes) => lanes.departed(),
            Broadcast(broadcast) => broadcast.departed(),
        }
    }

    /// Tells the senders how far this end has read; see [`Acknowledge`](super::Acknowledge).
    pub fn acknowledge(&mut self) {
        match &mut self.kind {
            Lanes(lanes) => lanes.acknowledge(),
            Broadcast(broadcast) => broadcast.acknowledge(),
        }
    }

    /// Where the rings are that this end reads, a report for each sender.
    #[must_use]
    pub fn placements(&self) -> Vec<Report> {
        match &self.kind {
            Lanes(lanes) => lanes.placements(),
            Broadcast(broadcast) => vec![broadcast.placement().clone()],
        }
    }

    /// What this end counted, of all senders together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        match &self.kind {
            Lanes(lanes) => lanes.counters(),
            Broadcast(broadcast) => broadcast.counters(),
        }
    }

    /// Whether a message is there.
    pub(super) fn select(&mut self) -> Result<bool, RecvError> {
        match &mut self.kind {
            Lanes(lanes) => lanes.select(),
            Broadcast(broadcast) => broadcast.is_ready(),
        }
    }

    /// Announces a sleep and says what ends it; nothing: there is something to see at once. Then:
    /// [`disarm`](Self::disarm).
    pub(super) fn arm(&mut self) -> Option<Watch> {
        match &mut self.kind {
            Lanes(lanes) => lanes.arm(),
            Broadcast(broadcast) => broadcast.watch(),
        }
    }

    /// A future has slept until then.
    pub(super) fn slept_until(&mut self, woken: Instant) {
        if let Lanes(lanes) = &mut self.kind {
            lanes.slept_until(woken);
        }
    }

    /// Whether the announcement stands.
    pub(super) fn is_armed(&self) -> bool {
        match &self.kind {
            Lanes(lanes) => lanes.is_armed(),
            Broadcast(broadcast) => broadcast.is_armed(),
        }
    }

    /// Takes the announcement back.
    pub(super) fn disarm(&mut self) {
        match &mut self.kind {
            Lanes(lanes) => lanes.disarm(),
            Broadcast(broadcast) => broadcast.disarm(),
        }
    }

    /// Counts a wait for a message.
    pub(super) fn stalled(&mut self) {
        match &mut self.kind {
            Lanes(lanes) => lanes.stalled(),
            Broadcast(broadcast) => broadcast.stalled(),
        }
    }

    /// As a transport does when it hears that a process died.
    #[cfg(test)]
    pub(super) fn mark_dead(&self) {
        match &self.kind {
            Lanes(lanes) => lanes.mark_dead(),
            Broadcast(broadcast) => broadcast.link().mark_dead(),
        }
    }
}

/// A message, read where it is; dropping it consumes it.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub struct Message<'a>(Found<'a>);

#[derive(Debug)]
pub(super) enum Found<'a> {
    /// In a lane's ring.
    Lane(lane::Message<'a>),
    /// Elsewhere: one kind more, so that a message in a ring costs one comparison.
    Other(OtherFound<'a>),
}

#[derive(Debug)]
pub(crate) enum OtherFound<'a> {
    /// In a broadcast's ring.
    Broadcast(BroadcastMessage<'a>),
    /// In an arena.
    Far(FarFound<'a>),
}

impl OtherFound<'_> {
    pub(crate) fn bytes(&self) -> Bytes<'_> {
        match self {
            Self::Broadcast(message) => message.bytes(),
            Self::Far(message) => message.bytes(),
        }
    }
}

/// Calls the same on whatever the message is.
macro_rules! every {
    ($found:expr, $message:ident => $call:expr) => {
        match $found {
            Found::Lane($message) => $call,
            Found::Other(OtherFound::Broadcast($message)) => $call,
            Found::Other(OtherFound::Far($message)) => $call,
        }
    };
}

impl Message<'_> {
    /// The payload, in memory that the sender can write: what is judged must first be copied.
    #[inline(always)]
    #[must_use]
    pub fn bytes(&self) -> Bytes<'_> {
        every!(&self.0, message => message.bytes())
    }

    /// Where the message stands in the stream of its sender: it rises with each message. In a broadcast it is
    /// where the next one will stand.
    #[must_use]
    pub fn position(&self) -> u64 {
        every!(&self.0, message => message.position())
    }

    /// A copy of the payload.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let mut copy = vec![0; bytes.len()];
        bytes.copy_to(0, &mut copy);
        copy
    }

    /// Leaves the message in the channel, to be read again.
    pub fn keep(self) {
        every!(self.0, message => message.keep());
    }
}

/// A copy of each message of a [`Receiver`].
#[derive(Debug)]
pub struct Messages<'a> {
    receiver: Option<&'a mut Receiver>,
}

impl Iterator for Messages<'_> {
    type Item = Result<Vec<u8>, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let error = match self.receiver.as_mut()?.read_within(Duration::MAX) {
                Ok(Some(message)) => return Some(Ok(message.to_vec())),
                Ok(None) => continue,
                Err(error) => error,
            };
            self.receiver = None;
            let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
            return (error != closed).then_some(Err(error));
        }
    }
}
