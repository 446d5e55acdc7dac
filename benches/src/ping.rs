//! Round trips: what both processes of `round-trip` do in each contest.
//!
//! The near end sends number `n` in a message and gets another back. Every word that came back is summed,
//! and the sum must be what `expected` says.

use std::{hint::spin_loop, time::Duration};

use adit_bench_channel::{
    floor::{answer_futex, answer_line, futex_trip, line_trip},
    payload::sum_of_one,
    trip::Watch,
};
use adit_channel::{
    futex::Futex,
    session::{DeviceMessage, DeviceSession, HostSession, Unit, UnitDone, UnitStatus},
};
use adit_ring::park::Park as _;
use hdrhistogram::Histogram;

use crate::shared::{self, Line, Lines};

/// How long one sleep lasts at most.
const BACKSTOP: Duration = Duration::from_secs(1);

/// What goes back and forth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contest {
    /// One cache line, written by both in turns.
    OneLine,
    /// Two, one each way, as any pair of rings has: the floor for two that spin.
    TwoLines,
    /// A unit and its end over a session, both spinning.
    Session,
    /// Two lines, both sleeping in a futex each time: the floor for two that sleep.
    Futex,
    /// A unit and its end over a session, both sleeping each time.
    SessionAsleep,
}

impl Contest {
    /// All, in the order in which a round runs them.
    pub const ALL: [Self; 5] =
        [Self::OneLine, Self::TwoLines, Self::Session, Self::Futex, Self::SessionAsleep];

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneLine => "one line, spinning",
            Self::TwoLines => "two lines, spinning",
            Self::Session => "session, spinning",
            Self::Futex => "two lines, futex",
            Self::SessionAsleep => "session, asleep",
        }
    }

    /// Whether both ends sleep.
    #[must_use]
    pub fn sleeps(self) -> bool {
        matches!(self, Self::Futex | Self::SessionAsleep)
    }

    /// The sum of all that comes back for the numbers `first ..`.
    #[must_use]
    pub fn expected(self, first: u64, count: u64) -> u64 {
        let one = |number| match self {
            Self::Session | Self::SessionAsleep => {
                let done = answer(&unit(number));
                done.unit_id.wrapping_add(done.hashes).wrapping_add(done.nanoseconds)
            }
            _ => sum_of_one(7, number),
        };
        (first..first + count).fold(0u64, |total, number| total.wrapping_add(one(number)))
    }
}

#[inline(always)]
fn unit(number: u64) -> Unit {
    Unit {
        board_slot: 0,
        generation: 1,
        unit_id: number,
        nonce_start: number.wrapping_mul(3),
        nonce_count: number + 5,
    }
}

#[inline(always)]
fn answer(unit: &Unit) -> UnitDone {
    UnitDone {
        unit_id: unit.unit_id,
        status: UnitStatus::Complete,
        hashes: unit.nonce_start.wrapping_add(unit.generation),
        nanoseconds: unit.nonce_count,
    }
}

/// An order to the far end; no trips are the end.
#[derive(Clone, Copy, Debug)]
struct Order {
    contest: Contest,
    first: u64,
    trips: u64,
}

/// Which line carries orders.
const ORDERS: usize = 0;

impl Order {
    /// The lines of this run, there and back: others in each run.
    ///
    /// Where on the chip a line is looked after depends on its address, and how long it travels on that: from
    /// 240 to 430 ns a round trip were seen with one pair or another. A session goes through all lines of its
    /// rings, so its floor is the usual pair, not one pair.
    fn lines(self, lines: &Lines) -> (&Line, &Line) {
        let out = 1 + self.first as usize * 2 % (shared::COUNT - 1);
        (lines.line(out), lines.line(if self.contest == Contest::OneLine { out } else { out + 1 }))
    }
}

/// The end that begins each trip and holds the watch.
#[derive(Debug)]
pub struct Near {
    lines: Lines,
    host: HostSession,
    futex: Futex,
    orders: u64,
    next: u64,
}

impl Near {
    /// The far end has said hello.
    #[must_use]
    pub fn new(lines: Lines, host: HostSession) -> Self {
        Self { lines, host, futex: Futex::new(), orders: 0, next: 1 }
    }

