//! A connection's two directions, through plain calls and, where that is better, through io_uring.
//!
//! Neither ever blocks: [`Outgoing::send`] and [`Incoming::receive`] say "not now", and what to poll then.
//!
//! A plain call is the shortest way of what can be done at once. Two things are better left to io_uring: a long send for
//! which there is no room yet, and connections of which most have nothing: a look at one is then a look at memory,
//! and no call. So each direction begins plain, also where io_uring is there.

mod plain;
mod uring;

use std::{io, os::fd::OwnedFd, sync::Arc};

use rustix::event::PollFlags;

pub(super) use self::{plain::receive, uring::why_not};
use self::{
    plain::{PlainReceive, send},
    uring::{UringReceive, UringSend},
};
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

/// A direction's own io_uring, made when something is first left to it: most connections never come to that. Where it
/// cannot be made then, for want of descriptors or memory, plain calls go on.
#[derive(Debug)]
enum Uring<T> {
    Unused,
    Unmade,
    Made(T),
}

impl<T> Uring<T> {
    fn allowed(allowed: bool) -> Self {
        if allowed { Self::Unmade } else { Self::Unused }
    }

    fn made(&self) -> Option<&T> {
        match self {
            Self::Made(uring) => Some(uring),
            _ => None,
        }
    }

    fn made_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Made(uring) => Some(uring),
            _ => None,
        }
    }

    fn make(&mut self, make: impl FnOnce() -> io::Result<T>) -> Option<&mut T> {
        if matches!(self, Self::Unmade) {
            *self = make().map_or(Self::Unused, Self::Made);
        }
        self.made_mut()
    }
}

/// A send for which there is no room is left to io_uring if it has so many bytes: what is shorter goes as a whole as soon as
/// there is room, and to submit it and hear of it takes longer than to call again.
const LONG: usize = 128 << 10;

/// The sending direction.
#[derive(Debug)]
pub(super) struct Outgoing {
    socket: Arc<OwnedFd>,
    uring: Uring<UringSend>,
    /// What is at least so long is sent without a copy, and so by io_uring.
    zero_copy_from: usize,
}

impl Outgoing {
    /// What has `zero_copy_from` bytes or more is sent without a copy.
    pub fn new(socket: Arc<OwnedFd>, uring: bool, zero_copy_from: usize) -> Self {
        Self { socket, uring: Uring::allowed(uring), zero_copy_from }
    }

    /// Hands over the beginning of `parts` and says how many bytes of it; 0: not now.
    ///
    /// # Safety
    /// After a 0 the bytes stay where and what they are until this has returned something else for them, or
    /// `self` was dropped.
    pub unsafe fn send(&mut self, parts: [&[u8]; 2]) -> io::Result<usize> {
        let is_sending = self.uring.made().is_some_and(UringSend::is_sending);
        let uncopied = parts[1].len() >= self.zero_copy_from && !matches!(self.uring, Uring::Unused);
        if !is_sending && !uncopied {
            let sent = send(&self.socket, parts)?;
            let is_short = parts[0].len() + parts[1].len() < LONG;
            if sent > 0 || is_short || matches!(self.uring, Uring::Unused) {
                return Ok(sent);
            }
        }
        // The kernel goes on by itself when there is room.
        match self.uring.make(|| UringSend::new(Arc::clone(&self.socket), self.zero_copy_from)) {
            // SAFETY: the caller's promise.
            Some(uring) => unsafe { uring.send(parts) },
            None => send(&self.socket, parts),
        }
    }

    /// The connection has ended: returns how many bytes of what [`send`](Self::send) was given last were taken, and were
    /// not said to be.
    pub fn end(&mut self) -> usize {
        self.uring.made_mut().map_or(0, UringSend::end)
    }

    /// What to poll after a 0.
    pub fn poll_on(&self) -> (Arc<OwnedFd>, PollFlags) {
        match self.uring.made() {
            Some(uring) if uring.is_sending() => (uring.fd(), PollFlags::IN),
            _ => (Arc::clone(&self.socket), PollFlags::OUT),
        }
    }
}

