//! One sender that listens, and many receivers that come and go: each message goes to all of them.
//!
//! spec: NET-1.3, NET-3.5, NET-3.6

use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::{
    OnFull,
    endpoint::{MAX_RECEIVERS, Pushed},
};

fn open(driver: Driver, on_full: OnFull) -> (Sender, Builder) {
    open_with("tcp://127.0.0.1:0", on_full, options(driver))
}

fn open_with(uri: &str, on_full: OnFull, options: NetworkOptions) -> (Sender, Builder) {
    open_to_many(uri, |uri| {
        let builder = Channel::builder(uri).unwrap().network(options.clone()).capacity(1 << 16);
        builder.mode(Mode::Broadcast).on_full(on_full)
    })
}

/// Those that lose nothing, with a time that is over soon.
const WAITING: [OnFull; 3] = [OnFull::Block(Duration::from_millis(20)), OnFull::Fail, OnFull::DropNewest];

/// Kernel buffers that are full soon.
fn narrow(driver: Driver) -> NetworkOptions {
    NetworkOptions { send_buffer: Some(8 << 10), receive_buffer: Some(8 << 10), ..options(driver) }
}

/// The number of the next message, which must be whole.
fn next(receiver: &mut Receiver, longest: usize) -> Result<u64, RecvError> {
    let message = receiver.read_within(LONG)?.expect("it was sent").to_vec();
    let number = u64::from_le_bytes(message[..8].try_into().unwrap());
    assert!(message == super::message(number, longest), "message {number}");
    Ok(number)
}

const CLOSED: RecvError = RecvError::Disconnected { cause: DisconnectCause::Closed };

#[test]
fn each_receiver_gets_each_message_whatever_carries_it() {
    const COUNT: u64 = 4000;
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("all.sock").display());
    let zstd = Compression::Zstd { level: 1 };
    for driver in drivers() {
        for (uri, compression) in [
            ("tcp://127.0.0.1:0", Compression::None),
            ("tcp://127.0.0.1:0", zstd),
            (&unix, Compression::None),
            (&unix, Compression::Lz4),
            (&unix, Compression::Snappy),
        ] {
            let options = NetworkOptions { compression, ..options(driver) };
            let (mut sender, builder) = open_with(uri, OnFull::default(), options);
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let mut receiver = builder.receiver().unwrap();
                    thread::spawn(move || {
                        for number in 0..COUNT {
                            assert_eq!(next(&mut receiver, 3000), Ok(number));
                        }
                        assert_eq!(next(&mut receiver, 3000), Err(CLOSED));
                        let counters = receiver.counters();
                        assert_eq!((counters.messages, counters.lost), (COUNT, 0));
                    })
                })
                .collect();
            for number in 0..COUNT {
                sender.push(&message(number, 3000)).unwrap();
            }
            assert_eq!(sender.counters().messages, COUNT);
            drop(sender);
            workers.into_iter().for_each(|worker| worker.join().unwrap());
        }
    }
}

#[test]
fn who_joins_gets_what_is_sent_from_then_on() {
    for driver in drivers() {
        let (mut sender, builder) = open(driver, OnFull::default());
        // Nobody is there: it is gone at once.
        assert_eq!(sender.try_send(&message(0, 100)), Ok(()));
        let mut receivers = Vec::new();
        for number in 1..20 {
            receivers.push((builder.receiver().unwrap(), number));
            sender.send(&message(number, 100), LONG).unwrap();
        }
        assert_eq!(sender.receivers(), 19);
        for (receiver, from) in &mut receivers {
            for number in *from..20 {
                assert_eq!(next(receiver, 100), Ok(number));
            }
        }
        // Who leaves is not waited for, and is counted.
        receivers.truncate(10);
        let begun = Instant::now();
        while sender.receivers() > 10 {
            assert!(begun.elapsed() < LONG);
            thread::yield_now();
        }
        assert_eq!(sender.departed().closed, 9);
        sender.send(&message(20, 100), LONG).unwrap();
        drop(sender);
        for (receiver, _) in &mut receivers {
            assert_eq!(next(receiver, 100), Ok(20));
            assert_eq!(next(receiver, 100), Err(CLOSED));
        }
    }
}

