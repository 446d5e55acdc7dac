//! spec: CHN-7.1, CHN-7.2
//!
//! Channels with an arena and many receivers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::{Builder, Channel, Mode, OnFull, Receiver, SendError, Waiting, arena_tests::numbered};
use crate::lane::DisconnectCause;

const PATIENCE: Duration = Duration::from_secs(30);

const ARENA: usize = 4 << 20;

const MILLION: usize = 1_000_000;

/// The same channel in this process and over a socket, in each of these modes.
fn each(name: &str, modes: &[Mode], test: impl Fn(Builder)) {
    let directory = tempfile::tempdir().unwrap();
    for scheme in ["memory", "ipc"] {
        for mode in modes {
            let channel = Channel::builder(&format!("{scheme}://{name}-{mode}")).unwrap();
            let channel = channel.directory(directory.path().join("adit")).capacity(1 << 14).mode(*mode);
            test(channel.arena(ARENA).waiting(Waiting::Park));
        }
    }
}

const SPREAD: [Mode; 2] = [Mode::Spmc, Mode::Mpmc];

/// Short ones, those around the limit, and long ones.
fn length(number: usize) -> usize {
    [8, 5000, 4084, 700_001, 64, 3 << 20, 4085, 100_000][number % 8]
}

/// Takes messages in each way that there is until the sender has closed; says which came.
fn take_all(mut receiver: Receiver, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut buffer = vec![0; ARENA];
    let mut check = |bytes: &[u8]| {
        let number = (0..count).find(|number| *bytes == numbered(*number, length(*number))[..]);
        numbers.push(number.expect("nobody sent this"));
    };
    for turn in 0.. {
        match receiver.wait(PATIENCE) {
            Ok(true) => {}
            Ok(false) => panic!("nothing came"),
            Err(error) => {
                assert_eq!(error, super::RecvError::Disconnected { cause: DisconnectCause::Closed });
                break;
            }
        }
        match turn % 3 {
            0 => {
                let len = receiver.try_recv(&mut buffer).unwrap().unwrap();
                check(&buffer[..len]);
            }
            1 => check(&receiver.read().unwrap().unwrap().to_vec()),
            _ => drop(receiver.recv_batch(2, |bytes| {
                bytes.copy_to(0, &mut buffer[..bytes.len()]);
                check(&buffer[..bytes.len()]);
            })),
        }
    }
    numbers
}

/// Sends each in one of the ways that there are.
fn send_all(sender: &mut super::Sender, count: usize) {
    for number in 0..count {
        let message = numbered(number, length(number));
        match number % 3 {
            0 => sender.send(&message, PATIENCE).unwrap(),
            1 => {
                let mut claim = sender.claim_within(message.len(), PATIENCE).unwrap();
                claim.write(0, &message);
                claim.commit();
            }
            _ => drop(sender.send_batch([&message], PATIENCE).unwrap()),
        }
    }
}

#[test]
fn each_message_goes_to_one_receiver() {
    each("arena-share", &SPREAD, |channel| {
        let receivers: Vec<_> = (0..3).map(|_| channel.receiver().unwrap()).collect();
        let mut sender = channel.sender().unwrap();
        assert!(sender.wait_for_receivers(3, PATIENCE));
        assert_eq!(sender.longest(), ARENA);
        let count = 100;
        std::thread::scope(|scope| {
            let threads: Vec<_> = receivers
                .into_iter()
                .map(|receiver| scope.spawn(move || take_all(receiver, count)))
                .collect();
            send_all(&mut sender, count);
            assert_eq!((sender.counters().messages, sender.counters().lost), (count as u64, 0));
            drop(sender);
            let mut all = Vec::new();
            for thread in threads {
                let numbers = thread.join().unwrap();
                assert!(numbers.is_sorted(), "out of order: {numbers:?}");
                all.extend(numbers);
            }
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        });
    });
}

