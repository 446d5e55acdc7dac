//! A stream that is shared out costs few sends, whoever they are for.
//!
//! spec: NET-1.2

use std::{io::Read as _, net::TcpStream};

use super::{
    hostile_receivers::{connect, join},
    many::World,
    *,
};
use crate::transport::net::frame::{Frame, HEADER};

const SPMC: World = World::ALL[0];
const TO_ALL: World = World::ALL[1];

/// How many frames come until the goodbye, and how many messages are in them.
fn count(mut stream: TcpStream) -> (u64, u64) {
    let (mut frames, mut messages, mut head, mut body) = (0, 0, [0; HEADER], Vec::new());
    loop {
        stream.read_exact(&mut head).unwrap();
        match Frame::from_bytes(&head, 1 << 16).unwrap() {
            Frame::Records { wire, count, .. } => {
                body.resize(wire as usize, 0);
                stream.read_exact(&mut body).unwrap();
                (frames, messages) = (frames + 1, messages + u64::from(count));
            }
            _ => return (frames, messages),
        }
    }
}

#[test]
fn a_stream_that_is_shared_out_is_gathered_for_each() {
    const COUNT: u64 = 60_000;
    for driver in drivers() {
        // The sender calls its transport for each message, or once in a turn.
        for publish_every in [0, 4096] {
            // In turns of 512 bytes, which are eight messages.
            let (mut sender, _) = open_to_many("tcp://127.0.0.1:0", |uri| {
                SPMC.builder(uri, &options(driver)).credit(4096).publish_every(publish_every)
            });
            let address = sender.network().unwrap().address.clone();
            let readers: Vec<_> = (0..2)
                .map(|_| {
                    let mut stream = connect(&address);
                    join(SPMC, &mut stream);
                    thread::spawn(move || count(stream))
                })
                .collect();
            assert!(sender.wait_for_receivers(2, LONG));
            for _ in 0..COUNT {
                sender.send(&[7; 56], LONG).unwrap();
            }
            drop(sender);
            let counts: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
            let sum = |which: fn(&(u64, u64)) -> u64| counts.iter().map(which).sum::<u64>();
            let (frames, messages) = (sum(|count| count.0), sum(|count| count.1));
            assert_eq!(messages, COUNT);
            assert!(frames < COUNT / 16, "{driver:?}, published every {publish_every}: {frames} frames");
        }
    }
}

/// Each receiver of all gets few frames, however many there are.
#[test]
fn a_stream_for_all_is_gathered_for_each() {
    const COUNT: u64 = 20_000;
    for driver in drivers() {
        let (mut sender, _) = open_to_many("tcp://127.0.0.1:0", |uri| TO_ALL.builder(uri, &options(driver)));
        let address = sender.network().unwrap().address.clone();
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let mut stream = connect(&address);
                join(TO_ALL, &mut stream);
                thread::spawn(move || count(stream))
            })
            .collect();
        assert!(sender.wait_for_receivers(8, LONG));
        for _ in 0..COUNT {
            sender.send(&[7; 56], LONG).unwrap();
        }
        drop(sender);
        for reader in readers {
            let (frames, messages) = reader.join().unwrap();
            assert_eq!(messages, COUNT);
            assert!(frames < COUNT / 16, "{driver:?}: {frames} frames");
        }
    }
}

#[test]
fn what_is_gathered_for_many_goes_out_without_the_sender() {
    for driver in drivers() {
        for credit in [None, Some(1), Some(4096)] {
            let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| {
                let builder = SPMC.builder(uri, &options(driver));
                match credit {
                    Some(credit) => builder.credit(credit),
                    None => builder,
                }
            });
            let mut receivers: Vec<_> = (0..3).map(|_| builder.receiver().unwrap()).collect();
            assert!(sender.wait_for_receivers(3, LONG));
            let (mut sent, mut got) = (0, 0);
            for round in 1..40 {
                // Ends in the middle of what is gathered, and the sender does nothing meanwhile.
                for _ in 0..37 * round {
                    sender.send(&[7; 56], LONG).unwrap();
                    sent += 1;
                }
                let begun = Instant::now();
                while got < sent {
                    for receiver in &mut receivers {
                        got += u64::from(receiver.try_recv(&mut [0; 56]).unwrap().is_some());
                    }
                    assert!(begun.elapsed() < LONG, "{driver:?}, credit {credit:?}: {got} of {sent}");
                }
            }
            assert_eq!(got, sent);
        }
    }
}

/// What is gathered fills a small ring long before it is sent for its length: then it goes, and nobody is told that there is no
/// room.
#[test]
fn a_small_ring_of_gathered_messages_is_not_full() {
    const COUNT: u64 = 2000;
    for driver in drivers() {
        for way in 0..4 {
            let small = |uri: &str| {
                let kind = MessageKind::fixed("tick", 56, 8);
                plain(driver)(uri).capacity(4096).kind(kind)
            };
            let (mut sender, mut receiver) = pair(small);
            // So much is in the kernel's buffers, though nobody reads.
            for number in 0..COUNT {
                let message = [number as u8; 56];
                let sent = match way {
                    0 => sender.try_send(&message),
                    1 => sender.claim(56).map(|mut claim| {
                        claim.write(0, &message);
                        claim.commit();
                    }),
                    2 => sender.try_send_run(56, &message).map(|count| assert_eq!(count, 1)),
                    _ => sender.send_batch([message], Duration::ZERO).map(drop).map_err(|error| error.error),
                };
                assert_eq!(sent, Ok(()), "{driver:?}, way {way}, message {number}");
            }
            let mut buffer = [0; 56];
            for number in 0..COUNT {
                assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(56)));
                assert_eq!(buffer, [number as u8; 56]);
            }
        }
    }
}

/// A call compresses for some milliseconds; what it leaves goes out though the sender does nothing more.
#[test]
fn what_takes_long_to_compress_goes_out_without_the_sender() {
    const COUNT: usize = 80;
    for driver in drivers() {
        let slow = |uri: &str| {
            let compression = Compression::Zstd { level: 19 };
            plain(driver)(uri).capacity(1 << 20).network(NetworkOptions { compression, ..options(driver) })
        };
        let (mut sender, mut receiver) = pair(slow);
        // Text of few words: much to look through for whoever compresses.
        let mut state = 1_u64;
        let mut letter = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            b'a' + (state >> 60) as u8
        };
        let mut message = |_| -> Vec<u8> { (0..8192).map(|_| letter()).collect() };
        let messages: Vec<Vec<u8>> = (0..COUNT).map(&mut message).collect();
        assert_eq!(sender.send_batch(&messages, LONG), Ok(COUNT));
        let mut buffer = vec![0; 8192];
        for message in &messages {
            assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8192)), "{driver:?}");
            assert!(buffer == *message);
        }
        drop(sender);
    }
}
