//! Processes at the ends of an `ipc://` channel, to be killed and stopped.
//!
//! Such a process is the test binary once more: [`be_a_child`], called by the test `child`, makes it one, told by its
//! environment what to be. It writes how many messages it has sent or received into a file after each, so that it
//! is known what happened before a `kill -9`. Every message says its number and, in every byte, that it is whole.

use std::{
    env,
    fs::File,
    os::unix::{fs::FileExt as _, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, Mode, Receiver, RecvError, SendError, Sender, SlotReceiver, SlotSender, TypedReceiver,
    TypedSender,
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};

/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

const ROLE: &str = "ADIT_TEST_ROLE";
const PLACE: &str = "ADIT_TEST_PLACE";
const NUMBER: &str = "ADIT_TEST_NUMBER";

/// A message of fixed size: its sender and number, and words that follow from them.
type Fixed = [u64; 5];

/// One that fills its slot.
type Full = [u64; 8];

/// What channel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One sender, bytes of any length.
    Bytes,
    /// One sender, messages of one size.
    Typed,
    /// One sender, messages in slots.
    Slots,
    /// One sender, messages that fill their slots.
    FullSlots,
    /// Several senders, bytes of any length.
    Many,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Bytes, Self::Typed, Self::Slots, Self::FullSlots, Self::Many];

    pub fn senders(self) -> usize {
        if self == Self::Many { 2 } else { 1 }
    }

    fn builder(self, place: &Path) -> Builder {
        let builder = Channel::builder("ipc://ends").unwrap().directory(place.join("adit"));
        let mode = if self == Self::Many { Mode::Mpsc } else { Mode::Spsc };
        builder.mode(mode).capacity(1 << 13).join_within(PATIENCE)
    }

    pub fn sender(self, place: &Path, number: u64) -> Out {
        let builder = self.builder(place);
        let end = match self {
            Self::Typed => OutEnd::Typed(builder.of::<Fixed>("test::Fixed").sender().unwrap()),
            Self::Slots => OutEnd::Slots(builder.slots::<Fixed>("test::Fixed").sender().unwrap()),
            Self::FullSlots => OutEnd::FullSlots(builder.slots::<Full>("test::Full").sender().unwrap()),
            Self::Bytes | Self::Many => OutEnd::Bytes(builder.sender().unwrap()),
        };
        Out { end, name: number << 48, count: 0 }
    }

    pub fn receiver(self, place: &Path) -> In {
        let builder = self.builder(place);
        let end = match self {
            Self::Typed => InEnd::Typed(builder.of::<Fixed>("test::Fixed").receiver().unwrap()),
            Self::Slots => InEnd::Slots(builder.slots::<Fixed>("test::Fixed").receiver().unwrap()),
            Self::FullSlots => InEnd::FullSlots(builder.slots::<Full>("test::Full").receiver().unwrap()),
            Self::Bytes | Self::Many => InEnd::Bytes(builder.receiver().unwrap()),
        };
        In { end, counts: vec![0; self.senders()] }
    }

    /// Starts a process that sends until it is told to [`finish`].
    pub fn sending(self, place: &Path, number: u64) -> Process {
        Process::new(&format!("send {self:?}"), place, number)
    }

    /// Starts a process that receives until the senders closed.
    pub fn receiving(self, place: &Path) -> Process {
        Process::new(&format!("receive {self:?}"), place, 0)
    }
}

#[derive(Debug)]
enum OutEnd {
    Bytes(Sender),
    Typed(TypedSender<Fixed>),
    Slots(SlotSender<Fixed>),
    FullSlots(SlotSender<Full>),
}

/// The sending end: of messages that say their number.
#[derive(Debug)]
pub struct Out {
    end: OutEnd,
    name: u64,
    pub count: u64,
}

impl Out {
    /// Sends the next message.
    pub fn send(&mut self, timeout: Duration) -> Result<(), SendError> {
        let word = self.name | self.count;
        match &mut self.end {
            OutEnd::Typed(sender) => sender.send(&fixed(word), timeout)?,
            OutEnd::Slots(sender) => sender.send(&fixed(word), timeout)?,
            OutEnd::FullSlots(sender) => sender.send(&fixed(word), timeout)?,
            // Every third one filled in place.
            OutEnd::Bytes(sender) if self.count.is_multiple_of(3) => {
                let mut claim = sender.claim_within(length(word), timeout)?;
                claim.write(0, &bytes(word));
                claim.commit();
            }
            OutEnd::Bytes(sender) => sender.send(&bytes(word), timeout)?,
        }
        self.count += 1;
        Ok(())
    }
}

#[derive(Debug)]
enum InEnd {
    Bytes(Receiver),
    Typed(TypedReceiver<Fixed>),
    Slots(SlotReceiver<Fixed>),
    FullSlots(SlotReceiver<Full>),
}

/// The receiving end: checks that each message is whole and the next of its sender.
#[derive(Debug)]
pub struct In {
    end: InEnd,
    /// So many came of each sender.
    pub counts: Vec<u64>,
}

