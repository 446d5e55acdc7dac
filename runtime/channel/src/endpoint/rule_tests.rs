//! Single rules: what is refused, what is counted, who is cut off.

use std::{sync::Arc, time::Duration};

use super::{
    inbox::{Inbox, MAX_SENDERS},
    open_receiver::{Begun, ReceiverKind},
    open_sender::SenderKind,
    receiver::LaneReceiver,
    sender::LaneSender,
    tests::{House, SCHEMES},
    *,
};
use crate::lane::{self, Spec};

const SHORT: Duration = Duration::from_millis(1);

#[test]
fn both_sides_of_a_difference_are_said() {
    for scheme in SCHEMES {
        let house = House::new("difference");
        let builder = house.builder(scheme);
        let fixed = |name: &str, size| builder.clone().kind(MessageKind::fixed(name, size, 8));
        let _receiver = fixed("tick", 64).receiver().unwrap();
        let error = |builder: Builder| builder.sender().unwrap_err().to_string();
        let theirs = "the other side has \"tick\" (size 64, alignment 8)";
        for (builder, ours) in [
            (builder.clone(), "bytes of any length"),
            (fixed("tock", 64), "\"tock\" (size 64, alignment 8)"),
            (fixed("tick", 72), "\"tick\" (size 72, alignment 8)"),
        ] {
            let said = format!(
                "cannot open the sender of {scheme}://difference: the message type differs: this side asks for {ours}, {theirs}; give \
                 both ends the same mode, message type, arena and capacity, or this one another name"
            );
            assert_eq!(error(builder), said);
        }
        assert!(
            error(fixed("tick", 64).capacity(2048)).contains("2048 bytes, the other side has 1024 bytes")
        );
        assert!(error(fixed("tick", 64).mode(Mode::Mpsc)).contains("MPSC, the other side has SPSC"));
        assert!(fixed("tick", 64).sender().is_ok());
    }
}

/// A sender that knows that it is in, and whose lane is on its way, is no sender that has gone.
#[test]
fn not_all_have_gone_while_one_is_let_in() {
    let spec = Spec { mode: Mode::Mpsc, capacity: 1024, kind: MessageKind::bytes() };
    let inbox = Arc::new(Inbox::new(Mode::Mpsc));
    let join = || {
        let (writer, reader) = lane::in_process(&spec, &adit_memory::Options::default()).unwrap();
        inbox.put(reader);
        writer
    };
    let first = join();
    let mut receiver = LaneReceiver::new(Arc::clone(&inbox), Box::new(()), Waiting::default());
    let gone = Err(RecvError::Disconnected { cause: DisconnectCause::Closed });
    let second = inbox.expect();
    drop(first);
    assert_eq!(receiver.wait(SHORT), Ok(false));
    let writer = join();
    drop(second);
    assert_eq!(receiver.wait(SHORT), Ok(false));
    drop(writer);
    assert_eq!(receiver.wait(SHORT), gone);
    // It was not let in after all.
    drop(inbox.expect());
    assert_eq!(receiver.wait(SHORT), gone);
}

#[test]
fn what_cannot_be_is_not_opened() {
    for scheme in SCHEMES {
        let house = House::new("impossible");
        let builder = house.builder(scheme);
        for capacity in [0, 32, 1000, 1 << 31, usize::MAX] {
            let error = builder.clone().capacity(capacity).receiver().unwrap_err();
            assert!(matches!(error, OpenError { failure: OpenFailure::Capacity(_), .. }));
        }
        for (name, size, alignment) in
            [("", 8, 8), ("x", 0, 1), ("x", 8, 3), ("x", 12, 8), ("x", 264, 8), ("bytes", 1, 0)]
        {
            let kind = MessageKind::fixed(name, size, alignment);
            let error = builder.clone().kind(kind).receiver().unwrap_err();
            assert!(
                matches!(error, OpenError { failure: OpenFailure::Kind(_), .. }),
                "{name:?} {size} {alignment}"
            );
        }
    }
    let nobody = House::new("nobody").builder("ipc").join_within(SHORT).sender().unwrap_err();
    assert!(matches!(nobody, OpenError { failure: OpenFailure::NobodyListens { .. }, .. }));
}

#[test]
fn places_are_limited() {
    for scheme in SCHEMES {
        let house = House::new("limited");
        let builder = house.builder(scheme).mode(Mode::Mpsc);
        let mut receiver = builder.receiver().unwrap();
        let mut senders: Vec<_> = (0..MAX_SENDERS).map(|_| builder.sender().unwrap()).collect();
        assert!(matches!(
            builder.sender(),
            Err(OpenError { failure: OpenFailure::SendersTaken { most: MAX_SENDERS }, .. })
        ));
        assert_eq!(receiver.recv(&mut [0; 8], Duration::from_millis(20)), Ok(None));
        senders.pop();
        senders.push(builder.sender().unwrap());
        for sender in &mut senders {
            sender.try_send(b"x").unwrap();
        }
        drop(senders);
        assert_eq!(receiver.messages().map(Result::unwrap).count(), MAX_SENDERS);
    }
}

