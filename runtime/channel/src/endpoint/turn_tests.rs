//! How long a receiver of many stays the next one.

use std::{ops::Range, sync::Arc, time::Duration};

use super::{
    DisconnectCause, Mode, Outbox, SendError, Waiting,
    mode_tests::{PATIENCE, number, over_both},
    spread::SpreadSender,
};
use crate::lane::{self, InTurn, MessageKind, Pump, Spec};

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
