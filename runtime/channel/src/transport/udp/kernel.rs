//! Many datagrams by one call: "generic segmentation offload" where they are sent, "generic receive offload" where they
//! arrive. Over loopback they stay together all the way.

use std::{
    io,
    mem::zeroed,
    os::fd::{AsRawFd as _, OwnedFd},
    ptr::null_mut,
};

use rustix::{
    io::{Errno, retry_on_intr},
    net::{SendFlags, send as send_one},
};

use crate::transport::net::set_number;

/// Room for one number beside a message, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Beside([u8; 64]);

/// Sends `bytes` as datagrams of `step` bytes each, of which the last may be shorter; does not wait.
pub(super) fn send(socket: &OwnedFd, bytes: &[u8], step: usize) -> rustix::io::Result<()> {
    if bytes.len() <= step {
        return retry_on_intr(|| send_one(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT))
            .map(drop);
    }
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut beside = Beside([0; 64]);
    // SAFETY: zeros are a message header: no pointers, no lengths.
    let mut message: libc::msghdr = unsafe { zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
    let step = step as u16;
    message.msg_control = (&raw mut beside).cast();
    // SAFETY: only computes.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(size_of::<u16>() as u32) } as _;
    // SAFETY: the control buffer has room for a header and the number behind it, which these point to.
    unsafe {
        let head = libc::CMSG_FIRSTHDR(&raw const message);
        (*head).cmsg_level = libc::IPPROTO_UDP;
        (*head).cmsg_type = libc::UDP_SEGMENT;
        (*head).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as u32) as _;
        libc::CMSG_DATA(head).cast::<u16>().write_unaligned(step);
    }
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: all that the header points to lives here, and the kernel only reads it.
    retry_on_intr(|| result(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) }))
        .map(drop)
}

/// Whether `send` failed because the system, or the interface, does not send many at a time.
pub(super) fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::IO | Errno::MSGSIZE | Errno::OPNOTSUPP | Errno::NOPROTOOPT)
}

/// How many receipts one call gives: who gets fewer knows that there is no more.
const AT_ONCE: usize = 4;

/// The most bytes of a receipt.
pub(super) const RECEIPT: usize = 64 << 10;

/// What is received by one call: receipts, each a datagram, or several of one sender.
#[derive(Debug)]
pub(super) struct Receipts {
    bytes: Vec<u8>,
    /// Of each, how many bytes, and of how many a datagram is; the last may be shorter.
    lens: [(usize, usize); AT_ONCE],
}

impl Receipts {
    /// Has the kernel give datagrams together that came together.
    pub fn new(socket: &OwnedFd) -> Self {
        // Where the system has no such thing, they come one by one.
        let _ = set_number(socket, libc::IPPROTO_UDP, libc::UDP_GRO, 1);
        Self { bytes: vec![0; AT_ONCE * RECEIPT], lens: [(0, 0); AT_ONCE] }
    }

    /// Receives what is there, without waiting; returns how many receipts, and whether there may be more.
    pub fn receive(&mut self, socket: &OwnedFd) -> rustix::io::Result<(usize, bool)> {
        let mut beside = [const { Beside([0; 64]) }; AT_ONCE];
        // SAFETY: zeros are message headers: no pointers, no lengths.
        let (mut parts, mut messages): ([libc::iovec; AT_ONCE], [libc::mmsghdr; AT_ONCE]) =
            unsafe { zeroed() };
        let buffers = self.bytes.chunks_exact_mut(RECEIPT).zip(&mut beside);
        for ((message, part), (bytes, beside)) in messages.iter_mut().zip(&mut parts).zip(buffers) {
            *part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: RECEIPT };
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (part, 1);
            message.msg_hdr.msg_control = beside.0.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = beside.0.len() as _;
        }
        let count = retry_on_intr(|| {
            let (fd, most) = (socket.as_raw_fd(), AT_ONCE as u32);
            // SAFETY: all that the headers point to lives here or in `self`, and nobody else uses it meanwhile.
            result(unsafe { libc::recvmmsg(fd, messages.as_mut_ptr(), most, libc::MSG_DONTWAIT, null_mut()) }
                as isize)
        })?;
        for (lens, message) in self.lens.iter_mut().zip(&messages[..count]) {
            let len = message.msg_len as usize;
            // One alone has no step.
            *lens = (len, step(&message.msg_hdr).unwrap_or(len));
        }
        Ok((count, count == AT_ONCE))
    }

    /// The datagrams of a receipt.
    pub fn datagrams(&self, receipt: usize) -> impl Iterator<Item = &[u8]> {
        let (len, step) = self.lens[receipt];
        let bytes = &self.bytes[receipt * RECEIPT..][..len];
        // One without a byte is one as well.
        let empty = bytes.is_empty().then_some(bytes);
        bytes.chunks(step.max(1)).chain(empty)
    }
}

/// Of how many bytes each datagram of a receipt is, if the kernel says that there are several.
fn step(message: &libc::msghdr) -> Option<usize> {
    // SAFETY: the kernel has written as much beside the message as `message` says now, in whole headers.
    let step = unsafe {
        let head = libc::CMSG_FIRSTHDR(message);
        let is_step = !head.is_null()
            && ((*head).cmsg_level, (*head).cmsg_type) == (libc::IPPROTO_UDP, libc::UDP_GRO)
            && (*head).cmsg_len as usize >= libc::CMSG_LEN(size_of::<i32>() as u32) as usize;
        is_step.then(|| libc::CMSG_DATA(head).cast::<i32>().read_unaligned())
    };
    usize::try_from(step?).ok().filter(|step| *step > 0)
}

fn result(value: isize) -> rustix::io::Result<usize> {
    usize::try_from(value).map_err(|_| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}
