//! Contests over a network: bare sockets and channels, on loopback or through a shaped link.

mod bare;
mod cast;
mod payload;
mod shaped;

use std::{
    error::Error,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use adit_channel::{
    Builder, Channel, Compression, Driver, MessageKind, NetworkOptions, Receiver, Sender, Waiting,
};
use adit_topology::pin_current_thread;

pub use cast::{Halves, cast};
pub use payload::Payload;
pub use shaped::ShapedLink;

/// What a thread gives back.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What is measured.
#[derive(Clone, Debug)]
pub enum Contest {
    /// So many times 64 bytes, written to a socket 64 KiB at a time and read so.
    BareStream {
        /// How many.
        messages: u64,
    },
    /// One message of 64 bytes at a time there and back, with blocking reads and writes.
    BareTrip {
        /// How many there and back.
        trips: u64,
    },
    /// Messages of a fixed size, as many as go.
    Stream {
        /// Through what.
        driver: Driver,
        /// So many in a call.
        batch: usize,
        /// Bytes of each, 8 at least.
        bytes: usize,
        /// How many.
        messages: u64,
    },
    /// One message of 64 bytes at a time there and back.
    Trip {
        /// Through what.
        driver: Driver,
        /// How both ends wait.
        waiting: Waiting,
        /// How many there and back.
        trips: u64,
    },
    /// Long messages, claimed and filled in place.
    Bulk {
        /// Through what.
        driver: Driver,
        /// Whether the kernel is asked not to copy.
        zero_copy: bool,
        /// How they are compressed.
        compression: Compression,
        /// What they hold.
        payload: Payload,
        /// Bytes of each.
        bytes: usize,
        /// How many.
        messages: usize,
    },
}

/// What lies between the two ends.
#[derive(Debug)]
pub enum Link {
    /// This machine's loopback.
    Loopback,
    /// A link of 1 Gbit/s.
    Shaped(ShapedLink),
}

impl Link {
    /// Puts the calling thread where the receiver or the sender is.
    fn enter(&self, sender: bool) -> Outcome<()> {
        match self {
            Self::Loopback => Ok(()),
            Self::Shaped(link) => link.enter(sender),
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Loopback => "127.0.0.1",
            Self::Shaped(_) => shaped::RECEIVER,
        }
    }
}

/// Runs a contest once: messages a second, or seconds for one there and back.
///
/// # Errors
/// Whatever an end meets, a message that is out of order, or a sum that is wrong.
pub fn run(contest: &Contest, link: &Link, cores: [u32; 2]) -> Result<f64, Box<dyn Error>> {
    let figure: Outcome<f64> = thread::scope(|scope| {
        let (address, addresses) = mpsc::channel();
        let receiving = scope.spawn(move || -> Outcome<f64> {
            link.enter(false)?;
            pin_current_thread(cores[1])?;
            receive(contest, link.host(), &address)
        });
        let sending = scope.spawn(move || -> Outcome<Option<f64>> {
            link.enter(true)?;
            pin_current_thread(cores[0])?;
            send(contest, &addresses.recv_timeout(LIMIT)?)
        });
        let sent = sending.join().unwrap_or_else(|_| Err("the sender panicked".into()));
        let received = receiving.join().unwrap_or_else(|_| Err("the receiver panicked".into()));
        match (sent, received) {
            (Ok(sent), Ok(received)) => Ok(sent.unwrap_or(received)),
            // Of an end that never opened the other knows nothing but that it is not there.
            (Err(sent), Err(received)) => Err(format!("receiver: {received}; sender: {sent}").into()),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    });
    figure.map_err(|error| -> Box<dyn Error> { error })
}

fn builder(contest: &Contest, uri: &str) -> Outcome<Builder> {
    let mut options = NetworkOptions::default();
    let builder = Channel::builder(uri)?;
    Ok(match *contest {
        Contest::Stream { driver, bytes, .. } => {
            options.driver = driver;
            builder.network(options).kind(MessageKind::fixed("bench", bytes as u32, 8))
        }
        Contest::Trip { driver, waiting, .. } => {
            options.driver = driver;
            builder.network(options).kind(MessageKind::fixed("bench", 64, 8)).waiting(waiting)
        }
        Contest::Bulk { driver, zero_copy, compression, bytes, .. } => {
            options.driver = driver;
            options.compression = compression;
            options.zero_copy_from = zero_copy.then_some(4096);
            builder.network(options).capacity((bytes * 8).next_power_of_two())
        }
        Contest::BareStream { .. } | Contest::BareTrip { .. } => return Err("that has no channel".into()),
    })
}

/// The receiving thread; says where it listens.
fn receive(contest: &Contest, host: &str, address: &mpsc::Sender<String>) -> Outcome<f64> {
    match *contest {
        Contest::BareStream { messages } => return bare::receive_stream(address, messages),
        Contest::BareTrip { trips } => return bare::answer(address, trips).map(|()| 0.0),
        _ => {}
    }
    let mut receiver = builder(contest, &format!("tcp://{host}:0"))?.receiver()?;
    let report = receiver.network().ok_or("a network has a report")?;
    address.send(report.address.clone())?;
    match *contest {
        Contest::Stream { batch, bytes, messages, .. } => {
            receive_stream(&mut receiver, batch, bytes, messages)
        }
        Contest::Trip { trips, .. } => answer(&mut receiver, trips, contest, address).map(|()| 0.0),
        Contest::Bulk { ref payload, bytes, messages, .. } => {
            receive_bulk(&mut receiver, payload, bytes, messages)
        }
        _ => Err("that has no channel".into()),
    }
}

/// The sending thread; the figure, if it is the sender's.
fn send(contest: &Contest, address: &str) -> Outcome<Option<f64>> {
    match *contest {
        Contest::BareStream { messages } => return bare::send_stream(address, messages).map(|()| None),
        Contest::BareTrip { trips } => return bare::ask(address, trips).map(Some),
        _ => {}
    }
    let mut sender = builder(contest, address)?.join_within(LIMIT).sender()?;
    match *contest {
        Contest::Stream { batch, bytes, messages, .. } => {
            send_stream(&mut sender, batch, bytes, messages)?;
            Ok(None)
        }
        Contest::Trip { trips, .. } => ask(&mut sender, trips, contest).map(Some),
        Contest::Bulk { ref payload, bytes, messages, .. } => {
            send_bulk(&mut sender, payload, bytes, messages)?;
            Ok(None)
        }
        _ => Err("that has no channel".into()),
    }
}

/// What the number and the rest of the words of all messages add up to.
fn expected(messages: u64, words: u64) -> u64 {
    (0..messages).fold(0_u64, |sum, number| sum.wrapping_add(number.wrapping_mul(words)))
}

fn send_stream(sender: &mut Sender, batch: usize, bytes: usize, messages: u64) -> Outcome<()> {
    let mut all = vec![vec![0_u8; bytes]; batch];
    let mut number = 0;
    while number < messages {
        let count = batch.min((messages - number) as usize);
        for message in &mut all[..count] {
            message.as_chunks_mut().0.fill(number.to_le_bytes());
            number += 1;
        }
        if batch == 1 {
            sender.send(&all[0], LIMIT)?;
        } else {
            sender.send_batch(&all[..count], LIMIT)?;
        }
    }
    sender.flush();
    Ok(())
}

fn receive_stream(receiver: &mut Receiver, batch: usize, bytes: usize, messages: u64) -> Outcome<f64> {
    let (mut next, mut sum, mut begin) = (0_u64, 0_u64, None);
    let mut buffer = vec![0; bytes];
    let mut wrong = false;
    while next < messages {
        let mut take = |bytes: &[u8]| {
            let words = bytes.as_chunks().0;
            wrong |= words.first().is_none_or(|first| u64::from_le_bytes(*first) != next);
            sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
            next += 1;
        };
        if batch == 1 {
            receiver.recv(&mut buffer, LIMIT)?.ok_or("a message did not come")?;
            take(&buffer);
        } else {
            receiver.wait(LIMIT)?;
            receiver.recv_batch(usize::MAX, |bytes| {
                bytes.copy_to(0, &mut buffer);
                take(&buffer);
            })?;
        }
        // From the first message on: what comes before is joining.
        begin.get_or_insert_with(Instant::now);
    }
    if wrong || sum != expected(messages, bytes as u64 / 8) {
        return Err("messages are out of order or not what was sent".into());
    }
    Ok(messages as f64 / begin.ok_or("nothing came")?.elapsed().as_secs_f64())
}

fn ask(sender: &mut Sender, trips: u64, contest: &Contest) -> Outcome<f64> {
    let mut back = builder(contest, "tcp://127.0.0.1:0")?.receiver()?;
    let address = back.network().ok_or("a network has a report")?.address.clone();
    let port: u64 = address.rsplit(':').next().unwrap_or_default().parse()?;
    let mut message = [0_u8; 64];
    message[..8].copy_from_slice(&port.to_le_bytes());
    sender.send(&message, LIMIT)?;
    let mut answer = [0; 64];
    let mut once = |number: u64| -> Outcome<()> {
        message[..8].copy_from_slice(&number.to_le_bytes());
        sender.send(&message, LIMIT)?;
        back.recv(&mut answer, LIMIT)?.ok_or("no answer came")?;
        if answer == message { Ok(()) } else { Err("the answer is another".into()) }
    };
    (0..trips / 10).try_for_each(&mut once)?;
    let begin = Instant::now();
    (0..trips).try_for_each(&mut once)?;
    Ok(begin.elapsed().as_secs_f64() / trips as f64)
}

fn answer(
    receiver: &mut Receiver,
    trips: u64,
    contest: &Contest,
    _address: &mpsc::Sender<String>,
) -> Outcome<()> {
    let mut message = [0; 64];
    receiver.recv(&mut message, LIMIT)?.ok_or("nobody asks")?;
    let port = u64::from_le_bytes(message.first_chunk().copied().unwrap_or_default());
    let back = builder(contest, &format!("tcp://127.0.0.1:{port}"))?;
    let mut back = back.join_within(LIMIT).sender()?;
    for _ in 0..trips + trips / 10 {
        receiver.recv(&mut message, LIMIT)?.ok_or("nobody asks")?;
        back.send(&message, LIMIT)?;
    }
    Ok(())
}

fn send_bulk(sender: &mut Sender, payload: &Payload, bytes: usize, messages: usize) -> Outcome<()> {
    let bytes = payload.bytes(bytes);
    for number in 0..messages as u64 {
        let mut claim = sender.claim_within(bytes.len(), LIMIT)?;
        claim.write(0, &bytes);
        claim.write(0, &number.to_le_bytes());
        claim.commit();
    }
    sender.flush();
    Ok(())
}

fn receive_bulk(receiver: &mut Receiver, payload: &Payload, bytes: usize, messages: usize) -> Outcome<f64> {
    let expected = payload.bytes(bytes);
    let mut buffer = vec![0; bytes];
    let mut begin = None;
    for number in 0..messages as u64 {
        receiver.recv(&mut buffer, LIMIT)?.ok_or("a message did not come")?;
        if buffer[..8] != number.to_le_bytes() || buffer[8..] != expected[8..] {
            return Err("messages are out of order or not what was sent".into());
        }
        begin.get_or_insert_with(Instant::now);
    }
    // The first is not counted: the clock begins with its end.
    Ok((messages - 1) as f64 / begin.ok_or("nothing came")?.elapsed().as_secs_f64())
}
