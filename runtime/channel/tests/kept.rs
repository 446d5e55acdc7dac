//! Channels that survive their processes, here within one: what an end finds that comes later, who is refused,
//! and what damage does.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use adit_channel::{
    Acknowledge, Builder, Channel, DisconnectCause, MessageKind, Mode, OpenError, OpenFailure, RecvError,
    SendError, kept,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const CLOSED: RecvError = RecvError::Disconnected { cause: DisconnectCause::Closed };

fn at(path: &Path) -> Builder {
    Channel::builder(&format!("file://{}", path.display())).unwrap().capacity(1 << 12)
}

fn shm(test: &str) -> Builder {
    Channel::builder(&format!("shm://test-{}-{test}", std::process::id())).unwrap().capacity(1 << 12)
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn each_end_goes_on_where_it_stood() {
    let folder = tempfile::tempdir().unwrap();
    for builder in [at(&folder.path().join("journal.ring")), shm("goes-on")] {
        let (mut sent, mut received) = (0_u64, 0_u64);
        for round in 0..40 {
            // One end, the other, or both; many laps of the ring.
            if round % 3 != 1 {
                let mut sender = builder.sender().unwrap();
                while sent - received < 200 && sender.try_send(&sent.to_le_bytes()).is_ok() {
                    sent += 1;
                }
            }
            if round % 3 != 0 {
                let mut receiver = builder.receiver().unwrap();
                for _ in 0..60 {
                    let Ok(Some(message)) = receiver.read() else { break };
                    assert_eq!(number(&message.to_vec()), received);
                    received += 1;
                }
            }
        }
        assert!(received > 1000, "{received} of {sent}");
        let mut receiver = builder.receiver().unwrap();
        while let Ok(Some(message)) = receiver.read() {
            assert_eq!(number(&message.to_vec()), received);
            received += 1;
        }
        assert_eq!(received, sent);
    }
    let found = kept::list_shared().unwrap();
    let mine =
        found.iter().find(|found| found.uri.ends_with(&format!("test-{}-goes-on", std::process::id())));
    assert!(kept::clean(&mine.unwrap().home).unwrap());
}

/// Long messages and short ones, of which each end takes over what the other, or its own kind, has left.
///
/// spec: SEG-2.6
#[test]
fn what_lies_in_an_arena_is_there_for_who_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.ring");
    for mode in [Mode::Spsc, Mode::Mpsc] {
        let builder = at(&path).mode(mode).arena(2 << 20);
        let message = |number: u64| {
            let mut bytes = number.to_le_bytes().to_vec();
            bytes.resize(8 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize % 600_000, number as u8);
            bytes
        };
        let (mut sent, mut received) = (0_u64, 0_u64);
        for round in 0..120 {
            if round % 3 != 1 {
                let mut sender = builder.sender().unwrap();
                for _ in 0..round % 5 {
                    if sender.try_send(&message(sent)).is_err() {
                        break;
                    }
                    sent += 1;
                }
                // What was never committed leaves nothing.
                if let Ok(mut claim) = sender.claim(100_000) {
                    claim.write(0, &[0xff; 100_000]);
                }
            }
            if round % 3 != 0 {
                let mut receiver = builder.receiver().unwrap();
                for _ in 0..round % 4 {
                    let Ok(Some(found)) = receiver.read() else { break };
                    assert!(found.to_vec() == message(received), "message {received}");
                    received += 1;
                }
            }
        }
        assert!(received > 60 && sent > received, "{received} of {sent}");
        let mut receiver = builder.receiver().unwrap();
        while let Ok(Some(found)) = receiver.read() {
            assert!(found.to_vec() == message(received), "message {received}");
            received += 1;
        }
        assert_eq!(received, sent);
        drop(receiver);
        let found = kept::list_files(folder.path()).unwrap();
        assert!(kept::clean(&found[0].home).unwrap());
    }
}

