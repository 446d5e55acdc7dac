//! What a receiver makes of guests that do not behave, and a sender of such a receiver.

use std::{
    fs::{self, File},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{fs::FileTypeExt as _, net::UnixListener},
    },
    sync::Arc,
    time::{Duration, Instant},
};

use adit_memory::{Options, create_for_peer, create_owned};
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{SendFlags, SocketFlags, accept_with, bind, connect, listen, send},
};

use super::{
    frame::{Frame, Status},
    guests::SILENCE,
    place::Place,
    socket::{self, Received},
    *,
};
use crate::{
    endpoint::{Inbox, OpenFailure, Placement, Wish},
    lane::{MessageKind, Mode, READER_SIZE, Side, Spec, write_header, writer_size},
    transport::Patience,
};

/// For nobody who does not listen.
fn now() -> Patience {
    Patience::new(Duration::ZERO)
}

fn spec() -> Spec {
    Spec { mode: Mode::Mpsc, capacity: 4096, kind: MessageKind::bytes() }
}

struct House {
    _directory: tempfile::TempDir,
    place: Place,
}

fn house() -> House {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new("guests", Some(&directory.path().join("adit"))).unwrap();
    House { _directory: directory, place }
}

fn guest(place: &Place) -> OwnedFd {
    let socket = socket::new().unwrap();
    connect(&socket, &place.address().unwrap()).unwrap();
    socket
}

fn wait(socket: &OwnedFd) -> Result<Received, OpenFailure> {
    poll(&mut [PollFd::new(socket, PollFlags::IN)], None).unwrap();
    socket::receive(socket)
}

fn hello(socket: &OwnedFd, spec: &Spec, fd: Option<BorrowedFd<'_>>) -> Status {
    socket::send(socket, &Frame { status: Status::Hello, spec: spec.clone(), node: None }, fd).unwrap();
    match wait(socket) {
        Ok(Received::Frame(frame, _)) => frame.status,
        other => panic!("{other:?}"),
    }
}

fn lanes(inbox: &Inbox) -> usize {
    let mut lanes = Vec::new();
    inbox.take(&mut lanes);
    lanes.len()
}

#[test]
fn guests_that_do_not_behave_are_hung_up_on_and_others_are_let_in() {
    let house = house();
    let (inbox, _hold) = receiver(&house.place, &spec(), now()).unwrap();
    for noise in [&b"x"[..], b"ADITJOIN", &[0; 112], &[255; 5000]] {
        let guest = guest(&house.place);
        send(&guest, noise, SendFlags::NOSIGNAL).unwrap();
        assert!(
            matches!(wait(&guest), Ok(Received::Frame(frame, None)) if frame.status == Status::Different)
        );
        assert!(matches!(wait(&guest), Ok(Received::End)));
    }
    let options = Options::default();
    let wrong_size = create_owned("test", 4096, &options).unwrap().1;
    let unwritten = create_owned("test", writer_size(4096), &options).unwrap().1;
    let null = File::open("/dev/null").unwrap();
    for fd in [None, Some(null.as_fd()), Some(wrong_size.fd()), Some(unwritten.fd())] {
        assert_eq!(hello(&guest(&house.place), &spec(), fd), Status::Failed);
    }
    let other = Spec { capacity: 8192, ..spec() };
    assert_eq!(hello(&guest(&house.place), &other, Some(unwritten.fd())), Status::Different);
    assert_eq!(lanes(&inbox), 0);

    let lane = sender(&house.place, &spec(), now(), Wish::default()).unwrap();
    assert_eq!(lane.gone(), None);
    assert_eq!(lanes(&inbox), 1);
}

#[test]
fn silent_guests_are_limited_and_make_room_when_they_leave() {
    let house = house();
    let (inbox, _hold) = receiver(&house.place, &spec(), now()).unwrap();
    let silent: Vec<_> = (0..16).map(|_| guest(&house.place)).collect();
    assert!(matches!(wait(&guest(&house.place)), Ok(Received::End)));
    drop(silent);
    let begin = Instant::now();
    while sender(&house.place, &spec(), now(), Wish::default()).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(lanes(&inbox), 1);
}