/// Each receiver has an arena of its own; a claim lies in one of them.
#[test]
fn nothing_is_copied_on_the_way_to_one_of_many() {
    each("arena-spots", &SPREAD, |channel| {
        let mut receivers: Vec<_> = (0..2).map(|_| channel.receiver().unwrap()).collect();
        let mut sender = channel.sender().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let arenas = sender.arenas();
        assert_eq!((arenas.len(), sender.arena()), (2, arenas.last().copied()));
        assert!(arenas.iter().all(|arena| {
            arena.len() == ARENA && arena.cast::<u8>().as_ptr().addr().is_multiple_of(2 << 20)
        }));
        let mut begins = Vec::new();
        for _ in 0..2 {
            let mut claim = sender.claim(ARENA).unwrap();
            begins.push(claim.words().as_ptr().addr());
            claim.write(ARENA - 4, b"here");
            claim.commit();
        }
        begins.sort_unstable();
        let mut known: Vec<_> = arenas.iter().map(|arena| arena.cast::<u8>().as_ptr().addr()).collect();
        known.sort_unstable();
        assert_eq!(begins, known, "each of the idle ones got one");
        for receiver in &mut receivers {
            let message = receiver.read_within(PATIENCE).unwrap().unwrap();
            assert!(message.bytes().words().as_ptr().addr().is_multiple_of(2 << 20));
            assert_eq!(message.to_vec()[ARENA - 4..], *b"here");
        }
        drop(receivers.pop());
        let began = Instant::now();
        while sender.receivers() > 1 {
            assert!(began.elapsed() < PATIENCE);
        }
        assert_eq!(sender.arenas().len(), 1);
    });
}

/// A long message counts with all its bytes, so that one receiver does not get all that its ring has descriptors for.
#[test]
fn credit_counts_what_lies_in_the_arena() {
    each("arena-credit", &SPREAD, |channel| {
        let two = 2 * MILLION as u64;
        // If nothing is said, one message waits behind the one that the receiver has in its hands.
        for (credit, most) in
            [(Some(1), 1), (Some(two), 1), (Some(two + 40), 2), (Some(u64::MAX), 4), (None, 2)]
        {
            let mut receiver = channel.receiver().unwrap();
            let builder = channel.clone();
            let builder = credit.map_or(builder.clone(), |credit| builder.credit(credit));
            let mut sender = builder.sender().unwrap();
            assert!(sender.wait_for_receivers(1, PATIENCE));
            let message = vec![7; MILLION];
            let fill =
                |sender: &mut super::Sender| (0..9).filter(|_| sender.try_send(&message).is_ok()).count();
            assert_eq!(fill(&mut sender), most, "with a credit of {credit:?}");
            assert_eq!(sender.try_send(&message), Err(SendError::Full));
            assert_eq!(sender.claim(MILLION).err(), Some(SendError::Full));
            // With what was read as much can be sent again.
            drop(receiver.read_within(PATIENCE).unwrap());
            assert_eq!(fill(&mut sender), 0, "it has not come again: with a credit of {credit:?}");
            come_again(&mut receiver);
            assert_eq!(fill(&mut sender), 1, "with a credit of {credit:?}");
        }
    });
}

/// Whoever waits until a receiver has read enough hears of it, in a thread and as a future.
#[test]
fn a_sender_hears_that_enough_was_read() {
    each("arena-wait", &SPREAD, |channel| {
        let mut receiver = channel.receiver().unwrap();
        let mut sender = channel.credit(2 * MILLION as u64 + 40).sender().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        let (full, is_full) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let message = vec![1; MILLION];
                for number in 0..12 {
                    while sender.try_send(&message).is_ok() {}
                    full.send(()).unwrap();
                    match number % 3 {
                        0 => sender.send(&message, PATIENCE).unwrap(),
                        1 => tokio_block_on(sender.send_async(&message)).unwrap(),
                        _ => tokio_block_on(sender.claim_async(MILLION)).unwrap().commit(),
                    }
                }
            });
            for _ in 0..12 {
                is_full.recv_timeout(PATIENCE).unwrap();
                // It waits by now, most likely.
                std::thread::sleep(Duration::from_millis(2));
                assert!(receive(&mut receiver));
                come_again(&mut receiver);
            }
        });
    });
}

