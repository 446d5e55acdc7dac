//! One sender that listens, and many receivers that come and go: each message goes to one of them.
//!
//! spec: NET-1.2

use std::{
    io::{Read as _, Write as _},
    sync::mpsc,
};

use proptest::{prelude::*, test_runner::Config};

use super::{hostile_receivers::connect, *};
use crate::{
    endpoint::MAX_RECEIVERS,
    lane::Spec,
    transport::net::hello::{HELLO, Hello, Status},
};

fn open_sender(builder: impl Fn(&str) -> Builder) -> (Sender, Builder) {
    open_sender_at("tcp://127.0.0.1:0", builder)
}

fn open_sender_at(uri: &str, builder: impl Fn(&str) -> Builder) -> (Sender, Builder) {
    open_to_many(uri, |uri| builder(uri).mode(Mode::Spmc))
}

/// What a receiver gets until the sender has closed.
fn numbers(receiver: &mut Receiver) -> Vec<u64> {
    let mut got = Vec::new();
    loop {
        match receiver.read_within(LONG) {
            Ok(Some(found)) => {
                let number = u64::from_le_bytes(found.to_vec()[..8].try_into().unwrap());
                assert!(found.to_vec() == message(number, 3000), "message {number}");
                got.push(number);
            }
            Ok(None) => panic!("nothing more, and no end"),
            Err(error) => {
                assert_eq!(error, RecvError::Disconnected { cause: DisconnectCause::Closed });
                return got;
            }
        }
    }
}

#[test]
fn each_message_goes_to_one_receiver_and_all_get_their_share() {
    const COUNT: u64 = 6000;
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("work.sock").display());
    for driver in drivers() {
        for (uri, compression) in [
            ("tcp://127.0.0.1:0", Compression::None),
            ("tcp://127.0.0.1:0", Compression::Snappy),
            (&*unix, Compression::Lz4),
            (&*unix, Compression::None),
            (&*unix, Compression::Zstd { level: 1 }),
        ] {
            let options = NetworkOptions { compression, ..options(driver) };
            let (mut sender, builder) =
                open_sender_at(uri, |uri| plain(driver)(uri).network(options.clone()));
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let mut receiver = builder.receiver().unwrap();
                    thread::spawn(move || numbers(&mut receiver))
                })
                .collect();
            assert!(sender.wait_for_receivers(3, LONG));
            for number in 0..COUNT {
                sender.send(&message(number, 3000), LONG).unwrap();
            }
            drop(sender);
            let shares: Vec<Vec<u64>> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
            for share in &shares {
                assert!(share.is_sorted() && !share.is_empty(), "{} messages", share.len());
            }
            let mut all = shares.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..COUNT));
        }
    }
}

/// Who reads gets more; of those who read alike, nobody gets much more than another. Nobody reads here before all is
/// sent, so that the shares do not hang on how threads are scheduled.
#[test]
fn receivers_that_are_alike_get_alike() {
    const COUNT: u64 = 300;
    for driver in drivers() {
        let (mut sender, builder) = open_sender(plain(driver));
        let mut receivers: Vec<_> = (0..3).map(|_| builder.receiver().unwrap()).collect();
        assert!(sender.wait_for_receivers(3, LONG));
        for number in 0..COUNT {
            sender.send(&message(number, 3000)[..8], LONG).unwrap();
        }
        drop(sender);
        let shares = receivers.iter_mut().map(|receiver| {
            let mut count = 0;
            while let Ok(Some(_)) = receiver.read_within(LONG) {
                count += 1;
            }
            count
        });
        let shares: Vec<u64> = shares.collect();
        assert_eq!(shares.iter().sum::<u64>(), COUNT);
        assert!(shares.iter().all(|share| (COUNT / 6..COUNT / 2).contains(share)), "{shares:?}");
    }
}

#[test]
fn futures_send_and_receive_and_wake_when_there_is_room_again() {
    const COUNT: u64 = 1500;
    for driver in drivers() {
        // Of all connections together less than what is sent, so that the sender waits.
        let mut options = options(driver);
        (options.send_buffer, options.receive_buffer) = (Some(8 << 10), Some(8 << 10));
        let small = |uri: &str| plain(driver)(uri).network(options.clone()).capacity(1 << 14);
        let (mut sender, builder) = open_sender(small);
        let (done, all_sent) = (Arc::new(Barrier::new(3)), Duration::from_millis(50));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (mut receiver, begin) = (builder.receiver().unwrap(), Arc::clone(&done));
                thread::spawn(move || {
                    begin.wait();
                    // The sender has filled everything by then.
                    thread::sleep(all_sent);
                    let mut got = Vec::new();
                    while let Some(found) = block_on(receiver.next()) {
                        got.push(u64::from_le_bytes(found.unwrap()[..8].try_into().unwrap()));
                    }
                    got
                })
            })
            .collect();
        assert!(sender.wait_for_receivers(2, LONG));
        done.wait();
        for number in 0..COUNT {
            block_on(sender.send_async(&message(number, 3000))).unwrap();
        }
        assert!(sender.counters().stalls > 0, "it never waited");
        drop(sender);
        let mut all = workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<_>>().concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..COUNT));
    }
}