    /// Makes `trips` and some more to warm up; nanoseconds of one on average, or, with a histogram, each one's.
    ///
    /// # Errors
    /// What came back is not what was sent.
    pub fn run(
        &mut self,
        contest: Contest,
        trips: u64,
        each: Option<&mut Histogram<u64>>,
    ) -> Result<f64, String> {
        const WARM: u64 = 32;
        let first = self.next;
        // An odd step, so that all pairs of lines have their turn.
        self.next += (WARM + trips) | 1;
        let order = Order { contest, first, trips: WARM + trips };
        self.order(order);
        let Self { lines, host, futex, .. } = self;
        let (out, back) = order.lines(lines);
        let watch = Watch { first, warm: WARM, trips, each };
        let (nanoseconds, sum) = match contest {
            Contest::OneLine | Contest::TwoLines => watch.time(|number| line_trip(out, back, number, number)),
            Contest::Session => watch.time(|number| session_trip(host, number)),
            Contest::Futex => watch.time(|number| futex_trip(out, back, *futex, number, number)),
            Contest::SessionAsleep => watch.time(|number| sleeping_trip(host, number)),
        };
        if sum != contest.expected(first, WARM + trips) {
            return Err(format!("{}: what came back is not what was sent", contest.name()));
        }
        Ok(nanoseconds)
    }

    /// Lets the far end go.
    pub fn end(&mut self) {
        self.order(Order { contest: Contest::OneLine, first: 0, trips: 0 });
    }

    fn order(&mut self, order: Order) {
        self.orders += 1;
        let line = self.lines.line(ORDERS);
        line.write(self.orders, &[order.contest as u64, order.first, order.trips, 0, 0, 0, 0]);
        self.futex.wake(line.doorbell());
    }
}

/// The end that answers; returns when it is let go.
///
/// # Panics
/// The near end breaks the session's rules.
pub fn far_end(lines: &Lines, device: &mut DeviceSession) {
    let futex = Futex::new();
    for order in 1.. {
        let line = lines.line(ORDERS);
        let order = loop {
            match line.read(order) {
                Some([contest, first, trips, ..]) => {
                    break Order { contest: Contest::ALL[contest as usize], first, trips };
                }
                None => futex.wait(line.doorbell(), order as u32 - 1, BACKSTOP),
            }
        };
        if order.trips == 0 {
            return;
        }
        let (out, back) = order.lines(lines);
        for number in order.first..order.first + order.trips {
            match order.contest {
                Contest::OneLine | Contest::TwoLines => answer_line(out, back, number),
                Contest::Session => answer_unit(device),
                Contest::Futex => answer_futex(out, back, futex, number),
                Contest::SessionAsleep => answer_asleep(device),
            }
        }
    }
}

#[inline(always)]
fn session_trip(host: &mut HostSession, number: u64) -> u64 {
    host.send(&unit(number)).expect("one is in flight");
    loop {
        if let Some(sum) = sum_of_answer(host) {
            return sum;
        }
        spin_loop();
    }
}

#[inline(always)]
fn answer_unit(device: &mut DeviceSession) {
    loop {
        if let Some(unit) = device.try_next_unit().expect("the host keeps the rules") {
            assert!(device.done(answer(&unit)), "the host takes what is sent");
            return;
        }
        spin_loop();
    }
}

#[inline(always)]
fn sleeping_trip(host: &mut HostSession, number: u64) -> u64 {
    host.send(&unit(number)).expect("one is in flight");
    loop {
        host.wait(BACKSTOP);
        if let Some(sum) = sum_of_answer(host) {
            return sum;
        }
    }
}

#[inline(always)]
fn answer_asleep(device: &mut DeviceSession) {
    loop {
        if let Some(unit) = device.next_unit(BACKSTOP).expect("the host keeps the rules") {
            assert!(device.done(answer(&unit)), "the host takes what is sent");
            return;
        }
    }
}

#[inline(always)]
fn sum_of_answer(host: &mut HostSession) -> Option<u64> {
    match host.poll().expect("the device keeps the rules")? {
        DeviceMessage::Done(done) => {
            Some(done.unit_id.wrapping_add(done.hashes).wrapping_add(done.nanoseconds))
        }
        other => panic!("{other:?} is no answer"),
    }
}
