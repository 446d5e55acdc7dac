//! What a lane makes of a peer that writes nonsense.

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;
use adit_ring::stream::StreamMemory as _;
use proptest::prelude::*;

use super::{
    header::{CLOSED, COUNTERS, CURSOR, POSITION, WAITING},
    memory::{LaneMemory, Page},
    *,
};

fn spec() -> Spec {
    Spec { mode: Mode::Mpsc, capacity: 1024, kind: MessageKind::fixed("tick", 16, 8) }
}

fn regions() -> (Arc<Region>, Arc<Region>) {
    let writer = Arc::new(Region::heap(writer_size(1024)).unwrap());
    let reader = Arc::new(Region::heap(READER_SIZE).unwrap());
    write_header(&writer, Side::Writer, &spec());
    write_header(&reader, Side::Reader, &spec());
    (writer, reader)
}

#[test]
fn a_header_is_taken_as_it_was_written_and_not_otherwise() {
    let (writer, reader) = regions();
    assert_eq!(check_header(&writer, Side::Writer, &spec()), Ok(()));
    assert_eq!(check_header(&reader, Side::Reader, &spec()), Ok(()));
    assert!(check_header(&writer, Side::Reader, &spec()).unwrap_err().contains("side"));
    let large = Spec { capacity: 1 << 20, ..spec() };
    assert!(check_header(&writer, Side::Writer, &large).unwrap_err().contains("bytes"));
    let page = Page::new(Arc::clone(&writer));
    for at in 0..7 {
        let word = page.word(at * 8);
        word.fetch_xor(1 << 40, Ordering::Relaxed);
        assert!(check_header(&writer, Side::Writer, &spec()).is_err(), "word {at}");
        word.fetch_xor(1 << 40, Ordering::Relaxed);
    }
    assert_eq!(check_header(&writer, Side::Writer, &spec()), Ok(()));
}

/// A word that a peer writes, and where.
fn words() -> impl Strategy<Value = (usize, u64)> {
    let place = prop_oneof![Just(CURSOR), Just(CURSOR + 8), Just(CLOSED), Just(COUNTERS), 4096..4200_usize];
    let value = prop_oneof![
        (0..200_u64).prop_map(|value| value * 8),
        (0..1100_u64).prop_map(|length| 1 << 32 | length),
        any::<u64>(),
    ];
    (place, value)
}

proptest! {
    #[test]
    fn a_hostile_writer_gives_errors_or_messages_within_the_ring(
        writes in prop::collection::vec(words(), 1..60),
    ) {
        let (writer, reader) = regions();
        let mut lane = ReaderLane::new(&spec(), Arc::clone(&writer), Arc::clone(&reader));
        let page = Page::new(Arc::clone(&writer));
        let memory = LaneMemory::new(1024, writer, reader);
        for (at, value) in writes {
            match at.checked_sub(4096) {
                Some(at) => memory.words()[at].store(value),
                None => page.word(at).store(value, Ordering::Relaxed),
            }
            prop_assert!(lane.begin_turn(100).is_ok() || lane.read().is_err());
            if let Ok(Some(message)) = lane.read() {
                prop_assert!(message.bytes().len() <= 248);
            }
            let batch = lane.read_batch(3, |bytes| assert!(bytes.len() <= 248));
            prop_assert!(batch.is_err() || batch.unwrap() <= 3);
            prop_assert!(lane.counters().depth <= 1024);
            prop_assert!(lane.gone().is_none_or(|cause| cause == DisconnectCause::Closed));
        }
    }

    #[test]
    fn a_hostile_reader_gives_no_room_that_is_not_there(
        writes in prop::collection::vec(words(), 1..60),
    ) {
        let (writer, reader) = regions();
        let mut lane = WriterLane::new(&spec(), writer, Arc::clone(&reader));
        let page = Page::new(reader);
        for (at, value) in writes {
            if at < READER_SIZE {
                page.word(at).store(value, Ordering::Relaxed);
            }
            let _ = lane.push(&[1; 100]);
            if let Ok(claim) = lane.claim(248) {
                claim.commit();
            }
            lane.park(100, std::time::Duration::from_nanos(1));
        }
    }
}

/// A reader that reads a message and is gone before its sender has looked: the message was received.
#[test]
fn a_message_that_was_read_before_its_reader_went_is_sent() {
    for (read, found) in [(32, writer::InTurn::Pushed), (16, writer::InTurn::Gone)] {
        let (writer, reader) = regions();
        let mut lane = WriterLane::new(&spec(), writer, Arc::clone(&reader));
        lane.push_first(&[1; 16]).unwrap();
        let page = Page::new(reader);
        page.word(COUNTERS + POSITION * 8).store(read, Ordering::Relaxed);
        page.word(CLOSED).store(1, Ordering::Relaxed);
        page.word(WAITING).store(u64::MAX, Ordering::Relaxed);
        assert_eq!(lane.push_in_turn(&[2; 16]), found, "read up to {read}");
        assert_eq!(lane.push_in_turn(&[3; 16]), writer::InTurn::NoTurn);
    }
}

/// As a whole look does; and what one in vain has read is given back by that, if it is to be.
#[test]
fn a_short_look_shows_how_much_it_has_found() {
    const MOST: u64 = 8 << 10;
    let (writer, reader) = regions();
    let mut sends = WriterLane::new(&spec(), Arc::clone(&writer), Arc::clone(&reader));
    let mut receives = ReaderLane::new(&spec(), writer, reader);
    for _ in 0..3 {
        sends.push(&[1; 16]).unwrap();
    }
    assert_eq!(receives.begin_plain_turn(MOST), Ok(true));
    while receives.pop_in_turn(&mut [0; 16]) {}
    assert_eq!((receives.peek(MOST, 16), receives.counters().depth), (Peek::Look, 48));
    assert_eq!(receives.begin_plain_turn(MOST), Ok(false));
    assert_eq!(receives.peek(MOST, 16), Peek::Nothing);
    while sends.push(&[1; 16]).is_ok() {}
    assert!(sends.arm(16) && sends.sleep_on(16).is_some());
    assert_eq!((receives.peek(MOST, 16), receives.counters().depth), (Peek::Ready, 1024));
    assert!(sends.sleep_on(16).is_some(), "nothing more was read");
}
