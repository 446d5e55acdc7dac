//! Options at their ends, and receivers that are late themselves.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use super::{
    hostile::{joined_in, records},
    *,
};

const MIB: usize = 1 << 20;

/// Times without end, of which none may be added to anything.
fn endless(driver: Driver) -> NetworkOptions {
    NetworkOptions {
        connect_timeout: Duration::MAX,
        handshake_timeout: Duration::MAX,
        frame_timeout: Duration::MAX,
        keepalive: Some(Duration::MAX),
        busy_poll: Some(Duration::MAX),
        reconnect: Some(Reconnect { attempts: 3, first: Duration::MAX, longest: Duration::MAX }),
        ..options(driver)
    }
}

#[test]
fn times_may_be_without_end() {
    for driver in drivers() {
        let (mut receiver, channel) =
            open(|uri| plain(driver)(uri).network(endless(driver)).mode(Mode::Mpsc));
        let notes = &receiver.network().unwrap().notes;
        assert!(notes.iter().any(|note| note.contains("keepalive")), "{notes:?}");
        // Twice: the thread that lets senders in is still there.
        let mut senders = [channel.sender().unwrap(), channel.sender().unwrap()];
        for sender in &mut senders {
            sender.send(b"message", LONG).unwrap();
        }
        let mut bytes = [0; 8];
        for _ in 0..2 {
            assert_eq!(receiver.recv(&mut bytes, LONG), Ok(Some(7)));
        }
        // A frame that has begun, and a receiver that sleeps until the rest is there.
        let mut stream = joined_in(&receiver, Mode::Mpsc);
        let frame = [&records(&[7])[..], &records(&[8])].concat();
        let (beginning, rest) = frame.split_at(frame.len() - 3);
        stream.write_all(beginning).unwrap();
        assert_eq!(receiver.recv(&mut bytes, LONG), Ok(Some(8)));
        let rest = rest.to_vec();
        let sending = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            stream.write_all(&rest).unwrap();
            stream
        });
        assert_eq!(receiver.recv(&mut bytes, LONG), Ok(Some(8)));
        drop(sending.join().unwrap());
    }
}

#[test]
fn long_messages_over_unix_sockets_are_copied_whatever_is_asked_for() {
    let house = tempfile::tempdir().unwrap();
    for driver in drivers() {
        let network = NetworkOptions { zero_copy_from: Some(4096), ..options(driver) };
        let uri = format!("unix://{}/{driver:?}", house.path().display());
        let channel = plain(driver)(&uri).network(network).capacity(4 * MIB);
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        let notes = &sender.network().unwrap().notes;
        assert!(notes.iter().any(|note| note.contains("zero_copy_from")), "{notes:?}");
        let sending = thread::spawn(move || {
            for number in 0..20 {
                sender.send(&message(number, MIB), LONG).unwrap();
            }
            sender
        });
        receive_all(&mut receiver, 20, MIB);
        drop(sending.join().unwrap());
    }
}

/// What is sent without a copy arrives whole, and what was given to the kernel is free again when the connection is.
#[test]
fn long_messages_are_sent_without_a_copy() {
    for driver in drivers() {
        let network = NetworkOptions { zero_copy_from: Some(4096), ..options(driver) };
        let builder = |uri: &str| plain(driver)(uri).network(network.clone()).capacity(8 * MIB);
        let (mut sender, mut receiver) = pair(builder);
        let sending = thread::spawn(move || {
            for number in 0..200 {
                sender.send(&message(number, MIB), LONG).unwrap();
            }
        });
        receive_all(&mut receiver, 200, MIB);
        sending.join().unwrap();

        // One that reads a little and resets, with much in flight.
        for read in [0, 1 << 16, 3 * MIB] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("tcp://{}", listener.local_addr().unwrap());
            let resetting = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                accept_hello(&mut stream).unwrap();
                stream.read_exact(&mut vec![0; read]).unwrap();
                // With unread bytes in it, to close it is to reset the connection.
                thread::sleep(Duration::from_millis(20));
            });
            let mut sender = builder(&address).sender().unwrap();
            let died = SendError::Disconnected { cause: DisconnectCause::PeerDied };
            let mut number = 0;
            let error = loop {
                match sender.send(&message(number, MIB), LONG) {
                    Ok(()) => number += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(error, died, "{driver:?}, {read} read");
            resetting.join().unwrap();
        }
    }
}

