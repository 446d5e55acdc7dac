//! `ipc://` between processes of which one or both are stopped for a while: the other goes on, its timeouts are
//! kept, nothing is lost, and everything is in order.

use std::time::{Duration, Instant};

use adit_channel::{DisconnectCause, RecvError, SendError};

use super::peers::{CLOSED, In, Kind, Noise, Out, PATIENCE, Process, finish, rounds};

/// A wait that is to end without anything.
const SHORT: Duration = Duration::from_millis(2);

/// More of them on request.
fn stops() -> u64 {
    rounds("ADIT_TEST_STOPS", 24)
}

/// Receives what there is until a wait ends without a message, which must have taken its time.
fn drain(receiver: &mut In) {
    loop {
        let begin = Instant::now();
        if receiver.receive(SHORT).unwrap().is_none() {
            assert!(begin.elapsed() >= SHORT);
            return;
        }
    }
}

/// Sends until a wait ends without room, which must have taken its time.
fn fill(sender: &mut Out) {
    loop {
        let begin = Instant::now();
        match sender.send(SHORT) {
            Ok(()) => {}
            Err(SendError::TimedOut) => {
                assert!(begin.elapsed() >= SHORT);
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Lets the process go on after a while, in which this side does something.
fn meanwhile(process: &Process, after: Duration, something: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(after);
            process.go_on();
        });
        something();
    });
}

#[test]
fn a_stopped_sender_delays_and_loses_nothing() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let mut receiver = kind.receiver(house.path());
        let senders: Vec<_> = (0..kind.senders()).map(|n| kind.sending(house.path(), n as u64)).collect();
        while receiver.counts.contains(&0) {
            receiver.receive(PATIENCE).unwrap();
        }
        let mut noise = Noise(1);
        for round in 0..stops() {
            (0..noise.below(300)).for_each(|_| assert!(receiver.receive(PATIENCE).unwrap().is_some()));
            noise.nap(200);
            let stopped = &senders[noise.index(senders.len())];
            let others = senders.iter().filter(|one| !std::ptr::eq(*one, stopped));
            stopped.stop();
            if round % 2 == 0 {
                let others: Vec<_> = others.inspect(|other| other.stop()).collect();
                drain(&mut receiver);
                others.into_iter().for_each(Process::go_on);
                stopped.go_on();
            } else {
                let after = Duration::from_micros(noise.below(1000));
                let most = noise.below(200);
                meanwhile(stopped, after, || {
                    (0..most).for_each(|_| assert!(receiver.receive(PATIENCE).unwrap().is_some()));
                });
            }
        }
        finish(house.path());
        while receiver.receive(PATIENCE) != Err(CLOSED) {}
        for (sender, count) in senders.into_iter().zip(&receiver.counts) {
            assert_eq!(sender.reported(), *count);
            sender.join();
        }
    }
}

#[test]
fn while_one_sender_stands_the_other_is_heard() {
    let house = tempfile::tempdir().unwrap();
    let mut receiver = Kind::Many.receiver(house.path());
    let senders = [0, 1].map(|number| Kind::Many.sending(house.path(), number));
    for stopped in [0, 1] {
        while receiver.counts.contains(&0) {
            receiver.receive(PATIENCE).unwrap();
        }
        senders[stopped].stop();
        let enough = receiver.counts[1 - stopped] + 1_000;
        while receiver.counts[1 - stopped] < enough {
            assert!(receiver.receive(PATIENCE).unwrap().is_some());
        }
        senders[stopped].go_on();
    }
}

#[test]
fn a_stopped_receiver_delays_and_loses_nothing() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let receiver = kind.receiving(house.path());
        let mut senders: Vec<_> = (0..kind.senders()).map(|n| kind.sender(house.path(), n as u64)).collect();
        let mut noise = Noise(2);
        for round in 0..stops() {
            let mut some = |most: u64| {
                for sender in &mut senders {
                    (0..most).for_each(|_| sender.send(PATIENCE).unwrap());
                }
            };
            some(noise.below(300));
            noise.nap(200);
            receiver.stop();
            if round % 2 == 0 {
                senders.iter_mut().for_each(fill);
                receiver.go_on();
            } else {
                let (after, most) = (Duration::from_micros(noise.below(1000)), noise.below(200));
                meanwhile(&receiver, after, || some(most));
            }
        }
        let sent: u64 = senders.iter().map(|sender| sender.count).sum();
        drop(senders);
        receiver.wait_for_more_than(sent - 1);
        assert_eq!(receiver.reported(), sent);
        receiver.join();
    }
}

#[test]
fn both_ends_stopped_at_any_time_go_on() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let receiver = kind.receiving(house.path());
        let senders: Vec<_> = (0..kind.senders()).map(|n| kind.sending(house.path(), n as u64)).collect();
        senders.iter().for_each(|sender| sender.wait_for_more_than(0));
        let mut noise = Noise(3);
        for round in 0..stops() {
            noise.nap(500);
            let mut all: Vec<_> = senders.iter().chain([&receiver]).collect();
            // Both kinds of ends, in any order; who is stopped last sees the other standing.
            let first = noise.index(all.len());
            all.rotate_left(first);
            for process in &all {
                process.stop();
                noise.nap(300);
            }
            let first = noise.index(all.len());
            all.rotate_left(first);
            for process in all {
                process.go_on();
                noise.nap(300);
            }
            if round % 8 == 0 {
                receiver.wait_for_more_than(receiver.reported());
            }
        }
        finish(house.path());
        let begin = Instant::now();
        let sent = || senders.iter().map(Process::reported).sum::<u64>();
        while receiver.reported() < sent() || senders.iter().any(|one| !one.is_over()) {
            assert!(begin.elapsed() < PATIENCE, "{} of {} came", receiver.reported(), sent());
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(receiver.reported(), sent());
        senders.into_iter().for_each(Process::join);
        receiver.join();
    }
}

#[test]
fn a_sender_killed_while_it_stands_is_noticed() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let mut receiver = kind.receiver(house.path());
        let mut sender = kind.sending(house.path(), 0);
        (0..100).for_each(|_| assert!(receiver.receive(PATIENCE).unwrap().is_some()));
        sender.stop();
        drain(&mut receiver);
        sender.kill();
        let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
        assert_eq!(receiver.receive(PATIENCE), Err(died));
        assert!((0..=1).contains(&(receiver.counts[0] - sender.reported())));
    }
}