#[test]
fn who_was_heard_may_take_as_long_again_once_though_others_wait() {
    let house = house();
    let (_inbox, _hold) = receiver(&house.place, &spec(), now()).unwrap();
    let asks = |guest: &OwnedFd| {
        let question = Frame { status: Status::Where, spec: spec(), node: None };
        socket::send(guest, &question, None).unwrap();
        assert!(matches!(wait(guest), Ok(Received::Frame(frame, _)) if frame.status == Status::Here));
    };
    let is_there = |guest: &OwnedFd| matches!(socket::receive(guest), Ok(Received::Nothing));
    let slow = guest(&house.place);
    let silent: Vec<_> = (0..15).map(|_| guest(&house.place)).collect();
    // All are accepted, or the first of them was not sent away in vain.
    asks(silent.last().unwrap());
    std::thread::sleep(SILENCE / 2);
    asks(&slow);
    std::thread::sleep(SILENCE / 2 + Duration::from_millis(50));
    // Fifteen are silent for a second; each makes room for one.
    let come = |count: usize| -> Vec<OwnedFd> {
        let come = |_| {
            let one = guest(&house.place);
            asks(&one);
            one
        };
        (0..count).map(come).collect()
    };
    let more = come(14);
    assert!(is_there(&slow), "it was heard half a second ago");
    assert!(silent[..14].iter().all(|one| !is_there(one)) && more.iter().all(is_there));
    // To ask again gives no more time.
    asks(&slow);
    std::thread::sleep(SILENCE / 2 + Duration::from_millis(50));
    // Both stay, or the second would have the first one's seat.
    let _two = come(2);
    let begin = Instant::now();
    while is_there(&slow) {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn receivers_that_do_not_answer_hold_up_no_new_one_for_each_of_them() {
    let house = house();
    let spec = Spec { mode: Mode::Spmc, ..spec() };
    let patience = Duration::from_secs(1);
    let silent = |number| {
        let listener = socket::new().unwrap();
        bind(&listener, &house.place.numbered(number).address().unwrap()).unwrap();
        listen(&listener, 9).unwrap();
        listener
    };
    let open = || {
        let begin = Instant::now();
        (spread::receiver(&house.place, &spec, Patience::new(patience)).unwrap(), begin.elapsed())
    };
    let is_there = |number| house.place.numbered(number).path().exists();
    // One has answered: nobody else is asked.
    let (_first, _) = open();
    let _silent: Vec<_> = (1..9).map(silent).collect();
    let (_tenth, took) = open();
    assert!(took < 5 * patience && is_there(9) && !is_there(10), "{took:?}");
    // Nobody answers: all together may take as long as one.
    drop(_first);
    let _another = silent(0);
    let (_eleventh, took) = open();
    assert!(took >= patience && took < 5 * patience && is_there(10), "{took:?}");
    let other = Spec { capacity: 8192, ..spec.clone() };
    let failed = spread::receiver(&house.place, &other, Patience::new(patience));
    assert!(matches!(failed, Err(OpenFailure::Mismatch { what: "capacity", .. })));
}

#[test]
fn a_joined_sender_that_talks_is_taken_for_dead() {
    let house = house();
    let (inbox, _hold) = receiver(&house.place, &spec(), now()).unwrap();
    let (own, segment) = create_owned("test", writer_size(4096), &Options::default()).unwrap();
    write_header(&Arc::new(own), Side::Writer, &spec());
    let guest = guest(&house.place);
    assert_eq!(hello(&guest, &spec(), Some(segment.fd())), Status::Accepted);
    let mut lanes = Vec::new();
    inbox.take(&mut lanes);
    assert_eq!(lanes[0].gone(), None);
    send(&guest, b"more", SendFlags::NOSIGNAL).unwrap();
    let begin = Instant::now();
    while lanes[0].gone().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

/// What a sender says of a receiver that does `answer` with it.
fn join_with(answer: impl FnOnce(&OwnedFd) + Send) -> String {
    let house = house();
    let listener = socket::new().unwrap();
    bind(&listener, &house.place.address().unwrap()).unwrap();
    listen(&listener, 1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            poll(&mut [PollFd::new(&listener, PollFlags::IN)], None).unwrap();
            let socket = accept_with(&listener, rustix::net::SocketFlags::CLOEXEC).unwrap();
            wait(&socket).unwrap();
            answer(&socket);
        });
        // This one does not ask where the receiver is.
        let wish = Wish { placement: Placement::Anywhere, ..Wish::default() };
        sender(&house.place, &spec(), now(), wish).unwrap_err().to_string()
    })
}

