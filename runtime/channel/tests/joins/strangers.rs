//! Who listens at a channel's place is none of its ends: it hangs up, says something else, or nothing.
//!
//! spec: CHN-4.5, NET-2.6

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use adit_channel::{Builder, Mode, OpenFailure};
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect,
        listen, recv, send, socket_with,
    },
};

use super::{PATIENCE, SCHEMES, SHORT, SOON, builder, closing::free_port, failure, open, sender_listens};

/// A program that listens where a channel's end could.
pub struct Stranger(OwnedFd);

impl Stranger {
    pub fn new(scheme: &str, directory: &Path, port: u16) -> Self {
        Self(match scheme {
            "ipc" => {
                let socket = seqpacket();
                bind(&socket, &place(directory, "joins")).unwrap();
                listen(&socket, 64).unwrap();
                socket
            }
            "unix" => UnixListener::bind(directory.join("joins.sock")).unwrap().into(),
            _ => TcpListener::bind(("127.0.0.1", port)).unwrap().into(),
        })
    }

    /// The next who calls.
    pub fn caller(&self) -> OwnedFd {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&PATIENCE.try_into().unwrap())).unwrap(), 1, "nobody calls");
        accept(&self.0).unwrap()
    }
}

fn seqpacket() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// A socket in the channels' directory, which is made if it is not there.
fn place(directory: &Path, name: &str) -> SocketAddrUnix {
    use std::os::unix::fs::DirBuilderExt as _;
    let directory = directory.join("adit");
    let _ = std::fs::DirBuilder::new().mode(0o700).create(&directory);
    SocketAddrUnix::new(directory.join(format!("{name}.channel"))).unwrap()
}

/// Each kind of channel with a stranger where an end should listen, and whether who joins it sends.
fn everywhere(test: impl Fn(&Builder, bool, Stranger)) {
    for scheme in SCHEMES {
        for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
            let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
            let builder = builder(scheme, directory.path(), port).mode(mode);
            eprintln!("{scheme}, {mode}");
            test(&builder, !sender_listens(scheme, mode), Stranger::new(scheme, directory.path(), port));
        }
    }
}

#[test]
fn who_hangs_up_has_left() {
    for hears in [false, true] {
        everywhere(|builder, sends, stranger| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let caller = stranger.caller();
                    if hears {
                        recv(&caller, &mut [0; 200][..], RecvFlags::empty()).unwrap();
                    }
                });
                let failure = failure(builder, sends);
                // A sender to many looks for another receiver, and there is none.
                let left = matches!(failure, OpenFailure::Left { .. } | OpenFailure::NobodyListens { .. });
                assert!(left, "{failure}");
            });
        });
    }
}

#[test]
fn an_end_comes_where_one_hung_up_and_is_joined() {
    for scheme in SCHEMES {
        for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
            let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
            let builder = builder(scheme, directory.path(), port).mode(mode);
            let sends = !sender_listens(scheme, mode);
            let stranger = Stranger::new(scheme, directory.path(), port);
            let joining = thread::spawn({
                let builder = builder.clone().join_within(PATIENCE);
                move || open(&builder, sends).map(drop)
            });
            drop(stranger.caller());
            drop(stranger);
            let _listening = (0..)
                .find_map(|_| match open(&builder, !sends) {
                    Ok(end) => Some(end),
                    // Whoever joins may call this very moment.
                    Err(error) if matches!(error.failure, OpenFailure::ReceiverTaken) => None,
                    Err(error) => panic!("{error}"),
                })
                .unwrap();
            joining.join().unwrap().unwrap();
        }
    }
}

#[test]
fn who_says_nothing_is_not_waited_for_longer_than_was_said() {
    everywhere(|builder, sends, stranger| {
        let begun = Instant::now();
        let failure = failure(&builder.clone().join_within(SHORT), sends);
        assert!(matches!(failure, OpenFailure::NoAnswer { .. }), "{failure}");
        assert!((SHORT / 2..SOON).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        drop(stranger);
    });
}

#[test]
fn who_speaks_otherwise_is_known_by_its_first_words() {
    everywhere(|builder, sends, stranger| {
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let caller = stranger.caller();
                send(&caller, b"220 mail.example ESMTP", SendFlags::NOSIGNAL).unwrap();
                caller
            });
            let begun = Instant::now();
            let failure = failure(builder, sends);
            assert!(matches!(failure, OpenFailure::NoChannel { .. }), "{failure}");
            assert!(begun.elapsed() < SOON, "it was waited for");
            drop(other.join().unwrap());
        });
    });
}