#[test]
fn a_full_channel_does_as_it_is_told_and_counts() {
    let house = House::new("policies");
    let fill = |on_full| {
        let mut sender = house.builder("memory").on_full(on_full).sender().unwrap();
        let mut sent = 0;
        while sender.try_send(&[0; 56]).is_ok() {
            sent += 1;
        }
        assert_eq!(sent, 1024 / 64);
        let result = sender.push(&[0; 56]);
        let counters = sender.counters();
        assert_eq!(sender.shown(), [sent, sent * 56, counters.stalls, 0, counters.drops, 0]);
        (result, counters.stalls, counters.drops)
    };
    assert_eq!(fill(OnFull::Block(SHORT)), (Err(SendError::TimedOut), 1, 0));
    assert_eq!(fill(OnFull::Fail), (Err(SendError::Full), 1, 0));
    assert_eq!(fill(OnFull::DropNewest), (Ok(Pushed::Dropped), 0, 1));
}

#[test]
fn a_batch_is_seen_when_it_is_flushed() {
    for scheme in SCHEMES {
        let house = House::new("batch");
        let builder = house.builder(scheme).publish_every(200);
        let (mut receiver, mut sender) = (builder.receiver().unwrap(), builder.sender().unwrap());
        sender.try_send(b"one").unwrap();
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(None));
        sender.flush();
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(Some(3)));
        sender.try_send(b"three").unwrap();
        drop(sender);
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(Some(5)));
    }
}

#[test]
fn sizes_are_held_to() {
    let house = House::new("sizes");
    let builder = house.builder("memory").kind(MessageKind::fixed("tick", 16, 8));
    let (mut receiver, mut sender) = (builder.receiver().unwrap(), builder.sender().unwrap());
    assert_eq!(sender.try_send(&[0; 8]), Err(SendError::WrongSize { len: 8, size: 16 }));
    assert!(matches!(sender.claim(24), Err(SendError::WrongSize { .. })));
    sender.try_send(&[1; 16]).unwrap();
    assert_eq!(receiver.try_recv(&mut [0; 16]), Ok(Some(16)));
    let part = std::panic::AssertUnwindSafe(|| sender.claim(16).unwrap().commit_first(8));
    assert!(std::panic::catch_unwind(part).is_err());
    assert_eq!(receiver.try_recv(&mut [0; 16]), Ok(None));
}

/// A receiver of ticks of 16 bytes, and a sender's lane that does not care.
fn receiver_and_lane() -> (Receiver, lane::WriterLane) {
    receiver_and_lane_of(MessageKind::fixed("tick", 16, 8))
}

fn receiver_and_lane_of(kind: MessageKind) -> (Receiver, lane::WriterLane) {
    let spec = Spec { mode: Mode::Mpsc, capacity: 1024, kind };
    let inbox = Arc::new(Inbox::new(spec.mode));
    let (writer, reader) = lane::in_process(&spec, &adit_memory::Options::default()).unwrap();
    inbox.put(reader);
    {
        let lanes = LaneReceiver::new(inbox, Box::new(()), Waiting::default());
        (Receiver::new(ReceiverKind::Lanes(lanes)), writer)
    }
}

/// What is lent goes `way`.
fn stepped(
    receiver: &mut Receiver,
    way: fn(&mut lane::Steps<[u64; 2]>) -> usize,
) -> Result<usize, RecvError> {
    let mut lent = lane::Lent::new();
    Ok(match receiver.begin_turn(&mut lent, &mut [0; 16], Duration::ZERO)? {
        Begun::Turn => {
            let steps = lent.lent().unwrap();
            let count = way(steps);
            receiver.take_back(steps);
            count
        }
        Begun::Only(_) | Begun::Copied => 1,
        Begun::Nothing => 0,
    })
}

#[test]
fn a_sender_that_lies_is_cut_off_after_what_was_true() {
    type Way = fn(&mut Receiver) -> Result<usize, RecvError>;
    let ways: [Way; 5] = [
        |receiver| receiver.try_recv(&mut [0; 16]).map(|len| len.unwrap_or(0) / 16),
        |receiver| receiver.recv_batch(1, |bytes| assert_eq!(bytes.len(), 16)),
        |receiver| stepped(receiver, |steps| usize::from(steps.step().is_some())),
        |receiver| stepped(receiver, |steps| steps.each(1, |bytes| assert_eq!(bytes.len(), 16))),
        |receiver| receiver.try_recv_run(16, &mut [0; 16]),
    ];
    for way in ways {
        let (mut receiver, mut lane) = receiver_and_lane();
        lane.push(&[0; 16]).unwrap();
        lane.push(&[0; 16]).unwrap();
        assert_eq!(way(&mut receiver), Ok(1));
        // Between two messages; what the receiver knows of is received first.
        lane.lie(40);
        assert_eq!(way(&mut receiver), Ok(1));
        let error = way(&mut receiver).unwrap_err();
        assert!(matches!(error, RecvError::Misbehaved(_)), "{error}");
        assert_eq!((receiver.lanes(), receiver.departed().misbehaved), (0, 1));
        assert_eq!(lane.gone(), Some(DisconnectCause::Closed));
    }
}

