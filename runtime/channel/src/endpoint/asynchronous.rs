//! The same ends for futures: on any executor, and beside ends that block.
//!
//! A future that finds nothing leaves the lane's words, or its sockets, with a thread of this process
//! ([`crate::sleeper`]) and is polled again when one of them changes. Nothing polls meanwhile, where there is
//! nothing that nobody announces: not in channels that survive their processes, and not for the senders of broadcasts
//! that are full, which are polled 20 times a second. Dropping a future takes that back and loses
//! nothing: a message is taken only in the poll that returns it, and sent only in the poll that says so.
//!
//! ```
//! use adit_channel::Channel;
//! # fn block_on<F: Future>(future: F) -> F::Output {
//! #     use std::{pin::pin, sync::Arc, task::{Context, Poll, Wake, Waker}, thread::Thread};
//! #     struct Unpark(Thread);
//! #     impl Wake for Unpark { fn wake(self: Arc<Self>) { self.0.unpark(); } }
//! #     let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
//! #     let mut future = pin!(future);
//! #     loop {
//! #         if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) { return output; }
//! #         std::thread::park();
//! #     }
//! # }
//!
//! let channel = Channel::builder("memory://asynchronous")?;
//! let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
//! let worker = std::thread::spawn(move || block_on(async {
//!     sender.send_async(b"later").await
//! }));
//! block_on(async {
//!     assert_eq!(receiver.read_async().await?.to_vec(), b"later");
//!     assert!(receiver.next().await.is_none(), "the sender is gone");
//!     Ok::<(), adit_channel::RecvError>(())
//! })?;
//! # worker.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use rustix::event::{EventfdFlags, eventfd};

use super::{Claim, Message, Receiver, RecvError, SendError, Sender};
use crate::{lane::DisconnectCause, sleeper::Parked};

/// How often one poll looks: the look before it leaves its words, the one after, and as many again because
/// something may have come in between.
const ROUNDS: u32 = 4;

/// For futures, on any executor: what finds nothing waits, and dropping a future loses nothing.
impl Receiver {
    /// Waits until a message is there.
    ///
    /// # Errors
    /// [`RecvError`].
    pub async fn ready(&mut self) -> Result<(), RecvError> {
        MessageThere { receiver: self }.await
    }

    /// Copies the next message to the start of `into` and says how long it is, waiting for it.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    pub async fn recv_async(&mut self, into: &mut [u8]) -> Result<usize, RecvError> {
        loop {
            self.ready().await?;
            if let Some(len) = self.try_recv(into)? {
                return Ok(len);
            }
        }
    }

    /// The next message, to be read in place, waiting for it.
    ///
    /// # Errors
    /// [`RecvError`]: nothing was taken.
    pub async fn read_async(&mut self) -> Result<Message<'_>, RecvError> {
        self.ready().await?;
        // What is there stays there: nobody else reads this end.
        self.read()?.ok_or(RecvError::Disconnected { cause: DisconnectCause::Closed })
    }

    /// A copy of the next message, waiting for it; `None` when the senders have closed: what a stream's `next`
    /// is. After `None` or an error, a later sender makes it go on.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, RecvError>> {
        match self.read_async().await {
            Ok(message) => Some(Ok(message.to_vec())),
            Err(RecvError::Disconnected { cause: DisconnectCause::Closed }) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// For hand-made futures and streams: whether a message is there. If not, the context's waker is called once
    /// when that may have changed. Whoever uses this end in another way in between polls again before it waits
    /// for the waker.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        self.hear_of_sleep();
        for _ in 0..ROUNDS {
            match self.select() {
                Ok(false) => {}
                found => {
                    self.unpark();
                    return Poll::Ready(found.map(drop));
                }
            }
            match &self.parked {
                Some(parked) if parked.waits(context.waker()) && self.is_armed() => return Poll::Pending,
                Some(_) => self.unpark(),
                None => self.stalled(),
            }
            // Where there is something to see at once, it is seen in the next round.
            if let Some(watch) = self.arm() {
                self.parked = Some(Parked::new(watch, context.waker()));
            } else {
                self.disarm();
            }
        }
        again(context)
    }

    /// Until it was called, whoever left something has slept on it.
    fn hear_of_sleep(&mut self) {
        if let Some(parked) = &self.parked {
            let woken = parked.fired().unwrap_or_else(Instant::now);
            self.slept_until(woken);
        }
    }

    /// Takes back what a future left.
    fn unpark(&mut self) {
        self.hear_of_sleep();
        if self.parked.take().is_some() {
            self.disarm();
        }
    }
}

/// For futures, on any executor: what finds no room waits, and dropping a future loses nothing.
impl Sender {
    /// Waits until a message of `len` bytes has room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`] and [`SendError::TimedOut`].
    pub async fn room(&mut self, len: usize) -> Result<(), SendError> {
        Room { sender: self, len }.await
    }

