//! Ends in different threads: nothing is lost, however they wait.

use std::time::{Duration, Instant};

use super::{
    tests::{House, SCHEMES, numbered},
    *,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn length(number: u32) -> usize {
    8 + (number.wrapping_mul(0x9e37_79b9) >> 16) as usize % 200
}

/// Several senders, each in order; a ring so small that both sides wait often.
fn run(builder: &Builder, senders: u32, messages: u32) {
    let mut receiver = builder.receiver().unwrap();
    std::thread::scope(|scope| {
        for id in 0..senders {
            let mut sender = builder.sender().unwrap();
            scope.spawn(move || {
                for number in 0..messages {
                    sender.send(&numbered(id, number, length(number)), PATIENCE).unwrap();
                }
            });
        }
        let mut next = vec![0; senders as usize];
        for message in receiver.messages() {
            let message = message.unwrap();
            let id = u32::from_le_bytes(message[..4].try_into().unwrap());
            let number = &mut next[id as usize];
            assert_eq!(message, numbered(id, *number, length(*number)));
            *number += 1;
        }
        assert!(next.iter().all(|number| *number == messages), "{next:?}");
    });
    let counters = receiver.counters();
    assert_eq!(counters.messages, u64::from(senders * messages));
    assert!(counters.depth > 0 && counters.depth <= 1024, "{counters:?}");
    assert_eq!(receiver.departed().closed, u64::from(senders));
}

#[test]
fn one_sender_and_every_way_to_wait() {
    for scheme in SCHEMES {
        for waiting in [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark] {
            let messages = if waiting == Waiting::Spin { 2_000 } else { 20_000 };
            run(&House::new("one").builder(scheme).waiting(waiting), 1, messages);
        }
    }
}

#[test]
fn many_senders() {
    for scheme in SCHEMES {
        for waiting in [Waiting::SpinThenYield, Waiting::SpinThenPark] {
            run(&House::new("many").builder(scheme).mode(Mode::Mpsc).waiting(waiting), 4, 5_000);
        }
    }
}

#[test]
fn a_parked_receiver_is_woken_by_a_message_a_sender_and_a_close() {
    for (scheme, mode) in
        [("memory", Mode::Spsc), ("memory", Mode::Mpsc), ("ipc", Mode::Spsc), ("ipc", Mode::Mpsc)]
    {
        let house = House::new("parked");
        let builder = house.builder(scheme).mode(mode);
        let mut receiver = builder.receiver().unwrap();
        let begin = Instant::now();
        let (heard, hears) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let builder = &builder;
            scope.spawn(move || {
                // Long enough to be asleep; and nothing else wakes the receiver before it has answered.
                let pause = || std::thread::sleep(Duration::from_millis(20));
                let is_heard = || hears.recv_timeout(Duration::from_secs(10)).unwrap();
                pause();
                let mut sender = builder.sender().unwrap();
                pause();
                sender.try_send(b"x").unwrap();
                is_heard();
                pause();
                let mut claim = sender.claim(1).unwrap();
                claim.write(0, b"y");
                claim.commit();
                is_heard();
                pause();
                sender.send_batch([b"z"], PATIENCE).unwrap();
                is_heard();
                pause();
            });
            let mut all = Vec::new();
            for message in receiver.messages() {
                all.extend(message.unwrap());
                heard.send(()).unwrap();
            }
            assert_eq!(all, b"xyz");
        });
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_parked_sender_is_woken_by_a_guard_and_by_a_close() {
    for scheme in SCHEMES {
        let house = House::new("full");
        let builder = house.builder(scheme);
        let (mut receiver, mut sender) = (builder.receiver().unwrap(), builder.sender().unwrap());
        while sender.try_send(&[0; 100]).is_ok() {}
        std::thread::scope(|scope| {
            let sending = scope.spawn(move || {
                assert!(sender.claim_within(100, PATIENCE).is_ok());
                while sender.try_send(&[0; 100]).is_ok() {}
                let error = sender.send(&[0; 100], PATIENCE).unwrap_err();
                assert_eq!(error, SendError::Disconnected { cause: DisconnectCause::Closed });
                // One, if this thread began so late that there was room already.
                assert!((1..=2).contains(&sender.counters().stalls));
            });
            std::thread::sleep(Duration::from_millis(30));
            // A head is published a quarter of the ring late.
            for _ in 0..5 {
                drop(receiver.read().unwrap().unwrap());
            }
            std::thread::sleep(Duration::from_millis(100));
            drop(receiver);
            sending.join().unwrap();
        });
    }
}

#[test]
fn time_that_is_over_is_told() {
    for scheme in SCHEMES {
        let house = House::new("time");
        let builder = house.builder(scheme);
        let mut receiver = builder.receiver().unwrap();
        let short = Duration::from_millis(10);
        assert_eq!(receiver.recv(&mut [0; 8], short), Ok(None));
        let mut sender = builder.sender().unwrap();
        assert_eq!(receiver.recv(&mut [0; 8], short), Ok(None));
        assert!(receiver.read_within(short).unwrap().is_none());
        while sender.try_send(&[0; 100]).is_ok() {}
        assert_eq!(sender.send(&[0; 100], short), Err(SendError::TimedOut));
        assert!(matches!(sender.claim_within(100, short), Err(SendError::TimedOut)));
    }
}

#[test]
fn the_next_sender_can_be_waited_for() {
    for scheme in SCHEMES {
        let house = House::new("next");
        let builder = house.builder(scheme);
        let mut receiver = builder.receiver().unwrap();
        assert!(!receiver.wait_for_sender(Duration::from_millis(5)));
        for _ in 0..3 {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(10));
                    builder.sender().unwrap().try_send(b"x").unwrap();
                });
                assert!(receiver.wait_for_sender(PATIENCE));
                assert_eq!(receiver.messages().map(Result::unwrap).count(), 1);
            });
            let closed = RecvError::Disconnected { cause: DisconnectCause::Closed };
            assert_eq!(receiver.recv(&mut [0; 8], PATIENCE), Err(closed));
        }
    }
}