/// After so many looks in vain, one after the other, a connection among many is left to io_uring.
const VAIN: u32 = 1 << 10;

/// Where something comes within so many looks, calls are the shorter way.
const SOON: u32 = VAIN / 4;

/// After something came soon so often in a row, it is received by calls again.
const LIVELY: u32 = 16;

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Incoming {
    plain: PlainReceive,
    uring: Uring<UringReceive>,
    /// How many looks in a row found nothing.
    vain: u32,
    /// How often in a row something came soon while io_uring received.
    lively: u32,
}

impl Incoming {
    pub fn new(socket: Arc<OwnedFd>, uring: bool) -> Self {
        Self { plain: PlainReceive::new(socket), uring: Uring::allowed(uring), vain: 0, lively: 0 }
    }

    /// How many of the bytes that were received last come a second time, before all others.
    pub fn seen(&self) -> usize {
        self.plain.seen()
    }

    /// Receives what is there. `into` has more room than for what was [seen](Self::seen) before, which comes first; what is
    /// new stands behind that, and is counted.
    ///
    /// `is_crowded`: this end looks at so many connections that each look should be short.
    #[inline]
    pub fn receive(&mut self, into: &mut [u8], is_crowded: impl FnOnce() -> bool) -> io::Result<Received> {
        if self.is_by_uring() {
            return self.receive_by_uring(into);
        }
        let received = self.plain.receive(into)?;
        if received != Received::Nothing {
            self.vain = 0;
            return Ok(received);
        }
        self.vain = self.vain.saturating_add(1);
        if self.vain < VAIN || self.plain.seen() > 0 || !is_crowded() {
            return Ok(received);
        }
        let Some(uring) = self.uring.make(|| UringReceive::new(self.plain.socket())) else {
            return Ok(received);
        };
        (self.vain, self.lively) = (0, 0);
        uring.begin();
        // Now, since this end may go to sleep on what it submits.
        self.receive_by_uring(into)
    }

    /// Whether io_uring receives, and not a call.
    pub fn is_by_uring(&self) -> bool {
        self.uring.made().is_some_and(UringReceive::is_used)
    }

    /// Whether something was received that was not handed on: what is [polled](Self::poll_on) says nothing of it.
    pub fn holds_some(&self) -> bool {
        self.uring.made().is_some_and(UringReceive::holds_some)
    }

    fn receive_by_uring(&mut self, into: &mut [u8]) -> io::Result<Received> {
        let Some(uring) = self.uring.made_mut() else { return Ok(Received::Nothing) };
        let received = uring.receive(into)?;
        if received == Received::Nothing {
            self.vain = self.vain.saturating_add(1);
            return Ok(received);
        }
        self.lively = if self.vain < SOON { self.lively + 1 } else { 0 };
        self.vain = 0;
        if self.lively == LIVELY {
            uring.stop();
        }
        Ok(received)
    }

    /// What is readable when there is something again after [`Received::Nothing`].
    pub fn poll_on(&self) -> Arc<OwnedFd> {
        match self.uring.made() {
            Some(uring) if uring.is_used() => uring.fd(),
            _ => self.plain.socket(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_made_once_and_where_it_cannot_be_made_calls_go_on() {
        let none = || -> io::Result<u32> { panic!("nobody asked for one") };
        assert_eq!(Uring::allowed(false).make(none), None);
        let mut uring = Uring::allowed(true);
        assert_eq!(uring.made(), None);
        assert_eq!(uring.make(|| Ok(1)), Some(&mut 1));
        assert_eq!(uring.make(none), Some(&mut 1));
        let mut refused = Uring::allowed(true);
        assert_eq!(refused.make(|| Err(io::ErrorKind::OutOfMemory.into())), None);
        assert_eq!(refused.make(none), None);
    }
}
