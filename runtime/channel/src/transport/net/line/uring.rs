//! What is left of a connection to io_uring: multishot receive into registered buffers, sends that the kernel finishes
//! later, and above a threshold without copying.
//!
//! Each direction has a ring of its own, because its two ends may be two threads. The rings are made without
//! `SINGLE_ISSUER` and `DEFER_TASKRUN`, since an end may move from thread to thread.
//!
//! A request completes in the thread that submitted it. Were that another one than the one that reads, it would have to
//! be woken for each message; so the one that reads submits, and again when that has become another. While it looks
//! and does not sleep it is not interrupted for what arrives, which costs more than all else on a virtual machine:
//! it sees that something is to be done, and does it (`COOP_TASKRUN`). What a thread submitted is cancelled when it
//! ends; both directions then submit again.
//!
//! Invariant of the unsafe code here: memory that a submitted request names is neither freed nor moved before
//! its last completion was seen. [`Drop`] waits for that.

mod pool;

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, OnceLock},
    time::Duration,
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{CancelBuilder, Fd, SubmitArgs, Timespec},
};
use rustix::net::{Shutdown, shutdown};

use self::pool::{BUFFER, BUFFERS, Pool};
use super::Received;

/// Completions that wait at most: one for each buffer, and the end of it.
const COMPLETIONS: u32 = 16;

/// The one group of them.
const GROUP: u16 = 0;

/// Looks for completions, and waits for none (`IORING_ENTER_GETEVENTS`).
const ENTER_GETEVENTS: u32 = 1;

/// How long an end that closes waits at a time for the kernel to let go of its memory.
const LET_GO: Duration = Duration::from_millis(100);

/// Why io_uring cannot be used here, if it cannot: it was tried, once, with one byte.
pub(in super::super) fn why_not() -> Option<&'static str> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    WHY.get_or_init(|| match try_out() {
        Ok(()) => None,
        Err(error) => Some(format!("io_uring is refused: {error}")),
    })
    .as_deref()
}

/// Sends a byte each way through a pair of sockets.
fn try_out() -> io::Result<()> {
    let (mut plain, other) = UnixStream::pair()?;
    plain.set_read_timeout(Some(Duration::from_secs(1)))?;
    other.set_nonblocking(true)?;
    let socket = Arc::new(OwnedFd::from(other));
    let mut receive = UringReceive::new(Arc::clone(&socket))?;
    receive.begin();
    let mut send = UringSend::new(socket, usize::MAX)?;
    let byte = [7_u8];
    // SAFETY: `byte` lives longer than `send`.
    while unsafe { send.send([&byte, &[]]) }? == 0 {
        wait(&send.ring, LET_GO)?;
    }
    let mut back = [0];
    plain.read_exact(&mut back)?;
    plain.write_all(&back)?;
    for _ in 0..10 {
        match receive.receive(&mut back)? {
            Received::Bytes(1) if back == byte => return Ok(()),
            Received::Nothing => wait(&receive.ring, LET_GO)?,
            _ => break,
        }
    }
    Err(io::Error::other("it does not do what it should"))
}

/// Something that no other living thread has.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

/// Sleeps until there is a completion.
fn wait(ring: &IoUring, time: Duration) -> io::Result<()> {
    let time = Timespec::from(time);
    match ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time)) {
        Err(error) if error.raw_os_error() != Some(libc::ETIME) && !is_passing(&error) => Err(error),
        _ => Ok(()),
    }
}

fn as_fd(ring: &IoUring) -> BorrowedFd<'_> {
    // SAFETY: the ring owns the descriptor, and the borrow is the ring's.
    unsafe { BorrowedFd::borrow_raw(ring.as_raw_fd()) }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINTR | libc::EAGAIN | libc::EBUSY | libc::ECANCELED))
}

