//! Futures of ends of every kind: called when something happens, and not before.

use std::{
    path::Path,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, DisconnectCause, Mode, Receiver, RecvError, SendError, Sender, endpoint::Event,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd as _,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than anybody looks who looks again and again.
const QUIET: Duration = Duration::from_millis(120);

fn builder(uri: &str) -> Builder {
    Channel::builder(uri).unwrap().capacity(1 << 10)
}

/// How often a waker was called.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A sender and a receiver of each kind that hears of everything: who is called listens, on a port of the system's choice.
fn pairs(house: &Path) -> Vec<(String, Sender, Receiver)> {
    let mut pairs = Vec::new();
    for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
        for uri in ["memory://hears", "ipc://hears", "tcp://127.0.0.1:0", "unix://"] {
            let what = format!("{mode:?} over {uri}");
            let uri = match uri {
                "unix://" => format!("unix://{}/{mode:?}.socket", house.display()),
                "tcp://127.0.0.1:0" => uri.to_owned(),
                _ => format!("{uri}-{mode:?}"),
            };
            let build = |uri: &str| {
                let builder = builder(uri).mode(mode).join_within(PATIENCE);
                if uri.starts_with("ipc") {
                    builder.directory(house.join(format!("{mode:?}")))
                } else {
                    builder
                }
            };
            let there = |address: Option<&adit_channel::NetworkReport>| {
                build(&address.map_or(uri.clone(), |report| report.address.clone()))
            };
            // Over ipc:// it is receivers that listen where there may be many.
            let sender_first = mode == Mode::Broadcast || mode == Mode::Spmc && !uri.starts_with("ipc");
            let (mut sender, mut receiver) = if sender_first {
                let sender = build(&uri).sender().unwrap();
                let receiver = there(sender.network()).receiver().unwrap();
                (sender, receiver)
            } else {
                let receiver = build(&uri).receiver().unwrap();
                (there(receiver.network()).sender().unwrap(), receiver)
            };
            assert!(sender.wait_for_receivers(1, PATIENCE), "{what}");
            assert!(receiver.wait_for_sender(PATIENCE), "{what}");
            pairs.push((what, sender, receiver));
        }
    }
    pairs
}

#[test]
fn a_receiver_of_any_kind_is_called_when_something_comes_and_not_before() {
    let house = tempfile::tempdir().unwrap();
    // All at the same time: most of it is waiting for nothing.
    std::thread::scope(|scope| {
        for (what, sender, receiver) in pairs(house.path()) {
            scope.spawn(move || is_called(&what, sender, receiver));
        }
    });
}

fn is_called(what: &str, sender: Sender, mut receiver: Receiver) {
    let mut sender = Some(sender);
    for turn in 0..3 {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut ready = Box::pin(receiver.ready());
        assert!(ready.as_mut().poll(&mut context).is_pending(), "{what}, {turn}");
        std::thread::sleep(QUIET);
        assert_eq!(count.0.load(Ordering::SeqCst), 0, "{what}, {turn}");
        // Of what closes all hear as well.
        match sender.as_mut().filter(|_| turn < 2) {
            Some(sender) => sender.send(b"one", PATIENCE).unwrap(),
            None => drop(sender.take()),
        }
        let begun = Instant::now();
        let found = loop {
            while count.0.swap(0, Ordering::SeqCst) == 0 {
                assert!(begun.elapsed() < PATIENCE, "{what}, {turn}: nobody called");
                std::thread::yield_now();
            }
            if let Poll::Ready(found) = ready.as_mut().poll(&mut context) {
                break found;
            }
        };
        drop(ready);
        let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
        assert_eq!(found, if turn < 2 { Ok(()) } else { Err(closed) }, "{what}, {turn}");
        if turn < 2 {
            assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"one", "{what}");
        }
    }
}

/// A wait of another kind takes back what a future announced, and so does one for another length.
#[test]
fn who_has_waited_otherwise_in_between_is_called_all_the_same() {
    let short = Duration::from_millis(2);
    for mode in [Mode::Spsc, Mode::Mpsc, Mode::Broadcast] {
        let channel = builder(&format!("memory://in-between-{mode:?}")).mode(mode);
        let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
        assert!(sender.wait_for_receivers(1, PATIENCE) && receiver.wait_for_sender(PATIENCE));
        let event = Event::new().unwrap();
        assert!(!event.arm_receiver(&mut receiver).unwrap());
        assert_eq!(receiver.recv(&mut [0; 8], short), Ok(None));
        assert!(!event.arm_receiver(&mut receiver).unwrap());
        sender.try_send(b"message").unwrap();
        assert!(happens(&event), "{mode:?}");
    }
    let channel = builder("memory://in-between-room");
    let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
    let event = Event::new().unwrap();
    for long in [24, 200] {
        while sender.try_send(&[0; 24]).is_ok() {}
        // What is armed for long messages says nothing of short ones.
        assert!(!event.arm_sender(&mut sender, long).unwrap());
        assert_eq!(sender.send(&[0; 24], short), Err(SendError::TimedOut));
        assert!(!event.arm_sender(&mut sender, 24).unwrap());
        for _ in 0..2 {
            drop(receiver.read().unwrap().unwrap());
        }
        receiver.acknowledge();
        assert!(happens(&event), "{long}");
        event.clear();
    }
}

fn happens(event: &Event) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(event.as_fd(), PollFlags::IN)];
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    poll(&mut fds, Some(&patience)) == Ok(1)
}

#[test]
fn a_sender_to_many_is_called_when_there_is_room_and_not_before() {
    let house = tempfile::tempdir().unwrap();
    for uri in ["memory://room", "ipc://room"] {
        let channel =
            builder(uri).mode(Mode::Spmc).directory(house.path().join("room")).join_within(PATIENCE);
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        assert!(sender.wait_for_receivers(1, PATIENCE));
        while sender.try_send(&[7; 100]).is_ok() {}
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut room = pin!(sender.room(100));
        assert!(room.as_mut().poll(&mut context).is_pending(), "{uri}");
        std::thread::sleep(QUIET);
        assert_eq!(count.0.load(Ordering::SeqCst), 0, "{uri}");
        while receiver.read().unwrap().is_some() {}
        let begun = Instant::now();
        while count.0.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < PATIENCE, "{uri}: nobody called");
            std::thread::yield_now();
        }
        assert_eq!(room.as_mut().poll(&mut context), Poll::Ready(Ok(())), "{uri}");
    }
}
