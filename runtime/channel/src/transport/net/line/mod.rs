//! A connection's two directions, through io_uring or through plain sockets.
//!
//! Neither ever blocks: [`Outgoing::send`] and [`Incoming::receive`] say "not now", and what to poll then.

mod uring;

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::PollFlags,
    io::{Errno, retry_on_intr},
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg},
};

pub(super) use uring::why_not;

use self::uring::{UringReceive, UringSend};
use super::{Driver, NetworkOptions};
use crate::endpoint::OpenFailure;

/// What a look at a connection gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
    /// The other side will send no more.
    End,
}

/// Whether io_uring is to be used, and if not, why.
pub(super) fn choose(options: &NetworkOptions) -> Result<Result<(), String>, OpenFailure> {
    match (options.driver, why_not()) {
        (Driver::Sockets, _) => Ok(Err("plain sockets were asked for".into())),
        (Driver::Auto, Some(why)) => Ok(Err(why.to_owned())),
        (Driver::IoUring, Some(why)) => {
            Err(OpenFailure::system("use io_uring")(io::Error::other(why.to_owned())))
        }
        (_, None) => Ok(Ok(())),
    }
}

/// The sending direction.
#[derive(Debug)]
pub(super) struct Outgoing {
    socket: Arc<OwnedFd>,
    uring: Option<UringSend>,
}

impl Outgoing {
    /// `memory` is what [`send`](Self::send) will mostly send from.
    pub fn new(socket: Arc<OwnedFd>, uring: bool, options: &NetworkOptions) -> io::Result<Self> {
        let uring = uring.then(|| UringSend::new(Arc::clone(&socket), options.zero_copy_from)).transpose()?;
        Ok(Self { socket, uring })
    }

    /// Hands over the beginning of `parts` and says how many bytes of it; 0: not now.
    ///
    /// # Safety
    /// After a 0 the bytes stay where and what they are until this has returned something else for them, or
    /// `self` was dropped.
    pub unsafe fn send(&mut self, parts: [&[u8]; 2]) -> io::Result<usize> {
        if let Some(uring) = &mut self.uring {
            // SAFETY: the caller's promise.
            return unsafe { uring.send(parts) };
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let parts = parts.map(IoSlice::new);
        let sent =
            retry_on_intr(|| sendmsg(&self.socket, &parts, &mut SendAncillaryBuffer::default(), flags));
        match sent {
            Err(Errno::AGAIN | Errno::NOBUFS) => Ok(0),
            other => Ok(other?),
        }
    }

    /// What to poll after a 0.
    pub fn poll_on(&self) -> (Arc<OwnedFd>, PollFlags) {
        match &self.uring {
            Some(uring) => (uring.fd(), PollFlags::IN),
            None => (Arc::clone(&self.socket), PollFlags::OUT),
        }
    }
}

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Incoming {
    socket: Arc<OwnedFd>,
    uring: Option<UringReceive>,
}

impl Incoming {
    pub fn new(socket: Arc<OwnedFd>, uring: bool) -> io::Result<Self> {
        let uring = uring.then(|| UringReceive::new(Arc::clone(&socket))).transpose()?;
        Ok(Self { socket, uring })
    }

    /// Receives what is there, to the start of `into`, which is not empty.
    #[inline]
    pub fn receive(&mut self, into: &mut [u8]) -> io::Result<Received> {
        match &mut self.uring {
            Some(uring) => uring.receive(into),
            None => receive(&self.socket, into),
        }
    }

    /// What to poll after [`Received::Nothing`].
    pub fn poll_on(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.uring {
            Some(uring) => (uring.as_fd(), PollFlags::IN),
            None => (self.socket.as_fd(), PollFlags::IN),
        }
    }
}

/// Receives from a socket what is there.
pub(super) fn receive(socket: &OwnedFd, into: &mut [u8]) -> io::Result<Received> {
    match retry_on_intr(|| recv(socket, &mut *into, RecvFlags::DONTWAIT)) {
        Ok((0, _)) => Ok(Received::End),
        Ok((len, _)) => Ok(Received::Bytes(len)),
        Err(Errno::AGAIN) => Ok(Received::Nothing),
        Err(error) => Err(error.into()),
    }
}
