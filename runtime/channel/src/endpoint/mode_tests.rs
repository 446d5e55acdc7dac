//! Channels with many receivers, over `memory://` and `ipc://`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    Builder, Channel, DisconnectCause, Mode, OnFull, OpenError, OpenFailure, RecvError, SendError, Waiting,
};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a check over both transports.
pub(super) fn over_both(name: &str, check: impl Fn(Builder)) {
    check(Channel::builder(&format!("memory://{name}")).unwrap());
    let house = tempfile::tempdir().unwrap();
    let builder = Channel::builder(&format!("ipc://{name}")).unwrap();
    check(builder.directory(house.path().join("adit")));
    assert_eq!(std::fs::read_dir(house.path().join("adit")).unwrap().count(), 0, "something is left");
}

pub(super) fn number(receiver: &mut super::Receiver) -> Option<u64> {
    let mut bytes = [0; 8];
    let len = receiver.recv(&mut bytes, PATIENCE).unwrap()?;
    assert_eq!(len, 8);
    Some(u64::from_le_bytes(bytes))
}

#[test]
fn a_broadcast_reaches_everybody_from_when_he_joined() {
    over_both("to-all", |builder| {
        let builder = builder.mode(Mode::Broadcast).capacity(1 << 12);
        let mut sender = builder.sender().unwrap();
        assert!(matches!(
            builder.sender(),
            Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. })
        ));
        sender.try_send(&0_u64.to_le_bytes()).unwrap();
        let mut receivers: Vec<_> = (0..3).map(|_| builder.receiver().unwrap()).collect();
        assert_eq!(sender.receivers(), 3);
        for value in 1..2000_u64 {
            sender.send(&value.to_le_bytes(), PATIENCE).unwrap();
            for receiver in &mut receivers {
                assert_eq!(number(receiver), Some(value));
            }
        }
        // Who leaves holds up nobody.
        drop(receivers.pop());
        for value in 0..2000_u64 {
            sender.send(&value.to_le_bytes(), PATIENCE).unwrap();
            for receiver in &mut receivers {
                assert_eq!(number(receiver), Some(value));
            }
        }
        assert_eq!((sender.receivers(), sender.departed().closed), (2, 1));
        sender.try_send(b"the last").unwrap();
        drop(sender);
        for receiver in &mut receivers {
            assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"the last");
            let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
            assert_eq!(receiver.wait(PATIENCE), Err(closed));
        }
    });
}

#[test]
fn a_lossless_broadcast_waits_for_the_slowest() {
    over_both("slowest", |builder| {
        let builder = builder.mode(Mode::Broadcast).capacity(1 << 10).on_full(OnFull::DropNewest);
        let mut sender = builder.sender().unwrap();
        let (mut slow, _idle) = (builder.receiver().unwrap(), builder.receiver().unwrap());
        let mut sent = 0_u64;
        while sender.try_send(&sent.to_le_bytes()).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 64);
        assert_eq!(sender.send(&[0; 8], Duration::from_millis(1)), Err(SendError::TimedOut));
        assert_eq!(sender.push(&[0; 8]), Ok(super::Pushed::Dropped));
        assert_eq!((sender.counters().drops, sender.counters().stalls), (1, 1));
        for value in 0..sent {
            assert_eq!(number(&mut slow), Some(value));
        }
        assert_eq!(slow.recv(&mut [0; 8], Duration::from_millis(1)), Ok(None));
        // The other has read nothing, and leaves.
        assert_eq!(sender.try_send(&[0; 8]), Err(SendError::Full));
        drop(_idle);
        sender.send(&7_u64.to_le_bytes(), PATIENCE).unwrap();
        assert_eq!(number(&mut slow), Some(7));
    });
}

