//! Receivers that break the rules, dawdle, or go in the middle, at a sender that listens for many: the others get what
//! they are due.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::net::sockopt;

use super::{
    many::{World, narrow},
    *,
};
use crate::{
    lane::Spec,
    transport::net::{
        frame::{Frame, HEADER},
        hello::{HELLO, Hello, Status},
    },
};

/// What it does; the connection ends when it returns.
type Attack = fn(World, &mut TcpStream);

const ATTACKS: [(&str, Attack); 13] = [
    ("speaks another language", |_, stream| write(stream, b"GET / HTTP/1.1\r\n\r\n")),
    ("is of another version", |world, stream| {
        let mut bytes = greeting(world).to_bytes();
        bytes[8] = 99;
        write(stream, &bytes);
        assert_eq!(answer(stream), Some(Status::Different));
    }),
    ("asks for another channel", |world, stream| {
        let mut hello = greeting(world);
        hello.spec.capacity *= 2;
        write(stream, &hello.to_bytes());
        assert_eq!(answer(stream), Some(Status::Different));
    }),
    ("answers instead of greeting", |world, stream| {
        write(stream, &Hello { status: Status::Accepted, ..greeting(world) }.to_bytes());
        assert_eq!(answer(stream), Some(Status::Failed));
    }),
    ("stops in its greeting", |world, stream| write(stream, &greeting(world).to_bytes()[..HELLO - 1])),
    ("goes when it is in", |world, stream| join(world, stream)),
    ("resets when it is in", |world, stream| {
        join(world, stream);
        sockopt::set_socket_linger(stream.as_fd(), Some(Duration::ZERO)).unwrap();
    }),
    ("goes in the middle", |world, stream| {
        join(world, stream);
        drop(stream.read(&mut [0; 777]));
    }),
    ("says something else than goodbye", |world, stream| {
        join(world, stream);
        write(stream, &[0x5a; HEADER]);
        is_cut_off(stream);
    }),
    ("sends frames", |world, stream| {
        join(world, stream);
        write(stream, &Frame::Gap { lost: 1 << 40 }.to_bytes());
        is_cut_off(stream);
    }),
    ("says half a goodbye", |world, stream| {
        join(world, stream);
        write(stream, &Frame::Goodbye.to_bytes()[..7]);
    }),
    ("floods", |world, stream| {
        join(world, stream);
        write(stream, &vec![0xff; 1 << 20]);
        is_cut_off(stream);
    }),
    ("says no more", |world, stream| {
        join(world, stream);
        let _ = stream.shutdown(Shutdown::Write);
        is_cut_off(stream);
    }),
];

fn greeting(world: World) -> Hello {
    let spec = Spec { mode: world.mode, capacity: 1 << 14, kind: MessageKind::bytes() };
    Hello { status: Status::Hello, spec, codec: 0, rule: 0, session: 0 }
}

/// Who is cut off meanwhile does not mind.
fn write(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

/// `None`: hung up on.
fn answer(stream: &mut TcpStream) -> Option<Status> {
    let mut answer = [0; HELLO];
    stream.read_exact(&mut answer).ok()?;
    let hello = Hello::from_bytes(&answer).unwrap();
    Some(hello.status)
}

pub fn join(world: World, stream: &mut TcpStream) {
    write(stream, &greeting(world).to_bytes());
    // There may be no place for now: those before it are not all known to be gone.
    assert!(matches!(answer(stream), Some(Status::Accepted | Status::Taken)));
}

/// Whatever is sent to it, the end of it comes.
fn is_cut_off(stream: &mut TcpStream) {
    let (mut bytes, begun) = ([0; 4096], Instant::now());
    while stream.read(&mut bytes).is_ok_and(|len| len > 0) {
        assert!(begun.elapsed() < LONG, "it is not cut off");
    }
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream
}

/// The numbers that an honest receiver gets, whole and in order, and how many it lost.
fn collect(mut receiver: Receiver) -> (Vec<u64>, u64) {
    let mut got: Vec<u64> = Vec::new();
    let end = loop {
        match receiver.read_within(LONG) {
            Ok(found) => {
                let bytes = found.expect("there is more to come").to_vec();
                let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                assert!(bytes == message(number, 900), "message {number}");
                assert!(got.last().is_none_or(|last| *last < number));
                got.push(number);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(end, RecvError::Disconnected { cause: DisconnectCause::Closed });
    (got, receiver.counters().lost)
}

/// What honest receivers get while attackers come, one after the other.
fn withstands(world: World, driver: Driver, name: &str, attack: Attack) {
    let options = NetworkOptions { handshake_timeout: Duration::from_millis(200), ..narrow(driver) };
    let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| world.builder(uri, &options));
    let honest: Vec<_> = (0..2)
        .map(|_| {
            let receiver = builder.receiver().unwrap();
            thread::spawn(move || collect(receiver))
        })
        .collect();
    assert!(sender.wait_for_receivers(2, LONG));
    let address = sender.network().unwrap().address.clone();
    let attacking = AtomicBool::new(true);
    let mut sent = 0;
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..8 {
                        attack(world, &mut connect(&address));
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
            attacking.store(false, Ordering::Release);
        });
        // As long as somebody attacks, and then some more.
        let mut more = 500;
        while more > 0 {
            more -= u64::from(!attacking.load(Ordering::Acquire));
            assert!(sender.push(&message(sent, 900)).is_ok(), "{world:?}: one {name}");
            sent += 1;
        }
    });
    // Of messages that went to attackers nobody gets anything any more.
    let begun = Instant::now();
    while sender.receivers() > 2 {
        assert!(begun.elapsed() < LONG, "{world:?}: one {name} and is kept");
        thread::yield_now();
    }
    drop(sender);
    for (got, lost) in honest.into_iter().map(|honest| honest.join().unwrap()) {
        if world.mode == Mode::Broadcast {
            assert_eq!(
                (got.len() as u64 + lost, got.last()),
                (sent, Some(&(sent - 1))),
                "{world:?}: one {name}"
            );
            assert!(lost == 0 || !world.loses_nothing());
        } else {
            assert!(!got.is_empty() && lost == 0, "{world:?}: one {name}");
        }
    }
}

