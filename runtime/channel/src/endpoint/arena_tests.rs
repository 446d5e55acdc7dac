//! spec: CHN-7.1, CHN-7.2, CHN-7.3
//!
//! Channels with an arena: messages of any length, in order, in place or copied, whoever waits for whom.

use std::{sync::Arc, time::Duration};

use adit_memory::Region;
use adit_ring::{Misbehaved, stream::StreamMemory as _};

use super::{Builder, Channel, Mode, OpenError, OpenFailure, RecvError, SendError, Waiting};
use crate::{MessageKind, lane};

const PATIENCE: Duration = Duration::from_secs(30);

const ARENA: usize = 2 << 20;

/// The same channel in this process and over a socket.
fn both(name: &str, test: impl Fn(Builder)) {
    let directory = tempfile::tempdir().unwrap();
    for scheme in ["memory", "ipc"] {
        let channel = Channel::builder(&format!("{scheme}://{name}")).unwrap();
        test(channel.directory(directory.path().join("adit")).capacity(1 << 15).arena(ARENA));
    }
}

/// Bytes that tell the message's number and their own place.
pub(super) fn numbered(number: usize, len: usize) -> Vec<u8> {
    let mut state = number as u64 + 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Short ones, those around the limit, and up to the whole arena.
fn length(number: usize) -> usize {
    [0, 7, 4096, 4097, 100_000, 64, 5000, 700_001, ARENA, 4104, 1, 1 << 20][number % 12]
}

#[test]
fn messages_up_to_the_whole_arena_arrive_in_order() {
    both("arena-order", |channel| {
        let channel = channel.mode(Mode::Mpsc).waiting(Waiting::Park);
        let mut receiver = channel.receiver().unwrap();
        let mut sender = channel.sender().unwrap();
        assert_eq!(sender.longest(), ARENA);
        let count = 60;
        std::thread::scope(|scope| {
            scope.spawn(move || {
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
                assert_eq!(sender.counters().messages, count as u64);
            });
            let mut buffer = vec![0; ARENA];
            for number in 0..count {
                let message = numbered(number, length(number));
                match number % 4 {
                    0 => {
                        assert_eq!(receiver.recv(&mut buffer, PATIENCE), Ok(Some(message.len())));
                        assert!(buffer[..message.len()] == message[..], "{number}");
                    }
                    1 => {
                        assert_eq!(receiver.wait(PATIENCE), Ok(true));
                        let batch = receiver.recv_batch(1, |bytes| {
                            bytes.copy_to(0, &mut buffer[..bytes.len()]);
                            assert!(bytes.len() == message.len() && buffer[..bytes.len()] == message[..]);
                        });
                        assert_eq!(batch, Ok(1));
                    }
                    2 => {
                        receiver.read_within(PATIENCE).unwrap().unwrap().keep();
                        assert!(receiver.read().unwrap().unwrap().to_vec() == message, "{number}");
                    }
                    _ => assert!(receiver.messages().next().unwrap().unwrap() == message, "{number}"),
                }
            }
            assert_eq!(receiver.counters().messages, count as u64);
            let bytes: usize = (0..count).map(length).sum();
            assert_eq!(receiver.counters().bytes, bytes as u64);
        });
    });
}

/// Claims and messages lie in the arena itself, which begins where a huge page can.
#[test]
fn nothing_is_copied() {
    both("arena-place", |channel| {
        let mut receiver = channel.receiver().unwrap();
        let mut sender = channel.sender().unwrap();
        let arena = sender.arena().expect("the channel has one");
        let begin = arena.cast::<u8>().as_ptr().addr();
        assert!(begin.is_multiple_of(2 << 20) && arena.len() == ARENA);
        for len in [4097, ARENA] {
            let mut claim = sender.claim(len).unwrap();
            assert_eq!(claim.words().as_ptr().addr(), begin);
            // SAFETY: no other thread has an end of this channel.
            let bytes = unsafe { claim.as_mut_slice() };
            bytes[len - 1] = 9;
            claim.commit();
            let message = receiver.read().unwrap().unwrap();
            assert!(message.bytes().words().as_ptr().addr().is_multiple_of(2 << 20));
            let mut last = [0];
            message.bytes().copy_to(len - 1, &mut last);
            assert_eq!(last, [9]);
        }
        let claim = sender.claim(4096).unwrap();
        assert!(
            !(begin..begin + ARENA).contains(&claim.words().as_ptr().addr()),
            "short ones are in the ring"
        );
    });
}

#[test]
fn claims_are_taken_back_and_cut_short() {
    both("arena-claims", |channel| {
        let mut receiver = channel.receiver().unwrap();
        let mut sender = channel.sender().unwrap();
        drop(sender.claim(ARENA).unwrap());
        sender.claim(9000).unwrap().abort();
        assert!(receiver.read().unwrap().is_none());
        let mut claim = sender.claim(ARENA).unwrap();
        claim.write(0, b"only this");
        claim.commit_first(9);
        sender.try_send(&numbered(1, ARENA - 64)).unwrap();
        assert_eq!(sender.try_send(&numbered(2, 5000)), Err(SendError::Full));
        assert_eq!(sender.send(&numbered(2, 5000), Duration::from_millis(5)), Err(SendError::TimedOut));
        assert_eq!(sender.try_send(b"the ring has room"), Ok(()));
        let too_long = SendError::TooLong { len: ARENA + 1, most: ARENA };
        assert_eq!(sender.try_send(&vec![0; ARENA + 1]), Err(too_long));
        assert_eq!(sender.claim(ARENA + 1).err(), Some(too_long));
        assert_eq!(sender.claim_within(ARENA + 1, PATIENCE).err(), Some(too_long));
        assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"only this");
        assert_eq!(receiver.try_recv(&mut [0; 100]), Err(RecvError::TooLong { len: ARENA - 64 }));
        assert!(receiver.read().unwrap().unwrap().to_vec() == numbered(1, ARENA - 64));
        assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"the ring has room");
        drop(sender);
        assert!(matches!(receiver.read(), Err(RecvError::Disconnected { .. })));
    });
}

