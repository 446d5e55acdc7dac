//! spec: CHN-7.1, CHN-7.2
//!
//! Arenas between processes: what a killed sender had sent arrives, what it was filling never was, and the next one
//! begins with an arena of its own.
//!
//! The other process is this test binary once more, told by its environment what to be.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use adit_channel::{Builder, Channel, DisconnectCause, RecvError};

const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);
const ARENA: usize = 4 << 20;

/// More than the arena holds at a time.
const COUNT: u8 = 12;

fn builder(directory: &Path) -> Builder {
    let builder = Channel::builder("ipc://arena-processes").unwrap();
    builder.capacity(1 << 12).arena(ARENA).directory(directory.join("adit")).join_within(PATIENCE)
}

fn len(number: u8) -> usize {
    1_000_000 + usize::from(number)
}

/// What this binary is in another process: sends, begins one message more, says so, and never ends it.
#[test]
fn child() {
    let Some(directory) = env::var_os(PLACE) else { return };
    let mut sender = builder(Path::new(&directory)).sender().unwrap();
    for number in 0..COUNT {
        sender.send(&vec![number; len(number)], PATIENCE).unwrap();
    }
    let mut claim = sender.claim_within(len(COUNT), PATIENCE).unwrap();
    claim.write(0, &vec![COUNT; len(COUNT)]);
    println!("\nclaimed");
    std::thread::sleep(PATIENCE);
}

/// Ends the process when a test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(directory: &Path) -> Process {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture"]).env(PLACE, directory).stdout(Stdio::piped());
    Process(command.spawn().unwrap())
}

#[test]
fn a_sender_that_is_killed_in_a_claim_leaves_what_it_sent_and_no_more() {
    if env::var_os(PLACE).is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = builder(directory.path()).receiver().unwrap();
    for _ in 0..2 {
        let mut child = start(directory.path());
        assert!(receiver.wait_for_sender(PATIENCE));
        for number in 0..COUNT - 2 {
            let message = receiver.read_within(PATIENCE).unwrap().expect("it was sent");
            assert_eq!(message.bytes().words().as_ptr().addr() % 64, 0);
            assert!(message.to_vec() == vec![number; len(number)], "{number}");
        }
        let out = BufReader::new(child.0.stdout.take().unwrap());
        assert!(out.lines().any(|line| line.unwrap() == "claimed"));
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        for number in COUNT - 2..COUNT {
            assert!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec() == vec![number; len(number)]);
        }
        let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
        assert_eq!(receiver.wait(PATIENCE), Err(died));
    }
    assert_eq!(receiver.departed().died, 2);
    assert_eq!(receiver.counters().messages, 2 * u64::from(COUNT));
}
