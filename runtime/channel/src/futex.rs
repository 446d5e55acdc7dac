//! Sleeping on a shared word: futex(2) and membarrier(2).
//!
//! Shared futexes, never private ones: the two sides are usually two processes, and a wait works on a
//! read-only mapping. `membarrier(GLOBAL_EXPEDITED)` lets the side that publishes do without a fence; the
//! side that publishes must have registered for it. Where the kernel refuses membarrier (a sandbox), this
//! side fences at each publish instead ([`Futex::is_fenced`]), and sleeps for 50 ms at most in one piece.

use std::{
    ptr::NonNull,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence, fence},
    },
    time::Duration,
};

use adit_ring::{park::Park, slot::SleepOn};
use rustix::{
    io::Errno,
    thread::{
        MembarrierCommand,
        futex::{self, Flags, Timespec, Wait, WaitFlags, WaitPtr, WaitvFlags},
        membarrier,
    },
};

/// The most words that one thread can sleep on at once: the kernel's `FUTEX_WAITV_MAX`.
pub const MAX_WORDS: usize = 128;

/// How long a sleep may last in a process without membarrier: what a registered writer stores, it stores without a fence that
/// such a sleeper could rely on, and so may miss the sleeper.
const UNFENCED: Duration = Duration::from_millis(50);

/// How long one look lasts where the kernel has no `futex_waitv` (before 5.16).
const POLL: Duration = Duration::from_micros(500);

/// This process' way to sleep and wake.
#[derive(Clone, Copy, Debug)]
pub struct Futex {
    fenced: bool,
    /// The kernel can wait for any of several words.
    any: bool,
    /// Nobody sleeps on what it would wake.
    silent: bool,
}

impl Futex {
    /// Registers this process for `membarrier(GLOBAL_EXPEDITED)`, and finds out what the kernel can do, once.
    #[must_use]
    pub fn new() -> Self {
        static FOUND: OnceLock<(bool, bool)> = OnceLock::new();
        let find = || (membarrier(MembarrierCommand::RegisterGlobalExpedited).is_err(), can_wait_for_any());
        let (fenced, any) = *FOUND.get_or_init(find);
        Self { fenced, any, silent: false }
    }

    /// One that wakes nobody: for an end that calls whom it would wake.
    pub(crate) fn silent() -> Self {
        Self { silent: true, ..Self::new() }
    }

    /// Whether this side fences at each publish, because it could not register for membarrier.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// How long a sleep may last in one piece.
    fn piece(&self, timeout: Duration) -> Duration {
        if self.fenced { timeout.min(UNFENCED) } else { timeout }
    }

    /// The light fence, where this side is known not to be [fenced](Self::is_fenced).
    #[inline(always)]
    pub(crate) fn registered_fence(&self) {
        debug_assert!(!self.fenced, "without membarrier each publish takes a whole fence");
        compiler_fence(Ordering::SeqCst);
    }

    /// Sleeps until one of the words changes or is woken, at most `timeout`; may return early. Says which word
    /// was woken, if one was; there may be others.
    ///
    /// At most [`MAX_WORDS`]; those beyond are looked at when the timeout is over.
    pub fn wait_any<'a>(&self, words: impl Iterator<Item = SleepOn<'a>>, timeout: Duration) -> Option<usize> {
        let mut waits = [Wait::new(); MAX_WORDS];
        let mut count = 0;
        for (wait, on) in waits.iter_mut().zip(words) {
            wait.val = u64::from(on.expected);
            wait.uaddr = WaitPtr::new(low_half(on.word).as_ptr().cast());
            wait.flags = WaitFlags::SIZE_U32;
            count += 1;
        }
        let until = deadline(self.piece(timeout))?;
        let result = futex::waitv(
            &waits[..count],
            WaitvFlags::empty(),
            Some(&until),
            rustix::thread::ClockId::Monotonic,
        );
        if let Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) = result {
            std::thread::sleep(timeout.min(POLL));
        }
        result.ok()
    }
}

