//! spec: CHN-7.1, CHN-7.2
//!
//! Arenas between processes: what a killed sender had sent arrives, what it was filling never was, and the next one
//! begins with an arena of its own; what a killed receiver held is lost with it or held up by it no more.
//!
//! The other process is this test binary once more, told by its environment what to be.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, DisconnectCause, Mode, OnFull, Receiver, RecvError, SendError, Sender, inspect,
};

const ROLE: &str = "ADIT_TEST_ROLE";
const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);
const ARENA: usize = 4 << 20;

/// More than the arena holds at a time.
const COUNT: u8 = 12;

fn builder(directory: &Path, mode: Mode) -> Builder {
    let builder = Channel::builder("ipc://arena-processes").unwrap().mode(mode);
    builder.capacity(1 << 12).arena(ARENA).directory(directory.join("adit")).join_within(PATIENCE)
}

fn len(number: u8) -> usize {
    1_000_000 + usize::from(number)
}

fn message(number: u8) -> Vec<u8> {
    vec![number; len(number)]
}

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    let (Ok(role), Some(directory)) = (env::var(ROLE), env::var_os(PLACE)) else { return };
    let directory = Path::new(&directory);
    match role.as_str() {
        "sender" => die_in_a_claim(builder(directory, Mode::Spsc).sender().unwrap()),
        "speaker" => die_in_a_claim(builder(directory, Mode::Broadcast).sender().unwrap()),
        "hasty speaker" => overwrite_forever(hasty(directory).sender().unwrap()),
        "listener" => die_in_a_message(builder(directory, Mode::Broadcast).receiver().unwrap()),
        "worker" => die_in_a_message(builder(directory, Mode::Spmc).receiver().unwrap()),
        _ => panic!("no such role: {role}"),
    }
}

/// Sends, begins one message more, says so, and never ends it.
fn die_in_a_claim(mut sender: Sender) {
    assert!(sender.wait_for_receivers(1, PATIENCE));
    for number in 0..COUNT {
        sender.send(&message(number), PATIENCE).unwrap();
    }
    let mut claim = sender.claim_within(len(COUNT), PATIENCE).unwrap();
    claim.write(0, &message(COUNT));
    println!("\nready");
    std::thread::sleep(PATIENCE);
}

fn hasty(directory: &Path) -> Builder {
    builder(directory, Mode::Broadcast).on_full(OnFull::OverwriteOldest)
}

fn overwrite_forever(mut sender: Sender) {
    assert!(sender.wait_for_receivers(1, PATIENCE));
    for number in (0..=u8::MAX).cycle() {
        sender.try_send(&message(number)).unwrap();
    }
}

/// Receives, begins to read one message more, says so, and never ends it.
fn die_in_a_message(mut receiver: Receiver) {
    drop(receiver.read_within(PATIENCE).unwrap().expect("one was sent"));
    let held = receiver.read_within(PATIENCE).unwrap().expect("two were sent");
    println!("\nready");
    std::thread::sleep(PATIENCE);
    drop(held);
}

/// Ends the process when a test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn new(role: &str, directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(ROLE, role).env(PLACE, directory);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until it says that it is where it is to die, and kills it.
    fn kill(&mut self) {
        let out = BufReader::new(self.0.stdout.take().unwrap());
        assert!(out.lines().any(|line| line.unwrap() == "ready"));
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What the killed sender had sent is all that comes.
fn all_but_the_last_come(receiver: &mut Receiver, mut sender: Process) {
    for number in 0..COUNT - 2 {
        let came = receiver.read_within(PATIENCE).unwrap().expect("it was sent");
        assert_eq!(came.bytes().words().as_ptr().addr() % 64, 0);
        assert!(came.to_vec() == message(number), "{number}");
    }
    sender.kill();
    for number in COUNT - 2..COUNT {
        assert!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec() == message(number));
    }
    let died = RecvError::Disconnected { cause: DisconnectCause::PeerDied };
    assert_eq!(receiver.wait(PATIENCE), Err(died));
}

#[test]
fn a_sender_that_is_killed_in_a_claim_leaves_what_it_sent_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = builder(directory.path(), Mode::Spsc).receiver().unwrap();
    for _ in 0..2 {
        let sender = Process::new("sender", directory.path());
        assert!(receiver.wait_for_sender(PATIENCE));
        all_but_the_last_come(&mut receiver, sender);
    }
    assert_eq!(receiver.departed().died, 2);
    assert_eq!(receiver.counters().messages, 2 * u64::from(COUNT));
}

/// Takes what is there; each must be whole.
fn take(receiver: &mut Receiver) -> u64 {
    let mut count = 0;
    while let Some(came) = receiver.read().unwrap() {
        let bytes = came.to_vec();
        assert!(bytes == message(bytes[0]), "a torn message");
        count += 1;
    }
    count
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
}

