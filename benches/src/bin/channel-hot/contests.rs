//! What is measured, from the near end.

use std::{
    hint::{black_box, spin_loop},
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Barrier,
    time::{Duration, Instant},
};

use adit_benches::shared::{Line as SharedLine, Lines};
use adit_channel::{
    Channel, Mode, Receiver, TypedBuilder, TypedReceiver, TypedSender, Waiting, futex::Futex,
};
use adit_ring::park::Park as _;
use adit_topology::pin_current_thread;

/// Messages of 64 bytes in a round, and how many a batch has.
pub const MANY: u64 = 4_000_000;
pub const BATCH: usize = 64;
/// Trips of a round that spins, and of one that sleeps.
pub const TRIPS: u64 = 2_000;
pub const SLEEPY_TRIPS: u64 = 200;
/// Large messages of a round, and their words.
pub const LARGE: u64 = 256;
pub const LARGE_WORDS: usize = (1 << 20) / 8;
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of every ring of 64-byte messages.
pub const RING: usize = 1 << 20;

pub type Message = [u64; 8];

pub fn message(number: u64) -> Message {
    std::array::from_fn(|at| number + at as u64)
}

pub fn sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

pub fn expected(count: u64) -> u64 {
    (0..count).fold(0, |total, number| sum(&message(number)).wrapping_add(total))
}

pub fn rest(pauses: u32) {
    for _ in 0..pauses {
        spin_loop();
    }
}

pub type Failure = Box<dyn std::error::Error>;

/// This end, and the other process.
pub struct Bench {
    pub cores: [u32; 2],
    pub pauses: u32,
    directory: tempfile::TempDir,
    lines: Lines,
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    next: u64,
}

impl Bench {
    pub fn start(cores: [u32; 2], pauses: u32) -> Result<Self, Failure> {
        let (directory, lines) = (tempfile::tempdir()?, Lines::create()?);
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--far")
            .args([directory.path(), &lines.path()])
            .args([cores[1].to_string(), pauses.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        pin_current_thread(cores[0])?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(answers)) = (orders, answers) else { return Err("no pipes".into()) };
        Ok(Self { cores, pauses, directory, lines, child, orders, answers: BufReader::new(answers), next: 1 })
    }

    pub fn end(self) -> Result<(), Failure> {
        let Self { mut child, orders, .. } = self;
        drop(orders);
        child.wait()?;
        Ok(())
    }

    fn order(&mut self, order: &str) -> Result<(), Failure> {
        Ok(writeln!(self.orders, "{order}")?)
    }

    fn done(&mut self) -> Result<(), Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.trim() == "done" { Ok(()) } else { Err(format!("the far end says {line:?}").into()) }
    }

    fn channel(&self, name: &str) -> Result<adit_channel::Builder, Failure> {
        Ok(channel(&self.directory.path().to_string_lossy(), name)?)
    }
}

pub fn channel(directory: &str, name: &str) -> Result<adit_channel::Builder, adit_channel::uri::UriError> {
    let builder = Channel::builder(&format!("ipc://{name}"))?.capacity(RING).waiting(Waiting::Spin);
    Ok(builder.directory(format!("{directory}/adit")).join_within(PATIENCE))
}

type Contest = fn(&mut Bench) -> Result<f64, Failure>;

pub fn all() -> Vec<(&'static str, &'static str, Contest)> {
    vec![
        #[cfg(feature = "peers")]
        ("rtrb", "M/s", crate::peers::rtrb),
        #[cfg(feature = "peers")]
        ("gil", "M/s", crate::peers::gil),
        #[cfg(feature = "peers")]
        ("nexus-queue", "M/s", crate::peers::nexus),
        ("ipc, single", "M/s", |bench| ipc(bench, "single", 1)),
        ("ipc, batches", "M/s", |bench| ipc(bench, "batches", BATCH)),
        ("memory, single", "M/s", |bench| memory(bench, Mode::Spsc, 1, 1)),
        ("memory, batches", "M/s", |bench| memory(bench, Mode::Spsc, 1, BATCH)),
        ("MPSC, one", "M/s", |bench| memory(bench, Mode::Mpsc, 1, 1)),
        ("MPSC, two", "M/s", |bench| memory(bench, Mode::Mpsc, 2, 1)),
        #[cfg(feature = "peers")]
        ("crossbeam, two", "M/s", crate::peers::crossbeam),
        ("two lines", "ns", two_lines),
        ("ipc trip", "ns", |bench| trip(bench, "trip", Waiting::Spin, TRIPS)),
        ("futex", "ns", futex),
        ("ipc trip, parked", "ns", |bench| trip(bench, "sleepy", Waiting::Park, SLEEPY_TRIPS)),
        ("memcpy", "GB/s", |_| memcpy()),
        ("ipc, 1 MiB", "GB/s", large),
    ]
}

