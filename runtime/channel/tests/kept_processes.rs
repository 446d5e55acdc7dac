//! Channels that survive their processes, whose processes are killed: at any point, either or both, again and
//! again. Everything that was sent arrives, in order, and what arrives twice is known to.
//!
//! The other processes are this test binary once more, told by its environment what to be.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use adit_channel::{
    Acknowledge, Builder, Channel, MessageKind, Mode, OpenError, OpenFailure, RecvError, kept,
};

const ROLE: &str = "ADIT_TEST_ROLE";
const URI: &str = "ADIT_TEST_URI";
const EPOCH: &str = "ADIT_TEST_EPOCH";
const LOG: &str = "ADIT_TEST_LOG";
const PATIENCE: Duration = Duration::from_secs(30);
const CAPACITY: usize = 1 << 14;

/// What a round of tests is about.
#[derive(Clone, Copy, Debug)]
struct Setting {
    role: &'static str,
    mode: Mode,
    fixed: bool,
    /// Bytes of the arena, in which most messages lie then.
    arena: usize,
    acknowledge: Acknowledge,
}

const ARENA: usize = 2 << 20;

const SETTINGS: [Setting; 6] = [
    Setting { role: "each", mode: Mode::Spsc, fixed: false, arena: 0, acknowledge: Acknowledge::Each },
    Setting { role: "lazily", mode: Mode::Spsc, fixed: false, arena: 0, acknowledge: Acknowledge::Lazily },
    Setting { role: "fixed", mode: Mode::Spsc, fixed: true, arena: 0, acknowledge: Acknowledge::Each },
    Setting { role: "many", mode: Mode::Mpsc, fixed: false, arena: 0, acknowledge: Acknowledge::Each },
    Setting { role: "far", mode: Mode::Spsc, fixed: false, arena: ARENA, acknowledge: Acknowledge::Each },
    Setting {
        role: "far-many",
        mode: Mode::Mpsc,
        fixed: false,
        arena: ARENA,
        acknowledge: Acknowledge::Each,
    },
];

fn builder(uri: &str, setting: Setting) -> Builder {
    let kind = if setting.fixed { MessageKind::fixed("pair", 16, 8) } else { MessageKind::bytes() };
    let builder = Channel::builder(uri).unwrap().capacity(CAPACITY).mode(setting.mode).kind(kind);
    builder.acknowledge(setting.acknowledge).arena(setting.arena)
}

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    let (end, setting) = role.split_once(' ').unwrap();
    let setting = SETTINGS.into_iter().find(|known| known.role == setting).unwrap();
    let builder = builder(&env::var(URI).unwrap(), setting);
    let log = OpenOptions::new().append(true).create(true).open(env::var_os(LOG).unwrap()).unwrap();
    match end {
        "writer" => write_forever(&builder, setting, env::var(EPOCH).unwrap().parse().unwrap(), log),
        "reader" => read_forever(&builder, setting, log),
        _ => panic!("no such end: {end}"),
    }
}

/// Sends numbers from 0 on, and notes each after it was sent: what is noted must arrive.
fn write_forever(builder: &Builder, setting: Setting, epoch: u64, mut log: File) {
    let mut sender = builder.sender().unwrap();
    for number in 0.. {
        let message = message(setting, epoch, number);
        if number % 3 == 0 {
            let mut claim = sender.claim_within(message.len(), PATIENCE).unwrap();
            claim.write(0, &message);
            claim.commit();
        } else {
            sender.send(&message, PATIENCE).unwrap();
        }
        if number % 10 == 9 {
            log.write_all(&(number + 1).to_le_bytes()).unwrap();
        }
    }
}

/// Notes each message while it holds it: position, epoch, number. A note that is written survives the writer.
fn read_forever(builder: &Builder, setting: Setting, mut log: File) {
    let mut receiver = builder.receiver().unwrap();
    loop {
        match receiver.wait(PATIENCE) {
            Ok(true) => {}
            Ok(false) => return,
            Err(RecvError::Disconnected { .. }) => {
                receiver.wait_for_sender(PATIENCE);
                continue;
            }
            Err(error) => panic!("{error}"),
        }
        let message = receiver.read().unwrap().expect("it was waited for");
        let bytes = message.to_vec();
        let (epoch, number) = (word(&bytes, 0), word(&bytes, 1));
        assert!(bytes == self::message(setting, epoch, number), "torn");
        log.write_all(&[message.position(), epoch, number].map(u64::to_le_bytes).concat()).unwrap();
        drop(message);
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap())
}

