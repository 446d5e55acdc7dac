//! Channels over `tcp://` and `unix://`, with both drivers.

mod back;
mod broadcast;
mod calling;
mod gathering;
mod hostile;
mod hostile_receivers;
mod limits;
mod many;
mod share_out;
mod taking;
mod unix;
mod waiting;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use super::{
    hello::{HELLO, Hello, Status},
    *,
};
use crate::{
    Builder, Channel, Compression, DisconnectCause, MessageKind, Mode, OpenError, OpenFailure, Receiver,
    RecvError, SendError, Sender, Waiting,
};

const LONG: Duration = Duration::from_secs(20);

/// Both drivers, if this system has both.
fn drivers() -> Vec<Driver> {
    match line::why_not() {
        None => vec![Driver::Sockets, Driver::IoUring],
        Some(why) => {
            eprintln!("io_uring is not tested: {why}");
            vec![Driver::Sockets]
        }
    }
}

fn options(driver: Driver) -> NetworkOptions {
    NetworkOptions { driver, ..NetworkOptions::default() }
}

/// A receiver on a port of the system's choice, and how to open its senders.
fn open(builder: impl Fn(&str) -> Builder) -> (Receiver, Builder) {
    let receiver = builder("tcp://127.0.0.1:0").receiver().unwrap();
    let address = receiver.network().unwrap().address.clone();
    (receiver, builder(&address))
}

fn pair(builder: impl Fn(&str) -> Builder) -> (Sender, Receiver) {
    let (receiver, builder) = open(builder);
    (builder.sender().unwrap(), receiver)
}

/// Accepts whoever calls, on the terms that it names itself.
fn accept_hello(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut bytes = [0; HELLO];
    stream.read_exact(&mut bytes)?;
    let hello = Hello::from_bytes(&bytes).unwrap();
    stream.write_all(&Hello { status: Status::Accepted, ..hello }.to_bytes())
}

/// A sender to many, on a port of the system's choice if the URI asks for one, and how to open its receivers.
fn open_to_many(uri: &str, builder: impl Fn(&str) -> Builder) -> (Sender, Builder) {
    let sender = builder(uri).sender().unwrap();
    let address = sender.network().unwrap().address.clone();
    (sender, builder(&address).join_within(LONG))
}

fn plain(driver: Driver) -> impl Fn(&str) -> Builder {
    move |uri| Channel::builder(uri).unwrap().network(options(driver)).capacity(1 << 16)
}