#[test]
fn senders_that_lose_nothing_wait_for_the_slowest_or_say_so() {
    for (driver, on_full) in drivers().into_iter().flat_map(|driver| WAITING.map(|rule| (driver, rule))) {
        let (mut sender, builder) = open_with("tcp://127.0.0.1:0", on_full, narrow(driver));
        let (mut quick, mut slow) = (builder.receiver().unwrap(), builder.receiver().unwrap());
        let (mut sent, mut read) = (0, 0);
        let full = loop {
            match sender.push(&message(sent, 3000)) {
                Ok(Pushed::Sent) => sent += 1,
                other => break other,
            }
            while quick.read().unwrap().is_some() {
                read += 1;
            }
        };
        match on_full {
            OnFull::Block(_) => assert_eq!(full, Err(SendError::TimedOut)),
            OnFull::Fail => assert_eq!(full, Err(SendError::Full)),
            _ => assert_eq!((full, sender.counters().drops), (Ok(Pushed::Dropped), 1)),
        }
        // When the slow one has read, there is room again, and nobody has lost anything.
        for number in 0..sent {
            assert_eq!(next(&mut slow, 3000), Ok(number));
        }
        sender.send(&message(sent, 3000), LONG).unwrap();
        drop(sender);
        assert_eq!(next(&mut slow, 3000), Ok(sent));
        while quick.wait(LONG).is_ok() {
            read += quick.recv_batch(100, |_| ()).unwrap() as u64;
        }
        assert_eq!((read, quick.counters().lost, slow.counters().lost), (sent + 1, 0, 0));
    }
}

/// One that never reads holds up nobody, whatever is sent, and knows what it missed when it reads after all.
#[test]
fn a_sender_that_overwrites_never_waits_and_who_is_slow_knows_what_it_lost() {
    const COUNT: u64 = 30_000;
    for driver in drivers() {
        let (mut sender, builder) = open_with("tcp://127.0.0.1:0", OnFull::OverwriteOldest, narrow(driver));
        let mut slow = builder.receiver().unwrap();
        let mut quick = builder.receiver().unwrap();
        let reading = thread::spawn(move || {
            let (mut due, mut last) = (0, None);
            while let Ok(number) = next(&mut quick, 3000) {
                due = number + 1;
                last = Some(number);
            }
            (quick.counters(), due, last)
        });
        let begun = Instant::now();
        for number in 0..COUNT {
            assert_eq!(sender.push(&message(number, 3000)), Ok(Pushed::Sent));
        }
        assert_eq!((sender.counters().stalls, sender.counters().drops), (0, 0));
        assert!(begun.elapsed() < LONG);
        let finishing = thread::spawn(move || drop(sender));
        let (mut last, mut count, mut gaps) = (None, 0, 0);
        while let Ok(number) = next(&mut slow, 3000) {
            assert!(last.is_none_or(|last| last < number));
            gaps += u64::from(number != last.map_or(0, |last| last + 1));
            (last, count) = (Some(number), count + 1);
        }
        finishing.join().unwrap();
        // The newest come, as many as the ring holds.
        assert_eq!(last, Some(COUNT - 1));
        assert!(gaps > 0 && count < COUNT / 2, "{count} of {COUNT}");
        assert_eq!(slow.counters().lost + count, COUNT);
        let (counters, due, last) = reading.join().unwrap();
        assert_eq!((counters.messages + counters.lost, last), (COUNT, Some(COUNT - 1)));
        assert_eq!(due, COUNT);
    }
}

#[test]
fn of_values_the_newest_counts_and_the_others_are_counted() {
    const COUNT: u64 = 20_000;
    for driver in drivers() {
        let (mut sender, builder) = open_with("tcp://127.0.0.1:0", OnFull::Latest, narrow(driver));
        let mut receiver = builder.receiver().unwrap();
        let mut sent = 0;
        let mut count = 0;
        for round in 0..5 {
            for _ in 0..COUNT {
                assert_eq!(sender.push(&message(sent, 100)), Ok(Pushed::Sent));
                sent += 1;
            }
            // What was on its way when this end was slow, and then the newest.
            let mut looks = 0;
            while next(&mut receiver, 100) != Ok(sent - 1) {
                looks += 1;
                assert!(looks < 100, "round {round}: what is old comes one by one");
            }
            count += looks + 1;
            assert_eq!(receiver.read().unwrap().map(|found| found.to_vec()), None);
            assert_eq!(receiver.counters().lost + count, sent);
        }
        drop(sender);
        assert_eq!(next(&mut receiver, 100), Err(CLOSED));
    }
}

#[test]
fn there_are_64_receivers_and_places_are_free_again() {
    let (mut sender, builder) = open(Driver::Sockets, OnFull::default());
    let mut receivers: Vec<_> = (0..MAX_RECEIVERS).map(|_| builder.receiver().unwrap()).collect();
    let error = builder.clone().join_within(Duration::ZERO).receiver().unwrap_err();
    assert!(
        matches!(error, OpenError { failure: OpenFailure::ReceiversTaken { most: MAX_RECEIVERS }, .. }),
        "{error}"
    );
    // The sender has not looked, and need not.
    receivers.pop();
    receivers.push(builder.receiver().unwrap());
    sender.send(b"to all", LONG).unwrap();
    assert_eq!(sender.receivers(), MAX_RECEIVERS);
    for receiver in &mut receivers {
        assert_eq!(receiver.read_within(LONG).unwrap().unwrap().to_vec(), b"to all");
    }
    receivers.pop();
    let begun = Instant::now();
    while sender.receivers() == MAX_RECEIVERS {
        assert!(begun.elapsed() < LONG);
        thread::yield_now();
    }
    receivers.push(builder.receiver().unwrap());
}

