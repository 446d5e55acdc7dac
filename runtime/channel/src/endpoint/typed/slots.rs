//! Channels of one type, each message in a slot of one cache line: the lowest latency.

use std::{fmt, marker::PhantomData, time::Duration};

use adit_ring::stream::{Bytes, FULL_SLOT_WORDS, SLOT, SLOT_PAYLOAD, SLOT_WORDS, masked};
use zerocopy::IntoBytes as _;

use super::{LOOKS, Plain, TypedReceiver, kind_of, until_closed};
use crate::{
    endpoint::{
        Builder, Counters, OpenError, Pause, Receiver, RecvError, Report, SendError, Sender, Wait, Waiting,
    },
    lane::{InTurn, Slots},
};

/// A slot as the receiver itself hands it over: the message, zeros, and the sequence; a full one masked. spec: CHN-2.4, CHN-2.5
type Slot = [u64; FULL_SLOT_WORDS];

/// What a channel of slots of messages of type `T` shall be; made by [`Builder::slots`].
#[must_use = "a builder opens nothing by itself"]
pub struct SlotBuilder<T> {
    builder: Builder,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Plain> SlotBuilder<T> {
    pub(in crate::endpoint) fn new(builder: Builder, name: &str) -> Self {
        Self { builder: builder.kind(kind_of::<T>(name).in_slots()), of: PhantomData }
    }

    /// Joins the channel as a sender.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn sender(&self) -> Result<SlotSender<T>, OpenError> {
        Ok(SlotSender { sender: self.builder.sender()?, of: PhantomData })
    }

    /// Opens the channel's receiving end.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn receiver(&self) -> Result<SlotReceiver<T>, OpenError> {
        let waiting = self.builder.waiting;
        let slots = TypedReceiver::over(self.builder.receiver()?, waiting);
        Ok(SlotReceiver { slots, lent: None, waiting, of: PhantomData })
    }
}

impl<T> Clone for SlotBuilder<T> {
    fn clone(&self) -> Self {
        Self { builder: self.builder.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for SlotBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotBuilder").field("builder", &self.builder).finish()
    }
}

/// The sending end of a channel of slots.
///
/// ```
/// use std::time::Duration;
/// use adit_channel::{Channel, Waiting};
///
/// // A question and its answer, each a number; both threads have a processor of their own.
/// let channel = |uri| Channel::builder(uri).map(|builder| builder.waiting(Waiting::Spin).slots::<u64>("number"));
/// let (there, back) = (channel("memory://questions")?, channel("memory://answers")?);
/// let (mut questions, mut asked) = (there.sender()?, there.receiver()?);
/// let (mut answers, mut answered) = (back.sender()?, back.receiver()?);
/// let server = std::thread::spawn(move || {
///     for number in asked.messages() {
///         answers.send(&(number? + 1), Duration::MAX)?;
///     }
///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// });
/// questions.send(&41, Duration::MAX)?;
/// assert_eq!(answered.recv(Duration::from_secs(10))?, Some(42));
/// drop(questions);
/// # server.join().unwrap().map_err(|error| error.to_string())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SlotSender<T> {
    sender: Sender,
    of: PhantomData<fn(T)>,
}

impl<T: Plain> SlotSender<T> {
    /// Messages leave no room for a sequence.
    const ARE_FULL: bool = size_of::<T>() > SLOT_PAYLOAD;

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: [`Full`](SendError::Full) or [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn try_send(&mut self, message: &T) -> Result<(), SendError> {
        if Self::ARE_FULL {
            let words = words_of(message);
            return match self.sender.send_in_full_slot(&words) {
                InTurn::Pushed => Ok(()),
                InTurn::NoTurn => self.sender.try_send_first_in_full_slot(&words),
                InTurn::Gone => Err(self.sender.disconnected()),
            };
        }
        let mut words = [0; SLOT_WORDS];
        // The size is checked when the channel is opened.
        words.as_mut_bytes()[..size_of::<T>()].copy_from_slice(message.as_bytes());
        match self.sender.send_in_slot(&words) {
            InTurn::Pushed => Ok(()),
            InTurn::NoTurn => self.sender.try_send_first_in_slot(&slot_of(message)),
            InTurn::Gone => Err(self.sender.disconnected()),
        }
    }

    /// Sends a message, waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: [`TimedOut`](SendError::TimedOut) or [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn send(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        match self.try_send(message) {
            Err(SendError::Full) => self.send_slowly(message, timeout),
            other => other,
        }
    }

    #[cold]
    fn send_slowly(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        self.sender.wait(SLOT, timeout)?;
        // This is the only writer, so room that is there stays there.
        self.try_send(message)
    }

    /// Sends a message, waiting for room, as a future for any executor. Dropping it before it is done sends nothing.
    ///
    /// # Errors
    /// [`SendError::Disconnected`].
    pub async fn send_async(&mut self, message: &T) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full) => self.sender.room(SLOT).await?,
                other => return other,
            }
        }
    }

    /// What this end counted; of bytes those of the slots.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.sender.counters()
    }

    /// On which NUMA node and which pages this sender's ring is, and why not where it was wished.
    #[must_use]
    pub fn placement(&self) -> &Report {
        self.sender.placement()
    }

    /// For tests: what is sent through it is not shown in its slot.
    #[cfg(test)]
    pub(in crate::endpoint) fn untyped(&mut self) -> &mut Sender {
        &mut self.sender
    }
}