/// Who looks for another message has done with the ones before.
fn come_again(receiver: &mut Receiver) {
    if let Some(next) = receiver.read().unwrap() {
        next.keep();
    }
}

fn tokio_block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn what_a_receiver_had_is_lost_with_it() {
    each("arena-leaves", &SPREAD, |channel| {
        let mut stays = channel.receiver().unwrap();
        let mut sender = channel.clone().credit(3 * MILLION as u64).sender().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        let leaves = channel.receiver().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let mut sent = 0;
        while sender.try_send(&numbered(sent, MILLION)).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 4, "two for each");
        drop(leaves);
        let began = Instant::now();
        while sender.receivers() > 1 {
            assert!(began.elapsed() < PATIENCE);
        }
        assert_eq!((sender.counters().lost, sender.arenas().len()), (2, 1));
        let mut came = 0;
        for next in sent..sent + 10 {
            while receive(&mut stays) {
                came += 1;
            }
            sender.send(&numbered(next, MILLION), PATIENCE).unwrap();
        }
        while receive(&mut stays) {
            came += 1;
        }
        assert_eq!(came, sent + 10 - 2);
    });
}

#[test]
fn everybody_gets_each_message() {
    each("arena-all", &[Mode::Broadcast], |channel| {
        let mut sender = channel.sender().unwrap();
        let receivers: Vec<_> = (0..3).map(|_| channel.receiver().unwrap()).collect();
        assert!(sender.wait_for_receivers(3, PATIENCE));
        assert_eq!(sender.longest(), ARENA);
        let count = 60;
        std::thread::scope(|scope| {
            let threads: Vec<_> = receivers
                .into_iter()
                .map(|receiver| scope.spawn(move || take_all(receiver, count)))
                .collect();
            send_all(&mut sender, count);
            let bytes: usize = (0..count).map(length).sum();
            let counters = sender.counters();
            assert_eq!((counters.messages, counters.bytes), (count as u64, bytes as u64));
            drop(sender);
            for thread in threads {
                assert_eq!(thread.join().unwrap(), (0..count).collect::<Vec<_>>());
            }
        });
    });
}

/// All read the same bytes, which are where the claim was filled.
#[test]
fn nothing_is_copied_on_the_way_to_all() {
    each("arena-one", &[Mode::Broadcast], |channel| {
        let mut sender = channel.sender().unwrap();
        let mut receivers: Vec<_> = (0..2).map(|_| channel.receiver().unwrap()).collect();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let arena = sender.arena().expect("the channel has one");
        let begin = arena.cast::<u8>().as_ptr().addr();
        assert!(begin.is_multiple_of(2 << 20) && arena.len() == ARENA && sender.arenas() == [arena]);
        for turn in 0..3 {
            let mut claim = sender.claim(ARENA).unwrap();
            assert_eq!(claim.words().as_ptr().addr(), begin);
            // SAFETY: no other thread has an end of this channel.
            unsafe { claim.as_mut_slice()[ARENA - 1] = turn };
            claim.commit();
            assert_eq!(sender.claim(5000).err(), Some(SendError::Full));
            let held: Vec<_> = receivers
                .iter_mut()
                .map(|receiver| receiver.read_within(PATIENCE).unwrap().unwrap())
                .collect();
            let at = |message: &super::Message<'_>| message.bytes().words().as_ptr().addr();
            assert!(held.iter().all(|message| at(message).is_multiple_of(2 << 20)));
            assert!(held.iter().all(|message| message.to_vec()[ARENA - 1] == turn));
            assert!(held[0].position() == held[1].position());
        }
    });
}

