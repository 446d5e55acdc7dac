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
//! Limits: one thread sleeps on 127 words and its bell; for more words there are more threads, [`MAX_THREADS`]
//! at most. Words beyond those, or for which no thread can be started, are looked at every [`LATE`]; where not
//! even the first can be started, futures are polled again and again. The threads begin when they are needed and
//! stay. Kernels without `futex_waitv` (before 5.16) are asked again and again,
//! as [`Futex::wait_any`] does.

use std::{
    ptr::NonNull,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use adit_ring::park::{Park as _, SleepOn};

use crate::futex::{Futex, MAX_WORDS};

/// The most threads that sleep for futures.
pub(crate) const MAX_THREADS: usize = 64;

/// How often words are looked at for which there is no thread.
const LATE: Duration = Duration::from_millis(5);

/// How long a thread sleeps if nothing happens.
const LONG: Duration = Duration::from_secs(3600);

/// How often those are woken who can hear of some things by looking alone.
const BACKSTOP: Duration = Duration::from_millis(50);

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

/// Somebody who waits for the first of some words.
#[derive(Debug)]
struct Waiter {
    fired: AtomicBool,
    waker: Mutex<Waker>,
}

impl Waiter {
    fn fire(&self) {
        if !self.fired.swap(true, Ordering::AcqRel) {
            // A copy: it is somebody else's code, which may come back here.
            let waker = lock(&self.waker).clone();
            waker.wake();
        }
    }
}

/// Words that were left; dropping it takes them back.
#[derive(Debug)]
pub(crate) struct Parked {
    waiter: Arc<Waiter>,
    at: Vec<(Arc<Sleeper>, u64)>,
}

impl Parked {
    /// Leaves words; the waker is called once, when the first of them changes or is woken.
    ///
    /// With `backstop` also after [`BACKSTOP`] at most: there is something that nobody announces.
    pub fn new(words: Vec<Watchword>, waker: &Waker, backstop: bool) -> Self {
        let waiter = Arc::new(Waiter { fired: AtomicBool::new(false), waker: Mutex::new(waker.clone()) });
        let at = words.into_iter().filter_map(|word| leave(word, &waiter, backstop)).collect();
        Self { waiter, at }
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
        for (sleeper, number) in &self.at {
            let mut table = sleeper.lock();
            let gone = table.items.iter().position(|item| item.number == *number);
            let gone = gone.map(|at| table.items.swap_remove(at));
            drop(table);
            // What it kept mapped may go here, without the lock.
            drop(gone);
        }
    }
}

/// Calls the wakers of all who wait for this word: for news that changes no word.
pub(crate) fn wake(word: &AtomicU64) {
    for sleeper in lock(&SLEEPERS).iter() {
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
    backstop: bool,
}

/// Gives a word to a thread that has a place, or to a new one; `None`: there is no thread, so the waker is
/// called at once.
fn leave(word: Watchword, waiter: &Arc<Waiter>, backstop: bool) -> Option<(Arc<Sleeper>, u64)> {
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
            let number = sleeper.add(word, Arc::clone(waiter), backstop);
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

    fn add(&self, word: Watchword, waiter: Arc<Waiter>, backstop: bool) -> u64 {
        let mut table = self.lock();
        let number = table.next;
        table.next += 1;
        table.items.push(Item { number, word, waiter, backstop });
        let ring = std::mem::replace(&mut table.asleep, false);
        if ring {
            // Under the lock, so that the thread copies the words either before or after.
            self.bell.fetch_add(1, Ordering::Relaxed);
        }
        drop(table);
        if ring {
            Futex::new().wake(&self.bell);
        }
        number
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
        let mut swept = Instant::now();
        loop {
            let mut table = self.lock();
            words.clear();
            words.extend(table.items.iter().map(|item| (item.number, item.word.clone())));
            let any_late = table.items.iter().any(|item| item.backstop);
            table.asleep = true;
            let bell = SleepOn { word: &self.bell, expected: self.bell.load(Ordering::Relaxed) as u32 };
            drop(table);
            let sleep_on =
                words.iter().map(|(_, left)| SleepOn { word: left.word(), expected: left.expected });
            let timeout = if words.len() >= MAX_WORDS {
                LATE
            } else if any_late {
                BACKSTOP.saturating_sub(swept.elapsed())
            } else {
                LONG
            };
            let woken = futex.wait_any([bell].into_iter().chain(sleep_on), timeout);
            let woken = woken.and_then(|at| at.checked_sub(1)).and_then(|at| words.get(at));
            let woken = woken.map(|(number, _)| *number);
            let sweep = any_late && swept.elapsed() >= BACKSTOP;
            if sweep {
                swept = Instant::now();
            }
            self.fire(|item| woken == Some(item.number) || item.word.changed() || sweep && item.backstop);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicUsize, task::Wake};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Count {
        fn wait_for(&self, least: usize) {
            let begin = Instant::now();
            while self.0.load(Ordering::SeqCst) < least {
                assert!(begin.elapsed() < Duration::from_secs(20), "a wake was lost");
                std::thread::yield_now();
            }
        }
    }

    fn left(word: &Arc<AtomicU64>, expected: u32) -> Watchword {
        Watchword::new(SleepOn { word, expected }, Arc::clone(word) as Arc<dyn Send + Sync>)
    }

    #[test]
    fn a_word_that_changed_before_or_changes_later_wakes_once() {
        let (count, word) = (Arc::new(Count::default()), Arc::new(AtomicU64::new(1)));
        let waker = Waker::from(Arc::clone(&count));
        let parked = Parked::new(vec![left(&word, 0)], &waker, false);
        count.wait_for(1);
        assert!(!parked.waits(&waker));
        let parked = Parked::new(vec![left(&word, 1)], &waker, false);
        std::thread::sleep(Duration::from_millis(30));
        assert!(parked.waits(&waker) && count.0.load(Ordering::SeqCst) == 1);
        word.store(2, Ordering::SeqCst);
        Futex::new().wake(&word);
        count.wait_for(2);
        assert!(!parked.waits(&waker));
    }

    #[test]
    fn news_that_changes_no_word_wakes_who_waits_for_it_and_nobody_else() {
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let words = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
        let parked: Vec<_> = (0..2)
            .map(|at| Parked::new(vec![left(&words[at], 0)], &Waker::from(Arc::clone(&counts[at])), false))
            .collect();
        wake(&words[1]);
        counts[1].wait_for(1);
        assert!(parked[0].waits(&Waker::from(Arc::clone(&counts[0]))));
        assert_eq!(counts[0].0.load(Ordering::SeqCst), 0);
        drop(parked);
        // Who left is not called any more.
        words[0].store(1, Ordering::SeqCst);
        Futex::new().wake(&words[0]);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(counts[0].0.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn what_nobody_announces_is_looked_for_now_and_then() {
        let (count, word) = (Arc::new(Count::default()), Arc::new(AtomicU64::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        for round in 1..4 {
            let _parked = Parked::new(vec![left(&word, 0)], &waker, true);
            count.wait_for(round);
        }
    }

    #[test]
    fn more_words_than_a_thread_sleeps_on_are_all_heard() {
        let words: Vec<_> = (0..5 * MAX_WORDS).map(|_| Arc::new(AtomicU64::new(0))).collect();
        for round in 0..3_u32 {
            let counts: Vec<_> = words.iter().map(|_| Arc::new(Count::default())).collect();
            let parked: Vec<_> = words
                .iter()
                .zip(&counts)
                .map(|(word, count)| {
                    Parked::new(vec![left(word, round)], &Waker::from(Arc::clone(count)), false)
                })
                .collect();
            for (word, count) in words.iter().zip(&counts).rev() {
                word.fetch_add(1, Ordering::SeqCst);
                Futex::new().wake(word);
                count.wait_for(1);
            }
            drop(parked);
        }
        let threads = lock(&SLEEPERS).len();
        assert!((6..20).contains(&threads), "{threads} threads for {} words", words.len());
    }
}
