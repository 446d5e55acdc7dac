//! Byte streams of the kernel: a TCP connection (a floor), a Unix socket and a pipe (peers).
//!
//! Both ends block, but for round trips whose ends spin: there the reader asks again and again. A message is written by one
//! call, a batch too; the reader takes what is there, up to 64 KiB or one message in a call. The kernel's buffers are as large as
//! the queues of others, up to what anybody may have: a pipe's 1 MiB, and of a Unix socket what `net.core.wmem_max` allows.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::AsFd,
        unix::{
            fs::OpenOptionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, FileType, OFlags, fcntl_getfl, fcntl_setfl},
    net::sockopt::set_socket_send_buffer_size,
    pipe::fcntl_setpipe_size,
};

use crate::{
    order::{Order, Regime},
    payload::Payload,
    queue::{Broken, Named, Rx, Tx},
};

/// How long an end waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether readers ask again and again.
fn spins(order: &Order) -> bool {
    order.regime == Regime::Spinning
}

/// What a pipe of anybody may hold, unless the system's manager has changed it.
const MOST_PIPE: usize = 1 << 20;

/// What one call reads at most, if no message is longer.
const READ: usize = 64 << 10;

/// Loopback TCP with `TCP_NODELAY`.
#[derive(Debug)]
pub struct Tcp;

/// A Unix stream socket.
#[derive(Debug)]
pub struct Unix;

/// A pipe that has a name.
#[derive(Debug)]
pub struct Pipe;

/// Writes messages.
#[derive(Debug)]
pub struct StreamTx<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W> StreamTx<W> {
    fn new<P: Payload>(order: &Order, out: W) -> Self {
        Self { out, buffer: vec![0; order.batch * P::WORDS * 8] }
    }
}

fn fill(bytes: &mut [u8], number: u64) {
    for (at, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *word = number.wrapping_add(at as u64).to_ne_bytes();
    }
}

impl<P: Payload, W: Write> Tx<P> for StreamTx<W> {
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        <Self as Tx<P>>::put_batch(self, number, 1).map(|count| count == 1)
    }

    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        let bytes = &mut self.buffer[..count * P::WORDS * 8];
        for (message, number) in bytes.chunks_exact_mut(P::WORDS * 8).zip(first..) {
            fill(message, number);
        }
        self.out.write_all(bytes).map_err(|_| Broken("cannot write to the stream"))?;
        Ok(count)
    }
}

/// Where the bytes come from: there may be nobody yet.
pub trait Source {
    /// What is to be read from, if the other end is there.
    fn stream(&mut self) -> std::io::Result<Option<&mut dyn Read>>;
}

/// Reads messages.
#[derive(Debug)]
pub struct StreamRx<S> {
    source: S,
    buffer: Vec<u8>,
    /// What is read and not taken: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Nothing is there yet where a call says so.
    spins: bool,
}

impl<S: Source> StreamRx<S> {
    fn new<P: Payload>(order: &Order, source: S) -> Self {
        let buffer = vec![0; READ.max(P::WORDS * 8)];
        Self { source, buffer, start: 0, end: 0, spins: spins(order) }
    }

    fn read(&mut self) -> Result<(), Broken> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let broken = Broken("cannot read from the stream");
        let Some(stream) = self.source.stream().map_err(|_| broken)? else { return Ok(()) };
        // A pipe that nobody has opened yet gives no bytes, too, nor does a call in which this process was stopped.
        self.end += match stream.read(&mut self.buffer[self.end..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.spins => 0,
            read => read.map_err(|_| broken)?,
        };
        Ok(())
    }
}

impl<P: Payload, S: Source> Rx<P> for StreamRx<S> {
    fn take(&mut self, each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        <Self as Rx<P>>::take_batch(self, 1, each)
    }

    fn take_batch(&mut self, count: usize, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let bytes = P::WORDS * 8;
        if self.end - self.start < bytes {
            self.read()?;
        }
        let ready = ((self.end - self.start) / bytes).min(count);
        for message in self.buffer[self.start..].chunks_exact(bytes).take(ready) {
            let words = message.as_chunks::<8>().0;
            let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word)));
            each(u64::from_ne_bytes(words[0]), sum);
        }
        self.start += ready * bytes;
        Ok(ready)
    }

    fn park(&mut self) -> Result<(), Broken> {
        // Reading blocks.
        Ok(())
    }
}

/// Tries until it works or the time is over.
pub(crate) fn within<T>(what: &str, mut attempt: impl FnMut() -> std::io::Result<T>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if begin.elapsed() > PATIENCE => return Err(format!("cannot {what}: {error}")),
            Err(_) => std::thread::sleep(Duration::from_micros(200)),
        }
    }
}

/// A listener and the connection that it gets.
#[derive(Debug)]
pub struct Accepted<L, S> {
    listener: L,
    stream: Option<S>,
    spins: bool,
    accept: fn(&L, bool) -> std::io::Result<S>,
}

