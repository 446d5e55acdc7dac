//! Sockets: making, setting, connecting, listening.

use std::{
    fs, io,
    net::{SocketAddr, ToSocketAddrs as _},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt as _,
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname,
        listen, socket_with, sockopt,
    },
};

use super::NetworkOptions;
use crate::{
    endpoint::OpenFailure,
    uri::{Transport, Uri},
};

/// How many may wait to be accepted.
const BACKLOG: i32 = 128;

/// What one of several addresses has at least, while there is so much time.
const ONE_ADDRESS: Duration = Duration::from_secs(1);

// spec: NET-2.6
/// What each has.
const LEAST: Duration = Duration::from_millis(100);

/// How many connections may wait whose data came with the first packet.
const FAST_OPEN_BACKLOG: i32 = 16;

/// Where to connect or listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(String),
    Unix(String),
}

impl Place {
    pub fn new(uri: &Uri) -> Self {
        match uri.transport() {
            Transport::Unix => Self::Unix(uri.name().to_owned()),
            _ => Self::Tcp(uri.name().to_owned()),
        }
    }

    /// Whether there is a file of its name that is no socket.
    pub fn is_no_socket(&self) -> bool {
        match self {
            Self::Unix(path) => fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket()),
            Self::Tcp(_) => false,
        }
    }

    pub fn is_tcp(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// The addresses that a host name stands for, in the system's order.
    fn addresses(&self) -> Result<Vec<Address>, OpenFailure> {
        match self {
            Self::Unix(path) => {
                let address =
                    SocketAddrUnix::new(path).map_err(OpenFailure::system(format!("use {path}")))?;
                Ok(vec![Address::Unix(address)])
            }
            Self::Tcp(text) => {
                let unknown = |error: io::Error| io::Error::other(format!("{error}; check the host's name"));
                let found = text.to_socket_addrs().map_err(unknown);
                let found = found.map_err(OpenFailure::system(format!("look up {text}")))?;
                Ok(found.map(Address::Tcp).collect())
            }
        }
    }
}

enum Address {
    Tcp(SocketAddr),
    Unix(SocketAddrUnix),
}

impl Address {
    fn socket(&self) -> rustix::io::Result<OwnedFd> {
        let family = match self {
            Self::Unix(_) => AddressFamily::UNIX,
            Self::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Self::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
        };
        socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
    }
}

/// What is wrong with a Unix socket's path where something else is.
pub(super) const NO_SOCKET: &str =
    "there is a file of that name, and it is no socket; remove it, or use another path";

/// Connects within the time that the options give; `None`: nobody listens there.
pub(super) fn call(
    place: &Place,
    options: &NetworkOptions,
    notes: &mut Vec<String>,
) -> Result<Option<OwnedFd>, OpenFailure> {
    let until = Instant::now().checked_add(options.connect_timeout);
    let mut refused = false;
    let mut last = None;
    let addresses = place.addresses()?;
    let mut others = addresses.len();
    for address in addresses {
        let step = || format!("connect to {}", shown(place));
        // One that does not answer leaves the others their part of the time.
        let left = left(until);
        let part = left / u32::try_from(others).unwrap_or(u32::MAX).max(1);
        let part = part.max(left.min(ONE_ADDRESS)).max(LEAST);
        let until = until.and_then(|_| Instant::now().checked_add(part));
        others -= 1;
        let socket = match address.socket() {
            Err(error @ Errno::AFNOSUPPORT) => {
                last = Some(OpenFailure::system(step())(error));
                continue;
            }
            socket => socket.map_err(OpenFailure::system("make a socket"))?,
        };
        notes.clear();
        set(&socket, place.is_tcp(), options, notes)?;
        if options.fast_open && place.is_tcp() {
            set_number(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, 1)
                .unwrap_or_else(|error| notes.push(format!("no fast open: {error}")));
        }
        let begun = match &address {
            Address::Tcp(address) => connect(&socket, address),
            Address::Unix(address) => connect(&socket, address),
        };
        let result = match begun {
            Ok(()) => Ok(()),
            Err(Errno::INPROGRESS) => finish(&socket, until),
            Err(error) => Err(error),
        };
        match result {
            // A port of this machine's on which nobody listens may be given to who calls it.
            Ok(()) if is_itself(&socket) => refused = true,
            Ok(()) => return Ok(Some(socket)),
            Err(Errno::CONNREFUSED) if place.is_no_socket() => {
                return Err(OpenFailure::system(step())(io::Error::other(NO_SOCKET)));
            }
            // `AGAIN`: of a Unix socket, more call than were accepted yet. `CONNRESET`: it closed with this in its queue.
            Err(Errno::CONNREFUSED | Errno::CONNRESET | Errno::NOENT | Errno::AGAIN) => refused = true,
            Err(Errno::PROTOTYPE) => {
                let what = "it is a socket of another kind (not SOCK_STREAM)".into();
                return Err(OpenFailure::NoChannel { place: shown(place), what });
            }
            Err(error) => last = Some(OpenFailure::system(step())(error)),
        }
    }
    match last {
        Some(error) if !refused => Err(error),
        _ => Ok(None),
    }
}

