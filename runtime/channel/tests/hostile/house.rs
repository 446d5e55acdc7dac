//! What the tests share: the channel, messages that only an honest sender can write, and the clock.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use adit_channel::{Builder, Channel, MessageKind, Mode, OnFull, OpenError, OpenFailure, Sender};

/// How long anything may take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A wait that may end without anything.
pub const SHORT: Duration = Duration::from_millis(10);

/// How much longer than it said a wait may take on a busy machine.
const LATE: Duration = Duration::from_secs(10);

const VARIABLES: [&str; 6] = [
    "ADIT_HOSTILE_ROLE",
    "ADIT_HOSTILE_PLACE",
    "ADIT_HOSTILE_MODE",
    "ADIT_HOSTILE_KIND",
    "ADIT_HOSTILE_POLICY",
    "ADIT_HOSTILE_SEED",
];

/// Bytes of a ring.
const CAPACITY: usize = 1 << 12;

/// Of a message of fixed size.
const SIZE: usize = 40;

/// What channel it is; a hostile process is told all of it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub mode: Mode,
    pub kind: Kind,
    /// Of a broadcast.
    pub policy: OnFull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bytes,
    Fixed,
    Measured,
    /// Bytes; long messages lie in an arena.
    Arena,
}

pub const KINDS: [Kind; 4] = [Kind::Bytes, Kind::Fixed, Kind::Measured, Kind::Arena];
const MODES: [Mode; 5] = [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast];
pub const POLICIES: [OnFull; 3] = [OnFull::Fail, OnFull::OverwriteOldest, OnFull::Latest];

impl Target {
    pub fn new(mode: Mode, kind: Kind) -> Self {
        Self { mode, kind, policy: OnFull::Fail }
    }

    pub fn builder(self, place: &Path) -> Builder {
        let builder = Channel::builder("ipc://target").unwrap().directory(place.join("adit"));
        let builder = builder.capacity(CAPACITY).mode(self.mode).on_full(self.policy).join_within(PATIENCE);
        match self.kind {
            Kind::Bytes => builder,
            Kind::Fixed => builder.kind(MessageKind::fixed("test::Fixed", SIZE as u32, 8)),
            Kind::Measured => builder.measure_latency(true),
            Kind::Arena => builder.arena(1),
        }
    }

    /// The message of that number of the sender who has the key; to who has not, noise.
    pub fn message(self, key: u64, number: u64) -> Vec<u8> {
        let mut noise = Noise(key ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let len = match self.kind {
            Kind::Fixed => SIZE,
            // Every second one is too long for the ring.
            Kind::Arena if number.is_multiple_of(2) => 1016 + noise.below(200_000) as usize,
            _ => 16 + noise.below(300) as usize,
        };
        let mut message = number.to_le_bytes().to_vec();
        while message.len() < len {
            message.extend(noise.next().to_le_bytes());
        }
        message.truncate(len);
        message
    }

    /// Whether these bytes are a message of who has the key, and which.
    pub fn number(self, key: u64, bytes: &[u8]) -> Option<u64> {
        let number = u64::from_le_bytes(*bytes.first_chunk()?);
        (bytes == self.message(key, number)).then_some(number)
    }
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

    pub fn nap(&mut self, most_us: u64) {
        std::thread::sleep(Duration::from_micros(self.below(most_us)));
    }
}

/// How long a test attacks.
pub fn attack_time() -> Duration {
    let asked = env::var("ADIT_TEST_HOSTILE_MS").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(asked.unwrap_or(700))
}

/// Runs an honest side in a thread of its own, with a seed that is printed: what hangs or panics is told.
pub fn honest(side: impl FnOnce(u64) + Send + 'static) {
    let asked = env::var("ADIT_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed =
        asked.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    println!("ADIT_TEST_SEED={seed}");
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        side(seed);
        done.send(()).unwrap();
    });
    match is_done.recv_timeout(attack_time() * 20 + PATIENCE * 2) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the honest side hangs, ADIT_TEST_SEED={seed}"),
        _ => thread.join().unwrap_or_else(|_| panic!("the honest side panicked, ADIT_TEST_SEED={seed}")),
    }
}

/// Runs something that may take `most`, and holds it to that.
pub fn within<T>(most: Duration, something: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = something();
    assert!(began.elapsed() <= most + LATE, "{most:?} took {:?}", began.elapsed());
    result
}

/// Where hostile processes put a mark for each attack: an end that joined and left, or some guests.
pub const DIARY: &str = "attacks";

/// A hostile process, killed when this is dropped.
#[derive(Debug)]
pub struct Hostile {
    child: Child,
    values: [String; 6],
}

impl Hostile {
    pub fn new(role: &str, target: Target, place: &Path, seed: u64) -> Self {
        let at = |found: Option<usize>| found.unwrap().to_string();
        let mode = at(MODES.iter().position(|mode| *mode == target.mode));
        let kind = at(KINDS.iter().position(|kind| *kind == target.kind));
        let policy = at(POLICIES.iter().position(|policy| *policy == target.policy));
        let values = [role.into(), place.display().to_string(), mode, kind, policy, seed.to_string()];
        Self { child: start(&values), values }
    }

    /// Starts another if this one fell victim to itself.
    pub fn go_on(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            self.child = start(&self.values);
        }
    }

    /// How many attacks there were on the channel.
    pub fn attacks(place: &Path) -> u64 {
        std::fs::metadata(place.join(DIARY)).map_or(0, |found| found.len())
    }
}

fn start(values: &[String; 6]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]);
    command.envs(VARIABLES.into_iter().zip(values));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Joins as a sender; the place of one that was killed is free when that is noticed.
pub fn open_sender(builder: &Builder) -> Sender {
    let began = Instant::now();
    loop {
        match builder.sender() {
            Err(OpenError { failure: OpenFailure::SendersTaken { .. }, .. }) => {
                assert!(began.elapsed() < PATIENCE, "a dead sender keeps its place");
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other.unwrap(),
        }
    }
}

/// What this process was told to be; `None`: it is the test run.
pub fn told() -> Option<(String, std::path::PathBuf, Target, u64)> {
    let [role, place, mode, kind, policy, seed] = VARIABLES.map(|name| env::var(name).ok());
    let at = |text: Option<String>| text?.parse::<usize>().ok();
    let target = Target { mode: MODES[at(mode)?], kind: KINDS[at(kind)?], policy: POLICIES[at(policy)?] };
    Some((role?, place?.into(), target, seed?.parse().ok()?))
}
