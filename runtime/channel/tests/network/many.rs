//! A sender that listens for many receivers, of which some are processes that are stopped and killed.
//!
//! spec: NET-1.2, NET-1.3

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use adit_channel::{Builder, DisconnectCause, Driver, Mode, OnFull, Receiver, RecvError, SendError, Sender};

use super::{PATIENCE, Process, builder, drivers, message};

/// A mode, and what its sender does when there is no room.
const WORLDS: [(Mode, OnFull); 4] = [
    (Mode::Spmc, OnFull::Block(PATIENCE)),
    (Mode::Broadcast, OnFull::Block(PATIENCE)),
    (Mode::Broadcast, OnFull::OverwriteOldest),
    (Mode::Broadcast, OnFull::Latest),
];

/// How long a sender waits that may be held up.
const A_WHILE: Duration = Duration::from_millis(100);

/// What a receiver got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Got {
    messages: u64,
    lost: u64,
    /// One more than the last number.
    next: u64,
}

/// Receives until the sender has closed.
fn take_all(receiver: &mut Receiver) -> Got {
    let (mut next, mut buffer) = (0, vec![0; 4096]);
    let end = loop {
        match receiver.recv(&mut buffer, PATIENCE) {
            Ok(len) => {
                let message = &buffer[..len.expect("there is more to come")];
                let number = u64::from_le_bytes(message[..8].try_into().unwrap());
                assert!(number >= next && message == super::message(number), "message {number}");
                next = number + 1;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(end, RecvError::Disconnected { cause: DisconnectCause::Closed });
    let counters = receiver.counters();
    Got { messages: counters.messages, lost: counters.lost, next }
}

/// What a process does that receives.
pub fn listen(builder: &Builder) {
    let got = take_all(&mut builder.receiver().unwrap());
    println!("got {} {} {}", got.messages, got.lost, got.next);
}

/// What a process does that sends: until it is killed.
pub fn cast(builder: &Builder) {
    let mut sender = builder.sender().unwrap();
    println!("at {}", sender.network().unwrap().address);
    assert!(sender.wait_for_receivers(3, PATIENCE));
    for number in 0_u64.. {
        sender.send(&message(number), PATIENCE).unwrap();
    }
}

/// What such a process says that it got.
fn said(process: Process) -> Got {
    let words = process.last_words();
    let line = words.lines().find_map(|line| line.split_once("got ")).unwrap_or_else(|| panic!("{words}")).1;
    let mut numbers = line.split_whitespace().map(|word| word.parse().unwrap());
    let mut number = || numbers.next().unwrap();
    Got { messages: number(), lost: number(), next: number() }
}

/// A sender, one receiver in this process, and where others join.
fn open(uri: &str, driver: Driver, (mode, on_full): (Mode, OnFull)) -> (Sender, JoinHandle<Got>, String) {
    let mut sender = builder(uri, driver).mode(mode).on_full(on_full).sender().unwrap();
    let address = sender.network().unwrap().address.clone();
    let mut receiver = builder(&address, driver).mode(mode).receiver().unwrap();
    let reading = thread::spawn(move || take_all(&mut receiver));
    assert!(sender.wait_for_receivers(1, PATIENCE));
    (sender, reading, address)
}

fn role(mode: Mode) -> &'static str {
    if mode == Mode::Spmc { "sharer" } else { "listener" }
}

/// Runs `trial` in every world over both kinds of connection, with both drivers.
fn everywhere(trial: impl Fn(&str, &'static str, Driver, (Mode, OnFull))) {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("many.sock").display());
    for (at, (name, driver)) in drivers().into_iter().enumerate() {
        for (which, world) in WORLDS.into_iter().enumerate() {
            trial(if (at + which) % 2 == 0 { "tcp://127.0.0.1:0" } else { &unix }, name, driver, world);
        }
    }
}

#[test]
fn a_receiver_that_is_stopped_holds_up_nobody_who_need_not_wait_and_knows_what_it_missed() {
    // More than the kernel, both rings and the process take.
    const COUNT: u64 = 20_000;
    everywhere(|uri, name, driver, world| {
        let (mut sender, reading, address) = open(uri, driver, world);
        let process = Process::new(role(world.0), &address, name);
        assert!(sender.wait_for_receivers(2, PATIENCE));
        process.stop();
        let held_up = matches!(world, (Mode::Broadcast, OnFull::Block(_)));
        let (mut number, mut waited) = (0, false);
        while number < COUNT {
            match sender.send(&message(number), if held_up && !waited { A_WHILE } else { PATIENCE }) {
                Ok(()) => number += 1,
                Err(error) => {
                    assert_eq!((error, held_up, waited), (SendError::TimedOut, true, false), "{world:?}");
                    waited = true;
                    process.go_on();
                }
            }
        }
        assert_eq!(waited, held_up, "{world:?}");
        assert!(held_up || world.0 == Mode::Spmc || sender.counters().stalls == 0, "{world:?}");
        assert_eq!(sender.receivers(), 2);
        process.go_on();
        drop(sender);
        let (near, far) = (reading.join().unwrap(), said(process));
        match world {
            (Mode::Spmc, _) => assert_eq!(near.messages + far.messages, COUNT),
            _ => {
                for got in [near, far] {
                    assert_eq!((got.messages + got.lost, got.next), (COUNT, COUNT), "{world:?}");
                }
                assert!(
                    if held_up { (near.lost, far.lost) == (0, 0) } else { far.lost > 0 },
                    "{world:?}: {far:?}"
                );
            }
        }
    });
}

#[test]
fn receivers_that_are_killed_are_counted_and_the_others_go_on() {
    everywhere(|uri, name, driver, world| {
        let (mut sender, reading, address) = open(uri, driver, world);
        let mut number = 0;
        for round in 1..=4 {
            let mut process = Process::new(role(world.0), &address, name);
            assert!(sender.wait_for_receivers(2, PATIENCE));
            let (begin, first) = (Instant::now(), number);
            // Every other one is stopped before, so that what it was sent is on its way.
            if round % 2 == 0 {
                process.stop();
            }
            let mut is_alive = true;
            while sender.departed().died < round {
                match sender.send(&message(number), A_WHILE) {
                    Ok(()) => number += 1,
                    Err(error) => assert!(error == SendError::TimedOut && is_alive, "{world:?}: {error}"),
                }
                if is_alive && (number == first + round * 500 || begin.elapsed() > A_WHILE) {
                    process.kill();
                    is_alive = false;
                }
                assert!(begin.elapsed() < PATIENCE, "{world:?}: nobody hears of it");
            }
            assert_eq!(sender.receivers(), 1);
        }
        let departed = sender.departed();
        assert_eq!((departed.died, departed.closed), (4, 0));
        drop(sender);
        let got = reading.join().unwrap();
        match world.0 {
            Mode::Spmc => assert!(got.messages > 0 && got.messages <= number),
            _ => assert_eq!((got.messages + got.lost, got.next), (number, number), "{world:?}"),
        }
    });
}

#[test]
fn what_a_sender_that_was_killed_had_sent_arrives_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("killed.sock").display());
    for (name, driver) in drivers() {
        for (role, mode) in [("caster", Mode::Broadcast), ("giver", Mode::Spmc)] {
            for uri in ["tcp://127.0.0.1:0", &unix] {
                let mut process = Process::new(role, uri, name);
                let address = process.address();
                let receivers: Vec<_> =
                    (0..3).map(|_| builder(&address, driver).mode(mode).receiver().unwrap()).collect();
                let reading = receivers.into_iter().map(|mut receiver| {
                    thread::spawn(move || {
                        let (mut got, mut buffer) = (Vec::new(), vec![0; 4096]);
                        let end = loop {
                            match receiver.recv(&mut buffer, PATIENCE) {
                                Ok(len) => {
                                    let found = &buffer[..len.expect("it sends all the time")];
                                    let number = u64::from_le_bytes(found[..8].try_into().unwrap());
                                    assert!(found == message(number), "message {number}");
                                    got.push(number);
                                }
                                Err(error) => break error,
                            }
                        };
                        assert_eq!(end, RecvError::Disconnected { cause: DisconnectCause::PeerDied });
                        got
                    })
                });
                let reading: Vec<_> = reading.collect();
                thread::sleep(A_WHILE);
                process.kill();
                for got in reading.into_iter().map(|reading| reading.join().unwrap()) {
                    assert!(!got.is_empty() && got.is_sorted_by(|before, next| before < next));
                    assert!(
                        mode == Mode::Spmc || got.into_iter().zip(0..).all(|(number, due)| number == due)
                    );
                }
            }
        }
    }
}