#[test]
fn who_works_out_another_mode_is_told_so() {
    let (sender, builder) = open(Driver::Sockets, OnFull::Latest);
    let other = builder.clone().on_full(OnFull::Fail);
    let error = other.clone().mode(Mode::Spmc).receiver().unwrap_err().to_string();
    assert!(error.contains("SPMC") && error.contains("broadcast"), "{error}");
    let error = other.mode(Mode::Spsc).sender().unwrap_err();
    assert!(
        matches!(error, OpenError { failure: OpenFailure::Mismatch { what: "mode", .. }, .. }),
        "{error}"
    );
    // What a broadcast is asked for by one that shares out is no broadcast's either.
    drop(sender);
    let (_sender, builder) =
        open_to_many("tcp://127.0.0.1:0", |uri| plain(Driver::Sockets)(uri).mode(Mode::Spmc));
    let error = builder.mode(Mode::Broadcast).receiver().unwrap_err().to_string();
    assert!(error.contains("SPMC") && error.contains("broadcast"), "{error}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Leave(usize),
    Send(u64),
    Read(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Join),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => (1..40_u64).prop_map(Step::Send),
        6 => (any::<usize>(), 1..60_usize).prop_map(|(who, most)| Step::Read(who, most)),
    ]
}

/// One receiver and what it is due.
struct Listener {
    receiver: Receiver,
    from: u64,
    got: u64,
    next: u64,
}

impl Listener {
    /// Whatever it takes is whole and newer than what it has; without loss it is the next.
    fn take(&mut self, most: usize, loses: bool) {
        for _ in 0..most {
            let Ok(Some(found)) = self.receiver.read() else { return };
            let bytes = found.to_vec();
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            assert!(bytes == message(number, 500), "message {number}");
            assert!(number == self.next || loses && number > self.next, "{number} instead of {}", self.next);
            (self.next, self.got) = (number + 1, self.got + 1);
        }
    }
}

/// Whatever comes to pass, each receiver gets what was sent since it joined, in order, and knows what it did not get.
fn run(driver: Driver, on_full: OnFull, publish_every: u64, steps: &[Step]) {
    let (mut sender, builder) = open_to_many("tcp://127.0.0.1:0", |uri| {
        let builder = Channel::builder(uri).unwrap().network(narrow(driver)).capacity(1 << 12);
        builder.mode(Mode::Broadcast).on_full(on_full).publish_every(publish_every)
    });
    let loses = matches!(on_full, OnFull::OverwriteOldest | OnFull::Latest);
    let (mut listeners, mut sent, mut left): (Vec<Listener>, _, _) = (Vec::new(), 0, 0);
    for step in steps {
        match *step {
            Step::Join if listeners.len() < 4 => {
                let receiver = builder.receiver().unwrap();
                listeners.push(Listener { receiver, from: sent, got: 0, next: sent });
            }
            Step::Leave(at) if !listeners.is_empty() => {
                left += 1;
                drop(listeners.remove(at % listeners.len()));
                let begun = Instant::now();
                while sender.departed().closed < left {
                    assert!(sender.receivers() >= listeners.len() && begun.elapsed() < LONG);
                }
            }
            Step::Send(count) => {
                for _ in 0..count {
                    match sender.push(&message(sent, 500)) {
                        Ok(Pushed::Sent) => sent += 1,
                        Ok(Pushed::Dropped) => assert!(!loses && !listeners.is_empty()),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            Step::Read(at, most) if !listeners.is_empty() => {
                let at = at % listeners.len();
                listeners[at].take(most, loses);
            }
            _ => {}
        }
    }
    let closing = thread::spawn(move || drop(sender));
    for listener in &mut listeners {
        while listener.receiver.wait(LONG).is_ok() {
            listener.take(usize::MAX, loses);
        }
        let lost = listener.receiver.counters().lost;
        assert!(loses || lost == 0);
        assert_eq!((listener.next, listener.from + listener.got + lost), (sent, sent));
    }
    closing.join().unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 16, ..Config::default() })]
    #[test]
    fn a_list_of_steps_gives_each_what_it_is_due(
        steps in prop::collection::vec(step(), 1..40),
        publish_every in prop_oneof![Just(0_u64), Just(600)],
    ) {
        for driver in drivers() {
            for on_full in [OnFull::DropNewest, OnFull::OverwriteOldest, OnFull::Latest] {
                run(driver, on_full, publish_every, &steps);
            }
        }
    }
}
