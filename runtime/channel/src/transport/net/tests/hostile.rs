//! Peers that break the rules, dawdle, or speak another version.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{LONG, drivers, open, options, plain};
use crate::{
    DisconnectCause, MessageKind, Mode, OpenError, Receiver, RecvError,
    lane::Spec,
    transport::net::{
        BadFrame, Driver,
        frame::{Frame, HEADER},
        hello::{HELLO, Hello, Status},
    },
};

/// Another number each time.
fn another_number() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// A greeting that the receiver of [`open`] with [`plain`] takes.
fn greeting() -> Hello {
    let spec = Spec { mode: Mode::Spsc, capacity: 1 << 16, kind: MessageKind::bytes() };
    Hello { status: Status::Hello, spec, codec: 0, rule: 0, session: u64::from(another_number()) }
}

/// A peer that speaks for itself.
fn stranger(receiver: &Receiver) -> TcpStream {
    let address = receiver.network().unwrap().address.clone();
    let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn joined(receiver: &Receiver) -> TcpStream {
    joined_in(receiver, Mode::Spsc)
}

/// As a sender in this mode.
pub(super) fn joined_in(receiver: &Receiver, mode: Mode) -> TcpStream {
    let mut stream = stranger(receiver);
    let greeting = greeting();
    let greeting = Hello { spec: Spec { mode, ..greeting.spec }, ..greeting };
    stream.write_all(&greeting.to_bytes()).unwrap();
    let mut answer = [0; HELLO];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(Hello::from_bytes(&answer).unwrap().status, Status::Accepted);
    stream
}

#[test]
fn a_peer_that_breaks_the_rules_is_cut_off_and_the_next_is_served() {
    let long = Frame::Records { codec: 0, wire: 1 << 20, plain: 1 << 20, count: 1 };
    let bomb = Frame::Records { codec: 1, wire: 100, plain: 1 << 30, count: 1 };
    // No 8 bytes are so many.
    let claim = Frame::Records { codec: 1, wire: 8, plain: 60_000, count: 1 };
    let mut claim = claim.to_bytes().to_vec();
    claim.extend([0x5a; 8]);
    let lie = Frame::Records { codec: 2, wire: 24, plain: 4096, count: 1 };
    let count = Frame::Records { codec: 0, wire: 16, plain: 16, count: 2 };
    let record = Frame::Records { codec: 0, wire: 16, plain: 16, count: 1 };
    let mut bad_record = record.to_bytes().to_vec();
    bad_record.extend([0xff; 16]);
    let mut bad_count = count.to_bytes().to_vec();
    bad_count.extend((1_u64 << 32 | 8).to_le_bytes());
    bad_count.extend([0; 8]);
    let mut bad_code = lie.to_bytes().to_vec();
    bad_code.extend([0x5a; 24]);
    let cases: [(&[u8], BadFrame); 7] = [
        (b"GET / HTTP/1.1\r\n\r\n", BadFrame::NoFrame),
        (&long.to_bytes(), BadFrame::TooLong { len: 1 << 20, limit: 64 << 10 }),
        (&bomb.to_bytes(), BadFrame::TooLong { len: 1 << 30, limit: 64 << 10 }),
        (&claim, BadFrame::Corrupt),
        (&bad_code, BadFrame::Corrupt),
        (&bad_record, BadFrame::Record),
        (&bad_count, BadFrame::Record),
    ];
    for driver in drivers() {
        let (mut receiver, builder) = open(plain(driver));
        for (bytes, bad) in &cases {
            let mut stream = joined(&receiver);
            stream.write_all(bytes).unwrap();
            assert!(receiver.wait_for_sender(LONG));
            let error = loop {
                // Records before the wrong one are taken.
                match receiver.recv(&mut [0; 64], LONG) {
                    Ok(Some(8)) => {}
                    other => break other,
                }
            };
            assert_eq!(error, Err(RecvError::BadFrame(*bad)));
            // It is told that this side is closed.
            let mut goodbye = [0; HEADER];
            stream.read_exact(&mut goodbye).unwrap();
            assert_eq!(Frame::from_bytes(&goodbye, 0), Ok(Frame::Goodbye));
        }
        let mut sender = builder.join_within(LONG).sender().unwrap();
        sender.send(b"fine", LONG).unwrap();
        receiver.wait_for_sender(LONG);
        assert_eq!(receiver.recv(&mut [0; 64], LONG), Ok(Some(4)));
        assert_eq!(receiver.departed().misbehaved, cases.len() as u64);
    }
}

#[test]
fn half_a_frame_is_nothing_and_its_sender_died() {
    for driver in drivers() {
        let (mut receiver, _) = open(plain(driver));
        let mut stream = joined(&receiver);
        let frame = Frame::Records { codec: 0, wire: 32, plain: 32, count: 2 };
        let mut bytes = frame.to_bytes().to_vec();
        bytes.extend((1_u64 << 32 | 8).to_le_bytes());
        bytes.extend(*b"whole...");
        stream.write_all(&bytes).unwrap();
        // The first of its records is there, but the frame is not.
        assert_eq!(receiver.recv(&mut [0; 8], Duration::from_millis(50)), Ok(None));
        drop(stream);
        let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
        assert_eq!(receiver.recv(&mut [0; 8], LONG), Err(died));
    }
}

#[test]
fn who_dawdles_is_sent_away() {
    let (mut receiver, builder) = open(|uri| {
        let mut options = options(Driver::Sockets);
        if !uri.ends_with(":0") {
            // The sender's own.
            return plain(Driver::Sockets)(uri);
        }
        options.handshake_timeout = Duration::from_millis(100);
        options.frame_timeout = Duration::from_millis(100);
        plain(Driver::Sockets)(uri).network(options)
    });
    // More than may be guests at a time, and none says a word.
    let mut silent: Vec<TcpStream> = (0..40).map(|_| stranger(&receiver)).collect();
    let begin = Instant::now();
    let sender = builder.join_within(LONG).sender().unwrap();
    assert!(begin.elapsed() < LONG);
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 8]).unwrap_or(0), 0);
    }
    drop(sender);
    assert!(receiver.wait_for_sender(LONG));
    assert!(receiver.recv(&mut [], LONG).is_err());

    // A frame that comes byte by byte.
    let mut stream = joined(&receiver);
    stream.write_all(&Frame::Goodbye.to_bytes()[..5]).unwrap();
    let begin = Instant::now();
    let error = loop {
        match receiver.recv(&mut [], LONG) {
            Ok(None) | Err(RecvError::Disconnected { .. }) => {}
            other => break other,
        }
    };
    assert_eq!(error, Err(RecvError::BadFrame(BadFrame::Unfinished)));
    // Though it sleeps until then, and sleeps are of 20 s here.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    // No goodbye: the line may have failed, and who may come back shall.
    assert_eq!(stream.read(&mut [0; HEADER]).unwrap_or(0), 0);
}

