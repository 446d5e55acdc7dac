//! Looks after one device: start, wait, restart with backoff, give up.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
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

impl Order {
    fn from_word(word: u32) -> Self {
        match word {
            0 => Self::Run,
            1 => Self::Kill,
            _ => Self::Stop,
        }
    }
}

/// What the host loop and a supervisor share.
#[derive(Debug)]
pub struct Shared {
    order: AtomicU32,
    /// Units that the device has completed, over its restarts.
    units: AtomicU64,
    /// Wrong results of the device, over its restarts.
    faults: AtomicU64,
    wake: OwnedFd,
}

impl Shared {
    fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { order: AtomicU32::new(0), units: AtomicU64::new(0), faults: AtomicU64::new(0), wake })
    }

    /// What the supervisor was last ordered.
    pub fn order(&self) -> Order {
        Order::from_word(self.order.load(Ordering::SeqCst))
    }

    /// Readable when there is a new order.
    pub fn wake(&self) -> &OwnedFd {
        &self.wake
    }

    /// Takes the wake-up back, so that the next one is noticed.
    pub fn heard(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// Forgets an order to kill, which is for the process that runs now.
    fn begin(&self) {
        let _ = self.order.compare_exchange(1, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn give(&self, order: Order) {
        let word = match order {
            Order::Run => 0,
            Order::Kill => 1,
            Order::Stop => 2,
        };
        // An order to stop stays.
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

/// A way to run a device once.
pub trait Run: Send + 'static {
    /// Starts it, hands the session over with `ready`, and returns when it is gone: why, for people. Returns
    /// soon after [`Order::Kill`] or [`Order::Stop`].
    ///
    /// # Errors
    /// It could not be started; says why.
    fn run(&mut self, context: &Context) -> Result<String, String>;
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
    /// Gives an order.
    pub fn order(&self, order: Order) {
        self.shared.give(order);
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
    let mut backoff = Backoff::new(care.restart_first, care.restart_most);
    let (mut units, mut counted_faults, mut faults) = (0, 0, VecDeque::new());
    loop {
        shared.begin();
        let (reason, started) = match run.run(context) {
            Ok(reason) => (reason, true),
            Err(error) => (error, false),
        };
        if shared.order() == Order::Stop {
            return context.send(Mail::Gone { device: *device, reason, retry_in: None });
        }
        // The host loop may count the last units a moment later: they are seen at the next end.
        let (before, counted_before) = (units, counted_faults);
        units = shared.units.load(Ordering::Relaxed);
        counted_faults = shared.faults.load(Ordering::Relaxed);
        if units > before {
            backoff.reset();
        }
        let now = Instant::now();
        faults.extend((counted_before..counted_faults).map(|_| now));
        faults.retain(|fault: &Instant| now.duration_since(*fault) < FAULT_MEMORY);
        if !started {
            // A program that is not there seldom comes back by itself.
            backoff.wait();
            backoff.wait();
        }
        let wait = backoff.wait();
        let given_up = if faults.len() >= care.faults as usize {
            Some(format!("{} wrong results or broken rules within ten minutes, last: {reason}", faults.len()))
        } else if backoff.failures() > care.failures {
            Some(format!(
                "{} failures in a row without a unit in between, last: {reason}",
                backoff.failures()
            ))
        } else {
            None
        };
        context.send(Mail::Gone { device: *device, reason, retry_in: given_up.is_none().then_some(wait) });
        if let Some(reason) = given_up {
            return context.send(Mail::Quarantined { device: *device, reason });
        }
        if !shared.rest(wait) {
            return;
        }
    }
}
