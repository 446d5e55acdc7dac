//! A connection through plain calls.
//!
//! Who reads the last byte that a TCP connection has acknowledges it in the same call, which takes the kernel longer than
//! all else in it: where nothing is sent on the connection's other direction, no answer takes the acknowledgement along.
//! A message that was waited for should not wait for that. So it is looked at where it lies (`MSG_PEEK`), and taken
//! by the next look, when this end has nothing better to do. It is acknowledged late by as much as its user works on it,
//! and by the kernel itself after 40 ms.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg, sockopt::socket_domain,
    },
};

use super::Received;

/// A look that finds fewer bytes found a message or a few; one that finds more has other things to do than to hurry.
const FEW: usize = 1 << 10;

/// Hands over the beginning of `parts` and says how many bytes of it; 0: not now.
pub(super) fn send(socket: &OwnedFd, parts: [&[u8]; 2]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let parts = parts.map(IoSlice::new);
    match retry_on_intr(|| sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags)) {
        Err(Errno::AGAIN | Errno::NOBUFS) => Ok(0),
        other => Ok(other?),
    }
}

/// Receives from a socket what is there.
pub(in super::super) fn receive(socket: &OwnedFd, into: &mut [u8]) -> io::Result<Received> {
    receive_with(socket, into, RecvFlags::empty())
}

fn receive_with(socket: &OwnedFd, into: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
    match retry_on_intr(|| recv(socket, &mut *into, RecvFlags::DONTWAIT | flags)) {
        Ok((0, _)) => Ok(Received::End),
        Ok((len, _)) => Ok(Received::Bytes(len)),
        Err(Errno::AGAIN) => Ok(Received::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// The receiving direction.
#[derive(Debug)]
pub(super) struct PlainReceive {
    socket: Arc<OwnedFd>,
    /// Reading costs an acknowledgement.
    acknowledges: bool,
    /// Bytes that were received and still lie in the socket.
    seen: usize,
    /// The last look found nothing: what comes is waited for.
    waits: bool,
    /// When last something was found, it was little.
    found_few: bool,
}

impl PlainReceive {
    pub fn new(socket: Arc<OwnedFd>) -> Self {
        let acknowledges = socket_domain(&socket).is_ok_and(|domain| domain != AddressFamily::UNIX);
        Self { socket, acknowledges, seen: 0, waits: false, found_few: true }
    }

    /// Whether everything that was received was taken from the socket.
    pub fn is_clear(&self) -> bool {
        self.seen == 0
    }

    /// As [`Incoming::receive`](super::Incoming::receive).
    #[inline]
    pub fn receive(&mut self, into: &mut [u8]) -> io::Result<Received> {
        if self.seen > 0 {
            return self.receive_more(into);
        }
        let peeks = self.acknowledges && self.waits && self.found_few;
        let flags = if peeks { RecvFlags::PEEK } else { RecvFlags::empty() };
        let received = receive_with(&self.socket, into, flags)?;
        self.waits = received == Received::Nothing;
        if let Received::Bytes(len) = received {
            self.found_few = len < FEW;
            self.seen = if peeks { len } else { 0 };
        }
        Ok(received)
    }

    /// Takes what was received before, and receives what has come since.
    fn receive_more(&mut self, into: &mut [u8]) -> io::Result<Received> {
        let Received::Bytes(len) = receive_with(&self.socket, into, RecvFlags::empty())? else {
            return Err(io::Error::other("what was there is not there any more"));
        };
        let seen = self.seen.min(len);
        self.seen -= seen;
        let more = len - seen;
        self.waits = more == 0;
        if more == 0 {
            return Ok(Received::Nothing);
        }
        into.copy_within(seen..len, 0);
        self.found_few = more < FEW;
        Ok(Received::Bytes(more))
    }
}

impl AsFd for PlainReceive {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