#[test]
fn claims_for_all_are_taken_back_and_cut_short() {
    each("arena-claims", &[Mode::Broadcast], |channel| {
        let mut sender = channel.sender().unwrap();
        let mut receiver = channel.receiver().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        drop(sender.claim(ARENA).unwrap());
        sender.claim(9000).unwrap().abort();
        let mut claim = sender.claim(ARENA).unwrap();
        claim.write(0, b"only this");
        claim.commit_first(9);
        sender.try_send(&numbered(1, ARENA - 64)).unwrap();
        assert_eq!(sender.send(&numbered(2, 5000), Duration::from_millis(5)), Err(SendError::TimedOut));
        assert_eq!(sender.try_send(b"the ring has room"), Ok(()));
        let too_long = SendError::TooLong { len: ARENA + 1, most: ARENA };
        assert_eq!(sender.try_send(&vec![0; ARENA + 1]), Err(too_long));
        assert_eq!(sender.claim_within(ARENA + 1, PATIENCE).err(), Some(too_long));
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"only this");
        let too_short = super::RecvError::TooLong { len: ARENA - 64 };
        assert_eq!(receiver.try_recv(&mut [0; 100]), Err(too_short));
        assert!(receiver.read().unwrap().unwrap().to_vec() == numbered(1, ARENA - 64));
        assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"the ring has room");
        // One that joins now begins behind all that, wherever its first block lies.
        sender.try_send(&numbered(3, MILLION)).unwrap();
        let mut late = channel.receiver().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        sender.try_send(&numbered(4, MILLION)).unwrap();
        assert!(late.read_within(PATIENCE).unwrap().unwrap().to_vec() == numbered(4, MILLION));
        assert!(receiver.read().unwrap().unwrap().to_vec() == numbered(3, MILLION));
    });
}

/// A sender that waits for the slowest hears of it, in a thread and as a future, also when that one leaves.
#[test]
fn a_sender_to_all_hears_of_the_slowest() {
    each("arena-slow", &[Mode::Broadcast], |channel| {
        let mut sender = channel.sender().unwrap();
        let mut receivers: Vec<_> = (0..2).map(|_| channel.receiver().unwrap()).collect();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let (full, is_full) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                let message = vec![1; MILLION];
                for number in 0..12 {
                    while sender.try_send(&message).is_ok() {}
                    full.send(()).unwrap();
                    match number % 3 {
                        0 => sender.send(&message, PATIENCE).unwrap(),
                        1 => tokio_block_on(sender.send_async(&message)).unwrap(),
                        _ => tokio_block_on(sender.claim_async(MILLION)).unwrap().commit(),
                    }
                }
                sender.receivers()
            });
            for turn in 0..12 {
                is_full.recv_timeout(PATIENCE).unwrap();
                std::thread::sleep(Duration::from_millis(2));
                if turn < 9 {
                    assert!(receivers.iter_mut().all(receive));
                } else {
                    receivers.truncate(1);
                    assert!(receive(&mut receivers[0]));
                }
            }
            assert_eq!(sending.join().unwrap(), 1);
        });
    });
}