/// Several senders, each with an arena of its own, of which all wait for room again and again.
#[test]
fn senders_do_not_touch_each_others_arenas() {
    both("arena-many", |channel| {
        let channel = channel.mode(Mode::Mpsc).measure_latency(true);
        let mut receiver = channel.receiver().unwrap();
        let senders: Vec<_> = (0..3).map(|_| channel.sender().unwrap()).collect();
        let count = 40;
        std::thread::scope(|scope| {
            for (which, mut sender) in senders.into_iter().enumerate() {
                scope.spawn(move || {
                    for number in 0..count {
                        let message = numbered(which * 1000 + number, 300_000 + number);
                        sender.send(&message, PATIENCE).unwrap();
                    }
                });
            }
            let mut next = [0; 3];
            for _ in 0..3 * count {
                let message = receiver.read_within(PATIENCE).unwrap().unwrap().to_vec();
                let number = message.len() - 300_000;
                let which = (0..3).find(|which| message == numbered(which * 1000 + number, message.len()));
                let which = which.expect("no sender sent this");
                assert_eq!(number, next[which]);
                next[which] += 1;
            }
            assert_eq!(next, [count; 3]);
        });
        assert!(receiver.latency().unwrap().count() > 0);
    });
}

#[test]
fn both_ends_must_ask_for_the_same_arena() {
    both("arena-both", |channel| {
        let _receiver = channel.receiver().unwrap();
        let without = channel.clone().arena(0).sender().unwrap_err().to_string();
        assert!(
            without.contains("the other side has bytes of any length, with an arena of 2097152 bytes"),
            "{without}"
        );
        let larger = channel.clone().arena(ARENA + 1).sender().unwrap_err().to_string();
        assert!(larger.contains("asks for bytes of any length, with an arena of 4194304 bytes"), "{larger}");
        channel.sender().unwrap();
    });
}

#[test]
fn channels_that_can_have_no_arena_say_so() {
    let builder = |uri: &str| Channel::builder(uri).unwrap().arena(ARENA);
    let refused = |builder: Builder, why: &str| {
        for error in [builder.sender().err(), builder.receiver().err()] {
            assert!(
                matches!(error, Some(OpenError { failure: OpenFailure::Unsupported(what), .. }) if what.contains(why)),
                "{error:?}"
            );
        }
    };
    for uri in ["tcp://127.0.0.1:1", "unix:///nowhere/arena-none", "udp://239.1.1.1:9000"] {
        refused(builder(uri), "on networks");
    }
    refused(builder("memory://arena-none").kind(MessageKind::fixed("tick", 16, 8)), "any length");
    refused(builder("memory://arena-none").arena((1 << 40) + 1), "1 TiB");
    refused(builder("memory://arena-none").capacity(64), "128 bytes");
}

/// A peer that describes what is not in its arena is cut off.
#[test]
fn a_descriptor_that_cannot_be_is_named() {
    let spec =
        lane::Spec { mode: Mode::Spsc, capacity: 1 << 12, kind: MessageKind::bytes().with_arena(ARENA) };
    for (offset, length) in [(0, ARENA as u64 + 1), (64, 1), (u64::MAX, 1), (ARENA as u64, 0), (0, u64::MAX)]
    {
        let writer = Arc::new(Region::heap(spec.writer_size()).unwrap());
        let reader = Arc::new(Region::heap(lane::READER_SIZE).unwrap());
        let mut lane = lane::ReaderLane::new(&spec, Arc::clone(&writer), Arc::clone(&reader));
        let mut honest = lane::WriterLane::new(&spec, Arc::clone(&writer), Arc::clone(&reader));
        honest.push(&[1; 5000]).unwrap();
        let memory = lane::LaneMemory::new(spec.capacity, writer, reader);
        memory.words()[1].store(offset);
        memory.words()[2].store(length);
        let misbehaved = Misbehaved::Descriptor { position: 0, offset, length };
        assert_eq!(lane.read().unwrap_err().far().unwrap_err(), misbehaved);
        assert!(lane.is_broken());
        assert_eq!(lane.read_batch(1, |_| panic!("nothing is there")), Err(misbehaved));
        // The ring's record itself is as good as any.
        memory.words()[1].store(0);
        memory.words()[2].store(ARENA as u64);
        assert_eq!(lane.read().unwrap_err().far().unwrap().bytes().len(), ARENA);
    }
}