/// Whoever looks for what is in flight, and finds what cannot be, leaves it alone.
#[test]
fn a_descriptor_that_cannot_be_is_damage() {
    const RING: u64 = 131_072 + 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.ring");
    let builder = at(&path).arena(2 << 20);
    builder.sender().unwrap().try_send(&[7; 10_000]).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let mut length = [0; 8];
    file.read_exact_at(&mut length, RING + 16).unwrap();
    assert_eq!(u64::from_le_bytes(length), 10_000);
    file.write_all_at(&(3_u64 << 20).to_le_bytes(), RING + 16).unwrap();
    let error = builder.sender().unwrap_err().to_string();
    assert!(error.contains("frames.ring is no channel, or was damaged"), "{error}");
    let error = builder.receiver().unwrap().read().map(drop).unwrap_err();
    assert!(matches!(error, RecvError::Misbehaved(_)), "{error}");
    file.write_all_at(&length, RING + 16).unwrap();
    assert_eq!(builder.receiver().unwrap().read().unwrap().unwrap().to_vec(), [7; 10_000]);
    let other = at(&path).sender().unwrap_err().to_string();
    assert!(
        other.contains("the other side has bytes of any length, with an arena of 2097152 bytes"),
        "{other}"
    );
}

#[test]
fn a_message_of_a_fixed_size_survives_too() {
    let folder = tempfile::tempdir().unwrap();
    let builder = at(&folder.path().join("ticks.ring")).kind(MessageKind::fixed("tick", 24, 8));
    let (mut sent, mut received) = (0_u64, 0_u64);
    for _ in 0..50 {
        let mut sender = builder.sender().unwrap();
        while sender.try_send(&[sent.to_le_bytes(); 3].concat()).is_ok() {
            sent += 1;
        }
        drop(sender);
        let mut receiver = builder.receiver().unwrap();
        for _ in 0..77 {
            let Ok(Some(message)) = receiver.read() else { break };
            assert_eq!(message.to_vec(), [received.to_le_bytes(); 3].concat());
            received += 1;
        }
    }
    assert!(received == 50 * 77 && sent > received);
}

#[test]
fn a_second_end_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    for builder in [at(&folder.path().join("one.ring")), shm("refused")] {
        let (sender, receiver) = (builder.sender().unwrap(), builder.receiver().unwrap());
        assert!(matches!(
            builder.sender(),
            Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. })
        ));
        assert!(matches!(builder.receiver(), Err(OpenError { failure: OpenFailure::ReceiverTaken, .. })));
        drop((sender, receiver));
        drop((builder.sender().unwrap(), builder.receiver().unwrap()));
    }
    let found = kept::list_shared().unwrap();
    let mine =
        found.iter().find(|found| found.uri.ends_with(&format!("test-{}-refused", std::process::id())));
    assert!(kept::clean(&mine.unwrap().home).unwrap());
}

#[test]
fn a_receiver_hears_of_senders_that_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let builder = at(&folder.path().join("one.ring"));
    let mut receiver = builder.receiver().unwrap();
    assert!(receiver.read().unwrap().is_none(), "nobody ever sent: it waits");
    assert!(!receiver.wait_for_sender(Duration::from_millis(20)));
    let mut sender = builder.sender().unwrap();
    assert!(receiver.wait_for_sender(SECOND));
    assert!(!receiver.wait(Duration::from_millis(20)).unwrap());
    sender.try_send(b"last words").unwrap();
    drop(sender);
    assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"last words");
    assert_eq!(receiver.wait(SECOND), Err(CLOSED));
    assert!(!receiver.wait_for_sender(Duration::from_millis(20)));
    let next = {
        let builder = builder.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            builder.sender().unwrap().try_send(b"next").unwrap();
        })
    };
    assert!(receiver.wait_for_sender(SECOND));
    next.join().unwrap();
    assert_eq!(receiver.read_within(SECOND).unwrap().unwrap().to_vec(), b"next");
}