fn submit(ring: &mut IoUring, entry: &squeue::Entry) -> io::Result<()> {
    // SAFETY: the callers keep what the entry names, by this module's invariant.
    unsafe { ring.submission().push(entry) }.map_err(io::Error::other)?;
    loop {
        match ring.submit() {
            Ok(_) => return Ok(()),
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a send that the kernel has not finished refers to; it does not move.
#[derive(Debug)]
struct Message {
    header: libc::msghdr,
    parts: [libc::iovec; 2],
}

/// How far a send is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    None,
    /// The result is to come.
    Sent,
    /// The result is to come, then the word that the memory is free.
    SentWithoutCopy,
    /// This was the result; the memory is not free yet.
    Held(i32),
}

/// The sending direction.
pub(super) struct UringSend {
    ring: IoUring,
    socket: Arc<OwnedFd>,
    message: Box<Message>,
    flight: Flight,
    zero_copy_from: usize,
    /// The ring's descriptor once more, to be polled without this struct.
    fd: Arc<OwnedFd>,
}

// SAFETY: the pointers in `message` are only followed by the kernel; nothing is bound to a thread.
unsafe impl Send for UringSend {}

impl UringSend {
    pub fn new(socket: Arc<OwnedFd>, zero_copy_from: usize) -> io::Result<Self> {
        let ring = IoUring::builder().setup_cqsize(COMPLETIONS).build(4)?;
        // SAFETY: both are plain C structs of integers and pointers, for which all zeros is a value.
        let message = Box::new(unsafe { std::mem::zeroed() });
        let fd = Arc::new(as_fd(&ring).try_clone_to_owned()?);
        Ok(Self { ring, socket, message, flight: Flight::None, zero_copy_from, fd })
    }

    /// Whether a send is under way.
    pub fn is_sending(&self) -> bool {
        self.flight != Flight::None
    }

    /// As [`Outgoing::send`](super::Outgoing::send).
    ///
    /// # Safety
    /// As there.
    pub unsafe fn send(&mut self, parts: [&[u8]; 2]) -> io::Result<usize> {
        if self.flight == Flight::None {
            self.submit(parts)?;
        }
        let copied = matches!(self.flight, Flight::None | Flight::Sent);
        let Some(result) = self.reap() else { return Ok(0) };
        match result {
            // A connected socket takes at least one byte.
            0 => Err(io::ErrorKind::WriteZero.into()),
            1.. => Ok(result as usize),
            _ => {
                let error = io::Error::from_raw_os_error(-result);
                if !copied && matches!(-result, libc::ENOMEM | libc::ENOBUFS | libc::EOPNOTSUPP) {
                    // This user may not have so much memory locked (RLIMIT_MEMLOCK), or this socket cannot: from now on it
                    // is copied.
                    self.zero_copy_from = usize::MAX;
                } else if !is_passing(&error) {
                    return Err(error);
                }
                // Nothing was sent: it goes again, and now, since who is told "not now" waits for a completion.
                self.submit(parts)?;
                Ok(0)
            }
        }
    }

    fn submit(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
        let fd = Fd(self.socket.as_raw_fd());
        // Only what stands in the ring goes without a copy; a frame's header goes before.
        let long = parts[1].len() >= self.zero_copy_from;
        let (entry, flight) = if long && parts[0].is_empty() {
            let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
            let len = u32::try_from(parts[1].len()).unwrap_or(u32::MAX);
            let entry = opcode::SendZc::new(fd, parts[1].as_ptr(), len).flags(flags).build();
            (entry, Flight::SentWithoutCopy)
        } else {
            let used = if long { 1 } else { 2 };
            self.message.parts = parts
                .map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
            self.message.header.msg_iov = self.message.parts.as_mut_ptr();
            self.message.header.msg_iovlen = used;
            let more = if long { libc::MSG_MORE } else { 0 };
            let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL | more;
            let entry = opcode::SendMsg::new(fd, &raw const self.message.header).flags(flags as u32).build();
            (entry, Flight::Sent)
        };
        submit(&mut self.ring, &entry)?;
        self.flight = flight;
        Ok(())
    }

    /// The result of the send, once its memory is free.
    fn reap(&mut self) -> Option<i32> {
        while let Some(entry) = self.ring.completion().next() {
            self.flight = match self.flight {
                Flight::SentWithoutCopy if cqueue::more(entry.flags()) => Flight::Held(entry.result()),
                Flight::Held(result) => {
                    self.flight = Flight::None;
                    return Some(result);
                }
                _ => {
                    self.flight = Flight::None;
                    return Some(entry.result());
                }
            };
        }
        None
    }

    pub fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }
}

impl fmt::Debug for UringSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringSend").field("flight", &self.flight).finish_non_exhaustive()
    }
}

