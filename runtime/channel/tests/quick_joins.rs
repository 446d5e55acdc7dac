//! Thousands of receivers that join and go at once, at senders that look and at senders that do not: nothing of them is
//! left. The only test of its process, since it counts what the process has open.
//!
//! spec: NET-1.2, NET-2.3

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, Driver, Mode, NetworkOptions, OnFull, Sender};

const JOINS: usize = 600;
const PATIENCE: Duration = Duration::from_secs(60);
const CAPACITY: usize = 1 << 14;

/// What a receiver says first, written down from the specification.
fn greeting(mode: u32) -> [u8; 120] {
    let mut bytes = [0; 120];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"ADITWIRE");
    put(8, &1_u32.to_le_bytes());
    put(16, &mode.to_le_bytes());
    put(24, &(CAPACITY as u64).to_le_bytes());
    put(40, &5_u32.to_le_bytes());
    put(56, b"bytes");
    bytes
}

/// Joins, hears the answer, and goes; returns whether it was let in.
fn join_and_go(address: &str, mode: Mode) -> bool {
    let mut stream = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&greeting(if mode == Mode::Spmc { 3 } else { 5 })).unwrap();
    let mut answer = [0; 120];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[..8], b"ADITWIRE");
    match answer[12] {
        1 => true,
        3 => false,
        status => panic!("answered {status}"),
    }
}

/// From two threads; returns how many were let in.
fn join_and_go_often(address: &str, mode: Mode, joins: usize) -> usize {
    thread::scope(|scope| {
        let half = || (0..joins / 2).filter(|_| join_and_go(address, mode)).count();
        let other = scope.spawn(half);
        half() + other.join().unwrap()
    })
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// In KiB.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn until_nobody_is_there(sender: &mut Sender) {
    let begun = Instant::now();
    while sender.receivers() > 0 {
        assert!(begun.elapsed() < PATIENCE, "somebody is kept");
        thread::sleep(Duration::from_millis(1));
    }
}

fn withstands(builder: impl Fn(&str) -> Builder, mode: Mode) {
    let mut sender = builder("tcp://127.0.0.1:0").sender().unwrap();
    let address = sender.network().unwrap().address.clone();
    // Whatever is made once is made.
    join_and_go_often(&address, mode, 100);
    until_nobody_is_there(&mut sender);
    let (files, memory) = (open_files(), resident());

    // The sender does not look.
    let let_in = join_and_go_often(&address, mode, JOINS);
    assert!(let_in > JOINS / 2, "{mode}: {let_in} of {JOINS} were let in");
    // One that comes all the same finds a place.
    drop(builder(&address).join_within(PATIENCE).receiver().unwrap());
    until_nobody_is_there(&mut sender);

    // The sender sends.
    let joining = {
        let address = address.clone();
        thread::spawn(move || join_and_go_often(&address, mode, JOINS))
    };
    while !joining.is_finished() {
        // To share out with nobody there is no error of this end's.
        let _ = sender.try_send(&[7; 1000]);
    }
    assert!(joining.join().unwrap() > JOINS / 2);
    until_nobody_is_there(&mut sender);

    let mut receiver = builder(&address).join_within(PATIENCE).receiver().unwrap();
    assert!(sender.wait_for_receivers(1, PATIENCE));
    sender.send(b"all the same", PATIENCE).unwrap();
    assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"all the same");
    drop(receiver);
    until_nobody_is_there(&mut sender);
    let begun = Instant::now();
    while open_files() > files + 4 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{mode}: {} files are open, before there were {files}",
            open_files()
        );
        thread::sleep(Duration::from_millis(1));
    }
    let grown = resident().saturating_sub(memory);
    assert!(grown < 32 << 10, "{mode}: {grown} KiB more");
}

#[test]
fn nothing_is_left_of_receivers_that_join_and_go() {
    for driver in [Driver::Sockets, Driver::Auto] {
        for (mode, on_full) in [
            (Mode::Spmc, OnFull::default()),
            (Mode::Broadcast, OnFull::default()),
            (Mode::Broadcast, OnFull::OverwriteOldest),
        ] {
            let mut options = NetworkOptions::default();
            options.driver = driver;
            let builder = |uri: &str| {
                let builder = Channel::builder(uri).unwrap().network(options.clone());
                builder.capacity(CAPACITY).mode(mode).on_full(on_full)
            };
            withstands(builder, mode);
        }
    }
}