#[test]
fn what_a_killed_worker_had_is_counted_and_its_arena_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let builder = builder(directory.path(), Mode::Spmc).credit(2_500_000);
    let mut witness = builder.receiver().unwrap();
    let mut sender = builder.sender().unwrap();
    let (mut sent, mut came) = (0_u64, 0);
    for round in 1..=2 {
        let mut worker = Process::new("worker", directory.path());
        assert!(sender.wait_for_receivers(2, PATIENCE));
        // The witness holds what it got, so that the rest is the worker's: three in all, of which it reads one.
        let before = sent;
        wait_until(|| {
            let more = sender.try_send(&message(sent as u8));
            sent += u64::from(more.is_ok());
            sent == before + 5
        });
        worker.kill();
        wait_until(|| sender.receivers() == 1);
        assert_eq!((sender.departed().died, sender.arenas().len()), (round, 1));
        assert_eq!(sender.counters().lost, 2 * round);
        came += take(&mut witness);
        for _ in 0..COUNT {
            sender.send(&message(sent as u8), PATIENCE).unwrap();
            sent += 1;
            came += take(&mut witness);
        }
        assert_eq!(came + 3 * round, sent, "the worker had three");
    }
}

#[test]
fn what_a_killed_speaker_sent_is_in_every_listeners_reach() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let speaker = Process::new("speaker", directory.path());
        let mut receiver = builder(directory.path(), Mode::Broadcast).receiver().unwrap();
        all_but_the_last_come(&mut receiver, speaker);
        assert_eq!(receiver.counters().messages, u64::from(COUNT));
    }
}

/// It holds a block, and so all that were sent after it, until it is dead.
#[test]
fn a_killed_listener_holds_no_block() {
    let directory = tempfile::tempdir().unwrap();
    let builder = builder(directory.path(), Mode::Broadcast);
    let mut sender = builder.sender().unwrap();
    let mut witness = builder.receiver().unwrap();
    for round in 1..=2 {
        let mut listener = Process::new("listener", directory.path());
        assert!(sender.wait_for_receivers(2, PATIENCE));
        let mut sent = 0;
        wait_until(|| {
            sent += u8::from(sender.try_send(&message(7)).is_ok());
            take(&mut witness);
            // One it has read, and the arena is full of others.
            sent == 5
        });
        assert_eq!(sender.try_send(&message(7)), Err(SendError::Full));
        listener.kill();
        for number in 0..COUNT {
            sender.send(&message(number), PATIENCE).unwrap();
            assert_eq!(take(&mut witness), 1);
        }
        assert_eq!((sender.departed().died, sender.receivers()), (round, 1));
    }
}

#[test]
fn no_torn_block_comes_of_a_speaker_that_is_killed_while_it_overwrites() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let mut speaker = Process::new("hasty speaker", directory.path());
        let mut receiver = hasty(directory.path()).receiver().unwrap();
        let (mut came, began, mut last) = (0_u64, Instant::now(), None);
        let end = loop {
            match receiver.read_within(PATIENCE) {
                Ok(Some(found)) => {
                    let bytes = found.to_vec();
                    assert!(bytes == message(bytes[0]), "a torn message");
                    (came, last) = (came + 1, Some(bytes[0]));
                }
                Ok(None) => panic!("nothing came"),
                Err(error) => break error,
            }
            if came > 0 && began.elapsed() > Duration::from_micros(round * 3700) {
                // Again and again, until that is heard of.
                let _ = speaker.0.kill();
            }
        };
        assert_eq!(end, RecvError::Disconnected { cause: DisconnectCause::PeerDied });
        let counters = receiver.counters();
        assert_eq!(counters.messages, came);
        // Every one was either received or counted as lost, up to the last that came.
        assert_eq!(last, Some(((came + counters.lost - 1) % 256) as u8));
    }
}

/// The arena is told of each lane, in every mode, and what waits is what waits in the ring.
#[test]
fn an_onlooker_sees_arenas_in_every_mode() {
    for mode in [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast] {
        let directory = tempfile::tempdir().unwrap();
        let builder = builder(directory.path(), mode);
        let (mut sender, mut receiver);
        if mode == Mode::Broadcast {
            sender = builder.sender().unwrap();
            receiver = builder.receiver().unwrap();
        } else {
            receiver = builder.receiver().unwrap();
            sender = builder.sender().unwrap();
        }
        assert!(sender.wait_for_receivers(1, PATIENCE));
        sender.send(&message(1), PATIENCE).unwrap();
        let looks = inspect::look(&directory.path().join("adit"), PATIENCE).unwrap();
        let seen = looks[0].state.as_ref().unwrap();
        assert_eq!((seen.mode, seen.kind.arena(), seen.kind.size()), (mode, ARENA, None));
        if mode != Mode::Broadcast {
            assert_eq!((seen.sent(), seen.depth()), ((1, len(1) as u64), 24));
        }
        assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().bytes().len(), len(1));
    }
}
