//! Stamps: at which time a writer wrote what stands at which position, for a reader that measures latencies.
//!
//! A small ring beside the ring of messages. The writer stamps a message now and then, before it publishes it;
//! a reader that has seen the message published sees its stamp, too, so it knows before it reads on whether a
//! stamped message comes, and where. Messages carry nothing, and are not touched.
//!
//! ```text
//!  word   0        8, 9            10, 11          ...    8 + 2 * 127, 8 + 2 * 127 + 1
//!       count │ position, time │ position, time │ ... │ position, time        written by the writer
//! ```
//!
//! Stamp number `n` stands in entry `n % 128`. The writer leaves it there until the reader has read past its
//! position, and stamps nothing while all 128 are needed; a reader that reads in batches may still come too late
//! for one, notices it, and goes on with a later one.
//!
//! | release | acquire |
//! |---|---|
//! | writer stores `count` after the entry | [`StampReader::look`] loads `count`, then the entry |
//! | writer fences before it overwrites an entry | [`StampReader::look`] fences after it copied one, then loads `count` again |

use std::ops::Deref;

use crate::primitive::{AtomicU64, Ordering, fence, load_acquire};

/// How many stamps there is room for.
#[cfg(not(loom))]
pub const STAMPS: usize = 128;

/// How many stamps there is room for: few, so that loom sees them overwritten.
#[cfg(loom)]
pub const STAMPS: usize = 2;

/// Words before the first entry: the count has a cache line of its own.
const ENTRIES: usize = 8;

/// Words of memory that stamps take.
pub const STAMP_WORDS: usize = ENTRIES + 2 * STAMPS;

/// A stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The lowest position that the stamped message can have.
    pub position: u64,
    /// When it was written, on a clock that both ends share.
    pub time: u64,
}

/// The writing end.
#[derive(Debug)]
pub struct StampWriter<M> {
    memory: M,
    /// How many were written.
    count: u64,
    /// How many of them the reader has passed.
    passed: u64,
    /// The positions of those that it has not, where nobody else can write.
    positions: [u64; STAMPS],
}

impl<M: Deref<Target = [AtomicU64]>> StampWriter<M> {
    /// The writing end over [`STAMP_WORDS`] words that are zero.
    ///
    /// # Panics
    /// There are fewer.
    pub fn new(memory: M) -> Self {
        assert!(memory.len() >= STAMP_WORDS);
        Self { memory, count: 0, passed: 0, positions: [0; STAMPS] }
    }

    /// Stamps the message that is written next, at `position`; call it before the message is published. The
    /// reader's head, as last heard of, says which entries are free. Returns whether one was.
    pub fn stamp(&mut self, stamp: Stamp, head: u64) -> bool {
        while self.passed < self.count && self.positions[self.passed as usize % STAMPS] < head {
            self.passed += 1;
        }
        if self.count - self.passed >= STAMPS as u64 {
            return false;
        }
        let entry = self.count as usize % STAMPS;
        self.positions[entry] = stamp.position;
        // SYNC with the reader's fence in `look`: who copies a word of what follows sees the count of now.
        fence(Ordering::Release);
        self.memory[ENTRIES + 2 * entry].store(stamp.position, Ordering::Relaxed);
        self.memory[ENTRIES + 2 * entry + 1].store(stamp.time, Ordering::Relaxed);
        self.count += 1;
        // SYNC with the reader's load in `look`: the entry is whole.
        self.memory[0].store(self.count, Ordering::Release);
        true
    }
}

/// The reading end.
#[derive(Debug)]
pub struct StampReader<M> {
    memory: M,
    /// How many were taken or came too late.
    taken: u64,
    next: Option<Stamp>,
}

impl<M: Deref<Target = [AtomicU64]>> StampReader<M> {
    /// The reading end; a writer may have written before.
    ///
    /// # Panics
    /// There are fewer than [`STAMP_WORDS`] words.
    pub fn new(memory: M) -> Self {
        assert!(memory.len() >= STAMP_WORDS);
        let taken = load_acquire(&memory[0]);
        Self { memory, taken, next: None }
    }

    /// The oldest stamp that was not [taken](Self::take). Who looks after it has seen a message published sees
    /// that message's stamp. What a writer wrote that breaks the rules is any stamp, or none.
    pub fn look(&mut self) -> Option<Stamp> {
        if self.next.is_none() {
            self.next = self.find();
        }
        self.next
    }

    /// Takes the stamp that [`look`](Self::look) gave.
    pub fn take(&mut self) {
        if self.next.take().is_some() {
            self.taken = self.taken.wrapping_add(1);
        }
    }

