//! Channels of one type: plain data, copied word by word.

mod asynchronous;
mod slots;

pub use slots::{SlotBuilder, SlotReceiver, SlotSender};

use std::{fmt, marker::PhantomData, time::Duration};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use adit_ring::stream::Word;

use super::{
    BatchError, Builder, Bytes, Counters, OpenError, Receiver, RecvError, SendError, Sender, Waiting,
    open_receiver::Begun,
};
use crate::lane::{InTurn, Lent, MessageKind, Peek, Steps};

/// What a typed channel carries: plain data without padding, of which every pattern of bits is a value.
///
/// Whatever a sender that breaks the rules writes is a value, too. Implemented for every type that fits:
/// numbers, arrays of them, and structs that derive the three traits of the `zerocopy` crate.
pub trait Plain: FromBytes + IntoBytes + Immutable {}

impl<T: FromBytes + IntoBytes + Immutable> Plain for T {}

/// What a channel of messages of type `T` shall be; made by [`Builder::of`].
#[must_use = "a builder opens nothing by itself"]
pub struct TypedBuilder<T> {
    builder: Builder,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Plain> TypedBuilder<T> {
    pub(super) fn new(builder: Builder, name: &str) -> Self {
        Self { builder: builder.kind(kind_of::<T>(name)), of: PhantomData }
    }

    /// Joins the channel as a sender.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn sender(&self) -> Result<TypedSender<T>, OpenError> {
        Ok(TypedSender { sender: self.builder.sender()?, of: PhantomData })
    }

    /// Opens the channel's receiving end.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn receiver(&self) -> Result<TypedReceiver<T>, OpenError> {
        Ok(TypedReceiver::over(self.builder.receiver()?, self.builder.waiting))
    }

    /// The same without the type.
    pub fn untyped(&self) -> &Builder {
        &self.builder
    }
}

fn kind_of<T: Plain>(name: &str) -> MessageKind {
    // Of a type too large for a channel the size becomes one that is refused when it is opened.
    let size = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
    let alignment = u32::try_from(align_of::<T>()).unwrap_or(u32::MAX);
    MessageKind::fixed(name, size, alignment)
}

impl<T> Clone for TypedBuilder<T> {
    fn clone(&self) -> Self {
        Self { builder: self.builder.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for TypedBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedBuilder").field("builder", &self.builder).finish()
    }
}

/// The sending end of a channel of messages of type `T`.
///
/// ```
/// use std::time::Duration;
/// use adit_channel::Channel;
/// use zerocopy::{FromBytes, Immutable, IntoBytes};
///
/// #[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable)]
/// #[repr(C)]
/// struct Tick {
///     time: u64,
///     price: u32,
///     volume: u32,
/// }
///
/// let channel = Channel::builder("memory://ticks")?.capacity(1 << 16).of::<Tick>("example::Tick");
/// let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
/// sender.try_send(&Tick { time: 1, price: 100, volume: 3 })?;
/// sender.send_batch(&[Tick { time: 2, price: 101, volume: 1 }; 5], Duration::MAX)?;
/// assert_eq!(receiver.try_recv()?, Some(Tick { time: 1, price: 100, volume: 3 }));
/// let mut rest = [Tick { time: 0, price: 0, volume: 0 }; 8];
/// assert_eq!(receiver.recv_batch(&mut rest)?, 5);
/// assert_eq!(rest[4].price, 101);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TypedSender<T> {
    sender: Sender,
    of: PhantomData<fn(T)>,
}

