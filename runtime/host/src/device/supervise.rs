//! Looks after one device: start, wait, restart with backoff, give up.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    fd::OwnedFd,
};

use super::{Care, Mail};
use crate::{
    backoff::Backoff,
    engine::DeviceId,
    mailbox::{Letter, Mailbox},
};

/// Wrong results are forgotten after this long.
const FAULT_MEMORY: Duration = Duration::from_secs(600);

/// What the host loop orders a supervisor to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing special.
    Run,
    /// End the device's process at once; start it again as usual.
    Kill,
    /// The host ends: give the device its grace, then kill it, and return.
    Stop,
}

/// The word of an order to stop. An order to kill is the number of the run that it is for, from 1 on.
const STOP: u64 = u64::MAX;

/// What the host loop and a supervisor share.
#[derive(Debug)]
pub struct Shared {
    order: AtomicU64,
    /// Which run of the device this is, from 1 on.
    run: AtomicU64,
    /// Units that the device has completed, over its restarts.
    units: AtomicU64,
    /// Wrong results of the device, over its restarts.
    faults: AtomicU64,
    wake: OwnedFd,
}

impl Shared {
    fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let zero = || AtomicU64::new(0);
        Ok(Self { order: zero(), run: zero(), units: zero(), faults: zero(), wake })
    }

    /// What the supervisor was last ordered. What was for a run that is over is nothing any more: the host may hear late
    /// that a process has ended, and must not kill the next one for it.
    pub fn order(&self) -> Order {
        match self.order.load(Ordering::SeqCst) {
            STOP => Order::Stop,
            run if run == self.run() && run > 0 => Order::Kill,
            _ => Order::Run,
        }
    }

    /// The number of the run at hand.
    pub fn run(&self) -> u64 {
        self.run.load(Ordering::SeqCst)
    }

    /// Readable when there is a new order.
    pub fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    /// Takes the wake-up back, so that the next one is noticed.
    pub fn heard(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    fn begin(&self) {
        self.run.fetch_add(1, Ordering::SeqCst);
    }

    fn give(&self, word: u64) {
        // An order to stop stays, and one for a later run.
        self.order.fetch_max(word, Ordering::SeqCst);
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Sleeps; `false` when it was ordered to stop.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.order() == Order::Stop {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            wait_readable(&mut [PollFd::new(&self.wake, PollFlags::IN)], left);
            self.heard();
        }
    }
}

/// Waits until one of the descriptors is ready, at most `timeout`.
pub fn wait_readable(descriptors: &mut [PollFd<'_>], timeout: Duration) {
    let timeout = rustix::event::Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    // Interrupted or not, the caller looks at what it waits for.
    let _ = poll(descriptors, Some(&timeout));
}

/// What the end of a run says of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It may have been chance; when it comes again and again, it was none.
    Unknown,
    /// The device is lost, as after a reset of its driver; when it comes back is not the helper's to say.
    Lost,
    /// It would be the same.
    Hopeless,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why, for people.
    pub reason: String,
    /// Whether to try again.
    pub outlook: Outlook,
}

impl End {
    /// Of which nothing is known but what people are told.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), outlook: Outlook::Unknown }
    }
}

/// A way to run a device once.
pub trait Run: Send + 'static {
    /// Starts it, hands the session over with `ready`, and returns when it is gone. Returns soon after
    /// [`Order::Kill`] or [`Order::Stop`].
    ///
    /// # Errors
    /// It could not be started; says why.
    fn run(&mut self, context: &Context) -> Result<End, String>;
}

/// What a device's thread needs.
pub struct Context {
    /// Which device.
    pub device: DeviceId,
    /// How it is looked after.
    pub care: Care,
    /// Orders.
    pub shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
}

impl Context {
    /// Tells the host loop.
    pub fn send(&self, mail: Mail) {
        self.mailbox.send(Letter::Device(mail));
    }
}

