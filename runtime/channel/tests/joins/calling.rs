//! A sender that calls several receivers: not all of them are there, are ends, or answer.
//!
//! spec: NET-2.6

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, Mode, NetworkOptions, OpenError, OpenFailure};
use rustix::net::{SendFlags, send};

use super::{
    PATIENCE, SHORT, SOON, builder,
    closing::{Stop, free_port},
    processes::{Listener, MODES},
    strangers::Stranger,
};

/// A channel that has two addresses.
struct Two {
    uris: [String; 2],
    /// Of the first, if it is a TCP port.
    port: u16,
    /// For an end that knows the first alone.
    first: Builder,
}

impl Two {
    fn new(scheme: &str, directory: &Path) -> Self {
        let port = free_port();
        let uris = match scheme {
            "unix" => ["joins", "second"].map(|name| format!("unix://{}/{name}.sock", directory.display())),
            _ => [port, free_port()].map(|port| format!("tcp://127.0.0.1:{port}")),
        };
        Self { uris, port, first: builder(scheme, directory, port).mode(Mode::Mpmc) }
    }

    /// For a sender that calls both.
    fn both(&self) -> Builder {
        self.first.clone().also_at(&self.uris[1]).unwrap()
    }

    /// For a receiver at the second.
    fn there(&self) -> Builder {
        Channel::builder(&self.uris[1]).unwrap().capacity(1 << 12).mode(Mode::Mpmc)
    }
}

fn everywhere(test: impl Fn(&str, &Path, Two)) {
    for scheme in ["unix", "tcp"] {
        let directory = tempfile::tempdir().unwrap();
        eprintln!("{scheme}");
        test(scheme, directory.path(), Two::new(scheme, directory.path()));
    }
}

/// What is said of a sender that cannot be opened, for the sake of whoever is at `uri`.
fn says(builder: &Builder, uri: &str) -> OpenError {
    let error = builder.sender().unwrap_err();
    assert_eq!(error.channel.to_string(), uri);
    assert!(error.to_string().starts_with(&format!("cannot open the sender of {uri}: ")), "{error}");
    error
}

#[test]
fn what_is_said_names_the_address_where_it_was_met() {
    everywhere(|scheme, directory, two| {
        let [first, second] = &two.uris;
        let error = says(&two.both().join_within(SHORT), first).to_string();
        assert!(error.contains(&format!("nobody listens at {first} or {second}:")), "{error}");
        // Of nobody, and one that has another channel, the other channel is what counts.
        let another = two.there().capacity(1 << 13).receiver().unwrap();
        let error = says(&two.both().join_within(SHORT), second).to_string();
        assert!(error.contains("4096 bytes") && error.contains("8192 bytes"), "{error}");
        // So it is if the other is no end at all.
        let stranger = Stranger::new(scheme, directory, two.port);
        says(&two.both().join_within(SHORT), second);
        drop(another);
        // Of nobody and one that does not answer, that one.
        let begun = Instant::now();
        let error = says(&two.both().join_within(SHORT), first);
        assert!(matches!(error.failure, OpenFailure::NoAnswer { .. }), "{error}");
        assert!((SHORT / 2..SOON).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        drop(stranger);
    });
}

#[test]
fn who_is_no_end_is_not_waited_for() {
    everywhere(|scheme, directory, two| {
        let (stranger, over) = (Stranger::new(scheme, directory, two.port), AtomicBool::new(false));
        let _another = two.there().capacity(1 << 13).receiver().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    send(stranger.caller(), b"220 mail.example ESMTP", SendFlags::NOSIGNAL).unwrap();
                }
            });
            let (stopping, begun) = (Stop(&over), Instant::now());
            let alone = two.first.clone().join_within(PATIENCE);
            let error = alone.sender().unwrap_err();
            assert!(matches!(error.failure, OpenFailure::NoChannel { .. }), "{error}");
            // Neither will be anything else.
            says(&two.both().join_within(PATIENCE), &two.uris[1]);
            assert!(begun.elapsed() < SOON, "they were waited for");
            drop(stopping);
            says(&two.both().join_within(SHORT), &two.uris[1]);
        });
    });
}

#[test]
fn who_says_nothing_keeps_a_sender_from_no_other() {
    everywhere(|scheme, directory, two| {
        let stranger = Stranger::new(scheme, directory, two.port);
        let mut receiver = two.there().receiver().unwrap();
        let begun = Instant::now();
        let mut sender = two.both().sender().unwrap();
        sender.send(b"to who is there", PATIENCE).unwrap();
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"to who is there");
        drop(stranger);
    });
}

/// Nobody is missed because the pauses have become long.
#[test]
fn a_sender_that_waits_calls_often() {
    everywhere(|scheme, directory, two| {
        let stranger = Stranger::new(scheme, directory, two.port);
        let (calls, over) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    drop(stranger.caller());
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
            let stopping = Stop(&over);
            let error = says(&two.both().join_within(Duration::from_millis(1500)), &two.uris[0]);
            assert!(matches!(error.failure, OpenFailure::Left { .. }), "{error}");
            // Pauses that double, from 5 ms on, would make it nine.
            let calls = calls.load(Ordering::Relaxed);
            assert!(calls > 15, "{calls}");
            drop(stopping);
            let _ = two.first.clone().join_within(SHORT).sender();
        });
    });
}

#[test]
fn a_receiver_that_was_stopped_is_called_again_and_joined() {
    everywhere(|scheme, directory, two| {
        let mode = MODES.iter().position(|mode| *mode == Mode::Mpmc).unwrap();
        let stopped = Listener::new(scheme, mode, directory, two.port);
        let mut receiver = two.there().receiver().unwrap();
        stopped.stop();
        let mut options = NetworkOptions::default();
        options.handshake_timeout = SHORT;
        let mut sender = two.both().network(options).join_within(PATIENCE).sender().unwrap();
        sender.send(b"to who is there", PATIENCE).unwrap();
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"to who is there");
        // So that it was given up at least once.
        thread::sleep(4 * SHORT);
        assert_eq!(sender.receivers(), 1);
        stopped.go_on();
        assert!(sender.wait_for_receivers(2, PATIENCE));
    });
}
