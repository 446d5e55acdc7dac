//! Many senders and many receivers: each receiver listens, and each sender calls them all.
//!
//! spec: NET-1.5

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{hostile_receivers::connect, *};
use crate::{
    endpoint::MAX_RECEIVERS,
    lane::Spec,
    transport::Patience,
    transport::net::{
        caller,
        frame::{Frame, HEADER},
        hello::{HELLO, Hello, Status},
    },
};

fn many(driver: Driver) -> impl Fn(&str) -> Builder {
    move |uri| plain(driver)(uri).mode(Mode::Mpmc).join_within(LONG)
}

/// For a sender that calls all of them.
fn calls(open: impl Fn(&str) -> Builder, addresses: &[String]) -> Builder {
    addresses[1..].iter().fold(open(&addresses[0]), |builder, uri| builder.also_at(uri).unwrap())
}

fn unix(folder: &Path, name: &str) -> String {
    format!("unix://{}", folder.join(name).display())
}

/// Message `number` of a sender, of a length that follows from it.
fn from(sender: u64, number: u64) -> Vec<u8> {
    message(sender << 32 | number, 900)
}

/// What comes until nobody sends any more and `over` says so: whole, and in order of each sender.
fn collect(receiver: &mut Receiver, over: &AtomicBool) -> Vec<u64> {
    let (mut got, mut last) = (Vec::new(), [None; 8]);
    loop {
        let is_over = over.load(Ordering::Acquire);
        match receiver.read_within(Duration::from_millis(20)) {
            Ok(Some(found)) => {
                let bytes = found.to_vec();
                let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                assert!(bytes == message(number, 900), "message {number:x}");
                let last = &mut last[(number >> 32) as usize];
                assert!(last.is_none_or(|last| last < number), "{number:x} comes late");
                *last = Some(number);
                got.push(number);
            }
            Ok(None) | Err(RecvError::Disconnected { .. }) if is_over => return got,
            Ok(None) => {}
            Err(RecvError::Disconnected { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn each_message_of_each_sender_goes_to_one_receiver_in_order() {
    const COUNT: u64 = 4000;
    let folder = tempfile::tempdir().unwrap();
    for driver in drivers() {
        for compression in [Compression::None, Compression::Lz4] {
            let open = |uri: &str| {
                let options = NetworkOptions { compression, ..options(driver) };
                many(driver)(uri).network(options)
            };
            let places = ["tcp://127.0.0.1:0".into(), unix(folder.path(), "two"), "tcp://127.0.0.1:0".into()];
            let receivers: Vec<_> = places.iter().map(|uri| open(uri).receiver().unwrap()).collect();
            let addresses: Vec<_> =
                receivers.iter().map(|receiver| receiver.network().unwrap().address.clone()).collect();
            let over = Arc::new(AtomicBool::new(false));
            let receiving: Vec<_> = receivers
                .into_iter()
                .map(|mut receiver| {
                    let over = Arc::clone(&over);
                    thread::spawn(move || collect(&mut receiver, &over))
                })
                .collect();
            let sending: Vec<_> = (0..3)
                .map(|who| {
                    let mut sender = calls(open, &addresses).sender().unwrap();
                    assert!(addresses.iter().all(|one| sender.network().unwrap().address.contains(one)));
                    thread::spawn(move || {
                        assert!(sender.wait_for_receivers(3, LONG));
                        for number in (0..COUNT).step_by(2) {
                            sender.send(&from(who, number), LONG).unwrap();
                            sender.send_batch([from(who, number + 1)], LONG).unwrap();
                        }
                        assert_eq!(sender.departed(), Default::default());
                    })
                })
                .collect();
            sending.into_iter().for_each(|sending| sending.join().unwrap());
            over.store(true, Ordering::Release);
            let shares: Vec<_> = receiving.into_iter().map(|one| one.join().unwrap()).collect();
            assert!(
                shares.iter().all(|share| share.len() as u64 > COUNT / 10),
                "somebody got next to nothing"
            );
            let mut all = shares.concat();
            all.sort_unstable();
            assert!(
                all.into_iter().eq((0..3).flat_map(|who| (0..COUNT).map(move |number| who << 32 | number)))
            );
        }
    }
}

#[test]
fn who_comes_later_or_comes_back_is_called_and_nothing_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let addresses = ["one", "two"].map(|name| unix(folder.path(), name));
    for driver in drivers() {
        let one = many(driver)(&addresses[0]).receiver().unwrap();
        let mut sender = calls(many(driver), &addresses).sender().unwrap();
        assert_eq!(sender.receivers(), 1);
        let over = Arc::new(AtomicBool::new(false));
        let staying = thread::spawn({
            let (mut one, over) = (one, Arc::clone(&over));
            move || collect(&mut one, &over)
        });
        let (mut sent, mut got) = (0, Vec::new());
        for round in 1..=3 {
            let mut two = many(driver)(&addresses[1]).receiver().unwrap();
            assert!(sender.wait_for_receivers(2, LONG), "round {round}: it is not called");
            let leaving = Arc::new(AtomicBool::new(false));
            let coming = thread::spawn({
                let leaving = Arc::clone(&leaving);
                move || collect(&mut two, &leaving)
            });
            for _ in 0..1000 {
                sender.send(&from(0, sent), LONG).unwrap();
                sent += 1;
            }
            sender.flush();
            leaving.store(true, Ordering::Release);
            got.extend(coming.join().unwrap());
            let begun = Instant::now();
            while sender.departed().closed < round {
                assert!(sender.receivers() > 0 && begun.elapsed() < LONG);
            }
        }
        let lost = sender.counters().lost;
        drop(sender);
        over.store(true, Ordering::Release);
        let came_back = got.len();
        got.extend(staying.join().unwrap());
        let count = got.len() as u64;
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len() as u64, count, "a message was given twice");
        assert!(count <= sent && count + lost <= sent && came_back > 0, "{count} of {sent}, {lost} lost");
    }
}

/// A sender that sends nothing meanwhile need not look, so that its receiver is called again; and keeps no lanes of those
/// that came and went.
#[test]
fn the_only_receiver_may_come_back_while_the_sender_is_idle() {
    let folder = tempfile::tempdir().unwrap();
    let address = unix(folder.path(), "only");
    let spec = Spec { mode: Mode::Mpmc, capacity: 1 << 16, kind: MessageKind::bytes() };
    for driver in drivers() {
        let listen = || many(driver)(&address).receiver().unwrap();
        let mut only = listen();
        let uri = [address.parse().unwrap()];
        let (outbox, _hold, _) =
            caller::sender(&uri, &spec, &options(driver), 0, Patience::new(LONG)).unwrap();
        let mut taken = Vec::new();
        outbox.take(&mut taken);
        for round in 1..6 {
            drop(only);
            only = listen();
            let begun = Instant::now();
            while outbox.arrivals() <= round {
                assert!(begun.elapsed() < LONG, "round {round}: it is not called again");
                thread::yield_now();
            }
        }
        assert_eq!(taken[0].gone(), Some(DisconnectCause::Closed));
        let mut waiting = Vec::new();
        outbox.take(&mut waiting);
        assert_eq!(waiting.len(), 1, "of those who are gone some are kept");
        assert_eq!(waiting[0].gone(), None);
    }
}

#[test]
fn who_is_called_must_have_the_same_channel_and_one_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let open = many(Driver::Sockets);
    let addresses = [unix(folder.path(), "nobody"), unix(folder.path(), "another")];
    let error = calls(&open, &addresses).join_within(Duration::from_millis(20)).sender().unwrap_err();
    assert!(matches!(error, OpenError { failure: OpenFailure::NobodyListens { .. }, .. }), "{error}");
    // The other one may come as long as there is time.
    let another = open(&addresses[1]).mode(Mode::Mpsc).receiver().unwrap();
    let error = calls(&open, &addresses).join_within(Duration::from_millis(20)).sender().unwrap_err();
    assert!(
        matches!(error, OpenError { failure: OpenFailure::Mismatch { what: "mode", .. }, .. }),
        "{error}"
    );
    let error = open(&addresses[1]).sender().unwrap_err();
    assert!(
        matches!(error, OpenError { failure: OpenFailure::Mismatch { what: "mode", .. }, .. }),
        "{error}"
    );
    let same = open(&addresses[0]).receiver().unwrap();
    drop(calls(&open, &addresses).sender().unwrap());
    drop((another, same));
    let unsupported = |result: Result<Sender, OpenError>, what: &str| {
        let error = result.unwrap_err();
        assert!(
            matches!(error.failure, OpenFailure::Unsupported(_)) && error.to_string().contains(what),
            "{error}"
        );
    };
    let error = calls(&open, &addresses).receiver().unwrap_err().to_string();
    assert!(error.contains("one address"), "{error}");
    unsupported(calls(&open, &addresses).mode(Mode::Spmc).sender(), "Mpmc");
    unsupported(open("memory://here").also_at("memory://there").unwrap().sender(), "tcp://");
    unsupported(open(&addresses[0]).also_at("ipc://there").unwrap().sender(), "tcp://");
    let crowd: Vec<_> = (0..=MAX_RECEIVERS).map(|at| unix(folder.path(), &at.to_string())).collect();
    unsupported(calls(&open, &crowd).sender(), "64");
    assert!(open(&addresses[0]).also_at("tcp://no port").is_err());
}

/// What one does that is called and is no receiver.
type Attack = fn(&mut TcpStream);

const ATTACKS: [(&str, Attack); 8] = [
    ("hangs up", |_| {}),
    ("speaks another language", |stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"))),
    ("never answers", |stream| drop(stream.read(&mut [0; 4096]))),
    ("is of another version", |stream| {
        let mut bytes = hello(stream, Status::Different).to_bytes();
        bytes[8] = 99;
        drop(stream.write_all(&bytes));
    }),
    ("stops in its answer", |stream| {
        let bytes = hello(stream, Status::Accepted).to_bytes();
        drop(stream.write_all(&bytes[..HELLO - 1]));
    }),
    ("accepts and goes", |stream| accept(stream)),
    ("accepts and floods", |stream| {
        accept(stream);
        drop(stream.write_all(&vec![0xff; 1 << 20]));
    }),
    ("accepts and says half a goodbye", |stream| {
        accept(stream);
        drop(stream.write_all(&[0; HEADER - 1]));
        drop(stream.read(&mut [0; 777]));
    }),
];

fn hello(stream: &mut TcpStream, status: Status) -> Hello {
    let _ = stream.read(&mut [0; HELLO]);
    let spec = Spec { mode: Mode::Mpmc, capacity: 1 << 16, kind: MessageKind::bytes() };
    Hello { status, spec, codec: 0, rule: 0, session: 0 }
}

fn accept(stream: &mut TcpStream) {
    let bytes = hello(stream, Status::Accepted).to_bytes();
    drop(stream.write_all(&bytes));
}

/// Does that to whoever calls, until it is over; `called` counts them.
fn attacking(bad: TcpListener, attack: Attack, called: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    bad.set_nonblocking(true).unwrap();
    while !over.load(Ordering::Acquire) {
        let Ok((mut stream, _)) = bad.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        attack(&mut stream);
        called.fetch_add(1, Ordering::Release);
    }
}

#[test]
fn whatever_answers_a_call_the_others_get_what_they_are_due() {
    for driver in drivers() {
        for (name, attack) in ATTACKS {
            let options = NetworkOptions { handshake_timeout: Duration::from_millis(100), ..options(driver) };
            let open = |uri: &str| many(driver)(uri).network(options.clone());
            let bad = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut honest = open("tcp://127.0.0.1:0").receiver().unwrap();
            let addresses =
                [format!("tcp://{}", bad.local_addr().unwrap()), honest.network().unwrap().address.clone()];
            let (over, heard) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let called = Arc::new(AtomicU64::new(0));
            let attacker = thread::spawn({
                let (called, over) = (Arc::clone(&called), Arc::clone(&over));
                move || attacking(bad, attack, called, over)
            });
            let mut sender =
                calls(open, &addresses).sender().unwrap_or_else(|error| panic!("one {name}: {error}"));
            let receiving = thread::spawn({
                let (over, heard) = (Arc::clone(&over), Arc::clone(&heard));
                move || {
                    assert!(honest.wait_for_sender(LONG) && honest.wait(LONG).is_ok());
                    heard.store(true, Ordering::Release);
                    collect(&mut honest, &over)
                }
            });
            let (begun, mut sent) = (Instant::now(), 0);
            // Until it was called twice and the honest one got something, and then some more.
            let mut more = 500;
            while more > 0 {
                let is_heard = heard.load(Ordering::Acquire);
                match sender.send(&from(0, sent), LONG) {
                    Ok(()) => sent += 1,
                    // The honest one may not be in yet, and the other gone.
                    Err(SendError::Disconnected { .. }) if !is_heard => thread::yield_now(),
                    Err(error) => panic!("one {name}: {error}"),
                }
                more -= u64::from(is_heard && called.load(Ordering::Acquire) > 1);
                assert!(begun.elapsed() < LONG, "one {name} and is not called again");
            }
            let lost = sender.counters().lost;
            drop(sender);
            over.store(true, Ordering::Release);
            attacker.join().unwrap();
            let got = receiving.join().unwrap();
            assert!(!got.is_empty() && got.len() as u64 <= sent, "one {name}");
            assert!(name.starts_with("accepts") || (got.len() as u64, lost) == (sent, 0), "one {name}");
        }
    }
}

/// Senders that join and break the rules, or go in the middle of a frame, are counted, and the honest one is heard.
#[test]
fn whatever_a_sender_does_a_receiver_hears_the_others() {
    let record = Frame::Records { codec: 0, wire: 16, plain: 16, count: 1 }.to_bytes();
    let wrong = [b"GET / HTTP/1.1\r\n\r\n".to_vec(), [&record[..], &[0xff; 16]].concat(), record.to_vec()];
    for driver in drivers() {
        let mut receiver = many(driver)("tcp://127.0.0.1:0").receiver().unwrap();
        let address = receiver.network().unwrap().address.clone();
        let mut honest = many(driver)(&address).sender().unwrap();
        let wrong = wrong.clone();
        let attackers = thread::spawn(move || {
            for (session, wrong) in wrong.iter().cycle().take(30).enumerate() {
                let spec = Spec { mode: Mode::Mpmc, capacity: 1 << 16, kind: MessageKind::bytes() };
                let hello = Hello { status: Status::Hello, spec, codec: 0, rule: 0, session: session as u64 };
                let mut stream = connect(&address);
                stream.write_all(&hello.to_bytes()).unwrap();
                stream.read_exact(&mut [0; HELLO]).unwrap();
                let _ = stream.write_all(wrong);
            }
        });
        let sending = thread::spawn(move || {
            for number in 0..3000 {
                honest.send(&from(1, number), LONG).unwrap();
            }
        });
        let (mut next, begun) = (0, Instant::now());
        let gone = |receiver: &Receiver| receiver.departed().misbehaved + receiver.departed().died;
        while next < 3000 || gone(&receiver) < 30 {
            match receiver.read_within(Duration::from_millis(5)) {
                Ok(Some(found)) => {
                    assert!(found.to_vec() == from(1, next), "message {next}");
                    next += 1;
                }
                Ok(None) | Err(RecvError::BadFrame(_) | RecvError::Disconnected { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(begun.elapsed() < LONG, "{next} came, {:?}", receiver.departed());
        }
        attackers.join().unwrap();
        sending.join().unwrap();
        let departed = receiver.departed();
        assert_eq!((departed.misbehaved, departed.died), (20, 10), "{driver:?}");
    }
}