/// It is told as soon as the read that found it has failed.
#[test]
fn a_sender_whose_record_makes_no_sense_is_counted_at_once() {
    let (mut receiver, mut lane) = receiver_and_lane_of(MessageKind::bytes());
    lane.push(&[1; 16]).unwrap();
    // Behind the record there is no header.
    lane.lie(40);
    assert!(receiver.read().unwrap().is_some());
    let error = receiver.read().unwrap_err();
    assert!(matches!(error, RecvError::Misbehaved(_)), "{error}");
    let once = Departed { misbehaved: 1, ..Departed::default() };
    assert_eq!((receiver.lanes(), receiver.departed()), (0, once));
    assert!(!receiver.wait_for_sender(Duration::ZERO));
    let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
    assert_eq!(receiver.recv(&mut [0; 16], Duration::MAX), Err(closed));
    assert_eq!((receiver.lanes(), receiver.departed()), (0, once));
}

#[test]
fn a_lane_that_is_marked_dead_drains_first() {
    let (mut receiver, mut lane) = receiver_and_lane();
    lane.push(&[0; 16]).unwrap();
    assert_eq!(receiver.lanes(), 0);
    assert_eq!(receiver.try_recv(&mut [0; 16]), Ok(Some(16)));
    lane.push(&[0; 16]).unwrap();
    receiver.mark_dead();
    assert_eq!(receiver.try_recv(&mut [0; 16]), Ok(Some(16)));
    let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
    assert_eq!(receiver.recv(&mut [0; 16], Duration::MAX), Err(died));
    assert_eq!(receiver.messages().next(), Some(Err(died)));
    assert_eq!(receiver.departed(), Departed { died: 1, ..Departed::default() });
}

// spec: CHN-1.4
#[test]
fn a_receiver_that_lies_counts_as_gone() {
    let gone = SendError::Disconnected { cause: DisconnectCause::Misbehaved };
    type Way = fn(&mut Sender) -> Result<(), SendError>;
    let ways: [Way; 5] = [
        |sender| sender.send(&[0; 56], Duration::MAX),
        |sender| sender.try_send(&[0; 56]),
        |sender| sender.claim(56).map(drop),
        |sender| sender.claim_within(56, Duration::MAX).map(drop),
        |sender| sender.try_send_run(56, &[0; 56]).map(drop),
    ];
    for way in ways {
        let spec = Spec { mode: Mode::Spsc, capacity: 1024, kind: MessageKind::fixed("tick", 56, 8) };
        let (writer, reader) = lane::in_process(&spec, &adit_memory::Options::default()).unwrap();
        let lane = LaneSender::new(writer, &spec, Waiting::default(), 0);
        let mut sender = Sender::new(SenderKind::Lane(lane), OnFull::default());
        while sender.try_send(&[0; 56]).is_ok() {}
        // Far beyond what was sent.
        reader.lie(1 << 40);
        let said = way(&mut sender);
        assert!(said == Err(SendError::Full) || said == Err(gone), "{said:?}");
        assert_eq!(way(&mut sender), Err(gone));
        assert_eq!(sender.departed(), Departed { misbehaved: 1, ..Departed::default() });
    }
    assert_eq!(gone.to_string(), "disconnected: the other end broke the rules");
}

// spec: CHN-1.4
#[test]
fn a_receiver_of_a_broadcast_that_lies_is_cut_off() {
    for lie in [1 << 40, 20] {
        let house = House::new("lies-to-all");
        let builder = house.builder("memory").mode(Mode::Broadcast);
        let mut sender = builder.sender().unwrap();
        let (mut honest, liar) = (builder.receiver().unwrap(), builder.receiver().unwrap());
        let filled = (0..).find(|_| sender.try_send(&[1; 24]).is_err()).unwrap();
        let ReceiverKind::Broadcast(broadcast) = &liar.kind else { panic!("a broadcast's") };
        broadcast.lie(lie);
        for _ in 0..filled {
            assert!(honest.read().unwrap().is_some());
        }
        // There is room as soon as nobody waits for the one that lied.
        assert_eq!(sender.send(&[2; 24], Duration::MAX), Ok(()), "{lie}");
        assert_eq!(sender.departed(), Departed { misbehaved: 1, ..Departed::default() });
        assert_eq!(sender.receivers(), 1);
    }
}
