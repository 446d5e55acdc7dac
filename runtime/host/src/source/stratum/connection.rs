//! One TCP connection to a pool.
//!
//! A thread of its own resolves, connects and reads, because all three can take long and the source has
//! to look at its commands meanwhile. It hands over whole lines through a bounded queue: a pool that
//! talks faster than the host listens meets TCP's own backpressure. A pool whose machine is gone is found
//! out by the session's silence timeout.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, never};
use rustix::net::sockopt;

use super::{endpoint::Endpoint, lines::Lines, message::MAX_LINE, options::StratumTimeouts};

/// Lines that may wait for the source.
const QUEUE: usize = 64;
/// Addresses of one host that are tried in turn.
const MAX_ADDRESSES: usize = 4;
/// How often the reading thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(250);
const BUFFER: usize = 16 * 1024;

/// What the reading thread tells.
pub enum Incoming {
    /// The connection is up: the half to write to, for [`Connection::attach`].
    Up(TcpStream, SocketAddr),
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// The connection is gone or never came up; nothing follows. Why, for people.
    Down(String),
}

/// A connection, or the attempt to make one; ends with its value.
pub struct Connection {
    incoming: Receiver<Incoming>,
    stopped: Arc<AtomicBool>,
    stream: Option<TcpStream>,
    reader: Option<JoinHandle<()>>,
    write_timeout: Duration,
}

impl Connection {
    /// Begins to connect; never blocks.
    pub fn open(endpoint: Endpoint, timeouts: &StratumTimeouts) -> io::Result<Self> {
        let (sender, incoming) = bounded(QUEUE);
        let stopped = Arc::new(AtomicBool::new(false));
        let reader = Reader { sender, stopped: stopped.clone(), timeouts: *timeouts };
        let reader =
            thread::Builder::new().name("stratum-read".into()).spawn(move || reader.run(&endpoint))?;
        Ok(Self { incoming, stopped, stream: None, reader: Some(reader), write_timeout: timeouts.write })
    }

    /// Where the reading thread tells what happens.
    pub fn incoming(&self) -> &Receiver<Incoming> {
        &self.incoming
    }

    /// Takes the half that [`Incoming::Up`] brought.
    pub fn attach(&mut self, stream: TcpStream) {
        self.stream = Some(stream);
    }

    /// Writes all of `text`; after an error the connection is of no more use.
    pub fn send(&mut self, text: &str) -> io::Result<()> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let deadline = Instant::now() + self.write_timeout;
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
            // A peer that takes a byte now and then keeps every single write below its timeout.
            if !rest.is_empty() && Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        // A reader that waits for room in the queue goes on when the queue has no receiver.
        self.incoming = never();
        if let Some(stream) = self.stream.take() {
            let _ = stream.shutdown(Shutdown::Both);
            if let Some(reader) = self.reader.take() {
                let _ = reader.join();
            }
        }
        // An attempt that still resolves or connects is left behind; its own timeouts end it.
    }
}

/// The reading thread.
struct Reader {
    sender: Sender<Incoming>,
    stopped: Arc<AtomicBool>,
    timeouts: StratumTimeouts,
}

impl Reader {
    fn run(self, endpoint: &Endpoint) {
        let why = match self.connect(endpoint) {
            Err(error) => format!("cannot connect to {endpoint}: {error}"),
            Ok((stream, address)) => match stream.try_clone() {
                Err(error) => format!("cannot connect to {endpoint}: {error}"),
                Ok(writer) => {
                    if self.sender.send(Incoming::Up(writer, address)).is_err() {
                        return;
                    }
                    self.read(stream)
                }
            },
        };
        let _ = self.sender.send(Incoming::Down(why));
    }

    fn connect(&self, endpoint: &Endpoint) -> io::Result<(TcpStream, SocketAddr)> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (endpoint.host.as_str(), endpoint.port).to_socket_addrs()?.take(MAX_ADDRESSES) {
            if self.stopped.load(Relaxed) {
                break;
            }
            match TcpStream::connect_timeout(&address, self.timeouts.connect) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(LOOK))?;
                    stream.set_write_timeout(Some(self.timeouts.write))?;
                    keep_alive(&stream)?;
                    return Ok((stream, address));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Reads until the connection ends; says why it did.
    fn read(&self, mut stream: TcpStream) -> String {
        let mut lines = Lines::new(MAX_LINE);
        let mut buffer = vec![0; BUFFER];
        while !self.stopped.load(Relaxed) {
            match stream.read(&mut buffer) {
                Ok(0) => return "the pool closed the connection".into(),
                Ok(read) => {
                    // Without a receiver this thread is stopped, and finds out in the loop's head.
                    let queue = |line| drop(self.sender.send(Incoming::Line(line)));
                    if lines.feed(&buffer[..read], queue).is_err() {
                        let _ = stream.shutdown(Shutdown::Both);
                        return format!("the pool sent a line of more than {MAX_LINE} bytes");
                    }
                }
                Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return format!("the connection failed: {error}"),
            }
        }
        "stopped".into()
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What was sent and not acknowledged for so long ends the connection, be it a line or a question whether the pool is there:
/// where lines wait, the kernel asks nothing.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Asks the kernel to find a peer that is gone without a word within a minute, by several questions.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED.as_millis() as u32)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(20))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    Ok(())
}
