//! How threads tell the host loop something: a bounded queue, and a word the loop sleeps on beside its
//! rings.

use std::sync::atomic::{AtomicU64, Ordering};

use adit_channel::futex::Futex;
use adit_ring::{park::Park as _, slot::SleepOn};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{device::Mail, source::SourceEvent};

/// Letters that wait at most; who sends more waits.
const DEPTH: usize = 4096;

/// Something for the host loop.
#[derive(Debug)]
pub enum Letter {
    /// From a device's supervisor.
    Device(Mail),
    /// From the source.
    Source(SourceEvent),
}

/// Many writers, one reader.
#[derive(Debug)]
pub struct Mailbox {
    sender: Sender<Letter>,
    receiver: Receiver<Letter>,
    doorbell: AtomicU64,
    stop: AtomicU64,
    futex: Futex,
}

impl Default for Mailbox {
    fn default() -> Self {
        let (sender, receiver) = bounded(DEPTH);
        Self { sender, receiver, doorbell: AtomicU64::new(0), stop: AtomicU64::new(0), futex: Futex::new() }
    }
}

impl Mailbox {
    /// Puts a letter in and wakes the loop; waits while the box is full.
    pub fn send(&self, letter: Letter) {
        // The box owns both ends, so the channel is never closed.
        let _ = self.sender.send(letter);
        self.ring();
    }

    /// Takes a letter.
    pub fn take(&self) -> Option<Letter> {
        self.receiver.try_recv().ok()
    }

    /// Asks the loop to end.
    pub fn stop(&self) {
        self.stop.store(1, Ordering::SeqCst);
        self.ring();
    }

    /// Whether the loop was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst) != 0
    }

    /// To be read before the last look for letters, and given to [`sleep_on`](Self::sleep_on).
    pub fn ticket(&self) -> u64 {
        self.doorbell.load(Ordering::SeqCst)
    }

    /// What to sleep on until something came after `ticket`.
    pub fn sleep_on(&self, ticket: u64) -> SleepOn<'_> {
        SleepOn { word: &self.doorbell, expected: ticket as u32 }
    }

    fn ring(&self) {
        self.doorbell.fetch_add(1, Ordering::SeqCst);
        self.futex.wake(&self.doorbell);
    }
}
