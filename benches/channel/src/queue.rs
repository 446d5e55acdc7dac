//! What a contestant must be able to do, and the loops that all contestants run through.

use std::{any::Any, hint::black_box};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::{
    order::{Order, Regime, Role},
    payload::{Expected, Many, One, Payload, Tally, number},
    race::pin,
    rest::{Meeting, Rest},
};

/// A contestant does not do what it should; says what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl From<Broken> for String {
    fn from(broken: Broken) -> Self {
        broken.0.into()
    }
}

/// The sending end of a queue.
pub trait Tx<P: Payload> {
    /// Writes and sends message `number`, if there is room now; whether there was.
    ///
    /// # Errors
    /// The queue is broken.
    fn put(&mut self, number: u64) -> Result<bool, Broken>;

    /// Sends messages `first ..`, at most `count`, together; how many there was room for.
    ///
    /// # Errors
    /// The queue is broken, or cannot do that.
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        let _ = (first, count);
        Err(Broken("this contestant has no batches"))
    }

    /// Makes everything visible.
    fn flush(&mut self) {}
}

/// The receiving end of a queue.
pub trait Rx<P: Payload> {
    /// Takes the next message, if there is one now, and hands on its first word and the sum of all; how many
    /// it were.
    ///
    /// # Errors
    /// The queue is broken.
    fn take(&mut self, each: impl FnMut(u64, u64)) -> Result<usize, Broken>;

    /// Takes what is there, at most `count` messages; how many it were.
    ///
    /// # Errors
    /// The queue is broken, or cannot do that.
    fn take_batch(&mut self, count: usize, each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let _ = (count, each);
        Err(Broken("this contestant has no batches"))
    }

    /// Sleeps until there is a message, or for a while.
    ///
    /// # Errors
    /// The queue cannot do that.
    fn park(&mut self) -> Result<(), Broken> {
        Err(Broken("this contestant is not measured asleep"))
    }
}

/// A queue whose ends are made together, in one process.
pub trait Pair {
    /// The sending end.
    type Tx<P: Payload>: Tx<P> + Send;
    /// The receiving end.
    type Rx<P: Payload>: Rx<P> + Send;

    /// As many ends as the order says.
    fn open<P: Payload>(order: &Order) -> Ends<Self::Tx<P>, Self::Rx<P>>;
}

/// Senders and receivers.
pub type Ends<T, R> = (Vec<T>, Vec<R>);

/// A queue whose ends find each other by a name, in one process or several.
pub trait Named {
    /// The sending end.
    type Tx<P: Payload>: Tx<P> + 'static;
    /// The receiving end.
    type Rx<P: Payload>: Rx<P> + 'static;

    /// One sending end; waits for the receiver if it is not there yet.
    ///
    /// # Errors
    /// It cannot be opened; says why.
    fn sender<P: Payload>(order: &Order, name: &str) -> Result<Self::Tx<P>, String>;

    /// One receiving end; need not wait for a sender.
    ///
    /// # Errors
    /// It cannot be opened; says why.
    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<Self::Rx<P>, String>;
}

/// What one receiver did in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// When it had its first messages, those to warm up; of the clock that all processes share.
    pub begin_ns: u64,
    /// When it had its last one.
    pub end_ns: u64,
    /// Messages in between.
    pub timed: u64,
    /// All messages.
    pub count: u64,
    /// The sum of all their words.
    pub sum: u64,
    /// Messages that were not where they belong.
    pub out_of_order: u64,
}

/// Nanoseconds of the clock that all processes of the machine share.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// What keeps a channel alive after everything was sent.
pub type Kept = Box<dyn Any>;

/// What a sender does in one round.
///
/// # Errors
/// The queue is broken, or nothing moved for ten seconds.
pub fn send_all<P: Payload>(tx: &mut impl Tx<P>, order: &Order, sender: usize) -> Result<(), String> {
    if order.senders > 1 {
        Meeting::new(order)?.wait_for_senders()?;
    }
    if order.batch == 1 {
        send_singly(tx, order, sender)?;
    } else {
        send_in_batches(tx, order, sender)?;
    }
    tx.flush();
    if order.is_shared() {
        Meeting::new(order)?.sender_is_done();
    }
    Ok(())
}

/// Steps of other work for each message.
fn steps<P: Payload>(order: &Order) -> usize {
    if order.regime == Regime::Starved { 2 * P::WORDS } else { 0 }
}