/// Message `number`, of a length and with bytes that follow from it.
fn message(number: u64, longest: usize) -> Vec<u8> {
    let len = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % (longest + 1);
    let mut bytes = vec![number as u8; len.max(8)];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

fn receive_all(receiver: &mut Receiver, count: u64, longest: usize) {
    let mut buffer = vec![0; longest.max(8)];
    for number in 0..count {
        let len = receiver.recv(&mut buffer, LONG).unwrap().expect("it was sent");
        assert!(buffer[..len] == message(number, longest), "message {number}");
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (mut future, begun) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park_timeout(LONG);
        assert!(begun.elapsed() < LONG, "nobody called the waker");
    }
}

#[test]
fn messages_arrive_in_order_whatever_carries_them() {
    for driver in drivers() {
        for compression in
            [Compression::None, Compression::Lz4, Compression::Zstd { level: 1 }, Compression::Snappy]
        {
            for longest in [40, 5000] {
                let (mut sender, mut receiver) = pair(|uri| {
                    let options = NetworkOptions { compression, ..options(driver) };
                    plain(driver)(uri).network(options)
                });
                let sending = thread::spawn(move || {
                    for number in 0..20_000 {
                        sender.send(&message(number, longest), LONG).unwrap();
                    }
                });
                receive_all(&mut receiver, 20_000, longest);
                sending.join().unwrap();
                let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
                assert_eq!(receiver.recv(&mut [], LONG), Err(closed));
            }
        }
    }
}

#[test]
fn messages_of_one_size_arrive_in_order() {
    for (driver, size) in drivers().into_iter().flat_map(|driver| [(driver, 64), (driver, 20)]) {
        let (mut sender, mut receiver) =
            pair(|uri| plain(driver)(uri).kind(MessageKind::fixed("number", size, 4)));
        let size = size as usize;
        let sending = thread::spawn(move || {
            let mut message = vec![0; size];
            for number in 0..200_000_u64 {
                message[..8].copy_from_slice(&number.to_le_bytes());
                sender.send(&message, LONG).unwrap();
            }
        });
        let mut message = vec![0; size];
        for number in 0..200_000_u64 {
            assert_eq!(receiver.recv(&mut message, LONG), Ok(Some(size)));
            assert_eq!(message[..8], number.to_le_bytes());
        }
        sending.join().unwrap();
    }
}

#[test]
fn long_messages_and_batches_and_claims_arrive() {
    for driver in drivers() {
        let (mut sender, mut receiver) = pair(|uri| plain(driver)(uri).capacity(8 << 20));
        let longest = sender.longest();
        let sending = thread::spawn(move || {
            sender.send(&vec![7; longest], LONG).unwrap();
            sender.send_batch((0..1000_u32).map(u32::to_le_bytes), LONG).unwrap();
            let mut claim = sender.claim_within(1 << 20, LONG).unwrap();
            claim.write(100, b"in place");
            claim.commit_first(108);
        });
        let message = receiver.read_within(LONG).unwrap().unwrap();
        assert!(message.to_vec() == vec![7; longest]);
        drop(message);
        let mut four = [0; 4];
        for number in 0..1000_u32 {
            assert_eq!(receiver.recv(&mut four, LONG), Ok(Some(4)));
            assert_eq!(four, number.to_le_bytes());
        }
        assert_eq!(&receiver.read_within(LONG).unwrap().unwrap().to_vec()[100..], b"in place");
        sending.join().unwrap();
    }
}

#[test]
fn one_message_at_a_time_goes_there_and_back_however_an_end_waits() {
    for driver in drivers() {
        for waiting in [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark] {
            let (mut there, mut far) = pair(|uri| plain(driver)(uri).waiting(waiting));
            let (mut back, mut near) = pair(|uri| plain(driver)(uri).waiting(waiting));
            let other = thread::spawn(move || {
                let mut number = [0; 8];
                for _ in 0..300 {
                    far.recv(&mut number, LONG).unwrap().unwrap();
                    back.send(&number, LONG).unwrap();
                }
            });
            for number in 0..300_u64 {
                let mut answer = [0; 8];
                there.send(&number.to_le_bytes(), LONG).unwrap();
                near.recv(&mut answer, LONG).unwrap().unwrap();
                assert_eq!(u64::from_le_bytes(answer), number);
            }
            other.join().unwrap();
        }
    }
}

#[test]
fn what_is_gathered_goes_out_without_the_sender() {
    for driver in drivers() {
        let (mut sender, mut receiver) = pair(plain(driver));
        // So fast that the sender gathers, and then nothing: no flush, no further call.
        for number in 0..1000 {
            sender.send(&message(number, 8), LONG).unwrap();
        }
        receive_all(&mut receiver, 1000, 8);
        drop(sender);
    }
}

#[test]
fn a_receiver_that_is_slow_stops_its_sender_and_loses_nothing() {
    for driver in drivers() {
        let (mut sender, mut receiver) = pair(plain(driver));
        let mut sent = 0;
        // The rings of both sides and the kernel's buffers.
        let until = Instant::now() + LONG;
        while sender.send(&message(sent, 4000), Duration::from_millis(100)).is_ok() {
            sent += 1;
            assert!(Instant::now() < until, "it takes everything");
        }
        assert!(sender.counters().stalls > 0);
        let sending = thread::spawn(move || {
            for number in sent..sent + 100 {
                sender.send(&message(number, 4000), LONG).unwrap();
            }
        });
        receive_all(&mut receiver, sent + 100, 4000);
        sending.join().unwrap();
    }
}

#[test]
fn many_senders_have_a_lane_each() {
    for driver in drivers() {
        let (mut receiver, builder) = open(|uri| plain(driver)(uri).mode(Mode::Mpsc));
        // Were all that have joined gone before the last one joins, the channel would be closed for a moment.
        let all_joined = Arc::new(Barrier::new(8));
        let sending: Vec<_> = (0..8_u8)
            .map(|which| {
                let (builder, all_joined) = (builder.clone(), Arc::clone(&all_joined));
                thread::spawn(move || {
                    let mut sender = builder.sender().unwrap();
                    all_joined.wait();
                    for number in 0..2000_u32 {
                        let mut message = [which; 8];
                        message[4..].copy_from_slice(&number.to_le_bytes());
                        sender.send(&message, LONG).unwrap();
                    }
                })
            })
            .collect();
        let mut next = [0_u32; 8];
        for message in 0..8 * 2000 {
            let mut bytes = [0; 8];
            assert_eq!(receiver.recv(&mut bytes, LONG), Ok(Some(8)), "message {message}");
            let which = usize::from(bytes[0]);
            assert_eq!(u32::from_le_bytes(bytes[4..].try_into().unwrap()), next[which]);
            next[which] += 1;
        }
        sending.into_iter().for_each(|thread| thread.join().unwrap());
        let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
        assert_eq!(receiver.recv(&mut [], LONG), Err(closed));
        assert_eq!(receiver.departed().closed, 8);
    }
}

#[test]
fn a_receiver_that_closes_is_told_from_one_that_dies() {
    for driver in drivers() {
        let (mut sender, receiver) = pair(plain(driver));
        drop(receiver);
        let until = Instant::now() + LONG;
        let error = loop {
            match sender.try_send(b"anybody there?") {
                Ok(()) | Err(SendError::Full) => assert!(Instant::now() < until),
                Err(error) => break error,
            }
        };
        assert_eq!(error, SendError::Disconnected { cause: DisconnectCause::Closed });
    }
}

#[test]
fn the_other_side_is_asked_for_the_same_and_an_error_says_both() {
    let (receiver, builder) = open(plain(Driver::Auto));
    let error = builder.clone().capacity(1 << 17).sender().unwrap_err().to_string();
    assert!(error.contains("65536") && error.contains("131072"), "{error}");
    let error = builder.clone().kind(MessageKind::fixed("tick", 8, 8)).sender().unwrap_err().to_string();
    assert!(error.contains("tick") && error.contains("any length"), "{error}");
    let error = builder.clone().mode(Mode::Mpsc).sender().unwrap_err().to_string();
    assert!(error.contains("MPSC") && error.contains("SPSC"), "{error}");
    let _one = builder.sender().unwrap();
    assert!(matches!(
        builder.sender(),
        Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. })
    ));
    let address = &receiver.network().unwrap().address;
    let second = Channel::builder(address).unwrap().receiver();
    assert!(matches!(second, Err(OpenError { failure: OpenFailure::ReceiverTaken, .. })));
    drop(receiver);
    assert!(matches!(builder.sender(), Err(OpenError { failure: OpenFailure::NobodyListens { .. }, .. })));
}