impl<L, S: Read> Source for Accepted<L, S> {
    fn stream(&mut self) -> std::io::Result<Option<&mut dyn Read>> {
        if self.stream.is_none() {
            match (self.accept)(&self.listener, self.spins) {
                Ok(stream) => self.stream = Some(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(self.stream.as_mut().map(|stream| stream as &mut dyn Read))
    }
}

/// The file that says which port it is.
fn port_file(order: &Order, name: &str) -> PathBuf {
    order.directory.join(format!("{name}.port"))
}

/// Says on which port the end of this name listens.
pub(crate) fn say_port(order: &Order, name: &str, port: u16) -> Result<(), String> {
    // Nobody reads half of it.
    let file = port_file(order, name);
    let draft = file.with_extension("draft");
    let said = fs::write(&draft, port.to_string()).and_then(|()| fs::rename(&draft, &file));
    said.map_err(|error| format!("cannot say which port it is: {error}"))
}

/// On which port the end of this name listens, once it does.
pub(crate) fn ask_port(order: &Order, name: &str) -> Result<u16, String> {
    let file = port_file(order, name);
    within("learn a port", || fs::read_to_string(&file)?.parse::<u16>().map_err(std::io::Error::other))
}

/// Listens on a port of the kernel's choice and says which.
pub(crate) fn listen_tcp(order: &Order, name: &str) -> Result<TcpListener, String> {
    let said = |error: std::io::Error| format!("cannot listen on loopback: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(said)?;
    say_port(order, name, listener.local_addr().map_err(said)?.port())?;
    Ok(listener)
}

/// Connects to the one that listens, or will soon.
pub(crate) fn connect_tcp(order: &Order, name: &str) -> Result<TcpStream, String> {
    let port = ask_port(order, name)?;
    within("connect over loopback", || {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    })
}

impl Named for Tcp {
    type Tx<P: Payload> = StreamTx<TcpStream>;
    type Rx<P: Payload> = StreamRx<Accepted<TcpListener, TcpStream>>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<Self::Tx<P>, String> {
        Ok(StreamTx::new::<P>(order, connect_tcp(order, name)?))
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<Self::Rx<P>, String> {
        let listener = listen_tcp(order, name)?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let accept = |listener: &TcpListener, spins| {
            let stream = listener.accept()?.0;
            stream.set_nonblocking(spins)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let source = Accepted { listener, stream: None, spins: spins(order), accept };
        Ok(StreamRx::new::<P>(order, source))
    }
}

impl Named for Unix {
    type Tx<P: Payload> = StreamTx<UnixStream>;
    type Rx<P: Payload> = StreamRx<Accepted<UnixListener, UnixStream>>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<Self::Tx<P>, String> {
        let path = order.directory.join(name);
        let stream = within("connect to a Unix socket", || UnixStream::connect(&path))?;
        // As much as is allowed, which is not all of it.
        set_socket_send_buffer_size(&stream, order.ring_bytes()).map_err(|error| error.to_string())?;
        Ok(StreamTx::new::<P>(order, stream))
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<Self::Rx<P>, String> {
        let listener = UnixListener::bind(order.directory.join(name))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|error| format!("cannot listen on a Unix socket: {error}"))?;
        let accept = |listener: &UnixListener, spins| {
            let stream = listener.accept()?.0;
            stream.set_nonblocking(spins)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let source = Accepted { listener, stream: None, spins: spins(order), accept };
        Ok(StreamRx::new::<P>(order, source))
    }
}

impl Source for File {
    fn stream(&mut self) -> std::io::Result<Option<&mut dyn Read>> {
        Ok(Some(self))
    }
}

/// Opens one end of a pipe without waiting for the other; from then on it blocks, unless it is to spin.
fn open_pipe(order: &Order, name: &str, options: &mut OpenOptions, spins: bool) -> std::io::Result<File> {
    let file = options.custom_flags(OFlags::NONBLOCK.bits() as i32).open(order.directory.join(name))?;
    if !spins {
        let flags = fcntl_getfl(file.as_fd())?;
        fcntl_setfl(file.as_fd(), flags - OFlags::NONBLOCK)?;
    }
    Ok(file)
}

/// Gives a pipe the room of a queue, up to what everybody may have; where that is refused it stays as it is.
fn widen(order: &Order, pipe: &File) {
    let _ = fcntl_setpipe_size(pipe, order.ring_bytes().min(MOST_PIPE));
}

impl Named for Pipe {
    type Tx<P: Payload> = StreamTx<File>;
    type Rx<P: Payload> = StreamRx<File>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<Self::Tx<P>, String> {
        let open = || open_pipe(order, name, OpenOptions::new().write(true), false);
        Ok(StreamTx::new::<P>(order, within("open a pipe", open)?))
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<Self::Rx<P>, String> {
        rustix::fs::mknodat(CWD, order.directory.join(name), FileType::Fifo, 0o600.into(), 0)
            .map_err(std::io::Error::from)
            .and_then(|()| open_pipe(order, name, OpenOptions::new().read(true), spins(order)))
            .inspect(|pipe| widen(order, pipe))
            .map(|pipe| StreamRx::new::<P>(order, pipe))
            .map_err(|error| format!("cannot make a pipe: {error}"))
    }
}