/// A sender that overwrites never waits. What a receiver gets is whole and in order, and it counts what it lost.
#[test]
fn what_is_overwritten_in_the_arena_is_never_torn() {
    for on_full in [OnFull::OverwriteOldest, OnFull::Latest] {
        each("arena-hasty", &[Mode::Broadcast], |channel| {
            let mut sender = channel.clone().on_full(on_full).sender().unwrap();
            let receivers: Vec<_> = (0..2).map(|_| channel.receiver().unwrap()).collect();
            assert!(sender.wait_for_receivers(2, PATIENCE));
            let count = 300;
            std::thread::scope(|scope| {
                let threads: Vec<_> = receivers
                    .into_iter()
                    .map(|mut receiver| {
                        scope.spawn(move || {
                            let mut next = 0;
                            while let Ok(Some(message)) = receiver.read_within(PATIENCE) {
                                let bytes = message.to_vec();
                                let number = (next..count).find(|number| {
                                    bytes.len() == length(*number) && bytes == numbered(*number, bytes.len())
                                });
                                next = number.expect("torn, or out of order") + 1;
                            }
                            let counters = receiver.counters();
                            assert_eq!(next, count, "the last one comes in any case");
                            assert_eq!(counters.messages + counters.lost, count as u64);
                        })
                    })
                    .collect();
                for number in 0..count {
                    let message = numbered(number, length(number));
                    if number % 2 == 0 {
                        sender.try_send(&message).unwrap();
                    } else {
                        let mut claim = sender.claim(message.len()).unwrap();
                        claim.write(0, &message);
                        claim.commit();
                    }
                }
                drop(sender);
                for thread in threads {
                    thread.join().unwrap();
                }
            });
        });
    }
}

/// Receivers may look at what is being overwritten, so nobody gets it as a slice.
#[test]
#[should_panic(expected = "is filled with `write`")]
fn a_claim_that_overwrites_is_no_slice() {
    let channel = Channel::builder("memory://arena-slice").unwrap().mode(Mode::Broadcast);
    let mut sender = channel.arena(ARENA).on_full(OnFull::Latest).sender().unwrap();
    let mut claim = sender.claim(ARENA).unwrap();
    // SAFETY: nobody has another end of this channel.
    let _ = unsafe { claim.as_mut_slice() };
}

fn receive(receiver: &mut Receiver) -> bool {
    receiver.read().unwrap().is_some_and(|message| message.bytes().len() == MILLION)
}

/// Wherever a message lay: who took a copy of it is at work until it comes again.
#[test]
fn who_works_on_a_copy_is_not_idle() {
    each("copy", &[Mode::Spmc], |channel| {
        let channel = channel.credit(1);
        let mut receivers = [channel.receiver().unwrap(), channel.receiver().unwrap()];
        let mut sender = channel.sender().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let mut into = vec![0; 10_000];
        sender.try_send(&numbered(0, 10_000)).unwrap();
        let busy = usize::from(receivers[0].try_recv(&mut into).unwrap().is_none());
        if busy == 1 {
            assert_eq!(receivers[1].try_recv(&mut into), Ok(Some(10_000)));
        }
        sender.try_send(&numbered(1, 10_000)).unwrap();
        assert_eq!(sender.try_send(&numbered(2, 10_000)), Err(SendError::Full), "both have one");
        assert_eq!(receivers[1 - busy].try_recv(&mut into), Ok(Some(10_000)));
        assert!(into == numbered(1, 10_000));
        assert_eq!(receivers[busy].try_recv(&mut into), Ok(None));
        sender.try_send(&numbered(2, 10_000)).unwrap();
        assert_eq!(receivers[busy].try_recv(&mut into), Ok(Some(10_000)));
    });
}

/// What was overwritten and has no successor yet is nothing to see: who waits for it sleeps.
#[test]
fn the_newest_that_is_given_up_keeps_nobody_awake() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    each("awake", &[Mode::Broadcast], |channel| {
        let channel = channel.on_full(OnFull::Latest);
        let mut sender = channel.sender().unwrap();
        let mut receiver = channel.receiver().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        let most = sender.longest();
        sender.try_send(&numbered(0, most / 4 * 3)).unwrap();
        let claim = sender.claim(most / 4 * 3).unwrap();
        let calls = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&calls));
        assert_eq!(receiver.poll_ready(&mut Context::from_waker(&waker)), Poll::Pending);
        assert_eq!(calls.0.load(Ordering::Relaxed), 0, "polled again at once");
        drop(claim);
        sender.try_send(b"next").unwrap();
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"next");
        assert_eq!(receiver.counters().lost, 1);
    });
}