#[test]
fn a_receiver_that_is_slow_holds_up_nobody_and_one_that_leaves_is_counted() {
    for driver in drivers() {
        let (mut sender, builder) = open_sender(plain(driver));
        // It reads nothing while the other reads everything that it gets.
        let slow = builder.receiver().unwrap();
        let mut quick = builder.receiver().unwrap();
        assert!(sender.wait_for_receivers(2, LONG));
        let (tell, told) = mpsc::channel();
        let worker = thread::spawn(move || {
            let mut bytes = 0;
            while let Ok(Some(found)) = quick.read_within(LONG) {
                bytes += found.to_vec().len();
            }
            tell.send(bytes).unwrap();
        });
        // More than the kernel and both rings hold of one connection.
        for _ in 0..4096 {
            sender.send(&[7; 16_000], LONG).unwrap();
        }
        drop(slow);
        let begun = Instant::now();
        while sender.receivers() > 1 {
            assert!(begun.elapsed() < LONG);
            thread::yield_now();
        }
        assert_eq!(sender.departed().closed, 1);
        sender.send(&[7; 16_000], LONG).unwrap();
        drop(sender);
        assert!(told.recv_timeout(LONG).unwrap() > 40 << 20);
        worker.join().unwrap();
    }
}

#[test]
fn what_a_receiver_that_leaves_has_read_is_not_lost() {
    for driver in drivers() {
        for kind in [MessageKind::bytes(), MessageKind::fixed("number", 8, 8)] {
            let (mut sender, builder) = open_sender(|uri| plain(driver)(uri).kind(kind.clone()));
            for round in 1..=3 {
                let mut receiver = builder.receiver().unwrap();
                assert!(sender.wait_for_receivers(1, LONG));
                for number in 0..500_u64 {
                    sender.send(&number.to_le_bytes(), LONG).unwrap();
                }
                sender.flush();
                for number in 0..500_u64 {
                    let mut buffer = [0; 8];
                    assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8)));
                    assert_eq!(u64::from_le_bytes(buffer), number);
                }
                drop(receiver);
                let begun = Instant::now();
                while sender.departed().closed < round {
                    assert!(sender.receivers() < 2 && begun.elapsed() < LONG);
                }
                assert_eq!(sender.counters().lost, 0, "{driver:?}");
            }
        }
    }
}

/// A message of which the kernel took only some is not handed over, compressed or not.
#[test]
fn what_is_on_its_way_to_a_receiver_that_goes_is_lost() {
    // Half of it noise, so that it can be compressed and is still long.
    let mut noise = 1_u64;
    let words = (0..200_000).flat_map(|_| {
        noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        [(noise >> 32).wrapping_mul(noise | 1), 0]
    });
    let message: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    let spec = Spec { mode: Mode::Spmc, capacity: 16 << 20, kind: MessageKind::bytes() };
    let hello = Hello { status: Status::Hello, spec, codec: 0, rule: 0, session: 0 };
    for driver in drivers() {
        for compression in [Compression::None, Compression::Lz4] {
            let send_buffer = Some(64 << 10);
            let options = NetworkOptions { compression, send_buffer, ..options(driver) };
            let (mut sender, _) =
                open_sender(|uri| plain(driver)(uri).capacity(16 << 20).network(options.clone()));
            let mut stream = connect(&sender.network().unwrap().address);
            stream.write_all(&hello.to_bytes()).unwrap();
            stream.read_exact(&mut [0; HELLO]).unwrap();
            assert!(sender.wait_for_receivers(1, LONG));
            sender.send(&message, LONG).unwrap();
            sender.flush();
            stream.read_exact(&mut [0; 1000]).unwrap();
            drop(stream);
            let begun = Instant::now();
            while sender.receivers() > 0 {
                assert!(begun.elapsed() < LONG);
            }
            assert_eq!(sender.counters().lost, 1, "{driver:?}, {compression:?}");
        }
    }
}