/// A function of its own, as each of the loops here is: what is not in it takes no registers.
#[inline(never)]
fn send_singly<P: Payload>(tx: &mut impl Tx<P>, order: &Order, sender: usize) -> Result<(), String> {
    let (mut rest, steps, mut state) = (Rest::new(order), steps::<P>(order), 1);
    for sequence in 0..order.messages {
        state = work(state, steps);
        if !tx.put(number(sender, sequence))? {
            put_again(tx, number(sender, sequence), &mut rest)?;
        }
    }
    // So that nobody can do without the work.
    black_box(state);
    Ok(())
}

/// Apart: in a loop of tries a message would be made before the loop, and kept in memory in case of another try.
#[cold]
#[inline(never)]
pub(crate) fn put_again<P: Payload>(tx: &mut impl Tx<P>, number: u64, rest: &mut Rest) -> Result<(), String> {
    while !tx.put(number)? {
        rest.pause()?;
    }
    rest.found();
    Ok(())
}

#[inline(never)]
fn send_in_batches<P: Payload>(tx: &mut impl Tx<P>, order: &Order, sender: usize) -> Result<(), String> {
    let (mut rest, steps, mut state) = (Rest::new(order), steps::<P>(order), 1);
    let mut sequence = 0;
    while sequence < order.messages {
        let count = (order.messages - sequence).min(order.batch as u64) as usize;
        state = work(state, steps * count);
        let mut sent = 0;
        while sent < count {
            match tx.put_batch(number(sender, sequence), count - sent)? {
                0 => rest.pause()?,
                more => {
                    rest.found();
                    sent += more;
                    sequence += more as u64;
                }
            }
        }
    }
    black_box(state);
    Ok(())
}

