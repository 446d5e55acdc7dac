//! `ipc://` between processes of which one is killed at any time, over and over: what was sent arrives once and in
//! order, nothing else does, and the next process takes the dead one's place.

use std::{path::Path, time::Duration};

use adit_channel::{DisconnectCause, RecvError, SendError, endpoint::Departed};

use super::peers::{Kind, Noise, Out, PATIENCE, Process, rounds};

const DIED: DisconnectCause = DisconnectCause::PeerDied;

/// More of them on request.
fn kills() -> u64 {
    rounds("ADIT_TEST_KILLS", 12)
}

#[test]
fn what_killed_senders_sent_arrives_once_and_in_order() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let mut receiver = kind.receiver(house.path());
        let mut noise = Noise(4);
        let senders = kind.senders() as u64;
        for round in 0..kills() {
            let mut killed: Vec<_> = (0..senders).map(|n| kind.sending(house.path(), n)).collect();
            receiver.counts.fill(0);
            assert!(receiver.untyped().wait_for_sender(PATIENCE));
            // Every other round everything is received after the death.
            let before = if round % 2 == 0 { 1 } else { noise.below(2_000) };
            for _ in 0..before {
                assert!(receiver.receive(PATIENCE).unwrap().is_some());
            }
            // All of them have joined: who is killed before that is one that never was there.
            while killed.iter().any(|one| one.reported() == 0) {
                receiver.receive(Duration::from_millis(1)).unwrap();
            }
            noise.nap(3_000);
            killed.iter_mut().for_each(Process::kill);
            let end = loop {
                match receiver.receive(PATIENCE) {
                    Ok(came) => assert!(came.is_some(), "a death is not noticed"),
                    Err(error) => break error,
                }
            };
            assert_eq!(end, RecvError::Disconnected { cause: DIED });
            for (sender, count) in killed.iter().zip(&receiver.counts) {
                // One may have been sent and not yet reported.
                let reported = sender.reported();
                assert!((reported..=reported + 1).contains(count), "{count} came, {reported} were sent");
            }
            let died = (round + 1) * senders;
            assert_eq!(receiver.untyped().departed(), Departed { died, ..Departed::default() });
        }
    }
}

/// Sends until the receiver is dead, which it will be.
fn send_until_death(sender: &mut Out) {
    loop {
        match sender.send(PATIENCE) {
            Ok(()) => {}
            Err(error) => return assert_eq!(error, SendError::Disconnected { cause: DIED }),
        }
    }
}

#[test]
fn killed_receivers_are_noticed_and_their_name_taken_over() {
    for kind in Kind::ALL {
        let house = tempfile::tempdir().unwrap();
        let mut noise = Noise(5);
        for _ in 0..kills() {
            kill_a_receiver(kind, house.path(), &mut noise);
        }
        // This process takes the name over, too, and leaves nothing behind.
        let mut receiver = kind.receiver(house.path());
        let mut sender = kind.sender(house.path(), 0);
        sender.send(PATIENCE).unwrap();
        assert_eq!(receiver.receive(PATIENCE), Ok(Some(0)));
        drop(receiver);
        assert_eq!(std::fs::read_dir(house.path().join("adit")).unwrap().count(), 0, "something is left");
    }
}

/// It held each message to be whole and the next; if one was not it would not be there to be killed.
fn kill_a_receiver(kind: Kind, place: &Path, noise: &mut Noise) {
    let mut receiver = kind.receiving(place);
    let mut senders: Vec<_> = (0..kind.senders()).map(|n| kind.sender(place, n as u64)).collect();
    let before = noise.below(2_000);
    for sender in &mut senders {
        (0..before).for_each(|_| sender.send(PATIENCE).unwrap());
    }
    let nap = Duration::from_micros(noise.below(3_000));
    std::thread::scope(|scope| {
        for sender in &mut senders {
            scope.spawn(|| send_until_death(sender));
        }
        std::thread::sleep(nap);
        receiver.kill();
    });
    let sent: u64 = senders.iter().map(|sender| sender.count).sum();
    assert!(receiver.reported() <= sent, "{} came, {sent} were sent", receiver.reported());
}
