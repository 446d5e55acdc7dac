//! Floors: what the machine gives to anybody.

use std::{
    hint::{black_box, spin_loop},
    io::{ErrorKind, Read, Write as _},
    net::TcpStream,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use adit_channel::futex::Futex;
use adit_ring::park::Park as _;

use crate::{
    lines::{self, Line, Lines},
    order::{Order, Regime, Role},
    payload::{Payload, Words},
    queue::{Account, now_ns},
    race::{self, Race},
    stream,
    trip::{self, Trips, time_trips},
};

/// How long one sleep lasts at most.
const BACKSTOP: Duration = Duration::from_secs(1);

/// How often an end of a line looks before it looks at the clock.
const LOOKS: u32 = 1 << 20;

/// How often one sleeps before it gives up.
const SLEEPS: u32 = 64;

/// How long an end waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// Round trips over one cache line, written by both in turns.
    OneLine,
    /// Round trips over two, one each way, as any pair of rings has.
    TwoLines,
    /// The same, where each end can write its own line alone: the other's is mapped read-only.
    ///
    /// On some processors (Zen 3 and Zen 4 were seen) a line is handed over faster to who could write it.
    TwoLinesReadOnly,
    /// The same, both sleeping in a futex each time.
    Futex,
    /// Round trips over one TCP connection.
    Tcp,
    /// Copies from one buffer to another by one thread.
    Memcpy,
}

impl Floor {
    /// The end in another process: it answers.
    ///
    /// # Errors
    /// The other end is gone.
    pub fn far_end(self, order: &Order) -> Result<(), String> {
        race::pin(order, Role::Answerer)?;
        let trips = order.warm + 2 * trip::timed(order);
        match self {
            Self::Memcpy => Err("copies need no other end".into()),
            Self::Tcp => answer_tcp(order, trips),
            Self::OneLine | Self::TwoLines | Self::TwoLinesReadOnly | Self::Futex => {
                let (own, peers) = (open(order)?, self.open_peers(order)?);
                let (out, back) = (self.out(&peers, order), self.back(&own, order));
                let futex = Futex::new();
                for number in 1..=trips {
                    if self == Self::Futex {
                        answer_futex(out, back, futex, number);
                    } else {
                        answer_line(out, back, number);
                    }
                }
                Ok(())
            }
        }
    }

    /// Round trips, from the end that holds the watch.
    ///
    /// # Errors
    /// The other end is gone, or this floor has no trips.
    pub fn near_end(self, order: &Order) -> Result<Trips, String> {
        race::pin(order, Role::Receiver(0))?;
        // Each line carries seven words, so that the eighth can say that they are there.
        let words = Words::<7>::WORDS;
        match self {
            Self::Memcpy => Err("copies are no trips".into()),
            Self::Tcp => ask_tcp(order),
            Self::OneLine | Self::TwoLines | Self::TwoLinesReadOnly | Self::Futex => {
                let (own, peers) = (open(order)?, self.open_peers(order)?);
                let (out, back) = (self.out(&own, order), self.back(&peers, order));
                let futex = Futex::new();
                time_trips(order, words, |number| {
                    // Sequence 0 is what a new line has.
                    Ok(if self == Self::Futex {
                        futex_trip(out, back, futex, number + 1, number)
                    } else {
                        line_trip(out, back, number + 1, number)
                    })
                })
            }
        }
    }

    /// The line of a round that is written by the end that holds the watch: another in each round.
    ///
    /// Where on the chip a line is looked after depends on its address, and how long it travels on that: from 240
    /// to 430 ns a round trip were seen with one pair or another. A ring goes through all its lines, so its floor
    /// is the usual pair, not one pair.
    fn out<'a>(self, lines: &'a Lines, order: &Order) -> &'a Line {
        lines.line(number(order))
    }

    /// The line of the answers.
    fn back<'a>(self, lines: &'a Lines, order: &Order) -> &'a Line {
        lines.line(if self == Self::OneLine { number(order) } else { number(order) + 1 })
    }

    /// The lines once more, as an end has the other's.
    fn open_peers(self, order: &Order) -> Result<Lines, String> {
        let open = if self == Self::TwoLinesReadOnly { Lines::open_to_read } else { Lines::open };
        open(&order.lines).map_err(cannot_open)
    }
}

fn number(order: &Order) -> usize {
    (order.round as usize * 2) % (lines::COUNT - 1)
}

fn open(order: &Order) -> Result<Lines, String> {
    Lines::open(&order.lines).map_err(cannot_open)
}

fn cannot_open(error: std::io::Error) -> String {
    format!("cannot open the lines: {error}")
}

#[inline(always)]
fn sum(words: &[u64; 7]) -> u64 {
    words.iter().fold(0u64, |sum, word| sum.wrapping_add(*word))
}

#[inline(always)]
fn message(number: u64) -> [u64; 7] {
    std::array::from_fn(|at| number + at as u64)
}

/// Sends words and waits for what comes back. Requests have even sequences and answers odd ones, so that both fit
/// one line.
#[inline(always)]
#[must_use]
pub fn line_trip(out: &Line, back: &Line, trip: u64, number: u64) -> u64 {
    out.write(2 * trip, &message(number));
    let mut began = None;
    loop {
        for _ in 0..LOOKS {
            if let Some(words) = back.read(2 * trip + 1) {
                return sum(&words);
            }
            spin_loop();
        }
        look_at_clock(&mut began);
    }
}

/// Answers one message with itself.
#[inline(always)]
pub fn answer_line(out: &Line, back: &Line, trip: u64) {
    let mut began = None;
    loop {
        for _ in 0..LOOKS {
            if let Some(words) = out.read(2 * trip) {
                return back.write(2 * trip + 1, &words);
            }
            spin_loop();
        }
        look_at_clock(&mut began);
    }
}

