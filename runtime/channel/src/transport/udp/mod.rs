//! `udp://`: datagrams to a multicast group, to whoever listens.
//!
//! Every receiver gets the messages of every sender, as they come: a datagram that is lost is lost, and counted
//! ([`Datagrams`]). Nobody joins, nobody is waited for, and nobody hears that an end is gone. Nothing is sent
//! again, compressed, encrypted or shaped. What one call publishes goes out in as few datagrams as hold it, and the
//! kernel takes up to 64 of them at a time.

mod cast;
mod datagram;
mod kernel;
mod order;
#[cfg(test)]
mod tests;
mod train;

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use adit_ring::stream::PushError;
use rustix::{
    event::{EventfdFlags, eventfd},
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt},
};

pub use order::Datagrams;

use self::{
    cast::{Cast, Caster},
    datagram::{HEADER, Header, kind_number},
    kernel::Receipts,
    order::{Order, Records},
};
use crate::{
    codec::Compression,
    endpoint::{Inbox, OpenFailure},
    lane::{self, Source, Spec, WriterLane},
    transport::net::{
        BadFrame, Driver, DriverUsed, Layout, NetworkOptions, NetworkReport, Opened, set_number, set_of_all,
    },
    uri::Uri,
};

/// The least and the most that a datagram may hold.
const DATAGRAM: std::ops::RangeInclusive<usize> = 576..=65_507;

/// How long a receiver sleeps at most while a datagram is missing.
const MISSING: Duration = Duration::from_millis(5);

/// A sender's lane.
pub(crate) fn sender(
    uri: &Uri,
    spec: &Spec,
    options: &NetworkOptions,
) -> Result<(WriterLane, NetworkReport), OpenFailure> {
    let room = room(spec, options)?;
    let (socket, notes) = calling_socket(uri, options)?;
    let (mut writer, ring) = lane::drained(spec)?;
    if spec.kind.size().is_none() {
        writer.limit(room - 8);
    }
    writer.set_pump(Box::new(Caster::new(Cast::new(Arc::new(socket), ring, spec, room))?));
    Ok((writer, report(uri, notes)))
}

/// A sender's socket.
fn calling_socket(uri: &Uri, options: &NetworkOptions) -> Result<(OwnedFd, Vec<String>), OpenFailure> {
    let group = group(uri);
    let (socket, notes) = new_socket(options)?;
    let step = || OpenFailure::system::<Errno>(format!("send to {uri}"));
    sockopt::set_ip_multicast_ttl(&socket, u32::from(options.multicast_ttl)).map_err(step())?;
    // Receivers on this machine hear it, too.
    sockopt::set_ip_multicast_loop(&socket, true).map_err(step())?;
    if let Some(interface) = options.interface {
        sockopt::set_ip_multicast_if(&socket, &interface).map_err(step())?;
    }
    connect(&socket, &group).map_err(step())?;
    Ok((socket, notes))
}

/// The receiver's inbox, and what it must hold.
pub(crate) fn receiver(uri: &Uri, spec: &Spec, options: &NetworkOptions) -> Result<Opened, OpenFailure> {
    room(spec, options)?;
    let group = group(uri);
    let (socket, notes) = new_socket(options)?;
    let step = || OpenFailure::system::<Errno>(format!("listen to {uri}"));
    // Any number of receivers on one machine.
    sockopt::set_socket_reuseaddr(&socket, true).map_err(step())?;
    bind(&socket, &group).map_err(step())?;
    // What another socket of this machine joined on another interface is nothing to this one.
    set_number(&socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)
        .map_err(OpenFailure::system(format!("listen to {uri}")))?;
    let interface = options.interface.unwrap_or(Ipv4Addr::UNSPECIFIED);
    sockopt::set_ip_add_membership(&socket, group.ip(), &interface).map_err(step())?;
    let (mut writer, mut reader) = lane::in_process(spec, &adit_memory::Options::default())?;
    writer.publish_every(u64::MAX);
    let longest = adit_ring::stream::longest(spec.capacity);
    reader.set_source(Box::new(Ear {
        receipts: Receipts::new(&socket),
        socket: Arc::new(socket),
        lane: writer,
        layout: Layout::new(&spec.kind, longest),
        kind: kind_number(&spec.kind),
        order: Order::default(),
        delivery: None,
    }));
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(OpenFailure::system("make an eventfd"))?;
    let inbox = Arc::new(Inbox::with_bell(spec.mode, bell));
    // For as long as the receiver lives: nobody joins.
    let (place, ticket) = inbox.tickets()?;
    reader.hold((place, ticket));
    inbox.put(reader);
    Ok((inbox, Box::new(()), report(uri, notes)))
}

fn report(uri: &Uri, notes: Vec<String>) -> NetworkReport {
    let driver = DriverUsed::Sockets("udp:// has no other driver".into());
    NetworkReport { notes, ..NetworkReport::new(driver, uri.to_string(), Compression::None) }
}

/// The group was checked when the URI was read.
fn group(uri: &Uri) -> SocketAddrV4 {
    uri.name().parse().unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))
}

/// Bytes of a datagram for records.
fn room(spec: &Spec, options: &NetworkOptions) -> Result<usize, OpenFailure> {
    let most = options.datagram;
    if !DATAGRAM.contains(&most) {
        let (least, greatest) = (DATAGRAM.start(), DATAGRAM.end());
        let wrong = format!("a datagram of {most} bytes; it may have {least} to {greatest}");
        return Err(OpenFailure::system("use udp://")(io::Error::other(wrong)));
    }
    let room = (most - HEADER) & !7;
    match spec.kind.size() {
        Some(size) if (size as usize).next_multiple_of(8) > room => Err(OpenFailure::Kind(format!(
            "messages of {size} bytes do not fit a datagram of {most}, which takes {room}: see \
             NetworkOptions::datagram"
        ))),
        _ => Ok(room),
    }
}