/// Whether somebody listens at a Unix socket's path, be it busy or no channel.
pub(super) fn is_listened_at(path: &str) -> Result<bool, OpenFailure> {
    let step = || format!("look who listens at unix://{path}");
    let address = Address::Unix(SocketAddrUnix::new(path).map_err(OpenFailure::system(step()))?);
    let socket = address.socket().map_err(OpenFailure::system("make a socket"))?;
    let Address::Unix(address) = address else { return Ok(false) };
    match connect(&socket, &address) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(false),
        // `AGAIN`: more call than it has accepted. `PROTOTYPE`: it is of another kind.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(true),
        Err(error) => Err(OpenFailure::system(step())(error)),
    }
}

/// Waits for a connection that was begun.
fn finish(socket: &OwnedFd, until: Option<Instant>) -> Result<(), Errno> {
    loop {
        let time = left(until);
        match wait_each(&[(socket.as_fd(), PollFlags::OUT)], time) {
            // Not from whether there is a peer: one that is made may be reset at any moment.
            Ok(ready) if ready[0] => return sockopt::socket_error(socket)?,
            // Interrupted.
            Ok(_) if !time.is_zero() => {}
            _ => return Err(Errno::TIMEDOUT),
        }
    }
}

/// Whether a connection's two ends are one.
fn is_itself(socket: &OwnedFd) -> bool {
    let ends = (getsockname(socket), rustix::net::getpeername(socket));
    let ends = (ends.0.map(SocketAddr::try_from), ends.1.map(|peer| peer.map(SocketAddr::try_from)));
    matches!(ends, (Ok(Ok(own)), Ok(Some(Ok(peer)))) if own == peer)
}

fn left(until: Option<Instant>) -> Duration {
    until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()))
}