#[test]
fn whatever_a_receiver_does_the_others_get_what_they_are_due() {
    for world in World::ALL {
        for (name, attack) in ATTACKS {
            for driver in drivers() {
                withstands(world, driver, name, attack);
            }
        }
    }
}

/// A receiver that never reads holds up a sender that waits for it, until it goes, and no other.
#[test]
fn who_never_reads_holds_up_nobody_who_need_not_wait() {
    const COUNT: u64 = 5000;
    for driver in drivers() {
        for world in World::ALL {
            let options = narrow(driver);
            let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| world.builder(uri, &options));
            let receiver = builder.receiver().unwrap();
            let honest = thread::spawn(move || collect(receiver));
            let mut deaf = connect(&sender.network().unwrap().address.clone());
            join(world, &mut deaf);
            assert!(sender.wait_for_receivers(2, LONG));
            let held_up = world.loses_nothing() && world.mode == Mode::Broadcast;
            let (mut deaf, mut number) = (Some(deaf), 0);
            while number < COUNT {
                match sender
                    .send(&message(number, 900), Duration::from_millis(if held_up { 100 } else { 20_000 }))
                {
                    Ok(()) => number += 1,
                    Err(error) => {
                        assert_eq!((error, held_up), (SendError::TimedOut, true), "{world:?}");
                        // It goes without a word.
                        assert!(deaf.take().is_some(), "{world:?}: it is held up by one that has gone");
                    }
                }
            }
            assert_eq!(deaf.is_none(), held_up, "{world:?}");
            drop(deaf);
            let begun = Instant::now();
            while sender.receivers() > 1 {
                assert!(begun.elapsed() < LONG);
                thread::yield_now();
            }
            assert_eq!(sender.departed().died, 1);
            drop(sender);
            let (got, lost) = honest.join().unwrap();
            match world.mode {
                Mode::Broadcast => assert_eq!(got.len() as u64 + lost, COUNT),
                _ => assert!(!got.is_empty()),
            }
        }
    }
}

/// Nor when it is dropped.
#[test]
fn who_never_reads_does_not_keep_a_sender_that_overwrites_from_closing() {
    for driver in drivers() {
        for world in World::ALL.into_iter().filter(|world| !world.loses_nothing()) {
            let options = narrow(driver);
            let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| world.builder(uri, &options));
            let receiver = builder.receiver().unwrap();
            let mut deaf = connect(&sender.network().unwrap().address.clone());
            join(world, &mut deaf);
            assert!(sender.wait_for_receivers(2, LONG));
            let honest = thread::spawn(move || collect(receiver));
            for number in 0..2000 {
                sender.push(&message(number, 900)).unwrap();
            }
            let begun = Instant::now();
            drop(sender);
            assert!(begun.elapsed() < Duration::from_secs(4), "{world:?}: it was waited for");
            let (got, lost) = honest.join().unwrap();
            assert_eq!((got.len() as u64 + lost, got.last()), (2000, Some(&1999)));
        }
    }
}
