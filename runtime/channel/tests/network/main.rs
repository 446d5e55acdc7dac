//! `tcp://` and `unix://` between processes that are killed, and where the system refuses io_uring.
//!
//! The other process is this test binary once more, told by its environment what to be.

mod calling;
mod many;
mod process;

use std::{
    env,
    io::Read as _,
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, DisconnectCause, Driver, DriverUsed, Mode, NetworkOptions, RecvError, SendError,
};

use rustix::{
    process::{Resource, Rlimit, setrlimit},
    thread::{CapabilitySet, capabilities, set_capabilities},
};

use process::{DRIVER, PLACE, Process, ROLE};

const PATIENCE: Duration = Duration::from_secs(30);
const DIED: DisconnectCause = DisconnectCause::PeerDied;

fn builder(uri: &str, driver: Driver) -> Builder {
    let mut options = NetworkOptions::default();
    options.driver = driver;
    Channel::builder(uri).unwrap().capacity(1 << 16).network(options).join_within(PATIENCE)
}

/// Plain sockets, and io_uring if it is to be had.
fn drivers() -> [(&'static str, Driver); 2] {
    [("sockets", Driver::Sockets), ("auto", Driver::Auto)]
}

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let driver = if env::var(DRIVER).as_deref() == Ok("sockets") { Driver::Sockets } else { Driver::Auto };
    let place = env::var(PLACE).unwrap_or_default();
    let builder = builder(place.split(calling::AND).next().unwrap_or_default(), driver);
    match role.as_str() {
        "writer" => {
            let mut sender = builder.sender().unwrap();
            for number in 0_u64.. {
                sender.send(&message(number), PATIENCE).unwrap();
            }
        }
        "reader" => {
            let mut receiver = builder.receiver().unwrap();
            println!("at {}", receiver.network().unwrap().address);
            while receiver.wait(PATIENCE).is_ok() && receiver.recv_batch(100, |_| ()).is_ok() {}
        }
        "listener" => many::listen(&builder.mode(Mode::Broadcast)),
        "caster" => many::cast(&builder.mode(Mode::Broadcast)),
        "giver" => many::cast(&builder.mode(Mode::Spmc)),
        "sharer" => many::listen(&builder.mode(Mode::Spmc)),
        "feeder" => calling::feed(builder.mode(Mode::Mpmc)),
        "worker" => calling::work(&builder.mode(Mode::Mpmc)),
        "refused" => refused(),
        "unlocked" => unlocked(),
        _ => panic!("no such role: {role}"),
    }
}

fn message(number: u64) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(8 + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as usize, number as u8);
    message
}

#[test]
fn what_a_writer_that_was_killed_had_sent_arrives_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("writers.sock").display());
    for (name, driver) in drivers() {
        for uri in ["tcp://127.0.0.1:0", &unix] {
            let mut receiver = builder(uri, driver).receiver().unwrap();
            let address = receiver.network().unwrap().address.clone();
            for round in 0..10_u64 {
                let mut writer = Process::new("writer", &address, name);
                let (mut next, mut buffer) = (0, vec![0; 4096]);
                let kill_at = 1 + round * 150;
                let error = loop {
                    match receiver.recv(&mut buffer, PATIENCE) {
                        Ok(len) => {
                            let len = len.expect("the writer writes");
                            assert!(buffer[..len] == message(next), "message {next}");
                            next += 1;
                        }
                        // Of the writer before, until this one has joined.
                        Err(RecvError::Disconnected { .. }) if next == 0 => {
                            assert!(receiver.wait_for_sender(PATIENCE));
                        }
                        Err(error) => break error,
                    }
                    if next == kill_at {
                        writer.kill();
                    }
                };
                assert_eq!(error, RecvError::Disconnected { cause: DIED });
                assert!(next >= kill_at);
            }
            assert_eq!(receiver.departed().died, 10);
        }
    }
}

