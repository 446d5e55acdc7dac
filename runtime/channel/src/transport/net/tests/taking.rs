//! How what has come is taken from a connection: where it lies first, and by io_uring where looks are in vain.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{event::PollFlags, io::ioctl_fionread, net::sockopt::set_socket_linger};

use super::{Driver, LONG, NetworkOptions, drivers, line, open, options, pair, plain, socket};
use crate::{
    Compression, Mode, Waiting,
    transport::net::line::{Incoming, Received},
};

/// More looks in vain than any connection is looked at by calls, if there are many.
const LOOKS: u32 = 2000;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    there.set_nodelay(true).unwrap();
    (there, listener.accept().unwrap().0)
}

/// The receiving direction, and the socket once more.
fn incoming(here: impl Into<OwnedFd>, driver: Driver) -> (Incoming, Arc<OwnedFd>) {
    let socket = Arc::new(here.into());
    (Incoming::new(Arc::clone(&socket), driver == Driver::IoUring), socket)
}

/// Sleeps until `incoming` says that there is something to see.
fn sleep(incoming: &Incoming) {
    let ready = socket::wait_each(&[(incoming.poll_on().as_fd(), PollFlags::IN)], LONG).unwrap();
    assert!(ready[0], "it was not woken");
}

/// Looks at a connection that is not one of many.
fn look(incoming: &mut Incoming, into: &mut [u8]) -> Received {
    incoming.receive(into, || false).unwrap()
}

/// Waits until so many bytes lie in the socket.
fn arrive(socket: BorrowedFd<'_>, bytes: u64) {
    let begin = Instant::now();
    while ioctl_fionread(socket).unwrap() < bytes {
        assert!(begin.elapsed() < LONG, "it did not come");
        thread::yield_now();
    }
}

#[test]
fn what_was_waited_for_is_taken_by_the_next_look() {
    for driver in drivers() {
        let (mut there, here) = tcp();
        let (mut incoming, socket) = incoming(here, driver);
        let mut bytes = [0; 1 << 16];
        for round in 0..3 {
            assert_eq!(look(&mut incoming, &mut bytes), Received::Nothing);
            there.write_all(&[round; 80]).unwrap();
            sleep(&incoming);
            assert_eq!(look(&mut incoming, &mut bytes), Received::Bytes(80));
            assert_eq!(bytes[..80], [round; 80]);
            assert_eq!(ioctl_fionread(&socket).unwrap(), 80, "{driver:?}");
            // What has come since is all that there is.
            there.write_all(&[round + 100; 70]).unwrap();
            arrive(socket.as_fd(), 150);
            assert_eq!(incoming.seen(), 80);
            assert_eq!(look(&mut incoming, &mut bytes), Received::Bytes(70));
            assert_eq!(bytes[80..150], [round + 100; 70]);
            assert_eq!(incoming.seen(), 0);
            assert_eq!(ioctl_fionread(&socket).unwrap(), 0, "{driver:?}");
        }
        // So is what comes when the end is not waited for: it is behind.
        there.write_all(&[7; 80]).unwrap();
        arrive(socket.as_fd(), 80);
        assert_eq!(look(&mut incoming, &mut bytes), Received::Bytes(80));
        assert_eq!(ioctl_fionread(&socket).unwrap(), 0, "{driver:?}");
    }
}

#[test]
fn much_is_taken_at_once_and_so_is_all_that_needs_no_acknowledgement() {
    for driver in drivers() {
        let mut bytes = vec![0; 1 << 16];
        let (mut there, here) = tcp();
        let (mut incoming_tcp, socket) = incoming(here, driver);
        assert_eq!(look(&mut incoming_tcp, &mut bytes), Received::Nothing);
        let much: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        there.write_all(&much).unwrap();
        arrive(socket.as_fd(), 20_000);
        assert_eq!(look(&mut incoming_tcp, &mut bytes), Received::Bytes(20_000));
        assert_eq!(bytes[..20_000], much);
        assert_eq!(ioctl_fionread(&socket).unwrap(), 0);
        // After that one that is short may be the end of it.
        for left in [0, 0, 80] {
            assert_eq!(look(&mut incoming_tcp, &mut bytes), Received::Nothing);
            there.write_all(&[7; 80]).unwrap();
            sleep(&incoming_tcp);
            assert_eq!(look(&mut incoming_tcp, &mut bytes), Received::Bytes(80));
            assert_eq!(ioctl_fionread(&socket).unwrap(), left);
        }

        let (mut there, here) = UnixStream::pair().unwrap();
        let (mut incoming_unix, socket) = incoming(here, driver);
        assert_eq!(look(&mut incoming_unix, &mut bytes), Received::Nothing);
        there.write_all(&[7; 80]).unwrap();
        assert_eq!(look(&mut incoming_unix, &mut bytes), Received::Bytes(80));
        assert_eq!(ioctl_fionread(&socket).unwrap(), 0);
    }
}

