//! Connections that break, and senders that come back.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{LONG, accept_hello, drivers, message, open, options, plain};
use crate::{
    DisconnectCause, Mode, RecvError, SendError,
    transport::net::{Driver, Reconnect},
};

/// A receiver whose connections can be cut in the middle: a relay of bytes. Each word cuts all connections.
fn relay(to: &str) -> (String, mpsc::Sender<()>) {
    relay_cut(to, true)
}

/// As [`relay`]; where it is not `whole`, the receiver's side does not notice the cut.
fn relay_cut(to: &str, whole: bool) -> (String, mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let to = to.strip_prefix("tcp://").unwrap().to_owned();
    let (cut, cuts) = mpsc::channel();
    thread::spawn(move || {
        listener.set_nonblocking(true).unwrap();
        let mut open = Vec::new();
        loop {
            match cuts.try_recv() {
                Ok(()) => {}
                Err(mpsc::TryRecvError::Disconnected) => break,
                Err(mpsc::TryRecvError::Empty) => {
                    let Ok((near, _)) = listener.accept() else {
                        thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    near.set_nonblocking(false).unwrap();
                    let Ok(far) = TcpStream::connect(&to) else { continue };
                    for (from, to) in [(&near, &far), (&far, &near)] {
                        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                        thread::spawn(move || {
                            let _ = std::io::copy(&mut from, &mut to);
                            if whole {
                                let _ = to.shutdown(Shutdown::Write);
                            }
                        });
                    }
                    open.push((near, far));
                    continue;
                }
            }
            for (near, far) in open.drain(..) {
                let _ = near.shutdown(Shutdown::Both);
                if whole {
                    let _ = far.shutdown(Shutdown::Both);
                } else {
                    // It is there, and nothing comes over it any more.
                    std::mem::forget(far);
                }
            }
        }
    });
    (address, cut)
}

#[test]
fn a_sender_comes_back_and_nothing_comes_twice_or_out_of_order() {
    for driver in drivers() {
        let mut with = options(driver);
        with.reconnect = Some(Reconnect::default());
        // Many may send, so that the place of the connection that was cut is not missed.
        let many = |uri: &str| plain(driver)(uri).mode(Mode::Mpsc).network(with.clone());
        let (mut receiver, _) = open(many);
        let (address, cut) = relay(&receiver.network().unwrap().address);
        let mut sender = many(&address).sender().unwrap();
        let mut next = 0_u64;
        let sending = thread::spawn(move || {
            let mut cuts = 0;
            for number in 0..60_000 {
                sender.send(&message(number, 200), LONG).unwrap();
                if number % 20_000 == 10_000 {
                    cut.send(()).unwrap();
                    cuts += 1;
                }
            }
            cuts
        });
        let mut buffer = [0; 200];
        let mut lost = 0;
        loop {
            let len = match receiver.recv(&mut buffer, LONG) {
                Ok(len) => len.expect("more is to come"),
                // The connection that was cut.
                Err(RecvError::Disconnected { cause: DisconnectCause::PeerDied }) => {
                    // The last cut may have met a sender that had handed over all it had.
                    while !receiver.wait_for_sender(Duration::from_millis(100)) && !sending.is_finished() {}
                    if receiver.wait_for_sender(Duration::ZERO) {
                        continue;
                    }
                    break;
                }
                // The sender has ended.
                Err(RecvError::Disconnected { cause: DisconnectCause::Closed }) => break,
                Err(error) => panic!("{error}"),
            };
            let number = u64::from_le_bytes(*buffer.first_chunk().unwrap());
            assert!(buffer[..len] == message(number, 200));
            assert!(number >= next, "{number} came after {next}");
            lost += number - next;
            next = number + 1;
        }
        assert_eq!(sending.join().unwrap(), 3);
        // A cut may meet a connection that is not made again yet.
        assert!((1..=3).contains(&receiver.departed().died));
        // What is lost is what the kernels and the relay held.
        assert!(lost < 60_000, "{lost}");
    }
}

/// As behind a firewall that forgot the connection: the receiver hears nothing of its end until the sender is back.
#[test]
fn a_sender_comes_back_to_a_receiver_that_has_noticed_nothing() {
    for driver in drivers() {
        let mut with = options(driver);
        let pause = Duration::from_millis(20);
        with.reconnect = Some(Reconnect { attempts: 200, first: Duration::from_millis(1), longest: pause });
        let one = |uri: &str| plain(driver)(uri).network(with.clone());
        let (mut receiver, _) = open(one);
        let (address, cut) = relay_cut(&receiver.network().unwrap().address, false);
        let mut sender = one(&address).sender().unwrap();
        let mut buffer = [0; 8];
        sender.send(&[1; 8], LONG).unwrap();
        assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8)));
        cut.send(()).unwrap();
        let begun = Instant::now();
        // What is handed to the kernel before the sender knows is lost.
        let sending = thread::spawn(move || {
            while begun.elapsed() < LONG && sender.send(&[2; 8], LONG).is_ok() {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut died = false;
        loop {
            assert!(begun.elapsed() < LONG, "{driver:?}: it did not come back");
            match receiver.recv(&mut buffer, Duration::from_millis(100)) {
                Ok(Some(_)) if died => break,
                Err(RecvError::Disconnected { cause: DisconnectCause::PeerDied }) => {
                    died = true;
                    receiver.wait_for_sender(Duration::from_millis(100));
                }
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        drop(receiver);
        sending.join().unwrap();
    }
}

/// Whoever accepts each connection and ends it at once is not called for ever, nor as fast as can be.
#[test]
fn connections_that_end_at_once_are_attempts_that_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let (called, calls) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            if accept_hello(&mut stream).is_err() {
                continue;
            }
            if called.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut with = options(Driver::Auto);
    let pause = Duration::from_millis(50);
    with.reconnect = Some(Reconnect { attempts: 3, first: pause, longest: pause });
    let mut sender = plain(Driver::Auto)(&address).network(with).sender().unwrap();
    let died = SendError::Disconnected { cause: DisconnectCause::PeerDied };
    let begun = Instant::now();
    while sender.try_send(&[1; 8]) != Err(died) {
        assert!(begun.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
    let times: Vec<Instant> = calls.try_iter().collect();
    assert!((2..=4).contains(&times.len()), "{} calls", times.len());
    // The first time it comes back at once.
    assert!(times.windows(2).skip(1).all(|pair| pair[1] - pair[0] >= pause), "{times:?}");
}

/// Whoever does not listen any more is called so many times, and then taken for dead.
#[test]
fn a_sender_gives_up_when_nobody_answers_any_more() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        accept_hello(&mut stream).unwrap();
    });
    let mut with = options(Driver::Auto);
    with.reconnect = Some(Reconnect { attempts: 3, first: Duration::from_millis(1), ..Reconnect::default() });
    let mut sender = plain(Driver::Auto)(&address).network(with).sender().unwrap();
    answering.join().unwrap();
    let (died, begun) = (SendError::Disconnected { cause: DisconnectCause::PeerDied }, Instant::now());
    while sender.try_send(b"anybody?") != Err(died) {
        assert!(begun.elapsed() < LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_sender_gives_up_when_nobody_comes_back() {
    let mut with = options(Driver::Auto);
    with.reconnect = Some(Reconnect { attempts: 3, first: Duration::from_millis(1), ..Reconnect::default() });
    let (receiver, builder) = open(|uri| plain(Driver::Auto)(uri).network(with.clone()));
    let (address, cut) = relay(&receiver.network().unwrap().address);
    let mut sender = plain(Driver::Auto)(&address).network(with).sender().unwrap();
    drop((receiver, builder));
    // The relay that ends is a death; the receiver's goodbye went through it before.
    drop(cut);
    let until = Instant::now() + LONG;
    while sender.try_send(b"anybody?").is_ok() {
        assert!(Instant::now() < until);
    }
    assert!(matches!(sender.try_send(b"anybody?"), Err(SendError::Disconnected { .. })));
}