/// As [`line_trip`], asleep until the answer comes.
#[inline(always)]
#[must_use]
pub fn futex_trip(out: &Line, back: &Line, futex: Futex, trip: u64, number: u64) -> u64 {
    let before = back.doorbell().load(Ordering::Relaxed) as u32;
    out.write(2 * trip, &message(number));
    futex.wake(out.doorbell());
    for _ in 0..SLEEPS {
        futex.wait(back.doorbell(), before, BACKSTOP);
        if let Some(words) = back.read(2 * trip + 1) {
            return sum(&words);
        }
    }
    nothing_came()
}

/// As [`answer_line`], asleep until there is something to answer.
#[inline(always)]
pub fn answer_futex(out: &Line, back: &Line, futex: Futex, trip: u64) {
    for _ in 0..SLEEPS {
        let before = out.doorbell().load(Ordering::Relaxed);
        if let Some(words) = out.read(2 * trip) {
            back.write(2 * trip + 1, &words);
            return futex.wake(back.doorbell());
        }
        futex.wait(out.doorbell(), before as u32, BACKSTOP);
    }
    nothing_came()
}

#[cold]
fn look_at_clock(began: &mut Option<Instant>) {
    if began.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
        nothing_came()
    }
}

/// The other end died, or never began: whoever runs this end says so.
#[cold]
fn nothing_came() -> ! {
    panic!("nothing came from the other end of a floor for many seconds")
}

/// The name under which the two ends of the bare socket meet.
fn socket_name(order: &Order) -> String {
    format!("floor-{}", order.round)
}

/// Looks at a socket between two at the clock.
const SOCKET_LOOKS: u32 = 1 << 10;

/// Reads one message. Spinning, it asks again and again; parked, it blocks.
fn read_message(stream: &mut impl Read, regime: Regime, bytes: &mut [u8]) -> Result<(), String> {
    let (mut at, mut looks, mut began) = (0, 0u32, None);
    while at < bytes.len() {
        match stream.read(&mut bytes[at..]) {
            Ok(0) => return Err("the other end of the socket is gone".into()),
            Ok(count) => at += count,
            // A process that is stopped and goes on is told so, where reading has a time limit.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && regime == Regime::Spinning => {
                // The clock once in so many looks, as channels do.
                looks = looks.wrapping_add(1);
                if looks.is_multiple_of(SOCKET_LOOKS)
                    && began.get_or_insert_with(Instant::now).elapsed() > PATIENCE
                {
                    return Err("nothing came over the socket".into());
                }
                spin_loop();
            }
            Err(error) => return Err(format!("cannot read from the socket: {error}")),
        }
    }
    Ok(())
}

fn prepare(stream: &TcpStream, regime: Regime) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nonblocking(regime == Regime::Spinning)
}

fn answer_tcp(order: &Order, trips: u64) -> Result<(), String> {
    let mut stream = stream::connect_tcp(order, &socket_name(order))?;
    prepare(&stream, order.regime).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; order.bytes];
    for _ in 0..trips {
        read_message(&mut stream, order.regime, &mut bytes)?;
        stream.write_all(&bytes).map_err(|error| format!("cannot write to the socket: {error}"))?;
    }
    Ok(())
}

fn ask_tcp(order: &Order) -> Result<Trips, String> {
    let listener = stream::listen_tcp(order, &socket_name(order))?;
    let (mut stream, _) = listener.accept().map_err(|error| error.to_string())?;
    prepare(&stream, order.regime).map_err(|error| error.to_string())?;
    let mut bytes = vec![0u8; order.bytes];
    time_trips(order, order.bytes / 8, |number| {
        for (at, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = (number + at as u64).to_ne_bytes();
        }
        stream.write_all(&bytes).map_err(|error| format!("cannot write to the socket: {error}"))?;
        read_message(&mut stream, order.regime, &mut bytes)?;
        let words = bytes.as_chunks::<8>().0;
        Ok(words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_ne_bytes(*word))))
    })
}

/// What one thread copies, from one buffer to another of the same size, each copy a message.
///
/// # Errors
/// The core is not this process' to use.
pub fn memcpy(order: &Order) -> Result<Race, String> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            race::pin(order, Role::Receiver(0))?;
            let mut from = vec![1u64; order.bytes / 8];
            let mut into = vec![0u64; order.bytes / 8];
            let mut begin_ns = 0;
            for number in 0..order.messages {
                if number == order.warm {
                    begin_ns = now_ns();
                }
                from[0] = number;
                black_box(&mut into[..]).copy_from_slice(black_box(&from));
            }
            let end_ns = now_ns();
            let timed = order.messages - order.warm;
            // As one that received what it should.
            let account = Account { begin_ns, end_ns, timed, count: order.messages, sum: 0, out_of_order: 0 };
            let race = race::judge(order, &[account])?;
            Ok(Race { valid: into == from, ..race })
        });
        thread.join().map_err(|_| "a copy panicked".to_owned())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a byte at every other call, and is interrupted at the others.
    struct Disturbed(bool);

    impl Read for Disturbed {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.0 = !self.0;
            if self.0 {
                return Err(ErrorKind::Interrupted.into());
            }
            bytes[0] = 7;
            Ok(1)
        }
    }

    #[test]
    fn an_interruption_is_no_end() {
        let mut bytes = [0; 3];
        read_message(&mut Disturbed(false), Regime::Parked, &mut bytes).unwrap();
        assert_eq!(bytes, [7; 3]);
    }
}