#[test]
fn what_was_read_and_not_taken_does_not_hide_the_end() {
    for driver in drivers() {
        for reset in [false, true] {
            let (mut there, here) = tcp();
            let (mut incoming, _) = incoming(here, driver);
            let mut bytes = [0; 100];
            assert_eq!(look(&mut incoming, &mut bytes), Received::Nothing);
            there.write_all(&[7; 80]).unwrap();
            sleep(&incoming);
            assert_eq!(look(&mut incoming, &mut bytes), Received::Bytes(80));
            if reset {
                set_socket_linger(&there, Some(Duration::ZERO)).unwrap();
            }
            drop(there);
            let begin = Instant::now();
            loop {
                match incoming.receive(&mut bytes, || false) {
                    Ok(Received::Nothing) => assert!(begin.elapsed() < LONG, "{driver:?} {reset}"),
                    Ok(Received::End) => break assert!(!reset),
                    Err(_) => break assert!(reset),
                    Ok(Received::Bytes(len)) => panic!("{driver:?} {reset}: {len} bytes came twice"),
                }
            }
        }
    }
}

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % most
    }
}

/// Writes pieces of any length and receives them to buffers of any length, looks in vain now and then so often that
/// io_uring takes over, and lets other threads look. Returns how often it changed who receives.
fn exchange(mut there: impl Write, mut incoming: Incoming, seed: u64) -> u32 {
    let (mut dice, mut sent, mut received, mut changes) = (Dice(seed), 0_u64, 0_u64, 0);
    let mut bytes = vec![0; 1 << 17];
    for round in 0..600 {
        let by_uring = incoming.is_by_uring();
        // Of three that follow each other one is a time of silence, of short messages, of anything.
        let (looks, most) = match round / 40 % 3 {
            0 => (LOOKS, 100),
            1 => (3, 100),
            _ => (dice.below(3) as u32, 60_000),
        };
        let see = |received: &mut u64, incoming: &mut Incoming, into: &mut [u8], room: usize| {
            let (seen, into) = (incoming.seen(), &mut into[..room.max(1 + incoming.seen())]);
            let Received::Bytes(len) = incoming.receive(into, || true).unwrap() else { return false };
            for byte in &into[seen..seen + len] {
                assert_eq!(*byte, *received as u8, "byte {received}");
                *received += 1;
            }
            true
        };
        for _ in 0..looks {
            assert!(!see(&mut received, &mut incoming, &mut bytes, 1), "nothing was sent");
        }
        let len = 1 + dice.below(most);
        let piece: Vec<u8> = (sent..sent + len).map(|byte| byte as u8).collect();
        there.write_all(&piece).unwrap();
        sent += len;
        let widest = if dice.below(2) == 0 { 64 } else { 1 << 17 };
        let room = 1 + dice.below(widest) as usize;
        while received < sent {
            if !see(&mut received, &mut incoming, &mut bytes, room) {
                sleep(&incoming);
            }
        }
        if dice.below(20) == 0 {
            incoming = thread::spawn(move || {
                let found = incoming.receive(&mut [0; 1 << 14], || true).unwrap();
                assert_eq!(found, Received::Nothing);
                incoming
            })
            .join()
            .unwrap();
        }
        changes += u32::from(by_uring != incoming.is_by_uring());
    }
    drop(there);
    loop {
        match incoming.receive(&mut bytes, || true).unwrap() {
            Received::Nothing => sleep(&incoming),
            Received::End => return changes,
            Received::Bytes(len) => panic!("{len} bytes that nobody sent"),
        }
    }
}