impl<T: Plain> TypedSender<T> {
    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// [`SendError`]: [`Full`](SendError::Full) or [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn try_send(&mut self, message: &T) -> Result<(), SendError> {
        match self.sender.send_in_turn(message.as_bytes()) {
            InTurn::Pushed => Ok(()),
            InTurn::NoTurn => self.sender.try_send_first(copy_of(message).as_bytes()),
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
            Err(SendError::Full) => self.sender.send(copy_of(message).as_bytes(), timeout),
            other => other,
        }
    }

    /// Sends as many of the messages as there is room for now, in order, and says how many.
    ///
    /// # Errors
    /// [`SendError`]: [`Full`](SendError::Full) if there is room for none,
    /// [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn try_send_batch(&mut self, messages: &[T]) -> Result<usize, SendError> {
        self.sender.try_send_run(size_of::<T>(), messages.as_bytes())
    }

    /// Sends messages as an iterator makes them, written in place and published together, as long as there is room;
    /// says how many. A message is made only when there is room for it, so none is lost: what the iterator has left
    /// is what was not sent. If the iterator panics, what it had made in this call may be lost.
    ///
    /// # Errors
    /// [`SendError`]: [`Full`](SendError::Full) if there is room for none,
    /// [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn try_send_iter(&mut self, messages: impl IntoIterator<Item = T>) -> Result<usize, SendError> {
        let mut messages = messages.into_iter();
        self.sender.try_send_iter(|| messages.next())
    }

    /// Sends messages in order, copied and published many at a time, waiting at most `timeout` for room for
    /// each.
    ///
    /// # Errors
    /// [`BatchError`]: how many were sent, and why the next was not.
    #[inline]
    pub fn send_batch(&mut self, messages: &[T], timeout: Duration) -> Result<usize, BatchError> {
        self.sender.send_run(size_of::<T>(), messages.as_bytes(), timeout)
    }

    /// Publishes what was sent; see [`publish_every`](Builder::publish_every).
    pub fn flush(&mut self) {
        self.sender.flush();
    }

    /// What this end counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.sender.counters()
    }

    /// The sending end without its type: for claims, and for what is done when the channel is full.
    #[must_use]
    pub fn untyped(&mut self) -> &mut Sender {
        &mut self.sender
    }
}

/// How often an end that does not sleep at once looks before it does anything else; with the look that led there, a power
/// of two.
const LOOKS: u32 = 15;

/// A copy for what is not inlined, so that the message itself may stay in registers.
#[inline(always)]
fn copy_of<T: Plain>(message: &T) -> T {
    let mut copy = T::new_zeroed();
    copy.as_mut_bytes().copy_from_slice(message.as_bytes());
    copy
}

impl<T> fmt::Debug for TypedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSender").field("sender", &self.sender).finish()
    }
}

/// The receiving end of a channel of messages of type `T`; see [`TypedSender`].
pub struct TypedReceiver<T> {
    receiver: Receiver,
    /// Messages of the receiver that are stepped past here; nothing else is asked of it before they are taken back.
    lent: Lent<T>,
    /// How often an end that waits looks before it does anything else.
    looks: u32,
    /// A message that could not be handed over where it stood.
    spare: Vec<Word>,
    of: PhantomData<fn() -> T>,
}

/// How often an end that waits so looks before it does anything else.
fn looks(waiting: Waiting) -> u32 {
    if waiting == Waiting::Park { 0 } else { LOOKS }
}

/// The value that stands there.
#[inline(always)]
fn value_of<T: Plain>(bytes: Bytes<'_>) -> T {
    let mut value = T::new_zeroed();
    bytes.copy_to(0, value.as_mut_bytes());
    value
}

impl<T: Plain> TypedReceiver<T> {
    fn over(receiver: Receiver, waiting: Waiting) -> Self {
        Self { receiver, lent: Lent::new(), looks: looks(waiting), spare: Vec::new(), of: PhantomData }
    }