#[test]
fn a_broadcast_that_overwrites_counts_what_each_lost() {
    over_both("overwrite", |builder| {
        let builder = builder.mode(Mode::Broadcast).capacity(1 << 10).on_full(OnFull::OverwriteOldest);
        let mut sender = builder.sender().unwrap();
        let mut receiver = builder.receiver().unwrap();
        for value in 0..1000_u64 {
            sender.send(&value.to_le_bytes(), Duration::ZERO).unwrap();
        }
        let first = number(&mut receiver).unwrap();
        assert!(first > 900, "{first}");
        assert_eq!(receiver.counters().lost, first);
        // A message that is kept, or too long for its buffer, is there again.
        receiver.read().unwrap().unwrap().keep();
        assert_eq!(receiver.try_recv(&mut [0; 4]), Err(RecvError::TooLong { len: 8 }));
        for value in first + 1..1000 {
            assert_eq!(number(&mut receiver), Some(value));
        }
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(None));
        assert_eq!(receiver.counters().messages, 1000 - first);
    });
}

#[test]
fn the_latest_value_is_all_that_a_receiver_gets() {
    over_both("latest", |builder| {
        let builder = builder.mode(Mode::Broadcast).capacity(1 << 12).on_full(OnFull::Latest);
        let mut sender = builder.sender().unwrap();
        let mut receiver = builder.receiver().unwrap();
        for value in 0..10_000_u64 {
            sender.try_send(&value.to_le_bytes()).unwrap();
            if value % 1000 == 999 {
                assert_eq!(number(&mut receiver), Some(value));
            }
        }
        assert_eq!((receiver.counters().messages, receiver.counters().lost), (10, 9990));
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(None));
    });
}

