//! Frames and descriptors over a Unix socket that keeps messages apart and never blocks.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg,
        socket_with,
    },
};

use super::frame::{FRAME, Frame, MAGIC};
use crate::{endpoint::OpenFailure, inspect::snapshot::is_request};

/// A socket of the kind that all of this uses.
pub(super) fn new() -> Result<OwnedFd, OpenFailure> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(OpenFailure::system("make a Unix socket"))
}

/// Sends a frame, with a descriptor.
pub(super) fn send(socket: impl AsFd, frame: &Frame, fd: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds: &[BorrowedFd<'_>] = fd.as_slice();
    if !fds.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(fds));
        debug_assert!(fits, "the space is for one descriptor");
    }
    let bytes = frame.to_bytes();
    // A frame is far smaller than a socket's buffer, so there is no "later" for it.
    let sent = retry_on_intr(|| {
        sendmsg(&socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    });
    sent.map(drop)
}

/// What a look at a socket gives.
#[derive(Debug)]
pub(super) enum Received {
    /// A frame, with a descriptor if there was exactly one.
    Frame(Frame, Option<OwnedFd>),
    /// An onlooker's request.
    Look,
    /// What no end of a channel says.
    Noise,
    /// Nothing yet.
    Nothing,
    /// The other side hung up.
    End,
}

/// Receives a frame, if there is one.
pub(super) fn receive(socket: impl AsFd) -> Result<Received, OpenFailure> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // One more, so that a longer frame is seen to be longer.
    let mut bytes = [0; FRAME + 1];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received =
        retry_on_intr(|| recvmsg(&socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags));
    let (len, is_cut) = match received {
        Ok(message) => (message.bytes, message.flags.contains(ReturnFlags::CTRUNC)),
        Err(Errno::AGAIN) => return Ok(Received::Nothing),
        Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Received::End),
        Err(error) => return Err(OpenFailure::system("receive a frame from the other side")(error)),
    };
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if len == 0 {
        return Ok(Received::End);
    }
    if is_cut && fds.is_empty() {
        return Err(OpenFailure::system("take memory over from the other side")(Errno::MFILE));
    }
    let bytes = &bytes[..len.min(bytes.len())];
    if is_request(bytes) {
        return Ok(Received::Look);
    }
    if !bytes.starts_with(MAGIC) {
        return Ok(Received::Noise);
    }
    let frame = Frame::from_bytes(bytes)?;
    Ok(Received::Frame(frame, if fds.len() == 1 { fds.pop() } else { None }))
}
