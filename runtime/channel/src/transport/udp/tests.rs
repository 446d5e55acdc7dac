//! Channels over `udp://` on this machine's loopback.

use std::{
    net::{SocketAddrV4, UdpSocket},
    os::fd::AsFd as _,
};

use rustix::{event::PollFlags, net::getpeername};

use super::*;
use crate::{
    Builder, Channel, MessageKind, OpenError, Receiver, RecvError, SendError, Sender,
    transport::net::{set_number, wait},
};

const LONG: Duration = Duration::from_secs(10);

fn builder(port: u16, datagram: usize) -> Builder {
    let interface = Some(Ipv4Addr::LOCALHOST);
    let options = NetworkOptions { interface, datagram, ..NetworkOptions::default() };
    Channel::builder(&format!("udp://239.255.77.1:{port}")).unwrap().network(options)
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A receiver and a sender; `None`: this system's loopback has no multicast.
fn pair(builder: &Builder) -> Option<(Sender, Receiver)> {
    let opened = builder.receiver().and_then(|receiver| Ok((builder.sender()?, receiver)));
    let (mut sender, mut receiver) = match opened {
        Ok(pair) => pair,
        Err(OpenError { failure: OpenFailure::System { step, source }, .. }) => {
            eprintln!("udp is not tested: cannot {step}: {source}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let size = builder_size(&sender);
    sender.send(&vec![0xab; size], LONG).unwrap();
    if receiver.recv(&mut vec![0; size], Duration::from_secs(2)).unwrap().is_none() {
        eprintln!("udp is not tested: multicast on this loopback reaches nobody");
        return None;
    }
    Some((sender, receiver))
}

/// What a first message may have: all of it where messages have one size.
fn builder_size(sender: &Sender) -> usize {
    if sender.longest() == 48 { 48 } else { 3 }
}

#[test]
fn messages_reach_every_receiver_in_order() {
    let builder = builder(free_port(), 1472);
    let Some((mut sender, mut receiver)) = pair(&builder) else { return };
    let mut second = builder.receiver().unwrap();
    for round in 0..20_u64 {
        sender.send_batch((0..100).map(|at| (round * 100 + at).to_le_bytes()), LONG).unwrap();
        for receiver in [&mut receiver, &mut second] {
            for at in 0..100 {
                let mut number = [0; 8];
                assert_eq!(receiver.recv(&mut number, LONG), Ok(Some(8)));
                assert_eq!(u64::from_le_bytes(number), round * 100 + at);
            }
        }
    }
    let counts = second.datagrams().unwrap();
    assert_eq!((counts.lost, counts.duplicates, counts.foreign), (0, 0, 0));
    // A batch of 100 records of 16 bytes takes two datagrams and not a hundred.
    assert!(counts.taken < 200, "{counts:?}");
}

#[test]
fn it_may_be_called_a_broadcast() {
    let broadcast = builder(free_port(), 1472).mode(crate::Mode::Broadcast);
    let overwrites = broadcast.clone().on_full(crate::OnFull::OverwriteOldest).sender().unwrap_err();
    assert!(overwrites.to_string().contains("nothing is overwritten"), "{overwrites}");
    let Some((mut sender, _receiver)) = pair(&broadcast) else { return };
    let mut others = [broadcast.receiver().unwrap(), broadcast.mode(crate::Mode::Mpsc).receiver().unwrap()];
    sender.send(b"to all", LONG).unwrap();
    for other in &mut others {
        assert_eq!(other.recv(&mut [0; 8], LONG), Ok(Some(6)));
    }
}

/// Messages of several lengths in batches that take many datagrams: some go together, others do not.
#[test]
fn batches_of_messages_of_any_length_arrive_whole() {
    let builder = builder(free_port(), 1472);
    let Some((mut sender, mut receiver)) = pair(&builder) else { return };
    let message = |number: usize| vec![number as u8; number * number % [40, 200, 1400][number / 100 % 3]];
    for round in 0..30 {
        let numbers = round * 50..(round + 1) * 50;
        sender.send_batch(numbers.clone().map(message), LONG).unwrap();
        for number in numbers {
            let mut buffer = [0; 1424];
            let len = receiver.recv(&mut buffer, LONG).unwrap().expect("it was sent");
            assert!(buffer[..len] == message(number), "message {number}");
        }
    }
    let counts = receiver.datagrams().unwrap();
    assert_eq!((counts.lost, counts.duplicates, counts.foreign), (0, 0, 0));
}

/// A batch of 22 full datagrams, and what is left; returns how many of them a plain socket on the group gets at a time.
fn at_a_time(ready: impl Fn(&mut Cast)) -> Option<Vec<usize>> {
    let port = free_port();
    let uri = format!("udp://239.255.77.1:{port}").parse().unwrap();
    let listener = UdpSocket::bind(("239.255.77.1", port)).unwrap();
    listener.join_multicast_v4(&Ipv4Addr::new(239, 255, 77, 1), &Ipv4Addr::LOCALHOST).ok()?;
    listener.set_nonblocking(true).unwrap();
    let listener = OwnedFd::from(listener);
    let mut receipts = Receipts::new(&listener);
    let spec =
        Spec { mode: crate::Mode::Spsc, capacity: 1 << 16, kind: MessageKind::fixed("sixty-four", 64, 8) };
    let options = NetworkOptions { interface: Some(Ipv4Addr::LOCALHOST), ..NetworkOptions::default() };
    let (socket, _) = calling_socket(&uri, &options).ok()?;
    let (mut writer, ring) = lane::drained(&spec).unwrap();
    let mut cast = Cast::new(Arc::new(socket), ring, &spec, room(&spec, &options).unwrap());
    ready(&mut cast);
    writer.publish_every(u64::MAX);
    for number in 0..22 * 22 + 3_u64 {
        writer.push_quietly(&[number.to_le_bytes(); 8].concat()).unwrap();
    }
    writer.publish();
    cast.advance();
    let (mut next, mut sizes) = (0_u64, Vec::new());
    while next < 22 * 22 + 3 {
        wait(&[(listener.as_fd(), PollFlags::IN)], Duration::from_secs(2)).unwrap();
        let Ok((count, _)) = receipts.receive(&listener) else {
            eprintln!("udp is not tested: multicast on this loopback reaches nobody");
            assert!(sizes.is_empty(), "the rest does not come");
            return None;
        };
        for receipt in 0..count {
            sizes.push(receipts.datagrams(receipt).count());
            for datagram in receipts.datagrams(receipt) {
                let (header, records) = Header::split(datagram).unwrap();
                assert_eq!(records.len(), header.count as usize * 64);
                for record in records.chunks(64) {
                    assert_eq!(record, [next.to_le_bytes(); 8].concat());
                    next += 1;
                }
            }
        }
    }
    Some(sizes)
}

#[test]
fn a_batch_goes_through_the_kernel_as_one() {
    let Some(sizes) = at_a_time(|_| {}) else { return };
    let (socket, _) = new_socket(&NetworkOptions::default()).unwrap();
    match set_number(&socket, libc::IPPROTO_UDP, libc::UDP_GRO, 1) {
        Ok(()) => assert_eq!(sizes, [23]),
        Err(error) => eprintln!("many datagrams at a time are not tested: {error}"),
    }
}

/// As over an interface whose datagrams are shorter than those that were asked for.
#[test]
fn where_the_kernel_takes_them_one_by_one_they_go_so() {
    let refused = |cast: &mut Cast| {
        // Without checksums the kernel refuses many at a time.
        set_number(&cast.socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1).unwrap();
    };
    let Some(sizes) = at_a_time(refused) else { return };
    assert_eq!(sizes, [1; 23]);
}

/// The kernel tells of a datagram that somebody refused when the next is to be sent, and does not send that.
#[test]
fn what_became_of_an_earlier_datagram_costs_no_other() {
    if at_a_time(|_| {}).is_none() {
        return;
    }
    let told = |cast: &mut Cast| {
        let group = getpeername(&cast.socket).unwrap();
        connect(&cast.socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, free_port())).unwrap();
        kernel::send(&cast.socket, b"nobody listens", 1 << 10).unwrap();
        connect(&cast.socket, &group.unwrap()).unwrap();
    };
    assert_eq!(at_a_time(told).expect("nothing comes"), [1; 23]);
}

#[test]
fn a_message_that_no_datagram_holds_is_an_error() {
    let builder = builder(free_port(), 576);
    let Some((mut sender, mut receiver)) = pair(&builder) else { return };
    assert_eq!(sender.longest(), 528);
    let most = sender.longest();
    assert_eq!(sender.send(&[0; 529], LONG), Err(SendError::TooLong { len: 529, most }));
    sender.send(&[5; 528], LONG).unwrap();
    assert_eq!(receiver.recv(&mut [0; 600], LONG), Ok(Some(528)));
    let fixed = builder.clone().kind(MessageKind::fixed("large", 544, 8));
    assert!(fixed.sender().unwrap_err().to_string().contains("datagram"));
    let error = self::builder(1, 100).sender().unwrap_err().to_string();
    assert!(error.contains("576"), "{error}");
}

#[test]
fn strangers_are_counted_and_dropped() {
    let port = free_port();
    let builder = builder(port, 1472);
    let fixed = builder.clone().kind(MessageKind::fixed("other", 48, 8));
    let Some((mut sender, mut receiver)) = pair(&builder) else { return };
    let mut other = fixed.sender().unwrap();
    other.send(&[0; 48], LONG).unwrap();
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    sockopt::set_ip_multicast_if(&noise, &Ipv4Addr::LOCALHOST).unwrap();
    noise.send_to(b"noise", ("239.255.77.1", port)).unwrap();
    // Says that it holds more records than it does.
    let header = Header { count: 9, session: 1, sequence: 0, kind: kind_number(&MessageKind::bytes()) };
    noise.send_to(&header.to_bytes(), ("239.255.77.1", port)).unwrap();
    sender.send(b"fine", LONG).unwrap();
    let mut four = [0; 8];
    assert_eq!(receiver.recv(&mut four, LONG), Ok(Some(4)));
    assert_eq!(receiver.recv(&mut four, Duration::from_millis(20)), Ok::<_, RecvError>(None));
    assert_eq!(receiver.datagrams().unwrap().foreign, 3);
}

#[test]
fn what_a_full_receiver_misses_is_counted_as_lost() {
    let interface = Some(Ipv4Addr::LOCALHOST);
    // The least that the kernel gives.
    let options = NetworkOptions { interface, receive_buffer: Some(1), ..NetworkOptions::default() };
    let builder = builder(free_port(), 1472).network(options).capacity(1 << 12);
    let Some((mut sender, mut receiver)) = pair(&builder) else { return };
    for number in 0..2000_u64 {
        sender.send(&[number.to_le_bytes(); 100].concat(), LONG).unwrap();
    }
    let (mut next, mut got, mut buffer) = (0, 0, [0; 800]);
    loop {
        if receiver.recv(&mut buffer, Duration::from_millis(100)).unwrap().is_none() {
            break;
        }
        let number = u64::from_le_bytes(*buffer.first_chunk().unwrap());
        assert!(number >= next);
        (next, got) = (number + 1, got + 1);
    }
    assert!(got < 2000, "nothing was lost");
    // What comes next shows what is missing before it.
    sender.send(&[1; 800], LONG).unwrap();
    assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(800)));
    let counts = receiver.datagrams().unwrap();
    assert_eq!(counts.taken, got + 2);
    assert_eq!(counts.lost, 2000 - got);
}

/// The sender does nothing more, and neither does it look.
#[test]
fn what_the_kernel_does_not_take_at_once_goes_later_by_itself() {
    let (near, far) = std::os::unix::net::UnixDatagram::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_read_timeout(Some(LONG)).unwrap();
    let spec =
        Spec { mode: crate::Mode::Spsc, capacity: 1 << 20, kind: MessageKind::fixed("number", 512, 8) };
    let (mut writer, ring) = lane::drained(&spec).unwrap();
    // Datagrams of one message each, of which the other end's queue takes some.
    let mut cast = Cast::new(Arc::new(near.into()), ring, &spec, 512);
    cast.together = false;
    writer.set_pump(Box::new(Caster::new(cast).unwrap()));
    let mut sent = 0_u64;
    while writer.push(&[sent as u8; 512]).is_ok() {
        sent += 1;
    }
    assert!(sent >= 2000, "the ring is full: {sent}");
    let mut datagram = [0; 1024];
    for number in 0..sent {
        let len = far.recv(&mut datagram).unwrap();
        let (header, records) = Header::split(&datagram[..len]).unwrap();
        assert_eq!((header.sequence, header.count, records), (number, 1, &[number as u8; 512][..]));
    }
    // And there is room again.
    assert!(writer.push(&[0; 512]).is_ok());
    // The last goes before this is gone.
    drop(writer);
    far.set_nonblocking(true).unwrap();
    assert!(far.recv(&mut datagram).is_ok());
    assert_eq!(far.recv(&mut datagram).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}
