//! Round trips: one message in flight, there and back.

use std::{hint::spin_loop, time::Instant};

use adit_bench_report::stats::histogram;
use hdrhistogram::Histogram;

use crate::{
    order::{Order, Regime, Role},
    payload::{Payload, expected_sum, sum_of_one},
    queue::{Named, Pair, Rx, Tx, put_again},
    rest::Rest,
};

/// What one round of trips came to.
#[derive(Clone, Debug)]
pub struct Trips {
    /// Nanoseconds of a trip on average, of the trips that were timed together.
    pub mean: f64,
    /// Nanoseconds of each of the others; reading the clock adds some.
    pub each: Histogram<u64>,
    /// Whether all that came back is what was sent.
    pub valid: bool,
}

/// Times the trips of one run.
#[derive(Debug)]
pub struct Watch<'a> {
    /// Number of the first trip.
    pub first: u64,
    /// So many are not timed.
    pub warm: u64,
    /// So many are.
    pub trips: u64,
    /// Where the time of each goes, if each is timed.
    pub each: Option<&'a mut Histogram<u64>>,
}

impl Watch<'_> {
    /// Nanoseconds of a trip on average, and the sum of what came back.
    #[inline(always)]
    pub fn time(self, mut trip: impl FnMut(u64) -> u64) -> (f64, u64) {
        let begin = self.first + self.warm;
        let mut sum = (self.first..begin).fold(0u64, |sum, number| sum.wrapping_add(trip(number)));
        let start = Instant::now();
        match self.each {
            None => {
                for number in begin..begin + self.trips {
                    sum = sum.wrapping_add(trip(number));
                }
            }
            Some(histogram) => {
                let mut before = start;
                for number in begin..begin + self.trips {
                    sum = sum.wrapping_add(trip(number));
                    let now = Instant::now();
                    histogram.saturating_record((now - before).as_nanos() as u64);
                    before = now;
                }
            }
        }
        (start.elapsed().as_nanos() as f64 / self.trips as f64, sum)
    }
}

/// Trips of a round that are timed together; as many are timed one by one.
#[must_use]
pub fn timed(order: &Order) -> u64 {
    (order.messages - order.warm) / 2
}

/// Times the trips of a round: `trip` makes one and returns the sum of what came back. The answer to a message is
/// the message.
///
/// # Errors
/// A trip failed.
pub fn time_trips(
    order: &Order,
    words: usize,
    mut trip: impl FnMut(u64) -> Result<u64, String>,
) -> Result<Trips, String> {
    let (mut each, mut failed) = (histogram(), None);
    let mut trip = |number| {
        if failed.is_some() {
            return 0;
        }
        trip(number).unwrap_or_else(|error| {
            failed = Some(error);
            0
        })
    };
    let half = timed(order);
    let (mean, first_sum) = Watch { first: 0, warm: order.warm, trips: half, each: None }.time(&mut trip);
    let second = Watch { first: order.warm + half, warm: 0, trips: half, each: Some(&mut each) };
    let (_, second_sum) = second.time(&mut trip);
    match failed {
        Some(error) => Err(error),
        None => {
            let expected = expected_sum(words, 0, order.warm + 2 * half);
            Ok(Trips { mean, each, valid: first_sum.wrapping_add(second_sum) == expected })
        }
    }
}

/// Sends a message and waits for the next one; returns its number and its sum.
#[inline(always)]
fn receive_one<P: Payload>(
    rx: &mut impl Rx<P>,
    order: &Order,
    rest: &mut Rest,
) -> Result<(u64, u64), String> {
    let mut message = (0, 0);
    let is_parked = order.regime == Regime::Parked;
    loop {
        // Nothing but looks, as a floor has nothing else; what bounds the wait is done once in so many.
        for _ in 0..rest.looks() {
            if is_parked {
                rx.park()?;
            }
            if rx.take(|first, sum| message = (first, sum))? > 0 {
                rest.found();
                return Ok(message);
            }
            spin_loop();
        }
        rest.pause()?;
    }
}

#[inline(always)]
fn send_one<P: Payload>(tx: &mut impl Tx<P>, number: u64, rest: &mut Rest) -> Result<(), String> {
    if !tx.put(number)? {
        put_again(tx, number, rest)?;
    }
    tx.flush();
    Ok(())
}

/// The end that answers.
///
/// # Errors
/// The queue is broken, or nothing moved for ten seconds.
pub fn answer_all<P: Payload>(tx: &mut impl Tx<P>, rx: &mut impl Rx<P>, order: &Order) -> Result<(), String> {
    let mut rest = Rest::new(order);
    for _ in 0..order.warm + 2 * timed(order) {
        let (number, sum) = receive_one(rx, order, &mut rest)?;
        if sum != sum_of_one(P::WORDS, number) {
            return Err("what came to the end that answers is not what was sent".into());
        }
        send_one(tx, number, &mut rest)?;
    }
    Ok(())
}

/// The end that begins each trip and holds the watch.
///
/// # Errors
/// The queue is broken, or nothing moved for ten seconds.
pub fn begin_all<P: Payload>(
    tx: &mut impl Tx<P>,
    rx: &mut impl Rx<P>,
    order: &Order,
) -> Result<Trips, String> {
    let mut rest = Rest::new(order);
    time_trips(order, P::WORDS, |number| {
        send_one(tx, number, &mut rest)?;
        let (first, sum) = receive_one(rx, order, &mut rest)?;
        // A wrong number spoils the sum.
        Ok(if first == number { sum } else { !sum })
    })
}

/// The near end of a named pair of queues.
///
/// # Errors
/// They cannot be opened, or are broken.
pub fn named_near<Q: Named>(order: &Order) -> Result<Trips, String> {
    crate::for_size!(order.bytes, P => {
        let mut rx = Q::receiver::<P>(order, &format!("back-{}", order.round))?;
        let mut tx = Q::sender::<P>(order, &format!("there-{}", order.round))?;
        crate::race::pin(order, Role::Receiver(0))?;
        begin_all::<P>(&mut tx, &mut rx, order)
    })
}

/// Both ends of a pair of queues in this process.
///
/// # Errors
/// They are broken.
pub fn pair_trips<Q: Pair>(order: &Order) -> Result<Trips, String> {
    crate::for_size!(order.bytes, P => {
        let (mut there_tx, mut there_rx) = crate::race::open::<Q, P>(order, Role::Answerer)?;
        let (mut back_tx, mut back_rx) = crate::race::open::<Q, P>(order, Role::Receiver(0))?;
        crate::race::two(
            || {
                crate::race::pin(order, Role::Answerer)?;
                answer_all::<P>(&mut back_tx[0], &mut there_rx[0], order)
            },
            || {
                crate::race::pin(order, Role::Receiver(0))?;
                begin_all::<P>(&mut there_tx[0], &mut back_rx[0], order)
            },
        )
    })
}