#[test]
fn a_sender_without_receivers_waits_for_one_and_is_told_that_the_last_has_gone() {
    for driver in drivers() {
        let (mut sender, builder) = open_sender(plain(driver));
        assert_eq!(sender.try_send(b"nobody"), Err(SendError::Full));
        let late = thread::spawn(move || builder.receiver().unwrap());
        sender.send(b"for whoever comes", LONG).unwrap();
        let mut receiver = late.join().unwrap();
        assert_eq!(receiver.read_within(LONG).unwrap().unwrap().to_vec(), b"for whoever comes");
        drop(receiver);
        let begun = Instant::now();
        while sender.try_send(b"x") != Err(SendError::Disconnected { cause: DisconnectCause::Closed }) {
            assert!(begun.elapsed() < LONG);
            thread::yield_now();
        }
    }
}

#[test]
fn there_are_as_many_receivers_as_a_channel_takes_and_places_are_free_again() {
    let (sender, builder) = open_sender(plain(Driver::Sockets));
    let mut receivers: Vec<_> = (0..MAX_RECEIVERS).map(|_| builder.receiver().unwrap()).collect();
    let error = builder.clone().join_within(Duration::ZERO).receiver().unwrap_err();
    assert!(
        matches!(error, OpenError { failure: OpenFailure::ReceiversTaken { most: MAX_RECEIVERS }, .. }),
        "{error}"
    );
    // The sender does not look meanwhile.
    receivers.pop();
    drop(builder.receiver().unwrap());
    drop(sender);
}

#[test]
fn what_no_network_carries_is_said_when_it_is_opened() {
    let open = |uri: &str, mode| Channel::builder(uri).unwrap().mode(mode).sender().unwrap_err().to_string();
    for mode in [Mode::Spmc, Mode::Mpmc] {
        assert!(open("udp://239.1.2.3:7000", mode).contains("each receiver gets everything"));
    }
    // A receiver of another mode is told so.
    let (_sender, builder) = open_sender(plain(Driver::Sockets));
    let error = builder.mode(Mode::Spsc).sender().unwrap_err();
    assert!(matches!(error, OpenError { failure: OpenFailure::Mismatch { .. }, .. }), "{error}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Leave(usize),
    Send(u64),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => (1..20_u64).prop_map(Step::Send),
        6 => any::<usize>().prop_map(Step::Read),
    ]
}

/// Whatever comes to pass, nothing is given twice, each receiver's messages are in order, and what nobody got went to
/// one that left.
fn run(driver: Driver, steps: &[Step]) {
    let (mut sender, builder) = open_sender(plain(driver));
    let (mut receivers, mut next, mut left) = (Vec::new(), 0_u64, 0_u64);
    let mut got: Vec<u64> = Vec::new();
    let mut take = |(receiver, last): &mut (Receiver, Option<u64>)| {
        while let Ok(Some(found)) = receiver.read() {
            let bytes = found.to_vec();
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert!(bytes == message(number, 500) && last.is_none_or(|last| last < number));
            *last = Some(number);
            got.push(number);
        }
    };
    for step in steps {
        match *step {
            Step::Join if receivers.len() < 4 => {
                receivers.push((builder.receiver().unwrap(), None));
                assert!(sender.wait_for_receivers(receivers.len(), LONG));
            }
            Step::Leave(at) if !receivers.is_empty() => {
                left += 1;
                drop(receivers.remove(at % receivers.len()));
                let begun = Instant::now();
                while sender.departed().closed < left {
                    assert!(sender.receivers() >= receivers.len() && begun.elapsed() < LONG);
                }
            }
            Step::Send(count) if !receivers.is_empty() => {
                for _ in 0..count {
                    sender.send(&message(next, 500), LONG).unwrap();
                    next += 1;
                }
            }
            Step::Read(at) if !receivers.is_empty() => {
                let at = at % receivers.len();
                take(&mut receivers[at]);
            }
            _ => {}
        }
    }
    drop(sender);
    for end in &mut receivers {
        while end.0.wait(LONG).is_ok() {
            take(end);
        }
    }
    let count = got.len() as u64;
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len() as u64, count, "a message was given twice");
    assert!(got.last().is_none_or(|last| *last < next));
    assert!(left > 0 || count == next, "{count} of {next}, and nobody left");
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]
    #[test]
    fn a_list_of_steps_gives_nothing_twice(steps in prop::collection::vec(step(), 1..40)) {
        for driver in drivers() {
            run(driver, &steps);
        }
    }
}
