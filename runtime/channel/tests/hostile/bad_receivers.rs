//! Receivers that break the rules, behind an honest sender.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use adit_channel::{Mode, SendError, Sender};

use super::house::{Hostile, KINDS, Kind, Noise, PATIENCE, SHORT, Target, attack_time, honest, within};

/// Sends if there is room soon; says whether it did.
fn send(sender: &mut Sender, target: Target, key: u64, number: u64) -> Result<bool, SendError> {
    match within(SHORT, || sender.send(&target.message(key, number), SHORT)) {
        Ok(()) => Ok(true),
        Err(SendError::TimedOut) => Ok(false),
        Err(error @ SendError::Disconnected { .. }) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// The only receiver is hostile, again and again.
#[test]
fn a_sender_survives_the_only_receiver() {
    for (mode, kind) in [
        (Mode::Spsc, Kind::Bytes),
        (Mode::Spsc, Kind::Fixed),
        (Mode::Mpsc, Kind::Measured),
        (Mode::Spsc, Kind::Arena),
    ] {
        honest(move |seed| {
            let house = tempfile::tempdir().unwrap();
            let mut noise = Noise(seed);
            let (key, target) = (noise.next(), Target::new(mode, kind));
            let mut hostile = Hostile::new("receiver", target, house.path(), noise.next());
            let (began, mut number, mut joined) = (Instant::now(), 0, 0);
            while began.elapsed() < attack_time() || joined < 3 && began.elapsed() < PATIENCE {
                hostile.go_on();
                let Ok(mut sender) = target.builder(house.path()).join_within(SHORT).sender() else {
                    continue;
                };
                joined += 1;
                while began.elapsed() < attack_time()
                    && let Ok(sent) = send(&mut sender, target, key, number)
                {
                    number += u64::from(sent);
                }
                assert!(sender.counters().messages <= number);
            }
            assert!(joined >= 3 && number > 0, "joined {joined} times, sent {number}");
            drop(hostile);
            let mut receiver = target.builder(house.path()).receiver().unwrap();
            let mut sender = target.builder(house.path()).sender().unwrap();
            assert_eq!(send(&mut sender, target, key, 1), Ok(true));
            let message = receiver.read_within(PATIENCE).unwrap().unwrap().to_vec();
            assert_eq!(target.number(key, &message), Some(1));
        });
    }
}

/// What an honest receiver got.
#[derive(Debug, Default)]
struct Got {
    numbers: BTreeSet<u64>,
    last: Option<u64>,
}

impl Got {
    fn take(&mut self, target: Target, key: u64, bytes: &[u8]) {
        let number = target.number(key, bytes).expect("a message that the honest sender did not send");
        assert!(Some(number) > self.last, "{number} after {:?}", self.last);
        self.last = Some(number);
        self.numbers.insert(number);
    }
}

/// An honest receiver beside hostile ones: what it gets is whole, once and in order, and it gets some all the time.
/// In a broadcast it gets everything.
fn beside_hostile_ones(target: Target) {
    honest(move |seed| {
        let house = tempfile::tempdir().unwrap();
        let mut noise = Noise(seed);
        let key = noise.next();
        let builder = target.builder(house.path());
        let is_broadcast = target.mode == Mode::Broadcast;
        // Whoever listens is there first.
        let (mut sender, mut receiver) = if is_broadcast {
            let sender = builder.sender().unwrap();
            (sender, builder.receiver().unwrap())
        } else {
            let receiver = builder.receiver().unwrap();
            (builder.sender().unwrap(), receiver)
        };
        assert!(sender.wait_for_receivers(1, PATIENCE));
        let mut hostile: Vec<_> =
            (0..2).map(|_| Hostile::new("receiver", target, house.path(), noise.next())).collect();
        let (got, over) = (Mutex::new(Got::default()), AtomicBool::new(false));
        let mut sent = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let found = within(SHORT, || receiver.read_within(SHORT)).expect("the sender is honest");
                    if let Some(message) = found {
                        let message = message.to_vec();
                        got.lock().unwrap().take(target, key, &message);
                    }
                }
            });
            let count = || got.lock().unwrap().numbers.len();
            let (began, mut joined) = (Instant::now(), 0);
            while began.elapsed() < attack_time()
                || (joined < 2 || count() < 100) && began.elapsed() < PATIENCE
            {
                sent += u64::from(send(&mut sender, target, key, sent) == Ok(true));
                joined = joined.max(sender.receivers());
                hostile.iter_mut().for_each(Hostile::go_on);
            }
            assert!(joined >= 2 && count() >= 100, "{joined} joined, {} came", count());
            hostile.clear();
            // Now nobody holds anything up.
            let (before, began) = (count(), Instant::now());
            let mut more = 0;
            while more < 200 {
                let one = u64::from(send(&mut sender, target, key, sent) == Ok(true));
                (sent, more) = (sent + one, more + one);
                assert!(began.elapsed() < PATIENCE, "a dead receiver holds up the sender");
            }
            while count() < before + 100 || is_broadcast && count() as u64 != sent {
                assert!(began.elapsed() < PATIENCE, "{} of {sent} came", count());
            }
            over.store(true, Ordering::Relaxed);
        });
        assert_eq!(sender.counters().messages, sent);
        let got = got.into_inner().unwrap().numbers;
        assert!(got.len() as u64 + sender.counters().lost <= sent);
        assert!(!is_broadcast || got.into_iter().eq(0..sent), "a listener has not got all");
    });
}

#[test]
fn an_honest_receiver_gets_its_share_beside_hostile_ones() {
    for kind in KINDS {
        beside_hostile_ones(Target::new(Mode::Spmc, kind));
    }
    for kind in [Kind::Bytes, Kind::Arena] {
        beside_hostile_ones(Target::new(Mode::Mpmc, kind));
    }
}

#[test]
fn an_honest_listener_gets_everything_beside_hostile_ones() {
    for kind in [Kind::Bytes, Kind::Fixed, Kind::Arena] {
        beside_hostile_ones(Target::new(Mode::Broadcast, kind));
    }
}
