//! Channels of one type: plain data, copied word by word.

use std::{fmt, marker::PhantomData, time::Duration};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::{BatchError, Builder, Counters, OpenError, Receiver, RecvError, SendError, Sender};
use crate::lane::MessageKind;

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
        // Of a type too large for a channel the size becomes one that is refused when it is opened.
        let size = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        let alignment = u32::try_from(align_of::<T>()).unwrap_or(u32::MAX);
        Self { builder: builder.kind(MessageKind::fixed(name, size, alignment)), of: PhantomData }
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
        Ok(TypedReceiver { receiver: self.builder.receiver()?, of: PhantomData })
    }

    /// The same without the type.
    pub fn untyped(&self) -> &Builder {
        &self.builder
    }
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
        self.sender.try_send_fixed(message.as_bytes())
    }

    /// Sends a message, waiting at most `timeout` for room.
    ///
    /// # Errors
    /// [`SendError`]: [`TimedOut`](SendError::TimedOut) or [`Disconnected`](SendError::Disconnected).
    #[inline(always)]
    pub fn send(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        self.sender.send_fixed(message.as_bytes(), timeout)
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

impl<T> fmt::Debug for TypedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedSender").field("sender", &self.sender).finish()
    }
}

/// The receiving end of a channel of messages of type `T`; see [`TypedSender`].
pub struct TypedReceiver<T> {
    receiver: Receiver,
    of: PhantomData<fn() -> T>,
}

impl<T: Plain> TypedReceiver<T> {
    /// The next message, if there is one now.
    ///
    /// # Errors
    /// [`RecvError`]: [`Disconnected`](RecvError::Disconnected) or [`Misbehaved`](RecvError::Misbehaved).
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        let mut message = T::new_zeroed();
        Ok(self.receiver.try_recv_fixed(message.as_mut_bytes())?.then_some(message))
    }

    /// The next message, waiting at most `timeout` for it; `None`: the time is over.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    #[inline(always)]
    pub fn recv(&mut self, timeout: Duration) -> Result<Option<T>, RecvError> {
        let mut message = T::new_zeroed();
        Ok(self.receiver.recv_fixed(message.as_mut_bytes(), timeout)?.then_some(message))
    }

    /// Copies the messages that are there now, of one sender and as many as `into` has room for, to the start
    /// of `into`, and says how many.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv); nothing was taken.
    #[inline]
    pub fn recv_batch(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        self.receiver.try_recv_run(size_of::<T>(), into.as_mut_bytes())
    }

    /// Each message, waiting for it; ends when the senders have closed, and after any error.
    pub fn messages(&mut self) -> impl Iterator<Item = Result<T, RecvError>> + '_ {
        let mut over = false;
        std::iter::from_fn(move || {
            while !over {
                match self.recv(Duration::MAX) {
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

    /// What this end counted, of all senders together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.receiver.counters()
    }

    /// The receiving end without its type: for messages that are read in place, and for what became of the
    /// senders.
    #[must_use]
    pub fn untyped(&mut self) -> &mut Receiver {
        &mut self.receiver
    }
}

impl<T> fmt::Debug for TypedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedReceiver").field("receiver", &self.receiver).finish()
    }
}
