//! Connections that break, and senders that come back.

use std::{
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{LONG, drivers, message, open, options, plain};
use crate::{
    DisconnectCause, Mode, RecvError, SendError,
    transport::net::{Driver, Reconnect},
};

/// A receiver whose connections can be cut in the middle: a relay of bytes. Each word cuts all connections.
fn relay(to: &str) -> (String, mpsc::Sender<()>) {
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
                            let _ = to.shutdown(Shutdown::Write);
                        });
                    }
                    open.extend([near, far]);
                    continue;
                }
            }
            for stream in open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
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