    /// The next message, if there is one now.
    ///
    /// # Errors
    /// [`RecvError`]: [`Disconnected`](RecvError::Disconnected) or [`Misbehaved`](RecvError::Misbehaved).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        // The first way on its own, so that there is no more to it than to where the message stands.
        if let Some(bytes) = self.lent.step() {
            return Ok(Some(value_of(bytes)));
        }
        self.take_back();
        // Not through what is not inlined, where it can be helped.
        let found = match self.receiver.peek(size_of::<T>()) {
            Peek::Only(place) => self.receiver.bytes_at(place, size_of::<T>()),
            Peek::Nothing => return Ok(None),
            Peek::Ready if self.receiver.lend(&mut self.lent) => self.lent.step(),
            Peek::Ready | Peek::Look => self.look(Duration::ZERO)?,
        };
        Ok(found.map(value_of))
    }

    /// The next message, waiting at most `timeout` for it; `None`: the time is over.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    #[inline(always)]
    pub fn recv(&mut self, timeout: Duration) -> Result<Option<T>, RecvError> {
        // A moment here, where a message that comes soon goes the shortest way.
        let mut looks = if timeout.is_zero() { 0 } else { self.looks };
        loop {
            if let Some(found) = self.try_recv()? {
                return Ok(Some(found));
            }
            if looks == 0 {
                break;
            }
            looks -= 1;
            std::hint::spin_loop();
        }
        Ok(self.look(timeout)?.map(value_of))
    }

    /// Looks for messages, waiting at most `timeout`, and returns the first, where it stands. Not inlined and without a
    /// value among its results, so that messages come to registers from wherever they stand.
    #[inline(never)]
    fn look(&mut self, timeout: Duration) -> Result<Option<Bytes<'_>>, RecvError> {
        self.take_back();
        let mut copy = T::new_zeroed();
        match self.receiver.begin_turn(&mut self.lent, copy.as_mut_bytes(), timeout)? {
            Begun::Only(place) => Ok(self.receiver.bytes_at(place, size_of::<T>())),
            Begun::Turn => Ok(self.lent.step()),
            Begun::Copied => {
                self.spare.resize_with(size_of::<T>().div_ceil(8), Word::default);
                Ok(Some(Bytes::filled(&self.spare, copy.as_bytes())))
            }
            Begun::Nothing => Ok(None),
        }
    }

    /// Position behind the last message that was handed over, in the ring of whoever sent it.
    fn position(&self) -> u64 {
        match &self.lent.now {
            Some(lent) if lent.is_lent() => lent.position(),
            _ => self.receiver.position(),
        }
    }

    /// Gives the receiver back what it lent.
    #[inline(always)]
    fn take_back(&mut self) {
        if let Some(lent) = self.lent.lent() {
            self.receiver.take_back(lent);
        }
    }

    /// Copies the messages that are there now, of one sender and as many as `into` has room for, to the start
    /// of `into`, and says how many.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv); nothing was taken.
    #[inline]
    pub fn recv_batch(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        self.take_back();
        self.receiver.try_recv_run(size_of::<T>(), into.as_mut_bytes())
    }

    /// Hands `each` messages that are there now, of one sender and at most `most`, and says how many; there may be more. The
    /// sender hears of them together.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv); nothing was taken.
    #[inline(always)]
    pub fn recv_each(&mut self, most: usize, mut each: impl FnMut(T)) -> Result<usize, RecvError> {
        // Nothing that is not inlined is given `each`, so that what it adds up stays in registers.
        let mut count = 0;
        if most > 0 && !self.lent.now.as_ref().is_some_and(Steps::has_more) {
            let Some(first) = self.look(Duration::ZERO)? else { return Ok(0) };
            each(value_of(first));
            count = 1;
        }
        if let Some(lent) = &mut self.lent.now {
            count += lent.each(most - count, |bytes| each(value_of(bytes)));
        }
        Ok(count)
    }

    /// Each message, waiting for it; ends when the senders have closed, and after any error.
    pub fn messages(&mut self) -> impl Iterator<Item = Result<T, RecvError>> + '_ {
        until_closed(|| self.recv(Duration::MAX))
    }

    /// What this end counted, of all senders together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.receiver.counters();
        if let Some(lent) = &self.lent.now {
            counters.add(&lent.counters());
        }
        counters
    }

    /// The receiving end without its type: for messages that are read in place, and for what became of the
    /// senders.
    #[must_use]
    pub fn untyped(&mut self) -> &mut Receiver {
        self.take_back();
        &mut self.receiver
    }
}

/// What `recv` gives, until the senders have closed, and until any error.
fn until_closed<T>(
    mut recv: impl FnMut() -> Result<Option<T>, RecvError>,
) -> impl Iterator<Item = Result<T, RecvError>> {
    let mut over = false;
    std::iter::from_fn(move || {
        while !over {
            match recv() {
                Ok(Some(message)) => return Some(Ok(message)),
                Ok(None) => {}
                Err(error) => {
                    over = true;
                    return (!error.is_closed()).then_some(Err(error));
                }
            }
        }
        None
    })
}

impl<T> Drop for TypedReceiver<T> {
    /// The receiver says how far it has read.
    fn drop(&mut self) {
        if let Some(lent) = self.lent.lent() {
            self.receiver.take_back(lent);
        }
    }
}

impl<T> fmt::Debug for TypedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedReceiver").field("receiver", &self.receiver).finish()
    }
}