impl In {
    /// Receives a message and says of which sender it is; `None`: none came in that time.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<usize>, RecvError> {
        let word = match &mut self.end {
            InEnd::Typed(receiver) => {
                let Some(message) = receiver.recv(timeout)? else { return Ok(None) };
                number_of(message)
            }
            InEnd::Slots(receiver) => {
                let Some(message) = receiver.recv(timeout)? else { return Ok(None) };
                number_of(message)
            }
            InEnd::FullSlots(receiver) => {
                let Some(message) = receiver.recv(timeout)? else { return Ok(None) };
                number_of(message)
            }
            InEnd::Bytes(receiver) => {
                let Some(message) = receiver.read_within(timeout)? else { return Ok(None) };
                let message = message.to_vec();
                let word = u64::from_le_bytes(message[..8].try_into().unwrap());
                assert_eq!(message, bytes(word), "torn");
                word
            }
        };
        let (sender, number) = ((word >> 48) as usize, word & ((1 << 48) - 1));
        assert_eq!(number, self.counts[sender], "lost, twice or out of order, from sender {sender}");
        self.counts[sender] += 1;
        Ok(Some(sender))
    }

    pub fn untyped(&mut self) -> &mut Receiver {
        match &mut self.end {
            InEnd::Bytes(receiver) => receiver,
            InEnd::Typed(receiver) => receiver.untyped(),
            InEnd::Slots(receiver) => receiver.untyped(),
            InEnd::FullSlots(receiver) => receiver.untyped(),
        }
    }
}

/// Tells the processes of this place that send to close.
pub fn finish(place: &Path) {
    File::create(place.join("finish")).unwrap();
}

/// What this binary is in another process; in the test run itself, nothing.
pub fn be_a_child() {
    let (Ok(role), Some(place), Ok(number)) = (env::var(ROLE), env::var_os(PLACE), env::var(NUMBER)) else {
        return;
    };
    let (place, number) = (Path::new(&place), number.parse().unwrap());
    let (task, kind) = role.split_once(' ').unwrap();
    let kind = Kind::ALL.into_iter().find(|one| format!("{one:?}") == kind).unwrap();
    let report = File::create(report(place, &role, number)).unwrap();
    let say = |count: u64| report.write_all_at(&count.to_le_bytes(), 0).unwrap();
    match task {
        "send" => {
            let mut out = kind.sender(place, number);
            let finish = place.join("finish");
            while !(out.count.is_multiple_of(64) && finish.exists()) {
                // Now and then a short wait, which may end without room.
                let short = Duration::from_micros(300);
                match out.send(if out.count.is_multiple_of(7) { short } else { PATIENCE }) {
                    Ok(()) => say(out.count),
                    Err(SendError::TimedOut) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        _ => {
            let mut end = kind.receiver(place);
            loop {
                match end.receive(PATIENCE) {
                    Ok(Some(_)) => say(end.counts.iter().sum()),
                    Ok(None) => panic!("nothing came"),
                    Err(error) if error == CLOSED => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// The good end.
pub const CLOSED: RecvError = RecvError::Disconnected { cause: adit_channel::DisconnectCause::Closed };

/// A process of this test, killed when the test is over.
#[derive(Debug)]
pub struct Process {
    child: Child,
    report: PathBuf,
}

impl Process {
    fn new(role: &str, place: &Path, number: u64) -> Self {
        let report = report(place, role, number);
        let _ = std::fs::remove_file(&report);
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(PLACE, place).env(NUMBER, number.to_string());
        Self { child: command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap(), report }
    }

    /// How many messages it says it sent or received.
    pub fn reported(&self) -> u64 {
        let read = std::fs::read(&self.report).ok();
        read.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?))).unwrap_or(0)
    }

    /// Waits until it has reported more than `count`.
    pub fn wait_for_more_than(&self, count: u64) {
        let begin = Instant::now();
        while self.reported() <= count {
            assert!(begin.elapsed() < PATIENCE, "it hangs after {count}");
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Kills it, which must find it alive: a check of its own that failed would have ended it before.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}");
    }

    /// Stops it, and returns when it stands.
    pub fn stop(&self) {
        kill_process(self.pid(), Signal::STOP).unwrap();
        let status = waitpid(Some(self.pid()), WaitOptions::UNTRACED).unwrap();
        assert!(status.is_some_and(|(_, status)| status.stopped()), "it ended by itself: {status:?}");
    }

    pub fn go_on(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Whether it has ended, in whatever way.
    pub fn is_over(&self) -> bool {
        let status = waitid(
            WaitId::Pid(self.pid()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
        );
        status.unwrap().is_some()
    }

    /// Waits for its good end.
    pub fn join(mut self) {
        let begin = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(1));
        };
        assert!(status.success(), "{status}");
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many rounds the environment asks for.
pub fn rounds(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Numbers without a pattern: SplitMix64.
#[derive(Debug)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `most`.
    pub fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    /// Below `len`.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    pub fn nap(&mut self, most_us: u64) {
        std::thread::sleep(Duration::from_micros(self.below(most_us)));
    }
}

fn report(place: &Path, role: &str, number: u64) -> PathBuf {
    place.join(format!("{role} {number}"))
}

fn fixed<const WORDS: usize>(word: u64) -> [u64; WORDS] {
    std::array::from_fn(|at| word.wrapping_mul(2 * at as u64 + 1))
}

/// What it says, if it is whole.
fn number_of<const WORDS: usize>(message: [u64; WORDS]) -> u64 {
    assert_eq!(message, fixed(message[0]), "torn");
    message[0]
}

fn length(word: u64) -> usize {
    8 + (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

fn bytes(word: u64) -> Vec<u8> {
    let mut noise = Noise(word);
    let mut bytes = word.to_le_bytes().to_vec();
    bytes.resize_with(length(word), || noise.next() as u8);
    bytes
}