/// Steps that depend on each other and on those before earlier messages, so that they take their time.
#[inline(always)]
fn work(state: u64, steps: usize) -> u64 {
    (0..steps).fold(state, |state, _| (state ^ (state >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// What a receiver does in one round.
///
/// # Errors
/// The queue is broken, or nothing moved for ten seconds.
pub fn receive_all<P: Payload>(rx: &mut impl Rx<P>, order: &Order) -> Result<Account, String> {
    // The lighter what is counted, the more of a message's time is the queue's.
    match (order.senders, order.is_shared()) {
        (1, false) => receive_all_of::<P, One>(rx, order),
        (_, false) => receive_all_of::<P, Many<false>>(rx, order),
        (_, true) => receive_all_of::<P, Many<true>>(rx, order),
    }
}

#[inline(never)]
fn receive_all_of<P: Payload, E: Expected>(rx: &mut impl Rx<P>, order: &Order) -> Result<Account, String> {
    let meeting = if order.is_shared() { Some(Meeting::new(order)?) } else { None };
    let all = match meeting {
        Some(_) => u64::MAX,
        None => order.messages * order.senders as u64,
    };
    let mut tally = Tally::<E>::default();
    let mut rest = Rest::new(order);
    receive_until(rx, order, &mut tally, &mut rest, order.warm.min(all), meeting.as_ref())?;
    let (begin_ns, warm) = (now_ns(), tally.count);
    receive_until(rx, order, &mut tally, &mut rest, all, meeting.as_ref())?;
    Ok(Account {
        begin_ns,
        end_ns: now_ns(),
        timed: tally.count - warm,
        count: tally.count,
        sum: tally.sum,
        out_of_order: tally.out_of_order,
    })
}

/// Until `count` messages are there, or, where nobody knows how many will be, until all senders are done and everything is taken: of what
/// is on its way through the kernel, no receiver knows.
fn receive_until<P: Payload, E: Expected>(
    rx: &mut impl Rx<P>,
    order: &Order,
    tally: &mut Tally<E>,
    rest: &mut Rest,
    count: u64,
    meeting: Option<&Meeting>,
) -> Result<(), String> {
    if order.batch == 1 {
        receive_singly(rx, tally, rest, count, meeting)
    } else {
        receive_in_batches(rx, order.batch as u64, tally, rest, count, meeting)
    }
}

#[inline(never)]
fn receive_singly<P: Payload, E: Expected>(
    rx: &mut impl Rx<P>,
    counted: &mut Tally<E>,
    rest: &mut Rest,
    count: u64,
    meeting: Option<&Meeting>,
) -> Result<(), String> {
    // What is counted stays in registers, and nothing is called for what is found: either would take as long as a message.
    let (mut tally, mut over) = (std::mem::take(counted), false);
    while tally.count < count {
        if rx.take(|first, sum| tally.take_single(first, sum))? > 0 {
            rest.found();
        } else if !look_again(rest, meeting, &mut over, tally.count)? {
            break;
        }
    }
    *counted = tally;
    Ok(())
}

#[inline(never)]
fn receive_in_batches<P: Payload, E: Expected>(
    rx: &mut impl Rx<P>,
    batch: u64,
    counted: &mut Tally<E>,
    rest: &mut Rest,
    count: u64,
    meeting: Option<&Meeting>,
) -> Result<(), String> {
    let (mut tally, mut over) = (std::mem::take(counted), false);
    while tally.count < count {
        let most = (count - tally.count).min(batch) as usize;
        if rx.take_batch(most, |first, sum| tally.take(first, sum))? > 0 {
            rest.found();
        } else if !look_again(rest, meeting, &mut over, tally.count)? {
            break;
        }
    }
    *counted = tally;
    Ok(())
}

/// Pauses after nothing was found, by a receiver that took `all` so far; returns whether there may be more.
#[inline(never)]
fn look_again(rest: &mut Rest, meeting: Option<&Meeting>, over: &mut bool, all: u64) -> Result<bool, String> {
    if let Some(meeting) = meeting {
        // Nobody says how much it took before everything is sent: that would be one more line to share.
        *over = *over || meeting.all_is_sent();
        if *over {
            meeting.took(all);
            if meeting.all_is_taken() {
                return Ok(false);
            }
        }
    }
    rest.pause().map(|()| true)
}

/// One end of a named queue, from its opening on. A sender's is kept until nobody needs it.
///
/// The thread is pinned once the end is open: what helps to open it in the background must not be kept on the core of
/// an end that spins.
///
/// # Errors
/// It cannot be opened, or is broken.
pub fn named_end<Q: Named>(order: &Order, role: Role) -> Result<(Option<Account>, Kept), String> {
    let name = format!("there-{}", order.round);
    crate::for_size!(order.bytes, P => match role {
        Role::Sender(at) => {
            let mut tx = Q::sender::<P>(order, &name)?;
            pin(order, role)?;
            if order.receivers > 1 {
                Meeting::new(order)?.wait_for_receivers()?;
            }
            send_all(&mut tx, order, at)?;
            Ok((None, Box::new(tx) as Kept))
        }
        Role::Receiver(_) => {
            let mut rx = Q::receiver::<P>(order, &name)?;
            pin(order, role)?;
            if order.receivers > 1 {
                Meeting::new(order)?.receiver_is_there();
            }
            Ok((Some(receive_all(&mut rx, order)?), Box::new(()) as Kept))
        }
        Role::Answerer => {
            let mut rx = Q::receiver::<P>(order, &name)?;
            let mut tx = Q::sender::<P>(order, &format!("back-{}", order.round))?;
            pin(order, role)?;
            crate::trip::answer_all::<P>(&mut tx, &mut rx, order)?;
            Ok((None, Box::new(tx) as Kept))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lines::Lines,
        order::{Mode, tests::order},
        payload::{Words, sum_of_one},
    };

    /// What all senders have sent is on its way for some looks.
    struct Slow {
        looks: u64,
        next: u64,
        all: u64,
    }

    impl Rx<Words<8>> for Slow {
        fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
            self.looks += 1;
            if self.looks.is_multiple_of(5) && self.next < self.all {
                each(number(0, self.next), sum_of_one(8, number(0, self.next)));
                self.next += 1;
                return Ok(1);
            }
            Ok(0)
        }
    }

    #[test]
    fn what_is_on_its_way_when_all_is_sent_is_waited_for() {
        let lines = Lines::create().unwrap();
        let order = Order { mode: Mode::Spmc, messages: 20, lines: lines.path(), ..order(1, 1, &[0, 1]) };
        let meeting = Meeting::new(&order).unwrap();
        meeting.reset();
        meeting.sender_is_done();
        let account = receive_all(&mut Slow { looks: 0, next: 0, all: 20 }, &order).unwrap();
        assert_eq!((account.count, account.timed, account.out_of_order), (20, 10, 0));
    }
}