#[test]
fn the_report_says_what_was_used() {
    let (sender, receiver) = pair(|uri| {
        let mut options = options(Driver::Sockets);
        options.congestion = Some("no-such-thing".into());
        plain(Driver::Sockets)(uri).network(options)
    });
    for report in [sender.network().unwrap(), receiver.network().unwrap()] {
        assert_eq!(report.driver, DriverUsed::Sockets("plain sockets were asked for".into()));
        assert!(report.notes[0].contains("no-such-thing"), "{report}");
        assert!(report.to_string().contains("plain sockets"));
    }
    let (sender, _receiver) = pair(plain(Driver::Auto));
    match (&sender.network().unwrap().driver, line::why_not()) {
        (DriverUsed::IoUring, None) => {}
        (DriverUsed::Sockets(said), Some(why)) => assert_eq!(said, why),
        (driver, why) => panic!("{driver} and {why:?}"),
    }
}

#[test]
fn a_unix_socket_is_its_owners_and_is_taken_over_from_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.sock");
    let uri = format!("unix://{}", path.display());
    for driver in drivers() {
        let builder = plain(driver)(&uri);
        // As a receiver that was killed leaves it.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(matches!(
            builder.sender(),
            Err(OpenError { failure: OpenFailure::NobodyListens { .. }, .. })
        ));
        let mut receiver = builder.receiver().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(builder.receiver(), Err(OpenError { failure: OpenFailure::ReceiverTaken, .. })));
        let mut sender = builder.sender().unwrap();
        sender.send(b"through a file", LONG).unwrap();
        assert_eq!(receiver.read_within(LONG).unwrap().unwrap().to_vec(), b"through a file");
        drop((sender, receiver));
        assert!(!path.exists());
    }
    std::fs::write(&path, "precious").unwrap();
    assert!(plain(Driver::Auto)(&uri).receiver().unwrap_err().to_string().contains("no socket"));
    assert!(plain(Driver::Auto)(&uri).sender().unwrap_err().to_string().contains("no socket"));
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
