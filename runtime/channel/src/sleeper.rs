//! Wakers on shared words: how a future waits for another process.
//!
//! A thread sleeps on a word by itself; a future cannot. It leaves the word, the value that it saw, and its
//! `Waker` here, and a thread of this process sleeps on the words of all futures together (`futex_waitv`). The
//! peer notices no difference: it wakes a futex.
//!
//! ```text
//!  future                         sleeping thread                    peer (any thread or process)
//!  arm, heavy fence, look
//!  leave (word, value, waker) ──► bell rings: sleep on all words
//!  look once more, Pending                                           publish, light fence, look: somebody
//!                                 woken ◄───────────────────────────  waits: wake the word's futex
//!  polled again ◄──────────────── waker.wake(), forget the word
//! ```
//!
//! What changes a word is never missed: the kernel compares it with the value that the future saw. What a peer's
//! end or death does changes no word; whoever hears of it in this process calls [`wake`], and a future looks once
//! more after it left its word, so that one of the two sees the other (both take the same lock).
//!
//! What comes over a network changes no word: sockets are left as well ([`sockets`]), and polled by a thread of their own.
//!
//! Limits: one thread sleeps on 127 words and its bell; for more words there are more threads, [`MAX_THREADS`]
//! at most. Words beyond those, or for which no thread can be started, are looked at every [`LATE`]; where not
//! even the first can be started, futures are polled again and again. The threads begin when they are needed and
//! stay. Kernels without `futex_waitv` (before 5.16) are asked again and again,
//! as [`Futex::wait_any`] does.

mod deferred;
mod sockets;
#[cfg(test)]
mod tests;

use std::{
    os::fd::OwnedFd,
    ptr::NonNull,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use adit_ring::park::{Park as _, SleepOn};

pub(crate) use self::deferred::Deferred;
use self::sockets::{Poller, poller};
use crate::futex::{Futex, MAX_WORDS};

/// The most threads that sleep for futures.
pub(crate) const MAX_THREADS: usize = 64;

/// How often words are looked at for which there is no thread.
const LATE: Duration = Duration::from_millis(5);

/// How long a thread sleeps if nothing happens.
const LONG: Duration = Duration::from_secs(3600);

/// How often those are woken who can hear of some things by looking alone.
pub(crate) const BACKSTOP: Duration = Duration::from_millis(50);

/// A word, the value that was seen in it, and what keeps it mapped.
#[derive(Clone)]
pub(crate) struct Watchword {
    at: NonNull<AtomicU64>,
    expected: u32,
    _keep: Arc<dyn Send + Sync>,
}

// SAFETY: the word is an atomic, and `_keep` keeps it alive wherever this goes.
unsafe impl Send for Watchword {}

impl Watchword {
    /// A word that stays where it is for as long as `keep` lives: a lane's word and its link, or the inbox's
    /// word and the inbox.
    pub fn new(on: SleepOn<'_>, keep: Arc<dyn Send + Sync>) -> Self {
        Self { at: NonNull::from(on.word), expected: on.expected, _keep: keep }
    }

    fn word(&self) -> &AtomicU64 {
        // SAFETY: `_keep` keeps the memory mapped, and it is accessed by atomics alone.
        unsafe { self.at.as_ref() }
    }

    fn changed(&self) -> bool {
        self.word().load(Ordering::Relaxed) as u32 != self.expected
    }
}

impl std::fmt::Debug for Watchword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watchword").field("at", &self.at).field("expected", &self.expected).finish()
    }
}

/// What ends a wait.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The first of them that changes or is woken.
    pub words: Vec<Watchword>,
    /// The first of them that is readable.
    pub sockets: Vec<Arc<OwnedFd>>,
    /// So much time: [`BACKSTOP`], where there is something that nobody announces.
    pub within: Option<Duration>,
}

impl From<Vec<Watchword>> for Watch {
    fn from(words: Vec<Watchword>) -> Self {
        Self { words, ..Self::default() }
    }
}

/// Somebody who waits for the first of some events.
#[derive(Debug)]
struct Waiter {
    fired: AtomicBool,
    /// When, once it has.
    at: OnceLock<Instant>,
    waker: Mutex<Waker>,
}

impl Waiter {
    fn fire(&self) {
        if !self.fired.swap(true, Ordering::AcqRel) {
            // Nobody else gets here.
            let _ = self.at.set(Instant::now());
            // A copy, and not under the lock: it is somebody else's code, which may come back here.
            let waker = lock(&self.waker).clone();
            deferred::call(waker);
        }
    }
}

/// A wait that was left; dropping it takes it back.
#[derive(Debug)]
pub(crate) struct Parked {
    waiter: Arc<Waiter>,
    words: Vec<(Arc<Sleeper>, u64)>,
    polled: Vec<(Arc<Poller>, u64)>,
}

impl Parked {
    /// Leaves what ends a wait; the waker is called once, by the first of it. Where the system has no thread for
    /// something, it is called at once.
    pub fn new(watch: Watch, waker: &Waker) -> Self {
        let waiter = Arc::new(Waiter {
            fired: AtomicBool::new(false),
            at: OnceLock::new(),
            waker: Mutex::new(waker.clone()),
        });
        let Watch { words, sockets, within } = watch;
        let until = within.and_then(|within| Instant::now().checked_add(within));
        let words = words.into_iter().filter_map(|word| leave(word, &waiter)).collect();
        let mut polled = Vec::new();
        if !sockets.is_empty() || until.is_some() {
            let poller = poller();
            let mut leave = |left: Option<u64>, poller: &Arc<Poller>| match left {
                Some(number) => polled.push((Arc::clone(poller), number)),
                None => waiter.fire(),
            };
            match &poller {
                None => waiter.fire(),
                Some(poller) => {
                    sockets.iter().for_each(|socket| leave(poller.leave_socket(socket, &waiter), poller));
                    until
                        .into_iter()
                        .for_each(|until| leave(Some(poller.leave_time(until, &waiter)), poller));
                }
            }
        }
        Self { waiter, words, polled }
    }

