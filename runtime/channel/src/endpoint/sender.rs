//! The sending end of a channel.

use std::time::Duration;

use adit_ring::stream::PushError;

use super::{
    BatchError, Report, SendError, Waiting,
    wait::{Pause, Wait},
};
use crate::{
    lane::{Claim, Counters, Spec, WriterLane},
    sleeper::{Parked, Watchword},
};

/// What [`Sender::push`] does when there is no room. Each is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnFull {
    /// Waits so long for room: a stall.
    Block(Duration),
    /// Says so at once.
    Fail,
    /// Drops the message: a drop.
    DropNewest,
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

/// The sending end of a channel: one lane.
///
/// Dropping it publishes what is sent and closes the lane; the receiver gets everything first.
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
    lane: WriterLane,
    waiting: Waiting,
    on_full: OnFull,
    publish_every: u64,
    /// Of the whole lane, in bytes.
    capacity: u64,
    /// What a future that waits for room has left.
    pub(super) parked: Option<Parked>,
}

impl Sender {
    pub(super) fn new(
        lane: WriterLane,
        spec: &Spec,
        waiting: Waiting,
        on_full: OnFull,
        publish_every: u64,
    ) -> Self {
        Self { lane, waiting, on_full, publish_every, capacity: spec.capacity as u64, parked: None }
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

    /// As [`try_send`](Self::try_send), where all messages have the length of this one.
    #[inline(always)]
    pub(super) fn try_send_fixed(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.check()?;
        self.lane.push_fixed(message).map_err(failed)
    }

    /// As [`send`](Self::send), where all messages have the length of this one.
    #[inline(always)]
    pub(super) fn send_fixed(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        match self.try_send_fixed(message) {
            Err(SendError::Full) => self.send_slowly(message, timeout),
            other => other,
        }
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

    /// Sends a message, doing as [`OnFull`] says if there is no room.
    ///
    /// # Errors
    /// [`SendError`].
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<Pushed, SendError> {
        match self.on_full {
            OnFull::Block(timeout) => self.send(message, timeout)?,
            OnFull::Fail => self.try_send(message).inspect_err(|error| self.count_full(*error))?,
            OnFull::DropNewest => match self.try_send(message) {
                Err(SendError::Full) => {
                    self.lane.dropped();
                    return Ok(Pushed::Dropped);
                }
                other => other?,
            },
        }
        Ok(Pushed::Sent)
    }

    /// Claims room for a message of `len` bytes, to be filled in place, if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::TimedOut`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.check()?;
        self.lane.claim(len).map_err(failed)
    }

    /// As [`claim`](Self::claim), waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`].
    pub fn claim_within(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        match self.lane.room(len) {
            Ok(()) => {}
            Err(PushError::Full) => self.wait(len, timeout)?,
            Err(error) => return Err(failed(error)),
        }
        self.claim(len)
    }

    /// Sends messages in order, published together as far as there is room, waiting at most `timeout` for room
    /// for each.
    ///
    /// # Errors
    /// [`BatchError`]: how many were sent, and why the next was not.
    pub fn send_batch<M: AsRef<[u8]>>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
        timeout: Duration,
    ) -> Result<usize, BatchError> {
        self.lane.publish_every(self.capacity);
        let mut sent = 0;
        let mut result = Ok(());
        for message in messages {
            result = self.send_quietly(message.as_ref(), timeout);
            if result.is_err() {
                break;
            }
            sent += 1;
        }
        self.lane.publish_every(self.publish_every);
        self.lane.flush();
        result.map(|()| sent).map_err(|error| BatchError { sent, error })
    }

    fn send_quietly(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.check()?;
        match self.lane.push_quietly(message).map_err(failed) {
            Err(SendError::Full) => {
                self.wait(message.len(), timeout)?;
                self.lane.push_quietly(message).map_err(failed)
            }
            other => other,
        }
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

    fn count_full(&mut self, error: SendError) {
        if error == SendError::Full {
            self.lane.stalled();
        }
    }

    /// Waits for room for a message that is short enough.
    #[cold]
    fn wait(&mut self, len: usize, timeout: Duration) -> Result<(), SendError> {
        self.stalled();
        let mut wait = Wait::new(self.waiting, timeout);
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
    pub(super) fn arm(&mut self, len: usize) -> Option<Watchword> {
        self.lane
            .arm(len)
            .then(|| self.lane.sleep_on(len))
            .flatten()
            .map(|on| Watchword::new(on, self.lane.link()))
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

#[inline(always)]
fn failed(error: PushError) -> SendError {
    match error {
        PushError::Full => SendError::Full,
        PushError::TooLong { len, most } => SendError::TooLong { len, most },
        PushError::WrongSize { len, size } => SendError::WrongSize { len, size },
    }
}