/// The message, and zeros behind it.
#[inline(always)]
fn words_of<T: Plain>(message: &T) -> Slot {
    let mut words = [0; FULL_SLOT_WORDS];
    // The size is checked when the channel is opened.
    words.as_mut_bytes()[..size_of::<T>()].copy_from_slice(message.as_bytes());
    words
}

/// The message in a slot.
#[inline(always)]
fn slot_of<T: Plain>(message: &T) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    // The size is checked when the channel is opened.
    slot[..size_of::<T>()].copy_from_slice(message.as_bytes());
    slot
}

/// The message that stands in a slot.
#[inline(always)]
fn message_of<T: Plain>(slot: Bytes<'_>) -> T {
    let mut message = T::new_zeroed();
    slot.copy_to(0, message.as_mut_bytes());
    message
}

/// The message that a slot holds.
#[inline(always)]
fn message_in<T: Plain>(slot: &Slot) -> T {
    let mut message = T::new_zeroed();
    message.as_mut_bytes().copy_from_slice(&slot.as_bytes()[..size_of::<T>()]);
    message
}

impl<T> fmt::Debug for SlotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotSender").field("sender", &self.sender).finish()
    }
}

/// The receiving end of a channel of slots; see [`SlotSender`].
pub struct SlotReceiver<T> {
    /// What is looked at now and then.
    slots: TypedReceiver<Slot>,
    /// Of its receiver, which nothing else is asked before they are taken back.
    lent: Option<Slots>,
    waiting: Waiting,
    of: PhantomData<fn() -> T>,
}

impl<T: Plain> SlotReceiver<T> {
    /// As of [`SlotSender`].
    const ARE_FULL: bool = SlotSender::<T>::ARE_FULL;

