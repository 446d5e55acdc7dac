//! Senders that break the rules, and guests that talk nonsense, before an honest receiver.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Instant,
};

use adit_channel::{Mode, Receiver, RecvError};

use super::house::{
    Hostile, KINDS, Kind, Noise, PATIENCE, POLICIES, SHORT, Target, attack_time, honest, open_sender, within,
};

/// Reads one message if there is one soon, and says whether it is of who has the key; what else comes is within
/// bounds or an error that names the sender.
fn receive(receiver: &mut Receiver, target: Target, key: u64) -> Option<u64> {
    let longest = if target.kind == Kind::Arena { (2 << 20) + 1 } else { 1 << 10 };
    match within(SHORT, || receiver.read_within(SHORT).map(|found| found.map(|message| message.to_vec()))) {
        Ok(Some(message)) => {
            assert!(message.len() < longest, "{} bytes", message.len());
            target.number(key, &message)
        }
        Ok(None) => None,
        Err(RecvError::Misbehaved(_) | RecvError::WrongSize { .. } | RecvError::Disconnected { .. }) => {
            // The others go on.
            std::thread::yield_now();
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// An honest sender beside hostile ones: everything that it sends arrives.
fn among_hostile_ones(role: &'static str, target: Target) {
    honest(move |seed| {
        let house = tempfile::tempdir().unwrap();
        let mut noise = Noise(seed);
        let key = noise.next();
        let mut receiver = target.builder(house.path()).receiver().unwrap();
        let mut sender = target.builder(house.path()).sender().unwrap();
        let mut hostile: Vec<_> =
            (0..2).map(|_| Hostile::new(role, target, house.path(), noise.next())).collect();
        let (sent, over) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut noise = Noise(!seed);
                while !over.load(Ordering::Relaxed) {
                    let number = sent.load(Ordering::Relaxed);
                    let message = target.message(key, number);
                    within(PATIENCE, || sender.send(&message, PATIENCE)).unwrap();
                    sent.store(number + 1, Ordering::Release);
                    if noise.below(16) == 0 {
                        noise.nap(500);
                    }
                }
                drop(sender);
            });
            let (mut next, began, mut ended) = (0, Instant::now(), None::<Instant>);
            loop {
                if let Some(number) = receive(&mut receiver, target, key) {
                    assert_eq!(number, next, "an honest message is lost, doubled or out of order");
                    next += 1;
                }
                if ended.is_none()
                    && began.elapsed() > attack_time()
                    && (next > 100 || began.elapsed() > PATIENCE)
                {
                    assert!(next > 100, "only {next} honest messages came");
                    assert!(Hostile::attacks(house.path()) > 2, "nobody attacked");
                    over.store(true, Ordering::Relaxed);
                    hostile.clear();
                    ended = Some(Instant::now());
                }
                if let Some(ended) = ended {
                    // What it sent last may still be on its way, behind the other lanes.
                    if ended.elapsed() > SHORT * 20 && next == sent.load(Ordering::Acquire) {
                        break;
                    }
                    assert!(
                        ended.elapsed() < PATIENCE,
                        "{next} of {} honest messages came",
                        sent.load(Ordering::Acquire)
                    );
                }
            }
        });
        // The channel is as good as before.
        let mut sender = open_sender(&target.builder(house.path()));
        sender.send(&target.message(key, 7), PATIENCE).unwrap();
        let began = Instant::now();
        while receive(&mut receiver, target, key) != Some(7) {
            assert!(began.elapsed() < PATIENCE, "a later sender is not heard");
        }
    });
}

#[test]
fn an_honest_sender_is_heard_beside_hostile_ones() {
    for kind in KINDS {
        among_hostile_ones("sender", Target::new(Mode::Mpsc, kind));
    }
}

#[test]
fn an_honest_sender_is_heard_beside_hostile_ones_with_lanes_to_many_receivers() {
    for kind in [Kind::Bytes, Kind::Arena] {
        among_hostile_ones("sender", Target::new(Mode::Mpmc, kind));
    }
}

#[test]
fn an_honest_sender_is_heard_while_guests_talk_nonsense() {
    for mode in [Mode::Mpsc, Mode::Spsc, Mode::Mpmc] {
        among_hostile_ones("guest", Target::new(mode, Kind::Bytes));
    }
}

/// The only sender is hostile, again and again; when it is killed an honest one takes its place.
fn alone_with_a_hostile_one(target: Target) {
    honest(move |seed| {
        let house = tempfile::tempdir().unwrap();
        let mut noise = Noise(seed);
        let key = noise.next();
        let mut receiver = target.builder(house.path()).receiver().unwrap();
        let mut hostile = Hostile::new("sender", target, house.path(), noise.next());
        assert!(receiver.wait_for_sender(PATIENCE));
        let began = Instant::now();
        while began.elapsed() < attack_time() || Hostile::attacks(house.path()) < 3 {
            assert_eq!(receive(&mut receiver, target, key), None, "nobody has the key");
            hostile.go_on();
            assert!(began.elapsed() < attack_time() + PATIENCE, "nobody attacked");
        }
        drop(hostile);
        let mut sender = open_sender(&target.builder(house.path()));
        for number in 0..20 {
            sender.send(&target.message(key, number), PATIENCE).unwrap();
            let began = Instant::now();
            while receive(&mut receiver, target, key) != Some(number) {
                assert!(began.elapsed() < PATIENCE, "the honest sender is not heard");
            }
        }
    });
}

#[test]
fn a_receiver_survives_the_only_sender() {
    for kind in KINDS {
        alone_with_a_hostile_one(Target::new(Mode::Spsc, kind));
    }
}

/// Of a broadcast the sender listens: receivers join whoever is there.
#[test]
fn listeners_survive_a_hostile_speaker() {
    for policy in POLICIES {
        honest(move |seed| {
            let house = tempfile::tempdir().unwrap();
            let mut noise = Noise(seed);
            let key = noise.next();
            let kind = match noise.below(3) {
                0 => Kind::Fixed,
                1 => Kind::Arena,
                _ => Kind::Bytes,
            };
            let target = Target { policy, ..Target::new(Mode::Broadcast, kind) };
            let mut hostile = Hostile::new("sender", target, house.path(), noise.next());
            let (began, mut joined) = (Instant::now(), 0);
            while began.elapsed() < attack_time() || joined < 3 && began.elapsed() < PATIENCE {
                hostile.go_on();
                let Ok(mut receiver) = target.builder(house.path()).join_within(SHORT).receiver() else {
                    continue;
                };
                joined += 1;
                let stay = Instant::now();
                while stay.elapsed() < SHORT * 3 {
                    assert_eq!(receive(&mut receiver, target, key), None, "nobody has the key");
                }
            }
            assert!(joined >= 3, "joined {joined} times");
            drop(hostile);
            let mut sender = target.builder(house.path()).sender().unwrap();
            let mut receiver = target.builder(house.path()).receiver().unwrap();
            assert!(sender.wait_for_receivers(1, PATIENCE));
            sender.send(&target.message(key, 1), PATIENCE).unwrap();
            let began = Instant::now();
            while receive(&mut receiver, target, key) != Some(1) {
                assert!(began.elapsed() < PATIENCE, "the honest speaker is not heard");
            }
        });
    }
}