impl UringSend {
    /// Ends what is in flight, and says how many bytes of it the kernel took. A send that is not copied ends only when
    /// the other side has acknowledged it or the connection is given up, so the connection is.
    pub fn end(&mut self) -> usize {
        // It may be done already.
        let mut result = self.reap();
        if self.flight != Flight::None {
            let _ = shutdown(&self.socket, Shutdown::Both);
            if matches!(self.flight, Flight::Held(_) | Flight::SentWithoutCopy) {
                abort(&self.socket);
            }
        }
        while self.flight != Flight::None {
            cancel(&self.ring);
            result = self.reap();
            if result.is_none() {
                let _ = wait(&self.ring, LET_GO);
            }
        }
        result.and_then(|result| usize::try_from(result).ok()).unwrap_or(0)
    }
}

impl Drop for UringSend {
    fn drop(&mut self) {
        self.end();
    }
}

/// Drops a TCP connection with all that it holds.
fn abort(socket: &OwnedFd) {
    // SAFETY: a plain C struct of integers, for which all zeros is a value: no address, which means "none".
    let none: libc::sockaddr = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live local of the length that is given. What fails is tried again by `wait`.
    unsafe { libc::connect(socket.as_raw_fd(), &raw const none, size_of_val(&none) as libc::socklen_t) };
}

/// Asks the kernel to end every request; those that end later are waited for.
fn cancel(ring: &IoUring) {
    let time = Timespec::from(LET_GO);
    let _ = ring.submitter().register_sync_cancel(Some(time), CancelBuilder::any());
}

/// Bytes of a buffer that the kernel filled.
#[derive(Debug)]
struct Filled {
    buffer: u16,
    at: usize,
    len: usize,
}

/// The receiving direction.
pub(super) struct UringReceive {
    ring: IoUring,
    socket: Arc<OwnedFd>,
    pool: Pool,
    filled: Option<Filled>,
    /// It is to receive.
    wanted: bool,
    /// A multishot receive is under way.
    armed: bool,
    /// Which thread submitted it.
    by: usize,
    end: bool,
    /// The ring's descriptor once more, to be polled without this struct.
    fd: Arc<OwnedFd>,
}

// SAFETY: the pool is this struct's own; nothing is bound to a thread.
unsafe impl Send for UringReceive {}