#[test]
fn a_stream_stays_what_it_is_whoever_receives_it() {
    for driver in drivers() {
        for seed in 0..2 {
            let (there, here) = tcp();
            let over_tcp = exchange(there, incoming(here, driver).0, seed);
            let (there, here) = UnixStream::pair().unwrap();
            let over_unix = exchange(there, incoming(here, driver).0, seed);
            let expected = driver == Driver::IoUring;
            assert_eq!((over_tcp > 3, over_unix > 3), (expected, expected), "{over_tcp} {over_unix}");
        }
    }
}

#[test]
fn who_has_just_left_a_connection_to_io_uring_may_sleep() {
    if line::why_not().is_some() {
        return;
    }
    let (mut there, here) = tcp();
    let (mut incoming, _) = incoming(here, Driver::IoUring);
    while !incoming.is_by_uring() {
        assert_eq!(incoming.receive(&mut [0; 8], || true).unwrap(), Received::Nothing);
    }
    there.write_all(&[7]).unwrap();
    sleep(&incoming);
    assert_eq!(incoming.receive(&mut [0; 8], || true).unwrap(), Received::Bytes(1));
}

#[test]
fn of_few_connections_none_is_left_to_io_uring() {
    if line::why_not().is_some() {
        return;
    }
    let (_there, here) = tcp();
    let (mut incoming, _) = incoming(here, Driver::IoUring);
    for _ in 0..10 * LOOKS {
        assert_eq!(look(&mut incoming, &mut [0; 8]), Received::Nothing);
    }
    assert!(!incoming.is_by_uring());
}

#[test]
fn many_senders_of_which_few_send_are_all_heard() {
    const SENDERS: u64 = 8;
    for driver in drivers() {
        for waiting in [Waiting::Spin, Waiting::SpinThenPark, Waiting::Park] {
            let (mut receiver, builder) =
                open(|uri| plain(driver)(uri).mode(Mode::Mpsc).waiting(waiting).network(options(driver)));
            let mut senders: Vec<_> = (0..SENDERS).map(|_| builder.sender().unwrap()).collect();
            let (mut next, mut buffer) = ([0_u64; SENDERS as usize], [0; 16]);
            for round in 0..40 {
                // Silence, so that all are left to io_uring.
                for _ in 0..LOOKS {
                    assert_eq!(receiver.try_recv(&mut buffer), Ok(None));
                }
                let who = round % SENDERS;
                // One sends, and as it goes on, so do the others.
                for number in 0..60 {
                    let who = if number < 30 { who } else { number % SENDERS };
                    let count = next[who as usize].to_le_bytes();
                    let message = [who.to_le_bytes(), count].concat();
                    senders[who as usize].send(&message, LONG).unwrap();
                    assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(16)), "{driver:?} {waiting:?}");
                    assert_eq!(buffer[..], message);
                    next[who as usize] += 1;
                }
            }
            assert_eq!(receiver.lanes(), SENDERS as usize);
            drop(senders);
            assert!(receiver.recv(&mut buffer, LONG).is_err());
        }
    }
}

#[test]
fn what_is_longer_than_the_kernel_holds_arrives_whoever_waits() {
    for driver in drivers() {
        for compression in [Compression::None, Compression::Lz4] {
            let small = NetworkOptions {
                receive_buffer: Some(2048),
                send_buffer: Some(4096),
                compression,
                ..options(driver)
            };
            let (mut sender, mut receiver) =
                pair(|uri| plain(driver)(uri).network(small.clone()).capacity(1 << 18));
            let message = |number: u64| {
                let mut dice = Dice(number);
                let most = [100, 10_000, 40_000][number as usize % 3];
                let len = 1 + dice.below(most);
                (0..len).map(|at| if at % 8 == 0 { dice.below(256) as u8 } else { 7 }).collect::<Vec<u8>>()
            };
            let sending = thread::spawn(move || {
                for number in 0..200 {
                    sender.send(&message(number), LONG).unwrap();
                    if number % 7 == 0 {
                        sender.flush();
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
            let mut buffer = vec![0; 40_000];
            for number in 0..200 {
                let len = receiver.recv(&mut buffer, LONG).unwrap().expect("it came in time");
                assert!(buffer[..len] == message(number), "{driver:?} {compression:?}: message {number}");
            }
            sending.join().unwrap();
        }
    }
}