impl Futex {
    /// As [`wait_any`](Self::wait_any), but where the kernel has no such thing sleeps on the first word alone, at most
    /// `alone`.
    pub(crate) fn wait_any_or_first(&self, words: &[SleepOn<'_>], timeout: Duration, alone: Duration) {
        if self.any {
            self.wait_any(words.iter().copied(), timeout);
        } else if let Some(on) = words.first() {
            self.wait(on.word, on.expected, timeout.min(alone));
        }
    }
}

/// Whether the kernel has `futex_waitv`: asked with a word that is not what is expected, so that nobody sleeps.
fn can_wait_for_any() -> bool {
    let word = AtomicU64::new(1);
    let mut wait = Wait::new();
    wait.uaddr = WaitPtr::new(low_half(&word).as_ptr().cast());
    wait.flags = WaitFlags::SIZE_U32;
    let Some(until) = deadline(Duration::ZERO) else { return false };
    let clock = rustix::thread::ClockId::Monotonic;
    !matches!(
        futex::waitv(&[wait], WaitvFlags::empty(), Some(&until), clock),
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL)
    )
}

impl Default for Futex {
    fn default() -> Self {
        Self::new()
    }
}

impl Park for Futex {
    #[inline(always)]
    fn light_fence(&self) {
        if self.fenced {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
    }

    fn heavy_fence(&self) {
        if membarrier(MembarrierCommand::GlobalExpedited).is_err() {
            fence(Ordering::SeqCst);
        }
    }

    fn wait(&self, word: &AtomicU64, expected: u32, timeout: Duration) {
        let timeout = timespec(self.piece(timeout));
        // Whatever it returns, the caller looks again: woken, changed before, interrupted, timed out.
        let _ = futex::wait(low_half_ref(word), Flags::empty(), expected, Some(&timeout));
    }

    fn wake(&self, word: &AtomicU64) {
        if self.silent {
            return;
        }
        // The word is ours and mapped, so nothing here can fail but in a sandbox without futexes.
        let _ = futex::wake(low_half_ref(word), Flags::empty(), i32::MAX as u32);
    }
}

/// The half of a word that the kernel compares: its low one, which is its first on a little-endian machine.
fn low_half(word: &AtomicU64) -> NonNull<AtomicU32> {
    NonNull::from(word).cast()
}

fn low_half_ref(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: the first four bytes of a live, 8-aligned atomic; rustix hands the address to the kernel and
    // never accesses it itself.
    unsafe { low_half(word).as_ref() }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().min(i64::MAX as u64) as i64,
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// `futex_waitv` wants a point in time; `None` when that is out of range.
fn deadline(timeout: Duration) -> Option<Timespec> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    Some(timespec(now.checked_add(timeout)?))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Instant};

    use super::*;

    #[test]
    fn a_changed_word_does_not_sleep_and_an_unchanged_one_times_out() {
        let futex = Futex::new();
        let word = AtomicU64::new(7 << 32 | 1);
        let begin = Instant::now();
        futex.wait(&word, 2, Duration::from_secs(10));
        assert!(begin.elapsed() < Duration::from_secs(5));
        let begin = Instant::now();
        futex.wait(&word, 1, Duration::from_millis(20));
        futex.wait_any([SleepOn { word: &word, expected: 1 }].into_iter(), Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(39));
    }

    #[test]
    fn one_of_many_words_wakes() {
        let futex = Futex::new();
        let words: Arc<[AtomicU64; 3]> = Arc::default();
        let waker = {
            let words = Arc::clone(&words);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                words[2].store(1, Ordering::SeqCst);
                futex.wake(&words[2]);
            })
        };
        let begin = Instant::now();
        while words[2].load(Ordering::SeqCst) == 0 {
            let all = words.iter().map(|word| SleepOn { word, expected: 0 });
            futex.wait_any(all, Duration::from_secs(10));
        }
        assert!(begin.elapsed() < Duration::from_secs(5));
        waker.join().unwrap();
    }
}
