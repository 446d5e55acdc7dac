//! What holds of every sender that listens for many receivers, whether they share the work or all hear everything.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{OnFull, TypedReceiver, TypedSender};

/// A mode, and what its sender does when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub mode: Mode,
    pub on_full: OnFull,
}

impl World {
    pub const ALL: [Self; 4] = [
        Self { mode: Mode::Spmc, on_full: OnFull::Block(LONG) },
        Self { mode: Mode::Broadcast, on_full: OnFull::Block(LONG) },
        Self { mode: Mode::Broadcast, on_full: OnFull::OverwriteOldest },
        Self { mode: Mode::Broadcast, on_full: OnFull::Latest },
    ];

    /// Whether each message that is sent comes.
    pub fn loses_nothing(self) -> bool {
        matches!(self.on_full, OnFull::Block(_))
    }

    pub fn builder(self, uri: &str, options: &NetworkOptions) -> Builder {
        let builder = Channel::builder(uri).unwrap().network(options.clone()).capacity(1 << 14);
        builder.mode(self.mode).on_full(self.on_full)
    }
}

/// Kernel buffers that are full soon.
pub fn narrow(driver: Driver) -> NetworkOptions {
    NetworkOptions { send_buffer: Some(8 << 10), receive_buffer: Some(8 << 10), ..options(driver) }
}

type Tick = [u64; 4];

fn tick(number: u64) -> Tick {
    [number, !number, number * 3, 7]
}

fn number(tick: Tick) -> u64 {
    assert_eq!(tick, self::tick(tick[0]));
    tick[0]
}

/// Takes everything until the end, in one of three ways, and returns the numbers and how many were lost.
fn take_all(receiver: &mut TypedReceiver<Tick>, how: usize) -> (Vec<u64>, u64) {
    let mut got = Vec::new();
    let end = loop {
        match how {
            0 => match receiver.recv(LONG) {
                Ok(tick) => got.push(number(tick.expect("there is more to come"))),
                Err(error) => break error,
            },
            1 => match block_on(receiver.recv_async()) {
                Ok(tick) => got.push(number(tick)),
                Err(error) => break error,
            },
            _ => match receiver.untyped().wait(LONG) {
                Ok(_) => drop(receiver.recv_each(100, |tick| got.push(number(tick))).unwrap()),
                Err(error) => break error,
            },
        }
    };
    assert_eq!(end, RecvError::Disconnected { cause: DisconnectCause::Closed });
    (got, receiver.counters().lost)
}

/// Sends one by one, as futures, in batches, and what an iterator gives.
fn send_all(sender: &mut TypedSender<Tick>, count: u64) {
    let quarter = count / 4;
    for number in 0..quarter {
        sender.send(&tick(number), LONG).unwrap();
    }
    for number in quarter..2 * quarter {
        block_on(sender.send_async(&tick(number))).unwrap();
    }
    let mut number = 2 * quarter;
    while number < 3 * quarter {
        let batch: Vec<_> = (number..3 * quarter).take(50).map(tick).collect();
        sender.send_batch(&batch, LONG).unwrap();
        number += batch.len() as u64;
    }
    while number < count {
        let most = (count - number).min(30);
        match sender.try_send_iter((number..number + most).map(tick)) {
            Ok(sent) => number += sent as u64,
            Err(SendError::Full) => sender.untyped().claim_within(32, LONG).unwrap().abort(),
            Err(error) => panic!("{error}"),
        }
    }
}