#[test]
fn a_receiver_that_does_not_behave_is_an_error() {
    let frame = |status, capacity| Frame { status, spec: Spec { capacity, ..spec() }, node: None };
    assert!(join_with(|_| ()).contains("closed, or died, before this end had joined"));
    let error = join_with(|socket| assert_eq!(send(socket, b"noise", SendFlags::NOSIGNAL), Ok(5)));
    assert!(error.contains("ADITJOIN"), "{error}");
    let error = join_with(|socket| socket::send(socket, &frame(Status::Accepted, 4096), None).unwrap());
    assert!(error.contains("no memory"), "{error}");
    let error = join_with(|socket| socket::send(socket, &frame(Status::Different, 64), None).unwrap());
    assert!(error.contains("asks for 4096 bytes, the other side has 64 bytes"), "{error}");
    let error = join_with(|socket| socket::send(socket, &frame(Status::Hello, 4096), None).unwrap());
    assert!(error.contains("greets"), "{error}");
    let huge = create_for_peer("test", 1 << 20, &Options::default()).unwrap().1;
    let empty = create_for_peer("test", READER_SIZE, &Options::default()).unwrap().1;
    for (segment, what) in [(huge, "65536"), (empty, "magic")] {
        let error = join_with(|socket| {
            socket::send(socket, &frame(Status::Accepted, 4096), Some(segment.fd())).unwrap();
        });
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_name_is_taken_over_from_the_dead_and_given_up_by_its_owner_alone() {
    let house = house();
    // What a killed receiver leaves.
    drop(UnixListener::bind(house.place.path()).unwrap());
    let (_, first) = receiver(&house.place, &spec(), now()).unwrap();
    assert!(matches!(receiver(&house.place, &spec(), now()), Err(OpenFailure::ReceiverTaken)));
    // Somebody removed the file, and another took the name.
    fs::remove_file(house.place.path()).unwrap();
    let (_inbox, second) = receiver(&house.place, &spec(), now()).unwrap();
    drop(first);
    assert!(fs::metadata(house.place.path()).unwrap().file_type().is_socket());
    assert!(sender(&house.place, &spec(), now(), Wish::default()).is_ok());
    drop(second);
    assert!(!house.place.path().exists());
    assert!(matches!(
        sender(&house.place, &spec(), now(), Wish::default()),
        Err(OpenFailure::NobodyListens { .. })
    ));
}

/// A file of somebody's that happens to have the name is not what a dead receiver left.
#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let house = house();
    fs::write(house.place.path(), "a diary").unwrap();
    let failure = receiver(&house.place, &spec(), now()).unwrap_err();
    assert!(failure.to_string().contains("a file that is no socket is in the way"), "{failure}");
    assert_eq!(fs::read_to_string(house.place.path()).unwrap(), "a diary");
}

/// Who has not joined has nobody to join when the receiver is gone.
#[test]
fn guests_are_sent_away_when_the_receiver_goes() {
    let house = house();
    let listening = receiver(&house.place, &spec(), now()).unwrap();
    let asking = Frame { status: Status::Where, spec: spec(), node: None };
    let heard = guest(&house.place);
    socket::send(&heard, &asking, None).unwrap();
    assert!(matches!(wait(&heard), Ok(Received::Frame(..))));
    let silent = guest(&house.place);
    // It is let in when the one behind it is answered.
    let last = guest(&house.place);
    socket::send(&last, &asking, None).unwrap();
    assert!(matches!(wait(&last), Ok(Received::Frame(..))));
    drop(listening);
    for guest in [heard, silent, last] {
        assert!(matches!(wait(&guest), Ok(Received::End)));
    }
}

/// Who is cut off, or whose receiver is closed, keeps no place, socket or memory here by staying.
#[test]
fn an_end_that_goes_hangs_up() {
    let house = house();
    let spec = Spec { mode: Mode::Spsc, ..spec() };
    let wish = Wish::default;
    let (inbox, hold) = receiver(&house.place, &spec, now()).unwrap();
    let mut first = sender(&house.place, &spec, now(), wish()).unwrap();
    first.push(b"a").unwrap();
    first.lie(u64::MAX / 8 * 8);
    let taken = sender(&house.place, &spec, now(), wish()).unwrap_err();
    assert!(matches!(taken, OpenFailure::SendersTaken { most: 1 }), "{taken}");
    let mut lanes = Vec::new();
    inbox.take(&mut lanes);
    drop(lanes);
    // The thread that watches sockets gives the place back.
    let began = Instant::now();
    let second = loop {
        match sender(&house.place, &spec, now(), wish()) {
            Ok(second) => break second,
            Err(failure) => assert!(began.elapsed() < Duration::from_secs(20), "{failure}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(first.gone().is_some() && second.gone().is_none());
    drop((inbox, hold));
}

/// One receiver says where it is and nothing after that: it keeps the sender from no other.
#[test]
fn a_receiver_that_stops_between_its_answers_is_not_waited_for() {
    let house = house();
    let spec = Spec { mode: Mode::Spmc, ..spec() };
    let (_inbox, _hold) = spread::receiver(&house.place, &spec, now()).unwrap();
    let listener = socket::new().unwrap();
    bind(&listener, &house.place.numbered(1).address().unwrap()).unwrap();
    listen(&listener, 8).unwrap();
    let theirs = spec.clone();
    let stopped = std::thread::spawn(move || {
        poll(&mut [PollFd::new(&listener, PollFlags::IN)], None).unwrap();
        let caller = accept_with(&listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK).unwrap();
        assert!(matches!(wait(&caller), Ok(Received::Frame(Frame { status: Status::Where, .. }, None))));
        let here = Frame { status: Status::Here, spec: theirs, node: None };
        socket::send(&caller, &here, None).unwrap();
        assert!(matches!(wait(&caller), Ok(Received::Frame(Frame { status: Status::Hello, .. }, Some(_)))));
        (listener, caller)
    });
    let began = Instant::now();
    let (outbox, _hold) = spread::sender(&house.place, &spec, now(), Wish::default()).unwrap();
    let took = began.elapsed();
    assert!(outbox.arrivals() == 1 && took < call::ANSWER / 2, "{} after {took:?}", outbox.arrivals());
    drop(stopped.join().unwrap());
}