#[test]
fn another_version_is_answered_and_noise_is_not_waited_for() {
    let (receiver, _) = open(plain(Driver::Auto));
    let mut stream = stranger(&receiver);
    let mut other = greeting().to_bytes();
    other[8] = 99;
    // No more than every version has.
    stream.write_all(&other[..16]).unwrap();
    let mut answer = [0; HELLO];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(Hello::from_bytes(&answer).unwrap().status, Status::Different);
    let begin = Instant::now();
    let mut stream = stranger(&receiver);
    stream.write_all(b"SSH-2.0").unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(stream.read(&mut answer).unwrap_or(0), 0);
    assert!(begin.elapsed() < Duration::from_secs(4), "it was waited for");
}

/// A receiver of a sender of a broadcast that speaks for itself: it names that rule, sends that, and goes.
fn broadcast_of(driver: Driver, rule: u8, bytes: Vec<u8>) -> Result<Receiver, OpenError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let sending = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; HELLO];
        stream.read_exact(&mut hello).unwrap();
        let hello = Hello::from_bytes(&hello).unwrap();
        assert_eq!((hello.status, hello.codec, hello.rule), (Status::Hello, 0, 0));
        stream.write_all(&Hello { status: Status::Accepted, rule, ..hello }.to_bytes()).unwrap();
        let _ = stream.write_all(&bytes);
    });
    let receiver = plain(driver)(&address).mode(Mode::Broadcast).receiver();
    sending.join().unwrap();
    receiver
}