impl UringReceive {
    pub fn new(socket: Arc<OwnedFd>) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .build(4)?;
        let mut pool = Pool::new();
        // SAFETY: the pool lives as long as the ring: `Drop` unregisters it.
        unsafe { ring.submitter().register_buf_ring_with_flags(pool.address(), BUFFERS, GROUP, 0) }?;
        (0..BUFFERS).for_each(|buffer| pool.give(buffer));
        let fd = Arc::new(as_fd(&ring).try_clone_to_owned()?);
        Ok(Self { ring, socket, pool, filled: None, wanted: false, armed: false, by: 0, end: false, fd })
    }

    /// From now on it receives; who reads next submits the request.
    pub fn begin(&mut self) {
        self.wanted = true;
    }

    /// Receives nothing more but what has come until now, and that is to be taken first.
    pub fn stop(&mut self) {
        self.wanted = false;
        if self.armed {
            cancel(&self.ring);
        }
    }

    /// Whether it receives, or has something that comes before what lies in the socket.
    pub fn is_used(&self) -> bool {
        self.wanted || self.armed || self.filled.is_some() || self.end
    }

    /// Whether a buffer that the kernel filled is not read to its end.
    pub fn holds_some(&self) -> bool {
        self.filled.is_some()
    }

    fn arm(&mut self) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(self.socket.as_raw_fd()), GROUP).build();
        submit(&mut self.ring, &entry)?;
        (self.armed, self.by) = (true, this_thread());
        Ok(())
    }

    /// Looks what the kernel has to do where no completion is; whether there may be one now.
    fn stir(&mut self) -> io::Result<bool> {
        if self.by != this_thread() {
            // Its thread would do it; the request ends, and another is submitted here.
            self.by = this_thread();
            cancel(&self.ring);
            return Ok(true);
        }
        if !self.ring.submission().taskrun() {
            return Ok(false);
        }
        // SAFETY: nothing is submitted, and there are no arguments.
        match unsafe { self.ring.submitter().enter::<()>(0, 0, ENTER_GETEVENTS, None) } {
            Err(error) if !is_passing(&error) => Err(error),
            _ => Ok(!self.ring.completion().is_empty()),
        }
    }

    /// As [`Incoming::receive`](super::Incoming::receive).
    #[inline]
    pub fn receive(&mut self, into: &mut [u8]) -> io::Result<Received> {
        loop {
            if let Some(filled) = &mut self.filled {
                let len = filled.len.min(into.len());
                // SAFETY: `len` bytes from `at` on are within the buffer, by the check in `reap`, and the kernel
                // does not touch it before it is given back.
                let from = unsafe {
                    std::slice::from_raw_parts(self.pool.bytes(filled.buffer).as_ptr().add(filled.at), len)
                };
                into[..len].copy_from_slice(from);
                (filled.at, filled.len) = (filled.at + len, filled.len - len);
                if filled.len == 0 {
                    let buffer = filled.buffer;
                    self.filled = None;
                    self.pool.give(buffer);
                }
                return Ok(Received::Bytes(len));
            }
            if let Some(nothing) = self.reap()? {
                return Ok(nothing);
            }
        }
    }

    /// Takes the next completion; `None`: look again.
    fn reap(&mut self) -> io::Result<Option<Received>> {
        let next = self.ring.completion().next();
        let Some(entry) = next else {
            if self.end {
                return Ok(Some(Received::End));
            }
            if !self.armed && !self.wanted {
                return Ok(Some(Received::Nothing));
            }
            if !self.armed {
                self.arm()?;
                return Ok(None);
            }
            return Ok(if self.stir()? { None } else { Some(Received::Nothing) });
        };
        self.armed = cqueue::more(entry.flags());
        let buffer = cqueue::buffer_select(entry.flags());
        match (entry.result(), buffer) {
            (0, _) => self.end = true,
            (len @ 1.., Some(buffer)) => {
                let (len, buffer) = ((len as usize).min(BUFFER), buffer % BUFFERS);
                self.filled = Some(Filled { buffer, at: 0, len });
            }
            (1.., None) => return Err(io::Error::other("io_uring names no buffer")),
            // Every buffer is full: they have been read by now, and it begins again.
            (result, _) if -result == libc::ENOBUFS => {}
            (result, _) => {
                let error = io::Error::from_raw_os_error(-result);
                if !is_passing(&error) {
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    pub fn fd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }
}

impl fmt::Debug for UringReceive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringReceive").field("armed", &self.armed).finish_non_exhaustive()
    }
}

impl Drop for UringReceive {
    fn drop(&mut self) {
        while self.armed {
            cancel(&self.ring);
            let mut seen = false;
            while let Some(entry) = self.ring.completion().next() {
                seen = true;
                self.armed = cqueue::more(entry.flags());
            }
            if !seen && wait(&self.ring, LET_GO).is_err() {
                // Nothing else can end the request; without a ring it never completes.
                let _ = shutdown(&self.socket, Shutdown::Both);
            }
        }
        let _ = self.ring.submitter().unregister_buf_ring(GROUP);
    }
}