#[test]
fn a_sender_without_a_receiver_fills_the_ring_and_waits() {
    let folder = tempfile::tempdir().unwrap();
    let builder = at(&folder.path().join("one.ring"));
    let mut sender = builder.sender().unwrap();
    while sender.try_send(&[7; 56]).is_ok() {}
    assert_eq!(sender.send(&[7; 56], Duration::from_millis(5)), Err(SendError::TimedOut));
    let reader = std::thread::spawn(move || {
        let mut receiver = builder.receiver().unwrap();
        while receiver.wait(SECOND).is_ok() && receiver.recv_batch(10, |_| ()).is_ok() {}
    });
    for _ in 0..1000 {
        sender.send(&[7; 56], SECOND).unwrap();
    }
    drop(sender);
    reader.join().unwrap();
}

#[test]
fn what_was_not_acknowledged_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let builder = at(&folder.path().join("one.ring"));
    let mut sender = builder.sender().unwrap();
    for at in 0..20_u64 {
        sender.try_send(&at.to_le_bytes()).unwrap();
    }
    // Receivers that end without a word, as by a kill: the lock goes, the cursor stays.
    let read_some = |acknowledge: Acknowledge, count: u64| {
        let mut receiver = builder.clone().acknowledge(acknowledge).receiver().unwrap();
        let mut seen = Vec::new();
        for _ in 0..count {
            let message = receiver.read().unwrap().unwrap();
            seen.push((number(&message.to_vec()), message.position()));
        }
        (receiver, seen)
    };
    let abandon = |receiver: adit_channel::Receiver| {
        // Its published head is read from the file, and put back after its destructor.
        let path = folder.path().join("one.ring");
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 65_536 + 64).unwrap();
        drop(receiver);
        file.write_all_at(&head, 65_536 + 64).unwrap();
    };
    let (receiver, first) = read_some(Acknowledge::Lazily, 5);
    abandon(receiver);
    let (receiver, again) = read_some(Acknowledge::Each, 5);
    assert_eq!(first, again, "all of them, at the same positions");
    abandon(receiver);
    let (mut receiver, next) = read_some(Acknowledge::Lazily, 5);
    assert_eq!(next.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    assert!(next[0].1 > again[4].1);
    receiver.acknowledge();
    abandon(receiver);
    let (_receiver, last) = read_some(Acknowledge::Each, 1);
    assert_eq!(last[0].0, 10);
}

#[test]
fn values_of_one_type_are_acknowledged_when_they_are_copied_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ring");
    let builder = at(&path).acknowledge(Acknowledge::Each).of::<[u64; 3]>("triple");
    let mut sender = builder.sender().unwrap();
    for at in 0..100_u64 {
        sender.try_send(&[at, at, at]).unwrap();
    }
    let mut expected = 0;
    for _ in 0..5 {
        let mut receiver = builder.receiver().unwrap();
        for _ in 0..7 {
            assert_eq!(receiver.try_recv().unwrap(), Some([expected; 3]));
            expected += 1;
        }
        // As if it were killed now: what its destructor says is taken back.
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let mut head = [0; 8];
        file.read_exact_at(&mut head, 65_536 + 64).unwrap();
        drop(receiver);
        file.write_all_at(&head, 65_536 + 64).unwrap();
    }
    let mut into = [[0; 3]; 100];
    assert_eq!(builder.receiver().unwrap().recv_batch(&mut into).unwrap(), 65);
    assert_eq!(into[..65].iter().map(|triple| triple[0]).collect::<Vec<_>>(), (35..100).collect::<Vec<_>>());
}