/// Sleeps until the descriptor, or one of several, is ready or the time is over.
pub(crate) fn wait(on: &[(BorrowedFd<'_>, PollFlags)], time: Duration) -> io::Result<()> {
    wait_each(on, time).map(drop)
}

/// As [`wait`]; says which are ready.
pub(super) fn wait_each(on: &[(BorrowedFd<'_>, PollFlags)], time: Duration) -> io::Result<Vec<bool>> {
    let mut fds: Vec<PollFd<'_>> =
        on.iter().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let time = Timespec::try_from(time).ok();
    match poll(&mut fds, time.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(error) => Err(error.into()),
    }
}

/// Listens.
pub(super) fn open(
    place: &Place,
    options: &NetworkOptions,
    notes: &mut Vec<String>,
) -> Result<OwnedFd, OpenFailure> {
    let step = || format!("listen at {}", shown(place));
    let mut last = None;
    for address in place.addresses()? {
        let socket = match address.socket() {
            Err(error @ Errno::AFNOSUPPORT) => {
                last = Some(OpenFailure::system(step())(error));
                continue;
            }
            socket => socket.map_err(OpenFailure::system("make a socket"))?,
        };
        notes.clear();
        set(&socket, place.is_tcp(), options, notes)?;
        let bound = match &address {
            Address::Tcp(address) => {
                // A receiver that died leaves connections that keep the port for a minute otherwise.
                sockopt::set_socket_reuseaddr(&socket, true).map_err(OpenFailure::system(step()))?;
                if options.fast_open {
                    set_number(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, FAST_OPEN_BACKLOG)
                        .unwrap_or_else(|error| notes.push(format!("no fast open: {error}")));
                }
                bind(&socket, address)
            }
            Address::Unix(address) => bind(&socket, address),
        };
        match bound.and_then(|()| listen(&socket, BACKLOG)) {
            Ok(()) => return Ok(socket),
            // Also where the name has another address, at which nobody would be called while the first one answers.
            Err(Errno::ADDRINUSE) => return Err(OpenFailure::ReceiverTaken),
            Err(error) => last = Some(OpenFailure::system(step())(error)),
        }
    }
    Err(last.unwrap_or_else(|| OpenFailure::NobodyListens { place: shown(place) }))
}

/// The port that a listener got, as a URI.
pub(super) fn local_uri(place: &Place, socket: &OwnedFd) -> String {
    match (place, getsockname(socket).map(SocketAddr::try_from)) {
        (Place::Tcp(_), Ok(Ok(address))) => format!("tcp://{address}"),
        _ => shown(place),
    }
}

pub(super) fn shown(place: &Place) -> String {
    match place {
        Place::Tcp(text) => format!("tcp://{text}"),
        Place::Unix(path) => format!("unix://{path}"),
    }
}

/// Who is at the other end, for people.
pub(super) fn peer(place: &Place, socket: &OwnedFd) -> String {
    let peer: Option<SocketAddrAny> = rustix::net::getpeername(socket).ok().flatten();
    match peer.map(SocketAddr::try_from) {
        Some(Ok(address)) => format!("tcp://{address}"),
        _ => shown(place),
    }
}

/// The longest silence that Linux can be told (`MAX_TCP_KEEPIDLE`).
const LONGEST_SILENCE: Duration = Duration::from_secs(32_767);

/// Sets what the options say; what the system does not have is noted.
pub(super) fn set(
    socket: &OwnedFd,
    is_tcp: bool,
    options: &NetworkOptions,
    notes: &mut Vec<String>,
) -> Result<(), OpenFailure> {
    set_of_all(socket, options, notes)?;
    if !is_tcp {
        if options.zero_copy_from.is_some() {
            notes.push("zero_copy_from is for tcp:// alone, and not used".into());
        }
        return Ok(());
    }
    let set = |step: &'static str| OpenFailure::system::<Errno>(step);
    sockopt::set_tcp_nodelay(socket, options.no_delay).map_err(set("set TCP_NODELAY"))?;
    if let Some(name) = &options.congestion {
        sockopt::set_tcp_congestion(socket, name)
            .unwrap_or_else(|error| notes.push(format!("no congestion control {name:?}: {error}")));
    }
    if let Some(asked) = options.keepalive {
        let time = asked.clamp(Duration::from_secs(3), LONGEST_SILENCE);
        if time != asked {
            notes.push(format!("keepalive is 3 to 32,767 s, and now {} s", time.as_secs()));
        }
        let step = "set NetworkOptions::keepalive";
        sockopt::set_socket_keepalive(socket, true).map_err(set(step))?;
        sockopt::set_tcp_keepidle(socket, time).map_err(set(step))?;
        sockopt::set_tcp_keepintvl(socket, time / 3).map_err(set(step))?;
        sockopt::set_tcp_keepcnt(socket, 3).map_err(set(step))?;
        let twice = u32::try_from(time.as_millis() * 2).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(socket, twice).map_err(set(step))?;
    }
    Ok(())
}

/// Sets what the options say of sockets of every kind.
pub(crate) fn set_of_all(
    socket: &OwnedFd,
    options: &NetworkOptions,
    notes: &mut Vec<String>,
) -> Result<(), OpenFailure> {
    let set = |name: &str, bytes: usize| {
        OpenFailure::system::<Errno>(format!("set NetworkOptions::{name} to {bytes} bytes"))
    };
    if let Some(bytes) = options.send_buffer {
        sockopt::set_socket_send_buffer_size(socket, bytes).map_err(set("send_buffer", bytes))?;
    }
    if let Some(bytes) = options.receive_buffer {
        sockopt::set_socket_recv_buffer_size(socket, bytes).map_err(set("receive_buffer", bytes))?;
    }
    if let Some(time) = options.busy_poll {
        let micros = i32::try_from(time.as_micros()).unwrap_or(i32::MAX);
        set_number(socket, libc::SOL_SOCKET, libc::SO_BUSY_POLL, micros)
            .unwrap_or_else(|error| notes.push(format!("no busy poll: {error}")));
    }
    Ok(())
}

/// Sets an option that rustix has no name for.
pub(crate) fn set_number(socket: &OwnedFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer is to a live local of the length that is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// A port on which nobody listens, and that the system gives to who calls it.
    #[test]
    fn who_has_called_itself_has_met_nobody() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = Address::Tcp(address).socket().unwrap();
        bind(&socket, &address).unwrap();
        let own = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        let begun = connect(&socket, &own);
        assert!(matches!(begun, Ok(()) | Err(Errno::INPROGRESS)), "{begun:?}");
        finish(&socket, Instant::now().checked_add(Duration::from_secs(10))).unwrap();
        assert!(is_itself(&socket));
        let listener = TcpListener::bind(address).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!is_itself(&stream.into()));
    }
}