/// As where the sender has no more room than its socket's, and waits for this end meanwhile.
#[test]
fn a_receiver_that_is_late_itself_does_not_cut_its_sender_off() {
    let frame_timeout = Duration::from_millis(100);
    for driver in drivers() {
        let network = NetworkOptions { frame_timeout, ..options(driver) };
        let (mut receiver, _) = open(|uri| plain(driver)(uri).network(network.clone()));
        let mut stream = joined_in(&receiver, Mode::Spsc);
        assert!(receiver.wait_for_sender(LONG));
        let (frame, mut bytes) = (records(&[7]), [0; 8]);
        for part in frame[..frame.len() - 1].chunks(12) {
            // Something else to do between two looks.
            stream.write_all(part).unwrap();
            thread::sleep(2 * frame_timeout);
            assert_eq!(receiver.try_recv(&mut bytes), Ok(None));
        }
        // While this end looks, the sender has no longer than it may take.
        assert_eq!(receiver.recv(&mut bytes, LONG), Err(RecvError::BadFrame(BadFrame::Unfinished)));
    }
}

#[test]
fn what_a_transport_cannot_do_is_refused_by_name() {
    let refused = |builder: Builder| builder.receiver().unwrap_err().to_string();
    for uri in ["tcp://127.0.0.1:0", "unix:///tmp/adit-none", "udp://239.255.77.9:7000"] {
        let error = refused(Channel::builder(uri).unwrap().measure_latency(true));
        assert!(error.contains("latencies are measured"), "{error}");
    }
    let udp = Channel::builder("udp://239.255.77.9:7000").unwrap().network(options(Driver::IoUring));
    let error = refused(udp);
    assert!(error.contains("use io_uring") && error.contains("Driver::Auto"), "{error}");
    let much = NetworkOptions { send_buffer: Some(usize::MAX), ..options(Driver::Auto) };
    let error = refused(Channel::builder("tcp://127.0.0.1:0").unwrap().network(much));
    assert!(error.contains("NetworkOptions::send_buffer"), "{error}");
}

/// What another look took over was not among what the future had left.
#[test]
fn a_future_hears_of_senders_that_another_look_has_met() {
    for driver in drivers() {
        let (mut receiver, channel) = open(|uri| plain(driver)(uri).mode(Mode::Mpsc));
        let _first = channel.sender().unwrap();
        assert!(receiver.wait_for_sender(LONG));
        let event = crate::endpoint::Event::new().unwrap();
        for lanes in 2..20 {
            assert!(!event.arm_receiver(&mut receiver).unwrap());
            let mut next = channel.sender().unwrap();
            // In some turns it is this look that meets the sender, and in some the poller has called before.
            while receiver.lanes() < lanes {
                assert!(receiver.read().unwrap().is_none());
            }
            event.clear();
            assert!(!event.arm_receiver(&mut receiver).unwrap());
            next.send(b"message", LONG).unwrap();
            let begun = Instant::now();
            event.wait().unwrap();
            assert!(begun.elapsed() < LONG / 2, "the sleep was over, and nobody had called");
            assert_eq!(receiver.recv(&mut [0; 8], LONG), Ok(Some(7)));
            event.clear();
            std::mem::forget(next);
        }
    }
}

/// What wakes it is another sender's, and what it does then takes long.
#[test]
fn a_receiver_that_slept_and_was_late_cuts_nobody_off() {
    let frame_timeout = Duration::from_millis(100);
    let network = NetworkOptions { frame_timeout, ..options(Driver::Auto) };
    for with_futures in [false, true] {
        let (mut receiver, channel) =
            open(|uri| plain(Driver::Auto)(uri).network(network.clone()).mode(Mode::Mpsc));
        let mut other = channel.sender().unwrap();
        let mut stream = joined_in(&receiver, Mode::Mpsc);
        while receiver.lanes() < 2 {
            assert!(receiver.read().unwrap().is_none());
        }
        let (frame, mut bytes) = (records(&[7]), [0; 8]);
        for part in frame[..frame.len() - 1].chunks(12) {
            stream.write_all(part).unwrap();
            assert_eq!(receiver.try_recv(&mut bytes), Ok(None));
            let sending = thread::spawn(move || {
                thread::sleep(frame_timeout / 20);
                other.send(b"other", LONG).unwrap();
                other
            });
            let len = if with_futures {
                block_on(receiver.recv_async(&mut bytes)).map(Some)
            } else {
                receiver.recv(&mut bytes, LONG)
            };
            assert_eq!(len, Ok(Some(5)));
            other = sending.join().unwrap();
            thread::sleep(2 * frame_timeout);
        }
        stream.write_all(&frame[frame.len() - 1..]).unwrap();
        assert_eq!(receiver.recv(&mut bytes, LONG), Ok(Some(8)));
    }
}