/// Records of eight bytes in one frame.
pub(super) fn records(values: &[u64]) -> Vec<u8> {
    let len = values.len() as u32 * 16;
    let frame = Frame::Records { codec: 0, wire: len, plain: len, count: values.len() as u32 };
    let words = values.iter().flat_map(|value| [1 << 32 | 8, *value]);
    frame.to_bytes().into_iter().chain(words.flat_map(u64::to_le_bytes)).collect()
}

/// The values that come, how many were lost, and what ends it.
fn all_of(mut receiver: Receiver) -> (Vec<u64>, u64, RecvError) {
    let (mut values, mut bytes) = (Vec::new(), [0; 8]);
    loop {
        match receiver.recv(&mut bytes, LONG) {
            Ok(len) => {
                assert_eq!(len, Some(8));
                values.push(u64::from_le_bytes(bytes));
            }
            Err(error) => return (values, receiver.counters().lost, error),
        }
    }
}

/// spec: NET-2.5, NET-3.5, NET-3.6
#[test]
fn what_a_broadcasts_sender_says_is_checked_and_counted() {
    let gap = |lost| Frame::Gap { lost }.to_bytes().to_vec();
    let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
    let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
    let no_frame = RecvError::BadFrame(BadFrame::NoFrame);
    let mut bad_record = records(&[8, 9]);
    bad_record[HEADER + 16..HEADER + 24].fill(0xff);
    for driver in drivers() {
        for rule in [0, 4, 255] {
            let error = broadcast_of(driver, rule, Vec::new()).unwrap_err().to_string();
            assert!(error.contains(&format!("rule {rule}")), "{error}");
        }
        let cases: [(u8, Vec<Vec<u8>>, _); 9] = [
            (1, vec![records(&[1, 2]), Frame::Goodbye.to_bytes().to_vec()], (vec![1, 2], 0, closed)),
            // It said that it loses nothing.
            (1, vec![records(&[1]), gap(1), records(&[2])], (vec![1], 0, no_frame)),
            (2, vec![gap(5), records(&[6, 7]), gap(1), records(&[9])], (vec![6, 7, 9], 6, died)),
            (
                2,
                vec![gap(u64::MAX), records(&[0]), gap(u64::MAX), records(&[1])],
                (vec![0, 1], u64::MAX, died),
            ),
            // A sender of gaps alone would keep its receiver busy.
            (2, vec![gap(3), gap(4), records(&[1])], (vec![], 3, no_frame)),
            (3, vec![gap(3), gap(4), records(&[1])], (vec![], 3, no_frame)),
            (2, vec![gap(3), vec![0; HEADER]], (vec![], 3, no_frame)),
            // All of it is there before the receiver looks.
            (
                3,
                vec![records(&[1, 2]), gap(2), records(&[5]), Frame::Goodbye.to_bytes().to_vec()],
                (vec![5], 4, closed),
            ),
            (3, vec![records(&[1]), bad_record.clone()], (vec![8], 1, RecvError::BadFrame(BadFrame::Record))),
        ];
        for (rule, bytes, expected) in cases {
            let receiver = broadcast_of(driver, rule, bytes.concat()).unwrap();
            // What was sent is on its way over loopback.
            thread::sleep(Duration::from_millis(20));
            assert_eq!(all_of(receiver), expected, "rule {rule}");
        }
    }
}