    /// The next message, if there is one now. Of messages of more than 56 bytes, one in 2^32 that looks in its slot as the one
    /// before it there is found at the 128th look in a row, or by [`recv`](Self::recv).
    ///
    /// # Errors
    /// [`RecvError`]: [`Disconnected`](RecvError::Disconnected) or [`Misbehaved`](RecvError::Misbehaved).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        // The shortest way: a look at the one line where the next message will stand. The shorter it is, the sooner comes
        // the next.
        if let Some(lent) = &mut self.lent {
            if Self::ARE_FULL {
                if let Some(slot) = lent.step_full() {
                    return Ok(Some(message_in(&slot)));
                }
            } else if let Some(slot) = lent.step() {
                return Ok(Some(message_of(slot)));
            }
            if !lent.is_look_due() {
                return Ok(None);
            }
        }
        self.whole(TypedReceiver::try_recv)
    }

    /// Asks the receiver itself, and has it lend what is behind that.
    #[inline(never)]
    fn whole(
        &mut self,
        recv: impl FnOnce(&mut TypedReceiver<Slot>) -> Result<Option<Slot>, RecvError>,
    ) -> Result<Option<T>, RecvError> {
        self.take_back();
        let found = recv(&mut self.slots)?;
        let message = found.map(|slot| self.unmasked(slot));
        self.lend();
        Ok(message)
    }

    /// The message in the slot that the receiver handed over last.
    #[inline]
    fn unmasked(&mut self, slot: Slot) -> T {
        if !Self::ARE_FULL {
            return message_in(&slot);
        }
        let position = self.slots.position();
        if let Some(lent) = &mut self.lent {
            self.slots.receiver.saw_slot(lent, position, &slot);
        }
        message_in(&masked(slot, position))
    }

    /// Once the receiver has handed over all that it knows of.
    fn lend(&mut self) {
        if self.slots.lent.lent().is_none() {
            self.slots.receiver.lend_slots(&mut self.lent, Self::ARE_FULL);
        }
    }

    fn take_back(&mut self) {
        if let Some(lent) = &mut self.lent
            && lent.is_lent()
        {
            self.slots.receiver.take_slots_back(lent);
        }
    }

    /// The next message, waiting at most `timeout` for it; `None`: the time is over.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    #[inline(always)]
    pub fn recv(&mut self, timeout: Duration) -> Result<Option<T>, RecvError> {
        let mut looks = if timeout.is_zero() { 0 } else { self.slots.looks };
        loop {
            if let Some(found) = self.try_recv()? {
                return Ok(Some(found));
            }
            if looks == 0 {
                return self.wait(timeout);
            }
            looks -= 1;
            std::hint::spin_loop();
        }
    }

    /// Looks at the slot while it is not time to sleep.
    #[inline(never)]
    fn wait(&mut self, timeout: Duration) -> Result<Option<T>, RecvError> {
        if !self.lent.as_ref().is_some_and(Slots::is_lent) {
            return self.whole(|slots| slots.recv(timeout));
        }
        let mut wait = Wait::new(self.waiting, timeout);
        // Those that led here.
        wait.looked(LOOKS);
        loop {
            match wait.pause() {
                Pause::Look => {
                    for _ in 0..LOOKS {
                        if let Some(found) = self.try_recv()? {
                            if let Some(lent) = &mut self.lent {
                                lent.stalled();
                            }
                            return Ok(Some(found));
                        }
                        std::hint::spin_loop();
                    }
                    wait.looked(LOOKS);
                }
                Pause::Over => return self.whole(TypedReceiver::try_recv),
                Pause::Park(_) => return self.whole(|slots| slots.recv(wait.left())),
            }
        }
    }

    /// Hands `each` messages that are there now, of one sender and at most `most`, and says how many; there may be more.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv); nothing was taken.
    #[inline(always)]
    pub fn recv_each(&mut self, most: usize, mut each: impl FnMut(T)) -> Result<usize, RecvError> {
        self.take_back();
        let count = if Self::ARE_FULL {
            self.each_full(most, &mut each)?
        } else {
            self.slots.recv_each(most, |slot| each(message_in(&slot)))?
        };
        self.lend();
        Ok(count)
    }

    /// Full slots that were told by the tail.
    fn each_full(&mut self, most: usize, each: &mut impl FnMut(T)) -> Result<usize, RecvError> {
        let mut count = 0;
        while count < most {
            // Behind the first what its sender has lent.
            let slot = match &mut self.slots.lent.now {
                Some(lent) if count > 0 => lent.step().map(|bytes| message_of(bytes)),
                _ if count > 0 => None,
                _ => self.slots.try_recv()?,
            };
            let Some(slot) = slot else { break };
            each(self.unmasked(slot));
            count += 1;
        }
        Ok(count)
    }

    /// The next message, waiting for it, as a future for any executor. Dropping it before it is done takes nothing.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub async fn recv_async(&mut self) -> Result<T, RecvError> {
        self.take_back();
        let slot = self.slots.recv_async().await?;
        Ok(self.unmasked(slot))
    }

    /// Each message, waiting for it; ends when the senders have closed, and after any error.
    pub fn messages(&mut self) -> impl Iterator<Item = Result<T, RecvError>> + '_ {
        until_closed(|| self.recv(Duration::MAX))
    }

    /// What this end counted, of all senders together; of bytes those of the slots.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.slots.counters();
        if let Some(lent) = &self.lent {
            counters.add(&lent.counters());
        }
        counters
    }

    /// The receiving end without its type: for what became of the senders. A message has 64 bytes there, of which the
    /// last eight are the slot's, or masked by it.
    #[must_use]
    pub fn untyped(&mut self) -> &mut Receiver {
        self.take_back();
        self.slots.untyped()
    }
}

impl<T> Drop for SlotReceiver<T> {
    /// The receiver says how far it has read.
    fn drop(&mut self) {
        if let Some(lent) = &mut self.lent {
            self.slots.receiver.take_slots_back(lent);
        }
    }
}

impl<T> fmt::Debug for SlotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlotReceiver").field("receiver", &self.slots).finish()
    }
}