#[test]
fn many_senders_have_lanes_that_others_take_over() {
    let folder = tempfile::tempdir().unwrap();
    for builder in [at(&folder.path().join("many.ring")).mode(Mode::Mpsc), shm("many").mode(Mode::Mpsc)] {
        let mut receiver = builder.receiver().unwrap();
        let mut one = builder.sender().unwrap();
        let mut two = builder.sender().unwrap();
        one.try_send(b"one").unwrap();
        two.try_send(b"two").unwrap();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.push(receiver.read_within(SECOND).unwrap().expect("both sent").to_vec());
        }
        seen.sort();
        assert_eq!(seen, [b"one", b"two"]);
        // While one sender lives the channel is not over.
        drop(one);
        assert!(!receiver.wait(Duration::from_millis(20)).unwrap());
        drop(two);
        assert_eq!(receiver.wait(SECOND), Err(CLOSED));
        drop(receiver);
        // Their lanes are taken over: there are still two.
        drop((builder.sender().unwrap(), builder.sender().unwrap()));
        let mut three: Vec<_> = (0..3).map(|_| builder.sender().unwrap()).collect();
        three[2].try_send(b"three").unwrap();
        let mut receiver = builder.receiver().unwrap();
        assert_eq!(receiver.read().unwrap().unwrap().to_vec(), b"three");
        assert_eq!(receiver.lanes(), 3);
        assert!(matches!(builder.receiver(), Err(OpenError { failure: OpenFailure::ReceiverTaken, .. })));
    }
    let found = kept::list_files(folder.path()).unwrap();
    assert_eq!((found.len(), found[0].lanes.len(), found[0].mode), (1, 3, Mode::Mpsc));
    assert!(kept::clean(&found[0].home).unwrap());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let shared = kept::list_shared().unwrap();
    let mine = shared.iter().find(|found| found.uri.ends_with(&format!("test-{}-many", std::process::id())));
    assert!(kept::clean(&mine.unwrap().home).unwrap());
}

#[test]
fn only_what_nobody_uses_is_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let builder = at(&folder.path().join("one.ring"));
    fs::write(folder.path().join("other.ring"), "no channel").unwrap();
    let mut sender = builder.sender().unwrap();
    sender.try_send(&[0; 24]).unwrap();
    let found = kept::list_files(folder.path()).unwrap();
    let [channel] = found.as_slice() else { panic!("{found:?}") };
    assert!(channel.lanes[0].sender && !channel.receiver && channel.is_used());
    assert_eq!(channel.lanes[0].sender_pid, u64::from(std::process::id()));
    assert_eq!((channel.lanes[0].receiver_pid, channel.unread()), (0, 32));
    assert_eq!(channel.uri, format!("file://{}", folder.path().join("one.ring").display()));
    assert!(!kept::clean(&channel.home).unwrap());
    drop(sender);
    assert!(kept::clean(&channel.home).unwrap());
    assert!(kept::clean(&channel.home).is_err());
    assert!(kept::clean(&kept::Home::file(folder.path().join("other.ring"))).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    // And it can be made again.
    drop(builder.receiver().unwrap());
}