#[test]
fn a_socket_of_another_kind_is_told_as_that() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adit/joins.channel");
    place(directory.path(), "joins");
    let _stream = UnixListener::bind(&path).unwrap();
    let ipc = builder("ipc", directory.path(), 0);
    for sends in [true, false] {
        let failure = failure(&ipc, sends).to_string();
        assert!(failure.contains("of another kind") && failure.contains("joins.channel"), "{failure}");
    }
    let socket = seqpacket();
    bind(&socket, &SocketAddrUnix::new(directory.path().join("joins.sock")).unwrap()).unwrap();
    listen(&socket, 4).unwrap();
    let failure = failure(&builder("unix", directory.path(), 0), true).to_string();
    assert!(failure.contains("of another kind") && failure.contains("joins.sock"), "{failure}");
}

/// Receivers listen beside a stranger, and a sender joins them, not it.
#[test]
fn a_silent_stranger_keeps_nobody_from_joining() {
    for mode in [Mode::Spmc, Mode::Mpmc] {
        let directory = tempfile::tempdir().unwrap();
        let _stranger = Stranger::new("ipc", directory.path(), 0);
        let builder = builder("ipc", directory.path(), 0).mode(mode).join_within(SHORT);
        let begun = Instant::now();
        let mut receiver = builder.receiver().unwrap();
        let mut sender = builder.sender().unwrap();
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        sender.send(b"to who is there", PATIENCE).unwrap();
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"to who is there");
        // And so does a receiver that comes later.
        let _second = builder.receiver().unwrap();
        assert!(sender.wait_for_receivers(2, PATIENCE));
    }
}

/// As many as are heard at a time, and some more, say nothing to the end that listens.
///
/// spec: CHN-4.5, NET-2.4
#[test]
fn silent_guests_make_room_for_who_has_something_to_say() {
    for scheme in SCHEMES {
        for mode in [Mode::Mpsc, Mode::Broadcast] {
            let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
            let builder = builder(scheme, directory.path(), port).mode(mode);
            let sends = !sender_listens(scheme, mode);
            let listening = open(&builder, !sends).unwrap_or_else(|error| panic!("{error}"));
            let silent: Vec<OwnedFd> = (0..24).map(|_| call(scheme, directory.path(), port)).collect();
            thread::sleep(Duration::from_millis(1100));
            // Sooner than any of them is sent away for its silence alone.
            let joined = open(&builder.clone().join_within(Duration::from_secs(2)), sends);
            drop(joined.unwrap_or_else(|error| panic!("{scheme}, {mode}: {error}")));
            drop((silent, listening));
        }
    }
}

fn call(scheme: &str, directory: &Path, port: u16) -> OwnedFd {
    match scheme {
        "ipc" => {
            let socket = seqpacket();
            connect(&socket, &place(directory, "joins")).unwrap();
            socket
        }
        "unix" => UnixStream::connect(directory.join("joins.sock")).unwrap().into(),
        _ => std::net::TcpStream::connect(("127.0.0.1", port)).unwrap().into(),
    }
}

/// Who looks at a channel hears of one that goes meanwhile, and not that it breaks rules.
#[test]
fn who_hangs_up_on_an_onlooker_has_left() {
    let directory = tempfile::tempdir().unwrap();
    let stranger = Stranger::new("ipc", directory.path(), 0);
    let hanging_up = thread::spawn(move || {
        let caller = stranger.caller();
        recv(&caller, &mut [0; 200][..], RecvFlags::empty()).unwrap();
    });
    let looks = adit_channel::inspect::look(&directory.path().join("adit"), PATIENCE).unwrap();
    assert!(matches!(looks[0].state, Err(adit_channel::inspect::Unseen::Left)), "{:?}", looks[0].state);
    hanging_up.join().unwrap();
}

/// One that says half of what it should is no better.
#[test]
fn half_an_answer_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("joins.sock")).unwrap();
    let answering = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 120]).unwrap();
        stream.write_all(b"ADITW").unwrap();
        stream
    });
    let begun = Instant::now();
    let failure = failure(&builder("unix", directory.path(), 0).join_within(SHORT), true);
    assert!(matches!(failure, OpenFailure::NoAnswer { .. }), "{failure}");
    assert!(begun.elapsed() < SOON);
    drop(answering.join().unwrap());
}