pub fn write(mut sender: TypedSender<Message>, first: u64, step: u64, batch: usize, wait: impl Fn()) {
    if batch == 1 {
        for number in (first..MANY).step_by(step as usize) {
            let message = message(number);
            while sender.try_send(&message).is_err() {
                wait();
            }
        }
        return;
    }
    let mut messages = [Message::default(); BATCH];
    for start in (0..MANY).step_by(BATCH) {
        for (at, to) in messages.iter_mut().enumerate() {
            *to = message(start + at as u64);
        }
        let mut rest = &messages[..];
        while !rest.is_empty() {
            match sender.try_send_batch(rest) {
                Ok(count) => rest = &rest[count..],
                Err(_) => wait(),
            }
        }
    }
}

/// Sleeps until the sender has joined: the thread that lets it in may have to run on this core.
pub fn meet(receiver: &mut Receiver) -> Result<(), Failure> {
    let until = Instant::now() + PATIENCE;
    while receiver.lanes() == 0 && !receiver.wait(Duration::ZERO)? {
        if Instant::now() > until {
            return Err("nobody joined".into());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// Sum of all messages, and the time from the first on.
pub fn read(
    receiver: &mut TypedReceiver<Message>,
    batch: usize,
    wait: impl Fn(),
) -> Result<(u64, Duration), Failure> {
    meet(receiver.untyped())?;
    while !receiver.untyped().wait(PATIENCE)? {}
    let begin = Instant::now();
    let (mut total, mut count) = (0u64, 0);
    let mut messages = [Message::default(); BATCH];
    while count < MANY {
        if batch == 1 {
            match receiver.try_recv()? {
                Some(message) => {
                    total = total.wrapping_add(sum(&message));
                    count += 1;
                }
                None => wait(),
            }
        } else {
            match receiver.recv_batch(&mut messages)? {
                0 => wait(),
                some => {
                    total = total.wrapping_add(sum(messages[..some].as_flattened()));
                    count += some as u64;
                }
            }
        }
    }
    Ok((total, begin.elapsed()))
}

fn ipc(bench: &mut Bench, order: &str, batch: usize) -> Result<f64, Failure> {
    let mut receiver = bench.channel("many")?.of::<Message>("message").receiver()?;
    bench.order(order)?;
    let pauses = bench.pauses;
    let (total, time) = read(&mut receiver, batch, || rest(pauses))?;
    bench.done()?;
    rate(total, time)
}

pub fn rate(total: u64, time: Duration) -> Result<f64, Failure> {
    if total != expected(MANY) {
        return Err("what was read is not what was written".into());
    }
    Ok(MANY as f64 / time.as_secs_f64() / 1e6)
}

/// Runs writers on the far core and a reader here; the time is the reader's.
pub fn race<R: Send>(
    bench: &Bench,
    writers: Vec<Box<dyn FnOnce() + Send + '_>>,
    reader: impl FnOnce() -> R,
) -> (R, Duration) {
    let ready = Barrier::new(writers.len() + 1);
    std::thread::scope(|scope| {
        for writer in writers {
            let ready = &ready;
            scope.spawn(move || {
                let _ = pin_current_thread(bench.cores[1]);
                ready.wait();
                writer();
            });
        }
        ready.wait();
        let begin = Instant::now();
        let result = reader();
        (result, begin.elapsed())
    })
}

/// With several writers on one core, all of them let others run when they cannot go on.
pub fn wait_of(writers: u64, pauses: u32) -> impl Fn() + Copy + Send {
    move || if writers > 1 { std::thread::yield_now() } else { rest(pauses) }
}

fn memory(bench: &mut Bench, mode: Mode, writers: u64, batch: usize) -> Result<f64, Failure> {
    let channel = Channel::builder("memory://hot")?.capacity(RING).mode(mode).waiting(Waiting::Spin);
    let channel: TypedBuilder<Message> = channel.of("message");
    let mut receiver = channel.receiver()?;
    let wait = wait_of(writers, bench.pauses);
    let mut ends: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    for first in 0..writers {
        let sender = channel.sender()?;
        ends.push(Box::new(move || write(sender, first, writers, batch, wait)));
    }
    let (result, time) =
        race(bench, ends, || read(&mut receiver, batch, wait).map_err(|error| error.to_string()));
    rate(result?.0, time)
}

fn two_lines(bench: &mut Bench) -> Result<f64, Failure> {
    let (first, out, back) = lines_of(bench, TRIPS);
    bench.order(&format!("lines {first}"))?;
    let (out, back) = (bench.lines.line(out), bench.lines.line(back));
    let time = trips(first, TRIPS, |number| {
        out.write(number, message(number).first_chunk().ok_or("short")?);
        loop {
            if let Some(words) = back.read(number) {
                return Ok(sum(&words));
            }
            spin_loop();
        }
    })?;
    bench.done()?;
    Ok(time)
}

fn futex(bench: &mut Bench) -> Result<f64, Failure> {
    let (first, out, back) = lines_of(bench, SLEEPY_TRIPS);
    bench.order(&format!("futex {first}"))?;
    let (out, back) = (bench.lines.line(out), bench.lines.line(back));
    let futex = Futex::new();
    let time = trips(first, SLEEPY_TRIPS, |number| {
        out.write(number, message(number).first_chunk().ok_or("short")?);
        futex.wake(out.doorbell());
        Ok(sum(&sleep_for(back, futex, number)))
    })?;
    bench.done()?;
    Ok(time)
}

pub fn sleep_for(line: &SharedLine, futex: Futex, number: u64) -> [u64; 7] {
    loop {
        let before = line.doorbell().load(std::sync::atomic::Ordering::Relaxed);
        if let Some(words) = line.read(number) {
            return words;
        }
        futex.wait(line.doorbell(), before as u32, Duration::from_secs(1));
    }
}

/// The first number of a run, and its lines: others in each run, since some are nearer than others.
fn lines_of(bench: &mut Bench, trips: u64) -> (u64, usize, usize) {
    let first = bench.next;
    bench.next += trips | 1;
    let (out, back) = line_numbers(first);
    (first, out, back)
}

pub fn line_numbers(first: u64) -> (usize, usize) {
    let out = 1 + first as usize * 2 % (adit_benches::shared::COUNT - 1);
    (out, out + 1)
}

/// Nanoseconds of a trip; the sum of seven words must come back.
fn trips(first: u64, count: u64, mut trip: impl FnMut(u64) -> Result<u64, Failure>) -> Result<f64, Failure> {
    let mut total = trip(first)?;
    let begin = Instant::now();
    for number in first + 1..first + count {
        total = total.wrapping_add(trip(number)?);
    }
    let time = begin.elapsed();
    let expected = (first..first + count).fold(0, |total: u64, number| total + sum(&message(number)[..7]));
    if total != expected {
        return Err("what came back is not what was sent".into());
    }
    Ok(time.as_nanos() as f64 / (count - 1) as f64)
}

fn trip(bench: &mut Bench, order: &str, waiting: Waiting, count: u64) -> Result<f64, Failure> {
    let mut back = bench.channel("back")?.waiting(waiting).of::<Message>("message").receiver()?;
    bench.order(order)?;
    let mut out = bench.channel("out")?.waiting(waiting).of::<Message>("message").sender()?;
    meet(back.untyped())?;
    let time = trips(0, count, |number| {
        out.try_send(&message(number))?;
        let message = back.recv(PATIENCE)?.ok_or("nothing came back")?;
        Ok(sum(&message[..7]))
    })?;
    drop((out, back));
    bench.done()?;
    Ok(time)
}

/// A mebibyte is copied into each of eight places in turn, in one thread; what they hold at the end is what was copied.
fn memcpy() -> Result<f64, Failure> {
    let mut from = vec![1u64; LARGE_WORDS];
    let mut into = vec![0u64; 8 * LARGE_WORDS];
    let begin = Instant::now();
    for (number, place) in (0..LARGE).zip((0..8).cycle()) {
        from[0] = number;
        let place = &mut into[place * LARGE_WORDS..][..LARGE_WORDS];
        black_box(&mut *place).copy_from_slice(black_box(&from));
    }
    let time = begin.elapsed();
    // Each place differs in its first word alone.
    let last = (LARGE - LARGE.min(8)..LARGE).map(|number| number + LARGE_WORDS as u64 - 1);
    if into.iter().sum::<u64>() != last.sum::<u64>() {
        return Err("what was copied is not what there was".into());
    }
    Ok((LARGE << 20) as f64 / time.as_secs_f64() / 1e9)
}

fn large(bench: &mut Bench) -> Result<f64, Failure> {
    let mut receiver = bench.channel("large")?.capacity(8 << 20).receiver()?;
    bench.order("large")?;
    meet(&mut receiver)?;
    while !receiver.wait(PATIENCE)? {}
    let begin = Instant::now();
    for number in 0..LARGE {
        let message = loop {
            if receiver.wait(PATIENCE)? {
                break receiver.read()?.ok_or("it was there")?;
            }
        };
        let words = message.bytes().words();
        let total = words.iter().fold(0u64, |total, word| total.wrapping_add(word.load()));
        if total != LARGE_WORDS as u64 * number {
            return Err("a large message is not what was written".into());
        }
    }
    let time = begin.elapsed();
    bench.done()?;
    Ok((LARGE << 20) as f64 / time.as_secs_f64() / 1e9)
}
