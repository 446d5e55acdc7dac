//! Channels with many receivers between processes that are killed: nobody else is held up or loses anything.
//!
//! The other process is this test binary once more, told by its environment what to be.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, DisconnectCause, Mode, OnFull, RecvError};

const ROLE: &str = "ADIT_TEST_ROLE";
const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);
const DIED: RecvError = RecvError::Disconnected { cause: DisconnectCause::PeerDied };

fn builder(directory: &Path, mode: Mode) -> Builder {
    let builder = Channel::builder("ipc://many").unwrap();
    builder.capacity(1 << 14).mode(mode).directory(directory.join("adit")).join_within(PATIENCE)
}

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    let (Ok(role), Some(directory)) = (env::var(ROLE), env::var_os(PLACE)) else { return };
    let directory = Path::new(&directory);
    match role.as_str() {
        "listener" => read_forever(&builder(directory, Mode::Broadcast)),
        "worker" => read_forever(&builder(directory, Mode::Spmc)),
        "speaker" => speak_forever(&builder(directory, Mode::Broadcast)),
        "hasty speaker" => {
            speak_forever(&builder(directory, Mode::Broadcast).on_full(OnFull::OverwriteOldest));
        }
        _ => panic!("no such role: {role}"),
    }
}

fn read_forever(builder: &Builder) {
    let mut receiver = builder.receiver().unwrap();
    let mut next = 0;
    while let Ok(Some(message)) = receiver.read_within(PATIENCE) {
        let number = u64::from_le_bytes(message.to_vec()[..8].try_into().unwrap());
        assert!(number >= next, "{number} after {next}");
        next = number;
    }
}

fn speak_forever(builder: &Builder) {
    let mut sender = builder.sender().unwrap();
    assert!(sender.wait_for_receivers(1, PATIENCE));
    for number in 0.. {
        sender.send(&message(number), PATIENCE).unwrap();
    }
}

fn message(number: u64) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(8 + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize, number as u8);
    message
}

/// A process of this test, killed when the test is over.
struct Process(Child);

impl Process {
    fn new(role: &str, directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(ROLE, role).env(PLACE, directory);
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn rounds() -> u64 {
    // More of them on request.
    env::var("ADIT_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

fn pause(round: u64) {
    std::thread::sleep(Duration::from_micros(round % 37 * 150));
}

/// The next number, which must be whole.
fn number(receiver: &mut adit_channel::Receiver) -> Result<u64, RecvError> {
    let Some(received) = receiver.read_within(PATIENCE)? else { panic!("nothing came") };
    let bytes = received.to_vec();
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, message(number), "a torn message");
    Ok(number)
}

#[test]
fn a_killed_listener_of_a_broadcast_holds_up_nobody() {
    let house = tempfile::tempdir().unwrap();
    let builder = builder(house.path(), Mode::Broadcast);
    let mut sender = builder.sender().unwrap();
    let mut witness = builder.receiver().unwrap();
    let mut sent = 0;
    for round in 0..rounds() {
        let mut listener = Process::new("listener", house.path());
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(round % 37 * 150 + 500) {
            sender.send(&message(sent), PATIENCE).unwrap();
            assert_eq!(number(&mut witness), Ok(sent));
            sent += 1;
        }
        listener.kill();
        // Far more than the ring holds.
        for _ in 0..1000 {
            sender.send(&message(sent), PATIENCE).unwrap();
            assert_eq!(number(&mut witness), Ok(sent));
            sent += 1;
        }
        let begin = Instant::now();
        while sender.receivers() > 1 {
            assert!(begin.elapsed() < PATIENCE, "the dead listener was never noticed");
        }
        assert_eq!(sender.departed().died, round + 1);
    }
}

#[test]
fn what_a_killed_speaker_said_arrives_once_and_in_order() {
    let house = tempfile::tempdir().unwrap();
    for round in 0..rounds() {
        let mut speaker = Process::new("speaker", house.path());
        let mut receiver = builder(house.path(), Mode::Broadcast).receiver().unwrap();
        for next in 0..round % 5 * 200 + 1 {
            assert_eq!(number(&mut receiver), Ok(next));
        }
        pause(round);
        speaker.kill();
        let mut next = round % 5 * 200 + 1;
        let end = loop {
            match number(&mut receiver) {
                Ok(found) => assert_eq!(found, next),
                Err(error) => break error,
            }
            next += 1;
        };
        assert_eq!(end, DIED);
    }
}

#[test]
fn no_torn_message_comes_of_a_speaker_that_is_killed_while_it_overwrites() {
    let house = tempfile::tempdir().unwrap();
    for round in 0..rounds() {
        let mut speaker = Process::new("hasty speaker", house.path());
        let mut receiver = builder(house.path(), Mode::Broadcast).receiver().unwrap();
        let mut next = number(&mut receiver).unwrap() + 1;
        let (begin, mut killed) = (Instant::now(), false);
        let end = loop {
            match number(&mut receiver) {
                Ok(found) => {
                    assert!(found >= next, "{found} after {next}");
                    next = found + 1;
                }
                Err(error) => break error,
            }
            if !killed && begin.elapsed() > Duration::from_micros(round % 37 * 150) {
                speaker.kill();
                killed = true;
            }
        };
        assert_eq!(end, DIED);
        // Every one was either received or counted as lost.
        let counters = receiver.counters();
        assert_eq!(counters.messages + counters.lost, next);
    }
}

#[test]
fn what_a_killed_worker_had_is_counted_and_the_rest_goes_on() {
    let house = tempfile::tempdir().unwrap();
    let builder = builder(house.path(), Mode::Spmc);
    let mut witness = builder.receiver().unwrap();
    let mut sender = builder.sender().unwrap();
    let (mut sent, mut last, mut got) = (0, None, 0);
    let mut take = |witness: &mut adit_channel::Receiver| {
        while witness.wait(Duration::ZERO).unwrap() {
            let found = number(witness).unwrap();
            assert!(last < Some(found), "{found} after {last:?}");
            (last, got) = (Some(found), got + 1);
        }
        got
    };
    for round in 0..rounds() {
        let mut worker = Process::new("worker", house.path());
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(round % 37 * 150 + 500) {
            sent += u64::from(sender.try_send(&message(sent)).is_ok());
            take(&mut witness);
        }
        worker.kill();
        for _ in 0..1000 {
            let begin = Instant::now();
            while sender.try_send(&message(sent)).is_err() {
                take(&mut witness);
                assert!(begin.elapsed() < PATIENCE);
            }
            sent += 1;
        }
        let begin = Instant::now();
        while sender.receivers() > 1 {
            assert!(begin.elapsed() < PATIENCE, "the dead worker was never noticed");
        }
        assert_eq!(sender.departed().died, round + 1);
    }
    let got = take(&mut witness);
    let counters = sender.counters();
    assert_eq!(counters.messages, sent);
    assert!(counters.lost + got <= sent, "{} lost, {got} received, {sent} sent", counters.lost);
}
