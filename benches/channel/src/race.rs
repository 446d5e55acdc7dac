//! Runs the ends of a round, in threads of this process.

use std::{
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use adit_topology::pin_current_thread;

use crate::{
    order::{Order, Role},
    payload::{Payload, expected_sum},
    queue::{Account, Ends, Kept, Pair, receive_all, send_all},
    rest::Meeting,
};

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Race {
    /// Messages a second, of all ends together.
    pub per_second: f64,
    /// Whether every message arrived as it should, in order and summing up.
    pub valid: bool,
}

/// Puts the accounts of all receivers together.
///
/// # Errors
/// No time has passed.
pub fn judge(order: &Order, accounts: &[Account]) -> Result<Race, String> {
    let begin = accounts.iter().map(|account| account.begin_ns).min().unwrap_or(0);
    let end = accounts.iter().map(|account| account.end_ns).max().unwrap_or(0);
    if end <= begin {
        return Err("the round was too short to be timed".into());
    }
    // Each of a broadcast's receivers gets every message, which counts once.
    let copies = if order.is_shared() { 1 } else { order.receivers as u64 };
    let timed: u64 = accounts.iter().map(|account| account.timed).sum();
    let words = order.bytes / 8;
    let sent = (0..order.senders)
        .fold(0u64, |sum, sender| sum.wrapping_add(expected_sum(words, sender, order.messages)));
    let sum = accounts.iter().fold(0u64, |sum, account| sum.wrapping_add(account.sum));
    let count: u64 = accounts.iter().map(|account| account.count).sum();
    let valid = sum == sent.wrapping_mul(copies)
        && count == order.messages * order.senders as u64 * copies
        && accounts.iter().all(|account| account.out_of_order == 0);
    Ok(Race { per_second: timed as f64 / copies as f64 / ((end - begin) as f64 / 1e9), valid })
}

/// Opens once; those who wait sleep.
#[derive(Debug, Default)]
struct Latch {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Latch {
    fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        while !*open {
            open = self.changed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Pins the calling thread to the core of an end.
///
/// # Errors
/// The core is not this process' to use.
pub fn pin(order: &Order, role: Role) -> Result<(), String> {
    pin_current_thread(order.core(role)).map_err(|error| error.to_string())
}

/// Runs senders and receivers, each in a thread that it pins. What a sender returns lives until all have received.
fn run<'a, S: 'a>(
    order: &Order,
    senders: Vec<Box<dyn FnOnce() -> Result<S, String> + Send + 'a>>,
    receivers: Vec<Box<dyn FnOnce() -> Result<Account, String> + Send + 'a>>,
) -> Result<Race, String> {
    if order.has_company() {
        Meeting::new(order)?.reset();
    }
    let received = Latch::default();
    let accounts = thread::scope(|scope| {
        let receivers: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(at, receive)| scope.spawn(move || pin(order, Role::Receiver(at)).and_then(|()| receive())))
            .collect();
        let senders: Vec<_> = senders
            .into_iter()
            .map(|send| {
                let received = &received;
                scope.spawn(move || {
                    let kept = send();
                    received.wait();
                    kept.map(|_| ())
                })
            })
            .collect();
        let accounts: Result<Vec<_>, _> = receivers.into_iter().map(join).collect();
        received.open();
        let sent: Result<Vec<()>, _> = senders.into_iter().map(join).collect();
        sent.and(accounts)
    })?;
    judge(order, &accounts)
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("an end panicked".into()))
}

/// The ends of a queue.
type EndsOf<Q, P> = Ends<<Q as Pair>::Tx<P>, <Q as Pair>::Rx<P>>;

/// Makes a queue on the core that its messages go to, where its memory is touched first.
///
/// # Errors
/// The core is not this process' to use.
pub fn open<Q: Pair, P: Payload>(order: &Order, to: Role) -> Result<EndsOf<Q, P>, String> {
    thread::scope(|scope| join(scope.spawn(|| pin(order, to).map(|()| Q::open::<P>(order)))))
}

/// A round between the ends of a queue that are made together.
///
/// # Errors
/// The queue is broken.
pub fn pair_race<Q: Pair>(order: &Order) -> Result<Race, String> {
    crate::for_size!(order.bytes, P => {
        let (senders, receivers) = open::<Q, P>(order, Role::Receiver(0))?;
        run(
            order,
            senders.into_iter().enumerate().map(|(at, mut tx)| {
                Box::new(move || {
                    pin(order, Role::Sender(at))?;
                    send_all(&mut tx, order, at).map(|()| tx)
                })
                    as Box<dyn FnOnce() -> Result<Q::Tx<P>, String> + Send>
            }).collect(),
            receivers.into_iter().enumerate().map(|(at, mut rx)| {
                Box::new(move || {
                    pin(order, Role::Receiver(at))?;
                    receive_all(&mut rx, order)
                })
                    as Box<dyn FnOnce() -> Result<Account, String> + Send>
            }).collect(),
        )
    })
}

/// How one end of a named queue is run.
pub type End = fn(&Order, Role) -> Result<(Option<Account>, Kept), String>;

/// A round between the ends of a named queue, all in this process.
///
/// # Errors
/// The queue is broken.
pub fn named_race(order: &Order, end: End) -> Result<Race, String> {
    let senders = (0..order.senders).map(|at| {
        Box::new(move || end(order, Role::Sender(at)).map(|(_, kept)| Here(kept)))
            as Box<dyn FnOnce() -> Result<Here, String> + Send>
    });
    let receivers = (0..order.receivers).map(|at| {
        Box::new(move || receiver(end, order, at)) as Box<dyn FnOnce() -> Result<Account, String> + Send>
    });
    run(order, senders.collect(), receivers.collect())
}

/// What is kept in the thread that made it.
struct Here(#[allow(dead_code, reason = "it is kept, not looked at")] Kept);

/// The account of a receiver of a named queue.
///
/// # Errors
/// The queue is broken.
pub fn receiver(end: End, order: &Order, at: usize) -> Result<Account, String> {
    end(order, Role::Receiver(at))?.0.ok_or_else(|| "a receiver gave no account".into())
}

/// Runs the end that answers and the end that asks, each in a thread that it pins.
///
/// # Errors
/// One of them failed.
pub fn two<T: Send>(
    answer: impl FnOnce() -> Result<(), String> + Send,
    ask: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    thread::scope(|scope| {
        let answer = scope.spawn(answer);
        let ask = scope.spawn(ask);
        let asked = join(ask);
        join(answer).and(asked)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{Mode, tests::order};

    fn account(count: u64, sum: u64) -> Account {
        Account { begin_ns: 1_000, end_ns: 2_000, timed: count, count, sum, out_of_order: 0 }
    }

    #[test]
    fn what_does_not_add_up_is_not_valid() {
        let order = order(1, 2, &[0, 1]);
        let sum = expected_sum(8, 0, 1000);
        let good = [account(400, 7), account(600, sum.wrapping_sub(7))];
        let race = judge(&order, &good).unwrap();
        assert_eq!(race, Race { per_second: 1e9, valid: true });
        for bad in [account(600, sum), account(599, sum.wrapping_sub(7))] {
            assert!(!judge(&order, &[good[0], bad]).unwrap().valid);
        }
        let late = Account { out_of_order: 1, ..good[1] };
        assert!(!judge(&order, &[good[0], late]).unwrap().valid);
        assert!(judge(&order, &[]).is_err());
        let broadcast = Order { mode: Mode::Broadcast, ..order };
        let race = judge(&broadcast, &[account(1000, sum), account(1000, sum)]).unwrap();
        assert_eq!(race, Race { per_second: 1e9, valid: true });
        assert!(!judge(&broadcast, &good).unwrap().valid);
    }
}