    fn find(&mut self) -> Option<Stamp> {
        // SYNC with the writer's store of the count.
        let count = load_acquire(&self.memory[0]);
        let mut waiting = count.wrapping_sub(self.taken);
        if waiting == 0 {
            return None;
        }
        if waiting >= STAMPS as u64 {
            // The older half may be overwritten by now.
            waiting = STAMPS as u64 / 2;
            self.taken = count.wrapping_sub(waiting);
        }
        let entry = ENTRIES + 2 * (self.taken as usize % STAMPS);
        let stamp = Stamp {
            position: self.memory[entry].load(Ordering::Relaxed),
            time: self.memory[entry + 1].load(Ordering::Relaxed),
        };
        // SYNC with the writer's fence in `stamp`.
        fence(Ordering::Acquire);
        let count = self.memory[0].load(Ordering::Relaxed);
        // With the count at `taken + STAMPS` the writer may be at this entry again.
        (count.wrapping_sub(self.taken) < STAMPS as u64).then_some(stamp)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn memory() -> Vec<AtomicU64> {
        (0..STAMP_WORDS).map(|_| AtomicU64::new(0)).collect()
    }

    fn stamp(number: u64) -> Stamp {
        Stamp { position: number * 64, time: 1_000_000 + number }
    }

    #[test]
    fn stamps_come_in_order_and_wait_until_they_are_passed() {
        let memory = memory();
        let mut writer = StampWriter::new(&memory[..]);
        let mut reader = StampReader::new(&memory[..]);
        assert_eq!(reader.look(), None);
        let most = STAMPS as u64;
        assert!((0..most).all(|number| writer.stamp(stamp(number), 0)));
        assert!(!writer.stamp(stamp(most), 0));
        // A reader that never looked has lost the older half, as it may be overwritten.
        assert_eq!(reader.look(), Some(stamp(most / 2)));
        reader.take();
        assert_eq!(reader.look(), Some(stamp(most / 2 + 1)));
        assert!(writer.stamp(stamp(most), 1), "the first was passed");
        assert!(!writer.stamp(stamp(most + 1), 1));
        for number in most / 2 + 1..=most {
            assert_eq!(reader.look(), Some(stamp(number)));
            reader.take();
        }
        assert_eq!(reader.look(), None);
    }

    proptest! {
        #[test]
        fn a_reader_that_keeps_up_gets_every_stamp(steps in prop::collection::vec(0..40_u64, 1..200)) {
            let memory = memory();
            let mut writer = StampWriter::new(&memory[..]);
            let mut reader = StampReader::new(&memory[..]);
            let (mut written, mut read) = (0, 0);
            for step in steps {
                for _ in 0..step {
                    // The reader has read past all stamps that it took.
                    prop_assert!(writer.stamp(stamp(written), read * 64));
                    written += 1;
                }
                while let Some(found) = reader.look() {
                    prop_assert_eq!(found, stamp(read));
                    reader.take();
                    read += 1;
                }
                prop_assert_eq!(read, written);
            }
        }

        #[test]
        fn a_hostile_writer_gives_stamps_and_no_trouble(
            writes in prop::collection::vec((0..STAMP_WORDS, any::<u64>()), 1..200),
        ) {
            let memory = memory();
            let mut reader = StampReader::new(&memory[..]);
            for (at, value) in writes {
                memory[at].store(value, Ordering::Relaxed);
                if reader.look().is_some() {
                    reader.take();
                }
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use loom::{sync::Arc, thread};

    use super::*;

    /// Stamps of which a torn or stale one cannot be mistaken for a whole one.
    fn stamp(number: u64) -> Stamp {
        Stamp { position: 100 + number, time: 200 + number }
    }

    #[derive(Clone)]
    struct Shared(Arc<Vec<AtomicU64>>);

    impl Deref for Shared {
        type Target = [AtomicU64];

        fn deref(&self) -> &[AtomicU64] {
            &self.0
        }
    }

    fn shared() -> (Shared, Arc<AtomicU64>) {
        (Shared(Arc::new((0..STAMP_WORDS).map(|_| AtomicU64::new(0)).collect())), Arc::new(AtomicU64::new(0)))
    }

    /// Who has seen the message published sees its stamp.
    #[test]
    fn a_published_message_has_its_stamp() {
        loom::model(|| {
            let (memory, tail) = shared();
            let mut reader = StampReader::new(memory.clone());
            let writer = {
                let tail = Arc::clone(&tail);
                thread::spawn(move || {
                    let mut writer = StampWriter::new(memory);
                    assert!(writer.stamp(stamp(0), 0));
                    tail.store(1, Ordering::Release);
                })
            };
            if load_acquire(&tail) == 1 {
                assert_eq!(reader.look(), Some(stamp(0)));
            }
            writer.join().unwrap();
        });
    }

    /// A reader that comes late takes no stamp that is torn or of another number.
    #[test]
    fn an_overwritten_stamp_is_noticed() {
        loom::model(|| {
            let (memory, _) = shared();
            let mut reader = StampReader::new(memory.clone());
            let writer = thread::spawn(move || {
                let mut writer = StampWriter::new(memory);
                for number in 0..3 {
                    // The reader is said to have passed all of them.
                    assert!(writer.stamp(stamp(number), u64::MAX));
                }
            });
            let mut last = None;
            for _ in 0..2 {
                if let Some(found) = reader.look() {
                    let number = found.position - 100;
                    assert_eq!(found, stamp(number));
                    assert!(last.is_none_or(|last| number > last));
                    last = Some(number);
                    reader.take();
                }
            }
            writer.join().unwrap();
        });
    }
}
