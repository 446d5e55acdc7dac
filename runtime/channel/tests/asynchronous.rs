//! Futures at both ends, at one end, and between processes; under tokio and under an executor of four lines.
//!
//! The other process is this test binary once more, told by its environment what to be.

use std::{
    env,
    os::fd::AsFd as _,
    path::Path,
    pin::pin,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Duration,
};

use adit_channel::{
    Builder, Channel, DisconnectCause, Mode, Receiver, RecvError, SendError, Sender, endpoint::Event,
};

const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);

/// Far more than fits, so that both ends wait again and again.
const MANY: u64 = 20_000;

fn builder(uri: &str) -> Builder {
    Channel::builder(uri).unwrap().capacity(1 << 10)
}

fn ipc(directory: &Path) -> Builder {
    builder("ipc://futures").directory(directory.join("adit")).join_within(PATIENCE)
}

fn message(number: u64) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(8 + (number % 40) as usize, number as u8);
    message
}

async fn send_all(mut sender: Sender, count: u64) {
    for number in 0..count {
        if number % 3 == 0 {
            let mut claim = sender.claim_async(message(number).len()).await.unwrap();
            claim.write(0, &message(number));
            claim.commit();
        } else {
            sender.send_async(&message(number)).await.unwrap();
        }
    }
}

/// Receives to the end and returns how many came.
async fn receive_all(receiver: &mut Receiver) -> u64 {
    let mut next = 0;
    while let Some(received) = receiver.next().await {
        assert_eq!(received.unwrap(), message(next));
        next += 1;
    }
    next
}

fn send_blocking(mut sender: Sender) {
    for number in 0..MANY {
        sender.send(&message(number), PATIENCE).unwrap();
    }
}

fn receive_blocking(receiver: &mut Receiver) -> u64 {
    receiver.messages().enumerate().fold(0, |next, (number, received)| {
        assert_eq!(received.unwrap(), message(number as u64));
        next + 1
    })
}

/// The whole of an executor: for one future, on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let parked = std::time::Instant::now();
        std::thread::park_timeout(PATIENCE);
        assert!(parked.elapsed() < PATIENCE, "nobody called the waker");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_are_tasks() {
    let house = tempfile::tempdir().unwrap();
    let unix = builder(&format!("unix://{}/both", house.path().display()));
    for channel in [builder("memory://both"), ipc(house.path()), unix] {
        let mut receiver = channel.receiver().unwrap();
        let sender = channel.sender().unwrap();
        let sending = tokio::spawn(send_all(sender, MANY));
        let received = tokio::spawn(async move { receive_all(&mut receiver).await });
        assert_eq!(received.await.unwrap(), MANY);
        sending.await.unwrap();
    }
}

#[test]
fn one_end_is_a_future_and_the_other_blocks() {
    let house = tempfile::tempdir().unwrap();
    for channel in [builder("memory://mixed"), ipc(house.path())] {
        let (mut receiver, sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| block_on(send_all(sender, MANY)));
            assert_eq!(receive_blocking(&mut receiver), MANY);
        });
        let sender = channel.sender().unwrap();
        assert!(receiver.wait_for_sender(PATIENCE));
        std::thread::scope(|scope| {
            scope.spawn(|| send_blocking(sender));
            assert_eq!(block_on(receive_all(&mut receiver)), MANY);
        });
    }
}

/// What this binary is in another process: the sending end, blocking.
#[test]
fn child() {
    let Some(directory) = env::var_os(PLACE) else { return };
    let mut sender = ipc(Path::new(&directory)).sender().unwrap();
    for number in 0..MANY {
        sender.send(&message(number), PATIENCE).unwrap();
    }
    // Everything was sent, and the end is not closed.
    std::thread::sleep(PATIENCE);
}

#[tokio::test]
async fn another_process_sends_and_is_killed() {
    struct Killed(Child);
    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let house = tempfile::tempdir().unwrap();
    let mut receiver = ipc(house.path()).receiver().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child", "--exact"]).env(PLACE, house.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = Killed(command.spawn().unwrap());
    for number in 0..MANY {
        let received = tokio::time::timeout(PATIENCE, receiver.read_async()).await.unwrap().unwrap();
        assert_eq!(received.to_vec(), message(number));
    }
    let killing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        child.0.kill().unwrap();
    });
    let end = tokio::time::timeout(PATIENCE, receiver.ready()).await.unwrap();
    assert_eq!(end, Err(RecvError::Disconnected { cause: DisconnectCause::PeerDied }));
    killing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_that_are_dropped_lose_nothing() {
    let channel = builder("memory://dropped");
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    let sending = tokio::spawn(async move {
        let mut number = 0;
        let mut dropped = 0;
        while number < MANY {
            let bytes = message(number);
            tokio::select! {
                biased;
                sent = sender.send_async(&bytes) => {
                    sent.unwrap();
                    number += 1;
                }
                () = tokio::task::yield_now() => dropped += 1,
            }
        }
        dropped
    });
    let mut buffer = [0; 64];
    let (mut next, mut dropped) = (0, 0);
    loop {
        tokio::select! {
            biased;
            received = receiver.recv_async(&mut buffer) => match received {
                Ok(len) => {
                    assert_eq!(buffer[..len], message(next));
                    next += 1;
                }
                Err(error) => {
                    assert_eq!(error, RecvError::Disconnected { cause: DisconnectCause::Closed });
                    break;
                }
            },
            () = tokio::task::yield_now() => dropped += 1,
        }
    }
    assert_eq!(next, MANY);
    assert!(dropped + sending.await.unwrap() > 0, "no future was ever dropped");
}

