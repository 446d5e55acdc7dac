//! Long messages through a ring and through arenas, in modes that have them: how fast.
//!
//! `cargo run --release -p adit-channel --example frames`
//!
//! Every byte of each message of a million bytes is produced and looked at. *Copied*: produced in a buffer, sent,
//! received into a buffer. *In place*: produced piece by piece in a claim, looked at piece by piece where it lies.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, Mode, Receiver, Sender};

const LEN: usize = 1_000_000;
/// Divides the length; stays in the first cache.
const PIECE: usize = 4000;
const ROUNDS: usize = 9;
const TIME: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(30);

/// One way to send them.
struct Way {
    name: &'static str,
    mode: Mode,
    /// Bytes; 0: through a ring of 8 MiB.
    arena: usize,
    in_place: bool,
    /// In messages; 0: as the channel finds right.
    credit: u64,
}

const fn way(name: &'static str, mode: Mode, arena_mib: usize, in_place: bool, credit: u64) -> Way {
    Way { name, mode, arena: arena_mib << 20, in_place, credit }
}

/// The first is what the others are compared with.
const WAYS: [Way; 9] = [
    way("SPSC, ring, copied", Mode::Spsc, 0, false, 0),
    way("SPSC, arena of 4 MiB, copied", Mode::Spsc, 4, false, 0),
    way("SPSC, arena of 4 MiB, in place", Mode::Spsc, 4, true, 0),
    way("SPSC, arena of 64 MiB, in place", Mode::Spsc, 64, true, 0),
    way("SPMC, ring, copied", Mode::Spmc, 0, false, 0),
    way("SPMC, arena of 4 MiB, in place", Mode::Spmc, 4, true, 0),
    way("SPMC, arena of 4 MiB, in place, credit for 1", Mode::Spmc, 4, true, 1),
    way("broadcast, ring, copied", Mode::Broadcast, 0, false, 0),
    way("broadcast, arena of 4 MiB, in place", Mode::Broadcast, 4, true, 0),
];

impl Way {
    fn builder(&self) -> Result<Builder, Box<dyn Error>> {
        let mut builder = Channel::builder("memory://frames")?.mode(self.mode).capacity(8 << 20);
        if self.arena > 0 {
            builder = builder.arena(self.arena);
        }
        if self.credit > 0 {
            builder = builder.credit(self.credit * (LEN as u64 + 64));
        }
        Ok(builder)
    }

    /// Bytes a second.
    fn run(&self) -> Result<f64, Box<dyn Error>> {
        let builder = self.builder()?;
        // Either end may come first over `memory://`.
        let (mut receiver, mut sender) = (builder.receiver()?, builder.sender()?);
        assert!(sender.wait_for_receivers(1, PATIENCE));
        let begin = Instant::now();
        let (sent, came) = std::thread::scope(|scope| {
            let sending = scope.spawn(move || self.send_all(&mut sender));
            let came = self.receive_all(&mut receiver);
            (sending.join().expect("the sender does not panic"), came)
        });
        let time = begin.elapsed();
        assert_eq!(sent, came, "what was looked at is not what was sent");
        Ok(came as f64 * LEN as f64 / time.as_secs_f64())
    }

    /// Says how many it sent; message `n` is made of bytes `n`.
    fn send_all(&self, sender: &mut Sender) -> u64 {
        let (begin, mut sent, mut buffer) = (Instant::now(), 0_u64, vec![0; LEN]);
        while begin.elapsed() < TIME {
            let byte = sent as u8;
            if self.in_place {
                let mut claim = sender.claim_within(LEN, PATIENCE).expect("it is received");
                for at in (0..LEN).step_by(PIECE) {
                    buffer[..PIECE].fill(byte);
                    claim.write(at, &buffer[..PIECE]);
                }
                claim.commit();
            } else {
                buffer.fill(byte);
                sender.send(&buffer, PATIENCE).expect("it is received");
            }
            sent += 1;
        }
        sent
    }

    /// Says how many came whole.
    fn receive_all(&self, receiver: &mut Receiver) -> u64 {
        let (mut came, mut buffer) = (0_u64, vec![0; LEN]);
        loop {
            let byte = came as u8;
            if self.in_place {
                let Ok(Some(message)) = receiver.read_within(PATIENCE) else { break };
                for at in (0..LEN).step_by(PIECE) {
                    message.bytes().copy_to(at, &mut buffer[..PIECE]);
                    check(&buffer[..PIECE], byte);
                }
            } else {
                let Ok(Some(len)) = receiver.recv(&mut buffer, PATIENCE) else { break };
                check(&buffer[..len], byte);
            }
            came += 1;
        }
        came
    }
}

/// Whether all are this one; their number is a multiple of 8.
fn check(bytes: &[u8], byte: u8) {
    let words = bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word));
    let sum = words.fold(0_u64, u64::wrapping_add);
    assert_eq!(sum, u64::from_ne_bytes([byte; 8]).wrapping_mul(bytes.len() as u64 / 8));
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rates = WAYS.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (way, rates) in WAYS.iter().zip(&mut rates) {
            rates.push(way.run()?);
        }
    }
    rates.iter_mut().for_each(|rates| rates.sort_by(f64::total_cmp));
    let reference = rates[0][ROUNDS / 2];
    println!("{:46} {:>6} {:>6} {:>6} GB/s {:>6}", "", "median", "lowest", "most", "ratio");
    for (way, rates) in WAYS.iter().zip(&rates) {
        let [lowest, median, most] = [rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]];
        let ratio = median / reference;
        println!(
            "{:46} {:6.1} {:6.1} {:6.1}      {ratio:6.2}",
            way.name,
            median / 1e9,
            lowest / 1e9,
            most / 1e9
        );
    }
    Ok(())
}