    /// When the waker was called; `None`: it was not yet.
    pub fn fired(&self) -> Option<Instant> {
        self.waiter.at.get().copied()
    }

    /// Whether it still waits; then it is this waker that will be called.
    pub fn waits(&self, waker: &Waker) -> bool {
        let mut kept = lock(&self.waiter.waker);
        if !kept.will_wake(waker) {
            kept.clone_from(waker);
        }
        drop(kept);
        // After the waker is there: whoever fires later calls it.
        !self.waiter.fired.load(Ordering::Acquire)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        for (sleeper, number) in &self.words {
            let mut table = sleeper.lock();
            let gone = table.items.iter().position(|item| item.number == *number);
            let gone = gone.map(|at| table.items.swap_remove(at));
            // The thread has a copy while it sleeps, which keeps the memory mapped.
            let ring = gone.is_some() && sleeper.ring(&mut table);
            drop(table);
            if ring {
                Futex::new().wake(&sleeper.bell);
            }
            // What it kept mapped may go here, without the lock.
            drop(gone);
        }
        self.polled.iter().for_each(|(poller, number)| poller.take_back(*number));
    }
}

/// Calls the wakers of all who wait for this word: for news that changes no word.
pub(crate) fn wake(word: &AtomicU64) {
    // A copy: wakers are somebody else's code, which may come back here.
    let sleepers = lock(&SLEEPERS).clone();
    for sleeper in &sleepers {
        sleeper.fire(|item| item.word.at == NonNull::from(word));
    }
}

static SLEEPERS: Mutex<Vec<Arc<Sleeper>>> = Mutex::new(Vec::new());

/// A thread and its words.
#[derive(Debug)]
struct Sleeper {
    table: Mutex<Table>,
    /// Counts the times that the words changed while the thread slept or was about to.
    bell: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    items: Vec<Item>,
    /// It sleeps, or is about to, on words that it has copied.
    asleep: bool,
}

#[derive(Debug)]
struct Item {
    number: u64,
    word: Watchword,
    waiter: Arc<Waiter>,
}

/// Gives a word to a thread that has a place, or to a new one; `None`: there is no thread, so the waker is
/// called at once.
fn leave(word: Watchword, waiter: &Arc<Waiter>) -> Option<(Arc<Sleeper>, u64)> {
    let mut sleepers = lock(&SLEEPERS);
    let mut free = sleepers.iter().find(|sleeper| sleeper.lock().items.len() < MAX_WORDS - 1).cloned();
    if free.is_none() && sleepers.len() < MAX_THREADS {
        free = Sleeper::start();
        sleepers.extend(free.clone());
    }
    // One more than it can sleep on: then it looks now and then.
    let sleeper = free.or_else(|| sleepers.last().cloned());
    drop(sleepers);
    match sleeper {
        Some(sleeper) => {
            let number = sleeper.add(word, Arc::clone(waiter));
            Some((sleeper, number))
        }
        None => {
            waiter.fire();
            None
        }
    }
}

impl Sleeper {
    /// `None`: the system has no thread for it.
    fn start() -> Option<Arc<Self>> {
        let sleeper = Arc::new(Self { table: Mutex::default(), bell: AtomicU64::new(0) });
        let thread = Arc::clone(&sleeper);
        let started = std::thread::Builder::new().name("adit-sleeper".into()).spawn(move || thread.run());
        started.ok().map(|_| sleeper)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    fn add(&self, word: Watchword, waiter: Arc<Waiter>) -> u64 {
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.items.push(Item { number, word, waiter });
        let ring = self.ring(&mut table);
        drop(table);
        if ring {
            Futex::new().wake(&self.bell);
        }
        number
    }

    /// The words have changed; returns whether the thread is to be woken, for it sleeps or is about to.
    fn ring(&self, table: &mut Table) -> bool {
        let asleep = std::mem::replace(&mut table.asleep, false);
        if asleep {
            // Under the lock, so that the thread copies the words either before or after.
            self.bell.fetch_add(1, Ordering::Relaxed);
        }
        asleep
    }

    /// Calls the wakers of these items and forgets them.
    fn fire(&self, which: impl Fn(&Item) -> bool) {
        let mut table = self.lock();
        let fired: Vec<Item> = table.items.extract_if(.., |item| which(item)).collect();
        drop(table);
        // Wakers are somebody else's code: without the lock.
        fired.iter().for_each(|item| item.waiter.fire());
    }

    fn run(&self) {
        let futex = Futex::new();
        let mut words: Vec<(u64, Watchword)> = Vec::new();
        loop {
            let mut table = self.lock();
            words.clear();
            words.extend(table.items.iter().map(|item| (item.number, item.word.clone())));
            table.asleep = true;
            let bell = SleepOn { word: &self.bell, expected: self.bell.load(Ordering::Relaxed) as u32 };
            drop(table);
            let sleep_on =
                words.iter().map(|(_, left)| SleepOn { word: left.word(), expected: left.expected });
            let timeout = if words.len() >= MAX_WORDS { LATE } else { LONG };
            let woken = futex.wait_any([bell].into_iter().chain(sleep_on), timeout);
            let woken = woken.and_then(|at| at.checked_sub(1)).and_then(|at| words.get(at));
            let woken = woken.map(|(number, _)| *number);
            words.clear();
            self.fire(|item| woken == Some(item.number) || item.word.changed());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