#[test]
fn a_writer_hears_that_its_reader_was_killed_and_the_name_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unix://{}", folder.path().join("readers.sock").display());
    for (name, driver) in drivers() {
        for uri in ["tcp://127.0.0.1:0", &unix] {
            for round in 0..10_u64 {
                let mut reader = Process::new("reader", uri, name);
                let mut sender = builder(&reader.address(), driver).sender().unwrap();
                let begin = Instant::now();
                let mut number = 0;
                let error = loop {
                    match sender.send(&message(number), PATIENCE) {
                        Ok(()) => number += 1,
                        Err(error) => break error,
                    }
                    if number == 1 + round * 150 {
                        reader.kill();
                    }
                    assert!(begin.elapsed() < PATIENCE);
                };
                assert_eq!(error, SendError::Disconnected { cause: DIED });
            }
        }
    }
}

/// As in a container that forbids io_uring: a filter of system calls refuses it to this process.
fn refused() {
    // io_uring_setup has the same number on every architecture (asm-generic); the rest is allowed.
    const IO_URING_SETUP: u32 = 425;
    let step = |code: u32, jump_true, jump_false, k| libc::sock_filter {
        code: code as u16,
        jt: jump_true,
        jf: jump_false,
        k,
    };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, IO_URING_SETUP),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter and its program live through the calls, which copy them.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter)
    };
    if result != 0 {
        println!("skipped: no system call filters here");
        return;
    }
    let error = builder("tcp://127.0.0.1:0", Driver::IoUring).receiver().unwrap_err().to_string();
    assert!(error.contains("io_uring is refused"), "{error}");
    let mut receiver = builder("tcp://127.0.0.1:0", Driver::Auto).receiver().unwrap();
    let report = receiver.network().unwrap().clone();
    let mut sender = builder(&report.address, Driver::Auto).sender().unwrap();
    for found in [&report, sender.network().unwrap()] {
        assert!(matches!(&found.driver, DriverUsed::Sockets(why) if why.contains("refused")), "{found}");
    }
    sender.send(b"all the same", PATIENCE).unwrap();
    assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"all the same");
    println!("fell back");
}

#[test]
fn plain_sockets_serve_where_io_uring_is_refused() {
    let mut process = Process::new("refused", "tcp://127.0.0.1:0", "auto");
    let mut said = String::new();
    process.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(process.0.wait().unwrap().success(), "{said}");
    if said.contains("skipped") {
        eprintln!("{said}");
    } else {
        assert!(said.contains("fell back"), "{said}");
    }
}

/// A process whose user may lock next to no memory, as the kernel does for what is sent without a copy.
fn unlocked() {
    let mut sets = capabilities(None).unwrap();
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::IPC_LOCK);
    }
    set_capabilities(None, sets).unwrap();
    let most = Some(64 << 10);
    setrlimit(Resource::Memlock, Rlimit { current: most, maximum: most }).unwrap();
    let mut with = NetworkOptions::default();
    (with.driver, with.zero_copy_from) = (Driver::IoUring, Some(4096));
    let large = |uri: &str| Channel::builder(uri).unwrap().capacity(16 << 20).network(with.clone());
    let mut receiver = match large("tcp://127.0.0.1:0").receiver() {
        Ok(receiver) => receiver,
        Err(error) => return println!("skipped: {error}"),
    };
    let mut sender = large(&receiver.network().unwrap().address).sender().unwrap();
    let message: Vec<u8> = (0..1 << 20).map(|at| at as u8).collect();
    let mut came = vec![0; 1 << 20];
    for _ in 0..3 {
        sender.send(&message, PATIENCE).unwrap();
        assert_eq!(receiver.recv(&mut came, PATIENCE), Ok(Some(1 << 20)));
        assert!(came == message);
    }
    println!("sent");
}

#[test]
fn what_may_not_be_locked_is_copied() {
    let said = Process::new("unlocked", "tcp://127.0.0.1:0", "auto").last_words();
    assert!(said.contains("sent") || said.contains("skipped"), "{said}");
}
