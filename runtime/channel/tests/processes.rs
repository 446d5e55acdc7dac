//! `ipc://` between processes that are killed: what was sent before arrives once and in order, nothing else
//! does, and the name can be used again.
//!
//! The other process is this test binary once more, told by its environment what to be.

use std::{
    env,
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, DisconnectCause, Mode, Receiver, RecvError, SendError, endpoint::Departed,
};

const ROLE: &str = "ADIT_TEST_ROLE";
const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);
const DIED: DisconnectCause = DisconnectCause::PeerDied;

/// So many messages make one line of a writer's report.
const REPORT: u64 = 10;

fn builder(directory: &Path, mode: Mode) -> Builder {
    let builder = Channel::builder("ipc://processes").unwrap();
    builder.capacity(1 << 16).mode(mode).directory(directory.join("adit")).join_within(PATIENCE)
}

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    let (Ok(role), Some(directory)) = (env::var(ROLE), env::var_os(PLACE)) else { return };
    let directory = Path::new(&directory);
    match role.as_str() {
        "writer" => write_forever(&builder(directory, Mode::Spsc)),
        "one of many" => write_forever(&builder(directory, Mode::Mpsc)),
        "one of many, finite" => write(&builder(directory, Mode::Mpsc), 5_000),
        "reader" => read_forever(&builder(directory, Mode::Spsc)),
        "idle reader" => {
            let _receiver = builder(directory, Mode::Spsc).receiver().unwrap();
            std::thread::sleep(PATIENCE);
        }
        _ => panic!("no such role: {role}"),
    }
}

fn write(builder: &Builder, count: u64) {
    let mut sender = builder.sender().unwrap();
    for number in 0..count {
        if number.is_multiple_of(3) {
            let mut claim = sender.claim_within(length(number), PATIENCE).unwrap();
            claim.write(0, &message(number));
            claim.commit();
        } else {
            sender.send(&message(number), PATIENCE).unwrap();
        }
        if (number + 1).is_multiple_of(REPORT) {
            println!("sent {}", number + 1);
        }
    }
}

fn write_forever(builder: &Builder) {
    write(builder, u64::MAX);
}

fn read_forever(builder: &Builder) {
    let mut receiver = builder.receiver().unwrap();
    while receiver.wait(PATIENCE).is_ok() && receiver.recv_batch(100, |_| ()).is_ok() {}
}

/// A process of this test, killed when the test is over.
struct Process(Child);

impl Process {
    fn new(role: &str, directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(ROLE, role).env(PLACE, directory);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// How many messages it said it had sent; once it is dead.
    fn reported(&mut self) -> u64 {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut numbers = lines.filter_map(|line| line.trim().strip_prefix("sent ")?.parse().ok());
        numbers.next_back().unwrap_or(0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn length(number: u64) -> usize {
    8 + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

fn message(number: u64) -> Vec<u8> {
    let mut message = number.to_le_bytes().to_vec();
    message.resize(length(number), number as u8);
    message
}

/// Receives until the senders are gone or `most` came; holds each to be the next.
fn receive(receiver: &mut Receiver, next: &mut u64, most: u64) -> Result<(), RecvError> {
    let end = *next + most;
    while *next < end {
        let Some(received) = receiver.read_within(PATIENCE)? else { panic!("nothing came") };
        assert_eq!(received.to_vec(), message(*next));
        *next += 1;
    }
    Ok(())
}

#[test]
fn what_a_killed_writer_sent_arrives_once_and_in_order() {
    let house = tempfile::tempdir().unwrap();
    let mut receiver = builder(house.path(), Mode::Spsc).receiver().unwrap();
    // More of them on request.
    let rounds = env::var("ADIT_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    for round in 0..rounds {
        let mut writer = Process::new("writer", house.path());
        let mut next = 0;
        assert!(receiver.wait_for_sender(PATIENCE));
        // Every other round everything is received after the death.
        let before = if round % 2 == 0 { 1 } else { round % 20 * 200 };
        receive(&mut receiver, &mut next, before).unwrap();
        std::thread::sleep(Duration::from_micros(round % 37 * 150));
        writer.kill();
        let end = receive(&mut receiver, &mut next, u64::MAX / 2);
        assert_eq!(end, Err(RecvError::Disconnected { cause: DIED }));
        assert!(next >= writer.reported(), "{next} came, {} were sent", writer.reported());
        assert_eq!(receiver.departed(), Departed { died: round + 1, ..Departed::default() });
    }
}

#[test]
fn a_killed_reader_is_noticed_and_its_name_taken_over() {
    let house = tempfile::tempdir().unwrap();
    let builder = builder(house.path(), Mode::Spsc);
    for role in ["idle reader", "reader"] {
        let mut reader = Process::new(role, house.path());
        let mut sender = builder.sender().unwrap();
        let begin = Instant::now();
        let mut killed = false;
        let error = loop {
            if !killed && begin.elapsed() > Duration::from_millis(50) {
                reader.kill();
                killed = true;
            }
            // The idle one is killed while this side sleeps for room.
            match sender.send(&message(7), if killed { PATIENCE } else { Duration::from_millis(20) }) {
                Ok(()) | Err(SendError::TimedOut) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error, SendError::Disconnected { cause: DIED });
        assert!(begin.elapsed() < Duration::from_secs(10));
        assert!(
            house.path().join("adit/processes.channel").exists(),
            "the killed process could not remove it"
        );
    }
    // A new process, and this one.
    let mut reader = Process::new("reader", house.path());
    drop(builder.sender().unwrap());
    reader.kill();
    let mut receiver = builder.receiver().unwrap();
    let mut sender = builder.sender().unwrap();
    sender.try_send(&message(0)).unwrap();
    assert_eq!(receive(&mut receiver, &mut 0, 1), Ok(()));
    drop(receiver);
    assert_eq!(std::fs::read_dir(house.path().join("adit")).unwrap().count(), 0, "something is left");
}

#[test]
fn a_dead_sender_hurts_only_its_own_lane() {
    let house = tempfile::tempdir().unwrap();
    let mut receiver = builder(house.path(), Mode::Mpsc).receiver().unwrap();
    let mut killed = Process::new("one of many", house.path());
    let _others: Vec<_> = (0..2).map(|_| Process::new("one of many, finite", house.path())).collect();
    // What the others send does not fit, so they wait.
    let begin = Instant::now();
    while receiver.lanes() < 3 {
        receiver.wait_for_sender(PATIENCE);
        assert!(begin.elapsed() < PATIENCE);
    }
    let (mut counts, mut died) = ([0_u64; 5_000], false);
    loop {
        match receiver.read_within(PATIENCE) {
            Ok(Some(received)) => {
                let number = u64::from_le_bytes(received.to_vec()[..8].try_into().unwrap());
                assert_eq!(received.to_vec(), message(number));
                if let Some(count) = counts.get_mut(number as usize) {
                    *count += 1;
                }
                if number == 2_000 && !died {
                    killed.kill();
                    died = true;
                }
            }
            Ok(None) => panic!("nothing came"),
            Err(RecvError::Disconnected { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(receiver.departed(), Departed { closed: 2, died: 1, misbehaved: 0 });
    assert!(counts.iter().all(|count| (2..=3).contains(count)));
}