fn typed_ends(world: World, uri: &str, options: &NetworkOptions) {
    const COUNT: u64 = 4000;
    let builder = |uri: &str| world.builder(uri, options).join_within(LONG).of::<Tick>("test::Tick");
    let mut sender = builder(uri).sender().unwrap();
    let address = sender.untyped().network().unwrap().address.clone();
    let reading: Vec<_> = (0..3)
        .map(|how| {
            let mut receiver = builder(&address).receiver().unwrap();
            thread::spawn(move || take_all(&mut receiver, how))
        })
        .collect();
    assert!(sender.untyped().wait_for_receivers(3, LONG));
    send_all(&mut sender, COUNT);
    assert_eq!(sender.counters().messages, COUNT);
    drop(sender);
    let all: Vec<_> = reading.into_iter().map(|reading| reading.join().unwrap()).collect();
    for (got, lost) in &all {
        assert!(got.is_sorted_by(|before, next| before < next), "{world:?}: out of order");
        if world.mode == Mode::Broadcast {
            assert_eq!((got.last(), got.len() as u64 + lost), (Some(&(COUNT - 1)), COUNT), "{world:?}");
        }
        assert!(*lost == 0 || !world.loses_nothing());
    }
    if world.mode == Mode::Spmc {
        let mut together: Vec<_> = all.into_iter().flat_map(|(got, _)| got).collect();
        together.sort_unstable();
        assert!(together.into_iter().eq(0..COUNT));
    }
}

#[test]
fn typed_ends_send_and_receive_in_every_way_with_every_codec() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("many.sock").display());
    let codecs = [Compression::None, Compression::Lz4, Compression::Zstd { level: 1 }, Compression::Snappy];
    for driver in drivers() {
        for (at, world) in World::ALL.into_iter().enumerate() {
            for (which, compression) in codecs.into_iter().enumerate() {
                let options = NetworkOptions { compression, ..narrow(driver) };
                let uri = if (at + which) % 2 == 0 { "tcp://127.0.0.1:0" } else { &unix };
                typed_ends(world, uri, &options);
            }
        }
    }
}

/// Who joins again is somebody new, whatever it was before.
#[test]
fn who_was_cut_off_joins_again_and_gets_what_is_sent_from_then_on() {
    for driver in drivers() {
        for world in World::ALL {
            let options = options(driver);
            let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| world.builder(uri, &options));
            for round in 0..20_u64 {
                let mut receiver = builder.receiver().unwrap();
                sender.push(&round.to_le_bytes()).unwrap();
                sender.push(&(round + 1000).to_le_bytes()).unwrap();
                let mut buffer = [0; 8];
                while u64::from_le_bytes(buffer) != round + 1000 {
                    assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8)));
                }
                drop(receiver);
                let begun = Instant::now();
                while sender.receivers() > 0 {
                    assert!(begun.elapsed() < LONG);
                    thread::yield_now();
                }
                assert_eq!(sender.departed().closed, round + 1);
            }
        }
    }
}

#[test]
fn there_is_one_sender_and_another_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("one.sock").display());
    for world in World::ALL {
        for uri in ["tcp://127.0.0.1:0", &unix] {
            let (_sender, builder) = open_to_many(uri, |uri| world.builder(uri, &NetworkOptions::default()));
            assert!(matches!(
                builder.sender(),
                Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. })
            ));
        }
    }
}

/// Nobody but the sender may tell a receiver that it is in before the sender knows of it.
#[test]
fn what_is_sent_as_soon_as_a_receiver_is_in_is_for_it() {
    let over = Arc::new(AtomicBool::new(false));
    let looking = thread::spawn({
        let over = Arc::clone(&over);
        move || {
            while !over.load(Ordering::Relaxed) {
                flusher::look();
            }
        }
    });
    for (driver, world) in drivers().into_iter().flat_map(|driver| World::ALL.map(|world| (driver, world))) {
        let options = options(driver);
        for round in 0..100_u64 {
            let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| world.builder(uri, &options));
            let mut receiver = builder.receiver().unwrap();
            sender.try_send(&round.to_le_bytes()).unwrap();
            let mut buffer = [0; 8];
            assert_eq!(receiver.recv(&mut buffer, LONG), Ok(Some(8)), "{world:?}");
            assert_eq!(u64::from_le_bytes(buffer), round);
        }
    }
    over.store(true, Ordering::Relaxed);
    looking.join().unwrap();
}