fn new_socket(options: &NetworkOptions) -> Result<(OwnedFd, Vec<String>), OpenFailure> {
    if options.driver == Driver::IoUring {
        let none = "udp:// has plain sockets alone; use Driver::Auto";
        return Err(OpenFailure::system("use io_uring")(io::Error::other(none)));
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)
        .map_err(OpenFailure::system("make a socket"))?;
    let mut notes = Vec::new();
    set_of_all(&socket, options, &mut notes)?;
    Ok((socket, notes))
}

/// Receives for a receiver's lane.
#[derive(Debug)]
struct Ear {
    socket: Arc<OwnedFd>,
    lane: WriterLane,
    layout: Layout,
    kind: u64,
    order: Order,
    delivery: Option<Delivery>,
    receipts: Receipts,
}

/// A datagram whose records go into the lane as there is room.
#[derive(Debug)]
struct Delivery {
    records: Records,
    at: usize,
}

impl Ear {
    /// Whether there was room for all that is in order.
    fn deliver(&mut self) -> bool {
        loop {
            if self.delivery.is_none() {
                self.delivery = self.order.ready.pop_front().map(|records| Delivery { records, at: 0 });
            }
            let Some(Delivery { records: (count, bytes), at }) = &mut self.delivery else { return true };
            while *count > 0 {
                match self
                    .layout
                    .next(&bytes[*at..])
                    .map(|(message, taken)| (self.lane.push_quietly(message), taken))
                {
                    Ok((Ok(()), taken)) => (*at, *count) = (*at + taken, *count - 1),
                    Ok((Err(PushError::Full), _)) => return false,
                    // The records before were taken; nobody can know what the rest was to be.
                    Ok((Err(_), _)) | Err(_) => {
                        self.order.counts.foreign += 1;
                        break;
                    }
                }
            }
            self.delivery = None;
        }
    }

    /// Takes the next datagrams; whether there may be more.
    ///
    /// spec: NET-5.1
    fn hear(&mut self) -> bool {
        // Errors of sending that the kernel reports here are nothing to a receiver.
        let Ok((count, more)) = self.receipts.receive(&self.socket) else { return false };
        let now = Instant::now();
        for datagram in (0..count).flat_map(|receipt| self.receipts.datagrams(receipt)) {
            take(&mut self.order, self.kind, datagram, now);
        }
        more
    }
}

/// Puts a datagram in order, if it holds messages of that kind.
fn take(order: &mut Order, kind: u64, datagram: &[u8], now: Instant) {
    match Header::split(datagram) {
        Some((header, records)) if header.kind == kind => {
            order.put(header.session, header.sequence, (header.count, records.to_vec()), now);
        }
        _ => order.counts.foreign += 1,
    }
}

impl Source for Ear {
    fn fill(&mut self) {
        // So many at a time, so that a stream that never ends is also read.
        for _ in 0..64 {
            if !self.deliver() || !self.hear() {
                break;
            }
        }
        if self.order.waits() {
            self.order.look(Instant::now());
        }
        self.deliver();
        self.lane.flush();
    }

    fn fault(&self) -> Option<BadFrame> {
        None
    }

    fn datagrams(&self) -> Option<Datagrams> {
        Some(self.order.counts)
    }

    fn longest_sleep(&self) -> Duration {
        if self.order.waits() { MISSING } else { Duration::MAX }
    }

    fn poll_on(&self) -> Option<Arc<OwnedFd>> {
        Some(Arc::clone(&self.socket))
    }
}

/// Takes datagrams as a receiver does that hears them at times which the fuzzer says, and reads their messages.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    const CAPACITY: usize = 1 << 10;
    let Some((size, mut bytes)) = bytes.split_first() else { return };
    let kind = match u32::from(*size) {
        0..128 => crate::MessageKind::bytes(),
        size => crate::MessageKind::fixed("fuzz", size - 127, 1),
    };
    let spec = Spec { mode: crate::Mode::Spsc, capacity: CAPACITY, kind };
    let (Ok((socket, _)), Ok((writer, mut reader))) =
        (new_socket(&NetworkOptions::default()), lane::in_process(&spec, &adit_memory::Options::default()))
    else {
        return;
    };
    let (longest, number) = (adit_ring::stream::longest(CAPACITY), kind_number(&spec.kind));
    let mut ear = Ear {
        receipts: Receipts::new(&socket),
        socket: Arc::new(socket),
        lane: writer,
        layout: Layout::new(&spec.kind, longest),
        kind: number,
        order: Order::default(),
        delivery: None,
    };
    let mut now = Instant::now();
    while let Some(([len, session, sequence, count, millis], rest)) = bytes.split_first_chunk() {
        let records = rest.get(..usize::from(*len)).unwrap_or(rest);
        bytes = &rest[records.len()..];
        now += Duration::from_millis(u64::from(*millis % 8));
        let header = Header {
            count: u32::from(*count),
            session: u64::from(*session),
            sequence: u64::from(*sequence).wrapping_sub(8),
            kind: number,
        };
        // Now and then the whole datagram is the fuzzer's.
        let datagram = if *millis > 250 { records.to_vec() } else { [&header.to_bytes(), records].concat() };
        take(&mut ear.order, number, &datagram, now);
        ear.order.look(now);
        ear.deliver();
        ear.lane.flush();
        while let Ok(Some(message)) = reader.read() {
            assert!(message.bytes().len() <= longest);
        }
    }
}
