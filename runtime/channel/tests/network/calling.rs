//! Many senders and many receivers, of which some are processes that are killed: each receiver listens, and each sender
//! calls them all.
//!
//! spec: NET-1.5

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use adit_channel::{Builder, Driver, Mode, Receiver, RecvError, Sender};

use super::{PATIENCE, PLACE, Process, builder, drivers, message};

/// Between the addresses that a process is told.
pub const AND: char = '|';

/// For a sender that calls all of them.
fn calls(builder: Builder, addresses: &[String]) -> Builder {
    addresses[1..].iter().fold(builder, |builder, uri| builder.also_at(uri).unwrap())
}

fn open(addresses: &[String], driver: Driver) -> Sender {
    calls(builder(&addresses[0], driver).mode(Mode::Mpmc), addresses).sender().unwrap()
}

/// What a process does that sends: until it is killed. Its numbers are its own.
pub fn feed(builder: Builder) {
    let addresses: Vec<String> = std::env::var(PLACE).unwrap().split(AND).map(str::to_owned).collect();
    let mut sender = calls(builder, &addresses).sender().unwrap();
    assert!(sender.wait_for_receivers(addresses.len(), PATIENCE));
    for number in u64::from(std::process::id()) << 32.. {
        sender.send(&message(number), PATIENCE).unwrap();
    }
}

/// What a process does that receives: until it is killed.
pub fn work(builder: &Builder) {
    let mut receiver = builder.receiver().unwrap();
    println!("at {}", receiver.network().unwrap().address);
    loop {
        match receiver.recv_batch(100, |_| ()) {
            Ok(0) => drop(receiver.wait(PATIENCE)),
            Ok(_) => {}
            Err(error) => assert!(matches!(error, RecvError::Disconnected { .. }), "{error}"),
        }
    }
}

/// Receives until nobody sends any more and `over` says so; how many of each sender, whose messages come whole, in order
/// and once.
fn collect(mut receiver: Receiver, over: Arc<AtomicBool>) -> JoinHandle<(Vec<u64>, Receiver)> {
    thread::spawn(move || {
        let (mut got, mut last, mut buffer) = (Vec::new(), BTreeMap::new(), vec![0; 4096]);
        loop {
            let is_over = over.load(Ordering::Acquire);
            match receiver.recv(&mut buffer, Duration::from_millis(20)) {
                Ok(Some(len)) => {
                    let number = u64::from_le_bytes(buffer[..8].try_into().unwrap());
                    assert!(buffer[..len] == message(number), "message {number:x}");
                    let before = last.insert(number >> 32, number);
                    assert!(before.is_none_or(|before| before < number), "{number:x} comes late");
                    got.push(number);
                }
                Ok(None) | Err(RecvError::Disconnected { .. }) if is_over => return (got, receiver),
                Ok(None) => {}
                Err(RecvError::Disconnected { .. }) => thread::yield_now(),
                Err(error) => panic!("{error}"),
            }
        }
    })
}

#[test]
fn receivers_that_are_killed_are_called_again_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    for (name, driver) in drivers() {
        let place = format!("unix://{}", folder.path().join(name).display());
        let mut process = Process::new("worker", &place, name);
        process.address();
        let near = builder("tcp://127.0.0.1:0", driver).mode(Mode::Mpmc).receiver().unwrap();
        let addresses = [place.clone(), near.network().unwrap().address.clone()];
        let over = Arc::new(AtomicBool::new(false));
        let receiving = collect(near, Arc::clone(&over));
        let mut senders = [0, 1].map(|_| open(&addresses, driver));
        let mut sent = [0, 0];
        for round in 1..=4 {
            assert!(senders.iter_mut().all(|sender| sender.wait_for_receivers(2, PATIENCE)), "round {round}");
            let (begun, kill_at) = (Instant::now(), sent[1] + round * 150);
            while senders.iter_mut().any(|sender| sender.departed().died < round) {
                for ((who, sender), sent) in (0_u64..).zip(&mut senders).zip(&mut sent) {
                    sender.send(&message(who << 32 | *sent), PATIENCE).unwrap();
                    *sent += 1;
                    if who == 1 && *sent == kill_at {
                        process.kill();
                    }
                }
                assert!(begun.elapsed() < PATIENCE, "round {round}: nobody hears of it");
            }
            process = Process::new("worker", &place, name);
            process.address();
        }
        drop(senders);
        over.store(true, Ordering::Release);
        let (mut got, _) = receiving.join().unwrap();
        let count = got.len();
        got.sort_unstable();
        got.dedup();
        assert!(count > 0 && count == got.len(), "{} came twice", count - got.len());
        assert!(got.into_iter().all(|number| number & 0xffff_ffff < sent[(number >> 32) as usize]));
    }
}

#[test]
fn what_senders_that_were_killed_had_sent_arrives_once_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (name, driver) in drivers() {
        let unix = format!("unix://{}", folder.path().join(name).display());
        let receivers =
            ["tcp://127.0.0.1:0", &unix].map(|uri| builder(uri, driver).mode(Mode::Mpmc).receiver().unwrap());
        let addresses = receivers.each_ref().map(|receiver| receiver.network().unwrap().address.clone());
        let over = Arc::new(AtomicBool::new(false));
        let receiving = receivers.map(|receiver| collect(receiver, Arc::clone(&over)));
        let mut steady = open(&addresses, driver);
        assert!(steady.wait_for_receivers(2, PATIENCE));
        let mut number = 0;
        for _ in 0..3 {
            let mut feeders = [0, 1].map(|_| Process::new("feeder", &addresses.join(&AND.to_string()), name));
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(150) {
                steady.send(&message(number), PATIENCE).unwrap();
                number += 1;
            }
            feeders.iter_mut().for_each(Process::kill);
        }
        drop(steady);
        over.store(true, Ordering::Release);
        let mut all = Vec::new();
        for (got, receiver) in receiving.map(|one| one.join().unwrap()) {
            // All six, unless a machine that is slow killed one before it had joined.
            assert!(receiver.departed().died <= 6);
            all.extend(got);
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(count, all.len(), "a message came twice");
        assert!(all.iter().filter(|got| **got >> 32 == 0).copied().eq(0..number));
        assert!(all.last().is_some_and(|last| last >> 32 > 0), "nothing came of those that were killed");
    }
}
