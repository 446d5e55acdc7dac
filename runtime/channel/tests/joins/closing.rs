//! The end that listens closes while others join it, again and again.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, DisconnectCause, Driver, Mode, NetworkOptions, OpenFailure, RecvError, SendError,
};

use super::{End, PATIENCE, SCHEMES, SOON, STARTING, builder, failure, open, sender_listens};

/// How long each kind of channel is opened and closed.
const A_WHILE: Duration = Duration::from_millis(400);

const CLOSED: DisconnectCause = DisconnectCause::Closed;

/// What an end hears that has joined: in the end that the other closed, and nothing else.
fn hears_that_it_closed(end: End) {
    match end {
        End::Receiver(mut receiver) => loop {
            match receiver.recv(&mut [0; 8], PATIENCE) {
                Ok(Some(8)) => {}
                other => break assert_eq!(other, Err(RecvError::Disconnected { cause: CLOSED })),
            }
        },
        End::Sender(mut sender) => loop {
            match sender.send(&[7; 8], PATIENCE) {
                Ok(()) | Err(SendError::Full) => {}
                other => break assert_eq!(other, Err(SendError::Disconnected { cause: CLOSED })),
            }
        },
    }
}

/// Opens the end that listens and closes it, until it is told to stop.
fn come_and_go(builder: &Builder, sends: bool, stop: &AtomicBool) {
    let mut pause = 0;
    let _stopping = Stop(stop);
    while !stop.load(Ordering::Relaxed) {
        let _nobody = STARTING.read();
        let end = match open(builder, sends) {
            Ok(end) => end,
            Err(error) => panic!("{error}"),
        };
        pause = (pause + 7) % 50;
        thread::sleep(Duration::from_micros(pause * 20));
        if let End::Sender(mut sender) = end {
            let _ = sender.try_send(&[7; 8]);
        }
    }
}

/// Tells the other thread to stop, also when this one fails.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn withstands(builder: &Builder, sends: bool, at_a_time: usize) {
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    let joining = || {
        while begun.elapsed() < A_WHILE && !stop.load(Ordering::Relaxed) {
            match open(builder, sends).map_err(|error| (error.to_string(), error.failure)) {
                Ok(end) => hears_that_it_closed(end),
                Err((_, OpenFailure::NobodyListens { .. } | OpenFailure::Left { .. })) => {}
                Err((error, _)) => panic!("{error}"),
            }
        }
    };
    thread::scope(|scope| {
        let stopping = Stop(&stop);
        let other = scope.spawn(|| come_and_go(builder, !sends, &stop));
        let others: Vec<_> = (1..at_a_time).map(|_| scope.spawn(joining)).collect();
        joining();
        others.into_iter().for_each(|other| other.join().unwrap());
        // It waits for nobody who has not come.
        let waiting = builder.clone().join_within(PATIENCE);
        for _ in 0..20 {
            hears_that_it_closed(open(&waiting, sends).unwrap_or_else(|error| panic!("{error}")));
        }
        drop(stopping);
        other.join().unwrap();
    });
}

#[test]
fn who_closes_while_it_is_joined_is_told_as_that() {
    for scheme in SCHEMES {
        for driver in [Driver::Sockets, Driver::Auto] {
            if scheme == "ipc" && driver == Driver::Auto {
                continue;
            }
            for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
                let directory = tempfile::tempdir().unwrap();
                let mut options = NetworkOptions::default();
                options.driver = driver;
                let builder = builder(scheme, directory.path(), free_port()).mode(mode).network(options);
                eprintln!("{scheme}, {driver:?}, {mode}");
                let sends = !sender_listens(scheme, mode);
                withstands(&builder, sends, if sends { 1 } else { 3 });
            }
        }
    }
}

/// A sender that sends nothing need not do anything for that.
#[test]
fn any_number_of_receivers_may_come_and_go_one_after_the_other() {
    for scheme in ["memory", "ipc", "unix", "tcp"] {
        for mode in [Mode::Spmc, Mode::Broadcast] {
            let directory = tempfile::tempdir().unwrap();
            let builder = builder(scheme, directory.path(), free_port()).mode(mode);
            // Over ipc:// one of many receivers listens for senders, and not the other way round.
            if scheme == "ipc" && mode == Mode::Spmc {
                continue;
            }
            let mut sender = builder.sender().unwrap();
            for number in 0..300 {
                let begun = Instant::now();
                // Of a connection it has to be heard that it ended.
                while let Err(error) = builder.receiver() {
                    let may_come = matches!(scheme, "unix" | "tcp") && begun.elapsed() < PATIENCE;
                    assert!(may_come, "{scheme}, {mode}, number {number}: {error}");
                    thread::sleep(Duration::from_millis(1));
                }
            }
            // It hears of all of them when it looks.
            let begun = Instant::now();
            while sender.departed().closed + sender.departed().died < 300 {
                let _ = sender.try_send(&[7; 8]);
                assert!(begun.elapsed() < PATIENCE, "{scheme}, {mode}: {:?}", sender.departed());
            }
        }
    }
}

/// Ends that listen at the same place, one of which closes in the moment in which the other asks it.
#[test]
fn who_listens_where_another_closes_takes_the_name_over() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [Mode::Spsc, Mode::Mpmc, Mode::Broadcast] {
        let builder = builder("ipc", directory.path(), 0).mode(mode);
        let sends = mode == Mode::Broadcast;
        thread::scope(|scope| {
            let both: [_; 2] = std::array::from_fn(|_| {
                scope.spawn(|| {
                    let begun = Instant::now();
                    let (mut opened, mut taken) = (0, 0);
                    while begun.elapsed() < A_WHILE {
                        let _nobody = STARTING.read();
                        match open(&builder, sends) {
                            Ok(_) => opened += 1,
                            Err(error) => match error.failure {
                                OpenFailure::ReceiverTaken | OpenFailure::SendersTaken { most: 1 } => {
                                    taken += 1
                                }
                                _ => panic!("{error}"),
                            },
                        }
                    }
                    (opened, taken)
                })
            });
            for thread in both {
                let (opened, taken) = thread.join().unwrap();
                assert!(opened > 0, "{mode}: it was refused {taken} times");
            }
        });
    }
}

/// A process that is being started has the lock of who has closed for a moment.
#[test]
fn a_lock_where_nobody_listens_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let builder = builder("unix", directory.path(), 0);
    drop(builder.receiver().unwrap_or_else(|error| panic!("{error}")));
    let lock = File::open(directory.path().join("joins.sock.lock")).unwrap();
    lock.lock().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(20));
            drop(lock);
        });
        let _receiver = builder.receiver().unwrap_or_else(|error| panic!("{error}"));
        let begun = Instant::now();
        let failure = failure(&builder, false);
        assert!(matches!(failure, OpenFailure::ReceiverTaken), "{failure}");
        assert!(begun.elapsed() < SOON);
    });
}

/// A port of this machine's that nobody has.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