#[test]
fn sleeping_receivers_of_a_broadcast_are_woken() {
    over_both("sleepers", |builder| {
        let builder = builder.mode(Mode::Broadcast).capacity(1 << 10).waiting(Waiting::SpinThenPark);
        let mut sender = builder.sender().unwrap();
        let receivers: Vec<_> = (0..2).map(|_| builder.receiver().unwrap()).collect();
        std::thread::scope(|scope| {
            for mut receiver in receivers {
                scope.spawn(move || {
                    for value in 0..20_000_u64 {
                        assert_eq!(number(&mut receiver), Some(value));
                        if value % 5000 == 0 {
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                });
            }
            for value in 0..20_000_u64 {
                sender.send(&value.to_le_bytes(), PATIENCE).unwrap();
                if value % 7000 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
    });
}

/// Sends `count` numbers to `receivers` threads and returns what each got.
fn share(builder: &Builder, senders: u64, receivers: usize, count: u64) -> Vec<Vec<u64>> {
    let ends: Vec<_> = (0..receivers).map(|_| builder.receiver().unwrap()).collect();
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        // All are there before the first is through.
        let all: Vec<_> = (0..senders).map(|_| builder.sender().unwrap()).collect();
        for (sender, mut end) in (0..).zip(all) {
            scope.spawn(move || {
                assert!(end.wait_for_receivers(receivers, PATIENCE));
                for value in 0..count {
                    end.send(&(sender << 32 | value).to_le_bytes(), PATIENCE).unwrap();
                }
            });
        }
        for mut receiver in ends {
            threads.push(scope.spawn(move || {
                let mut got = Vec::new();
                for message in receiver.messages() {
                    got.push(u64::from_le_bytes(message.unwrap().try_into().unwrap()));
                }
                got
            }));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn once_and_in_order(got: &[Vec<u64>], senders: u64, count: u64) {
    for one in got {
        for sender in 0..senders {
            let of: Vec<_> = one.iter().filter(|value| **value >> 32 == sender).collect();
            assert!(of.is_sorted(), "one lane's messages are out of order");
        }
    }
    let mut all: Vec<_> = got.concat();
    all.sort_unstable();
    let sent: Vec<_> =
        (0..senders).flat_map(|sender| (0..count).map(move |value| sender << 32 | value)).collect();
    assert!(all == sent, "{} of {} messages came, or some twice", all.len(), sent.len());
}

#[test]
fn each_message_goes_to_one_of_many_receivers() {
    over_both("shared-out", |builder| {
        let got = share(&builder.mode(Mode::Spmc).capacity(1 << 12), 1, 3, 20_000);
        once_and_in_order(&got, 1, 20_000);
    });
}

#[test]
fn many_senders_share_out_to_many_receivers() {
    over_both("many-to-many", |builder| {
        let got =
            share(&builder.mode(Mode::Mpmc).capacity(1 << 12).waiting(Waiting::SpinThenYield), 3, 3, 10_000);
        once_and_in_order(&got, 3, 10_000);
    });
}

/// With one message at a time, a receiver that is busy gets nothing while another is idle.
#[test]
fn the_idle_receiver_gets_the_next() {
    over_both("idle", |builder| {
        let builder = builder.mode(Mode::Spmc).credit(1);
        let (mut busy, mut idle) = (builder.receiver().unwrap(), builder.receiver().unwrap());
        let mut sender = builder.sender().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        for value in 0..2_u64 {
            sender.try_send(&value.to_le_bytes()).unwrap();
        }
        assert_eq!(sender.try_send(&[0; 8]), Err(SendError::Full));
        let held = busy.read_within(PATIENCE).unwrap().unwrap();
        assert!(number(&mut idle).is_some());
        for value in 2..100_u64 {
            assert!(idle.try_recv(&mut [0; 8]).unwrap().is_none());
            sender.try_send(&value.to_le_bytes()).unwrap();
            assert_eq!(number(&mut idle), Some(value));
        }
        drop(held);
    });
}

#[test]
fn receivers_join_and_leave_at_run_time() {
    over_both("come-and-go", |builder| {
        let builder = builder.mode(Mode::Spmc);
        let first = builder.receiver().unwrap();
        let mut sender = builder.sender().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        assert!(matches!(builder.sender(), Err(OpenError { failure: OpenFailure::SendersTaken { .. }, .. })));
        let mut second = builder.receiver().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        for value in 0..4_u64 {
            sender.try_send(&value.to_le_bytes()).unwrap();
        }
        drop(first);
        let begin = Instant::now();
        while sender.receivers() > 1 {
            assert!(begin.elapsed() < PATIENCE);
        }
        let mut got = 0;
        while second.recv(&mut [0; 8], Duration::from_millis(20)).unwrap().is_some() {
            got += 1;
        }
        assert_eq!(sender.counters().lost + got, 4);
        assert_eq!(sender.departed().closed, 1);
        drop(second);
        let error = sender.send(&[0; 8], PATIENCE).unwrap_err();
        assert_eq!(error, SendError::Disconnected { cause: DisconnectCause::Closed });
        let mut third = builder.receiver().unwrap();
        assert!(sender.wait_for_receivers(1, PATIENCE));
        sender.try_send(&9_u64.to_le_bytes()).unwrap();
        assert_eq!(number(&mut third), Some(9));
    });
}

#[test]
fn modes_that_differ_are_told_apart_on_both_sides() {
    over_both("mismatch", |builder| {
        let first = |mode: Mode| -> Box<dyn std::any::Any> {
            let builder = builder.clone().mode(mode);
            if mode == Mode::Broadcast {
                Box::new(builder.sender().unwrap())
            } else {
                Box::new(builder.receiver().unwrap())
            }
        };
        let modes = [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast];
        for there in modes {
            let _there = first(there);
            for here in modes.into_iter().filter(|here| *here != there) {
                let builder = builder.clone().mode(here);
                for error in
                    [builder.sender().map(drop).unwrap_err(), builder.receiver().map(drop).unwrap_err()]
                {
                    let text =
                        format!("the mode differs: this side asks for {here}, the other side has {there};");
                    assert!(error.to_string().contains(&text), "{error}");
                }
            }
        }
    });
}

#[test]
fn what_does_not_go_together_is_refused() {
    let builder = Channel::builder("memory://refused").unwrap();
    for on_full in [OnFull::Latest, OnFull::OverwriteOldest] {
        let error = builder.clone().on_full(on_full).sender().unwrap_err();
        assert!(error.to_string().contains("only a broadcast"), "{error}");
    }
    let kept = Channel::builder("file:///nowhere/at-all").unwrap();
    for mode in [Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
        assert!(matches!(
            kept.clone().mode(mode).receiver(),
            Err(OpenError { failure: OpenFailure::Unsupported(_), .. })
        ));
    }
}

#[test]
fn typed_ends_work_in_every_mode() {
    for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
        let name = format!("memory://typed-{mode}");
        let builder = Channel::builder(&name).unwrap().mode(mode).capacity(1 << 12).of::<[u64; 3]>("three");
        let (mut receiver, mut sender) = (builder.receiver().unwrap(), builder.sender().unwrap());
        sender.try_send(&[1, 2, 3]).unwrap();
        assert_eq!(sender.send_batch(&[[4, 5, 6]; 5], PATIENCE), Ok(5));
        assert_eq!(receiver.try_recv().unwrap(), Some([1, 2, 3]));
        let mut rest = [[0; 3]; 8];
        assert_eq!(receiver.recv_batch(&mut rest).unwrap(), 5);
        assert_eq!(rest[4], [4, 5, 6]);
        let mut claim = sender.untyped().claim(24).unwrap();
        claim.write(0, &[7; 24]);
        claim.commit();
        assert_eq!(receiver.recv(PATIENCE).unwrap(), Some([0x0707_0707_0707_0707; 3]));
        assert_eq!(sender.counters().messages, 7);
    }
}

proptest! {
    /// One operation list for all modes: what is sent is received by whom the mode says, once and in order.
    #[test]
    fn every_mode_delivers_what_it_says(
        mode in prop_oneof![Just(Mode::Spmc), Just(Mode::Mpmc), Just(Mode::Broadcast)],
        operations in prop::collection::vec((0..4u8, 0..3usize, 1..40usize), 0..200),
    ) {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let name = format!("memory://list-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let builder = Channel::builder(&name).unwrap().mode(mode).capacity(512).credit(128);
        let mut receivers: Vec<_> = (0..3).map(|_| builder.receiver().unwrap()).collect();
        let mut sender = builder.sender().unwrap();
        prop_assert_eq!(sender.receivers(), 3);
        let (mut sent, mut got) = (0_u64, [const { Vec::new() }; 3]);
        let message = |number: u64, len: usize| [&number.to_le_bytes()[..], &vec![number as u8; len]].concat();
        for (what, which, len) in operations {
            match what {
                0 | 1 => sent += u64::from(sender.try_send(&message(sent, len)).is_ok()),
                2 => if let Ok(mut claim) = sender.claim(8 + len) {
                    claim.write(0, &message(sent, len));
                    claim.commit();
                    sent += 1;
                },
                _ => if let Some(found) = receivers[which].read().unwrap() {
                    let found = found.to_vec();
                    let number = u64::from_le_bytes(found[..8].try_into().unwrap());
                    prop_assert_eq!(&found, &message(number, found.len() - 8));
                    got[which].push(number);
                },
            }
        }
        drop(sender);
        for (receiver, got) in receivers.iter_mut().zip(&mut got) {
            while let Ok(Some(found)) = receiver.read() {
                got.push(u64::from_le_bytes(found.to_vec()[..8].try_into().unwrap()));
            }
            prop_assert!(got.is_sorted());
        }
        let all: Vec<u64> = (0..sent).collect();
        if mode == Mode::Broadcast {
            prop_assert!(got.iter().all(|got| *got == all));
        } else {
            let mut together = got.concat();
            together.sort_unstable();
            prop_assert_eq!(together, all);
        }
    }
}
