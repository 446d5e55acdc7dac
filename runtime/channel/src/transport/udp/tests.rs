//! Channels over `udp://` on this machine's loopback.

use std::net::UdpSocket;

use super::*;
use crate::{Builder, Channel, MessageKind, Receiver, RecvError, SendError, Sender};

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
        Err(OpenError::System { step, source }) => {
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