/// A device that is looked after by a thread.
#[derive(Debug)]
pub struct Supervised {
    /// For people and logs.
    pub name: String,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Supervised {
    /// Ends the process of that run, if it is the one at hand; the device is started again as usual.
    pub fn kill(&self, run: u64) {
        self.shared.give(run);
    }

    /// The host ends: gives the device its grace, then kills it, and its thread returns.
    pub fn stop(&self) {
        self.shared.give(STOP);
    }

    /// The device completed a unit.
    pub fn count_unit(&self) {
        self.shared.units.fetch_add(1, Ordering::Relaxed);
    }

    /// The device gave a wrong result.
    pub fn count_fault(&self) {
        self.shared.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the thread has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the thread.
    pub fn join(self) {
        // A panic in it was reported by the panic hook; the host ends all the same.
        let _ = self.thread.join();
    }
}

/// Starts the thread that looks after a device.
pub fn start(
    name: String,
    device: DeviceId,
    care: Care,
    mailbox: Arc<Mailbox>,
    mut run: impl Run,
) -> io::Result<Supervised> {
    let shared = Arc::new(Shared::new()?);
    let context = Context { device, care, shared: Arc::clone(&shared), mailbox };
    let thread = thread::Builder::new().name(name.clone()).spawn(move || supervise(&mut run, &context))?;
    Ok(Supervised { name, shared, thread })
}

fn supervise(run: &mut impl Run, context: &Context) {
    let Context { device, care, shared, .. } = context;
    let mut record = Record::new(care);
    loop {
        shared.begin();
        let ended = run.run(context);
        let reason = match &ended {
            Ok(end) => end.reason.clone(),
            Err(error) => error.clone(),
        };
        if shared.order() == Order::Stop {
            return context.send(Mail::Gone { device: *device, reason, retry_in: None });
        }
        match record.judge(ended, shared) {
            Ok(wait) => {
                context.send(Mail::Gone { device: *device, reason, retry_in: Some(wait) });
                if !shared.rest(wait) {
                    return;
                }
            }
            Err(given_up) => {
                context.send(Mail::Gone { device: *device, reason, retry_in: None });
                return context.send(Mail::Quarantined { device: *device, reason: given_up });
            }
        }
    }
}

/// What a device's runs so far came to.
struct Record<'a> {
    care: &'a Care,
    backoff: Backoff,
    /// In a row that may have been chance. A device that was lost is not to blame for it.
    failures: u32,
    units: u64,
    counted_faults: u64,
    faults: VecDeque<Instant>,
}

impl<'a> Record<'a> {
    fn new(care: &'a Care) -> Self {
        let backoff = Backoff::new(care.restart_first, care.restart_most);
        Self { care, backoff, failures: 0, units: 0, counted_faults: 0, faults: VecDeque::new() }
    }

    /// A run has ended: how long to wait before the next.
    ///
    /// # Errors
    /// There is to be none; says why.
    fn judge(&mut self, ended: Result<End, String>, shared: &Shared) -> Result<Duration, String> {
        self.count(shared);
        let (End { reason, outlook }, started) = match ended {
            Ok(end) => (end, true),
            Err(error) => (End::new(error), false),
        };
        // A program that is not there seldom comes back by itself.
        let weight = if started { 1 } else { 3 };
        let wait = (0..weight).map(|_| self.backoff.wait()).last().unwrap_or_default();
        if outlook == Outlook::Unknown {
            self.failures += weight;
        }
        if self.faults.len() >= self.care.faults as usize {
            let faults = self.faults.len();
            return Err(format!("{faults} wrong results or broken rules within ten minutes, last: {reason}"));
        }
        match outlook {
            Outlook::Hopeless => Err(reason),
            Outlook::Unknown if self.failures > self.care.failures => {
                let failures = self.failures;
                Err(format!("{failures} failures in a row without a unit in between, last: {reason}"))
            }
            // It may take minutes, or somebody who presses a button; until then a look now and then is enough.
            Outlook::Lost if self.backoff.failures() > self.care.failures => Ok(self.care.restart_most),
            Outlook::Unknown | Outlook::Lost => Ok(wait),
        }
    }

