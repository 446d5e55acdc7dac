//! A connection through plain calls.
//!
//! Who reads the last byte that has come over TCP acknowledges it in the same call, which takes the kernel longer than all
//! else in it, where nothing goes the other way that could take the acknowledgement along. A message that was waited for
//! shall not wait for that as well: it is read where it lies (`MSG_PEEK`), and taken by the next look, when this end
//! has nothing better to do. So it is acknowledged later by as long as its user works on it, but after 40 ms by the
//! kernel itself.

use std::{
    io::{self, IoSlice},
    os::fd::OwnedFd,
    sync::Arc,
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg, sockopt::socket_domain},
};

use super::Received;

/// What is no longer goes as one piece: copying it takes less time than telling the kernel of two.
const SHORT: usize = 256;

/// At most so many bytes are read where they lie, and then a second time by who takes them.
const FEW: usize = 8 << 10;

/// After so many finds of few bytes in a row the next one is likely as short; the end of something long is one alone.
const SHORT_ONES: u32 = 2;

/// Hands over the beginning of `parts` and says how many bytes of it; 0: not now.
pub(super) fn send(socket: &OwnedFd, parts: [&[u8]; 2]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let ([head, body], mut piece) = (parts, [0; SHORT]);
    let sent = if let Some(piece) = piece.get_mut(..head.len() + body.len()) {
        piece[..head.len()].copy_from_slice(head);
        piece[head.len()..].copy_from_slice(body);
        retry_on_intr(|| rustix::net::send(socket, piece, flags))
    } else {
        let parts = parts.map(IoSlice::new);
        retry_on_intr(|| sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), flags))
    };
    match sent {
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
    /// Who reads acknowledges.
    acknowledges: bool,
    /// So many bytes were read and still lie in the socket.
    seen: usize,
    /// The last look found nothing: what comes is waited for.
    waits: bool,
    /// How often in a row few bytes were found.
    short_ones: u32,
}

impl PlainReceive {
    pub fn new(socket: Arc<OwnedFd>) -> Self {
        let acknowledges = socket_domain(&socket).is_ok_and(|domain| domain != AddressFamily::UNIX);
        Self { socket, acknowledges, seen: 0, waits: false, short_ones: SHORT_ONES }
    }

    pub fn socket(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.socket)
    }

    /// As [`Incoming::seen`](super::Incoming::seen).
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// As [`Incoming::receive`](super::Incoming::receive).
    #[inline]
    pub fn receive(&mut self, into: &mut [u8]) -> io::Result<Received> {
        let received = if self.seen > 0 {
            self.receive_beyond(into)
        } else if self.acknowledges && self.waits && self.short_ones >= SHORT_ONES {
            self.peek(into)
        } else {
            receive(&self.socket, into)
        }?;
        self.waits = received == Received::Nothing;
        if let Received::Bytes(len) = received {
            self.short_ones = if len < FEW { self.short_ones.saturating_add(1) } else { 0 };
        }
        Ok(received)
    }

    /// Reads what is there and leaves it in the socket, if it is short.
    fn peek(&mut self, into: &mut [u8]) -> io::Result<Received> {
        let most = into.len().min(FEW);
        let received = receive_with(&self.socket, &mut into[..most], RecvFlags::PEEK)?;
        match received {
            // There may be more.
            Received::Bytes(len) if len == most => return receive(&self.socket, into),
            Received::Bytes(len) => self.seen = len,
            _ => {}
        }
        Ok(received)
    }

    /// Takes what was read before from the socket, and receives what has come behind it.
    fn receive_beyond(&mut self, into: &mut [u8]) -> io::Result<Received> {
        let Received::Bytes(len) = receive(&self.socket, into)? else {
            return Err(io::Error::other("what was there has gone"));
        };
        let again = self.seen.min(len);
        self.seen -= again;
        Ok(if len == again { Received::Nothing } else { Received::Bytes(len - again) })
    }
}