fn message(setting: Setting, epoch: u64, number: u64) -> Vec<u8> {
    let mut message = [epoch.to_le_bytes(), number.to_le_bytes()].concat();
    if !setting.fixed {
        let more = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize;
        // With an arena up to a seventh of it, of which a few go through the ring.
        let more = more * if setting.arena == 0 { 1 } else { 2300 };
        message.resize(16 + more, number as u8);
    }
    message
}

/// A process of this test, killed when the test is over.
struct Process(Child);

impl Process {
    fn new(end: &str, setting: Setting, uri: &str, epoch: u64, log: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(ROLE, format!("{end} {}", setting.role));
        command.env(URI, uri).env(EPOCH, epoch.to_string()).env(LOG, log);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(quiet.spawn().unwrap())
    }

    /// It must have lived until then.
    fn kill(&mut self) {
        if let Some(status) = self.0.try_wait().unwrap() {
            let mut said = String::new();
            self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("it ended by itself ({status}): {said}");
        }
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

fn words(path: &Path) -> Vec<u64> {
    let bytes = fs::read(path).unwrap_or_default();
    // A note may be cut off by the kill that came while it was written.
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
}

/// Waits until a log has grown, so that what is killed has begun.
fn wait_for(path: &Path, longer_than: u64) {
    for _ in 0..30_000 {
        if fs::metadata(path).is_ok_and(|found| found.len() > longer_than) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{} does not grow", path.display());
}

fn rounds() -> u64 {
    env::var("ADIT_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

/// Kills one end, the other or both, starts it again, and at the end holds what was noted against what was sent.
fn survive(uri: &str, setting: Setting) {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("received");
    let sent = |epoch: u64| folder.path().join(format!("sent {epoch}"));
    let (mut epoch, mut readers) = (0, 1_u64);
    let mut writer = Process::new("writer", setting, uri, epoch, &sent(epoch));
    let mut reader = Process::new("reader", setting, uri, 0, &notes);
    for round in 0..rounds() {
        let before = fs::metadata(&notes).map_or(0, |found| found.len());
        wait_for(&sent(epoch), 0);
        // Every third time nobody reads, or nobody writes, for a while.
        if round % 3 != 0 {
            wait_for(&notes, before);
        }
        std::thread::sleep(Duration::from_micros(round * 7919 % 6000));
        let (end_writer, end_reader) = (round % 4 != 1, round % 4 != 2);
        if end_writer {
            writer.kill();
            epoch += 1;
        }
        if end_reader {
            reader.kill();
            readers += 1;
            // As the kill may have cut a note off.
            let whole = fs::metadata(&notes).map_or(0, |found| found.len()) / 24 * 24;
            File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&notes)
                .unwrap()
                .set_len(whole)
                .unwrap();
        }
        if end_writer {
            writer = Process::new("writer", setting, uri, epoch, &sent(epoch));
        }
        if end_reader {
            reader = Process::new("reader", setting, uri, 0, &notes);
        }
    }
    wait_for(&sent(epoch), 0);
    writer.kill();
    reader.kill();
    let whole = fs::metadata(&notes).unwrap().len() / 24 * 24;
    File::options().write(true).open(&notes).unwrap().set_len(whole).unwrap();
    drain(uri, setting, &notes);
    let log = words(&notes);
    let mut passed = Passed::default();
    for note in log.as_chunks::<3>().0 {
        passed.note(*note, setting);
    }
    passed.check(setting, readers, |epoch| words(&sent(epoch)).last().copied().unwrap_or(0), epoch);
}

/// Receives the rest, here.
fn drain(uri: &str, setting: Setting, notes: &Path) {
    let mut log = OpenOptions::new().append(true).open(notes).unwrap();
    let mut receiver = builder(uri, setting).receiver().unwrap();
    loop {
        match receiver.read() {
            Ok(Some(received)) => {
                let bytes = received.to_vec();
                let (epoch, number) = (word(&bytes, 0), word(&bytes, 1));
                assert!(bytes == message(setting, epoch, number), "torn");
                log.write_all(&[received.position(), epoch, number].map(u64::to_le_bytes).concat()).unwrap();
            }
            Ok(None) => {}
            Err(RecvError::Disconnected { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What arrived, held against the order in which it was sent.
#[derive(Default)]
struct Passed {
    /// The position of the last message that was new; where many send, each sender's by its epoch.
    last: Option<u64>,
    epoch: u64,
    next: u64,
    ends: Vec<(u64, u64)>,
    again: u64,
    count: u64,
}

impl Passed {
    fn note(&mut self, [position, epoch, number]: [u64; 3], setting: Setting) {
        // One writer at a time, so that the one lane of many is as good as the lane of one.
        if self.last.is_some_and(|last| position <= last) {
            self.again += 1;
            assert!(epoch <= self.epoch, "{setting:?}: a message of the future came again");
            return;
        }
        if epoch != self.epoch {
            assert!(epoch > self.epoch, "{setting:?}: epoch {epoch} after {}", self.epoch);
            self.ends.push((self.epoch, self.next));
            (self.epoch, self.next) = (epoch, 0);
        }
        assert_eq!(number, self.next, "{setting:?}: epoch {epoch}, after {} messages", self.count);
        (self.last, self.next, self.count) = (Some(position), number + 1, self.count + 1);
    }

    fn check(mut self, setting: Setting, readers: u64, sent: impl Fn(u64) -> u64, epochs: u64) {
        self.ends.push((self.epoch, self.next));
        for epoch in 0..=epochs {
            let arrived = self.ends.iter().find(|(known, _)| *known == epoch).map_or(0, |(_, count)| *count);
            assert!(
                arrived >= sent(epoch),
                "{setting:?}: {arrived} of {} came in epoch {epoch}",
                sent(epoch)
            );
        }
        let most = match setting.acknowledge {
            Acknowledge::Each => readers,
            // A quarter of the ring, in the smallest messages with their headers.
            Acknowledge::Lazily => readers * (CAPACITY as u64 / 4 / 16),
        };
        assert!(self.again <= most, "{setting:?}: {} came again, {most} may", self.again);
        assert!(self.count > rounds() * 10, "{setting:?}: only {} messages came", self.count);
        println!("{setting:?}: {} messages, {} of them again, {readers} readers", self.count, self.again);
    }
}

fn survive_in_a_file(role: &str) {
    let setting = SETTINGS.into_iter().find(|setting| setting.role == role).unwrap();
    let house = tempfile::tempdir().unwrap();
    survive(&format!("file://{}", house.path().join("kept.ring").display()), setting);
    let found = kept::list_files(house.path()).unwrap();
    assert!(!found[0].is_used(), "the kernel takes the locks of the dead back");
    assert!(kept::clean(&found[0].home).unwrap());
    assert_eq!(fs::read_dir(house.path()).unwrap().count(), 0);
}

#[test]
fn acknowledged_messages_come_once() {
    survive_in_a_file("each");
}

#[test]
fn unacknowledged_messages_come_again_from_where_the_reader_said() {
    survive_in_a_file("lazily");
}

#[test]
fn messages_of_one_size_come_once() {
    survive_in_a_file("fixed");
}

#[test]
fn a_lane_of_many_is_taken_over() {
    survive_in_a_file("many");
}

/// spec: SEG-2.6
#[test]
fn messages_in_an_arena_come_once() {
    survive_in_a_file("far");
}

#[test]
fn an_arena_of_a_lane_of_many_is_taken_over() {
    survive_in_a_file("far-many");
}

#[test]
fn a_named_segment_survives_as_a_file_does() {
    let uri = format!("shm://test-{}-killed", std::process::id());
    survive(&uri, SETTINGS[0]);
    let found = kept::list_shared().unwrap();
    let mine = found.iter().find(|found| found.uri == uri).unwrap();
    assert!(kept::clean(&mine.home).unwrap());
}

#[test]
fn a_stopped_process_is_not_dead() {
    let house = tempfile::tempdir().unwrap();
    let (uri, log) =
        (format!("file://{}", house.path().join("kept.ring").display()), house.path().join("log"));
    let mut writer = Process::new("writer", SETTINGS[0], &uri, 0, &log);
    wait_for(&log, 0);
    let pid = rustix::process::Pid::from_child(&writer.0);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let state = format!("/proc/{}/stat", writer.0.id());
    while !fs::read_to_string(&state).unwrap().contains(") T ") {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut receiver = builder(&uri, SETTINGS[0]).receiver().unwrap();
    while receiver.read().unwrap().is_some() {}
    assert!(!receiver.wait(Duration::from_millis(100)).unwrap(), "it waits for who is only stopped");
    assert!(matches!(
        builder(&uri, SETTINGS[0]).sender(),
        Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. })
    ));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    assert!(receiver.wait(PATIENCE).unwrap());
    writer.kill();
    while receiver.wait(PATIENCE).is_ok() {
        let _ = receiver.recv_batch(100, |_| ());
    }
    drop(builder(&uri, SETTINGS[0]).sender().unwrap());
}