#[test]
fn what_does_not_fit_is_said_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ring");
    let builder = at(&path);
    builder.sender().unwrap().try_send(b"precious").unwrap();
    let error = |builder: &Builder| {
        let errors = [builder.sender().unwrap_err().to_string(), builder.receiver().unwrap_err().to_string()];
        assert_eq!(errors[0].replace("sender", "receiver"), errors[1]);
        assert!(errors[1].starts_with("cannot open the receiver of file:///"), "{}", errors[1]);
        errors[0].clone()
    };
    assert!(error(&builder.clone().capacity(1 << 13)).contains("8192 bytes, the other side has 4096"));
    assert!(error(&builder.clone().mode(Mode::Mpsc)).contains("the mode differs"));
    let tick = MessageKind::fixed("tick", 8, 8);
    assert!(error(&builder.clone().kind(tick)).contains("the message type differs"));

    let file = File::options().read(true).write(true).open(&path).unwrap();
    file.write_all_at(&[9], 8).unwrap();
    assert!(
        error(&builder)
            .contains("version of the segment differs: this side asks for 1, the other side has 9")
    );
    file.write_all_at(&[1], 8).unwrap();
    file.write_all_at(b"x", 0).unwrap();
    assert!(error(&builder).contains("does not begin as a channel does; it was left as it is"));
    file.write_all_at(b"A", 0).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 4096).unwrap();
    assert!(error(&builder).contains("cut off"), "{}", error(&builder));
    file.set_len(len).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(error(&builder).contains("chmod go-w"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    // Mended, everything is there.
    assert_eq!(builder.receiver().unwrap().read().unwrap().unwrap().to_vec(), b"precious");
    assert!(error(&at(&folder.path().join("missing/one.ring"))).contains("directory exists"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    // spec: SEG-1.4
    /// Whatever stands in the file: an error when it is opened, an error when it is read, or messages within the
    /// ring's limits; never a panic, and never an endless stream.
    #[test]
    fn a_damaged_file_gives_errors_or_messages(
        places in prop::collection::vec(
            (prop_oneof![0..256_u64, 65_536..65_792_u64, 131_072..131_328_u64, 135_168..139_264_u64], any::<u8>()),
            1..12,
        ),
        words in prop::collection::vec(
            (prop_oneof![Just(65_600_u64), Just(131_136), (0..512_u64).prop_map(|at| 135_168 + at * 8)], 0..9000_u64),
            0..4,
        ),
        fixed in any::<bool>(),
        many in any::<bool>(),
        far in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.ring");
        let mut builder = at(&path);
        if fixed {
            builder = builder.kind(MessageKind::fixed("tick", 56, 8));
        } else if far {
            builder = builder.arena(2 << 20);
        }
        if many {
            builder = builder.mode(Mode::Mpsc);
        }
        let mut sender = builder.sender().unwrap();
        if far && !fixed {
            while sender.try_send(&[1; 56]).is_ok() && sender.try_send(&[3; 30_000]).is_ok() {}
        }
        while sender.try_send(&[1; 56]).is_ok() {}
        drop(sender);
        let mut receiver = builder.receiver().unwrap();
        for _ in 0..20 {
            drop(receiver.read());
        }
        drop(receiver);
        let lane = if many { folder.path().join("one.ring.0") } else { path };
        let file = File::options().write(true).open(&lane).unwrap();
        for (at, byte) in places {
            file.write_all_at(&[byte], at).unwrap();
        }
        for (at, word) in words {
            file.write_all_at(&(word & !7).to_le_bytes(), at).unwrap();
        }
        if let Ok(mut sender) = builder.sender() {
            let _ = sender.try_send(&[2; 56]);
        }
        if let Ok(mut receiver) = builder.receiver() {
            let mut bytes = 0;
            for _ in 0..4096 {
                match receiver.read() {
                    // One that is too long for the ring has a descriptor there.
                    Ok(Some(message)) => bytes += if message.bytes().len() > 1 << 10 { 24 } else { message.to_vec().len() },
                    Ok(None) | Err(_) => break,
                }
            }
            prop_assert!(bytes <= 1 << 12, "{} bytes came out of a ring of 4096", bytes);
        }
        let _ = kept::list_files(folder.path()).unwrap();
    }
}

/// A look that finds nothing says how far this end has read, however little that was.
#[test]
fn what_was_read_before_nothing_was_there_does_not_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ring");
    let builder = at(&path).capacity(1 << 20);
    let mut sender = builder.sender().unwrap();
    let mut receiver = builder.receiver().unwrap();
    for at in 0..5_u64 {
        sender.try_send(&at.to_le_bytes()).unwrap();
        assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(Some(8)));
    }
    let head = || {
        let mut head = [0; 8];
        File::open(&path).unwrap().read_exact_at(&mut head, 65_536 + 64).unwrap();
        u64::from_le_bytes(head)
    };
    let before = head();
    assert_eq!(receiver.try_recv(&mut [0; 8]), Ok(None));
    assert!(before < 80 && head() == 80, "{before}, then {}", head());
}
