//! Channels with many receivers, over `memory://` and `ipc://`.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::{
    Builder, Channel, DisconnectCause, Mode, OnFull, OpenError, OpenFailure, Outbox, RecvError, SendError,
    Waiting, spread::SpreadSender,
};
use crate::lane::{self, InTurn, MessageKind, Pump, Spec};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a check over both transports.
fn over_both(name: &str, check: impl Fn(Builder)) {
    check(Channel::builder(&format!("memory://{name}")).unwrap());
    let house = tempfile::tempdir().unwrap();
    let builder = Channel::builder(&format!("ipc://{name}")).unwrap();
    check(builder.directory(house.path().join("adit")));
    assert_eq!(std::fs::read_dir(house.path().join("adit")).unwrap().count(), 0, "something is left");
}

fn number(receiver: &mut super::Receiver) -> Option<u64> {
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

/// Nothing goes to a receiver that has gone, in the middle of its turn either.
#[test]
fn a_turn_ends_with_its_receiver() {
    over_both("ended-turn", |builder| {
        let builder = builder.mode(Mode::Spmc).capacity(1 << 14);
        for of_one_size in [false, true] {
            let builder =
                if of_one_size { builder.clone().of::<u64>("n").untyped().clone() } else { builder.clone() };
            let mut receivers: Vec<_> = (0..2).map(|_| builder.receiver().unwrap()).collect();
            let mut sender = builder.sender().unwrap();
            assert!(sender.wait_for_receivers(2, PATIENCE));
            let mut send = |numbers: Range<u64>| {
                numbers.for_each(|number| sender.try_send(&number.to_le_bytes()).unwrap());
                sender.counters()
            };
            send(0..3);
            let mut rest = goes_after(&mut receivers);
            let counters = send(3..6);
            assert_eq!([3, 4, 5].map(|_| number(&mut rest)), [3, 4, 5].map(Some));
            assert_eq!((counters.messages, counters.lost), (6, 0));
        }
        let builder = builder.of::<u64>("n");
        let mut receivers: Vec<_> = (0..2).map(|_| builder.untyped().receiver().unwrap()).collect();
        let mut sender = builder.sender().unwrap();
        assert!(sender.untyped().wait_for_receivers(2, PATIENCE));
        (0..3).for_each(|number| sender.try_send(&number).unwrap());
        let mut rest = goes_after(&mut receivers);
        (3..6).for_each(|number| sender.try_send(&number).unwrap());
        assert_eq!([3, 4, 5].map(|_| number(&mut rest)), [3, 4, 5].map(Some));
        let counters = sender.counters();
        assert_eq!((counters.messages, counters.bytes, counters.lost), (6, 48, 0));
    });
}

/// Who waited for room has it, also if the receiver that had it has gone: the others have none.
#[test]
fn room_that_was_found_can_be_claimed() {
    over_both("found-room", |builder| {
        let builder = builder.mode(Mode::Spmc).capacity(1 << 12);
        let mut receivers: Vec<_> = (0..2).map(|_| builder.receiver().unwrap()).collect();
        let mut sender = builder.sender().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
        while sender.try_send(&[0; 8]).is_ok() {}
        assert_eq!(sender.has_room(8), Ok(false));
        let mut first = receivers.remove(0);
        while first.try_recv(&mut [0; 8]).unwrap().is_some() {}
        assert_eq!(sender.has_room(8), Ok(true));
        drop(first);
        sender.claim(8).unwrap().commit();
        assert!(matches!(sender.claim(8), Err(SendError::Full)));
        let counters = sender.counters();
        // What was claimed for it is lost with it, and counted.
        assert_eq!((sender.receivers(), counters.lost), (1, 1));
        drop(receivers);
    });
}

/// Drops the one of two that has three messages, all of one turn, when it has read them; returns the other.
fn goes_after(receivers: &mut Vec<super::Receiver>) -> super::Receiver {
    let has = |one: &mut super::Receiver| one.try_recv(&mut [0; 8]).unwrap().is_some();
    let first = receivers.iter_mut().position(has).unwrap();
    let mut first = receivers.remove(first);
    assert_eq!([1, 2].map(|_| number(&mut first)), [1, 2].map(Some), "not one turn");
    receivers.remove(0)
}

/// The same of one whose process dies.
#[test]
fn a_turn_ends_with_the_life_of_its_receiver() {
    let kind = MessageKind::fixed("n", 8, 8);
    let spec = Spec { mode: Mode::Spmc, capacity: 1 << 14, kind };
    let outbox = Arc::new(Outbox::default());
    let waiting = Waiting::default();
    let mut sender = SpreadSender::new(Arc::clone(&outbox), Box::new(()), &spec, None, 0, waiting);
    let mut readers = Vec::new();
    for _ in 0..2 {
        let (writer, reader) = lane::in_process(&spec, &adit_memory::Options::default()).unwrap();
        readers.push((writer.link(), reader));
        outbox.put(writer);
    }
    sender.push_first(&[1; 8]).unwrap();
    assert_eq!(sender.push_in_turn(&[2; 8]), InTurn::Pushed);
    let got =
        |reader: &mut lane::ReaderLane| (0..8).map(|_| reader.read_batch(8, |_| ()).unwrap()).sum::<usize>();
    let first = readers.iter_mut().position(|(_, reader)| got(reader) == 2).unwrap();
    let (link, _reader) = readers.remove(first);
    link.mark_dead();
    assert_eq!(sender.push_in_turn(&[3; 8]), InTurn::NoTurn);
    sender.push_first(&[3; 8]).unwrap();
    assert_eq!(sender.push_in_turn(&[4; 8]), InTurn::Pushed);
    assert_eq!(got(&mut readers[0].1), 2);
    assert_eq!((sender.counters().messages, sender.departed().died), (4, 1));
}

/// Takes nothing, and says nothing of what is under way.
#[derive(Debug)]
struct Transport;

impl Pump for Transport {
    fn published(&mut self) {}

    fn push_out(&mut self) {}

    fn wait(&mut self, _: Duration) {}
}

/// What a transport has may be with the receiver already, whatever the cursor says: nobody else gets it.
#[test]
fn what_a_transport_has_is_not_taken_back() {
    let spec = Spec { mode: Mode::Spmc, capacity: 1 << 14, kind: MessageKind::fixed("n", 8, 8) };
    let outbox = Arc::new(Outbox::default());
    let waiting = Waiting::default();
    let mut sender = SpreadSender::new(Arc::clone(&outbox), Box::new(()), &spec, None, 0, waiting);
    let (mut writer, drain) = lane::drained(&spec).unwrap();
    writer.set_pump(Box::new(Transport));
    outbox.put(writer);
    sender.push_first(&[1; 8]).unwrap();
    drain.close();
    assert_eq!(sender.push_in_turn(&[2; 8]), InTurn::Pushed);
    assert_eq!(sender.push_in_turn(&[3; 8]), InTurn::NoTurn);
    assert_eq!(sender.push_first(&[3; 8]), Err(SendError::Disconnected { cause: DisconnectCause::Closed }));
    assert_eq!((sender.counters().messages, sender.counters().lost), (2, 2));
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