#[tokio::test]
async fn hundreds_of_channels_wait_in_one_thread() {
    let mut tasks = Vec::new();
    let turns = 20;
    for number in 0..300 {
        let (there, back) =
            (builder(&format!("memory://there-{number}")), builder(&format!("memory://back-{number}")));
        let (mut asks, mut hears) = (there.sender().unwrap(), there.receiver().unwrap());
        let (mut answers, mut gets) = (back.sender().unwrap(), back.receiver().unwrap());
        tasks.push(tokio::spawn(async move {
            for turn in 0..turns {
                asks.send_async(&message(turn)).await.unwrap();
                assert_eq!(gets.next().await.unwrap().unwrap(), message(turn));
            }
        }));
        // The answers come from another thread's runtime, as from another process.
        tasks.push(tokio::spawn(async move {
            for _ in 0..turns {
                let heard = hears.next().await.unwrap().unwrap();
                tokio::time::sleep(Duration::from_millis(1)).await;
                answers.send_async(&heard).await.unwrap();
            }
        }));
    }
    for task in tasks {
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn joining_and_closing_wake_a_future() {
    let channel = builder("memory://comings").mode(Mode::Mpsc);
    let mut receiver = channel.receiver().unwrap();
    let joining = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        let mut first = channel.sender().unwrap();
        let second = channel.sender().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        first.try_send(b"hello").unwrap();
        std::thread::sleep(Duration::from_millis(50));
        drop((first, second));
        channel
    });
    let hello = tokio::time::timeout(PATIENCE, receiver.next()).await.unwrap();
    assert_eq!(hello.unwrap().unwrap(), b"hello");
    assert!(tokio::time::timeout(PATIENCE, receiver.next()).await.unwrap().is_none());
    let channel = joining.join().unwrap();
    // The other way round: the receiver goes while a sender waits for room.
    let mut sender = channel.sender().unwrap();
    while sender.try_send(&[0; 100]).is_ok() {}
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(receiver);
    });
    let sent = tokio::time::timeout(PATIENCE, sender.send_async(&[0; 100])).await.unwrap();
    assert_eq!(sent, Err(SendError::Disconnected { cause: DisconnectCause::Closed }));
    let sent = tokio::time::timeout(PATIENCE, sender.send_async(&[0; 500])).await.unwrap();
    assert!(sent.is_err());
    leaving.join().unwrap();
}

#[tokio::test]
async fn a_channel_that_survives_its_processes_is_awaited() {
    let house = tempfile::tempdir().unwrap();
    let channel = builder(&format!("file://{}", house.path().join("kept.ring").display())).mode(Mode::Mpsc);
    let mut receiver = channel.receiver().unwrap();
    let sending = {
        let channel = channel.clone();
        tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(100));
            block_on(send_all(channel.sender().unwrap(), 500));
        })
    };
    assert_eq!(tokio::time::timeout(PATIENCE, receive_all(&mut receiver)).await.unwrap(), 500);
    sending.await.unwrap();
}

/// How often a waker was called.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn nobody_polls_while_nothing_happens() {
    let channel = builder("memory://quiet");
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    {
        let mut ready = pin!(receiver.ready());
        for _ in 0..3 {
            assert!(ready.as_mut().poll(&mut context).is_pending());
        }
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }
    // A future that is dropped leaves nobody for the sender to wake.
    sender.try_send(b"one").unwrap();
    assert_eq!(sender.counters().wakes, 0);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"one");
}

#[test]
fn an_event_serves_many_ends() {
    let event = Event::new().unwrap();
    let channels: Vec<_> = (0..3).map(|number| builder(&format!("memory://event-{number}"))).collect();
    let mut receivers: Vec<_> = channels.iter().map(|channel| channel.receiver().unwrap()).collect();
    let senders: Vec<_> = channels.iter().map(|channel| channel.sender().unwrap()).collect();
    let sending: Vec<_> =
        senders.into_iter().map(|sender| std::thread::spawn(move || send_blocking(sender))).collect();
    let mut counts = [0; 3];
    let mut ended = [false; 3];
    while ended != [true; 3] {
        event.clear();
        let mut busy = false;
        for (at, receiver) in
            receivers.iter_mut().enumerate().filter(|(at, _)| !ended[*at]).collect::<Vec<_>>()
        {
            match event.arm_receiver(receiver) {
                Ok(false) => {}
                Ok(true) => {
                    busy = true;
                    while let Ok(Some(received)) = receiver.read() {
                        assert_eq!(received.to_vec(), message(counts[at]));
                        counts[at] += 1;
                    }
                }
                Err(error) => {
                    assert_eq!(error, RecvError::Disconnected { cause: DisconnectCause::Closed });
                    ended[at] = true;
                    busy = true;
                }
            }
        }
        if !busy {
            let mut fds =
                [rustix::event::PollFd::from_borrowed_fd(event.as_fd(), rustix::event::PollFlags::IN)];
            let patience = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
            assert_eq!(rustix::event::poll(&mut fds, Some(&patience)), Ok(1), "a wake was lost");
        }
    }
    assert_eq!(counts, [MANY; 3]);
    sending.into_iter().for_each(|thread| thread.join().unwrap());
}