    /// Sends a message, waiting for room.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`] and [`SendError::TimedOut`].
    pub async fn send_async(&mut self, message: &[u8]) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full) => self.room(message.len()).await?,
                other => return other,
            }
        }
    }

    /// Claims room for a message of `len` bytes, to be filled in place, waiting for it.
    ///
    /// # Errors
    /// [`SendError`]: all but [`SendError::Full`] and [`SendError::TimedOut`].
    pub async fn claim_async(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.room(len).await?;
        // Room that was found stays: this is the only writer.
        self.claim(len)
    }

    /// For hand-made futures and sinks: whether a message of `len` bytes has room. If not, the context's waker
    /// is called once when that may have changed. Whoever uses this end in another way in between polls again
    /// before it waits for the waker.
    pub fn poll_room(&mut self, len: usize, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        for _ in 0..ROUNDS {
            match self.has_room(len) {
                Ok(false) => {}
                found => {
                    self.unpark();
                    return Poll::Ready(found.map(drop));
                }
            }
            match &self.parked {
                Some(parked)
                    if self.parked_for == len && parked.waits(context.waker()) && self.is_armed() =>
                {
                    return Poll::Pending;
                }
                Some(_) => self.unpark(),
                None => self.stalled(),
            }
            if let Some(watch) = self.arm(len) {
                self.parked_for = len;
                self.parked = Some(Parked::new(watch, context.waker()));
            } else {
                self.disarm();
            }
        }
        again(context)
    }

    fn unpark(&mut self) {
        if self.parked.take().is_some() {
            self.disarm();
        }
    }
}

/// Lets the executor do something else and come back: the peer writes what is no reason to sleep, and nothing to
/// see either.
fn again<T>(context: &Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Waits for a message; takes back what it left when it is dropped.
struct MessageThere<'a> {
    receiver: &'a mut Receiver,
}

impl Future for MessageThere<'_> {
    type Output = Result<(), RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.receiver.poll_ready(context)
    }
}

impl Drop for MessageThere<'_> {
    fn drop(&mut self) {
        self.receiver.unpark();
    }
}

/// Waits for room; takes back what it left when it is dropped.
struct Room<'a> {
    sender: &'a mut Sender,
    len: usize,
}

impl Future for Room<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let len = self.len;
        self.sender.poll_room(len, context)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.sender.unpark();
    }
}

/// An eventfd that becomes readable when an end has something to do: for loops around epoll or poll.
///
/// The order is: receive until there is nothing, [`arm_receiver`](Self::arm_receiver), and only if that says
/// `false` wait for the descriptor; then [`clear`](Self::clear) and from the beginning. One event may serve many
/// ends.
///
/// ```
/// use adit_channel::{Channel, endpoint::Event};
///
/// let channel = Channel::builder("memory://event")?;
/// let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
/// let event = Event::new()?;
/// assert!(!event.arm_receiver(&mut receiver)?);
/// sender.try_send(b"wake up")?;
/// // An epoll loop would wait here until `event` is readable.
/// event.wait()?;
/// event.clear();
/// assert_eq!(receiver.read()?.unwrap().to_vec(), b"wake up");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Event(Arc<EventFd>);

#[derive(Debug)]
struct EventFd(OwnedFd);

impl Event {
    /// An event that has not happened.
    ///
    /// # Errors
    /// The system has no descriptor for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(EventFd(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))))
    }

    /// Lets the event happen when a message is there, and says whether one is now.
    ///
    /// # Errors
    /// [`RecvError`].
    pub fn arm_receiver(&self, receiver: &mut Receiver) -> Result<bool, RecvError> {
        match receiver.poll_ready(&mut Context::from_waker(&self.waker())) {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Lets the event happen when a message of `len` bytes has room, and says whether it has now.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn arm_sender(&self, sender: &mut Sender, len: usize) -> Result<bool, SendError> {
        match sender.poll_room(len, &mut Context::from_waker(&self.waker())) {
            Poll::Ready(result) => result.map(|()| true),
            Poll::Pending => Ok(false),
        }
    }

    /// Waits until it has happened; what epoll does for many.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        let wait = || poll(&mut [PollFd::new(&self.0.0, PollFlags::IN)], None);
        rustix::io::retry_on_intr(wait)?;
        Ok(())
    }

    /// Makes it not have happened.
    pub fn clear(&self) {
        // It fails when it had not happened.
        let _ = rustix::io::read(&self.0.0, &mut [0; 8]);
    }

    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}

impl Wake for EventFd {
    fn wake(self: Arc<Self>) {
        // It can only fail when it happened 2^64 times without being heard.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}