    /// Units and faults since the last run. The host loop may count the last units a moment later: they are seen at
    /// the next end.
    fn count(&mut self, shared: &Shared) {
        let (units, faults) = (shared.units.load(Ordering::Relaxed), shared.faults.load(Ordering::Relaxed));
        if units > self.units {
            self.backoff.reset();
            self.failures = 0;
        }
        let now = Instant::now();
        self.faults.extend((self.counted_faults..faults).map(|_| now));
        self.faults.retain(|fault| now.duration_since(*fault) < FAULT_MEMORY);
        (self.units, self.counted_faults) = (units, faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a device whose runs end so, one after the other.
    fn judged(ends: impl IntoIterator<Item = Result<End, String>>) -> Vec<Result<Duration, String>> {
        let (care, shared) = (Care::default(), Shared::new().unwrap());
        let mut record = Record::new(&care);
        ends.into_iter().map(|end| record.judge(end, &shared)).collect()
    }

    fn end(outlook: Outlook) -> Result<End, String> {
        Ok(End { reason: "it says so".into(), outlook })
    }

    #[test]
    fn an_order_to_kill_is_for_one_run_and_an_order_to_stop_for_good() {
        let shared = Shared::new().unwrap();
        shared.begin();
        shared.give(shared.run());
        assert_eq!(shared.order(), Order::Kill);
        shared.begin();
        assert_eq!(shared.order(), Order::Run);
        // Late, for the one before.
        shared.give(1);
        assert_eq!(shared.order(), Order::Run);
        shared.give(STOP);
        shared.begin();
        shared.give(shared.run());
        assert_eq!(shared.order(), Order::Stop);
    }

    #[test]
    fn a_device_that_dies_again_and_again_is_given_up() {
        let judged = judged(std::iter::repeat_n(end(Outlook::Unknown), 9));
        assert!(judged[..8].iter().all(Result::is_ok), "{judged:?}");
        let why = "9 failures in a row without a unit in between, last: it says so";
        assert_eq!(judged[8], Err(why.into()));
        let not_there = self::judged(std::iter::repeat_n(Err("not found".into()), 3));
        assert!(not_there[1].is_ok() && not_there[2].is_err(), "{not_there:?}");
    }

    #[test]
    fn a_device_that_is_lost_is_never_given_up() {
        let judged = judged(std::iter::repeat_n(end(Outlook::Lost), 100));
        let most = Care::default().restart_most;
        assert!(judged[..8].iter().all(|wait| wait.as_ref().is_ok_and(|wait| *wait < most)), "{judged:?}");
        assert!(judged[8..].iter().all(|wait| *wait == Ok(most)), "{judged:?}");
    }

    #[test]
    fn that_it_was_lost_is_not_held_against_it() {
        let lost = std::iter::repeat_n(end(Outlook::Lost), 100);
        let judged = judged(lost.chain(std::iter::repeat_n(end(Outlook::Unknown), 9)));
        assert!(judged[..108].iter().all(Result::is_ok) && judged[108].is_err(), "{judged:?}");
    }

    #[test]
    fn what_would_be_the_same_is_not_tried_again() {
        assert_eq!(judged([end(Outlook::Hopeless)]), [Err("it says so".into())]);
    }

    #[test]
    fn a_unit_makes_good_for_failures() {
        let (care, shared) = (Care::default(), Shared::new().unwrap());
        let mut record = Record::new(&care);
        for _ in 0..100 {
            shared.units.fetch_add(1, Ordering::Relaxed);
            assert!(
                record.judge(end(Outlook::Unknown), &shared).is_ok_and(|wait| wait <= care.restart_first)
            );
        }
    }
}
