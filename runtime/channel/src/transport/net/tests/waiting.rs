//! Whoever waits for the kernel is woken, whatever looks or goes meanwhile.

use std::{
    hint::spin_loop,
    io::{ErrorKind, Read as _, Write as _},
    os::{fd::AsFd as _, fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

use super::{Driver, LONG, drivers, flusher, line::Outgoing, pair, plain, socket};
use crate::{MessageKind, Waiting};

/// An end of this library sleeps so long at most in tests: what takes half of it was not woken.
const TOO_LONG: Duration = Duration::from_secs(10);

#[test]
fn a_sender_that_waits_goes_on_although_the_flusher_looks_all_the_time() {
    for driver in drivers() {
        let (mut sender, mut receiver) =
            pair(|uri| plain(driver)(uri).kind(MessageKind::fixed("number", 64, 4)));
        let over = Arc::new(AtomicBool::new(false));
        let looking = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                while !over.load(Ordering::Relaxed) {
                    flusher::look();
                }
            }
        });
        let begin = Instant::now();
        let sending = thread::spawn(move || {
            for _ in 0..100_000 {
                sender.send(&[7; 64], LONG).unwrap();
            }
        });
        for _ in 0..100_000 {
            assert_eq!(receiver.recv(&mut [0; 64], LONG), Ok(Some(64)));
        }
        sending.join().unwrap();
        over.store(true, Ordering::Relaxed);
        looking.join().unwrap();
        assert!(begin.elapsed() < TOO_LONG, "{driver:?}: it was not woken");
    }
}

/// A socket that takes nothing more, its other end, and how much lies in it.
fn full() -> (Arc<OwnedFd>, UnixStream, usize) {
    let (socket, peer) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut full = 0;
    let error = loop {
        match (&socket).write(&[0; 512]) {
            Ok(len) => full += len,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    (Arc::new(socket.into()), peer, full)
}

/// More than what is left to calls.
static LONG_ONE: [u8; 1 << 20] = [7; 1 << 20];

/// The kernel cancels what a thread submitted when that ends.
#[test]
fn a_send_goes_again_whose_thread_ended() {
    for driver in drivers() {
        let (socket, mut peer, full) = full();
        let mut outgoing = Outgoing::new(socket, driver == Driver::IoUring, usize::MAX);
        let sending = thread::spawn(move || {
            // SAFETY: the bytes are there for ever.
            assert_eq!(unsafe { outgoing.send([&LONG_ONE, &[]]) }.unwrap(), 0);
            outgoing
        });
        let mut outgoing = sending.join().unwrap();
        // With io_uring this hears that the send was cancelled.
        // SAFETY: as above.
        assert_eq!(unsafe { outgoing.send([&LONG_ONE, &[]]) }.unwrap(), 0);
        let reading = thread::spawn(move || {
            let mut bytes = vec![0; full + LONG_ONE.len()];
            peer.read_exact(&mut bytes).unwrap();
            assert!(bytes[full..] == LONG_ONE);
        });
        let mut sent = 0;
        while sent < LONG_ONE.len() {
            let (on, flags) = outgoing.poll_on();
            let ready = socket::wait_each(&[(on.as_fd(), flags)], TOO_LONG).unwrap();
            assert!(ready[0], "{driver:?}: nothing was in flight");
            // SAFETY: as above.
            sent += unsafe { outgoing.send([&LONG_ONE[sent..], &[]]) }.unwrap();
        }
        reading.join().unwrap();
    }
}

/// What is short goes by a call once there is room; only what goes in many pieces is worth it that the kernel goes on by
/// itself.
#[test]
fn what_is_short_is_not_left_to_io_uring() {
    for driver in drivers() {
        for (len, flags) in [(80, PollFlags::OUT), (64 << 10, PollFlags::OUT), (1 << 20, PollFlags::IN)] {
            let flags = if driver == Driver::IoUring { flags } else { PollFlags::OUT };
            let (socket, mut peer, full) = full();
            let mut outgoing = Outgoing::new(socket, driver == Driver::IoUring, usize::MAX);
            // SAFETY: the bytes are there for ever.
            assert_eq!(unsafe { outgoing.send([&[], &LONG_ONE[..len]]) }.unwrap(), 0);
            let (on, found) = outgoing.poll_on();
            assert_eq!(found, flags, "{driver:?}, {len} bytes");
            peer.read_exact(&mut vec![0; full]).unwrap();
            let reading = thread::spawn(move || peer.read_exact(&mut vec![0; len]));
            assert!(
                socket::wait_each(&[(on.as_fd(), flags)], TOO_LONG).unwrap()[0],
                "{driver:?}, {len} bytes"
            );
            let mut sent = 0;
            let begin = Instant::now();
            while sent < len {
                // SAFETY: as above.
                sent += unsafe { outgoing.send([&[], &LONG_ONE[sent..len]]) }.unwrap();
                assert!(begin.elapsed() < TOO_LONG, "{driver:?}, {len} bytes");
            }
            reading.join().unwrap().unwrap();
        }
    }
}

/// What a receiver has asked the kernel for belongs to the thread that asked, which may do something else by now: wait,
/// compute without a call into the kernel, or be gone.
#[test]
fn a_receiver_goes_from_thread_to_thread() {
    for driver in drivers() {
        for waiting in [Waiting::Spin, Waiting::Park] {
            let (mut sender, receiver) = pair(|uri| plain(driver)(uri).waiting(waiting));
            let over = Arc::new(AtomicBool::new(false));
            let mut threads = Vec::new();
            let mut receiver = receiver;
            for number in 0..9_u64 {
                let (give, take) = mpsc::channel();
                let over = Arc::clone(&over);
                threads.push(thread::spawn(move || {
                    let mut buffer = [0; 8];
                    assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8)), "{driver:?} {waiting:?}");
                    assert_eq!(u64::from_le_bytes(buffer), number);
                    // Looks once more, so that something is asked for when it goes.
                    assert_eq!(receiver.try_recv(&mut buffer), Ok(None));
                    give.send(receiver).unwrap();
                    while number % 3 > 0 && !over.load(Ordering::Relaxed) {
                        if number % 3 == 1 { thread::sleep(Duration::from_millis(1)) } else { spin_loop() }
                    }
                }));
                if number % 2 == 0 {
                    // It waits already, or looks.
                    thread::sleep(Duration::from_millis(5));
                }
                sender.send(&number.to_le_bytes(), LONG).unwrap();
                receiver = take.recv_timeout(LONG).expect("the message arrived");
            }
            over.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    }
}

/// What was taken as a whole may have arrived, though nobody has heard that it was taken.
#[test]
fn what_the_kernel_took_before_the_end_is_known() {
    for driver in drivers() {
        for reads_all in [true, false] {
            let (socket, mut peer, full) = full();
            let mut outgoing = Outgoing::new(socket, driver == Driver::IoUring, usize::MAX);
            // SAFETY: it lives for ever.
            let sent = unsafe { outgoing.send([&[], &LONG_ONE]) }.unwrap();
            assert_eq!(sent, 0);
            let len = if driver == Driver::IoUring && reads_all { LONG_ONE.len() } else { 0 };
            let mut read = vec![0; full + len];
            peer.read_exact(&mut read).unwrap();
            let taken = outgoing.end();
            match (driver, reads_all) {
                (Driver::IoUring, true) => assert_eq!(taken, LONG_ONE.len()),
                (Driver::IoUring, false) => assert!(taken < LONG_ONE.len(), "{taken}"),
                _ => assert_eq!(taken, 0),
            }
        }
    }
}
